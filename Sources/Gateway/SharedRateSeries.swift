internal import Cluster
internal import Sampling
internal import Telemetry
internal import Transport

/// The series of one scrape about the rates that the nodes share: those of the policies in force.
///
/// While undecided traces keep older versions of the policies in use, a path may have several rates; that of the newest is shown.
/// Bounded: a set of policies has at most `ClusterLimit.maximumPerSet` rates, and few sets are in use at once.
struct SharedRateSeries {
    /// More is not told from more, and fits into a cell.
    private static let mostMultiples = 1e9

    private var rates: [(limit: ClusterDescription.Limit, metrics: SharedRateMetrics)] = []

    /// - Parameters:
    ///   - limits: as `ClusterDescription.limits` has them.
    ///   - label: the name under which a policy's series stand.
    init(_ limits: [ClusterDescription.Limit], label: (String) -> String, in catalog: inout MetricCatalog) {
        var known: Set<String> = []
        for limit in limits where limit.role == .inForce && known.insert(limit.path).inserted {
            // A family that is full has no room for the others either.
            guard let metrics = try? SharedRateMetrics(policy: label(limit.path), in: &catalog) else { return }
            rates.append((limit, metrics))
        }
    }

    /// Enters the figures into cells of the layout that the catalog has become.
    func write(into cells: MetricCells) {
        for (limit, metrics) in rates {
            cells.set(metrics.share, Self.millionths(limit.figures.share))
            cells.set(metrics.demand, Self.millionths(limit.figures.demand / limit.goal))
            cells.set(metrics.passed, Self.millionths(limit.figures.passed / limit.goal))
        }
    }

    private static func millionths(_ value: Double) -> Int {
        value > 0 ? Int((min(value, mostMultiples) * 1e6).rounded()) : 0
    }
}

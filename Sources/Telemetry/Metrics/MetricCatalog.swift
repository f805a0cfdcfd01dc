/// Why a series cannot be registered.
package enum MetricCatalogError: Error, Equatable, CustomStringConvertible {
    /// A family has reached `MetricCatalog.seriesLimit`; configuration asks for too many of a kind.
    case tooManySeries(family: String, limit: Int)

    package var description: String {
        switch self {
        case .tooManySeries(let family, let limit):
            "metric \(family) would have more than \(limit) series"
        }
    }
}

/// Collects families and series at start and gives each a place; `layout()` is the result.
///
/// Registering the same family and label values again gives the same place, so a new
/// configuration may go on from the layout in force with `init(extending:)`: the cells of what
/// was already there keep their meaning and their counts.
///
/// - Complexity: registering is O(series of the family). It happens at start and at a reload only.
package struct MetricCatalog {
    /// Most series a family may have. Label values come from configuration and from enumerations,
    /// never from what a client sends; this is the belt for a configuration gone wild.
    package static let seriesLimit = 4096

    private var layoutSoFar: MetricLayout

    package init(extending layout: MetricLayout = MetricLayout()) {
        layoutSoFar = layout
    }

    /// Registers a series of a counter family. `labels`: one value for each name of the family.
    package mutating func counter(
        _ family: MetricFamily, _ labels: String...
    ) throws(MetricCatalogError) -> CounterID {
        try counter(family, labels: labels)
    }

    /// The same with the label values in an array.
    mutating func counter(
        _ family: MetricFamily, labels: [String]
    ) throws(MetricCatalogError) -> CounterID {
        precondition(family.kind == .counter, "\(family.name) is no counter")
        return CounterID(slot: try register(family, labels).slot)
    }

    /// Registers a series of a gauge family.
    package mutating func gauge(
        _ family: MetricFamily, _ labels: String...
    ) throws(MetricCatalogError) -> GaugeID {
        precondition(family.kind == .gauge, "\(family.name) is no gauge")
        return GaugeID(slot: try register(family, labels).slot)
    }

    /// Registers a series of a histogram family.
    package mutating func histogram(
        _ family: MetricFamily, _ labels: String...
    ) throws(MetricCatalogError) -> HistogramID {
        guard case .histogram(let bounds) = family.kind else {
            preconditionFailure("\(family.name) is no histogram")
        }
        let place = try register(family, labels)
        return HistogramID(
            slot: place.slot, firstBound: place.firstBound, boundCount: bounds.count)
    }

    /// Registers an info series. It needs no cell and no writer: its value is always 1.
    package mutating func info(
        _ family: MetricFamily, _ labels: String...
    ) throws(MetricCatalogError) {
        precondition(family.kind == .info, "\(family.name) is no info")
        _ = try register(family, labels)
    }

    /// All that was registered so far.
    package func layout() -> MetricLayout { layoutSoFar }

    private mutating func register(
        _ family: MetricFamily, _ labels: [String]
    ) throws(MetricCatalogError) -> (slot: Int, firstBound: Int) {
        precondition(
            labels.count == family.labelNames.count, "\(family.name) needs other labels")
        let place = layoutSoFar.place(of: family)
        let known = layoutSoFar.families[place]
        if let series = known.series.first(where: { $0.labelValues == labels }) {
            return (series.slot, known.firstBound)
        }
        guard known.series.count < Self.seriesLimit else {
            throw .tooManySeries(family: family.name, limit: Self.seriesLimit)
        }
        return (layoutSoFar.append(labels, toFamilyAt: place), known.firstBound)
    }
}

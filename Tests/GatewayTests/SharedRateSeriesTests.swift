import Sampling
import Telemetry
import Testing

@testable import Cluster
@testable import Gateway
@testable import Transport

/// What `/metrics` says about rates that the nodes share.
@Suite struct SharedRateSeriesTests {
    static func limit(
        _ path: String, _ role: PolicyRole = .inForce, goal: Double = 300, share: Double, demand: Double = 0, passed: Double = 0
    ) -> ClusterDescription.Limit {
        ClusterDescription.Limit(
            path: path, role: role, goal: goal,
            figures: BudgetFigures(
                share: share, demand: demand, passed: passed, totalDemand: demand, totalPassed: passed, nodes: 3))
    }

    /// The samples of a scrape, by what stands before their values.
    static func samples(_ limits: [ClusterDescription.Limit], label: (String) -> String = { $0 }) -> [String: String] {
        var catalog = MetricCatalog()
        let series = SharedRateSeries(limits, label: label, in: &catalog)
        let layout = catalog.layout()
        let cells = MetricCells(layout)
        series.write(into: cells)
        let text = String(decoding: PrometheusText.render(layout, cells.snapshot(), as: .text), as: UTF8.self)
        var samples: [String: String] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            samples[parts.dropLast().joined(separator: " ")] = parts.last.map(String.init)
        }
        return samples
    }

    @Test func figuresAreMultiplesOfTheRate() {
        let samples = Self.samples([
            Self.limit("cap", share: 0.25, demand: 1200, passed: 75), Self.limit("outer/cap", goal: 2_000_000, share: 1, passed: 1),
        ])
        #expect(
            samples == [
                "tailgate_cluster_rate_share_ratio{policy=\"cap\"}": "0.25",
                "tailgate_cluster_rate_demand_ratio{policy=\"cap\"}": "4",
                "tailgate_cluster_rate_passed_ratio{policy=\"cap\"}": "0.25",
                "tailgate_cluster_rate_share_ratio{policy=\"outer/cap\"}": "1",
                "tailgate_cluster_rate_demand_ratio{policy=\"outer/cap\"}": "0",
                "tailgate_cluster_rate_passed_ratio{policy=\"outer/cap\"}": "0.000001",
            ])
    }

    /// A path has the series of its newest rate; shadows have none, and hide none.
    @Test func onePathHasOneRate() {
        let samples = Self.samples(
            [
                Self.limit("b", .shadow, share: 0.9), Self.limit("a", share: 0.1), Self.limit("b", share: 0.2),
                Self.limit("a", share: 0.3), Self.limit("c", .shadow, share: 0.4),
            ], label: { "shop.\($0)" })
        let shares = samples.filter { $0.key.hasPrefix("tailgate_cluster_rate_share_ratio") }
        #expect(
            shares == [
                "tailgate_cluster_rate_share_ratio{policy=\"shop.a\"}": "0.1",
                "tailgate_cluster_rate_share_ratio{policy=\"shop.b\"}": "0.2",
            ])
    }

    @Test func withoutRatesThereIsNothing() { #expect(Self.samples([]).isEmpty) }

    /// Whatever is reckoned fits into a cell.
    @Test func figuresAreBounded() {
        let samples = Self.samples([Self.limit("a", goal: 1e-300, share: -1, demand: 1e300, passed: .nan)])
        #expect(
            samples == [
                "tailgate_cluster_rate_share_ratio{policy=\"a\"}": "0",
                "tailgate_cluster_rate_demand_ratio{policy=\"a\"}": "1000000000",
                "tailgate_cluster_rate_passed_ratio{policy=\"a\"}": "0",
            ])
    }
}

import Testing

@testable import Cluster

@Suite struct SharedBudgetTests {
    static let second: Int64 = 1_000_000_000

    /// Nodes with these demands, reporting every half second; returns what all let through in each second of a token bucket's long run.
    static func totals(_ demand: (Int, Int) -> Double, nodes: Int, goal: Double, seconds: Int) -> [Double] {
        var budgets = (0..<nodes).map { _ in SharedBudget(ClusterSettings()) }
        var offered = [Double](repeating: 0, count: nodes)
        var totals: [Double] = []
        for second in 0..<seconds {
            var total = 0.0
            for tenth in 0..<10 {
                let now = Int64(second) * Self.second + Int64(tenth) * Self.second / 10
                for node in 0..<nodes {
                    offered[node] += demand(node, second) / 10
                    budgets[node].offered(offered[node], id: 1, now: now)
                    total += min(demand(node, second), goal * budgets[node].share(1, now: now)) / 10
                }
                guard tenth % 5 == 0 else { continue }
                let reports = budgets.map(\.demands)
                for node in 0..<nodes {
                    for other in 0..<nodes where other != node {
                        budgets[node].received(reports[other], from: "node-\(other)", now: now)
                    }
                }
            }
            totals.append(total)
        }
        return totals
    }

    @Test func theTotalIsTheGoalUnderSkew() {
        let totals = Self.totals({ node, _ in node == 0 ? 10_000 : 1000 }, nodes: 3, goal: 1200, seconds: 20)
        for total in totals[3...] { #expect(abs(total / 1200 - 1) < 0.05) }
    }

    @Test func theTotalFollowsWhenTheSkewMoves() {
        let totals = Self.totals({ node, second in node == second / 15 ? 10_000 : 1000 }, nodes: 3, goal: 1200, seconds: 30)
        for total in totals[3..<15] { #expect(abs(total / 1200 - 1) < 0.05) }
        for total in totals[22...] { #expect(abs(total / 1200 - 1) < 0.05) }
    }

    @Test func belowTheGoalEverythingPasses() {
        let totals = Self.totals({ node, _ in node == 0 ? 900 : 50 }, nodes: 3, goal: 1200, seconds: 10)
        for total in totals[3...] { #expect(abs(total - 1000) < 1) }
    }

    @Test func sharesOfOneTwoAndSilentNodes() {
        var budget = SharedBudget(ClusterSettings())
        #expect(budget.share(1, now: 0) == 1)
        budget.received([], from: "b", now: 0)
        #expect(budget.share(1, now: 0) == 0.5)
        budget.received([BudgetDemand(id: 1, perSecond: 100)], from: "b", now: 0)
        #expect(budget.share(1, now: 0) == 0.005)
        budget.offered(0, id: 1, now: 0)
        budget.offered(300, id: 1, now: Self.second)
        #expect(abs(budget.share(1, now: Self.second) - 0.75) < 1e-9)
        // A report has its time; then the peer does not count.
        #expect(abs(budget.share(1, now: 5 * Self.second) - 0.75) < 1e-9)
        #expect(budget.share(1, now: 5 * Self.second + 1) == 1)
        budget.received([BudgetDemand(id: 1, perSecond: 100)], from: "b", now: 6 * Self.second)
        budget.forget("b")
        #expect(budget.share(1, now: 6 * Self.second) == 1)
    }

    @Test func tablesAreBounded() {
        var budget = SharedBudget(ClusterSettings())
        for id in 0..<200 as Range<UInt64> {
            budget.offered(0, id: id, now: 0)
            budget.offered(1, id: id, now: Self.second)
        }
        #expect(budget.demands.count == ClusterLimits.maximumBudgets)
        budget.retain([3])
        #expect(budget.demands.map(\.id) == [3])
    }
}

/// What a node would let through of one shared limit if there were none.
package struct BudgetDemand: Sendable, Equatable {
    /// Hash of the policy's path and type: the same on all nodes with one configuration.
    package var id: UInt64
    /// Units (spans, bytes, traces) per second.
    package var perSecond: Double

    package init(id: UInt64, perSecond: Double) {
        self.id = id
        self.perSecond = perSecond
    }
}

/// Rates for the whole cluster (`scope: cluster`): each node gets the share of the goal that its demand has in the demand of all.
///
/// Nodes tell each other their demand with every status message. With d_i the demand of node i and D their sum, node i may let
/// through goal x d_i / D. While D is above the goal, every node uses its whole share and the total is the goal; while D is
/// below, every share is more than its node needs. So the total follows the goal whatever the skew, and what one node does not
/// need others have. Every node keeps at least 1 % of an even share, so that one that was idle can begin before its first
/// report has gone round. Reports older than `budgetReportAge` do not count: after a cut each side has the whole goal.
package struct SharedBudget: Sendable {
    private struct Own: Sendable {
        var offered: Double
        var at: Int64
        var rate: Double?
    }

    private struct Report: Sendable {
        var demands: [UInt64: Double]
        var at: Int64
    }

    private let averaging: Int64
    private let reportAge: Int64
    private var own: [UInt64: Own] = [:]
    private var peers: [String: Report] = [:]

    package init(_ settings: ClusterSettings) {
        averaging = max(1, settings.budgetAveraging)
        reportAge = settings.budgetReportAge
    }

    /// Enters what this node has been asked to let through since it started, limited or not. Once a tick.
    ///
    /// The average is exponential with the time constant `budgetAveraging`. At most `ClusterLimits.maximumBudgets` ids are kept.
    package mutating func offered(_ total: Double, id: UInt64, now: Int64) {
        guard var budget = own[id] else {
            if own.count < ClusterLimits.maximumBudgets { own[id] = Own(offered: total, at: now, rate: nil) }
            return
        }
        let elapsed = now - budget.at
        guard elapsed > 0 else { return }
        let rate = max(0, total - budget.offered) * 1e9 / Double(elapsed)
        let share = min(1, Double(elapsed) / Double(averaging))
        budget.rate = budget.rate.map { $0 + (rate - $0) * share } ?? rate
        budget.offered = total
        budget.at = now
        own[id] = budget
    }

    /// Forgets budgets that no policy has any more.
    package mutating func retain(_ ids: Set<UInt64>) { own = own.filter { ids.contains($0.key) } }

    /// This node's demands, by id.
    package var demands: [BudgetDemand] {
        own.keys.sorted().compactMap { id in own[id]?.rate.map { BudgetDemand(id: id, perSecond: $0) } }
    }

    /// Takes a peer's report.
    package mutating func received(_ demands: [BudgetDemand], from peer: String, now: Int64) {
        guard peers[peer] != nil || peers.count < ClusterLimits.maximumMembers else { return }
        var table: [UInt64: Double] = [:]
        for demand in demands { table[demand.id] = demand.perSecond }
        peers[peer] = Report(demands: table, at: now)
    }

    /// A peer is gone; others take its share.
    package mutating func forget(_ peer: String) { peers[peer] = nil }

    /// The share of the goal that this node may let through, 0...1. - Complexity: O(peers).
    package func share(_ id: UInt64, now: Int64) -> Double {
        let mine = max(own[id]?.rate ?? 0, 0)
        var others: [Double] = []
        for report in peers.values where now - report.at <= reportAge { others.append(max(0, report.demands[id] ?? 0)) }
        if others.isEmpty { return 1 }
        // Sorted: a sum of doubles depends on its order, and a table's order differs from run to run.
        let demand = others.sorted().reduce(mine, +)
        let nodes = Double(others.count + 1)
        guard demand > 0 else { return 1 / nodes }
        let floor = 0.01 / nodes
        return max(floor, mine / demand)
    }
}

/// What a node reports of one shared limit.
package struct BudgetDemand: Sendable, Equatable {
    /// Which limit: a hash of the policy and its settings, the same on all nodes with one configuration.
    package var id: UInt64
    /// What the node would let through if there were no limit, units (spans, bytes) per second, averaged.
    package var perSecond: Double
    /// What it does let through, averaged; nil where the node does not say.
    package var passedPerSecond: Double?

    package init(id: UInt64, perSecond: Double, passedPerSecond: Double? = nil) {
        self.id = id
        self.perSecond = perSecond
        self.passedPerSecond = passedPerSecond
    }
}

/// What went through one shared limit on this node.
package struct BudgetReading: Sendable, Equatable {
    package var id: UInt64
    /// Units per second for the whole cluster; above 0.
    package var goal: Double
    /// Units since the limiter was made: asked for, and let pass.
    package var offered: UInt64
    package var passed: UInt64

    package init(id: UInt64, goal: Double, offered: UInt64, passed: UInt64) {
        self.id = id
        self.goal = goal
        self.offered = offered
        self.passed = passed
    }
}

/// One shared limit as a node sees it.
package struct BudgetFigures: Sendable, Equatable {
    /// This node's part of the goal, 0...1.
    package var share: Double
    /// Of this node, and of all that share the limit, units per second.
    package var demand: Double
    package var passed: Double
    package var totalDemand: Double
    /// Without the nodes that do not say.
    package var totalPassed: Double
    /// Nodes that share the limit, this one included.
    package var nodes: Int
}

/// Rates for the whole cluster (`scope: cluster`): each node gets a share of the goal that follows its demand.
///
/// Nodes tell each other their demand with every status message. With d_i the demand of node i, D the sum over the n nodes that
/// have the same limit, and G the goal, node i may let through
///
///     G x d_i / D            where D > G: all nodes let the same part of their traffic through
///     d_i + (G - D) / n      otherwise: everybody has what it needs, and an even part of what nobody needs
///
/// The rates add up to G in either case, whatever the skew, as all nodes reckon with what they have told each other: a node's
/// own demand counts here as in its last report. Before anything is asked for every demand is 0, and the shares are even among
/// the members of the ring; while a member has not reported at all yet, no share is more than an even one. A node keeps at least 1 % of an even share, so that one that was idle can begin before its first
/// report has gone round.
///
/// A peer counts while its last report is younger than `budgetReportAge` and it has not been found unreachable. After a cut each
/// side therefore has the whole goal, and after a death the others have all of it. A peer without the limit (another
/// configuration, another release) does not count, and has its own.
///
/// Demands are averages with the time constant `budgetAveraging`. What goes wrong while they move is not the total but who has
/// it: shares of nodes that know the same add up to 1.
package struct SharedBudget: Sendable {
    private struct Own: Sendable {
        var goal: Double
        var offered: UInt64
        var passed: UInt64
        var at: Int64
        /// Averages; nil until there are two readings.
        var offeredRate: Double?
        var passedRate: Double?
        /// `offeredRate` as peers have been told.
        var reported = 0.0
    }

    private struct Report: Sendable {
        var demands: [UInt64: BudgetDemand]
        var at: Int64
    }

    private let address: String
    private let averaging: Int64
    private let reportAge: Int64
    private var own: [UInt64: Own] = [:]
    /// As entered, for the reports.
    private var order: [UInt64] = []
    private var peers: [String: Report] = [:]
    private var members: Set<String> = []
    /// Members that were found unreachable and have not reported since.
    private var gone: Set<String> = []

    /// - Parameter address: this node's, as rings name it.
    package init(_ settings: ClusterSettings, address: String) {
        self.address = address
        averaging = max(1, settings.budgetAveraging)
        reportAge = settings.budgetReportAge
    }

    // MARK: what comes in

    /// Enters what went through the limits of this node; others are forgotten. Once a tick.
    ///
    /// The first `ClusterLimits.maximumBudgets` are shared, the others stay where they are.
    package mutating func enter(_ readings: [BudgetReading], now: Int64) {
        var kept: [UInt64: Own] = [:]
        order.removeAll(keepingCapacity: true)
        for reading in readings where kept[reading.id] == nil && reading.goal > 0 {
            guard order.count < ClusterLimits.maximumBudgets else { break }
            order.append(reading.id)
            kept[reading.id] = updated(own[reading.id], reading, now)
        }
        own = kept
    }

    private func updated(_ known: Own?, _ reading: BudgetReading, _ now: Int64) -> Own {
        guard var entry = known, reading.offered >= entry.offered, reading.passed >= entry.passed else {
            // New, or a limiter that was made anew.
            return Own(
                goal: reading.goal, offered: reading.offered, passed: reading.passed, at: now,
                offeredRate: known?.offeredRate, passedRate: known?.passedRate, reported: known?.reported ?? 0)
        }
        let elapsed = now - entry.at
        guard elapsed > 0 else { return entry }
        let share = min(1, Double(elapsed) / Double(averaging))
        func average(_ before: Double?, _ amount: UInt64) -> Double {
            let rate = Double(amount) * 1e9 / Double(elapsed)
            return before.map { $0 + (rate - $0) * share } ?? rate
        }
        entry.offeredRate = average(entry.offeredRate, reading.offered - entry.offered)
        entry.passedRate = average(entry.passedRate, reading.passed - entry.passed)
        entry.goal = reading.goal
        entry.offered = reading.offered
        entry.passed = reading.passed
        entry.at = now
        return entry
    }

    /// This node's reports, one for each limit that it has: also where nothing has been asked for yet.
    package var demands: [BudgetDemand] {
        order.compactMap { id in
            own[id].map { BudgetDemand(id: id, perSecond: $0.offeredRate ?? 0, passedPerSecond: $0.passedRate ?? 0) }
        }
    }

    /// `demands`, which from now on count here as well: for a message to a peer.
    package mutating func report() -> [BudgetDemand] {
        for id in order {
            guard var entry = own[id] else { continue }
            entry.reported = entry.offeredRate ?? 0
            own[id] = entry
        }
        return demands
    }

    /// Takes a peer's report.
    package mutating func received(_ demands: [BudgetDemand], from peer: String, now: Int64) {
        guard peers[peer] != nil || peers.count < ClusterLimits.maximumMembers else { return }
        var table: [UInt64: BudgetDemand] = [:]
        for demand in demands.prefix(ClusterLimits.maximumBudgets) { table[demand.id] = demand }
        peers[peer] = Report(demands: table, at: now)
        gone.remove(peer)
    }

    /// A peer is gone; others take its share.
    package mutating func forget(_ peer: String) {
        peers[peer] = nil
        if members.contains(peer) { gone.insert(peer) }
    }

    /// Forgets peers that nobody knows any more.
    package mutating func prune(_ isKnown: (String) -> Bool) { peers = peers.filter { isKnown($0.key) } }

    /// Another ring is in force: what nobody needs is for its members.
    package mutating func ringChanged(_ addresses: [String]) {
        members = Set(addresses)
        gone.formIntersection(members)
    }

    // MARK: what follows

    /// The share of the goal that this node may let through, 0...1. A limit that is not entered has an even one.
    ///
    /// - Complexity: O(peers log peers).
    package func share(_ id: UInt64, now: Int64) -> Double { figures(id, now: now).share }

    /// The share of a limit that nobody has reported on.
    package var evenShare: Double { members.count > 1 ? 1 / Double(members.count) : 1 }

    package func figures(_ id: UInt64, now: Int64) -> BudgetFigures {
        let mine = own[id]
        let demand = mine?.offeredRate ?? 0
        let passed = mine?.passedRate ?? 0
        var figures = BudgetFigures(
            share: evenShare, demand: demand, passed: passed, totalDemand: demand, totalPassed: passed, nodes: 1)
        guard let mine else { return figures }
        var others: [BudgetDemand] = []
        var takers = members.contains(address) ? 1 : 0
        for (peer, report) in peers where now - report.at <= reportAge {
            guard let reported = report.demands[id] else { continue }
            others.append(reported)
            if members.contains(peer) { takers += 1 }
        }
        let isAnyUnheard = members.contains { $0 != address && peers[$0] == nil && !gone.contains($0) }
        let most = isAnyUnheard ? evenShare : 1
        guard !others.isEmpty else {
            figures.share = most
            return figures
        }
        // Sorted: a sum of doubles depends on its order, and a table's order differs from run to run.
        let elsewhere = others.map { max(0, $0.perSecond) }.sorted().reduce(0, +)
        let total = elsewhere + mine.reported
        figures.totalDemand = elsewhere + demand
        figures.totalPassed = others.map { max(0, $0.passedPerSecond ?? 0) }.sorted().reduce(passed, +)
        figures.nodes = others.count + 1
        let nodes = Double(figures.nodes)
        var rate: Double
        if total > mine.goal {
            rate = mine.goal * mine.reported / total
        } else {
            rate = mine.reported
            // Before there is a ring nobody decides; a node outside of it decides the rest of what it has.
            if members.contains(address) || takers == 0 { rate += (mine.goal - total) / Double(max(1, takers)) }
        }
        figures.share = min(most, max(0.01 / nodes, rate / mine.goal))
        return figures
    }
}

internal import Cluster

/// A limiter of `scope: cluster` on a simulated node: it lets its share of the rate through, and nothing is saved.
struct SimulatedLimit {
    /// Units per second, for the whole cluster.
    static let goal = 3000.0
    private static let id: UInt64 = 7

    private var offered = 0.0
    private var passed = 0.0
    private var at: Int64?
    private var share = 1.0

    /// Lets through what came since the last call, and takes over the share that follows.
    mutating func pass(_ demand: Double, until now: Int64, core: inout ClusterCore) {
        let elapsed = Double(now - (at ?? now)) / 1e9
        at = now
        offered += demand * elapsed
        passed += rate(demand) * elapsed
        let reading = BudgetReading(id: Self.id, goal: Self.goal, offered: UInt64(offered), passed: UInt64(passed))
        core.enter([reading], now: now)
        if let shares = core.shares([Self.id], now: now) { share = shares[0] }
    }

    /// What passes of a demand.
    func rate(_ demand: Double) -> Double { min(demand, Self.goal * share) }
}

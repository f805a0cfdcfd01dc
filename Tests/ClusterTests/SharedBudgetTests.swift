import TestSupport
import Testing

@testable import Cluster

/// Nodes with one shared limit that lets through what its rate allows. They report every half second, if nothing gets lost.
struct BudgetCluster {
    struct Node {
        var budget: SharedBudget
        /// Units per second that are asked for.
        var demand = 0.0
        var offered = 0.0
        var passed = 0.0
        var isAlive = true
    }

    static let limit: UInt64 = 1
    let goal: Double
    private(set) var now: Int64 = 0
    private(set) var nodes: [String: Node] = [:]
    /// Of a thousand reports so many are lost.
    var lost = 0
    private var random: SeededGenerator

    init(_ addresses: [String], goal: Double, seed: UInt64 = 1) {
        self.goal = goal
        random = SeededGenerator(seed)
        for address in addresses { add(address) }
        setRing(addresses)
    }

    var members: [String] { nodes.keys.sorted().filter { nodes[$0]?.isAlive == true } }

    mutating func add(_ address: String) {
        nodes[address] = Node(budget: SharedBudget(ClusterSettings(), address: address))
        enter(address)
    }

    mutating func setRing(_ addresses: [String]) {
        for address in nodes.keys { nodes[address]?.budget.ringChanged(addresses) }
    }

    mutating func setDemand(_ address: String, _ demand: Double) { nodes[address]?.demand = demand }

    mutating func kill(_ address: String) { nodes[address]?.isAlive = false }

    /// All that live find a node unreachable, and route around it.
    mutating func forget(_ address: String) {
        nodes[address] = nil
        for other in nodes.keys { nodes[other]?.budget.forget(address) }
        setRing(members)
    }

    private mutating func enter(_ address: String) {
        guard let node = nodes[address] else { return }
        let reading = BudgetReading(id: Self.limit, goal: goal, offered: UInt64(node.offered), passed: UInt64(node.passed))
        nodes[address]?.budget.enter([reading], now: now)
    }

    /// A tenth of a second. Returns what passed in it.
    mutating func step() -> Double {
        now += second / 10
        var total = 0.0
        for address in members {
            guard let node = nodes[address] else { continue }
            let passed = min(node.demand, goal * node.budget.share(Self.limit, now: now)) / 10
            nodes[address]?.offered += node.demand / 10
            nodes[address]?.passed += passed
            total += passed
            enter(address)
        }
        guard now % (second / 2) == 0 else { return total }
        for address in members {
            guard let reports = nodes[address]?.budget.report() else { continue }
            for other in members where other != address && random.below(1000) >= lost {
                nodes[other]?.budget.received(reports, from: address, now: now)
            }
        }
        return total
    }

    /// Units that passed in each of so many seconds.
    mutating func run(seconds: Int) -> [Double] {
        (0..<seconds).map { _ in (0..<10).reduce(0) { total, _ in total + step() } }
    }

    func share(_ address: String) -> Double { nodes[address]?.budget.share(Self.limit, now: now) ?? .nan }
}

@Suite struct SharedBudgetTests {
    static func three(_ demands: (Double, Double, Double), goal: Double) -> BudgetCluster {
        var cluster = BudgetCluster(["a", "b", "c"], goal: goal)
        cluster.setDemand("a", demands.0)
        cluster.setDemand("b", demands.1)
        cluster.setDemand("c", demands.2)
        return cluster
    }

    @Test(arguments: [1200.0, 3000, 6000, 11_000, 11_999])
    func theTotalIsTheGoalUnderSkew(goal: Double) {
        var cluster = Self.three((10_000, 1000, 1000), goal: goal)
        for total in cluster.run(seconds: 20)[4...] { #expect(abs(total / goal - 1) < 0.02) }
        #expect(abs(cluster.share("a") - 10 / 12.0) < 0.03)
    }

    @Test func theTotalFollowsWhenTheSkewMoves() {
        var cluster = Self.three((10_000, 1000, 1000), goal: 1200)
        _ = cluster.run(seconds: 15)
        cluster.setDemand("a", 1000)
        cluster.setDemand("b", 10_000)
        let totals = cluster.run(seconds: 15)
        for total in totals { #expect(total < 1200 * 1.05) }
        for total in totals[5...] { #expect(abs(total / 1200 - 1) < 0.05) }
    }

    /// All have what they need, and room to grow.
    @Test func belowTheGoalEverythingPasses() {
        var cluster = Self.three((900, 50, 50), goal: 1200)
        for total in cluster.run(seconds: 10)[3...] { #expect(abs(total - 1000) < 1) }
        for (address, rate) in [("a", 900.0), ("b", 50), ("c", 50)] {
            #expect(abs(cluster.share(address) - (rate + 200 / 3) / 1200) < 0.001)
        }
    }

    /// Before anything is asked for, and before anything is reported, shares are even.
    @Test func sharesBeginEven() {
        var budget = SharedBudget(ClusterSettings(), address: "a")
        #expect(budget.share(1, now: 0) == 1 && budget.evenShare == 1)
        budget.ringChanged(["a", "b", "c", "d"])
        #expect(budget.evenShare == 0.25)
        func heard(_ peers: [String]) {
            for peer in peers { budget.received([BudgetDemand(id: 1, perSecond: 0)], from: peer, now: 0) }
        }
        // Not entered: nothing is known of it.
        #expect(budget.share(1, now: 0) == 0.25)
        budget.enter([BudgetReading(id: 1, goal: 100, offered: 0, passed: 0)], now: 0)
        #expect(budget.demands == [BudgetDemand(id: 1, perSecond: 0, passedPerSecond: 0)])
        #expect(budget.share(1, now: 0) == 0.25)
        // While one has not been heard at all, nobody takes more; who is gone is not waited for.
        heard(["b", "c"])
        #expect(budget.share(1, now: 0) == 0.25)
        budget.forget("d")
        #expect(abs(budget.share(1, now: 0) - 1 / 3.0) < 1e-12)
        heard(["d"])
        #expect(budget.share(1, now: 0) == 0.25)
        // A peer outside of the ring has what it needs, and no part of the rest.
        budget.received([BudgetDemand(id: 1, perSecond: 20)], from: "e", now: 0)
        #expect(budget.share(1, now: 0) == 0.2)
        // In the ring alone.
        budget.ringChanged(["a"])
        #expect(budget.share(1, now: 0) == 0.8)
        // Outside of it.
        budget.ringChanged(["b", "c"])
        #expect(budget.share(1, now: 0) == 0.01 / 5)
    }

    /// Who does not have the limit does not share it; neither does who has not been heard for a while.
    @Test func whoCounts() {
        var budget = SharedBudget(ClusterSettings(), address: "a")
        budget.ringChanged(["a", "b", "c"])
        func enter(_ offered: UInt64, at time: Int64) {
            budget.enter([BudgetReading(id: 1, goal: 100, offered: offered, passed: offered / 2)], now: time)
        }
        enter(0, at: 0)
        budget.received([BudgetDemand(id: 2, perSecond: 1000, passedPerSecond: 9)], from: "b", now: 0)
        budget.received([], from: "c", now: 0)
        #expect(budget.share(1, now: 0) == 1 && budget.figures(1, now: 0).nodes == 1)
        budget.received([BudgetDemand(id: 1, perSecond: 100, passedPerSecond: 80)], from: "b", now: 0)
        // 1 % of an even share, to begin with.
        #expect(budget.share(1, now: 0) == 0.005)
        enter(300, at: second)
        // What has not been told does not count.
        #expect(budget.share(1, now: second) == 0.005)
        #expect(budget.report() == [BudgetDemand(id: 1, perSecond: 300, passedPerSecond: 150)])
        let figures = budget.figures(1, now: second)
        #expect(
            figures == BudgetFigures(share: 0.75, demand: 300, passed: 150, totalDemand: 400, totalPassed: 230, nodes: 2))
        let age = ClusterSettings().budgetReportAge
        #expect(budget.share(1, now: age) == 0.75)
        #expect(budget.share(1, now: age + 1) == 1)
        budget.received([BudgetDemand(id: 1, perSecond: 100)], from: "b", now: 2 * age)
        #expect(budget.share(1, now: 2 * age) == 0.75 && budget.figures(1, now: 2 * age).totalPassed == 150)
        budget.forget("b")
        #expect(budget.share(1, now: 2 * age) == 1)
        budget.received([BudgetDemand(id: 1, perSecond: 100)], from: "b", now: 2 * age)
        #expect(budget.share(1, now: 2 * age) == 0.75)
        budget.prune { $0 != "b" }
        budget.ringChanged(["a", "c"])
        #expect(budget.share(1, now: 2 * age) == 1)
    }

    /// While a new list of policies goes round, each node shares the limits that it has with those that have them: what is in the old
    /// list and in the new one is shared by all, throughout.
    @Test func limitsOfDifferentListsAreSharedByThemselves() {
        let (both, old, new) = (1 as UInt64, 2 as UInt64, 3 as UInt64)
        var nodes = ["a", "b", "c"].map { (address: $0, budget: SharedBudget(ClusterSettings(), address: $0), limits: [both, old]) }
        var now: Int64 = 0
        for number in nodes.indices { nodes[number].budget.ringChanged(nodes.map(\.address)) }
        /// A second in which 1000 are asked of every limit that a node has, and reports go round.
        func turn() {
            now += second
            for number in nodes.indices {
                let offered = UInt64(now / second) * 1000
                let readings = nodes[number].limits.map { BudgetReading(id: $0, goal: 300, offered: offered, passed: 0) }
                nodes[number].budget.enter(readings, now: now)
            }
            for sender in nodes.indices {
                let report = nodes[sender].budget.report()
                for number in nodes.indices where number != sender {
                    nodes[number].budget.received(report, from: nodes[sender].address, now: now)
                }
            }
        }
        func shares(_ limit: UInt64) -> [Double] {
            nodes.filter { $0.limits.contains(limit) }.map { $0.budget.share(limit, now: now) }
        }
        for changed in 0...3 {
            // Nodes take the new list over, one after the other.
            for number in 0..<changed { nodes[number].limits = [both, new] }
            for _ in 0..<5 { turn() }
            #expect(shares(both).allSatisfy { abs($0 - 1 / 3.0) < 1e-9 }, "\(changed) changed: \(shares(both))")
            #expect(shares(old).allSatisfy { abs($0 - 1 / Double(3 - changed)) < 1e-9 } && shares(old).count == 3 - changed)
            #expect(shares(new).allSatisfy { abs($0 - 1 / Double(changed)) < 1e-9 } && shares(new).count == changed)
        }
    }

    /// A limiter that was made anew counts from 0; what is known of its demand stays.
    @Test func countersMayStartAnew() {
        var budget = SharedBudget(ClusterSettings(), address: "a")
        func rate() -> Double { budget.demands.first?.perSecond ?? .nan }
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 1000, passed: 10)], now: 0)
        #expect(rate() == 0)
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 1100, passed: 20)], now: second)
        #expect(rate() == 100)
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 5, passed: 5)], now: 2 * second)
        #expect(rate() == 100)
        // An average: half of what is new after a second.
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 305, passed: 15)], now: 3 * second)
        #expect(rate() == 200)
        // A clock that stands still or goes back brings nothing.
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 999, passed: 99)], now: 3 * second)
        budget.enter([BudgetReading(id: 1, goal: 10, offered: 999, passed: 99)], now: second)
        #expect(rate() == 200)
        // What is not entered any more is forgotten.
        budget.enter([], now: 4 * second)
        #expect(budget.demands.isEmpty)
    }

    @Test func aDeathGivesItsShareToTheRest() {
        var cluster = Self.three((10_000, 1000, 1000), goal: 1200)
        _ = cluster.run(seconds: 10)
        cluster.kill("a")
        // Its traffic goes to the others' when they have noticed.
        #expect(cluster.run(seconds: 2).allSatisfy { $0 < 300 })
        cluster.forget("a")
        cluster.setDemand("b", 6000)
        cluster.setDemand("c", 6000)
        let totals = cluster.run(seconds: 10)
        for total in totals { #expect(total <= 1200 * 1.01) }
        for total in totals[1...] { #expect(abs(total / 1200 - 1) < 0.02) }
    }

    /// Who dies unnoticed loses its share when its last report is too old.
    @Test func aSilentNodeIsForgotten() {
        var cluster = Self.three((10_000, 2000, 2000), goal: 1200)
        _ = cluster.run(seconds: 10)
        cluster.kill("a")
        let totals = cluster.run(seconds: 10)
        #expect(totals[0] < 400)
        for total in totals[6...] { #expect(abs(total / 1200 - 1) < 0.02) }
    }

    @Test func aJoinTakesItsShare() {
        var cluster = Self.three((10_000, 1000, 1000), goal: 1200)
        _ = cluster.run(seconds: 10)
        cluster.add("d")
        cluster.setRing(["a", "b", "c", "d"])
        cluster.setDemand("a", 4000)
        cluster.setDemand("d", 6000)
        let totals = cluster.run(seconds: 15)
        for total in totals { #expect(total < 1200 * 1.05) }
        for total in totals[5...] { #expect(abs(total / 1200 - 1) < 0.05) }
    }

    /// Skews, joins, deaths and lost reports by chance: the total is never above the goal for long, and within 5 % of what it can be
    /// once nothing has changed for a while.
    @Test(arguments: 0..<24 as Range<UInt64>)
    func theTotalComesBackToTheGoal(seed: UInt64) {
        var random = SeededGenerator(seed)
        let goal = Double(100 * (1 + random.below(100)))
        var cluster = BudgetCluster((0..<2 + random.below(6)).map { "node-\($0)" }, goal: goal, seed: seed)
        cluster.lost = random.below(300)
        var added = 100
        for _ in 0..<12 {
            switch random.below(5) {
            case 0:
                added += 1
                cluster.add("node-\(added)")
                cluster.setRing(cluster.members)
                cluster.setDemand("node-\(added)", goal * Double(random.below(300)) / 100)
            case 1 where cluster.members.count > 2:
                let dying = cluster.members[random.below(cluster.members.count)]
                cluster.kill(dying)
                _ = cluster.run(seconds: 2)
                cluster.forget(dying)
            default:
                for address in cluster.members where random.below(2) == 0 {
                    cluster.setDemand(address, goal * Double([0, 10, 30, 100, 1000][random.below(5)]) / 100)
                }
            }
            let totals = cluster.run(seconds: 16)
            let above = totals.reduce(0) { $0 + max(0, $1 - goal * 1.05) }
            #expect(above < 2 * goal, "seed \(seed): \(above / goal) seconds' worth too much")
            let wanted = min(goal, cluster.members.reduce(0) { $0 + (cluster.nodes[$1]?.demand ?? 0) })
            for total in totals[12...] { #expect(abs(total - wanted) <= 0.05 * wanted, "seed \(seed): \(totals), not \(wanted)") }
        }
    }

    @Test func tablesAreBounded() {
        var budget = SharedBudget(ClusterSettings(), address: "a")
        let readings = (0..<200 as Range<UInt64>).map { BudgetReading(id: $0, goal: 10, offered: 0, passed: 0) }
        budget.enter(readings + readings, now: 0)
        // Those that come first.
        #expect(budget.demands.map(\.id) == Array(0..<UInt64(ClusterLimits.maximumBudgets)))
        budget.ringChanged(["a", "b"])
        for number in 0..<1000 { budget.received([BudgetDemand(id: 0, perSecond: 1)], from: "\(number)", now: 0) }
        #expect(budget.figures(0, now: 0).nodes == ClusterLimits.maximumMembers + 1)
        budget.enter([readings[3], readings[3], BudgetReading(id: 9, goal: 0, offered: 0, passed: 0)], now: 0)
        #expect(budget.demands.map(\.id) == [3])
    }

    /// Whatever peers say, a share is a share.
    @Test func absurdReports() {
        var budget = SharedBudget(ClusterSettings(), address: "a")
        budget.ringChanged(["a", "b"])
        budget.enter([BudgetReading(id: 1, goal: 100, offered: 0, passed: 0)], now: 0)
        budget.enter([BudgetReading(id: 1, goal: 100, offered: 1000, passed: 0)], now: second)
        _ = budget.report()
        for rate in [-1e30, -1, 0, 1e12, 1e300, .infinity] {
            budget.received([BudgetDemand(id: 1, perSecond: rate, passedPerSecond: -rate)], from: "b", now: second)
            let share = budget.share(1, now: second)
            #expect(share >= 0.005 && share <= 1, "\(rate): \(share)")
        }
    }
}

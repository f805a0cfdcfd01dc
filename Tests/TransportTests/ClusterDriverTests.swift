import ConfigTree
import Synchronization
import Testing

@testable import Cluster
@testable import Sampling
@testable import Transport

private let second: Int64 = 1_000_000_000

/// The driver that nodes run with, on a clock of the test's, without sockets and workers.
@Suite struct ClusterDriverTests {
    /// Nodes that have one ring.
    static func cluster(_ addresses: [String], settings: ClusterSettings = ClusterSettings()) -> DrivenCluster {
        let cluster = DrivenCluster()
        cluster.settings = settings
        for address in addresses { cluster.add(address) }
        cluster.resolve(addresses)
        cluster.advance(milliseconds: 3000)
        return cluster
    }

    // MARK: rings

    /// First all lanes cut by a ring, then all sweep; a node is ready when its lanes are.
    @Test func aRingComesIntoForceInTwoSteps() throws {
        let cluster = DrivenCluster()
        let a = cluster.add("a:1")
        let b = cluster.add("b:1")
        a.lanes[1].isSlow = true
        cluster.resolve(["a:1", "b:1"])
        #expect(!a.shared.isReady && a.shared.view.decisionLimit <= a.now)
        cluster.advance(milliseconds: 3000)
        let ring = try #require(a.driver.describe().ring)
        #expect(ring.members.map(\.address) == ["a:1", "b:1"] && b.driver.describe().ring == ring)
        #expect(a.lanes.allSatisfy { $0.rings == [.adopt(ring.version)] })
        #expect(!a.shared.isReady && b.shared.isReady)
        #expect(b.lanes.allSatisfy { $0.rings == [.adopt(ring.version), .sweep(ring.version, epoch: 1)] })
        a.lanes[1].goOn()
        cluster.advance(milliseconds: 20)
        #expect(a.lanes.allSatisfy { $0.rings == [.adopt(ring.version), .sweep(ring.version, epoch: 1)] })
        #expect(a.shared.isReady && a.shared.view.epoch == 1)
        #expect(a.lanes[0].words.contains(.reachable("b:1", true)))
    }

    /// Rings that come while one is on its way into the lanes wait for it, each for both steps.
    @Test func ringsComeIntoForceOneAfterTheOther() throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let a = try #require(cluster.nodes["a:1"])
        let first = try #require(a.driver.describe().ring).version
        a.lanes[0].isSlow = true
        cluster.add("c:1")
        cluster.resolve(["a:1", "b:1", "c:1"])
        cluster.advance(milliseconds: 5000)
        let second = try #require(a.driver.describe().ring).version
        cluster.nodes["c:1"]?.driver.startDraining()
        cluster.advance(milliseconds: 5000)
        let third = try #require(a.driver.describe().ring).version
        #expect(third == first && second != first)
        let begun: [FakeLane.Word] = [.adopt(first), .sweep(first, epoch: 1), .adopt(second)]
        #expect(a.lanes.allSatisfy { $0.rings == begun })
        #expect(!a.shared.isReady)
        a.lanes[0].goOn()
        cluster.advance(milliseconds: 20)
        #expect(a.lanes.allSatisfy { $0.rings == begun + [.sweep(second, epoch: 2), .adopt(third)] })
        #expect(!a.shared.isReady)
        a.lanes[0].goOn()
        cluster.advance(milliseconds: 20)
        #expect(a.lanes.allSatisfy { $0.rings.suffix(2) == [.adopt(third), .sweep(third, epoch: 3)] })
        #expect(a.shared.isReady)
    }

    /// What the lanes' hand-off has done is told to peers, who wait for it while it gets on.
    @Test func progressOfHandoffIsTold() throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let a = try #require(cluster.nodes["a:1"])
        a.shared.report(LaneFigures(progress: 3, isEmpty: false), of: 0)
        a.shared.report(LaneFigures(progress: 4, isEmpty: true), of: 1)
        cluster.advance(milliseconds: 20)
        let question = try #require(cluster.nodes["b:1"]?.peers.latest)
        let answer = try PeerStatus(parsing: try #require(a.driver.asked(question)))
        #expect(answer.handoffProgress == 7 && answer.address == "a:1")
    }

    /// Who leaves stays until its lanes hold nothing and no ring is on its way into them.
    @Test(arguments: [false, true]) func whoLeavesStaysUntilItIsEmpty(isSlow: Bool) throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let a = try #require(cluster.nodes["a:1"])
        a.shared.report(LaneFigures(isEmpty: false), of: 1)
        a.lanes[1].isSlow = isSlow
        a.driver.startDraining()
        #expect(!a.shared.isReady)
        cluster.advance(milliseconds: 8000)
        #expect(!a.shared.isDrained)
        #expect(cluster.nodes["b:1"]?.driver.describe().ring?.members.map(\.address) == ["b:1"])
        a.shared.report(LaneFigures(isEmpty: true), of: 1)
        cluster.advance(milliseconds: 8000)
        #expect(a.shared.isDrained == !isSlow)
        a.lanes[1].goOn()
        cluster.advance(milliseconds: 8000)
        #expect(a.shared.isDrained)
    }

    // MARK: peers

    /// A peer that does not answer has few questions open at a time; when it is given up, they are forgotten and new ones are asked.
    @Test func questionsToAPeerAreBounded() throws {
        var settings = ClusterSettings()
        settings.healthInterval = 100_000_000
        let cluster = Self.cluster(["a:1", "b:1", "c:1"], settings: settings)
        let (a, b) = (try #require(cluster.nodes["a:1"]), try #require(cluster.nodes["b:1"]))
        #expect(a.peers.mostOpen < 4)
        b.isSilent = true
        cluster.advance(milliseconds: 1500)
        #expect(a.peers.open.count == 4 && a.peers.mostOpen == 4 && a.peers.givenUp.isEmpty)
        cluster.advance(milliseconds: 4000)
        #expect(a.peers.givenUp == ["b:1"] && a.lanes.allSatisfy { $0.words.contains(.reachable("b:1", false)) })
        // The four of before do not count any more.
        #expect(a.peers.open.count == 4 && a.peers.mostOpen == 4)
        b.isSilent = false
        cluster.advance(milliseconds: 4000)
        #expect(a.peers.open.isEmpty && a.lanes.allSatisfy { $0.words.last { $0.isReach } == .reachable("b:1", true) })
    }

    /// What can't be read gets no answer, and as an answer is worse than none: such a peer is given up earlier than a silent one.
    @Test func nonsenseIsNoAnswer() throws {
        var settings = ClusterSettings()
        settings.healthInterval = 100_000_000
        let cluster = Self.cluster(["a:1", "b:1"], settings: settings)
        let (a, b) = (try #require(cluster.nodes["a:1"]), try #require(cluster.nodes["b:1"]))
        #expect(a.driver.asked([0xff, 0xff]) == nil && a.driver.asked([]) == nil)
        b.isSilent = true
        for _ in 0..<14 {
            cluster.advance(milliseconds: 100)
            for call in a.peers.take({ _ in true }) { call.done(DrivenCluster.ok([0xff])) }
        }
        #expect(a.log.count("peer does not answer") == 1)
    }

    /// A process that was stopped learns of it from the first event, before it believes the event: peers have routed around it, and
    /// its silence is not theirs.
    @Test func aStopIsNoticedByTheFirstEvent() throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let (a, b) = (try #require(cluster.nodes["a:1"]), try #require(cluster.nodes["b:1"]))
        let limit = a.shared.view.decisionLimit
        // A beat that is late is no stop.
        a.skew.nanoseconds += second
        a.driver.received(Self.header, lateSpans: 0)
        #expect(a.shared.view.takesFromPeers && a.log.count("was stopped") == 0 && a.shared.view.decisionLimit > limit)
        cluster.advance(milliseconds: 1000)
        #expect(a.shared.view.takesFromPeers)
        a.skew.nanoseconds += 10 * second
        let stopped = a.now
        a.driver.received(Self.header, lateSpans: 0)
        #expect(a.log.count("was stopped") == 1 && !a.shared.view.takesFromPeers)
        #expect(a.shared.view.decisionLimit <= stopped)
        cluster.advance(milliseconds: 1000)
        #expect(a.shared.view.takesFromPeers && a.shared.view.decisionLimit > stopped)
        #expect(a.log.count("was stopped") == 1 && a.log.count("peer does not answer") == 0)
        #expect(b.log.count("was stopped") == 0)
    }

    private static let header = HandoffHeader(
        sender: "x:1", incarnation: 9, lane: 0, laneCount: 1, sequence: 1, ringVersion: 0, ringEpoch: 0, frontier: 0,
        isLast: true)

    /// Failures of the resolver are said when they begin, change and end, and leave the list as it is.
    @Test func failuresOfTheResolverAreSaidOnce() throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let a = try #require(cluster.nodes["a:1"])
        for failure in [MemberResolverFailure.noSuchName("x"), .noSuchName("x"), .noAnswer("x"), .noAnswer("x"), .noSuchName("x")] {
            a.driver.resolved(.failed(failure))
        }
        #expect(a.log.count("can't be found out") == 3 && a.log.count("are found out again") == 0)
        #expect(a.driver.describe().listedMembers == 2 && a.driver.describe().resolverFailures == 5)
        for _ in 0..<2 { a.driver.resolved(.complete([RingMember("a:1"), RingMember("b:1")])) }
        #expect(a.log.count("are found out again") == 1 && a.driver.describe().resolverFailures == 0)
    }

    /// Peers that answer are asked to reload, each is heard once, and who says nothing is not waited for.
    @Test func reloadsOfPeersAreGathered() throws {
        let cluster = Self.cluster(["a:1", "b:1", "c:1", "d:1"])
        let a = try #require(cluster.nodes["a:1"])
        let told = Mutex<[[String]]>([])
        func reload() {
            a.driver.reloadPeers { outcomes in
                told.withLock { $0.append(outcomes.map { "\($0.peer) \($0.outcome.isGood) \($0.outcome.text)" }) }
            }
        }
        cluster.nodes["b:1"]?.reload = DrivenCluster.ok(Array("fine".utf8))
        cluster.nodes["c:1"]?.reload = DrivenCluster.ok(Array("no".utf8), code: 9)
        reload()
        cluster.advance(milliseconds: 15_900)
        #expect(told.withLock { $0 }.isEmpty)
        cluster.advance(milliseconds: 200)
        #expect(told.withLock { $0 } == [["b:1 true fine", "c:1 false no", "d:1 false no answer"]])
        // Late is too late; and at once when all have said something.
        cluster.nodes["d:1"]?.reload = DrivenCluster.ok([])
        cluster.advance(milliseconds: 100)
        reload()
        cluster.advance(milliseconds: 40)
        #expect(told.withLock { $0 }.count == 2 && told.withLock { $0[1] } == ["b:1 true fine", "c:1 false no", "d:1 true "])
        cluster.advance(milliseconds: 20_000)
        #expect(told.withLock { $0 }.count == 2)
    }

    @Test func aloneThereIsNobodyToReload() {
        let cluster = Self.cluster(["a:1"])
        let told = Mutex(0)
        cluster.nodes["a:1"]?.driver.reloadPeers { outcomes in told.withLock { $0 += outcomes.isEmpty ? 1 : 100 } }
        #expect(told.withLock { $0 } == 1)
        cluster.advance(milliseconds: 20_000)
        #expect(told.withLock { $0 } == 1)
    }

    /// It is dead to the others.
    @Test func whoIsStoppedAsksNobody() throws {
        let cluster = Self.cluster(["a:1", "b:1"])
        let a = try #require(cluster.nodes["a:1"])
        a.driver.stop()
        let calls = a.peers.calls
        #expect(a.peers.isClosed && calls > 0)
        cluster.advance(milliseconds: 5000)
        #expect(a.peers.calls == calls)
        #expect(cluster.nodes["b:1"]?.driver.describe().ring?.members.map(\.address) == ["b:1"])
    }

    // MARK: limits

    static func policies(_ limits: [(name: String, rate: Int)], _ states: PolicyStates) throws -> PolicySet {
        let nodes = limits.map { limit -> ConfigNode in
            .map([
                "name": ConfigNode(stringLiteral: limit.name), "type": "rate_limiting",
                "rate_limiting": .map(["spans_per_second": ConfigNode(integerLiteral: limit.rate), "scope": "cluster"]),
            ])
        }
        let set = PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states)
        return try #require(set)
    }

    /// A limiter by its policy's path, from below.
    static func limiter(_ path: String, _ node: DrivenNode) throws -> any SharedLimiter {
        try #require(node.states.flatMap(\.clusterLimits).first { $0.path == path }).limiter
    }

    /// Shares go from the meters of one node's limiters over its peers to the limiters of the others.
    @Test func sharesFollowDemand() throws {
        let cluster = DrivenCluster()
        let nodes = ["a:1", "b:1"].map { cluster.add($0) }
        let sets = try nodes.map { try Self.policies([("cap", 300)], $0.states[0]) }
        let limiters = try nodes.map { try Self.limiter("cap", $0) }
        cluster.resolve(["a:1", "b:1"])
        for _ in 0..<150 {
            cluster.advance(milliseconds: 20)
            // As soon as there is a ring, and not only with the next beat.
            for (node, limiter) in zip(nodes, limiters) where node.driver.describe().ring != nil { #expect(limiter.share == 0.5) }
        }
        #expect(limiters.map(\.share) == [0.5, 0.5])
        for _ in 0..<100 {
            for (limiter, amount) in zip(limiters, [90, 10] as [UInt64]) {
                let bucket = try #require(limiter as? TokenBucket)
                _ = bucket.take(amount, now: nodes[0].now)
            }
            cluster.advance(milliseconds: 100)
        }
        #expect(abs(limiters[0].share - 0.9) < 0.01 && abs(limiters[0].share + limiters[1].share - 1) < 0.01)
        let seen = try #require(nodes[0].driver.describe().limits.first)
        #expect(seen.path == "cap" && seen.role == .inForce && seen.goal == 300 && seen.figures.nodes == 2)
        #expect(abs(seen.figures.demand - 900) < 30 && abs(seen.figures.totalDemand - 1000) < 30)
        #expect(sets.count == 2)
        // A limiter that comes later begins with an even share, not with the whole rate.
        let later = try Self.policies([("cap", 300), ("late", 100)], nodes[0].states[0])
        #expect(try Self.limiter("late", nodes[0]).share == 0.5 && later.policies.count == 2)
    }

    /// While one node has changed policies, what has not changed is shared, and what has is not; a shadow's rate is its own.
    @Test func whatHasNotChangedIsSharedDuringAReload() throws {
        let cluster = DrivenCluster()
        let nodes = ["a:1", "b:1", "c:1"].map { cluster.add($0) }
        let old = [("cap", 300), ("same", 300)]
        var sets = try nodes.map { try Self.policies(old, $0.states[0]) }
        sets.append(try Self.policies(old, nodes[2].states[1]))
        cluster.resolve(["a:1", "b:1", "c:1"])
        cluster.advance(milliseconds: 3000)
        func shares(_ path: String) throws -> [Double] {
            try nodes.map { (try Self.limiter(path, $0).share * 1000).rounded() / 1000 }
        }
        #expect(try shares("cap") == [0.333, 0.333, 0.333] && shares("same") == [0.333, 0.333, 0.333])
        sets[0] = try Self.policies([("new", 5), ("same", 300), ("cap", 200)], nodes[0].states[0])
        nodes[0].driver.setPolicyHash(2)
        cluster.advance(milliseconds: 2000)
        #expect(try shares("cap") == [1, 0.5, 0.5] && shares("same") == [0.333, 0.333, 0.333])
        #expect(nodes[1].log.count("peer judges by other policies") == 1)
        let described = nodes[2].driver.describe().limits
        #expect(described.map(\.role) == [.inForce, .inForce, .shadow, .shadow])
        #expect(described.map(\.figures.nodes) == [3, 2, 1, 1] || described.map(\.figures.nodes) == [2, 3, 1, 1])
        for number in 1...2 { sets[number] = try Self.policies([("same", 300), ("cap", 200)], nodes[number].states[0]) }
        cluster.advance(milliseconds: 2000)
        #expect(try shares("cap") == [0.333, 0.333, 0.333] && shares("same") == [0.333, 0.333, 0.333])
        #expect(sets.count == 4)
    }

    /// A limiter that no policy uses any more does not live on by being looked at.
    @Test func limitersGoWithTheirPolicies() throws {
        let cluster = DrivenCluster()
        let node = cluster.add("a:1")
        var set: PolicySet? = try Self.policies([("cap", 300)], node.states[0])
        cluster.resolve(["a:1"])
        cluster.advance(milliseconds: 3000)
        weak let limiter = try Self.limiter("cap", node)
        #expect(limiter?.share == 1 && node.driver.describe().limits.count == 1 && set != nil)
        set = nil
        cluster.advance(milliseconds: 200)
        #expect(limiter == nil && node.driver.describe().limits.isEmpty)
    }
}

extension FakeLane.Word {
    fileprivate var isReach: Bool { if case .reachable = self { true } else { false } }
}

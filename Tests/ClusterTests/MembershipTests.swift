import Testing

@testable import Cluster

@Suite struct MembershipTests {
    static func status(
        _ address: String, _ lifecycle: NodeLifecycle = .serving, sequence: UInt64 = 1, incarnation: UInt64 = 1,
        knowsPeers: Bool = true
    ) -> PeerStatus {
        var status = PeerStatus(address: address, incarnation: incarnation, sequence: sequence, lifecycle: lifecycle)
        status.knowsPeers = knowsPeers
        return status
    }

    static func members(_ addresses: String...) -> [RingMember] { addresses.map { RingMember($0) } }

    /// Node `a:1` with this list; `b:1` and `c:1` answer.
    static func membership(_ answer: ResolverAnswer = .authoritative(members("a:1", "b:1", "c:1"))) -> Membership {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        membership.resolved(answer, ringMembers: [], now: 0)
        for peer in ["b:1", "c:1"] { membership.answered(status(peer), now: 0) }
        return membership
    }

    static func wanted(_ membership: Membership, _ now: Int64 = 0, _ lifecycle: NodeLifecycle = .serving) -> [String] {
        membership.wanted(lifecycle: lifecycle, weight: 1, now: now).map(\.address)
    }

    @Test func listedAndAnsweringNodesAreWanted() {
        #expect(Self.wanted(Self.membership()) == ["a:1", "b:1", "c:1"])
    }

    @Test(arguments: [ResolverAnswer.failed, .partial([]), .authoritative([]), .partial([RingMember("")])])
    func noAnswerEmptiesTheList(answer: ResolverAnswer) {
        var membership = Self.membership()
        for step in 1...100 as ClosedRange<Int64> { membership.resolved(answer, ringMembers: [], now: step * second) }
        for peer in ["b:1", "c:1"] { membership.answered(Self.status(peer, sequence: 2), now: 100 * second) }
        #expect(Self.wanted(membership, 100 * second) == ["a:1", "b:1", "c:1"])
        #expect(membership.resolverFailures == 100)
        membership.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 100 * second)
        #expect(membership.resolverFailures == 0)
    }

    @Test func anAuthoritativeListIsBelievedAtOnce() {
        var membership = Self.membership()
        membership.resolved(.authoritative(Self.members("a:1", "c:1")), ringMembers: [], now: 1)
        #expect(Self.wanted(membership, 1) == ["a:1", "c:1"])
    }

    /// (seconds after the first answer without it, answers without it) -> is it gone?
    @Test(arguments: [(0, 1, false), (10, 1, false), (4, 5, false), (5, 2, true), (6, 3, true)] as [(Int64, Int, Bool)])
    func aPartialAnswerIsNotBelievedAtOnce(time: Int64, answers: Int, isGone: Bool) {
        var membership = Self.membership(.partial(Self.members("a:1", "b:1", "c:1")))
        for number in 0..<answers {
            let at = answers == 1 ? 0 : time * second * Int64(number) / Int64(answers - 1)
            membership.resolved(.partial(Self.members("a:1", "c:1")), ringMembers: [], now: at)
        }
        #expect(Self.wanted(membership, time * second) == (isGone ? ["a:1", "c:1"] : ["a:1", "b:1", "c:1"]))
        // One answer that has it starts all over.
        membership.resolved(.partial(Self.members("a:1", "b:1")), ringMembers: [], now: time * second)
        membership.answered(Self.status("b:1", sequence: 3), now: time * second)
        #expect(Self.wanted(membership, time * second) == ["a:1", "b:1", "c:1"])
    }

    @Test func silenceTakesAPeerOutAndAnswersBringItBack() {
        var membership = Self.membership()
        membership.answered(Self.status("c:1", sequence: 2), now: 1900 * millisecond)
        #expect(membership.expire(now: 2 * second - 1) == [])
        #expect(membership.expire(now: 2 * second) == ["b:1"] && membership.expire(now: 2 * second) == [])
        #expect(Self.wanted(membership, 2 * second) == ["a:1", "c:1"])
        #expect(membership.peers["b:1"]?.state == .unreachable)
        // Steady for a second first.
        membership.answered(Self.status("b:1", sequence: 9), now: 3 * second)
        #expect(Self.wanted(membership, 4 * second - 1) == ["a:1", "c:1"])
        #expect(Self.wanted(membership, 4 * second) == ["a:1", "b:1", "c:1"])
    }

    /// That a peer asks us does not show that we can reach it.
    @Test func questionsAreNoAnswers() {
        var membership = Self.membership()
        membership.learn(Self.status("b:1", sequence: 5), now: 2 * second)
        #expect(membership.expire(now: 2 * second) == ["b:1", "c:1"])
    }

    @Test func refusedConnectionsShortenTheWait() {
        var membership = Self.membership()
        for time in [100, 200, 300, 999] as [Int64] {
            let isLost = membership.failed("b:1", now: time * millisecond)
            #expect(!isLost)
        }
        let isLost = membership.failed("b:1", now: second)
        #expect(isLost && Self.wanted(membership, second) == ["a:1", "c:1"])
        let isUnknown = membership.failed("z:1", now: second)
        #expect(!isUnknown)
    }

    @Test func leavingAndUninformedPeersAreNotWanted() {
        var membership = Self.membership()
        membership.learn(Self.status("b:1", .draining, sequence: 2), now: 1)
        #expect(Self.wanted(membership, 1) == ["a:1", "c:1"])
        membership.learn(Self.status("c:1", .starting, sequence: 2, knowsPeers: false), now: 1)
        #expect(Self.wanted(membership, 1) == ["a:1"])
        membership.learn(Self.status("c:1", .starting, sequence: 3), now: 1)
        #expect(Self.wanted(membership, 1) == ["a:1", "c:1"])
        #expect(Self.wanted(membership, 1, .draining) == ["c:1"])
    }

    @Test func olderNewsIsIgnored() {
        var membership = Self.membership()
        let isNews = membership.learn(Self.status("b:1", .draining, sequence: 1), now: 1)
        #expect(!isNews && Self.wanted(membership, 1) == ["a:1", "b:1", "c:1"])
        // But a restarted process begins to count anew.
        let isRestart = membership.learn(Self.status("b:1", .draining, sequence: 1, incarnation: 2), now: 1)
        #expect(isRestart && Self.wanted(membership, 1) == ["a:1", "c:1"])
    }

    @Test func aNodeThatIsNotListedRoutesToOthersOrStandsForItself() {
        #expect(Self.wanted(Self.membership(.authoritative(Self.members("b:1", "c:1")))) == ["b:1", "c:1"])
        var alone = Membership(address: "a:1", settings: ClusterSettings())
        alone.resolved(.authoritative(Self.members("b:1")), ringMembers: [], now: 0)
        #expect(Self.wanted(alone) == ["a:1"] && Self.wanted(alone, 0, .draining) == [])
    }

    @Test func aStartingNodeWaitsForItsPeersForSomeTime() {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        #expect(!membership.knowsPeers(now: 1000 * second))
        membership.resolved(.partial(Self.members("a:1", "b:1")), ringMembers: [], now: second)
        #expect(!membership.knowsPeers(now: second))
        #expect(!membership.knowsPeers(now: 6 * second - 1) && membership.knowsPeers(now: 6 * second))
        membership.answered(Self.status("b:1", .starting, knowsPeers: false), now: second)
        #expect(membership.knowsPeers(now: second) && !membership.mayBegin(now: second))
        #expect(membership.mayBegin(now: 6 * second))
        membership.answered(Self.status("b:1", .starting, sequence: 2), now: second)
        #expect(membership.mayBegin(now: second))
    }

    /// All may be starting together: DNS that shows only this node is not believed at once; a file is.
    @Test func aLoneFirstNode() {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        membership.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 0)
        #expect(!membership.mayBegin(now: 5 * second - 1) && membership.mayBegin(now: 5 * second))
        var other = Membership(address: "a:1", settings: ClusterSettings())
        other.resolved(.authoritative(Self.members("a:1")), ringMembers: [], now: 0)
        #expect(other.mayBegin(now: 0))
    }

    /// A resolver that showed this node alone and has failed since then gets more time, but not for ever.
    @Test func aLoneFirstNodeWhoseResolverFails() {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        membership.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 0)
        membership.resolved(.failed, ringMembers: [], now: 3 * second)
        #expect(!membership.mayBegin(now: 10 * second - 1) && membership.mayBegin(now: 10 * second))
        // It answers again, and says the same.
        membership.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 6 * second)
        #expect(membership.mayBegin(now: 6 * second))
    }

    /// Others have another list than this starting node: it waits for a better one, but not for ever.
    @Test func aStartingNodeWaitsForAListThatNamesWhoAsks() {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        membership.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 0)
        for step in 0..<20 as Range<Int64> {
            membership.askedByStranger("b:1", now: step * 500 * millisecond)
            #expect(!membership.knowsPeers(now: step * 500 * millisecond))
        }
        #expect(!membership.mayBegin(now: 10 * second - 1) && membership.mayBegin(now: 10 * second))
        // One who asked once does not hold it up, nor one whom the list names by now.
        var other = Membership(address: "a:1", settings: ClusterSettings())
        other.resolved(.partial(Self.members("a:1")), ringMembers: [], now: 0)
        other.askedByStranger("b:1", now: 4 * second)
        #expect(!other.knowsPeers(now: 6 * second - 1) && other.knowsPeers(now: 6 * second))
        other.askedByStranger("b:1", now: 7 * second)
        other.askedByStranger("a:1", now: 7 * second)
        #expect(!other.knowsPeers(now: 7 * second))
        other.resolved(.partial(Self.members("a:1", "b:1")), ringMembers: [], now: 7 * second)
        #expect(other.knowsPeers(now: 7 * second))
    }

    /// Who leaves and is on no list is a peer while it asks, but no member; who is known otherwise is not touched by that.
    @Test func whoLeavesIsAPeerWhileItAsks() {
        var membership = Self.membership()
        func states(_ now: Int64) -> [String: PeerState] {
            membership.track([], now: now)
            return membership.peers.mapValues(\.state)
        }
        membership.askedByLeaver("x:1", now: 0)
        #expect(states(0) == ["b:1": .serving, "c:1": .serving, "x:1": .unknown])
        #expect(membership.exchangesDue(now: 0).contains("x:1"))
        membership.answered(Self.status("x:1", .draining), now: 0)
        #expect(states(0)["x:1"] == .draining && Self.wanted(membership) == ["a:1", "b:1", "c:1"])
        // As long as it asks, be it for longer than unlisted peers are remembered.
        for step in 0...100 as ClosedRange<Int64> {
            membership.askedByLeaver("x:1", now: step * second)
            membership.answered(Self.status("x:1", .draining, sequence: UInt64(step) + 2), now: step * second)
            #expect(states(step * second + 999 * millisecond)["x:1"] == .draining)
        }
        // It is gone.
        _ = membership.expire(now: 102 * second)
        #expect(states(102 * second)["x:1"] == nil)
        // One that the list has leaves as any member.
        membership.askedByLeaver("b:1", now: 103 * second)
        membership.askedByLeaver("a:1", now: 103 * second)
        #expect(states(103 * second).keys.sorted() == ["b:1", "c:1"])
        #expect(states(200 * second).keys.sorted() == ["b:1", "c:1"])
    }

    /// Answers with ever new members do not make the tables grow.
    @Test func tablesAreBounded() {
        var membership = Membership(address: "a:1", settings: ClusterSettings())
        for step in 0..<40 {
            let list = (0..<200).map { RingMember("10.\(step).0.\($0):1") }
            membership.resolved(.partial(list), ringMembers: [], now: Int64(step))
        }
        #expect(membership.list.count <= ClusterLimits.maximumMembers)
        #expect(membership.peers.count <= ClusterLimits.maximumMembers)
        for number in 0..<1000 { membership.askedByLeaver("10.\(number):2", now: 40) }
        membership.track([], now: 40)
        #expect(membership.peers.count <= 2 * ClusterLimits.maximumMembers)
    }
}

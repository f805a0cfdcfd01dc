import Testing

@testable import Cluster

/// Cores that talk to each other at once, without a network between them.
final class SmallCluster {
    var cores: [String: ClusterCore] = [:]
    var actions: [String: [ClusterAction]] = [:]
    var now: Int64 = 0
    /// Whose connections are refused.
    var cut: Set<String> = []
    /// Whose messages get lost, both ways.
    var silent: Set<String> = []

    func start(_ address: String, list: [String], partial: Bool = false) {
        cores[address] = ClusterCore(address: address, incarnation: UInt64(cores.count + 1), slotBits: 6, now: now)
        resolve(address, list, partial: partial)
    }

    func resolve(_ address: String, _ list: [String], partial: Bool = false) {
        let members = list.map { RingMember($0) }
        run(address) { $0.resolved(partial ? .partial(members) : .authoritative(members), now: now) }
    }

    func run(_ address: String, _ body: (inout ClusterCore) -> [ClusterAction]) {
        guard var core = cores[address] else { return }
        var todo = body(&core)
        cores[address] = core
        actions[address, default: []] += todo
        while !todo.isEmpty {
            guard case .exchange(let peer) = todo.removeFirst() else { continue }
            exchange(address, peer)
        }
    }

    private func exchange(_ address: String, _ peer: String) {
        guard let question = cores[address]?.status(now: now), !silent.contains(address), !silent.contains(peer) else { return }
        guard !cut.contains(address), !cut.contains(peer), cores[peer] != nil else {
            run(address) { $0.failed(peer, now: now) }
            return
        }
        run(peer) { $0.asked(question, now: now) }
        guard let answer = cores[peer]?.status(now: now) else { return }
        run(address) { $0.answered(answer, now: now) }
    }

    func pass(_ time: Int64) {
        let end = now + time
        while now < end {
            now += 100 * millisecond
            for address in cores.keys.sorted() where !stopped.contains(address) { run(address) { $0.tick(now: now) } }
        }
    }

    /// Processes that are stopped.
    var stopped: Set<String> = []

    func limit(_ address: String, at time: Int64) -> Int64 { cores[address]?.decisionLimit(now: time) ?? .max }

    func mayLeave(_ address: String, isEmpty: Bool, at time: Int64) -> Bool {
        cores[address]?.mayLeave(isEmpty: isEmpty, now: time) ?? false
    }

    /// Every node tells every other that it has handed over all that it had to.
    func handOver() {
        for (address, core) in cores {
            let header = HandoffHeader(
                sender: address, incarnation: core.incarnation, lane: 0, laneCount: 1, sequence: 1,
                ringVersion: core.ring?.version ?? 0, ringEpoch: core.ringEpoch, frontier: 0, isLast: true)
            for peer in cores.keys where peer != address { cores[peer]?.received(header, lateSpans: 0, now: now) }
        }
    }

    func members(_ address: String) -> [String] { cores[address]?.ring?.members.map(\.address) ?? [] }

    func activations(_ address: String) -> Int {
        (actions[address] ?? []).count { if case .activate = $0 { true } else { false } }
    }
}

@Suite struct ClusterCoreTests {
    static func three() -> SmallCluster {
        let cluster = SmallCluster()
        for address in ["a", "b", "c"] { cluster.start(address, list: ["a", "b", "c"]) }
        cluster.pass(2 * second)
        return cluster
    }

    @Test func nodesThatStartTogetherFormOneRing() {
        let cluster = Self.three()
        for address in ["a", "b", "c"] {
            #expect(cluster.members(address) == ["a", "b", "c"] && cluster.activations(address) == 1)
            #expect(cluster.cores[address]?.isReady == true && cluster.cores[address]?.isAgreed == true)
        }
    }

    @Test func aNodeOwnsNothingBeforeItKnowsItsPeers() {
        let cluster = SmallCluster()
        cluster.start("a", list: [])
        cluster.pass(60 * second)
        #expect(cluster.members("a") == [] && cluster.cores["a"]?.isReady == false)
        cluster.resolve("a", ["a", "b"])
        cluster.pass(5 * second)
        #expect(cluster.members("a") == [])
        cluster.pass(second)
        #expect(cluster.members("a") == ["a"])
    }

    /// Lists that show a new node at different times: the ring changes everywhere at once, when all know it.
    @Test func aJoinWaitsForAll() {
        let cluster = Self.three()
        cluster.start("d", list: ["a", "b", "c", "d"])
        cluster.resolve("a", ["a", "b", "c", "d"])
        cluster.pass(3 * second)
        cluster.resolve("b", ["a", "b", "c", "d"])
        cluster.pass(3 * second)
        for address in ["a", "b", "c"] { #expect(cluster.members(address) == ["a", "b", "c"]) }
        #expect(cluster.members("d") == [])
        #expect(cluster.actions["c"]?.contains(.resolve) == true)
        cluster.resolve("c", ["a", "b", "c", "d"])
        cluster.pass(second)
        for address in ["a", "b", "c", "d"] { #expect(cluster.members(address) == ["a", "b", "c", "d"]) }
    }

    @Test func contradictoryListsAreNotWaitedForForEver() {
        let cluster = Self.three()
        cluster.start("d", list: ["a", "b", "c", "d"])
        cluster.resolve("a", ["a", "b", "c", "d"])
        cluster.pass(20 * second)
        #expect(cluster.members("a") == ["a", "b", "c", "d"] && cluster.members("b") == ["a", "b", "c"])
        cluster.pass(31 * second)
        #expect(cluster.actions["a"]?.contains(.log(.ringsDiffer("b"))) == true)
    }

    @Test func aDeadNodeIsRoutedAroundWithinThreeSeconds() {
        let cluster = Self.three()
        cluster.cut = ["c"]
        cluster.pass(3 * second)
        #expect(cluster.members("a") == ["a", "b"] && cluster.members("b") == ["a", "b"])
        #expect(cluster.actions["a"]?.contains(.disconnect("c")) == true)
        // Cut off, it stands for itself; then it is taken back.
        #expect(cluster.members("c") == ["c"])
        cluster.cut = []
        cluster.pass(4 * second)
        for address in ["a", "b", "c"] { #expect(cluster.members(address) == ["a", "b", "c"]) }
    }

    @Test func aLeavingNodeHandsOverToTheOthers() {
        let cluster = Self.three()
        cluster.run("b") { $0.startDraining(now: cluster.now) }
        cluster.pass(200 * millisecond)
        for address in ["a", "b", "c"] { #expect(cluster.members(address) == ["a", "c"]) }
        #expect(cluster.cores["b"]?.isReady == false && cluster.cores["b"]?.takesFromPeers(now: cluster.now) == true)
        #expect(cluster.cores["b"]?.isLeavingAlone(now: cluster.now) == false)
        #expect(!cluster.mayLeave("b", isEmpty: true, at: cluster.now))
        #expect(!cluster.mayLeave("b", isEmpty: false, at: cluster.now + second))
        #expect(!cluster.mayLeave("b", isEmpty: true, at: cluster.now + 2 * second))
        #expect(!cluster.mayLeave("b", isEmpty: true, at: cluster.now + 4499 * millisecond))
        #expect(cluster.mayLeave("b", isEmpty: true, at: cluster.now + 4500 * millisecond))
    }

    @Test func aLoneNodeLeavesAtOnce() {
        let cluster = SmallCluster()
        cluster.start("a", list: ["a"])
        cluster.pass(second)
        #expect(cluster.members("a") == ["a"])
        cluster.run("a") { $0.startDraining(now: cluster.now) }
        #expect(cluster.cores["a"]?.isLeavingAlone(now: cluster.now) == true)
        #expect(cluster.mayLeave("a", isEmpty: true, at: cluster.now))
    }

    /// Between ready and activated, and until everybody has handed over, decisions wait; a peer that stands still is waited for
    /// for `holdPatience`.
    @Test func decisionsWaitForTheHandOff() throws {
        let cluster = Self.three()
        let activated = cluster.now
        // Nobody has said that it is done.
        #expect(cluster.limit("a", at: activated) <= activated)
        cluster.pass(second)
        #expect(cluster.limit("a", at: cluster.now) <= activated)
        for peer in ["b", "c"] {
            let core = try #require(cluster.cores[peer])
            let header = HandoffHeader(
                sender: peer, incarnation: core.incarnation, lane: 0, laneCount: 1, sequence: 1,
                ringVersion: core.ring?.version ?? 0, ringEpoch: core.ringEpoch, frontier: 800 * millisecond,
                isLast: peer == "c")
            cluster.cores["a"]?.received(header, lateSpans: 0, now: cluster.now)
        }
        // b had come 800 ms further when it sent that, at most half a second ago: nothing due by now is held back.
        #expect(cluster.limit("a", at: cluster.now) == cluster.now)
        let later = cluster.now + second
        #expect(cluster.limit("a", at: later) == cluster.now + 300 * millisecond)
        #expect(cluster.limit("a", at: later + 10 * second) == later + 10 * second)
    }

    @Test func aNodeThatWasStoppedTakesNothingFromPeersUntilItHearsThem() {
        let cluster = Self.three()
        cluster.stopped = ["c"]
        cluster.pass(10 * second)
        #expect(cluster.cores["c"]?.takesFromPeers(now: cluster.now) == false)
        cluster.stopped = []
        cluster.cut = ["c"]
        cluster.pass(200 * millisecond)
        #expect(cluster.cores["c"]?.takesFromPeers(now: cluster.now) == false)
        #expect(cluster.limit("c", at: cluster.now) < cluster.now)
        cluster.cut = []
        cluster.pass(second)
        #expect(cluster.cores["c"]?.takesFromPeers(now: cluster.now) == true)
        #expect(cluster.members("c") == ["a", "b", "c"])
    }

    /// Who falls silent may be back in a moment with spans of the same traces; whose connections are refused is dead.
    @Test(arguments: [true, false]) func decisionsWaitForAWhileForAMemberThatFallsSilent(isSilent: Bool) throws {
        let cluster = Self.three()
        let fell = cluster.now
        if isSilent { cluster.silent = ["c"] } else { cluster.cut = ["c"] }
        cluster.pass(4 * second)
        #expect(cluster.members("a") == ["a", "b"])
        cluster.handOver()
        if isSilent {
            // Since it was found silent, no earlier: what was due before has been decided.
            let limit = cluster.limit("a", at: cluster.now)
            #expect(limit >= fell + second && limit <= fell + 2500 * millisecond)
            // Both sides wait.
            #expect(cluster.limit("c", at: cluster.now) <= fell + 2500 * millisecond)
        } else {
            #expect(cluster.limit("a", at: cluster.now) == cluster.now)
        }
        // Not for long.
        cluster.pass(4 * second)
        #expect(cluster.limit("a", at: cluster.now) == cluster.now)
    }

    @Test func foreignTracesCauseANewSweepOnceRingsAgree() {
        let cluster = Self.three()
        #expect(cluster.activations("a") == 1)
        cluster.cores["a"]?.foundForeignTraces()
        cluster.pass(200 * millisecond)
        #expect(cluster.activations("a") == 2 && cluster.cores["a"]?.ringEpoch == 2)
        cluster.pass(2 * second)
        #expect(cluster.activations("a") == 2)
    }

    /// Peers hold their decisions from the moment at which they could hear of it, not only from the new sweep on.
    @Test func foreignTracesAreAnnouncedAtOnce() {
        let cluster = Self.three()
        cluster.handOver()
        #expect(cluster.limit("b", at: cluster.now) == cluster.now)
        // Rings differ, so that the sweep has to wait.
        cluster.run("c") { $0.startDraining(now: cluster.now) }
        cluster.cores["a"]?.foundForeignTraces()
        let epoch = cluster.cores["a"]?.ringEpoch ?? 0
        cluster.run("a") { $0.tick(now: cluster.now) }
        #expect(cluster.cores["b"]?.membership.peers["a"]?.status?.ringEpoch == epoch + 1)
        #expect(cluster.limit("b", at: cluster.now) < cluster.now)
        cluster.pass(second)
        #expect(cluster.cores["a"]?.ringEpoch == epoch + 1 && cluster.cores["a"]?.status(now: cluster.now).ringEpoch == epoch + 1)
    }

    /// What a node hands over is the oldest part of each trace only if hand-off was over everywhere before the change.
    @Test func handOffIsOrderedIfEverythingWasWhole() {
        for (isOver, hasForeign) in [(true, false), (false, false), (true, true)] {
            let cluster = Self.three()
            if isOver { cluster.handOver() }
            if hasForeign { cluster.cores["a"]?.foundForeignTraces() }
            cluster.run("b") { $0.startDraining(now: cluster.now) }
            cluster.pass(200 * millisecond)
            #expect(cluster.members("a") == ["a", "c"])
            #expect(cluster.cores["a"]?.isHandoffOrdered == (isOver && !hasForeign))
            if !hasForeign { #expect(cluster.cores["c"]?.isHandoffOrdered == isOver) }
        }
        let cluster = Self.three()
        cluster.handOver()
        cluster.cores["a"]?.foundForeignTraces()
        cluster.pass(200 * millisecond)
        #expect(cluster.activations("a") == 2 && cluster.cores["a"]?.isHandoffOrdered == false)
    }

    /// Nobody hands anything to a node that owns nothing, and nobody tells it that hand-off is over.
    @Test func aNodeOutsideTheRingDecidesNothing() {
        let cluster = Self.three()
        cluster.run("b") { $0.startDraining(now: cluster.now) }
        cluster.pass(20 * second)
        #expect(cluster.limit("b", at: cluster.now) == cluster.now - 60 * second)
        #expect(cluster.actions["b"]?.contains { if case .log(.handoffStalled) = $0 { true } else { false } } == false)
        cluster.cut = ["b"]
        cluster.pass(3 * second)
        #expect(cluster.limit("b", at: cluster.now) == cluster.now)
    }

    /// The lanes have to know: the new process knows none of the batches that the one before took.
    @Test func aRestartedPeerIsANewPeer() {
        let cluster = Self.three()
        cluster.actions = [:]
        cluster.cores["b"] = ClusterCore(address: "b", incarnation: 77, slotBits: 6, now: cluster.now)
        cluster.resolve("b", ["a", "b", "c"])
        let actions = cluster.actions["a"] ?? []
        #expect(actions.filter { $0 == .disconnect("b") || $0 == .connect("b") } == [.disconnect("b"), .connect("b")])
        #expect(actions.contains(.log(.peerRestarted("b"))))
    }

    @Test func aBounceIsRefusedWhileTheRingChanges() throws {
        let cluster = Self.three()
        let sender = try #require(cluster.cores["b"]?.incarnation)
        let version = try #require(cluster.cores["a"]?.ring?.version)
        func isBounce(_ incarnation: UInt64, _ ring: UInt64, _ owners: [String], after time: Int64 = 0) -> Bool {
            let headers = ForwardHeaders(
                batch: BatchID(incarnation: incarnation, lane: 0, sequence: 1), hop: 1, ringVersion: ring)
            return cluster.cores["a"]?.isBounce(headers, owners: owners, now: cluster.now + time) ?? false
        }
        cluster.run("c") { $0.startDraining(now: cluster.now) }
        cluster.pass(100 * millisecond)
        #expect(cluster.members("a") == ["a", "b"])
        #expect(isBounce(sender, version, ["b"]) && isBounce(sender, version, ["c", "b"]))
        // Nothing of it is the sender's own; nobody knows the sender; the rings are the same.
        #expect(!isBounce(sender, version, ["c"]) && !isBounce(sender, version, []) && !isBounce(99, version, ["b"]))
        #expect(!isBounce(sender, cluster.cores["a"]?.ring?.version ?? 0, ["b"]))
        // Lists that go on contradicting each other are what the hop count is for.
        #expect(isBounce(sender, version, ["b"], after: second) && !isBounce(sender, version, ["b"], after: 2 * second))
    }

    /// A DNS answer that lags behind: the node asks again when others ask it, and does not begin alone.
    @Test func aStartingNodeThatIsAskedByStrangersDoesNotBeginAlone() {
        let cluster = SmallCluster()
        cluster.start("a", list: ["a"], partial: true)
        cluster.start("b", list: ["a", "b"])
        cluster.pass(8 * second)
        #expect(cluster.members("a") == [] && cluster.actions["a"]?.contains(.resolve) == true)
        cluster.resolve("a", ["a", "b"])
        cluster.pass(2 * second)
        #expect(cluster.members("a") == ["a", "b"] && cluster.members("b") == ["a", "b"])
    }

    /// A node that has left the ring and every list may still be handing over what it owned, when another one comes that has never heard
    /// of it: that one waits for it, too.
    @Test func aNewMemberWaitsForWhoHasLeft() throws {
        let cluster = SmallCluster()
        for address in ["a", "x"] { cluster.start(address, list: ["a", "x"]) }
        cluster.pass(2 * second)
        cluster.handOver()
        cluster.run("x") { $0.startDraining(now: cluster.now) }
        cluster.pass(second)
        #expect(cluster.members("a") == ["a"] && cluster.members("x") == ["a"])
        cluster.start("n", list: ["a", "n"])
        for address in ["a", "x"] { cluster.resolve(address, ["a", "n"]) }
        cluster.pass(2 * second)
        #expect(cluster.members("a") == ["a", "n"] && cluster.members("n") == ["a", "n"] && cluster.members("x") == ["a", "n"])
        func settle(_ sender: String) throws {
            let core = try #require(cluster.cores[sender])
            let header = HandoffHeader(
                sender: sender, incarnation: core.incarnation, lane: 0, laneCount: 1, sequence: 9,
                ringVersion: core.ring?.version ?? 0, ringEpoch: core.ringEpoch, frontier: 0, isLast: true)
            cluster.cores["n"]?.received(header, lateSpans: 0, now: cluster.now)
        }
        try settle("a")
        #expect(cluster.limit("n", at: cluster.now) < cluster.now - second)
        try settle("x")
        #expect(cluster.limit("n", at: cluster.now) == cluster.now)
        // Exited, it is forgotten.
        cluster.cores["x"] = nil
        cluster.pass(5 * second)
        #expect(cluster.cores["n"]?.membership.peers.keys.sorted() == ["a"])
    }

    @Test func differentPoliciesAreWarnedOfOnce() {
        let cluster = SmallCluster()
        for address in ["a", "b"] { cluster.start(address, list: ["a", "b"]) }
        cluster.cores["a"]?.policyHash = 1
        cluster.cores["b"]?.policyHash = 2
        cluster.pass(5 * second)
        let warnings = { cluster.actions["a"]?.count { $0 == .log(.policiesDiffer("b")) } }
        #expect(warnings() == 1)
        cluster.cores["b"]?.policyHash = 1
        cluster.pass(second)
        #expect(warnings() == 1 && cluster.actions["a"]?.contains(.log(.policiesAgree)) == true)
    }

    @Test func demandsTravelWithTheStatus() {
        let cluster = Self.three()
        for step in 0...20 as ClosedRange<Int> {
            for (address, rate) in [("a", 1000.0), ("b", 100), ("c", 100)] {
                let reading = BudgetReading(id: 7, goal: 600, offered: UInt64(Double(step) * rate / 10), passed: 0)
                cluster.cores[address]?.enter([reading], now: cluster.now)
            }
            cluster.pass(100 * millisecond)
        }
        let shares = ["a", "b", "c"].map { cluster.cores[$0]?.budget.share(7, now: cluster.now) ?? 0 }
        #expect(abs(shares[0] - 10.0 / 12) < 0.01 && abs(shares.reduce(0, +) - 1) < 0.02)
    }

    /// The share of a node that dies is the others' when they have noticed, and a process that was stopped does not take
    /// the whole rate for having heard nobody meanwhile.
    @Test func sharesOfTheDeadAndTheStopped() {
        let cluster = Self.three()
        let reading = BudgetReading(id: 7, goal: 600, offered: 0, passed: 0)
        func share(_ address: String) -> Double? { cluster.cores[address]?.shares([7], now: cluster.now)?.first }
        for address in ["a", "b", "c"] { cluster.cores[address]?.enter([reading], now: cluster.now) }
        cluster.pass(second)
        for address in ["a", "b", "c"] { #expect(share(address) == 1.0 / 3) }
        cluster.stopped = ["c"]
        cluster.cut = ["c"]
        cluster.pass(3 * second)
        #expect(share("a") == 0.5 && share("b") == 0.5)
        cluster.pass(10 * second)
        cluster.stopped = []
        cluster.run("c") { $0.tick(now: cluster.now) }
        #expect(share("c") == nil)
        cluster.cut = []
        cluster.pass(5 * second)
        for address in ["a", "b", "c"] { #expect(share(address) == 1.0 / 3) }
        cluster.run("b") { $0.failed("a", now: cluster.now) }
        #expect(share("b") == 1.0 / 3)
    }

    @Test func theRingIsDescribed() throws {
        let cluster = Self.three()
        cluster.run("b") { $0.startDraining(now: cluster.now) }
        cluster.pass(200 * millisecond)
        let description = RingDescription(try #require(cluster.cores["a"]), now: cluster.now)
        #expect(description.members.map(\.address) == ["a", "c", "b"])
        #expect(description.members.map(\.state) == [nil, .serving, .draining])
        #expect(description.members.map(\.isSelf) == [true, false, false])
        #expect(abs(description.members.reduce(0) { $0 + $1.share } - 1) < 1e-9 && description.imbalance >= 1 && description.imbalance < 1.1)
        #expect(Set(description.members.map(\.ringVersion)) == [description.version])
    }
}

import OTLP
import Testing

@testable import Cluster

@Suite struct ForwarderTests {
    /// A forwarder of node `a:1` and what it asked for.
    struct Run {
        var forwarder: Forwarder
        var sent: [(peer: String, headers: ForwardHeaders, payload: [UInt8], attempt: Int)] = []
        var answers: [UInt64: Int64?] = [:]
        var kept: [RequestPart] = []
        var now: Int64 = 0
        let ring: HashRing

        init(_ change: (inout ClusterSettings) -> Void = { _ in }) {
            var settings = ClusterSettings()
            settings.forwardDelay = 0
            change(&settings)
            ring = ClusterTests.ring("a:1", "b:1", "c:1")
            forwarder = Forwarder(address: "a:1", incarnation: 9, lane: 0, settings: settings)
            take(forwarder.ringChanged(ring, now: 0))
        }

        mutating func take(_ actions: [Forwarder.Action]) {
            for action in actions {
                switch action {
                case .send(let peer, let headers, let payload, let attempt): sent.append((peer, headers, payload, attempt))
                case .answer(let token, let refusedFor):
                    #expect(answers[token] == nil, "answered twice")
                    answers[token] = .some(refusedFor)
                case .keep(let part): kept.append(part)
                }
            }
            let ledger = forwarder.ledger
            #expect(ledger.accepted == ledger.forwarded + ledger.kept + forwarder.custodySpans)
        }

        func part(_ address: String, _ spans: Int = 2) -> (owner: String, part: RequestPart) {
            (address, RequestPart(payload: request(traces(of: address, ring, count: spans)), spans: spans))
        }

        mutating func submit(_ token: UInt64, _ owners: [String], local: Bool = false, hop: UInt8 = 0) {
            take(
                forwarder.submit(token: token, parts: owners.map { part($0) }, localSpansHeld: local, hop: hop, now: now))
        }

        mutating func complete(_ number: Int, _ outcome: ForwardOutcome) {
            take(forwarder.completed(sent[number].headers.batch, attempt: sent[number].attempt, outcome, now: now))
        }

        mutating func tick(_ time: Int64) {
            now = time
            take(forwarder.tick(now: now))
        }
    }

    @Test func theAnswerWaitsForAllOwners() {
        var run = Run()
        run.submit(1, ["b:1", "c:1"], local: true)
        #expect(run.sent.map(\.peer) == ["b:1", "c:1"] && run.sent.allSatisfy { $0.headers.hop == 1 })
        run.complete(0, .taken)
        #expect(run.answers.isEmpty)
        run.complete(1, .taken)
        #expect(run.answers == [1: nil] && run.forwarder.isEmpty && run.forwarder.heldBytes == 0)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 4, forwarded: 4))
    }

    @Test func whatNobodyHoldsIsRefused() {
        var run = Run()
        run.submit(1, ["b:1", "c:1"])
        run.complete(0, .refused(retryAfter: 3 * second))
        #expect(run.answers.isEmpty)
        run.complete(1, .notSent)
        #expect(run.answers == [1: 3 * second] && run.forwarder.isEmpty)
        #expect(run.forwarder.ledger == ForwardingLedger())
    }

    @Test(arguments: [true, false]) func theRestStaysInCustody(local: Bool) {
        var run = Run()
        run.submit(1, local ? ["c:1"] : ["b:1", "c:1"], local: local)
        if !local { run.complete(0, .taken) }
        run.complete(local ? 0 : 1, .refused(retryAfter: 0))
        // The client hears OK: every span is held, and the refused ones here.
        #expect(run.answers == [1: nil] && run.forwarder.custodySpans == 2)
        run.tick(99 * millisecond)
        let before = run.sent.count
        run.tick(100 * millisecond)
        #expect(run.sent.count == before + 1 && run.sent[before].headers == run.sent[before - 1].headers)
        run.complete(before, .taken)
        #expect(run.forwarder.isEmpty && run.forwarder.custodySpans == 0)
    }

    /// The peer may hold the spans, so nobody may be told that they were refused.
    @Test func noAnswerIsNoRefusal() {
        var run = Run()
        run.submit(1, ["b:1"])
        run.tick(2 * second - 1)
        #expect(run.answers.isEmpty)
        run.tick(2 * second)
        #expect(run.answers == [1: nil] && run.forwarder.custodySpans == 2)
        // Repeated under the same identity, also when the ring gives the spans to somebody else meanwhile.
        run.take(run.forwarder.ringChanged(ring("a:1", "c:1"), now: run.now))
        run.tick(2 * second + 100 * millisecond)
        #expect(run.sent.count == 2 && run.sent[1].peer == "b:1" && run.sent[1].headers.batch == run.sent[0].headers.batch)
        // A late answer to the first attempt counts for the second.
        run.complete(0, .taken)
        #expect(run.forwarder.isEmpty)
        run.complete(1, .taken)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 2, forwarded: 2))
    }

    /// A refusal that comes when the batch is under way again says nothing about what is under way.
    @Test func aLateRefusalDoesNotCount() {
        var run = Run()
        run.submit(1, ["b:1"], local: true)
        run.complete(0, .refused(retryAfter: 0))
        run.tick(100 * millisecond)
        #expect(run.sent.count == 2)
        run.complete(0, .refused(retryAfter: 0))
        run.take(run.forwarder.ringChanged(ring("a:1", "c:1"), now: run.now))
        #expect(run.sent.count == 2 && run.forwarder.batchCount == 1)
        run.complete(1, .taken)
        #expect(run.forwarder.isEmpty && run.forwarder.ledger == ForwardingLedger(accepted: 2, forwarded: 2))
    }

    @Test func anotherRingTakesWhatWaits() {
        var run = Run()
        run.submit(1, ["b:1"], local: true)
        run.complete(0, .refused(retryAfter: 0))
        run.take(run.forwarder.ringChanged(ring("a:1", "c:1"), now: run.now))
        #expect(run.kept.reduce(0) { $0 + $1.spans } + run.forwarder.custodySpans == 2)
        for (peer, headers, payload, _) in run.sent[1...] {
            #expect(peer == "c:1" && headers.batch != run.sent[0].headers.batch && headers.hop == 1)
            #expect(walk(payload).records.count == run.forwarder.custodySpans)
        }
        run.take(run.forwarder.ringChanged(ring("a:1"), now: run.now))
        for number in run.sent.indices.dropFirst() { run.complete(number, .refused(retryAfter: 0)) }
        #expect(run.forwarder.isEmpty && run.kept.reduce(0) { $0 + $1.spans } == 2)
        #expect(run.forwarder.ledger.possiblyDuplicated == 0)
    }

    @Test func whatADeadPeerMayHoldGoesOnAndIsCounted() {
        var run = Run()
        run.submit(1, ["b:1"])
        run.take(run.forwarder.reachable("b:1", false, now: 0))
        #expect(run.answers == [1: nil] && run.forwarder.custodySpans == 2 && run.sent.count == 1)
        run.take(run.forwarder.ringChanged(ring("a:1"), now: 0))
        #expect(run.kept.count == 1 && run.forwarder.ledger.possiblyDuplicated == 2 && run.forwarder.isEmpty)
    }

    @Test func anUnreachablePeerGetsNothingUntilItIsBack() {
        var run = Run()
        run.take(run.forwarder.reachable("b:1", false, now: 0))
        run.submit(1, ["b:1"])
        #expect(run.sent.isEmpty && run.answers == [1: 0])
        run.submit(2, ["b:1"], local: true)
        #expect(run.sent.isEmpty && run.answers[2] == .some(nil))
        run.take(run.forwarder.reachable("b:1", true, now: 1))
        #expect(run.sent.count == 1)
        run.complete(0, .taken)
        #expect(run.forwarder.isEmpty)
    }

    @Test func onlySoManyAreUnderWay() {
        var run = Run { $0.maximumInFlight = 2 }
        for token in 1...5 as ClosedRange<UInt64> { run.submit(token, ["b:1"]) }
        #expect(run.sent.count == 2)
        // Another peer is not held up.
        run.submit(6, ["c:1"])
        #expect(run.sent.count == 3)
        run.complete(0, .taken)
        #expect(run.sent.count == 4 && run.answers.count == 1)
    }

    @Test func roomIsBounded() {
        var run = Run {
            $0.custodyBytes = 1000
            $0.custodyBatches = 3
        }
        #expect(run.forwarder.hasRoom(batches: 3, bytes: 1000))
        #expect(!run.forwarder.hasRoom(batches: 3, bytes: 1001) && !run.forwarder.hasRoom(batches: 4, bytes: 10))
        run.submit(1, ["b:1"])
        let held = run.forwarder.heldBytes
        #expect(held > 0 && run.forwarder.hasRoom(batches: 2, bytes: 1000 - held))
        #expect(!run.forwarder.hasRoom(batches: 2, bytes: 1001 - held) && !run.forwarder.hasRoom(batches: 3, bytes: 1))
    }

    /// Receivers remember a window of ids; a batch that fails for ever must not fall out of it.
    @Test func theOldestBatchStaysWithinWhatReceiversRemember() {
        var run = Run { $0.custodyTimeout = 1000 * second }
        run.submit(1, ["b:1"], local: true)
        run.complete(0, .refused(retryAfter: 0))
        for token in 2...3000 as ClosedRange<UInt64> {
            guard run.forwarder.hasRoom(batches: 1, bytes: 100) else { break }
            run.submit(token, ["c:1"])
            run.complete(run.sent.count - 1, .taken)
        }
        #expect(run.sent.count < Int(RecentBatches.window) / 2 && run.sent.count > 1000)
        #expect(!run.forwarder.hasRoom(batches: 1, bytes: 100))
    }

    @Test func custodyEnds() {
        var run = Run()
        run.submit(1, ["b:1"], local: true)
        run.complete(0, .notSent)
        while run.kept.isEmpty && run.now < 31 * second {
            let before = run.sent.count
            run.tick(run.now + 100 * millisecond)
            for number in before..<run.sent.count { run.complete(number, .refused(retryAfter: 0)) }
        }
        #expect(run.now == 30 * second && run.kept.map(\.spans) == [2] && run.forwarder.isEmpty)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 2, kept: 2))
    }

    @Test func theLastHopIsCounted() {
        var run = Run()
        run.submit(1, ["b:1"], hop: 1)
        #expect(run.sent[0].headers.hop == 2)
    }

    @Test func aLeavingNodeKeepsTheRest() {
        var run = Run()
        run.submit(1, ["b:1"])
        run.submit(2, ["c:1"], local: true)
        run.complete(1, .refused(retryAfter: 0))
        run.take(run.forwarder.keepAll())
        #expect(run.forwarder.isEmpty && run.kept.count == 2 && run.answers.count == 2)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 4, kept: 4, possiblyDuplicated: 2))
    }

    /// A new process may be behind the same address; what the one before it took, it has handed over.
    @Test func whatAPeerMayHaveTakenBeforeItWasAwayIsCounted() {
        var run = Run()
        run.submit(1, ["b:1"])
        run.take(run.forwarder.reachable("b:1", false, now: second))
        #expect(run.answers[1] == .some(nil) && run.forwarder.custodySpans == 2 && run.forwarder.ledger.possiblyDuplicated == 0)
        run.now = 2 * second
        run.take(run.forwarder.reachable("b:1", true, now: 2 * second))
        #expect(run.sent.count == 2 && run.sent[1].peer == "b:1" && run.forwarder.ledger.possiblyDuplicated == 2)
        // From here on it is a batch like any other: refused, it goes to a new owner without being counted again.
        run.complete(1, .refused(retryAfter: 0))
        run.take(run.forwarder.ringChanged(ring("a:1", "c:1"), now: 2 * second))
        #expect(run.forwarder.ledger.possiblyDuplicated == 2)
    }
}

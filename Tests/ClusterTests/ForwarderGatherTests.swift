import OTLP
import Testing

@testable import Cluster

/// Requests that share batches.
@Suite struct ForwarderGatherTests {
    typealias Run = ForwarderTests.Run

    private static func run(_ change: (inout ClusterSettings) -> Void = { _ in }) -> Run {
        Run {
            $0.forwardDelay = 5 * millisecond
            change(&$0)
        }
    }

    @Test func theFirstGoesAtOnceAndTheNextTogether() throws {
        var run = Self.run()
        run.submit(1, ["b:1", "c:1"])
        #expect(run.sent.map(\.peer) == ["b:1", "c:1"])
        run.now = 1
        for token in 2...4 as ClosedRange<UInt64> { run.submit(token, ["b:1"], local: token == 3) }
        run.submit(5, ["c:1"])
        #expect(run.sent.count == 2)
        #expect(run.forwarder.nextGathered(after: run.now) == 5 * millisecond)
        run.take(run.forwarder.sendGathered(now: 5 * millisecond - 1))
        #expect(run.sent.count == 2)
        run.now = 5 * millisecond
        run.take(run.forwarder.sendGathered(now: run.now))
        #expect(run.sent.dropFirst(2).map(\.peer) == ["b:1", "c:1"] && run.forwarder.nextGathered(after: run.now) == nil)
        #expect(walk(run.sent[2].payload).records.count == 6 && walk(run.sent[3].payload).records.count == 2)
        run.complete(2, .taken)
        #expect(run.answers == [2: nil, 3: nil, 4: nil])
        run.complete(0, .taken)
        run.complete(1, .taken)
        run.complete(3, .taken)
        #expect(run.forwarder.isEmpty && run.forwarder.heldBytes == 0)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 12, forwarded: 12))
        // Nothing left lately: nobody waits.
        run.now = 20 * millisecond
        run.submit(6, ["b:1"])
        #expect(run.sent.count == 5)
    }

    @Test func aLargeBatchDoesNotWait() {
        var run = Self.run { $0.forwardBytes = 400 }
        run.submit(1, ["c:1"])
        let one = run.forwarder.heldBytes
        var token: UInt64 = 2
        while run.sent.count == 1 {
            run.submit(token, ["b:1"])
            token += 1
        }
        #expect(run.sent[1].peer == "b:1" && run.sent[1].payload.count <= 400 && run.sent[1].payload.count + one > 400)
        // What did not fit begins the next one.
        #expect(run.forwarder.nextGathered(after: run.now) == 5 * millisecond)
        run.now = 5 * millisecond
        run.take(run.forwarder.sendGathered(now: run.now))
        #expect(run.sent.count == 3 && walk(run.sent[2].payload).records.count == 2)
        // A part that is as large by itself goes at once.
        var other = Self.run { $0.forwardBytes = 20 }
        other.submit(1, ["b:1"])
        other.submit(2, ["b:1"])
        #expect(other.sent.count == 2 && other.forwarder.nextGathered(after: 0) == nil)
    }

    @Test func whatWasForwardedBeforeIsNotHeldUp() {
        var run = Self.run()
        run.submit(1, ["b:1"])
        run.submit(2, ["b:1"], hop: 1)
        #expect(run.sent.map(\.headers.hop) == [1, 2])
    }

    /// Of one refused batch, requests that are held in part stay, the others are refused, and their spans leave the batch.
    @Test func aRefusalIsEachRequestsOwn() {
        var run = Self.run()
        run.submit(1, ["c:1"])
        run.submit(2, ["b:1"])
        run.submit(3, ["b:1"], local: true)
        run.submit(4, ["b:1"])
        run.now = 5 * millisecond
        run.take(run.forwarder.sendGathered(now: run.now))
        run.complete(1, .refused(retryAfter: second))
        #expect(run.answers == [2: second, 3: nil, 4: second])
        #expect(run.forwarder.custodySpans == 2)
        run.tick(run.now + second)
        #expect(run.sent.count == 3 && run.sent[2].headers == run.sent[1].headers)
        #expect(walk(run.sent[2].payload).records.count == 2)
        run.complete(2, .taken)
        run.complete(0, .taken)
        #expect(run.forwarder.isEmpty && run.forwarder.heldBytes == 0)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 4, forwarded: 4))
    }

    /// A peer that does not answer may hold all of it: the batch is repeated as it is.
    @Test func noAnswerHoldsAll() {
        var run = Self.run()
        for token in 1...3 as ClosedRange<UInt64> { run.submit(token, ["b:1"]) }
        run.now = 5 * millisecond
        run.take(run.forwarder.sendGathered(now: run.now))
        run.complete(1, .unknown)
        #expect(run.answers == [2: nil, 3: nil] && run.forwarder.custodySpans == 4)
        run.tick(run.now + second)
        #expect(run.sent[2].headers == run.sent[1].headers && run.sent[2].payload == run.sent[1].payload)
        // It is gone for good: each request's spans go their way, and may be there twice.
        run.take(run.forwarder.reachable("b:1", false, now: run.now))
        run.take(run.forwarder.ringChanged(ring("a:1"), now: run.now))
        #expect(run.forwarder.isEmpty && run.kept.map(\.spans).reduce(0, +) == 6)
        #expect(run.forwarder.ledger == ForwardingLedger(accepted: 6, kept: 6, possiblyDuplicated: 6))
    }

    /// They were cut by the ring that was: they go under its version.
    @Test func anotherRingSendsThemAtOnce() {
        var run = Self.run()
        run.submit(1, ["b:1"])
        run.submit(2, ["b:1"])
        let before = run.sent[0].headers.ringVersion
        run.take(run.forwarder.ringChanged(ring("a:1", "c:1"), now: run.now))
        #expect(run.sent.map(\.peer) == ["b:1", "b:1"] && run.sent[1].headers.ringVersion == before)
        #expect(run.forwarder.nextGathered(after: run.now) == nil)
    }

    @Test func anUnreachablePeerIsNotWaitedFor() {
        var run = Self.run()
        run.submit(1, ["c:1"])
        run.submit(2, ["b:1"])
        run.take(run.forwarder.reachable("b:1", false, now: 0))
        run.submit(3, ["b:1"], local: true)
        run.submit(4, ["b:1"])
        run.now = 5 * millisecond
        run.take(run.forwarder.sendGathered(now: run.now))
        #expect(run.answers == [2: 0, 3: nil, 4: 0] && run.sent.count == 1)
        #expect(run.forwarder.custodySpans == 2)
        run.take(run.forwarder.reachable("b:1", true, now: run.now))
        #expect(run.sent.count == 2 && walk(run.sent[1].payload).records.count == 2)
    }

    @Test func aLeavingNodeKeepsWhatIsGathered() {
        var run = Self.run()
        run.submit(1, ["b:1"])
        run.submit(2, ["b:1"])
        run.submit(3, ["b:1"], local: true)
        run.take(run.forwarder.keepAll())
        #expect(run.forwarder.isEmpty && run.answers.count == 3 && run.kept.reduce(0) { $0 + $1.spans } == 6)
    }
}

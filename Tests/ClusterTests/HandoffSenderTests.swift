import OTLP
import Testing

@testable import Cluster

@Suite struct HandoffSenderTests {
    struct Run {
        var sender: HandoffSender
        var sent: [(peer: String, id: UInt64, header: HandoffHeader, chunk: HandoffChunk)] = []
        var back: [(chunk: HandoffChunk, spans: Int)] = []
        var now: Int64 = 0

        init(_ change: (inout ClusterSettings) -> Void = { _ in }) {
            var settings = ClusterSettings()
            change(&settings)
            sender = HandoffSender(address: "a:1", incarnation: 9, lane: 0, laneCount: 1, settings: settings, now: 0)
        }

        mutating func take(_ actions: [HandoffSender.Action]) {
            for action in actions {
                switch action {
                case .send(let peer, let id, let message):
                    guard let (header, chunk) = try? HandoffChunk.parse(message) else {
                        Issue.record("a message that can't be read")
                        continue
                    }
                    sent.append((peer, id, header, chunk))
                case .takeBack(let chunk, let spans): back.append((chunk, spans))
                }
            }
        }

        mutating func enqueue(_ peer: String, deadline: Int64, filler: Int = 0) {
            var builder = HandoffChunkBuilder()
            let id = TraceID(high: 1, low: UInt64(sent.count + 1))
            builder.begin(HandoffTrace(traceID: id, age: second, remaining: deadline - now, policyHash: 1), deadline: deadline)
            let body = request([id], filler: filler)
            let index = walk(body)
            let headers = index.groupBytes.span
            for record in index.records {
                let group = index.groups[Int(record.group)]
                builder.add(
                    groupHash: group.groupHash, resource: headers.extracting(group.resourceRange),
                    scope: headers.extracting(group.scopeRange), span: body.span.extracting(record.range))
            }
            take(sender.enqueue(&builder, to: peer, now: now))
        }

        mutating func complete(_ number: Int, _ outcome: ForwardOutcome) {
            take(sender.completed(sent[number].id, outcome, now: now))
        }

        mutating func tick(_ time: Int64) {
            now = time
            take(sender.tick(now: now))
        }
    }

    @Test func aSweepEndsWithAWordToEverybody() {
        var run = Run()
        #expect(run.sender.isIdle && run.sender.decisionLimit == .max)
        run.take(run.sender.ringChanged(ring("a:1", "b:1", "c:1"), epoch: 4, now: 0))
        #expect(run.sender.isSweeping && run.sender.decisionLimit == .min && run.sender.allowance(now: 0) > 0)
        run.enqueue("b:1", deadline: 5 * second)
        run.sender.swept(frontier: 6 * second)
        #expect(run.sender.decisionLimit == 6 * second && run.sender.heldSpans == 1)
        run.take(run.sender.sweepEnded(now: 0))
        #expect(run.sender.decisionLimit == .max && !run.sender.isIdle && run.sent.count == 1)
        run.complete(0, .taken)
        #expect(run.sender.ledger.handedOff == 1 && run.sender.heldBytes == 0)
        #expect(run.sent[1...].map(\.peer) == ["b:1", "c:1"])
        #expect(run.sent[1...].allSatisfy { $0.header.isLast && $0.header.ringEpoch == 4 && $0.chunk == HandoffChunk() })
        run.complete(1, .taken)
        run.complete(2, .taken)
        #expect(run.sender.isIdle)
    }

    /// What a chunk promises holds for all that is not acknowledged.
    @Test func theFrontierIsTheOldestThatIsNotAcknowledged() {
        var run = Run()
        let day: Int64 = 86_400 * second
        run.take(run.sender.ringChanged(ring("a:1", "b:1", "c:1"), epoch: 1, isOrdered: true, now: 0))
        run.now = second
        run.enqueue("b:1", deadline: 3 * second)
        #expect(run.sent[0].header.frontier == -day)
        run.sender.swept(frontier: 5 * second)
        run.enqueue("c:1", deadline: 4 * second)
        #expect(run.sent[1].header.frontier == 2 * second)
        run.complete(0, .taken)
        run.sender.swept(frontier: 7 * second)
        run.enqueue("b:1", deadline: 6 * second)
        #expect(run.sent[2].header.frontier == 3 * second)
        run.complete(1, .taken)
        run.enqueue("b:1", deadline: 6500 * millisecond)
        #expect(run.sent[3].header.frontier == 5 * second)
    }

    /// Older parts of its traces may be elsewhere: receivers have to wait for the last word.
    @Test func withoutOrderNothingIsPromised() {
        let day: Int64 = 86_400 * second
        for (isOrdered, isBusy) in [(false, false), (true, true), (false, true), (true, false)] {
            var run = Run()
            if isBusy {
                run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, isOrdered: true, now: 0))
                run.enqueue("b:1", deadline: second)
            }
            run.take(run.sender.ringChanged(ring("a:1", "b:1", "c:1"), epoch: 2, isOrdered: isOrdered, now: 0))
            run.sender.swept(frontier: 5 * second)
            run.enqueue("c:1", deadline: 6 * second)
            let promises = isOrdered && !isBusy
            #expect(run.sent.last?.header.frontier == (promises ? 5 * second : -day))
            // What is decided here is another matter.
            #expect(run.sender.decisionLimit == 5 * second)
        }
    }

    @Test func aMemberThatWasAwayHearsTheLastWordAgain() {
        var run = Run()
        run.take(run.sender.ringChanged(ring("a:1", "b:1", "c:1"), epoch: 4, now: 0))
        run.take(run.sender.reachable("b:1", false, now: 0))
        run.take(run.sender.sweepEnded(now: 0))
        #expect(run.sent.map(\.peer) == ["c:1"])
        run.complete(0, .taken)
        run.take(run.sender.reachable("b:1", true, now: second))
        run.take(run.sender.reachable("d:1", false, now: second))
        run.take(run.sender.reachable("d:1", true, now: second))
        #expect(run.sent.map(\.peer) == ["c:1", "b:1"] && run.sent[1].header.isLast && run.sent[1].header.ringEpoch == 4)
    }

    @Test func aSlowSweepHoldsNoTraceForLongerThanTheMaximum() {
        var run = Run()
        #expect(run.sender.decisionLimit(now: second) == .max)
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        #expect(run.sender.decisionLimit(now: second) == -59 * second)
        run.sender.swept(frontier: 2 * second)
        #expect(run.sender.decisionLimit(now: 62 * second) == 2 * second)
        #expect(run.sender.decisionLimit(now: 62 * second + 1) == 2 * second + 1)
    }

    /// A new process may be behind the same address, and may have been given the chunk's traces by the one before.
    @Test func whatAPeerMayHaveTakenBeforeItWasAwayIsCounted() {
        var run = Run()
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        run.enqueue("b:1", deadline: 9 * second)
        run.take(run.sender.reachable("b:1", false, now: second))
        #expect(run.sender.ledger.possiblyDuplicated == 0)
        run.now = 2 * second
        run.take(run.sender.reachable("b:1", true, now: 2 * second))
        #expect(run.sender.ledger.possiblyDuplicated == 1 && run.sent.count == 2)
        run.take(run.sender.reachable("b:1", true, now: 2 * second))
        run.complete(1, .taken)
        #expect(run.sender.ledger == HandoffLedger(handedOff: 1, returned: 0, possiblyDuplicated: 1))
    }

    @Test func chunksAreRepeatedUnderTheirIdentity() {
        var run = Run()
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        run.enqueue("b:1", deadline: 9 * second)
        run.tick(2 * second - 1)
        #expect(run.sent.count == 1)
        run.tick(2 * second)
        run.tick(2 * second + 100 * millisecond)
        #expect(run.sent.count == 2 && run.sent[1].header.batch == run.sent[0].header.batch)
        // It says how old it is, so that the trace is due at its original time.
        #expect(run.sent[1].header.heldFor == 2100 * millisecond)
        #expect(run.sent[1].chunk.traces[0].remaining == 6900 * millisecond)
        run.complete(1, .taken)
        run.complete(0, .taken)
        #expect(run.sender.ledger.handedOff == 1)
    }

    @Test func chunksOfALostMemberComeBack() {
        var run = Run()
        run.take(run.sender.ringChanged(ring("a:1", "b:1", "c:1"), epoch: 1, now: 0))
        run.enqueue("b:1", deadline: 9 * second)
        run.enqueue("c:1", deadline: 9 * second)
        run.take(run.sender.reachable("b:1", false, now: second))
        // It is a member still: it may come back.
        #expect(run.back.isEmpty && run.sender.heldSpans == 2)
        run.now = second
        run.take(run.sender.ringChanged(ring("a:1", "c:1"), epoch: 2, now: second))
        #expect(run.back.map(\.spans) == [1] && run.sender.heldSpans == 1)
        #expect(run.back[0].chunk.traces[0].remaining == 8 * second)
        #expect(run.sender.ledger == HandoffLedger(handedOff: 0, returned: 1, possiblyDuplicated: 1))
    }

    @Test func aPeerThatNeverTakesGivesUpItsChunks() {
        var run = Run()
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        run.enqueue("b:1", deadline: 9 * second)
        run.complete(0, .refused(retryAfter: 0))
        while run.back.isEmpty && run.now < 60 * second {
            let before = run.sent.count
            run.tick(run.now + 50 * millisecond)
            for number in before..<run.sent.count { run.complete(number, .refused(retryAfter: 0)) }
        }
        #expect(run.now == 30 * second && run.sender.heldBytes == 0 && run.sender.ledger.possiblyDuplicated == 0)
        // Doubling from 100 ms to 2 s: no storm.
        #expect(run.sent.count < 25)
    }

    /// What peers wait for: it grows with what is swept, acknowledged or given back, and with nothing else.
    @Test func progressCountsOnlyWhatGetsOn() {
        var run = Run { _ in }
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        run.sender.sweptSlice()
        #expect(run.sender.progress == 1)
        run.enqueue("b:1", deadline: 9 * second, filler: 10)
        run.sender.swept(frontier: second)
        #expect(run.sender.progress == 1)
        run.complete(0, .refused(retryAfter: 0))
        #expect(run.sender.progress == 1)
        run.tick(run.now + 200 * millisecond)
        #expect(run.sent.count == 2 && run.sender.progress == 1)
        run.complete(1, .taken)
        #expect(run.sender.progress == 2)
        run.complete(1, .taken)
        #expect(run.sender.progress == 2)
    }

    /// A trace that is larger than what may be sent in the patience of peers.
    @Test func waitingForThePaceIsProgress() {
        var run = Run { $0.handoffBandwidth = 100 }
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        run.sender.swept(frontier: second)
        while run.sender.allowance(now: 0) > 0 { run.enqueue("b:1", deadline: 9 * second, filler: 100_000) }
        let before = run.sender.progress
        #expect(run.sender.allowance(now: second) == 0 && run.sender.progress == before + 1)
        // A peer that takes nothing is another matter.
        #expect(run.sender.allowance(now: 100_000 * second) > 0 && run.sender.progress == before + 1)
        run.take(run.sender.sweepEnded(now: 0))
        #expect(run.sender.allowance(now: 0) == 0 && run.sender.progress == before + 1)
    }

    @Test func handOffIsPacedAndBounded() {
        var run = Run {
            $0.handoffBandwidth = 10_000
            $0.handoffChunkBytes = 500
            $0.handoffWindowBytes = 5000
        }
        run.take(run.sender.ringChanged(ring("a:1", "b:1"), epoch: 1, now: 0))
        var bytes = 0
        for step in 0..<100 {
            run.now = Int64(step) * 10 * millisecond
            while run.sender.allowance(now: run.now) > 0 {
                let held = run.sender.heldBytes
                run.enqueue("b:1", deadline: 9 * second, filler: 100)
                bytes += run.sender.heldBytes - held
                #expect(run.sender.heldBytes <= 5000 + 500)
            }
            if step % 10 == 9 { for number in run.sent.indices { run.complete(number, .taken) } }
        }
        // 10,000 bytes in one second, and what the bucket held.
        #expect(bytes > 9500 && bytes < 11_500)
    }
}

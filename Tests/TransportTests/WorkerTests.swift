import Delivery
import NIOCore
import NIOPosix
import NativeCore
import OTLP
import Sampling
import Telemetry
import TestSupport
import Testing

@testable import Transport

@Suite struct WorkerAcceptTests {
    @Test func takesDecidesAndDelivers() throws {
        let node = Node(try makePlan(destinations: ["a", "b"]))
        let slow = [Encode.span(trace(1), id: 1, milliseconds: 2000), Encode.span(trace(1), id: 2)]
        let fast = [Encode.span(trace(2), id: 3), Encode.span(trace(3), id: 4, milliseconds: 999)]
        let result = node.accept(Encode.request(slow + fast))
        #expect(try result.get().total == 0)
        #expect(node.ledger.accepted == 4 && node.ledger.buffered == 4 && node.ledger.difference == 0)
        #expect(node.worker.pendingTraces == 3)
        node.settle()
        let decided = node.ledger
        #expect(decided.buffered == 0 && decided.sampled == 2 && decided.notSampled == 2 && decided.difference == 0)
        #expect(decided.destinations.map(\.queued) == [2, 2] && decided.destinations.map(\.sent) == [0, 0])
        #expect(node.senders.map { $0.attempts.count } == [1, 1])
        // Both destinations share the very same bytes: the resource, then the slow trace's spans.
        let expected = Encode.request(slow)
        #expect(node.senders.map { $0.attempts[0].request.identity } == [expected, expected])
        node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
        let after = node.ledger
        #expect(after.destinations.map(\.sent) == [2, 0] && after.destinations.map(\.queued) == [0, 2] && after.difference == 0)
        let cells = node.worker.cells
        #expect(cells.value(of: node.plan.metrics.receivers[0].acceptedSpans) == 4)
        #expect(cells.value(of: node.plan.metrics.receivers[0].acceptedRequests) == 1)
        #expect(cells.value(of: node.plan.metrics.sampling.newTraces) == 3)
        #expect(cells.value(of: node.plan.metrics.sampling.tracesByDecision.sampled) == 1)
        #expect(cells.value(of: node.plan.metrics.sampling.tracesByDecision.notSampled) == 2)
        node.senders[1].end(.delivered(rejectedSpans: 0), .ok)
    }

    /// Spans that this node has answered for come another way than clients', and may be larger than any segment: each is counted, and
    /// the node lives on.
    @Test func aSpanThatNoSegmentHoldsIsLostAndCounted() throws {
        let node = Node(try makePlan())
        let spans = (0..<3 as Range<UInt64>).map { number -> [UInt8] in
            Encode.span(trace(number), id: number + 1) + (number == 1 ? Encode.bytes(5, [UInt8](repeating: 97, count: 3 << 20)) : [])
        }
        node.worker.takeIn(Encode.bytes(1, Encode.bytes(2, spans.flatMap { Encode.bytes(2, $0) })), spans: 3)
        node.worker.ledger.accepted += 3
        let ledger = node.ledger
        #expect(ledger.buffered == 2 && ledger.lost == 1 && ledger.undecidedLosses.map(\.reason) == [.tooLarge])
        #expect(ledger.difference == 0 && node.worker.pendingTraces == 2)
        node.settle()
        #expect(node.ledger.notSampled == 2 && node.ledger.difference == 0)
    }

    @Test func lateSpansFollowTheDecision() throws {
        let node = Node(try makePlan())
        _ = node.accept(Encode.request([Encode.span(trace(1), milliseconds: 2000), Encode.span(trace(2))]))
        node.settle()
        let late = Encode.span(trace(1), id: 9)
        _ = node.accept(Encode.request([late, Encode.span(trace(2), id: 8), Encode.span(trace(3), id: 7)]))
        let ledger = node.ledger
        #expect(ledger.accepted == 5 && ledger.buffered == 1 && ledger.sampled == 2 && ledger.notSampled == 2)
        #expect(ledger.difference == 0)
        let late_ = node.plan.metrics.sampling.lateSpans
        #expect(node.worker.cells.value(of: late_.sampled) == 1 && node.worker.cells.value(of: late_.notSampled) == 1)
        node.settle()
        #expect(node.senders[0].attempts.map { $0.request.spanCount } == [1, 1])
        #expect(node.senders[0].attempts.last?.request.identity == Encode.request([late]))
        #expect(node.ledger.difference == 0)
        for destination in node.destinations { destination.close() }
    }

    @Test func refusesWhileNotServing() throws {
        let node = Node(try makePlan())
        node.worker.isAccepting = false
        guard case .failure(let refusal) = node.accept(Encode.request([Encode.span(trace(1))])) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .notServing && refusal.status == .unavailable && refusal.retryAfter == 2_000_000_000)
        #expect(node.ledger.accepted == 0 && node.ledger.difference == 0)
    }

    @Test func refusesNearTheMemoryLimit() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        guard case .success = node.accept(Encode.request([Encode.span(trace(1))])) else {
            Issue.record("refused at once")
            return
        }
        node.plan.memory.mappedChanged(by: 64 << 20)
        guard case .failure(let refusal) = node.accept(Encode.request([Encode.span(trace(2))])) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .memory && refusal.status == .unavailable && refusal.retryAfter == 2_000_000_000)
        #expect(node.ledger.accepted == 1 && node.ledger.buffered == 1 && node.ledger.difference == 0)
    }

    /// What segments and tables hold counts against the budget, and comes back.
    @Test func reportsItsMemory() throws {
        let plan = try makePlan()
        let before = plan.memory.usedBytes
        let node = Node(plan)
        for number in 0..<40 as Range<UInt64> {
            _ = node.accept(Encode.request([Encode.span(trace(number), filler: 500_000)]))
        }
        let full = plan.memory.usedBytes
        #expect(full - before >= 20_000_000 && full - before <= 40_000_000)
        node.settle()
        // Kept for reuse, and therefore still counted, until upkeep has seen that nobody needs it; only the segment that was set aside
        // for the next rotation need not be beside those.
        #expect(plan.memory.usedBytes == full - Shard.segmentBytes)
        for _ in 0..<20 { node.worker.trim() }
        #expect(plan.memory.usedBytes <= full - 16_000_000)
        #expect(node.ledger.difference == 0)
    }

    @Test func refusesWhatIsNoProtobuf() throws {
        let node = Node(try makePlan())
        for bytes in [[0xff], [0x0a, 5, 1], [0x07], Encode.request([[0x0a, 200]])] as [[UInt8]] {
            guard case .failure(let refusal) = node.accept(bytes) else {
                Issue.record("taken: \(bytes)")
                continue
            }
            #expect(refusal.reason == .malformed && refusal.status == .invalidArgument && refusal.retryAfter == nil)
        }
        // Good spans before the bad place are not taken either.
        let half = Encode.request([Encode.span(trace(1))]) + [0xff]
        guard case .failure = node.accept(half) else {
            Issue.record("taken")
            return
        }
        #expect(node.ledger.accepted == 0 && node.worker.pendingTraces == 0 && node.ledger.difference == 0)
    }

    /// What peers hand over and what comes back is read by the same rules as what clients send.
    @Test func handedOverSpansThatNoSegmentHoldsAreLeftOut() throws {
        let node = Node(try makePlan())
        let large = Encode.span(trace(1), filler: Shard.maximumSpanBytes + 1)
        let received = try node.worker.received(Encode.request([large, Encode.span(trace(2))]))
        #expect(received.index.records.count == 1 && received.index.rejected[.tooLarge] == 1)
        let malformed = try? node.worker.received([0x0a, 5, 1])
        #expect(malformed == nil)
    }

    /// Spans in custody have been answered for: those that can't be held are lost with a reason, and the ledger balances.
    @Test func custodyThatCannotBeHeldIsLostWithAReason() throws {
        let node = Node(try makePlan(destinations: ["a", "b"]))
        let large = Encode.span(trace(1), filler: Shard.maximumSpanBytes + 1)
        node.worker.ledger.accepted += 2
        node.worker.takeIn(Encode.request([large, Encode.span(trace(2))]), spans: 2)
        #expect(node.ledger.buffered == 1 && node.ledger[.lost] == 1 && node.ledger.difference == 0)
        node.worker.ledger.accepted += 3
        node.worker.takeIn([0x0a, 5, 1], spans: 3)
        let ledger = node.ledger
        #expect(ledger[.lost] == 4 && ledger.sampled == 0 && ledger.difference == 0)
        #expect(ledger.undecidedLosses.map(\.reason) == [.tooLarge, .malformed] && ledger.undecidedLosses.map(\.spans) == [1, 3])
        for destination in node.destinations { destination.close() }
    }

    /// One large request does not leave a large index behind, taken or refused.
    @Test func aLargeIndexIsNotKept() throws {
        let node = Node(try makePlan())
        let tiny = Encode.bytes(1, trace(1).bytes) + Encode.bytes(2, Encode.bigEndian(1))
        _ = node.accept(Encode.request([[UInt8]](repeating: tiny, count: 30_000)))
        #expect(node.worker.keptIndexBytes <= 1 << 20)
        #expect(node.ledger.accepted == 30_000 && node.ledger.difference == 0)
        node.plan.memory.mappedChanged(by: 16 << 30)
        let refused = Encode.request([[UInt8]](repeating: tiny, count: 30_000))
        guard case .failure = node.accept(refused) else {
            Issue.record("taken")
            return
        }
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.refusedSpans[.memory]) == 30_000)
        #expect(node.worker.keptIndexBytes <= 1 << 20)
    }

    @Test func anEmptyRequestIsFine() throws {
        let node = Node(try makePlan())
        #expect(try node.accept([]).get().total == 0)
        #expect(try node.accept(Encode.request([])).get().total == 0)
        #expect(node.ledger.accepted == 0 && node.ledger.difference == 0)
    }

    @Test func gzipIn() throws {
        let node = Node(try makePlan())
        let message = Encode.request((0..<50).map { Encode.span(trace(1), id: $0 + 1, milliseconds: 1500) })
        #expect(try node.accept(gzip(message), encoding: .gzip).get().total == 0)
        node.settle()
        #expect(node.senders[0].attempts.first?.request.identity == message)
        #expect(node.ledger.accepted == 50 && node.ledger.difference == 0)
        let ingress = node.plan.metrics.ingress
        #expect(node.worker.cells.value(of: ingress.inflatedBodyBytes) == message.count)
        for destination in node.destinations { destination.close() }
    }

    @Test func gzipThatIsNone() throws {
        let node = Node(try makePlan())
        let packed = gzip(Encode.request([Encode.span(trace(1))]))
        for bytes in [[1, 2, 3], Array(packed.dropLast()), packed + [0], []] {
            guard case .failure(let refusal) = node.accept(bytes, encoding: .gzip) else {
                Issue.record("taken")
                continue
            }
            #expect(refusal.reason == .corruptEncoding && refusal.status == .internal)
        }
        #expect(node.ledger.accepted == 0)
    }

    @Test func aGzipBombIsRefusedAtItsLimit() throws {
        let node = Node(try makePlan { $0.limits[0].maximumMessageBytes = 1 << 20 })
        let bomb = gzip([UInt8](repeating: 0, count: 20 << 20))
        #expect(bomb.count < 100_000)
        guard case .failure(let refusal) = node.accept(bomb, encoding: .gzip) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .inflatedTooLarge && refusal.status == .resourceExhausted && refusal.retryAfter == nil)
        #expect(node.ledger.accepted == 0 && node.ledger.difference == 0)
    }

    /// Spans that all carry one long text compress beyond the ratio, and are taken below the floor.
    @Test func whatCompressesVeryWellIsNoBomb() throws {
        let floor = ServerLimits().inflationFloor
        func body(_ bytes: Int) -> (message: [UInt8], spans: Int) {
            let one = Encode.span(trace(1), filler: 60_000)
            let spans = bytes / one.count
            return (Encode.request(Array(repeating: one, count: spans)), spans)
        }
        let node = Node(try makePlan())
        let (below, spans) = body(floor - (1 << 20))
        let packed = gzip(below, level: 9)
        #expect(below.count < floor && below.count > packed.count * 200)
        _ = try node.accept(packed, encoding: .gzip).get()
        #expect(node.ledger.accepted == spans)
        let (above, _) = body(floor + (1 << 20))
        guard case .failure(let refusal) = node.accept(gzip(above, level: 9), encoding: .gzip) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .inflatedTooLarge && refusal.endsConnection && refusal.message.contains("`limits.max_inflation_ratio`"))
        // The same message less well compressed is no bomb, wherever its floor.
        _ = try node.accept(above).get()
        #expect(node.ledger.difference == 0)
    }

    /// A message that would not fit into memory is refused while it is inflated, and may come again.
    @Test func inflatingStopsWhereMemoryEnds() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        let packed = gzip(Encode.request(Array(repeating: Encode.span(trace(1), filler: 60_000), count: 60)), level: 9)
        let room = node.plan.memory.roomBytes
        node.plan.memory.mappedChanged(by: room - (1 << 20))
        #expect(node.plan.memory.roomBytes == 1 << 20)
        guard case .failure(let refusal) = node.accept(packed, encoding: .gzip) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .memory && refusal.status == .unavailable && refusal.retryAfter != nil && !refusal.endsConnection)
        node.plan.memory.mappedChanged(by: (1 << 20) - room)
        _ = try node.accept(packed, encoding: .gzip).get()
        #expect(node.ledger.accepted == 60 && node.ledger.difference == 0)
    }

    @Test func malformedSpansAreLeftOutAndCounted() throws {
        let node = Node(try makePlan())
        let good = Encode.span(trace(1), milliseconds: 2000)
        let spans = [
            good, Encode.bytes(1, [1, 2]) + Encode.bytes(2, [UInt8](repeating: 1, count: 8)),
            Encode.span(TraceID(high: 0, low: 0)), Encode.span(trace(2), id: 0),
            Encode.span(trace(3), filler: Shard.maximumSpanBytes), Encode.span(trace(4)),
        ]
        let rejected = try node.accept(Encode.request(spans)).get()
        #expect(rejected.total == 4)
        #expect(rejected[.traceIDLength] == 1 && rejected[.traceIDZero] == 1 && rejected[.spanIDZero] == 1 && rejected[.tooLarge] == 1)
        #expect(node.rejected(.traceIDLength) == 1 && node.rejected(.tooLarge) == 1)
        #expect(node.ledger.accepted == 2 && node.ledger.buffered == 2 && node.ledger.difference == 0)
        node.settle()
        #expect(node.senders[0].attempts.first?.request.identity == Encode.request([good]))
        #expect(node.ledger.difference == 0)
        for destination in node.destinations { destination.close() }
    }

    /// Invalid UTF-8 is taken and leaves repaired; everything else of the span stays.
    @Test func textIsRepairedOnTheWayOut() throws {
        let node = Node(try makePlan())
        let bad = Encode.span(trace(1), milliseconds: 2000) + Encode.bytes(3, [0x61, 0xff, 0x62])
        _ = try node.accept(Encode.request([bad])).get()
        node.settle()
        let out = try #require(node.senders[0].attempts.first?.request.identity)
        let fixed = Encode.span(trace(1), milliseconds: 2000) + Encode.bytes(3, Array("a\u{fffd}b".utf8))
        #expect(out == Encode.request([fixed]))
        #expect(node.worker.cells.value(of: node.plan.metrics.sampling.repairedSpans) == 1)
        for destination in node.destinations { destination.close() }
    }

    @Test func dropPendingForgetsAndCounts() throws {
        let node = Node(try makePlan())
        _ = node.accept(Encode.request([Encode.span(trace(1), milliseconds: 2000), Encode.span(trace(2))]))
        #expect(node.worker.dropPending() == 2)
        #expect(node.ledger.dropped == 2 && node.ledger.buffered == 0 && node.ledger.sampled == 0 && node.ledger.difference == 0)
        #expect(node.worker.pendingTraces == 0)
    }

    /// While every destination is full, decisions wait for a bounded time, and new spans are still taken.
    @Test func decisionsAreHeldBackWhileAllIsFull() throws {
        let node = Node(
            try makePlan { plan in
                plan.decisionHoldTimeout = 50_000_000
                plan.shard.decisionWait = 1
            }, queue: QueueSettings(numConsumers: 1, queueSize: 1))
        func slow(_ number: UInt64) { _ = node.accept(Encode.request([Encode.span(trace(number), milliseconds: 2000)])) }
        slow(1)
        node.settle()
        #expect(node.senders[0].attempts.count == 1)
        slow(2)
        let start = NIODeadline.now()
        while NIODeadline.now() - start < .milliseconds(20) {}
        _ = node.worker.decide(budget: .max)
        #expect(node.worker.pendingTraces == 1)
        slow(3)
        while NIODeadline.now() - start < .milliseconds(120) {}
        _ = node.worker.decide(budget: .max)
        #expect(node.worker.pendingTraces == 0)
        #expect(node.ledger.sampled == 3 && node.ledger.difference == 0)
        for destination in node.destinations { destination.close() }
        #expect(node.ledger.difference == 0)
    }

    @Test func snapshotShowsTheWindow() throws {
        let node = Node(try makePlan())
        _ = node.accept(Encode.request([Encode.span(trace(1), id: 1), Encode.span(trace(1), id: 2), Encode.span(trace(2))]))
        let figures = node.worker.snapshot().metrics
        let sampling = node.plan.metrics.sampling
        #expect(figures.value(of: sampling.windowTraces) == 2 && figures.value(of: sampling.windowSpans) == 3)
        #expect(figures.value(of: sampling.windowBytes) == 3 * Encode.span(trace(1)).count)
        #expect(figures.value(of: sampling.segments) == 1)
        node.settle()
        let after = node.worker.snapshot().metrics
        #expect(after.value(of: sampling.windowTraces) == 0 && after.value(of: sampling.segmentUsedBytes) == 0)
        #expect(after.value(of: node.plan.metrics.policies[0].traces.notSampled) == 2)
    }
}

/// Workers on loops of their own. For ThreadSanitizer as well.
@Suite struct WorkerTests {
    /// Ends every attempt on the next turn of the loop.
    final class PromptSender: ExportSender {
        let loop: any EventLoop
        var spans = 0
        init(_ loop: any EventLoop) { self.loop = loop }

        func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
            spans += request.spanCount
            loop.assumeIsolated().execute {
                done(AttemptResult(outcome: .delivered(rejectedSpans: 0), label: .ok, bytes: request.identity.count))
            }
        }

        func close() {}
    }

    final class Parts {
        let worker: Worker
        var destination: Destination?
        var sender: PromptSender?
        init(_ worker: Worker) { self.worker = worker }
    }

    @Test(arguments: [2, 3]) func requestsGoToTheirOwners(count: Int) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        let plan = try makePlan(workers: count, destinations: ["a", "b"])
        let mailboxes = (0..<count).map { _ in WorkerMailbox(senders: count) }
        var homes: [NIOLoopBound<Parts>] = []
        var loops: [any EventLoop] = []
        for (number, loop) in group.makeIterator().enumerated() {
            loops.append(loop)
            homes.append(
                try await loop.submit {
                    let parts = Parts(
                        Worker(
                            number: number, eventLoop: loop, plan: plan, mailboxes: mailboxes,
                            now: Int64(NIODeadline.now().uptimeNanoseconds)))
                    if number < 2 {
                        let sender = PromptSender(loop)
                        parts.sender = sender
                        parts.destination = Destination(
                            name: plan.destinationNames[number], number: number, eventLoop: loop, queue: QueueSettings(),
                            retry: RetrySettings(), sender: sender, metrics: plan.metrics.destinations[number],
                            cells: parts.worker.cells, logger: silent)
                    }
                    return NIOLoopBound(parts, eventLoop: loop)
                }.get())
        }
        let (bound, all) = (homes, loops)
        var routes: [DestinationRoute] = []
        for number in 0..<2 {
            routes.append(
                try await all[number].submit {
                    guard let destination = bound[number].value.destination else { throw ChannelError.alreadyClosed }
                    return DestinationRoute(destination)
                }.get())
        }
        let ways = routes
        for number in 0..<count {
            try await all[number].submit {
                bound[number].value.worker.connect(
                    ways,
                    wakers: (0..<count).map { other in
                        { all[other].execute { bound[other].value.worker.drainMailbox() } }
                    })
                bound[number].value.worker.isAccepting = true
            }.get()
        }
        // Every loop takes requests of its own at the same time; each trace's two spans come through two loops.
        let rounds: UInt64 = 150
        let accepted = Counter()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<count {
                tasks.addTask {
                    for round in 0..<rounds {
                        try await all[number].submit {
                            let worker = bound[number].value.worker
                            let spans = (0..<16 as Range<UInt64>).map {
                                Encode.span(
                                    trace(round * 16 + $0), id: UInt64(number) + 1,
                                    milliseconds: ($0 + round) % 3 == 0 && number == 0 ? 2000 : 1)
                            }
                            do throws(RequestRefusal) {
                                _ = try worker.accept(
                                    body: Encode.request(spans), payloadStart: 0, form: BodyForm(), receiver: 0)
                                accepted.add(16)
                            } catch {
                                if error.reason != .mailboxFull { Issue.record("\(error)") }
                            }
                        }.get()
                    }
                }
            }
            try await tasks.waitForAll()
        }
        func snapshots() async throws -> [LedgerCells] {
            var cells: [LedgerCells] = []
            for number in 0..<count {
                cells.append(
                    try await all[number].submit {
                        let parts = bound[number].value
                        parts.destination?.fill(&parts.worker.ledger.destinations[number])
                        return parts.worker.snapshot().ledger
                    }.get())
            }
            return cells
        }
        // At any moment the ledger balances, whatever is on its way between loops.
        let during = Ledger(workers: try await snapshots(), destinationNames: plan.destinationNames)
        #expect(during.difference == 0)
        for _ in 0..<2 {
            for number in 0..<count { try await all[number].submit { bound[number].value.worker.drainMailbox() }.get() }
        }
        let drained = try await snapshots()
        #expect(drained.reduce(0) { $0 + $1.handedToOtherWorkers } == drained.reduce(0) { $0 + $1.takenFromOtherWorkers })
        #expect(drained.allSatisfy { $0.handedToOtherWorkers > 0 && $0.takenFromOtherWorkers > 0 })
        for number in 0..<count {
            try await all[number].submit {
                let worker = bound[number].value.worker
                while worker.decide(budget: 1_000_000, early: true) {}
                worker.flushIfDue(force: true)
            }.get()
        }
        for _ in 0..<3 { for loop in all { try await loop.submit {}.get() } }
        let cells = try await snapshots()
        let ledger = Ledger(workers: cells, destinationNames: plan.destinationNames)
        let total = accepted.value
        #expect(total == Int(rounds) * 16 * count)
        #expect(ledger.accepted == total && ledger.buffered == 0 && ledger.difference == 0)
        // A third of the traces is slow, and is kept whole.
        #expect(ledger.sampled == Int(rounds) * 16 / 3 * count)
        #expect(ledger.destinations.map(\.sent) == [ledger.sampled, ledger.sampled])
        for number in 0..<2 {
            let sent = try await all[number].submit { bound[number].value.sender?.spans }.get()
            #expect(sent == ledger.sampled)
            try await all[number].submit { bound[number].value.destination?.close() }.get()
        }
        try await group.shutdownGracefully()
    }
}

/// Pipelines of traces without sampling, alone and beside one that samples.
@Suite struct DirectPipelineTests {
    private static func plan(_ change: (inout NodePlan) -> Void) throws -> NodePlan {
        try makePlan(destinations: ["kept", "all"]) { plan in
            let metrics = plan.pipelines[0].batchMetrics
            plan.pipelines[0].destinations = [0]
            plan.pipelines.append(
                TracePipelinePlan(
                    name: "traces/all", listeners: [0], isSampled: false, batch: plan.pipelines[0].batch, batchMetrics: metrics,
                    destinations: [1]))
            change(&plan)
        }
    }

    /// Every span goes to the pipeline without sampling at once, and what is kept goes to the other.
    @Test func besideOneThatSamples() throws {
        let node = Node(try Self.plan { _ in })
        let spans = [Encode.span(trace(1), milliseconds: 2000), Encode.span(trace(2)), Encode.span(trace(3))]
        _ = node.accept(Encode.request(spans))
        node.worker.flushIfDue(force: true)
        #expect(node.senders[1].attempts.map(\.request.spanCount) == [3] && node.senders[0].attempts.isEmpty)
        node.settle()
        let ledger = node.ledger
        #expect(ledger.accepted == 3 && ledger.sampled == 1 && ledger.notSampled == 2 && ledger.passed == 0)
        #expect(ledger.destinations.map(\.offered) == [1, 3] && ledger.difference == 0)
        #expect(node.senders[0].attempts.map(\.request.spanCount) == [1])
    }

    /// Without a pipeline that samples, nothing is buffered; both destinations of one pipeline get all.
    @Test func withoutSampling() throws {
        let node = Node(
            try Self.plan { plan in
                plan.pipelines.removeFirst()
                plan.pipelines[0].destinations = [0, 1]
            })
        _ = node.accept(Encode.request([Encode.span(trace(1)), Encode.span(trace(2)), Encode.span(trace(1), id: 2)]))
        #expect(node.worker.pendingTraces == 0)
        node.worker.flushIfDue(force: true)
        let ledger = node.ledger
        #expect(ledger.accepted == 3 && ledger.passed == 3 && ledger.buffered == 0 && ledger.difference == 0)
        #expect(ledger.destinations.map(\.offered) == [3, 3] && ledger.destinations.map(\.queued) == [3, 3])
        // Spans leave as the bytes that they came in, in their order.
        let body = Encode.request([Encode.span(trace(1)), Encode.span(trace(2)), Encode.span(trace(1), id: 2)])
        #expect(node.senders[0].attempts.first?.request.identity == body)
    }
}

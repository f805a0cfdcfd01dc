import Delivery
import NIOCore
import NIOEmbedded
import OTLP
import Telemetry
import TestSupport
import Testing

@testable import Transport

/// A destination with a sender that does what the test says; the loop's clock is advanced by hand.
@Suite struct DestinationTests {
    static func node(
        queue: QueueSettings = QueueSettings(), retry: RetrySettings = RetrySettings(initialInterval: 1_000_000, randomizationFactor: 0)
    ) throws -> Node {
        Node(try makePlan { $0.pipelines[0].batch.timeout = 0 }, queue: queue, retry: retry)
    }

    /// Spans 1...n of kept traces, one request for each.
    static func send(_ node: Node, _ traces: Range<UInt64>) {
        _ = node.accept(Encode.request(traces.map { Encode.span(trace($0), id: $0 + 1, milliseconds: 2000) }))
        node.settle()
    }

    /// The queue's times are the system's, so the loop's clock is moved until the condition holds.
    static func wait(_ node: Node, until condition: () -> Bool) -> Bool {
        let deadline = NIODeadline.now() + .seconds(5)
        while !condition() && NIODeadline.now() < deadline { node.loop.advanceTime(by: .milliseconds(1)) }
        return condition()
    }

    @Test func consumersBoundWhatIsInFlight() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 2))
        Self.send(node, 0..<5)
        #expect(node.senders[0].attempts.count == 2 && node.destinations[0].queuedSpans == 5)
        #expect(node.ledger.destinations[0].queued == 5 && node.ledger.difference == 0)
        for left in (0..<5).reversed() {
            node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
            #expect(node.senders[0].attempts.count == min(2, left))
            #expect(node.ledger.destinations[0].queued == left && node.ledger.difference == 0)
        }
        #expect(node.ledger.destinations[0].sent == 5)
        let metrics = node.plan.metrics.destinations[0]
        let cells = node.worker.cells
        #expect(cells.value(of: metrics.sentSpans) == 5 && cells.value(of: metrics.attempts[.ok]) == 5)
        #expect(cells.value(of: metrics.queueSize) == 0 && cells.value(of: metrics.inFlightRequests) == 0)
        #expect(cells.value(of: metrics.exportedBytes) > 0 && cells.value(of: metrics.circuitOpen) == 0)
    }

    /// Requests go out in the order of decisions.
    @Test func order() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 1))
        Self.send(node, 0..<4)
        var sent: [[UInt8]] = []
        while !node.senders[0].attempts.isEmpty { sent.append(node.senders[0].end(.delivered(rejectedSpans: 0), .ok).identity) }
        #expect(sent == (0..<4 as Range<UInt64>).map { Encode.request([Encode.span(trace($0), id: $0 + 1, milliseconds: 2000)]) })
    }

    @Test func retriesAfterItsDelay() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 1))
        Self.send(node, 0..<1)
        for attempt in 1...4 {
            #expect(node.senders[0].attempts.count == 1)
            node.senders[0].end(.retry(after: nil), .retryable)
            // Never at once.
            #expect(node.senders[0].attempts.isEmpty)
            let ledger = node.ledger
            #expect(ledger.destinations[0].queued == 1 && ledger.destinations[0].lost == 0 && ledger.difference == 0)
            #expect(node.worker.cells.value(of: node.plan.metrics.destinations[0].circuitOpen) == 1)
            #expect(Self.wait(node) { node.senders[0].attempts.count == 1 }, "attempt \(attempt + 1)")
        }
        node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
        #expect(node.ledger.destinations[0].sent == 1 && node.ledger.difference == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.destinations[0].attempts[.retryable]) == 4)
        #expect(node.worker.cells.value(of: node.plan.metrics.destinations[0].circuitOpen) == 0)
    }

    @Test func everyLossHasItsReason() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 10))
        Self.send(node, 0..<4)
        let sender = node.senders[0]
        sender.end(.permanent(.invalid), .permanent)
        sender.end(.permanent(.unauthorized), .permanent)
        sender.end(.split, .retryable)
        sender.end(.delivered(rejectedSpans: 1), .ok)
        let losses = node.ledger.destinations[0].losses
        #expect(losses.map(\.reason) == [.invalid, .unauthorized, .tooLarge, .rejectedByPeer])
        #expect(losses.allSatisfy { $0.spans == 1 })
        #expect(node.ledger.difference == 0 && node.ledger.destinations[0].sent == 0 && node.ledger.destinations[0].queued == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.destinations[0].sendFailedSpans) == 4)
    }

    @Test func retriesEndAtTheirLimit() throws {
        let node = try Self.node(
            retry: RetrySettings(initialInterval: 2_000_000, multiplier: 1, randomizationFactor: 0, maxElapsedTime: 20_000_000))
        Self.send(node, 0..<1)
        var attempts = 0
        let gone = Self.wait(node) {
            while !node.senders[0].attempts.isEmpty {
                node.senders[0].end(.retry(after: nil), .unreachable)
                attempts += 1
            }
            return node.destinations[0].queuedSpans == 0
        }
        #expect(gone && attempts >= 2)
        #expect(node.ledger.destinations[0].losses.map(\.reason) == [.retriesExhausted] && node.ledger.difference == 0)
    }

    @Test func disabledRetryLosesAtOnce() throws {
        let node = try Self.node(retry: RetrySettings(enabled: false))
        Self.send(node, 0..<1)
        node.senders[0].end(.retry(after: nil), .unreachable)
        #expect(node.ledger.destinations[0].losses.map(\.reason) == [.retryDisabled] && node.ledger.difference == 0)
    }

    @Test func aFullQueueWaitsThenLoses() throws {
        let node = try Self.node(
            queue: QueueSettings(numConsumers: 1, queueSize: 1, overflowTimeout: 30_000_000))
        Self.send(node, 0..<1)
        #expect(node.destinations[0].fullness.isFull)
        Self.send(node, 1..<2)
        #expect(node.ledger.destinations[0].queued == 2 && node.ledger.destinations[0].lost == 0)
        #expect(Self.wait(node) { node.destinations[0].queuedSpans == 1 })
        #expect(node.ledger.destinations[0].losses.map(\.reason) == [.queueFull] && node.ledger.difference == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.destinations[0].enqueueFailedSpans) == 1)
        node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
        #expect(!node.destinations[0].fullness.isFull)
        Self.send(node, 2..<3)
        #expect(node.senders[0].attempts.count == 1)
        node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
        #expect(node.ledger.destinations[0].sent == 2 && node.ledger.difference == 0)
    }

    @Test func drainEndsWhenAllIsSent() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 1))
        Self.send(node, 0..<3)
        var isDone = false
        let drained = node.destinations[0].drain(deadline: node.worker.now + 10_000_000_000)
        drained.assumeIsolated().whenSuccess { isDone = true }
        for _ in 0..<3 {
            #expect(!isDone)
            node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
            node.loop.run()
        }
        #expect(isDone && node.ledger.destinations[0].sent == 3 && node.ledger.difference == 0)
        node.destinations[0].close()
        #expect(node.senders[0].isClosed && node.ledger.destinations[0].lost == 0)
    }

    @Test func drainingAnEmptyQueueIsDoneAtOnce() throws {
        let node = try Self.node()
        var isDone = false
        node.destinations[0].drain(deadline: node.worker.now + 10_000_000_000).assumeIsolated().whenSuccess { isDone = true }
        node.loop.run()
        #expect(isDone)
    }

    @Test func drainGivesUpAtItsDeadline() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 1))
        Self.send(node, 0..<3)
        var isDone = false
        node.destinations[0].drain(deadline: node.worker.now + 20_000_000).assumeIsolated().whenSuccess { isDone = true }
        #expect(Self.wait(node) { isDone })
        #expect(node.ledger.destinations[0].losses.map(\.reason) == [.shutdown])
        #expect(node.ledger.destinations[0].lost == 3 && node.ledger.difference == 0)
        // The attempt that was in flight answers too late: it changes nothing.
        node.senders[0].end(.delivered(rejectedSpans: 0), .ok)
        #expect(node.ledger.destinations[0].sent == 0 && node.ledger.difference == 0)
    }

    @Test func closeCountsWhatIsLeftAndWhatComesLater() throws {
        let node = try Self.node(queue: QueueSettings(numConsumers: 1))
        Self.send(node, 0..<2)
        node.destinations[0].close()
        #expect(node.senders[0].isClosed)
        #expect(node.ledger.destinations[0].lost == 2 && node.ledger.difference == 0)
        Self.send(node, 2..<3)
        #expect(node.ledger.destinations[0].lost == 3 && node.ledger.difference == 0)
        #expect(node.ledger.destinations[0].losses.map(\.reason) == [.shutdown])
        node.senders[0].end(.retry(after: nil), .retryable)
        #expect(node.ledger.destinations[0].queued == 0 && node.ledger.difference == 0)
    }

    /// One destination stands still; the other gets everything.
    @Test func aStalledDestinationDelaysNobody() throws {
        let node = Node(
            try makePlan(destinations: ["stalled", "good"]) { $0.pipelines[0].batch.timeout = 0 },
            queue: QueueSettings(numConsumers: 1, queueSize: 5, overflowTimeout: 1_000_000, overflowBytes: 1000))
        for round in 0..<40 as Range<UInt64> {
            Self.send(node, round..<round + 1)
            while !node.senders[1].attempts.isEmpty { node.senders[1].end(.delivered(rejectedSpans: 0), .ok) }
            #expect(node.ledger.difference == 0)
        }
        let ledger = node.ledger
        #expect(ledger.destinations[1].sent == 40 && ledger.destinations[1].lost == 0)
        #expect(ledger.destinations[0].sent == 0 && ledger.destinations[0].queued + ledger.destinations[0].lost == 40)
        for destination in node.destinations { destination.close() }
        #expect(node.ledger.destinations[0].lost == 40 && node.ledger.difference == 0)
    }

    /// One destination is dead: it holds its share and loses what goes beyond. The other gets everything, and decisions wait
    /// for neither.
    @Test func aDeadDestinationLosesBeyondItsShare() throws {
        let share = 256 << 10
        let node = Node(
            try makePlan(destinations: ["dead", "good"]) { $0.pipelines[0].batch.timeout = 0 },
            queue: QueueSettings(numConsumers: 1, maximumBytes: share))
        let count = 100
        for round in 0..<UInt64(count) {
            _ = node.accept(
                Encode.request([Encode.span(trace(round), id: round + 1, milliseconds: 2000, filler: 10_000)]))
            node.settle()
            while !node.senders[1].attempts.isEmpty { node.senders[1].end(.delivered(rejectedSpans: 0), .ok) }
            #expect(node.ledger.difference == 0)
        }
        let ledger = node.ledger
        #expect(node.destinations[0].fullness.isFull && !node.destinations[1].fullness.isFull)
        #expect(ledger.destinations[1].sent == count && ledger.destinations[1].lost == 0)
        #expect(ledger.destinations[0].losses.map(\.reason) == [.queueFull])
        #expect(ledger.destinations[0].queued > 10 && ledger.destinations[0].queued + ledger.destinations[0].lost == count)
        let metrics = node.plan.metrics.destinations[0]
        let held = node.worker.cells.value(of: metrics.queueBytes)
        #expect(held <= share && held > share - 40_000)
        #expect(node.worker.cells.value(of: metrics.queueLimitBytes) == share)
        #expect(node.worker.cells.value(of: metrics.queueFill) > 900_000)
        // A trace whose time has come is decided though one destination is full.
        _ = node.accept(Encode.request([Encode.span(trace(1000), id: 1, milliseconds: 2000)]))
        let deadline = NIODeadline.now() + .seconds(5)
        while node.worker.pendingTraces > 0 && NIODeadline.now() < deadline { _ = node.worker.decide(budget: .max) }
        #expect(node.worker.pendingTraces == 0 && node.worker.heldSince == nil)
        for destination in node.destinations { destination.close() }
        #expect(node.ledger.difference == 0 && node.worker.cells.value(of: metrics.queueBytes) == 0)
    }
}

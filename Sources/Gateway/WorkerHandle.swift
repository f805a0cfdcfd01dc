internal import Delivery
internal import NIOCore
internal import Telemetry
internal import Transport

/// Everything that lives on one worker's loop.
final class WorkerParts {
    let server: WorkerServer
    let clock: WorkerClock
    /// Destinations whose home this worker is.
    var destinations: [Destination] = []
    /// Destinations of metrics and logs that live here; they have no part in the ledger.
    var passThrough: [Destination] = []

    init(_ server: WorkerServer) {
        self.server = server
        clock = WorkerClock(server, refreshesHeap: server.worker.number == 0)
    }
}

/// A worker as seen from other threads: its loop, and a way onto it.
struct WorkerHandle: Sendable {
    let eventLoop: any EventLoop
    private let parts: NIOLoopBound<WorkerParts>

    /// On the worker's loop.
    init(_ parts: WorkerParts) {
        eventLoop = parts.server.worker.eventLoop
        self.parts = NIOLoopBound(parts, eventLoop: eventLoop)
    }

    /// Runs `body` on the worker's loop.
    func run<Value: Sendable>(_ body: @escaping @Sendable (WorkerParts) throws -> Value) async throws -> Value {
        let parts = parts
        return try await eventLoop.submit { try body(parts.value) }.get()
    }

    /// For code that runs on the worker's loop already.
    var onLoop: WorkerParts { parts.value }

    /// Makes the worker look into its mailbox.
    func wake() {
        let parts = parts
        eventLoop.execute { parts.value.server.worker.drainMailbox() }
    }

    /// Consistent figures, the destinations that live here included.
    func snapshot() async throws -> WorkerSnapshot {
        try await run { parts in
            let worker = parts.server.worker
            for destination in parts.destinations {
                destination.fill(&worker.ledger.destinations[destination.number])
            }
            for destination in parts.passThrough { destination.fillGauges() }
            return worker.snapshot()
        }
    }
}

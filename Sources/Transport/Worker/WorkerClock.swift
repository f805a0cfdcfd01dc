internal import NIOCore
internal import Sampling

/// The beat of a worker: due decisions, batches and upkeep, in slices so short that receiving hardly notices.
package final class WorkerClock {
    /// From one beat to the next while nothing waits, nanoseconds. Otherwise the next beat is when traces may become due.
    private static let idleInterval: Int64 = 50_000_000
    /// Upkeep, nanoseconds.
    private static let relief: Int64 = 100_000_000
    private static let upkeep: Int64 = 1_000_000_000
    /// Decisions on traces that are due, and reading of large ones, of one slice, nanoseconds; then the loop turns once before
    /// the next. Due traces go first: with shorter slices a worker that is offered more than it can take would receive it
    /// and decide late. When the loop's turns are longer than that, a slice may be as long as the turn was, so that
    /// decisions get half of a busy worker's time at least. Reading large traces has time.
    private static let slice: Int64 = 20_000_000
    private static let longestSlice: Int64 = 200_000_000
    private static let readingSlice: Int64 = 2_000_000
    /// Between two slices, nanoseconds: longer than the loop takes to find that nothing else is due, so that it looks at its
    /// connections. What is executed at once, or due by then, would run in the same turn, before them, however long decisions
    /// go on. The loop works meanwhile; where there is nothing to do for it, that is 1 % of a slice.
    private static let pause: Int64 = 200_000
    private var sliceEnded: Int64?

    private let server: WorkerServer
    private let refreshesHeap: Bool
    private var nextRelief: Int64 = 0
    private var nextUpkeep: Int64 = 0
    private var isStopped = false

    /// - Parameter refreshesHeap: true for exactly one worker of a node.
    package init(_ server: WorkerServer, refreshesHeap: Bool) {
        self.server = server
        self.refreshesHeap = refreshesHeap
    }

    /// Starts beating. On the worker's loop.
    package func start() { beat() }

    package func stop() { isStopped = true }

    private func beat() {
        guard !isStopped else { return }
        let worker = server.worker
        let now = worker.now
        if now >= nextRelief {
            nextRelief = now + Self.relief
            if refreshesHeap { worker.plan.memory.refreshHeap(now: now) }
            worker.relieveMemory()
        }
        if now >= nextUpkeep {
            nextUpkeep = now + Self.upkeep
            server.sweep()
            worker.trim()
        }
        decide()
    }

    private func decide() {
        guard !isStopped else { return }
        let worker = server.worker
        let turn = sliceEnded.map { worker.now - $0 } ?? 0
        let more = worker.decide(
            budget: min(Self.longestSlice, max(Self.slice, turn)), readingBudget: Self.readingSlice,
            early: worker.lane?.decidesEarly ?? false)
        sliceEnded = more ? worker.now : nil
        worker.flushIfDue()
        let loop = worker.eventLoop.assumeIsolated()
        if more {
            loop.scheduleTask(in: .nanoseconds(Self.pause)) { self.decide() }
        } else {
            let now = worker.now
            let next = worker.isWaiting ? Shard.nextDue(after: now) - now : Self.idleInterval
            loop.scheduleTask(in: .nanoseconds(next)) { self.beat() }
        }
    }
}

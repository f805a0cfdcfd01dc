internal import Synchronization

/// Bytes of memory that one destination's queue answers for, as the allocator counts them.
///
/// A request that several destinations hold is one piece of memory. It is charged in full to each of them, since each may be
/// the last one that keeps it alive; so the sum of all charges is never less than the memory that the queues hold. (What the
/// process uses is asked of the allocator, which counts the request once.) Form and message are charged together: when a
/// coded form is made or let go, the charges of all holders follow (`ExportRequest`).
///
/// Owned by a queue; changed by whoever makes coded forms, on any thread.
package final class QueueCharge: Sendable {
    /// What the queue may hold: its share of the node's memory.
    package let limitBytes: Int
    private let held = Atomic<Int>(0)

    package init(limitBytes: Int = .max) { self.limitBytes = limitBytes }

    /// Bytes held now.
    package var bytes: Int { held.load(ordering: .relaxed) }

    /// Whether more is held than the share. Only coded forms that are being sent can do that, or one request that is larger
    /// than the share by itself.
    package var isExceeded: Bool { bytes > limitBytes }

    func add(_ bytes: Int) { held.add(bytes, ordering: .relaxed) }
}

internal import NIOCore
internal import NativeCore
internal import Synchronization

/// Where other workers put requests for one worker: a ring per sender, and one wake-up for all.
package final class WorkerMailbox: Sendable {
    /// Requests one sender may have waiting here.
    package static let slotsPerSender = 256

    private let rings: [MailboxRing<ReceivedRequest>]
    private let isAwake = Atomic<Bool>(false)
    private let isFull = Atomic<Bool>(false)

    /// A mailbox for messages of `senders` workers.
    package init(senders: Int) {
        rings = (0..<senders).map { _ in MailboxRing(capacity: Self.slotsPerSender) }
    }

    /// Sender: whether the next `push` will find room. Only the sender itself can use the room up.
    package func hasRoom(from sender: Int) -> Bool { rings[sender].freeSlots > 0 }

    /// Whether the receiver takes no further traces: written by itself, read by all.
    package var takesNoTraces: Bool {
        get { isFull.load(ordering: .relaxed) }
        set { isFull.store(newValue, ordering: .relaxed) }
    }

    /// Sender: hands a request over. True when the receiver has to be woken.
    package func push(_ request: ReceivedRequest, from sender: Int) -> Bool {
        precondition(rings[sender].push(request), "room was seen before the request was accepted")
        return !isAwake.exchange(true, ordering: .acquiringAndReleasing)
    }

    /// Receiver: whether nothing is waiting.
    package var isEmpty: Bool { rings.allSatisfy { $0.freeSlots == $0.capacity } }

    /// Receiver: takes what is there, at most `limit` requests. Returns whether more may be waiting.
    package func drain(limit: Int, _ take: (ReceivedRequest) -> Void) -> Bool {
        // Cleared first: what is pushed from now on wakes the receiver again, so nothing is missed. An exchange, since it must
        // see what was pushed before by a sender that found the flag set: a store would not be ordered behind that.
        _ = isAwake.exchange(false, ordering: .acquiringAndReleasing)
        var left = limit
        for ring in rings {
            while left > 0, let request = ring.pop() {
                take(request)
                left -= 1
            }
        }
        return left == 0
    }
}

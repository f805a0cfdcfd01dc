internal import Synchronization

/// A bounded ring between one producer and one consumer thread, for handing over whole batches.
///
/// Lamport's single-producer single-consumer queue: the producer owns `tail`, the consumer owns `head`, each reads the other's
/// with acquire ordering. The producer may rely on `freeSlots`: only it can use them up. Elements still inside are released
/// with the ring. Exactly one thread may call the producer's methods and one the consumer's; they may be different.
@safe package final class MailboxRing<Element: Sendable>: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<Element?>
    private let mask: Int
    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)

    /// `capacity` is rounded up to a power of two.
    package init(capacity: Int) {
        var size = 1
        while size < capacity { size <<= 1 }
        mask = size - 1
        unsafe slots = .allocate(capacity: size)
        unsafe slots.initialize(repeating: nil, count: size)
    }

    deinit {
        unsafe slots.deinitialize(count: mask + 1)
        unsafe slots.deallocate()
    }

    package var capacity: Int { mask + 1 }

    /// Producer: slots that are free now; may grow meanwhile, never shrinks but by `push`.
    package var freeSlots: Int {
        mask + 1 - (tail.load(ordering: .relaxed) - head.load(ordering: .acquiring))
    }

    /// Producer: puts an element in; false if the ring is full.
    package func push(_ element: Element) -> Bool {
        let position = tail.load(ordering: .relaxed)
        guard position - head.load(ordering: .acquiring) <= mask else { return false }
        unsafe slots[position & mask] = element
        tail.store(position + 1, ordering: .releasing)
        return true
    }

    /// Consumer: takes the oldest element.
    package func pop() -> Element? {
        let position = head.load(ordering: .relaxed)
        guard position < tail.load(ordering: .acquiring) else { return nil }
        let element = unsafe slots[position & mask]
        unsafe slots[position & mask] = nil
        head.store(position + 1, ordering: .releasing)
        return element
    }
}

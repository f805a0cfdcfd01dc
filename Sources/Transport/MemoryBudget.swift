internal import NativeCore
internal import Synchronization

/// How much memory the node may use, and how much it does: what decides whether new requests are taken.
///
/// Three parts are added up. What workers map themselves for spans and tables is reported by each worker after every request, so
/// it is exact. What requests under way need is reserved before it is used and released when they are over. The rest of the heap
/// (queues, connections, everything else) is asked of the allocator up to ten times a second. Memory that is reserved and lies in
/// the heap by now is counted once: whoever reserves tells (`allocated`). Shared by all workers; every call is a few relaxed
/// atomic operations.
package final class MemoryBudget: Sendable {
    /// From here on requests are refused.
    package let softLimitBytes: Int
    /// The limit of the process, for information and for bounds derived from it.
    package let limitBytes: Int
    /// Tables that are held whatever comes, bytes: decision caches, records, batches.
    package let fixedBytes: Int
    private let mapped = Atomic<Int>(0)
    /// The heap without what is reserved.
    private let heap = Atomic<Int>(0)
    /// The least that the heap ever was: what it takes without any load.
    private let idleHeap = Atomic<Int>(.max)
    private let reserved = Atomic<Int>(0)
    private let allocated = Atomic<Int>(0)
    private let nextRefresh = Atomic<Int64>(.min)
    /// From one look at the heap to the next while less than half of the memory is in use, nanoseconds.
    private static let leisurelyRefresh: Int64 = 1_000_000_000

    /// What a process of ours takes before it does anything: program text, runtime, stacks. Measured: 26 to 30 MiB.
    package static let baselineBytes = 28 << 20

    package init(limitBytes: Int, softLimitBytes: Int, fixedBytes: Int = 0) {
        self.limitBytes = limitBytes
        self.fixedBytes = fixedBytes
        self.softLimitBytes = softLimitBytes
    }

    /// Bytes in use as the limiter sees them.
    package var usedBytes: Int {
        unreservedBytes + reserved.load(ordering: .relaxed)
    }

    private var unreservedBytes: Int {
        Self.baselineBytes + mapped.load(ordering: .relaxed) + heap.load(ordering: .relaxed)
    }

    /// Whether a request of this size may be taken.
    package func admits(bytes: Int) -> Bool { usedBytes + bytes < softLimitBytes }

    /// What is left until requests are refused, bytes; 0 or more.
    package var roomBytes: Int { max(0, softLimitBytes - usedBytes) }

    /// Whether so many bytes could be taken if nothing else were held. What cannot is refused for good, with a status that no
    /// client retries; what can is worth another try later.
    package func canEverHold(_ bytes: Int) -> Bool { bytes < greatestHoldingBytes }

    /// What is left for requests and spans in an idle node, bytes.
    package var greatestHoldingBytes: Int {
        let idle = idleHeap.load(ordering: .relaxed)
        let room = softLimitBytes - Self.baselineBytes - (idle == .max ? 0 : idle)
        // Tables that are larger than the limit are a node's own mistake, of which it warns at start. They fill slowly, so that it
        // can hold something for a while.
        return max(0, max(room - fixedBytes, room / 4))
    }

    /// Whether so little would be left after so many bytes more that some clients are refused.
    package func isShort(_ bytes: Int) -> Bool { softLimitBytes - usedBytes - bytes <= keptFrom(.greedy) }

    /// How much room must be left after what a client brings: an eighth of what an idle node has is kept from those who took more
    /// than their share, of which a quarter is for other addresses alone.
    package func keptFrom(_ standing: ClientStanding) -> Int {
        switch standing {
        case .modest: 0
        case .modestConnection: greatestHoldingBytes / 32
        case .greedy: greatestHoldingBytes / 8
        }
    }

    /// Sets memory aside that a request will need, or says that there is no room for it. Of two callers who want the last room
    /// one gets it. What is set aside must be released.
    /// - Parameters:
    ///   - bytes: 0 or more. 0 asks whether there is room at all.
    ///   - room: what must be left beyond it, bytes.
    package func tryReserve(_ bytes: Int, leaving room: Int = 0) -> Bool {
        var present = reserved.load(ordering: .relaxed)
        while true {
            guard bytes < softLimitBytes - unreservedBytes - present - room else { return false }
            let (exchanged, original) = reserved.weakCompareExchange(
                expected: present, desired: present + bytes, ordering: .relaxed)
            if exchanged { return true }
            present = original
        }
    }

    /// Sets memory aside for what is held in any case, room or not. Must be released.
    package func reserve(_ bytes: Int) { reserved.add(bytes, ordering: .relaxed) }

    /// What was reserved is used no longer, or is counted elsewhere now.
    package func release(_ bytes: Int) { reserved.subtract(bytes, ordering: .relaxed) }

    /// So many of the reserved bytes were allocated on the heap, or freed if negative, where a look at the heap finds them. Without
    /// this call they are counted twice from the next look on. Tell before `release`.
    package func allocated(_ change: Int) { allocated.add(change, ordering: .relaxed) }

    /// Bytes that are set aside for requests under way.
    package var reservedBytes: Int { reserved.load(ordering: .relaxed) }

    /// A worker's mapped memory changed by so many bytes.
    package func mappedChanged(by bytes: Int) { mapped.add(bytes, ordering: .relaxed) }

    /// Looks at the heap again, if it is time. Call about ten times a second, from one worker.
    ///
    /// Adding up an allocator's statistics takes about 0.1 ms, so it is done rarely while memory is plentiful.
    package func refreshHeap(now: Int64) {
        guard now >= nextRefresh.load(ordering: .relaxed) || usedBytes > softLimitBytes / 2 else { return }
        nextRefresh.store(now + Self.leisurelyRefresh, ordering: .relaxed)
        if let statistics = AllocatorStatistics.current() {
            let resident = statistics.residentBytes
            heap.store(max(0, resident - max(0, allocated.load(ordering: .relaxed))), ordering: .relaxed)
            if resident < idleHeap.load(ordering: .relaxed) { idleHeap.store(resident, ordering: .relaxed) }
        }
    }
}

internal import NativeCore
internal import Synchronization

/// How much memory the node may use, and how much it does: what decides whether new requests are taken.
///
/// Two parts are added up. What workers map themselves for spans and tables is reported by each worker after every request, so it is
/// exact. The heap (bodies under way, queues, everything else) is asked of the allocator up to ten times a second. Shared by all
/// workers; every call is a few relaxed atomic operations.
package final class MemoryBudget: Sendable {
    /// From here on requests are refused.
    package let softLimitBytes: Int
    /// The limit of the process, for information and for bounds derived from it.
    package let limitBytes: Int
    private let mapped = Atomic<Int>(0)
    private let heap = Atomic<Int>(0)
    private let promised = Atomic<Int>(0)
    private let nextRefresh = Atomic<Int64>(.min)
    /// From one look at the heap to the next while less than half of the memory is in use, nanoseconds.
    private static let leisurelyRefresh: Int64 = 1_000_000_000

    /// What a process of ours takes before it does anything: program text, runtime, stacks. Measured: 26 to 30 MiB.
    package static let baselineBytes = 28 << 20

    package init(limitBytes: Int, softLimitBytes: Int) {
        self.limitBytes = limitBytes
        self.softLimitBytes = softLimitBytes
    }

    /// Bytes in use as the limiter sees them.
    package var usedBytes: Int {
        Self.baselineBytes + mapped.load(ordering: .relaxed) + heap.load(ordering: .relaxed)
            + promised.load(ordering: .relaxed)
    }

    /// Whether a request of this size may be taken.
    package func admits(bytes: Int) -> Bool { usedBytes + bytes < softLimitBytes }

    /// What is left until requests are refused, bytes; 0 or more.
    package var roomBytes: Int { max(0, softLimitBytes - usedBytes) }

    /// Messages that were let in are on their way and will need so many bytes more; negative when they are here or gone.
    package func promise(_ bytes: Int) { promised.add(bytes, ordering: .relaxed) }

    /// Bytes that are set aside for messages on their way.
    package var promisedBytes: Int { promised.load(ordering: .relaxed) }

    /// A worker's mapped memory changed by so many bytes.
    package func mappedChanged(by bytes: Int) { mapped.add(bytes, ordering: .relaxed) }

    /// Looks at the heap again, if it is time. Call about ten times a second, from one worker.
    ///
    /// Adding up an allocator's statistics takes about 0.1 ms, so it is done rarely while memory is plentiful.
    package func refreshHeap(now: Int64) {
        guard now >= nextRefresh.load(ordering: .relaxed) || usedBytes > softLimitBytes / 2 else { return }
        nextRefresh.store(now + Self.leisurelyRefresh, ordering: .relaxed)
        if let statistics = AllocatorStatistics.current() {
            heap.store(statistics.residentBytes, ordering: .relaxed)
        }
    }
}

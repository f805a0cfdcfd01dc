import Synchronization
import Testing

@testable import Transport

@Suite struct MemoryBudgetTests {
    static let mebi = 1 << 20

    @Test func mappedMemoryAndTheHeapCount() {
        let budget = MemoryBudget(limitBytes: 1000 * Self.mebi, softLimitBytes: 100 * Self.mebi)
        let baseline = budget.usedBytes
        #expect(baseline > 0 && baseline < 64 * Self.mebi)
        let room = 100 * Self.mebi - baseline
        #expect(budget.admits(bytes: room - 1) && !budget.admits(bytes: room))
        budget.mappedChanged(by: 10 * Self.mebi)
        #expect(budget.usedBytes == baseline + 10 * Self.mebi)
        #expect(budget.admits(bytes: room - 10 * Self.mebi - 1) && !budget.admits(bytes: room - 10 * Self.mebi))
        budget.mappedChanged(by: -10 * Self.mebi)
        #expect(budget.usedBytes == baseline && budget.admits(bytes: 0))
        budget.refreshHeap(now: 0)
        #expect(budget.usedBytes > baseline)
    }

    @Test func reservationsTakeRoomUntilTheyAreReleased() {
        let budget = MemoryBudget(limitBytes: 1000 * Self.mebi, softLimitBytes: 100 * Self.mebi)
        let room = budget.roomBytes
        #expect(!budget.tryReserve(room))
        #expect(budget.reservedBytes == 0)
        #expect(budget.tryReserve(room - 1))
        #expect(budget.roomBytes == 1 && budget.tryReserve(0) && !budget.tryReserve(1))
        // What is held in any case may go beyond the limit, and nothing is let in until it is below again.
        budget.reserve(2)
        #expect(budget.roomBytes == 0 && !budget.tryReserve(0))
        budget.release(2)
        budget.release(room - 1)
        #expect(budget.reservedBytes == 0 && budget.roomBytes == room)
        #expect(!budget.tryReserve(.max))
    }

    /// Of many who want the last room at the same time one gets it.
    @Test(.timeLimit(.minutes(1))) func theLastRoomIsGivenOnce() async {
        let budget = MemoryBudget(limitBytes: 1000 * Self.mebi, softLimitBytes: 100 * Self.mebi)
        let piece = budget.roomBytes / 3 + 1
        let counts = Counts()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<20_000 where budget.tryReserve(piece) {
                        let now = counts.holders.add(1, ordering: .sequentiallyConsistent).newValue
                        counts.most.max(now, ordering: .relaxed)
                        counts.holders.subtract(1, ordering: .sequentiallyConsistent)
                        budget.release(piece)
                    }
                }
            }
        }
        #expect((1...2).contains(counts.most.load(ordering: .relaxed)))
        #expect(budget.reservedBytes == 0)
    }

    private final class Counts: Sendable {
        let holders = Atomic<Int>(0)
        let most = Atomic<Int>(0)
    }

    /// A body that was reserved and then came is counted once, also after the next look at the heap.
    @Test func whatIsReservedAndAllocatedCountsOnce() {
        let size = 256 * Self.mebi
        let budget = MemoryBudget(limitBytes: 4000 * Self.mebi, softLimitBytes: 4000 * Self.mebi)
        var now: Int64 = 0
        func used() -> Int {
            now += 60_000_000_000
            budget.refreshHeap(now: now)
            return budget.usedBytes
        }
        let idle = used()
        #expect(budget.tryReserve(size))
        let body = [UInt8](repeating: 1, count: size)
        budget.allocated(size)
        let loaded = used()
        budget.allocated(-size)
        let twice = used()
        // Other tests run at the same time and use the heap, too.
        #expect(abs(loaded - idle - size) < size / 2)
        #expect(abs(twice - idle - 2 * size) < size / 2)
        #expect(body.count == size)
        budget.release(size)
    }

    @Test func whatCanNeverBeHeldIsKnown() {
        let budget = MemoryBudget(
            limitBytes: 1000 * Self.mebi, softLimitBytes: 200 * Self.mebi, fixedBytes: 20 * Self.mebi)
        let most = 200 * Self.mebi - MemoryBudget.baselineBytes - 20 * Self.mebi
        #expect(budget.greatestHoldingBytes == most)
        #expect(budget.canEverHold(most - 1) && !budget.canEverHold(most))
        // What is held now changes nothing.
        budget.reserve(150 * Self.mebi)
        budget.mappedChanged(by: 40 * Self.mebi)
        #expect(budget.canEverHold(most - 1))
        // The heap of an idle node does.
        budget.refreshHeap(now: 0)
        #expect(budget.greatestHoldingBytes < most)
    }

    /// A node whose tables are larger than its limit takes what fits as long as they are empty.
    @Test func tablesBeyondTheLimitLeaveSomething() {
        let budget = MemoryBudget(
            limitBytes: 1000 * Self.mebi, softLimitBytes: 128 * Self.mebi, fixedBytes: 500 * Self.mebi)
        #expect(budget.greatestHoldingBytes == 25 * Self.mebi)
        #expect(MemoryBudget(limitBytes: Self.mebi, softLimitBytes: Self.mebi).greatestHoldingBytes == 0)
    }
}

import TestSupport
import Testing

@testable import Cluster

@Suite struct RecentBatchesTests {
    func id(_ sequence: UInt64, lane: UInt32 = 0, incarnation: UInt64 = 1) -> BatchID {
        BatchID(incarnation: incarnation, lane: lane, sequence: sequence)
    }

    @Test func aBatchIsTakenOnce() {
        var recent = RecentBatches()
        #expect(recent.begin(id(1)) == .new)
        #expect(recent.begin(id(1)) == .pending)
        recent.finish(id(1), taken: true)
        #expect(recent.begin(id(1)) == .taken)
    }

    @Test func aRefusedBatchMayComeAgain() {
        var recent = RecentBatches()
        #expect(recent.begin(id(1)) == .new)
        recent.finish(id(1), taken: false)
        #expect(recent.begin(id(1)) == .new)
    }

    @Test func lanesAndIncarnationsCountApart() {
        var recent = RecentBatches()
        for id in [id(1), id(1, lane: 1), id(1, incarnation: 2)] {
            #expect(recent.begin(id) == .new)
            recent.finish(id, taken: true)
            #expect(recent.begin(id) == .taken)
        }
    }

    @Test func theWindowHasTwoSides() {
        var recent = RecentBatches()
        for sequence in [1, 2] as [UInt64] {
            #expect(recent.begin(id(sequence)) == .new)
            recent.finish(id(sequence), taken: true)
        }
        #expect(recent.begin(id(RecentBatches.window)) == .new)
        #expect(recent.begin(id(1)) == .taken)
        #expect(recent.begin(id(RecentBatches.window + 1)) == .new)
        #expect(recent.begin(id(1)) == .tooOld)
        #expect(recent.begin(id(2)) == .taken)
        // A jump beyond the window forgets everything behind it.
        #expect(recent.begin(id(10 * RecentBatches.window)) == .new)
        #expect(recent.begin(id(10 * RecentBatches.window - 1)) == .new)
        #expect(recent.begin(id(2)) == .tooOld)
    }

    /// Against a model that remembers everything.
    @Test(arguments: 0..<8 as Range<UInt64>) func behavesAsASetWithinTheWindow(seed: UInt64) {
        var random = SeededGenerator(seed)
        var recent = RecentBatches()
        var taken: Set<UInt64> = []
        var pending: Set<UInt64> = []
        var newest: UInt64 = 0
        for _ in 0..<4000 {
            if random.below(3) == 0, let some = pending.sorted().randomElement(using: &random) {
                let isTaken = random.below(2) == 0
                recent.finish(id(some), taken: isTaken)
                pending.remove(some)
                if isTaken && newest - some < RecentBatches.window { taken.insert(some) }
                continue
            }
            let reach = UInt64(random.below(random.below(20) == 0 ? 6000 : 40))
            let sequence = max(1, random.below(2) == 0 ? newest + reach : (newest > reach ? newest - reach : 1))
            newest = max(newest, sequence)
            let expected: RecentBatches.Standing =
                if newest - sequence >= RecentBatches.window {
                    .tooOld
                } else if pending.contains(sequence) {
                    .pending
                } else {
                    taken.contains(sequence) ? .taken : .new
                }
            let standing = recent.begin(id(sequence))
            #expect(standing == expected, "\(sequence) of \(newest)")
            if standing == .new { pending.insert(sequence) }
        }
    }

    @Test func sendersAreBounded() {
        var recent = RecentBatches()
        for number in 1...UInt64(RecentBatches.maximumSenders + 1) {
            #expect(recent.begin(id(1, incarnation: number)) == .new)
            recent.finish(id(1, incarnation: number), taken: true)
        }
        #expect(recent.begin(id(1, incarnation: 2)) == .taken)
        #expect(recent.begin(id(1, incarnation: 1)) == .new)
    }
}

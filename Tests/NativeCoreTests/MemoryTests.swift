import Synchronization
import Testing

@testable import NativeCore

@Suite struct PagedBufferTests {
    @Test func isZeroThenHoldsWhatIsWritten() {
        var buffer = PagedBuffer<UInt64>(count: 100_000)
        var wrong = 0
        for index in 0..<100_000 where buffer[index] != 0 { wrong += 1 }
        for index in 0..<100_000 { buffer[index] = UInt64(index) &* 77 }
        for index in 0..<100_000 where buffer[index] != UInt64(index) &* 77 { wrong += 1 }
        #expect(wrong == 0)
        let (count, bytes) = (buffer.count, buffer.capacityBytes)
        #expect(count == 100_000 && bytes >= 800_000 && bytes < 900_000)
        buffer.prefetch(-1)
        buffer.prefetch(.max)
    }

    /// Whole pages inside the range read as zero, everything outside it stays.
    @Test(arguments: [false, true]) func discardZeroesWholePagesInside(hugePages: Bool) {
        let perPage = 4096 / 8
        let count = 4 << 20 / 8
        var buffer = PagedBuffer<UInt64>(count: count, hugePages: hugePages)
        for index in 0..<count { buffer[index] = 1 }
        buffer.discard(perPage / 2..<5 * perPage / 2)
        var wrong = 0
        for index in 0..<count where buffer[index] != (index >= perPage && index < 2 * perPage ? 0 : 1) { wrong += 1 }
        #expect(wrong == 0)
        buffer.discard(10..<20)
        let kept = buffer[15]
        #expect(kept == 1)
        buffer.discard(0..<count)
        for index in 0..<count where buffer[index] != 0 { wrong += 1 }
        #expect(wrong == 0)
        buffer[count - 1] = 9
        let written = buffer[count - 1]
        #expect(written == 9)
    }

    @Test func wrongIndexesTrap() async {
        await #expect(processExitsWith: .failure) {
            let buffer = PagedBuffer<UInt64>(count: 1000)
            print(buffer[1000])
        }
        await #expect(processExitsWith: .failure) {
            var buffer = PagedBuffer<UInt64>(count: 1000)
            buffer[-1] = 1
        }
        await #expect(processExitsWith: .failure) {
            var buffer = PagedBuffer<UInt64>(count: 1000)
            buffer.discard(0..<1001)
        }
        await #expect(processExitsWith: .success) {
            var buffer = PagedBuffer<UInt64>(count: 1000)
            buffer[999] = 1
            buffer.discard(0..<1000)
        }
    }
}

@Suite struct GrowingBufferTests {
    /// What the system refuses is an answer, not the end.
    @Test func withoutAddressRoomThereIsNoBuffer() {
        func isUsable(_ count: Int) -> Bool {
            guard let buffer = PagedBuffer<UInt64>(ifRoomFor: count) else { return false }
            return buffer.count == count && buffer[count - 1] == 0
        }
        #expect(isUsable(1) && isUsable(1 << 20))
        #expect(!isUsable(1 << 55) && !isUsable(0))
    }
}

@Suite struct SlabArenaTests {
    static let slabBytes = 2 << 20

    /// Copies a view out; `#expect` can't hold it.
    static func read(_ arena: borrowing SlabArena, _ slab: Int, _ offset: Int, _ count: Int) -> [UInt8] {
        let view = arena.bytes(slab, at: offset, count: count)
        return view.indices.map { view[$0] }
    }

    @Test func appendsAndReads() {
        var arena = SlabArena(slabBytes: Self.slabBytes, maximumSlabs: 4)
        arena.clear(2)
        let first = arena.append(to: 2, 11, .max, [1, 2, 3].span)
        let second = arena.append(to: 2, 13, 14, pattern(507).span)
        let nothing: [UInt8] = []
        let empty = arena.append(to: 2, 15, 16, nothing.span)
        let (used, room, other) = (arena.usedBytes(of: 2), arena.room(in: 2), arena.usedBytes(of: 3))
        #expect(first == 0 && second == 19 && empty == 19 + 16 + 507 && used == empty + 16)
        #expect(room == Self.slabBytes - used && other == 0)
        let words = (arena.word(2, at: 0), arena.word(2, at: 8), arena.word(2, at: second), arena.word(2, at: empty + 8))
        #expect(words == (11, .max, 13, 16))
        #expect(Self.read(arena, 2, 16, 3) == [1, 2, 3])
        #expect(Self.read(arena, 2, second + 16, 507) == pattern(507))
        #expect(Self.read(arena, 2, used, 0) == [])
        arena.prefetch(-1, at: 0)
        arena.prefetch(99, at: 0)
        arena.prefetch(2, at: .max)
    }

    @Test func fillsToTheLastByteAndStartsAgain() {
        var arena = SlabArena(slabBytes: Self.slabBytes, maximumSlabs: 2)
        arena.clear(0)
        arena.clear(1)
        let bytes = pattern(Self.slabBytes - 16)
        _ = arena.append(to: 1, 1, 2, [9].span)
        _ = arena.append(to: 0, 1, 2, bytes.span)
        let room = arena.room(in: 0)
        #expect(room == 0)
        #expect(Self.read(arena, 0, 16, bytes.count) == bytes && Self.read(arena, 1, 16, 1) == [9])
        arena.clear(0)
        let cleared = arena.usedBytes(of: 0)
        _ = arena.append(to: 0, 3, 4, [5].span)
        #expect(cleared == 0 && Self.read(arena, 0, 16, 1) == [5])
        arena.discard(0)
        let discarded = arena.usedBytes(of: 0)
        let nothing: [UInt8] = []
        _ = arena.append(to: 0, 0, 0, nothing.span)
        let offset = arena.append(to: 0, 6, 7, [8].span)
        #expect(discarded == 0 && Self.read(arena, 0, offset + 16, 1) == [8] && Self.read(arena, 1, 16, 1) == [9])
    }

    /// Nothing outside what was written can be read, and nothing can be written past a slab's end.
    @Test func wrongLocationsTrap() async {
        await #expect(processExitsWith: .success) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [1, 2, 3].span)
            _ = arena.word(0, at: 11)
            _ = Self.read(arena, 0, 16, 3)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [1, 2, 3].span)
            _ = arena.word(0, at: 12)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [1, 2, 3].span)
            _ = Self.read(arena, 0, 16, 4)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [1, 2, 3].span)
            _ = arena.word(0, at: -8)
        }
        await #expect(processExitsWith: .failure) {
            let arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            _ = arena.word(1, at: 0)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(2)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [UInt8](repeating: 0, count: (2 << 20) - 15).span)
        }
        await #expect(processExitsWith: .failure) {
            var arena = SlabArena(slabBytes: 2 << 20, maximumSlabs: 2)
            arena.clear(0)
            _ = arena.append(to: 0, 1, 2, [1].span)
            arena.discard(0)
            _ = Self.read(arena, 0, 16, 1)
        }
    }
}

@Suite struct MailboxRingTests {
    @Test func isBoundedAndInOrder() {
        let ring = MailboxRing<Int>(capacity: 5)
        #expect(ring.capacity == 8 && ring.freeSlots == 8 && ring.pop() == nil)
        for number in 0..<8 { #expect(ring.push(number)) }
        #expect(!ring.push(8) && ring.freeSlots == 0)
        #expect(ring.pop() == 0 && ring.freeSlots == 1)
        #expect(ring.push(8) && !ring.push(9))
        for number in 1...8 { #expect(ring.pop() == number) }
        #expect(ring.pop() == nil && ring.freeSlots == 8)
    }

    final class Canary: Sendable {
        let count: CanaryCount
        init(_ count: CanaryCount) {
            self.count = count
            count.alive.add(1, ordering: .relaxed)
        }
        deinit { count.alive.subtract(1, ordering: .relaxed) }
    }

    final class CanaryCount: Sendable {
        let alive = Atomic<Int>(0)
        var value: Int { alive.load(ordering: .relaxed) }
    }

    /// Taken elements are not held on to, and those left inside go with the ring.
    @Test func releasesItsElements() {
        let count = CanaryCount()
        do {
            let ring = MailboxRing<Canary>(capacity: 4)
            for _ in 0..<3 { #expect(ring.push(Canary(count))) }
            #expect(count.value == 3)
            _ = ring.pop()
            #expect(count.value == 2)
        }
        #expect(count.value == 0)
    }

    /// Producer and consumer on threads of their own: nothing lost, nothing twice, in order, never more than fits.
    @Test(.timeLimit(.minutes(2)), arguments: [1, 2, 64]) func twoThreads(capacity: Int) async {
        let ring = MailboxRing<[Int]>(capacity: capacity)
        let total = capacity == 1 ? 20_000 : 200_000
        async let produced: Int = Task.detached {
            var refused = 0
            var number = 0
            while number < total {
                let room = ring.freeSlots
                if ring.push([number, -number]) {
                    number += 1
                } else {
                    if room > 0 { Issue.record("free slots were used up by somebody else") }
                    refused += 1
                    if refused % 64 == 0 { await Task.yield() }
                }
                if room < 0 || room > ring.capacity { Issue.record("\(room) free slots") }
            }
            return number
        }.value
        async let wrong: Int = Task.detached {
            var wrong = 0
            var expected = 0
            var empty = 0
            while expected < total {
                guard let element = ring.pop() else {
                    empty += 1
                    if empty % 64 == 0 { await Task.yield() }
                    continue
                }
                if element != [expected, -expected] { wrong += 1 }
                expected += 1
            }
            return wrong
        }.value
        let result = await (produced, wrong)
        #expect(result == (total, 0) && ring.pop() == nil && ring.freeSlots == ring.capacity)
    }
}

@Suite struct SystemTests {
    @Test(.disabled(if: isUnderForeignAllocator)) func jemallocIsInUseAndPurgesInBackground() throws {
        #expect(AllocatorStatistics.purgesInBackground())
        let version = try #require(AllocatorStatistics.version())
        #expect(version.first?.isNumber == true)
        let before = try #require(AllocatorStatistics.current())
        let block = [UInt8](repeating: 1, count: 64 << 20)
        let during = try #require(AllocatorStatistics.current())
        #expect(during.allocatedBytes >= before.allocatedBytes + (48 << 20))
        #expect(during.activeBytes >= during.allocatedBytes && during.residentBytes >= during.allocatedBytes)
        #expect(block[block.count - 1] == 1)
    }

    @Test func threadTimeAdvances() {
        let before = SystemClocks.threadCPUNanoseconds()
        var sum = 0
        for number in 0..<2_000_000 { sum &+= number &* number }
        let after = SystemClocks.threadCPUNanoseconds()
        #expect(sum != 0 && after > before && before >= 0)
    }
}

import Testing

@testable import Transport

@Suite struct WorkFloodTests {
    static let second: Int64 = 1_000_000_000

    static func allowance() -> WorkAllowance {
        var made = WorkAllowance()
        made.burst = 10_000
        made.perSecond = 1000
        made.perRequest = 100
        return made
    }

    @Test func whatRequestsNeedIsFree() {
        var flood = WorkFlood(Self.allowance(), now: 0)
        func isFlood(cost: Int, requests: Int, now: Int64) -> Bool { flood.isFlood(cost: cost, requests: requests, now: now) }
        for number in 0..<10_000 { #expect(!isFlood(cost: 100, requests: 1, now: Int64(number))) }
        #expect(!isFlood(cost: 10_000, requests: 0, now: 10_000))
        #expect(isFlood(cost: 1, requests: 0, now: 10_000))
    }

    @Test func aBurstAndARateAreForgiven() {
        var flood = WorkFlood(Self.allowance(), now: 0)
        func isFlood(cost: Int, requests: Int, now: Int64) -> Bool { flood.isFlood(cost: cost, requests: requests, now: now) }
        #expect(!isFlood(cost: 10_000, requests: 0, now: 0) && flood.isCostly)
        // Called often, nothing of the time is lost.
        var now: Int64 = 0
        for _ in 0..<10_000 {
            now += 1_100_000
            #expect(!isFlood(cost: 1, requests: 0, now: now))
        }
        #expect(!isFlood(cost: 900, requests: 0, now: now))
        #expect(isFlood(cost: 1200, requests: 0, now: now))
        // A year of silence is no more than a burst.
        now += 365 * 86_400 * Self.second
        #expect(!isFlood(cost: 10_000, requests: 0, now: now) && isFlood(cost: 1, requests: 0, now: now))
    }

    @Test func requestsAreNoSavings() {
        var flood = WorkFlood(Self.allowance(), now: 0)
        func isFlood(cost: Int, requests: Int, now: Int64) -> Bool { flood.isFlood(cost: cost, requests: requests, now: now) }
        for _ in 0..<1000 { #expect(!isFlood(cost: 0, requests: 1000, now: 0)) }
        #expect(isFlood(cost: 10_001, requests: 0, now: 0))
    }

    @Test func suspectsAndThoseWithoutBound() {
        var suspect = WorkFlood(Self.allowance(), now: 0, isSuspect: true)
        let (within, beyond) = (
            suspect.isFlood(cost: 1250, requests: 0, now: 0), suspect.isFlood(cost: 1, requests: 0, now: 0))
        #expect(!within && beyond)
        var off = Self.allowance()
        off.perSecond = 0
        var unbounded = WorkFlood(off, now: 0)
        let isFlood = unbounded.isFlood(cost: 1 << 40, requests: 0, now: 0)
        #expect(!isFlood && !unbounded.isCostly)
    }

    @Test func addressesThatWereSentAwayComeBackSlowly() {
        var book = StrikeBook(capacity: 4)
        let (bad, good) = (PeerAddress(high: 0, low: 1), PeerAddress(high: 0, low: 2))
        func admits(_ address: PeerAddress, now: Int64) -> Bool { book.admits(address, now: now) }
        #expect(admits(bad, now: 0) && !book.isSuspect(bad))
        for _ in 0..<2 { book.strike(bad, now: 0) }
        #expect(admits(bad, now: 0) && admits(bad, now: 0) && book.isSuspect(bad))
        for _ in 0..<100 { book.strike(bad, now: 0) }
        var admitted = 0
        for now in stride(from: Int64(0), to: 5 * Self.second, by: 10_000_000) where admits(bad, now: now) { admitted += 1 }
        #expect((4...6).contains(admitted))
        #expect(admits(good, now: 0) && !book.isSuspect(good))
        // Forgotten after a while.
        #expect(admits(bad, now: 100 * Self.second) && !book.isSuspect(bad))
        for number in 10..<1000 { book.strike(PeerAddress(high: 1, low: UInt64(number)), now: 100 * Self.second) }
        #expect(book.count == 4)
    }

    @Test func bodiesGetRoomInSteps() {
        #expect(BodyRoom.next(count: 5, capacity: 64 << 10, declared: 50 << 20) == nil)
        // Smaller ones grow by themselves; larger ones are moved before they are full.
        #expect(BodyRoom.next(count: 64 << 10, capacity: 64 << 10, declared: 50 << 20) == nil)
        #expect(BodyRoom.next(count: 1 << 20, capacity: 1 << 20, declared: 50 << 20) == 2 << 20)
        #expect(BodyRoom.next(count: (32 << 20) - 100, capacity: 32 << 20, declared: 50 << 20) == 50 << 20)
        #expect(BodyRoom.next(count: (50 << 20) - 100, capacity: 50 << 20, declared: 50 << 20) == nil)
        #expect(BodyRoom.next(count: (2 << 20) - 100, capacity: 2 << 20, declared: nil) == 4 << 20)
        // It said less than it sends.
        #expect(BodyRoom.next(count: (2 << 20) + 1, capacity: 2 << 20, declared: 1000) == 4 << 20)
    }
}

import TestSupport
import Testing

@testable import Transport

private func address(_ number: UInt64) -> PeerAddress { PeerAddress(high: 0, low: number) }

@Suite struct HandshakeQueueTests {
    @Test func addressesTakeTurns() {
        var queue = HandshakeQueue()
        for ticket in 1...5 {
            let got = queue.add(UInt64(ticket), from: address(1))
            #expect(got == .waiting)
        }
        let got2 = queue.add(10, from: address(2))
        #expect(got2 == .waiting)
        let got3 = queue.add(20, from: address(3))
        #expect(got3 == .waiting)
        var order: [UInt64] = []
        while let ticket = queue.next() { order.append(ticket) }
        #expect(order == [1, 10, 20, 2, 3, 4, 5])
        #expect(queue.waitingCount == 0 && queue.openCount == 7)
    }

    @Test func limitsHoldOnBothSides() {
        var limits = HandshakeQueue.Limits()
        limits.open = 3
        limits.openPerAddress = 2
        var queue = HandshakeQueue(limits: limits)
        let first = [queue.add(1, from: address(1)), queue.add(2, from: address(1)), queue.add(3, from: address(1))]
        #expect(first == [.waiting, .waiting, .refused])
        let second = [queue.add(4, from: address(2)), queue.add(5, from: address(3))]
        #expect(second == [.waiting, .refused])
        // One that is under way counts until it is through.
        let got4 = queue.next()
        #expect(got4 == 1)
        let got5 = queue.add(6, from: address(1))
        #expect(got5 == .refused)
        queue.remove(1, isWaiting: false)
        let got6 = queue.add(6, from: address(1))
        #expect(got6 == .waiting)
    }

    @Test func thoseWhoLeaveArePassedOver() {
        var queue = HandshakeQueue()
        for ticket in 1...3 { _ = queue.add(UInt64(ticket), from: address(1)) }
        _ = queue.add(4, from: address(2))
        queue.remove(1, isWaiting: true)
        queue.remove(2, isWaiting: true)
        #expect(queue.waitingCount == 2)
        let got7 = queue.next()
        #expect(got7 == 3)
        let got8 = queue.next()
        #expect(got8 == 4)
        let got9 = queue.next()
        #expect(got9 == nil)
        queue.remove(3, isWaiting: false)
        queue.remove(4, isWaiting: false)
        #expect(queue.openCount == 0 && queue.waitingCount == 0)
    }

    /// Against a plain model, with many seeds: whoever is admitted and stays gets exactly one turn, and nothing is kept of
    /// those who are gone.
    @Test(arguments: 0..<20) func everyOneGetsOneTurn(seed: UInt64) {
        var random = SeededGenerator(seed)
        var limits = HandshakeQueue.Limits()
        limits.open = 50
        limits.openPerAddress = 20
        var queue = HandshakeQueue(limits: limits)
        var waiting: Set<UInt64> = []
        var running: Set<UInt64> = []
        var ticket: UInt64 = 0
        for _ in 0..<5000 {
            switch random.next() % 4 {
            case 0, 1:
                ticket += 1
                let admitted = queue.add(ticket, from: address(random.next() % 5)) == .waiting
                #expect(waiting.count + running.count < 50 || !admitted)
                if admitted { waiting.insert(ticket) }
            case 2:
                let next = queue.next()
                #expect((next == nil) == waiting.isEmpty)
                if let next {
                    #expect(waiting.remove(next) != nil)
                    running.insert(next)
                }
            default:
                if random.next() % 2 == 0, let gone = waiting.min() {
                    waiting.remove(gone)
                    queue.remove(gone, isWaiting: true)
                } else if let gone = running.min() {
                    running.remove(gone)
                    queue.remove(gone, isWaiting: false)
                }
            }
            #expect(queue.waitingCount == waiting.count && queue.openCount == waiting.count + running.count)
        }
        while let next = queue.next() { #expect(waiting.remove(next) != nil) }
        #expect(waiting.isEmpty)
    }
}

@Suite struct HandshakeBudgetTests {
    @Test func theShareIsFreeAtOnceAndThenLeaks() {
        var budget = HandshakeBudget(window: 100, share: 30)
        func wait(_ now: Int64) -> Int64 { budget.wait(now: now) }
        #expect(wait(1000) == 0)
        budget.spend(29)
        #expect(wait(1000) == 0)
        budget.spend(1)
        #expect(wait(1000) > 0)
        budget.spend(30)
        // 60 spent: 31 of them must leak, at 30 in 100.
        #expect(wait(1000) == 104)
        budget.spend(30)
        let time = wait(1000)
        #expect(time == 204)
        #expect(wait(1000 + time) == 0)
    }

    /// In the long run handshakes get their share, whatever each costs.
    @Test(arguments: [7, 40, 300, 1000] as [Int64]) func theShareHolds(cost: Int64) {
        var budget = HandshakeBudget(window: 1000, share: 300)
        var now: Int64 = 0
        var spent: Int64 = 0
        while now < 10_000_000 {
            let wait = budget.wait(now: now)
            now += wait
            if wait == 0 {
                budget.spend(cost)
                spent += cost
                now += cost
            }
        }
        #expect(Double(spent) / Double(now) < 0.4 && Double(spent) / Double(now) > 0.2)
    }

    @Test func longRestsDoNotOverflow() {
        var budget = HandshakeBudget()
        budget.spend(1 << 40)
        let soon = budget.wait(now: 0)
        let late = budget.wait(now: .max)
        #expect(soon > 0 && late == 0)
    }
}


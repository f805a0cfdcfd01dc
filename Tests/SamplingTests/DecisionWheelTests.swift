import TestSupport
import Testing

@testable import Sampling

@Suite struct DecisionWheelTests {
    static func takeAll(_ wheel: inout DecisionWheel, now: Int64, all: Bool = false) -> [Int] {
        var taken: [Int] = []
        while let index = wheel.next(now: now, all: all) { taken.append(index) }
        return taken
    }

    @Test func isNeverEarlyAndAtMostOneBucketLate() {
        var wheel = DecisionWheel(now: 0, horizon: 10 * second)
        wheel.insert(7, deadline: 5 * second, now: 0)
        var now: Int64 = 0
        var found: Int64?
        while now < 6 * second && found == nil {
            if wheel.next(now: now) == 7 { found = now }
            now += millisecond
        }
        let at = found ?? 0
        #expect(at >= 5 * second && at <= 5 * second + bucketWidth + millisecond)
        let count = wheel.count
        #expect(count == 0)
    }

    /// The last nanosecond of a bucket and the first of the next one.
    @Test func bucketBoundaries() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        wheel.insert(1, deadline: 3 * bucketWidth - 1, now: 0)
        wheel.insert(2, deadline: 3 * bucketWidth, now: 0)
        let before = Self.takeAll(&wheel, now: 3 * bucketWidth - 1)
        let first = Self.takeAll(&wheel, now: 3 * bucketWidth)
        let between = Self.takeAll(&wheel, now: 4 * bucketWidth - 1)
        let last = Self.takeAll(&wheel, now: 4 * bucketWidth)
        #expect(before == [])
        #expect(first == [1])
        #expect(between == [])
        #expect(last == [2])
    }

    @Test func handsOutInOrderOfBucketsAndThenOfInsertion() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        wheel.insert(1, deadline: 5 * bucketWidth, now: 0)
        wheel.insert(2, deadline: 2 * bucketWidth + 9, now: 0)
        wheel.insert(3, deadline: 5 * bucketWidth, now: 0)
        wheel.insert(4, deadline: 2 * bucketWidth + 1, now: 0)
        let taken = Self.takeAll(&wheel, now: second)
        #expect(taken == [2, 4, 1, 3])
    }

    @Test func allHandsOutWhatIsNotDue() {
        var wheel = DecisionWheel(now: 0, horizon: 30 * second)
        for index in 0..<1000 { wheel.insert(index, deadline: Int64(index) * 30 * millisecond, now: 0) }
        let none = Self.takeAll(&wheel, now: 0)
        let taken = Self.takeAll(&wheel, now: 0, all: true)
        let count = wheel.count
        let after = Self.takeAll(&wheel, now: 60 * second, all: true)
        #expect(none == [])
        #expect(taken == Array(0..<1000))
        #expect(count == 0 && after == [])
    }

    @Test func aDeadlineInThePastIsDueWithTheCurrentBucket() {
        var wheel = DecisionWheel(now: 10 * second, horizon: second)
        _ = wheel.next(now: 10 * second)
        wheel.insert(3, deadline: 1, now: 10 * second)
        let taken = Self.takeAll(&wheel, now: 10 * second + bucketWidth)
        #expect(taken == [3])
    }

    @Test func idleTimeIsSkippedInOneStep() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        wheel.insert(1, deadline: second, now: 0)
        let first = Self.takeAll(&wheel, now: 2 * second)
        // A year without a trace.
        let year = 365 * 24 * 3600 * second
        let idle = Self.takeAll(&wheel, now: year)
        wheel.insert(2, deadline: year + second, now: year)
        let early = Self.takeAll(&wheel, now: year + second - 1)
        let second = Self.takeAll(&wheel, now: year + second + bucketWidth)
        #expect(first == [1] && idle == [] && early == [] && second == [2])
    }

    @Test func aBurstGoesThroughOneBucket() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        for index in 0..<100_000 { wheel.insert(index, deadline: second, now: 0) }
        let count = wheel.count
        let taken = Self.takeAll(&wheel, now: second + bucketWidth)
        #expect(count == 100_000)
        #expect(taken == Array(0..<100_000))
        wheel.insert(1, deadline: 2 * second, now: second + bucketWidth)
        let next = Self.takeAll(&wheel, now: 2 * second + bucketWidth)
        #expect(next == [1])
    }

    /// What is put in while a bucket is being handed out comes in its turn.
    @Test func insertionsBetweenTwoHandOuts() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        for index in 0..<4 { wheel.insert(index, deadline: 10, now: 0) }
        let first = wheel.next(now: bucketWidth)
        let now = bucketWidth
        wheel.insert(9, deadline: now + second, now: now)
        let rest = Self.takeAll(&wheel, now: now)
        let later = Self.takeAll(&wheel, now: now + second + bucketWidth)
        #expect(first == 0 && rest == [1, 2, 3] && later == [9])
    }

    @Test func frontierLiesBehindEverythingHandedOutAndBeforeTheRest() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        var random = SeededGenerator(5)
        var open: [Int: Int64] = [:]
        var now: Int64 = 0
        var wrong = 0
        for step in 0..<20_000 {
            now += Int64(random.below(5)) * millisecond
            if random.chance(60) {
                let deadline = now + Int64(random.below(1000)) * millisecond
                wheel.insert(step, deadline: deadline, now: now)
                open[step] = deadline
            }
            // Slices: not everything that is due is taken.
            for _ in 0..<random.below(4) {
                guard let index = wheel.next(now: now) else { break }
                guard let deadline = open.removeValue(forKey: index) else {
                    wrong += 1
                    continue
                }
                if deadline > now { wrong += 1 }
            }
            if step % 50 == 0 {
                while let index = wheel.next(now: now) { if open.removeValue(forKey: index) == nil { wrong += 1 } }
                if open.values.contains(where: { $0 + bucketWidth <= now }) { wrong += 1 }
            }
            let frontier = wheel.frontier
            if open.values.contains(where: { $0 <= frontier }) { wrong += 1 }
            if wheel.count != open.count { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    /// Hand-outs lag: what is put in lies further ahead than the wheel was made for.
    @Test func growsWhenHandOutsLag() {
        for seed in 0..<40 as Range<UInt64> {
            var random = SeededGenerator(seed)
            var now = Int64(random.below(1000)) * second
            var wheel = DecisionWheel(now: now, horizon: second)
            var open: [Int: Int64] = [:]
            var wrong = 0
            for step in 0..<600 {
                now += Int64(random.below(100)) * millisecond
                wheel.insert(step, deadline: now + second, now: now)
                open[step] = now + second
                guard random.chance(2) else { continue }
                var last: Int64 = 0
                while let index = wheel.next(now: now) {
                    let deadline = open.removeValue(forKey: index) ?? .max
                    if deadline > now || deadline >> DecisionWheel.widthBits < last { wrong += 1 }
                    last = deadline >> DecisionWheel.widthBits
                    // Not all at once: the bucket being handed out is one of those that move.
                    if random.chance(10) { break }
                }
            }
            while let index = wheel.next(now: now + 2 * second) { if open.removeValue(forKey: index) == nil { wrong += 1 } }
            #expect(wrong == 0 && open.isEmpty)
        }
    }

    /// An empty wheel that nobody asked for a long time is not made larger for it.
    @Test func anEmptyWheelIsTurnedOn() {
        var wheel = DecisionWheel(now: 0, horizon: second)
        wheel.insert(1, deadline: second, now: 0)
        let first = Self.takeAll(&wheel, now: second + bucketWidth)
        let year = 365 * 24 * 3600 * second
        wheel.insert(2, deadline: year + second, now: year)
        let early = Self.takeAll(&wheel, now: year + second - 1)
        let due = Self.takeAll(&wheel, now: year + second + bucketWidth)
        #expect(first == [1] && early == [] && due == [2])
    }

    /// Whatever the order of deadlines: before what is in, before what was handed out early, after a reload to a longer or shorter
    /// wait, after idle time. Nothing comes before its deadline, or later than its bucket and one look.
    @Test(arguments: 0..<60 as Range<UInt64>) func noOrderOfDeadlinesDelaysAny(seed: UInt64) {
        var random = SeededGenerator(seed)
        var now = Int64(random.below(1000)) * second
        var wait = [second, 10 * second, 60 * second][random.below(3)]
        var wheel = DecisionWheel(now: now, horizon: wait)
        var open: [Int: Int64] = [:]
        var problems: [String] = []
        for step in 0..<4000 {
            if random.chance(1) { wait = [0, second / 2, 2 * second, 30 * second, 120 * second][random.below(5)] }
            // Mostly looks every 10 ms, now and then a pause without any.
            now += Int64(random.below(10)) * millisecond + (random.chance(1) ? Int64(random.below(40)) * second : 0)
            for _ in 0..<random.below(3) {
                let deadline = now + (random.chance(30) ? Int64(random.below(1000)) * millisecond : wait)
                let index = step * 4 + random.below(4)
                guard open[index] == nil else { continue }
                wheel.insert(index, deadline: deadline, now: now)
                open[index] = deadline
            }
            // What is decided early is handed out in the order of buckets.
            if random.chance(5), let index = wheel.next(now: now, all: true) {
                let first = open.values.min() ?? 0
                let deadline = open.removeValue(forKey: index) ?? 0
                if deadline >> DecisionWheel.widthBits > first >> DecisionWheel.widthBits { problems.append("\(step): not the first") }
            }
            if random.chance(1) { _ = Self.takeAll(&wheel, now: now, all: true).map { open.removeValue(forKey: $0) } }
            while let index = wheel.next(now: now) {
                guard let deadline = open.removeValue(forKey: index) else {
                    problems.append("\(step): handed out twice")
                    continue
                }
                if deadline > now { problems.append("\(step): early by \(deadline - now)") }
            }
            if let late = open.values.first(where: { $0 + bucketWidth <= now }) { problems.append("\(step): late by \(now - late)") }
            let (count, frontier) = (wheel.count, wheel.frontier)
            if count != open.count { problems.append("\(step): \(count) for \(open.count)") }
            if count > 0, open.values.contains(where: { $0 <= frontier }) { problems.append("\(step): the frontier lies after a deadline") }
            if problems.count > 5 { break }
        }
        #expect(problems == [])
        // Two buckets for each 17 ms of the longest wait and the longest lag: the wheel does not grow for ever.
        let size = wheel.buckets.count
        #expect(size <= 32768, "\(size)")
    }

    /// A wheel of two seconds, empty, and a wait of 30 s: the trace of the 30 s does not keep one of 1 s waiting.
    @Test func aLongWaitOnAnEmptyWheelDelaysNothing() {
        var wheel = DecisionWheel(now: 0, horizon: 2 * second)
        wheel.insert(1, deadline: 30 * second, now: 0)
        wheel.insert(2, deadline: second, now: 0)
        let early = Self.takeAll(&wheel, now: second - 1)
        let due = Self.takeAll(&wheel, now: second + bucketWidth)
        let frontier = wheel.frontier
        let rest = Self.takeAll(&wheel, now: 30 * second + bucketWidth)
        #expect(early == [] && due == [2] && rest == [1] && frontier < 30 * second)
    }
}

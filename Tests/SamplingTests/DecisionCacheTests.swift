import OTLP
import TestSupport
import Testing

@testable import Sampling

@Suite struct DecisionCacheTests {
    static let sampled = Decision(verdict: .sampled, policy: 3)

    @Test func noCapacityIsNoCache() {
        // `#expect` can't take an optional of a non-copyable type.
        let zero = DecisionCache(capacity: 0) == nil
        let negative = DecisionCache(capacity: -1) == nil
        #expect(zero && negative)
    }

    @Test(arguments: [(1, 8), (8, 8), (9, 16), (1000, 1000), (1001, 1008), (200_000, 200_000)])
    func capacityIsRoundedUp(asked: Int, given: Int) {
        let capacity = DecisionCache(capacity: asked)?.capacity
        #expect(capacity == given)
        #expect(DecisionCache.memoryBytes(capacity: asked) == given * 24)
    }

    /// Any number of sets is used evenly, also by a shard that owns a part of the hashes.
    @Test(arguments: [0, 3] as [UInt64])
    func setsFillEvenly(shard: UInt64) throws {
        guard var cache = DecisionCache(capacity: 24_000) else { return }
        var random = SeededGenerator(7)
        for _ in 0..<12_000 {
            // Shard `shard` of 4: the highest two bits of its hashes are the same.
            let hash = random.next() >> 2 | shard << 62
            cache.insert(
                TraceID(high: random.next(), low: hash), hash: hash, Decision(verdict: .sampled, policy: 0), second: 1)
        }
        // Sets of 8 with 4 on average, Poisson: 2.1 % of sets would overflow. Uneven use would lose far more.
        #expect(cache.count > 11_500)
    }

    @Test func everyDecisionComesBackAsItWas() {
        guard var cache = DecisionCache(capacity: 4096) else { return }
        var decisions: [Decision] = []
        for verdict in Verdict.allCases {
            for policy in [nil, 0, 1, 299, 1022] as [UInt16?] {
                decisions.append(Decision(verdict: verdict, policy: policy))
            }
        }
        for (number, decision) in decisions.enumerated() {
            let id = TraceID(high: UInt64(number), low: 0)
            cache.insert(id, hash: testKeys.hash(id), decision, second: UInt64(number))
        }
        for (number, decision) in decisions.enumerated() {
            let id = TraceID(high: UInt64(number), low: 0)
            let found = cache.find(id, hash: testKeys.hash(id), second: UInt64(number) + 7)
            #expect(found?.decision == decision)
            #expect(found?.age == 7)
        }
        let count = cache.count
        #expect(count == decisions.count)
    }

    /// Datadog-style ids differ in one half only: all 128 bits must count.
    @Test func idsThatShareAHalfAreDifferent() {
        guard var cache = DecisionCache(capacity: 64) else { return }
        let id = TraceID(high: 1, low: 99)
        cache.insert(id, hash: 5, Self.sampled, second: 0)
        let sameLow = cache.find(TraceID(high: 2, low: 99), hash: 5, second: 0)
        let sameHigh = cache.find(TraceID(high: 1, low: 98), hash: 5, second: 0)
        let zero = cache.find(TraceID(high: 0, low: 0), hash: 5, second: 0)
        let itself = cache.find(id, hash: 5, second: 0)
        #expect(sameLow == nil && sameHigh == nil && zero == nil)
        #expect(itself?.decision == Self.sampled)
    }

    @Test func theLeastRecentlyUsedOfASetMakesRoom() {
        guard var cache = DecisionCache(capacity: 8) else { return }
        func id(_ number: UInt64) -> TraceID { TraceID(high: 0, low: number) }
        for number in 1...8 as ClosedRange<UInt64> {
            cache.insert(id(number), hash: 0, Self.sampled, second: number)
        }
        // 1 is used again, so 2 is now the oldest.
        let used = cache.find(id(1), hash: 0, second: 9)
        #expect(used != nil)
        cache.insert(id(9), hash: 0, Self.sampled, second: 10)
        cache.insert(id(10), hash: 0, Self.sampled, second: 11)
        var left: [UInt64] = []
        for number in 1...10 as ClosedRange<UInt64> where cache.find(id(number), hash: 0, second: 12) != nil { left.append(number) }
        #expect(left == [1, 4, 5, 6, 7, 8, 9, 10])
        let count = cache.count
        #expect(count == 8)
    }

    /// The policies that do not fit into an entry are forgotten, not mistaken for others.
    @Test func aPolicyNumberThatDoesNotFitIsLeftOut() {
        guard var cache = DecisionCache(capacity: 8) else { return }
        let id = TraceID(high: 7, low: 7)
        cache.insert(id, hash: 9, Decision(verdict: .sampled, policy: 1023), second: 3)
        let found = cache.find(id, hash: 9, second: 3)
        #expect(found?.decision == Decision(verdict: .sampled, policy: nil))
    }

    @Test func keepsAtLeastMostOfItsCapacityAndNeverMore() {
        guard var cache = DecisionCache(capacity: 8192) else { return }
        for number in 0..<100_000 as Range<UInt64> {
            let id = TraceID(high: number, low: number &* 77)
            cache.insert(id, hash: testKeys.hash(id), Self.sampled, second: number / 1000)
        }
        let count = cache.count
        var recent = 0
        var old = 0
        for number in 0..<100_000 as Range<UInt64> {
            let id = TraceID(high: number, low: number &* 77)
            if cache.find(id, hash: testKeys.hash(id), second: 100) != nil { if number >= 100_000 - 4096 { recent += 1 } else { old += 1 } }
        }
        #expect(count <= 8192 && recent + old <= 8192)
        // With eight ways, half a capacity's worth of newer ids seldom fills a set.
        #expect(recent > 4096 * 95 / 100)
    }
}

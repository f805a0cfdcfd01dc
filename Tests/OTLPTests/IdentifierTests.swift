import Testing

@testable import OTLP

@Suite struct IdentifierTests {
    @Test func hexBothWays() {
        let id = TraceID(hex: "0102030405060708090A0b0c0d0e0f10")
        #expect(id == TraceID(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10))
        #expect(id?.description == "0102030405060708090a0b0c0d0e0f10")
        #expect(id?.bytes == Array(1...16))
        for bad in [
            "", "01", "0102030405060708090A0b0c0d0e0f1", "0102030405060708090A0b0c0d0e0f101",
            "0102030405060708090A0b0c0d0e0f1g",
        ] {
            #expect(TraceID(hex: bad) == nil)
        }
        #expect(SpanID(hex: "00000000000000ff") == SpanID(255))
        #expect(SpanID(hex: "ff") == nil)
        #expect(SpanID(255).description == "00000000000000ff")
        #expect(TraceID(high: 0, low: 0).isZero && !TraceID(high: 0, low: 1).isZero)
    }

    /// 100,000 identifiers, counted one after another: even in the high bits and in the low bits.
    @Test func hashSpreadsHighAndLowBits() {
        let keys = HashKeys(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)
        for step: (UInt64, UInt64) in [(0, 1), (1, 0), (1 << 40, 0), (0, 1 << 56 | 1)] {
            var high = [Int](repeating: 0, count: 64)
            var low = [Int](repeating: 0, count: 64)
            for number in 0..<UInt64(64_000) {
                let hash = keys.hash(
                    TraceID(high: 77 &+ number &* step.0, low: 99 &+ number &* step.1))
                high[Int(hash >> 58)] += 1
                low[Int(hash & 63)] += 1
            }
            // Mean 1,000, standard deviation 31.
            for count in high + low { #expect(count > 830 && count < 1170, "\(step)") }
        }
    }

    @Test func hashOfBytesDependsOnEveryByteLengthAndKey() {
        let keys = HashKeys(5, 6)
        var seen: Set<UInt64> = []
        for count in 0..<70 {
            var bytes = [UInt8](repeating: 0, count: count)
            #expect(seen.insert(hashOf(bytes, keys)).inserted)
            for index in 0..<count {
                bytes[index] = 1
                #expect(seen.insert(hashOf(bytes, keys)).inserted)
                bytes[index] = 0
            }
        }
        #expect(hashOf([1, 2, 3], keys) != hashOf([1, 2, 3], HashKeys(5, 7)))
        #expect(hashOf([1, 2, 3], keys) == hashOf([1, 2, 3], keys))
    }
}

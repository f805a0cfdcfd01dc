/// What a `probabilistic` policy has to decide about a trace id; written apart from the sampler, to check it.
///
/// FNV-1a (64 bits) over salt and trace id, sampled if not above a threshold of `percent`, as the Collector's
/// tail_sampling processor does.
package struct ProbabilisticCheck: Sendable {
    package let threshold: UInt64
    private let salted: UInt64

    package init(percent: Double, salt: String = "") {
        threshold = Self.threshold(percent: percent)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in (salt.isEmpty ? "default-hash-seed" : salt).utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        salted = hash
    }

    package func samples(_ id: TraceWords) -> Bool {
        var hash = salted
        for word in [id.high, id.low] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                hash = (hash ^ (word >> shift & 0xff)) &* 0x0000_0100_0000_01b3
            }
        }
        return hash <= threshold
    }

    /// (2^64 - 1) x percent / 100, rounded to 64 significant bits (half to even), integer part.
    private static func threshold(percent: Double) -> UInt64 {
        let ratio = percent / 100
        guard ratio > 0 else { return 0 }
        guard ratio < 1 else { return .max }
        // ratio = mantissa x 2^exponent with a whole mantissa of 53 bits
        let exponent = Int(ratio.exponent) - 52
        let mantissa = UInt128(ratio.significandBitPattern | 1 << 52)
        let product = mantissa * UInt128(UInt64.max)
        let width = 128 - product.leadingZeroBitCount
        let excess = max(0, width - 64)
        var kept = product >> UInt128(excess)
        let rest = product - (kept << UInt128(excess))
        let half = excess > 0 ? UInt128(1) << UInt128(excess - 1) : 0
        if excess > 0, rest > half || (rest == half && kept & 1 == 1) { kept += 1 }
        let shift = -(exponent + excess)
        return shift >= 128 ? 0 : UInt64(kept >> UInt128(shift))
    }
}

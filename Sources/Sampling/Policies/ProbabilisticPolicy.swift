package import ConfigTree
package import OTLP

/// `probabilistic`: keeps `sampling_percentage` percent of all traces, by a hash of the trace id; bit-exact with the
/// Collector's, so that both keep the same traces.
///
/// FNV-1a, 64 bits (Fowler, Noll, Vo), over the salt's UTF-8 bytes and the 16 bytes of the trace id; sampled if the hash is at most
/// `threshold(percentage:)`.
package struct ProbabilisticPolicy: SamplingPolicy {
    package static let typeName = "probabilistic"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps a percentage of all traces, chosen by trace id: the same traces on every node and in the Collector.",
            fields: [
                PolicyField("sampling_percentage", .number, default: "0", "How many, from 0 to 100; fractions count."),
                PolicyField("hash_salt", .text, default: "\"\"", "Policies with different salts choose independently of each other."),
            ])
    }

    /// The state of the hash after the salt.
    let saltedBasis: UInt64
    let threshold: UInt64

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let percentage = block.double("sampling_percentage", default: 0)
        if !(percentage >= 0 && percentage <= 100) {
            block.warning(
                "\(percentage) is outside 0...100 and works as the nearer of the two", key: "sampling_percentage")
        }
        self.init(percentage: percentage, salt: Array(block.string("hash_salt", default: "").utf8))
    }

    /// An empty salt stands for the Collector's default salt.
    package init(percentage: Double, salt: [UInt8] = []) {
        let bytes = salt.isEmpty ? Array("default-hash-seed".utf8) : salt
        saltedBasis = bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* Self.prime }
        threshold = Self.threshold(percentage: percentage)
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        hash(trace.traceID) <= threshold ? .sampled : .notSampled
    }

    private static let prime: UInt64 = 0x100_0000_01b3

    /// The trace's place in 0...2^64-1.
    package func hash(_ traceID: TraceID) -> UInt64 {
        Self.mix(Self.mix(saltedBasis, traceID.high), traceID.low)
    }

    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        var hash = hash
        for byte in 0..<8 as Range<UInt64> { hash = (hash ^ (word >> (56 - 8 * byte)) & 0xff) &* prime }
        return hash
    }

    /// floor of (2^64 - 1) * percentage / 100, the product rounded to a 64-bit significand, half to even, as Go's
    /// big.Float does it.
    package static func threshold(percentage: Double) -> UInt64 {
        let ratio = percentage / 100
        if !(ratio > 0) { return 0 }
        if ratio >= 1 { return .max }
        // ratio = significand * 2^exponent with a 53-bit integer.
        let significand = UInt64(ratio.significandBitPattern) | (ratio.isNormal ? 1 << 52 : 0)
        let exponent = (ratio.isNormal ? Int(ratio.exponentBitPattern) : 1) - 1075
        let product = significand.multipliedFullWidth(by: .max)
        var wide = UInt128(product.high) << 64 | UInt128(product.low)
        // Keep the top 64 bits, rounding half to even; the binary point moves along.
        let width = 128 - wide.leadingZeroBitCount
        var shift = exponent
        if width > 64 {
            let cut = UInt128(width - 64)
            let half: UInt128 = 1 << (cut - 1)
            let rest = wide & ((1 << cut) - 1)
            wide >>= cut
            if rest > half || (rest == half && wide & 1 == 1) { wide += 1 }
            shift += width - 64
        }
        if shift >= 0 { return UInt64(truncatingIfNeeded: wide << UInt128(shift)) }
        return -shift >= 128 ? 0 : UInt64(truncatingIfNeeded: wide >> UInt128(-shift))
    }
}

/// A rejection threshold of consistent probability sampling: a span is kept if its 56 bits of randomness are not below it.
///
/// https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
struct SamplingThreshold: Sendable, Equatable, Comparable {
    /// 2^56: how many values the randomness can have, and the threshold that nothing reaches.
    static let limit: UInt64 = 1 << 56
    static let digits = 14

    /// 0 keeps everything, `limit` nothing.
    let value: UInt64

    static let always = SamplingThreshold(value: 0)
    static let never = SamplingThreshold(value: limit)

    static func < (left: SamplingThreshold, right: SamplingThreshold) -> Bool { left.value < right.value }

    func keeps(_ randomness: UInt64) -> Bool { randomness >= value }

    /// The share of spans that it keeps.
    var probability: Double { Double(Self.limit - value) / Double(Self.limit) }

    /// The threshold for a probability, with so many significant hex digits; nil for one that is too small.
    ///
    /// Digits count behind the zeros of a great and the fs of a small probability, so that the relative error stays the same.
    init?(probability: Double, precision: Int) {
        guard probability >= 1 / Double(Self.limit), probability <= 1 else { return nil }
        if probability == 1 {
            value = 0
            return
        }
        // As the exponent of C's frexp, which is at most 0 here: one digit more for every four.
        func extra(_ number: Double) -> Int { Int(-(number.exponent + 1)) / 4 }
        let wanted = precision == 0 ? Self.digits : precision
        let digits = min(Self.digits, max(wanted + extra(probability), wanted + extra(1 - probability)))
        var threshold = Self.limit - UInt64((probability * Double(Self.limit)).rounded(.toNearestOrAwayFromZero))
        let shift = UInt64(4 * (Self.digits - digits))
        if shift > 0, shift <= 56 {
            threshold += 1 << (shift - 1)
            threshold = (threshold >> shift) << shift
        }
        value = threshold
    }

    init(value: UInt64) { self.value = value }

    /// The `th` of a tracestate: 1 to 14 hex digits, zeros at the end left out.
    init?(text: ArraySlice<UInt8>) {
        guard !text.isEmpty, text.count <= Self.digits, let number = hexNumber(text) else { return nil }
        value = number << UInt64(4 * (Self.digits - text.count))
    }

    /// As `th` has it; empty for the threshold that nothing reaches.
    var text: [UInt8] {
        if value == 0 { return [UInt8(ascii: "0")] }
        guard value < Self.limit else { return [] }
        var digits = hexText56(value)
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return digits
    }
}

/// 14 lowercase hex digits.
func hexText56(_ value: UInt64) -> [UInt8] {
    Array(hexDigits((0..<7).map { UInt8(truncatingIfNeeded: value >> UInt64(48 - 8 * $0)) }))
}

/// The value of hex digits, in either case as Go reads them; nil if there are others.
func hexNumber(_ text: ArraySlice<UInt8>) -> UInt64? {
    guard !text.isEmpty, text.count <= 16 else { return nil }
    var value: UInt64 = 0
    for byte in text {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(byte - 0x30)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(byte - 0x57)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt64(byte - 0x37)
        default: return nil
        }
    }
    return value
}

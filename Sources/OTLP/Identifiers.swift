/// The 16-byte identifier that all spans of one trace share.
///
/// `high` and `low` are the big-endian reading of the wire bytes, so comparing `(high, low)` orders
/// identifiers as their hex texts. An all-zero identifier is invalid by the specification.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
public struct TraceID: Hashable, Sendable, BitwiseCopyable {
    /// Bytes 0-7 of the wire form, read big-endian.
    public var high: UInt64
    /// Bytes 8-15 of the wire form, read big-endian.
    public var low: UInt64

    /// Creates an identifier from its two halves.
    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Whether every byte is zero, which the specification forbids.
    @inlinable public var isZero: Bool { (high | low) == 0 }

    @inlinable @inline(__always)
    public static func == (left: TraceID, right: TraceID) -> Bool {
        (left.high ^ right.high) | (left.low ^ right.low) == 0
    }

    /// Reads 32 hex digits of either case; `nil` for any other text.
    package init?(hex: some Sequence<UInt8>) {
        var digits = 0
        var high: UInt64 = 0
        var low: UInt64 = 0
        for byte in hex {
            guard digits < 32, let value = HexDigits.value(byte) else { return nil }
            if digits < 16 { high = high << 4 | value } else { low = low << 4 | value }
            digits += 1
        }
        guard digits == 32 else { return nil }
        self.init(high: high, low: low)
    }

    /// Reads 32 hex digits of either case; `nil` for any other text.
    package init?(hex: String) { self.init(hex: hex.utf8) }

    /// The 32 lowercase hex digits, as ASCII bytes.
    package var hexBytes: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(32)
        HexDigits.append(high, to: &text)
        HexDigits.append(low, to: &text)
        return text
    }

    /// The 16 wire bytes.
    package var bytes: [UInt8] {
        (0..<16).map { index in
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index & 7)))
        }
    }
}

extension TraceID: CustomStringConvertible {
    /// The 32 lowercase hex digits; for logs and error texts only.
    public var description: String { String(decoding: hexBytes, as: UTF8.self) }
}

/// The 8-byte identifier of a span within its trace: the big-endian reading of the wire bytes.
package struct SpanID: Hashable, Sendable, BitwiseCopyable {
    /// The wire bytes, read big-endian.
    package var value: UInt64

    /// Creates an identifier from its big-endian value.
    @inlinable package init(_ value: UInt64) { self.value = value }

    /// Whether every byte is zero, which the specification forbids.
    @inlinable package var isZero: Bool { value == 0 }

    /// Reads 16 hex digits of either case; `nil` for any other text.
    package init?(hex: String) {
        var digits = 0
        var value: UInt64 = 0
        for byte in hex.utf8 {
            guard digits < 16, let digit = HexDigits.value(byte) else { return nil }
            value = value << 4 | digit
            digits += 1
        }
        guard digits == 16 else { return nil }
        self.init(value)
    }
}

extension SpanID: CustomStringConvertible {
    /// The 16 lowercase hex digits; for logs and error texts only.
    package var description: String {
        var text: [UInt8] = []
        HexDigits.append(value, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}

/// Hex digits as ASCII bytes, both directions.
enum HexDigits {
    /// The value of one hex digit of either case, or `nil`.
    static func value(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte) - 0x30
        case 0x61...0x66: UInt64(byte) - 0x57
        case 0x41...0x46: UInt64(byte) - 0x37
        default: nil
        }
    }

    /// The lowercase digit for the low four bits of `nibble`.
    @inline(__always)
    static func digit(_ nibble: UInt8) -> UInt8 {
        let low = nibble & 15
        return low < 10 ? 0x30 &+ low : 0x57 &+ low
    }

    /// Appends the 16 lowercase digits of `value`.
    static func append(_ value: UInt64, to text: inout [UInt8]) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            text.append(digit(UInt8(truncatingIfNeeded: value >> shift)))
        }
    }
}

internal import OTLP
internal import OTTL

/// Numbers to text and back, as Go does it.
enum GoNumbers {
    /// `strconv.ParseFloat`: nil for what is no number, and for what a double can't hold.
    static func double(_ text: Span<UInt8>) -> Double? { OTTLNumbers.double([UInt8](copying: text)) }

    /// `strconv.ParseInt` of base 10.
    static func integer(_ text: Span<UInt8>) -> Int64? { Int64(String(copying: text)) }

    /// Toward zero; Go's result on x86-64 for what 64 bits can't hold.
    static func truncated(_ value: Double) -> Int64 { OTTLNumbers.truncated(value) }

    /// A double as JSON has it, the shortest digits with an exponent below 1e-6 and from 1e21 on; `Infinity`, `-Infinity` and
    /// `NaN` for what JSON has no number for.
    static func json(_ value: Double) -> String {
        OTTLNumbers.text(value) ?? (value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }

    /// The shortest digits without an exponent, as `strconv.FormatFloat(value, 'f', -1, 64)`.
    static func plain(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
        let sign = value.sign == .minus ? "-" : ""
        if value == 0 { return sign + "0" }
        let (digits, point) = OTTLNumbers.decimal(value.magnitude)
        return sign + OTTLNumbers.plain(digits, point)
    }
}

extension String {
    /// A copy of these bytes; what is no UTF-8 becomes U+FFFD.
    init(copying bytes: Span<UInt8>) {
        var copy: [UInt8] = []
        copy.append(copying: bytes)
        self = String(decoding: copy, as: UTF8.self)
    }
}

extension [UInt8] {
    /// A copy of a span.
    init(copying bytes: Span<UInt8>) {
        self = []
        append(copying: bytes)
    }
}

/// Lowercase hex digits of bytes.
func hexDigits(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
}

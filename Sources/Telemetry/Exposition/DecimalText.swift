/// Integers printed with a decimal point, exactly.
enum DecimalText {
    /// Appends `value * 10^-places` without trailing zeros behind the point.
    /// `alwaysPoint` keeps one digit there: `1.0`, the canonical form of `le` in OpenMetrics.
    static func append(
        _ value: Int, places: Int, alwaysPoint: Bool = false, to out: inout [UInt8]
    ) {
        var digits = Array(String(value.magnitude).utf8)
        while digits.count <= places { digits.insert(UInt8(ascii: "0"), at: 0) }
        var fraction = Array(digits.suffix(places))
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        if fraction.isEmpty && alwaysPoint { fraction = [UInt8(ascii: "0")] }
        if value < 0 { out.append(UInt8(ascii: "-")) }
        out += digits.dropLast(places)
        if !fraction.isEmpty {
            out.append(UInt8(ascii: "."))
            out += fraction
        }
    }
}

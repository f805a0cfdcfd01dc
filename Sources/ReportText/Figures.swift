/// Numbers as people read them. No locale: a point for fractions, a comma between thousands.
package enum Figures {
    /// `value` with `digits` digits after the point, rounded half away from zero.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        guard abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((abs(value) * scale).rounded())
        let whole = scaled / Int64(scale)
        let sign = value < 0 && scaled != 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = "\(scaled % Int64(scale))"
        return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// `1,234,567`.
    package static func grouped(_ value: Int64) -> String {
        let digits = Array("\(value.magnitude)".utf8)
        var result = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "," }
            result.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return result
    }

    package static func grouped(_ value: Int) -> String { grouped(Int64(value)) }

    /// `1,234,567` of a rate or another real number.
    package static func grouped(rounded value: Double) -> String {
        grouped(value.isFinite ? Int64(clamping: Int(max(-9e18, min(9e18, value.rounded())))) : 0)
    }

    /// `12.3 MiB`.
    package static func bytes(_ value: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var rest = value
        var unit = 0
        while abs(rest) >= 1024, unit < units.count - 1 {
            rest /= 1024
            unit += 1
        }
        return "\(fixed(rest, unit == 0 ? 0 : 1)) \(units[unit])"
    }

    /// Nanoseconds as milliseconds: `0.123`, `12.3`, `1234`.
    package static func milliseconds(_ nanoseconds: UInt64) -> String {
        let value = Double(nanoseconds) / 1e6
        return fixed(value, value < 10 ? 3 : value < 100 ? 1 : 0)
    }

    /// `text` with blanks before it up to `width`.
    package static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// `text` with blanks after it up to `width`.
    package static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

/// Numbers to text and back, as Go does it.
package enum OTTLNumbers {
    /// `strconv.ParseFloat`: nil for what is no number, and for what a double can't hold.
    package static func double(_ text: some Sequence<UInt8>) -> Double? {
        let string = String(decoding: Array(text), as: UTF8.self)
        guard !string.contains("("), let value = Double(string) else { return nil }
        if value.isInfinite {
            let letters = string.lowercased().drop { $0 == "+" || $0 == "-" }
            guard letters == "inf" || letters == "infinity" else { return nil }
        }
        return value
    }

    /// `strconv.ParseInt` of base 10.
    static func integer(_ text: [UInt8]) -> Int64? { Int64(String(decoding: text, as: UTF8.self)) }

    /// `strconv.ParseInt`; base 0 reads `0x`, `0o`, `0b`, `0` and underscores.
    static func integer(_ text: [UInt8], base: Int64) -> Int64? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        var digits = text[...]
        var sign: [UInt8] = []
        if let first = digits.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            sign = [first]
            digits.removeFirst()
        }
        var radix = Int(base)
        if base == 0 {
            radix = 10
            if digits.count > 1, digits.first == UInt8(ascii: "0") {
                switch digits[digits.startIndex + 1] | 0x20 {
                case UInt8(ascii: "x"): radix = 16
                case UInt8(ascii: "b"): radix = 2
                case UInt8(ascii: "o"): radix = 8
                default: radix = 7
                }
                digits.removeFirst(radix == 7 ? 1 : 2)
                if radix == 7 { radix = 8 }
            }
            if digits.first == UInt8(ascii: "_"), radix != 10 { digits.removeFirst() }
            guard digits.last != UInt8(ascii: "_"), digits.first != UInt8(ascii: "_") else { return nil }
            var previous: UInt8 = 0
            for digit in digits {
                guard digit != UInt8(ascii: "_") || previous != digit else { return nil }
                previous = digit
            }
            digits = digits.filter { $0 != UInt8(ascii: "_") }[...]
        }
        guard let first = digits.first, first != UInt8(ascii: "-"), first != UInt8(ascii: "+") else { return nil }
        return Int64(String(decoding: sign + Array(digits), as: UTF8.self), radix: radix)
    }

    /// `strconv.ParseBool`.
    static func bool(_ text: [UInt8]) -> Bool? {
        switch String(decoding: text, as: UTF8.self) {
        case "1", "t", "T", "TRUE", "true", "True": true
        case "0", "f", "F", "FALSE", "false", "False": false
        default: nil
        }
    }

    /// A double as JSON has it: the shortest digits that give the same double again, with an exponent below 1e-6 and from
    /// 1e21 on. Nil for what JSON has no number for.
    package static func text(_ value: Double) -> String? {
        guard value.isFinite else { return nil }
        if value == 0 { return value.sign == .minus ? "-0" : "0" }
        let (digits, point) = decimal(value.magnitude)
        let sign = value < 0 ? "-" : ""
        if value.magnitude < 1e-6 || value.magnitude >= 1e21 {
            let exponent = point - 1
            let fraction = digits.count > 1 ? "." + String(decoding: digits.dropFirst(), as: UTF8.self) : ""
            return sign + String(decoding: digits.prefix(1), as: UTF8.self) + fraction + "e"
                + (exponent < 0 ? "-" : "+") + "\(exponent.magnitude)"
        }
        return sign + plain(digits, point)
    }

    /// Without an exponent, as `%f` with the fewest digits.
    package static func plain(_ digits: [UInt8], _ point: Int) -> String {
        let zero = UInt8(ascii: "0")
        if point <= 0 {
            return "0." + String(repeating: "0", count: -point) + String(decoding: digits, as: UTF8.self)
        }
        if digits.count <= point {
            return String(decoding: digits + Array(repeating: zero, count: point - digits.count), as: UTF8.self)
        }
        return String(decoding: digits[..<point], as: UTF8.self) + "."
            + String(decoding: digits[point...], as: UTF8.self)
    }

    /// The shortest digits of a positive double, and where the point stands before or behind their first.
    package static func decimal(_ value: Double) -> (digits: [UInt8], point: Int) {
        var digits: [UInt8] = []
        var point: Int?
        var exponent = 0
        let text = Array("\(value)".utf8)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: ".") {
                point = digits.count
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
            }
        }
        var position = (point ?? digits.count) + exponent
        while digits.count > 1, digits.first == UInt8(ascii: "0") {
            digits.removeFirst()
            position -= 1
        }
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return (digits, position)
    }

    /// Toward zero; Go's result on x86-64 for what 64 bits can't hold.
    package static func truncated(_ value: Double) -> Int64 { Int64(exactly: value.rounded(.towardZero)) ?? .min }

    /// The natural logarithm of a positive, finite number, to within a unit or two of the last place.
    ///
    /// ln(m * 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)), m between 0.7 and 1.42.
    static func logarithm(_ value: Double) -> Double {
        var significand = value.significand
        var exponent = Double(value.exponent)
        if significand > 1.414_213_562_373_095_1 {
            significand /= 2
            exponent += 1
        }
        let ratio = (significand - 1) / (significand + 1)
        let square = ratio * ratio
        var sum = 0.0
        for power in stride(from: 25.0, through: 1.0, by: -2.0) { sum = sum * square + 1 / power }
        return exponent * 0.693_147_180_559_945_3 + 2 * ratio * sum
    }
}

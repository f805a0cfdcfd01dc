/// A single value as it was written. What it means depends on whether it was quoted.
package struct ConfigScalar: Sendable, Equatable {
    package var text: String
    /// Unquoted in YAML: only then can it be a number or a boolean. Quoted and block scalars are always text.
    package var isPlain: Bool
    /// The whole value came from an environment variable or a file. It may then stand for text as well as for what it
    /// looks like, as in the Collector: nobody can put quotes around the *value* of a variable, and a password may be
    /// `0123`.
    package var isSubstituted: Bool

    package init(text: String, isPlain: Bool, isSubstituted: Bool = false) {
        self.text = text
        self.isPlain = isPlain
        self.isSubstituted = isSubstituted
    }

    /// What YAML takes the scalar for.
    package enum Meaning: Sendable, Equatable {
        case text
        case boolean(Bool)
        case integer(Int)
        /// A number with a point or an exponent, or an integer that 64 bits can't hold.
        case number(Double)
        case null
    }

    /// What the scalar is by the rules that the Collector's YAML library follows (YAML 1.2 core schema plus `0b`, a
    /// leading `0` for octal, and `_` between digits). `yes`, `no`, `on` and `off` are text.
    /// - Complexity: O(length).
    package var meaning: Meaning {
        guard isPlain else { return .text }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .boolean(true)
        case "false", "False", "FALSE": return .boolean(false)
        default: return parsePlainNumber(text) ?? .text
        }
    }
}

/// A YAML number, or nil if the text is none.
private func parsePlainNumber(_ text: String) -> ConfigScalar.Meaning? {
    var digits = Array(text.utf8)
    guard let first = digits.first, digits.count <= 128 else { return nil }
    let negative = first == UInt8(ascii: "-")
    if negative || first == UInt8(ascii: "+") { digits.removeFirst() }
    guard let lead = digits.first else { return nil }
    let sign = negative ? -1.0 : 1.0

    if lead == UInt8(ascii: ".") {
        switch String(decoding: digits, as: UTF8.self) {
        case ".inf", ".Inf", ".INF": return .number(sign * .infinity)
        case ".nan", ".NaN", ".NAN": return first == lead ? .number(.nan) : nil
        default: break
        }
    } else if !isDigit(lead) {
        return nil
    }

    digits.removeAll { $0 == UInt8(ascii: "_") }
    let prefix = negative ? "-" : ""
    if let (radix, skipped) = radixPrefix(digits) {
        let body = digits.dropFirst(skipped)
        guard let lead = body.first, isHexDigit(lead) else { return nil }
        let literal = String(decoding: body, as: UTF8.self)
        if let value = Int(prefix + literal, radix: radix) { return .integer(value) }
        // "089" is no octal number, but still a decimal fraction to YAML; everything else with a prefix is text.
        if skipped > 1 { return nil }
    } else if let value = Int(prefix + String(decoding: digits, as: UTF8.self)) {
        return .integer(value)
    }
    guard isDecimal(digits), let value = Double(String(decoding: digits, as: UTF8.self)) else { return nil }
    return .number(sign * value)
}

/// The base that a prefix asks for, and the prefix's length.
private func radixPrefix(_ digits: [UInt8]) -> (radix: Int, length: Int)? {
    guard digits.count > 1, digits[0] == UInt8(ascii: "0") else { return nil }
    switch digits[1] {
    case UInt8(ascii: "x"), UInt8(ascii: "X"): return (16, 2)
    case UInt8(ascii: "o"), UInt8(ascii: "O"): return (8, 2)
    case UInt8(ascii: "b"), UInt8(ascii: "B"): return (2, 2)
    case let next where isDigit(next): return (8, 1)
    default: return nil
    }
}

/// `digits [. digits] [e [sign] digits]`, with at least one digit before the exponent.
private func isDecimal(_ bytes: [UInt8]) -> Bool {
    var index = 0
    func run() -> Int {
        let start = index
        while index < bytes.count, isDigit(bytes[index]) { index += 1 }
        return index - start
    }
    var mantissa = run()
    if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
        index += 1
        mantissa += run()
    }
    guard mantissa > 0 else { return false }
    if index < bytes.count, bytes[index] == UInt8(ascii: "e") || bytes[index] == UInt8(ascii: "E") {
        index += 1
        if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") { index += 1 }
        guard run() > 0 else { return false }
    }
    return index == bytes.count
}

private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

private func isHexDigit(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- UInt8(ascii: "a") < 6 }

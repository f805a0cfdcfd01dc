/// Why a text is no duration.
package enum GoDurationError: Error, Equatable {
    case empty
    /// A number without `ns`, `us`, `ms`, `s`, `m` or `h` behind it.
    case missingUnit
    case unknownUnit(String)
    case malformed
    /// Beyond the 292 years that 64 bits of nanoseconds hold.
    case overflow
}

/// Durations as Go's `time.ParseDuration` reads them and `Duration.String` prints them: `1h2m3.5s`, `300ms`, `-1.5h`,
/// `0`. Units: `ns`, `us` (also `µs`, `μs`), `ms`, `s`, `m`, `h`. Everything is in nanoseconds.
package enum GoDuration {
    /// The duration in nanoseconds.
    /// - Complexity: O(length).
    package static func parse(_ text: String) throws(GoDurationError) -> Int64 {
        var rest = Substring(text)
        guard let first = rest.first else { throw .empty }
        let negative = first == "-"
        if negative || first == "+" { rest.removeFirst() }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { throw .malformed }
        var total: UInt64 = 0
        while !rest.isEmpty {
            let part = try parsePart(&rest)
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow, sum <= UInt64(Int64.max) else { throw .overflow }
            total = sum
        }
        return negative ? -Int64(total) : Int64(total)
    }

    /// One number with its unit.
    private static func parsePart(_ rest: inout Substring) throws(GoDurationError) -> UInt64 {
        let whole = rest.prefix(while: isDigit)
        rest = rest[whole.endIndex...]
        var fraction: Substring = ""
        if rest.first == "." {
            rest.removeFirst()
            fraction = rest.prefix(while: isDigit)
            rest = rest[fraction.endIndex...]
        }
        guard !whole.isEmpty || !fraction.isEmpty else { throw .malformed }
        let name = rest.prefix { $0 != "." && !isDigit($0) }
        guard !name.isEmpty else { throw .missingUnit }
        rest = rest[name.endIndex...]
        guard let unit = nanoseconds(ofUnit: name) else { throw .unknownUnit(String(name)) }

        guard let number = whole.isEmpty ? 0 : UInt64(whole) else { throw .overflow }
        let (scaled, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { throw .overflow }
        // As Go does it, rounding included: digits that 63 bits can't take are dropped.
        var part: UInt64 = 0
        var scale = 1.0
        for digit in fraction.utf8 {
            let next = part.multipliedReportingOverflow(by: 10)
            guard !next.overflow, next.partialValue < UInt64(Int64.max) - 9 else { break }
            part = next.partialValue + UInt64(digit - UInt8(ascii: "0"))
            scale *= 10
        }
        let (sum, carried) = scaled.addingReportingOverflow(UInt64(Double(part) * (Double(unit) / scale)))
        guard !carried else { throw .overflow }
        return sum
    }

    private static func isDigit(_ character: Character) -> Bool {
        character >= "0" && character <= "9" && character.isASCII
    }

    private static func nanoseconds(ofUnit name: Substring) -> UInt64? {
        switch name {
        case "ns": 1
        case "us", "\u{B5}s", "\u{3BC}s": 1_000
        case "ms": 1_000_000
        case "s": 1_000_000_000
        case "m": 60_000_000_000
        case "h": 3_600_000_000_000
        default: nil
        }
    }

    /// The shortest of Go's spellings that says the same: `1h30m`, `2.5s`, `300ms`, `1500ns`, `0s`. Zero parts are left
    /// out.
    package static func describe(_ nanoseconds: Int64) -> String {
        guard nanoseconds != 0 else { return "0s" }
        let sign = nanoseconds < 0 ? "-" : ""
        var rest = nanoseconds.magnitude
        if rest < 1_000 { return "\(sign)\(rest)ns" }
        if rest < 1_000_000 { return sign + decimal(rest, unit: 1_000) + "us" }
        if rest < 1_000_000_000 { return sign + decimal(rest, unit: 1_000_000) + "ms" }
        var text = sign
        for (unit, name) in [(3_600_000_000_000 as UInt64, "h"), (60_000_000_000, "m")] where rest >= unit {
            text += "\(rest / unit)\(name)"
            rest %= unit
        }
        return rest == 0 ? text : text + decimal(rest, unit: 1_000_000_000) + "s"
    }

    private static func decimal(_ value: UInt64, unit: UInt64) -> String {
        let fraction = value % unit
        guard fraction > 0 else { return "\(value / unit)" }
        var digits = String(fraction + unit).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(value / unit).\(digits)"
    }
}

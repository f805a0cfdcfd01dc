extension ConfigReader {
    /// A duration in nanoseconds, in Go's syntax. A bare integer is nanoseconds, with a warning unless it is 0.
    package mutating func duration(_ key: String, default fallback: Int64, in range: ClosedRange<Int64>? = nil) -> Int64
    {
        guard let (scalar, node) = scalar(key, expecting: "a duration such as `10s`") else { return fallback }
        let value: Int64
        switch scalar.meaning {
        case .integer(let number):
            value = Int64(number)
            if number != 0 {
                warning(
                    "\(number) without a unit is \(number) nanoseconds, as in the Collector; write `\(number)s` for seconds",
                    key: key)
            }
        case .text:
            do {
                value = try GoDuration.parse(scalar.text)
            } catch {
                wrong(scalar, at: node, key, "is no duration: " + hint(for: error, scalar.text))
                return fallback
            }
        case .number(let number) where number.isFinite:
            wrong(scalar, at: node, key, "has no unit; write `\(clipped(scalar.text))s` for seconds")
            return fallback
        default:
            wrong(scalar, at: node, key, "is no duration; write a number with a unit, such as `10s` or `500ms`")
            return fallback
        }
        guard range?.contains(value) ?? true else {
            wrong(scalar, at: node, key, "is out of range: \(limits(range, none: (0, .max), GoDuration.describe))")
            return fallback
        }
        return value
    }

    /// An integer. A fraction is cut off, as the Collector does; text is an error, also if it looks like a number.
    package mutating func integer(_ key: String, default fallback: Int, in range: ClosedRange<Int>? = nil) -> Int {
        guard let (scalar, node) = scalar(key, expecting: "an integer") else { return fallback }
        let value: Int
        switch scalar.meaning {
        case .integer(let number): value = number
        case .number(let number):
            guard let whole = Int(exactly: number.rounded(.towardZero)) else {
                wrong(scalar, at: node, key, "does not fit into a 64-bit integer")
                return fallback
            }
            value = whole
        default:
            wrong(scalar, at: node, key, "is \(scalar.kind); an integer is expected\(scalar.advice)")
            return fallback
        }
        guard range?.contains(value) ?? true else {
            wrong(
                scalar, at: node, key, "is out of range: \(limits(range, none: (.min, .max), String.init(describing:)))"
            )
            return fallback
        }
        return value
    }

    /// A finite number.
    package mutating func double(_ key: String, default fallback: Double, in range: ClosedRange<Double>? = nil)
        -> Double
    {
        guard let (scalar, node) = scalar(key, expecting: "a number") else { return fallback }
        let value: Double
        switch scalar.meaning {
        case .integer(let number): value = Double(number)
        case .number(let number) where number.isFinite: value = number
        case .number:
            wrong(scalar, at: node, key, "is not a finite number")
            return fallback
        default:
            wrong(scalar, at: node, key, "is \(scalar.kind); a number is expected\(scalar.advice)")
            return fallback
        }
        guard range?.contains(value) ?? true else {
            wrong(scalar, at: node, key, "is out of range: \(limits(range, none: (-.infinity, .infinity), brief))")
            return fallback
        }
        return value
    }

    /// `true` or `false`. `"true"`, `yes` and `1` are errors.
    package mutating func bool(_ key: String, default fallback: Bool) -> Bool {
        guard let (scalar, node) = scalar(key, expecting: "`true` or `false`") else { return fallback }
        if case .boolean(let value) = scalar.meaning { return value }
        wrong(scalar, at: node, key, "is \(scalar.kind); `true` or `false` is expected\(scalar.advice)")
        return fallback
    }

    /// A text. A number or boolean without quotes is an error.
    package mutating func string(_ key: String, default fallback: String) -> String {
        stringIfPresent(key) ?? fallback
    }

    /// A text, or nil if the key is absent, null or wrong.
    package mutating func stringIfPresent(_ key: String) -> String? {
        guard let (scalar, node) = scalar(key, expecting: "text") else { return nil }
        return text(of: scalar, at: node, path: path(of: key))
    }

    /// A list of texts. One text stands for a list, split at commas without trimming, as in the Collector.
    package mutating func strings(_ key: String) -> [String] { placedStrings(key).map(\.text) }

    /// A list of texts with the places where they stand, for values that later turn out to be wrong.
    package mutating func placedStrings(_ key: String) -> [PlacedText] {
        guard let node = valued(key) else { return [] }
        switch node.value {
        case .list(let items):
            return items.enumerated().compactMap { index, item in
                let itemPath = "\(path(of: key))[\(index)]"
                guard case .scalar(let scalar) = item.value else {
                    problems.error(
                        "\(item.briefly) stands here; text is expected", at: item.position, keyPath: itemPath)
                    return nil
                }
                let text = text(of: scalar, at: item, path: itemPath)
                return text.map { PlacedText(text: $0, position: item.position, keyPath: itemPath) }
            }
        case .scalar(let scalar):
            let keyPath = path(of: key)
            let text = text(of: scalar, at: node, path: keyPath, expecting: "a list of texts")
            guard let text, !text.isEmpty else { return [] }
            return text.split(separator: ",", omittingEmptySubsequences: false).map {
                PlacedText(text: String($0), position: node.position, keyPath: keyPath)
            }
        case .map, .null:
            let message = "\(node.briefly) stands here; a list of texts is expected"
            problems.error(message, at: node.position, keyPath: path(of: key))
            return []
        }
    }

    /// One of the texts that an enumeration allows.
    package mutating func oneOf<Choice: RawRepresentable & CaseIterable>(_ key: String, default fallback: Choice)
        -> Choice
    where Choice.RawValue == String {
        guard let (scalar, node) = scalar(key, expecting: "text") else { return fallback }
        guard let text = text(of: scalar, at: node, path: path(of: key)) else { return fallback }
        if let choice = Choice(rawValue: text) { return choice }
        let allowed = Choice.allCases.map(\.rawValue)
        let nearest = nearestName(to: text, among: allowed).map { "; did you mean `\($0)`?" } ?? ";"
        let list = allowed.map { $0.isEmpty ? "\"\"" : $0 }.joined(separator: ", ")
        wrong(scalar, at: node, key, "is not known here\(nearest) allowed: \(list)")
        return fallback
    }

    /// The scalar under the key, or nil if the key is absent or null. Anything but a scalar is reported.
    private mutating func scalar(_ key: String, expecting expected: String) -> (ConfigScalar, ConfigNode)? {
        guard let node = valued(key) else { return nil }
        guard case .scalar(let scalar) = node.value else {
            problems.error(
                "\(node.briefly) stands here; \(expected) is expected", at: node.position, keyPath: path(of: key))
            return nil
        }
        return scalar.meaning == .null ? nil : (scalar, node)
    }

    private func text(of scalar: ConfigScalar, at node: ConfigNode, path: String, expecting expected: String = "text")
        -> String?
    {
        if scalar.meaning == .text || scalar.isSubstituted { return scalar.text }
        let advice = expected == "text" ? ": write \"\(clipped(scalar.text))\" with quotes" : ""
        problems.error(
            "\(scalar.shown) is \(scalar.kind); \(expected) is expected\(advice)", at: node.position, keyPath: path)
        return nil
    }

    private func wrong(_ scalar: ConfigScalar, at node: ConfigNode, _ key: String, _ message: String) {
        problems.error("\(scalar.shown) \(message)", at: node.position, keyPath: path(of: key))
    }
}

/// What to write instead of a text that is no duration.
private func hint(for error: GoDurationError, _ text: String) -> String {
    switch error {
    case .empty: "it is empty; write a number with a unit, such as `10s` or `500ms`"
    case .missingUnit: "a number lacks its unit (ns, us, ms, s, m, h); write for example `10s`"
    case .unknownUnit(let unit): "`\(clipped(unit))` is no unit; known units: ns, us, ms, s, m, h"
    case .malformed: "write a number with a unit, such as `10s` or `500ms`"
    case .overflow: "it is longer than 292 years"
    }
}

/// The allowed range in words, leaving out an end that is no limit.
private func limits<Bound: Comparable>(
    _ range: ClosedRange<Bound>?, none: (Bound, Bound), _ show: (Bound) -> String
) -> String {
    guard let range else { return "" }
    if range.upperBound >= none.1 { return "at least \(show(range.lowerBound)) is expected" }
    if range.lowerBound <= none.0, range.lowerBound != range.upperBound {
        return "at most \(show(range.upperBound)) is expected"
    }
    return "\(show(range.lowerBound)) to \(show(range.upperBound)) is expected"
}

/// A whole number without its `.0`.
private func brief(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
}

extension ConfigScalar {
    /// As a message shows it: with the quotes that made it text.
    var shown: String { isPlain ? "`\(clipped(text))`" : "\"\(clipped(text))\"" }

    var kind: String {
        switch meaning {
        case .text: "text"
        case .boolean: "a boolean"
        case .integer, .number: "a number"
        case .null: "empty"
        }
    }

    /// What to do about a number or boolean that was put in quotes.
    var advice: String {
        guard !isPlain else { return "" }
        let unquoted = ConfigScalar(text: text, isPlain: true)
        switch unquoted.meaning {
        case .boolean, .integer, .number: return ": write \(clipped(text)) without quotes"
        case .text, .null: return ""
        }
    }
}

extension ConfigNode {
    /// What kind of thing stands here, for messages.
    var briefly: String {
        switch value {
        case .null: "nothing"
        case .scalar(let scalar): scalar.shown
        case .list: "a list"
        case .map: "a map"
        }
    }
}

/// Text as a message may carry it: on one line and not longer than a message should be.
package func clipped(_ text: String, to length: Int = 60) -> String {
    let line = String(text.prefix(length).map { $0.isNewline || $0 == "\t" ? " " : $0 })
    return text.dropFirst(length).isEmpty ? line : line + "..."
}

/// One text of a list, with its place.
package struct PlacedText: Sendable, Equatable {
    package var text: String
    package var position: SourcePosition
    package var keyPath: String

    package init(text: String, position: SourcePosition, keyPath: String) {
        self.text = text
        self.position = position
        self.keyPath = keyPath
    }
}

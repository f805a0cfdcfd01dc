internal import ConfigTree

/// Values of attributes as they stand in a configuration.
enum AttributeValueReader {
    /// Reads the value under a key as the payload of an AnyValue: what YAML takes it for is what it becomes. Nil if there is
    /// none, or if it is wrong, which is reported.
    static func value(_ block: inout ConfigReader, _ key: String) -> [UInt8]? {
        guard let node = block.node(key) else { return nil }
        if case .null = node.value { return nil }
        if case .scalar(let scalar) = node.value, scalar.meaning == .null { return nil }
        return value(node, block.path(of: key), block.problems)
    }

    private static func value(_ node: ConfigNode, _ path: String, _ problems: ConfigProblems) -> [UInt8]? {
        switch node.value {
        case .null: return []
        case .scalar(let scalar): return self.scalar(scalar, node, path, problems)
        case .list(let items):
            let elements = items.enumerated().compactMap { value($1, "\(path)[\($0)]", problems) }
            return elements.count == items.count ? AnyValueBytes.list(elements) : nil
        case .map(let entries):
            var fields: [(key: [UInt8], value: [UInt8])] = []
            for entry in entries {
                guard let value = value(entry.value, "\(path).\(entry.key)", problems) else { return nil }
                fields.append((Array(entry.key.utf8), value))
            }
            return AnyValueBytes.map(fields)
        }
    }

    private static func scalar(
        _ scalar: ConfigScalar, _ node: ConfigNode, _ path: String, _ problems: ConfigProblems
    ) -> [UInt8]? {
        switch scalar.meaning {
        case .null: return []
        case .boolean(let value): return AnyValueBytes.bool(value)
        case .integer(let value): return AnyValueBytes.integer(Int64(value))
        case .number(let value):
            // A whole number between 2^63 and 2^64 keeps its 64 bits, as in the Collector.
            if let wide = UInt64(scalar.text) { return AnyValueBytes.integer(Int64(bitPattern: wide)) }
            return AnyValueBytes.double(value)
        case .text:
            if scalar.isPlain && isTimestamp(scalar.text) {
                problems.error(
                    "`\(clipped(scalar.text))` is a timestamp, which no attribute can hold: write \"\(clipped(scalar.text))\" with quotes",
                    at: node.position, keyPath: path)
                return nil
            }
            return AnyValueBytes.text(scalar.text)
        }
    }

    /// Whether YAML 1.1, which the Collector's library follows here, takes the text for a point in time: `2024-01-02`, or that
    /// with a time behind `T`, `t` or a blank.
    static func isTimestamp(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        func digits(_ range: ClosedRange<Int>) -> Bool {
            var count = 0
            while count < range.upperBound, let byte = rest.first, byte &- UInt8(ascii: "0") < 10 {
                rest.removeFirst()
                count += 1
            }
            return range.contains(count)
        }
        func byte(_ wanted: String) -> Bool {
            guard let first = rest.first, wanted.utf8.contains(first) else { return false }
            rest.removeFirst()
            return true
        }
        guard digits(4...4), byte("-"), digits(1...2), byte("-"), digits(1...2) else { return false }
        if rest.isEmpty { return true }
        let isBlank = rest.first == UInt8(ascii: " ")
        guard byte("Tt "), digits(1...2), byte(":"), digits(1...2), byte(":"), digits(1...2) else { return false }
        if byte("."), !digits(1...9) { return false }
        if isBlank && rest.isEmpty { return true }
        if byte("Z") { return rest.isEmpty }
        return byte("+-") && digits(1...2) && byte(":") && digits(1...2) && rest.isEmpty
    }
}

internal import Yams

// The YAML library hashes every key of a map to find duplicates. A key that is an alias, or a list with aliases in it,
// can stand for billions of values, so it has to be found before the library sees it. Nobody needs such keys.

extension YAMLTreeLoader {
    /// Where a key is an alias, a list or a map; nil if all keys are plain texts.
    ///
    /// Parses a copy of the text in which each alias is a text, at the same place.
    /// - Complexity: O(length); only a text that has anchors and aliases is parsed.
    static func placeOfUnusableKey(in text: String) throws -> (line: Int, column: Int)? {
        let bytes = text.utf8
        guard bytes.contains(UInt8(ascii: "&")), bytes.contains(UInt8(ascii: "*")) else { return nil }
        var scalars = String.UnicodeScalarView()
        var previous: Unicode.Scalar = "\n"
        for scalar in text.unicodeScalars {
            let beginsToken = " \t\r\n[{,?:-".unicodeScalars.contains(previous)
            scalars.append(scalar == "*" && beginsToken ? aliasMark : scalar)
            previous = scalar
        }
        guard let root = try Yams.compose(yaml: String(scalars), .basic, .default, .utf8) else { return nil }
        return unusableKey(below: root)
    }

    /// A character for private use: in a configuration that holds it, a key that begins with it is refused.
    private static let aliasMark: Unicode.Scalar = "\u{E000}"

    private static func unusableKey(below node: Node) -> (line: Int, column: Int)? {
        switch node {
        case .sequence(let items):
            for item in items {
                if let found = unusableKey(below: item) { return found }
            }
        case .mapping(let mapping):
            for (key, value) in mapping {
                if key.scalar.map({ $0.string.unicodeScalars.first == aliasMark }) ?? true {
                    return key.mark.map { ($0.line, $0.column) } ?? (1, 1)
                }
                if let found = unusableKey(below: value) { return found }
            }
        case .scalar, .alias: break
        }
        return nil
    }
}

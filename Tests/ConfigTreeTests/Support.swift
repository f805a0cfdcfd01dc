import ConfigTree
import Testing

/// A node at a line of a test file, so that positions in messages can be checked.
func plain(_ text: String, line: Int = 1, column: Int = 1) -> ConfigNode {
    ConfigNode(
        .scalar(ConfigScalar(text: text, isPlain: true)), at: SourcePosition(file: "t.yaml", line: line, column: column)
    )
}

/// A reader over one map, and where it reports to.
func reader(_ pairs: KeyValuePairs<String, ConfigNode>) -> (ConfigReader, ConfigProblems) {
    let problems = ConfigProblems()
    let entries = pairs.enumerated().map { index, pair in
        ConfigEntry(
            key: pair.key, keyPosition: SourcePosition(file: "t.yaml", line: index + 1, column: 1), value: pair.value)
    }
    let node = ConfigNode(.map(entries), at: SourcePosition(file: "t.yaml", line: 1, column: 1))
    return (ConfigReader(node, keyPath: "top", problems: problems), problems)
}

extension ConfigProblems {
    var messages: [String] { all.map(\.message) }
}

/// `#expect(a == b)` for calls of mutating functions, which the macro can't hold.
func same<Value: Equatable>(_ actual: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    #expect(actual == expected, sourceLocation: place)
}

/// Reads one map of a configuration strictly, and remembers which keys were asked for.
///
/// A reader never stops at a problem: it reports it and answers with the default, so that one pass finds everything.
/// Whoever takes a reader asks for each key that exists and then calls `finish()`, which reports the rest as unknown.
/// A key whose value is null counts as absent, except for `map(_:)`, `has(_:)` and `node(_:)`.
///
/// Scalars are decoded as strictly as the Collector does: text is no number, and a number is no text. Exceptions: a
/// fraction for an integer is cut off, one text for a list of texts is split at commas, a bare integer for a duration is
/// nanoseconds, and a value that came whole from a variable or a file may also stand for text.
package struct ConfigReader {
    /// From the top of the configuration to this map.
    package let keyPath: String
    /// Where the map begins.
    package let position: SourcePosition
    /// What is in the map, in the order of the file.
    package let keys: [ConfigEntry]
    /// The map, or what stands in its place.
    package let node: ConfigNode
    /// Where this reader reports to.
    package let problems: ConfigProblems
    /// Keys asked for, in order, for the list in `finish()`.
    private var known: [String] = []
    /// Keys that were answered with an error of their own.
    private var refused: Set<String> = []

    /// Null counts as an empty map; anything else but a map is a problem, and is then read as an empty map.
    package init(_ node: ConfigNode, keyPath: String, problems: ConfigProblems) {
        self.keyPath = keyPath
        self.node = node
        self.position = node.position
        self.problems = problems
        switch node.value {
        case .map(let entries): keys = entries
        case .null: keys = []
        case .scalar, .list:
            keys = []
            let message = "\(node.briefly) stands here; a map is expected (`key: value` lines)"
            problems.error(message, at: node.position, keyPath: keyPath)
        }
    }

    /// Whether the key is written, with whatever value. Does not count as asking for it.
    package func has(_ key: String) -> Bool { keys.contains { $0.key == key } }

    /// The key's value as it stands, null included; nil if the key is absent.
    package mutating func node(_ key: String) -> ConfigNode? {
        note(key)
        return keys.first { $0.key == key }?.value
    }

    /// A reader for the map under the key: nil if absent, an empty reader for null.
    package mutating func map(_ key: String) -> ConfigReader? {
        guard let node = node(key) else { return nil }
        return ConfigReader(node, keyPath: path(of: key), problems: problems)
    }

    /// The items of the list under the key; empty if absent.
    package mutating func list(_ key: String) -> [ConfigNode] {
        guard let node = valued(key) else { return [] }
        guard case .list(let items) = node.value else {
            let message = "\(node.briefly) stands here; a list is expected (`- item` lines)"
            problems.error(message, at: node.position, keyPath: path(of: key))
            return []
        }
        return items
    }

    /// One reader for each item of a list of maps.
    package mutating func maps(_ key: String) -> [ConfigReader] {
        list(key).enumerated().map { ConfigReader($1, keyPath: "\(path(of: key))[\($0)]", problems: problems) }
    }

    /// Reports keys that the Collector has and this program has not. A null value is as good as absent.
    /// - Parameter because: a whole clause, shown behind the key: "is not in Tailgate yet: ...".
    package mutating func notSupported(_ keys: [String], because reason: String) {
        for key in keys {
            refused.insert(key)
            guard let entry = self.keys.first(where: { $0.key == key }), entry.value.value != .null else { continue }
            problems.error("`\(key)` is not in Tailgate yet: \(reason)", at: entry.keyPosition, keyPath: path(of: key))
        }
    }

    /// Reports an error at the key's value, or at the map if the key is absent or nil.
    package mutating func error(_ message: String, key: String? = nil) {
        problems.error(message, at: place(of: key), keyPath: key.map(path(of:)) ?? keyPath)
    }

    /// Reports a warning at the key's value, or at the map if the key is absent or nil.
    package mutating func warning(_ message: String, key: String? = nil) {
        problems.warning(message, at: place(of: key), keyPath: key.map(path(of:)) ?? keyPath)
    }

    /// Reports every key that nobody asked for.
    package mutating func finish() {
        let asked = Set(known)
        for entry in keys where !asked.contains(entry.key) && !refused.contains(entry.key) {
            var message = "unknown key `\(clipped(entry.key))`"
            message += nearestName(to: entry.key, among: known).map { "; did you mean `\($0)`? " } ?? "; "
            message += known.isEmpty ? "no keys are known here" : "known keys: \(known.joined(separator: ", "))"
            problems.error(message, at: entry.keyPosition, keyPath: path(of: clipped(entry.key)))
        }
    }

    /// The key's path from the top.
    package func path(of key: String) -> String { keyPath.isEmpty ? key : "\(keyPath).\(key)" }

    /// The key's value unless absent or null.
    mutating func valued(_ key: String) -> ConfigNode? {
        guard let node = node(key), node.value != .null else { return nil }
        return node
    }

    private func place(of key: String?) -> SourcePosition {
        keys.first { $0.key == key }?.value.position ?? position
    }

    private mutating func note(_ key: String) {
        if !known.contains(key) { known.append(key) }
    }
}

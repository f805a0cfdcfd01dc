package import ConfigTree
internal import Yams

/// Turns YAML text into a tree with positions: aliases, merge keys and substitutions are resolved in it.
///
/// Everything wrong is reported to `problems`; the tree then holds null at that place. One loader loads one
/// configuration, so that its limits hold for all of its files together.
package struct YAMLTreeLoader {
    /// A file may be this large, in bytes.
    package static let maximumFileBytes = 10 << 20
    /// All files of a configuration together.
    package static let maximumTotalBytes = 64 << 20
    /// Maps and lists within each other.
    package static let maximumDepth = 64
    /// Values in the tree, counted after aliases are expanded: a file of a kilobyte can stand for billions.
    package static let maximumValues = 500_000
    /// Files that include each other.
    package static let maximumIncludes = 16

    let environment: ConfigurationEnvironment
    let problems: ConfigProblems
    var valuesLeft = YAMLTreeLoader.maximumValues
    var bytesLeft = YAMLTreeLoader.maximumTotalBytes
    /// Every file that was read, or was to be, in the order of first use.
    package private(set) var files: [String] = []
    /// The files being read, outermost first.
    var openFiles: [String] = []

    package init(environment: ConfigurationEnvironment, problems: ConfigProblems) {
        self.environment = environment
        self.problems = problems
    }

    /// The tree of a file; nil if the file can't be read or is no YAML.
    package mutating func load(path: String) -> ConfigNode? {
        let start = Place(position: SourcePosition(file: path, line: 1, column: 1), keyPath: "")
        let text = path == "-" && environment.standardInput != nil ? readStandardInput(for: start) : read(path, for: start)
        return text.flatMap { load(text: $0, file: path) }
    }

    /// The tree of a text that calls itself `file` in messages; `${file:...}` is relative to it.
    package mutating func load(text: String, file: String) -> ConfigNode? {
        openFiles.append(normalized(path: file))
        defer { openFiles.removeLast() }
        return tree(of: text, Place(position: SourcePosition(file: file, line: 1, column: 1), keyPath: ""))
    }

    /// Where a value stands, how deep, and under which key.
    struct Place {
        var position: SourcePosition
        var keyPath: String
        var depth = 0
        /// Positions inside the text mean nothing (it came from a variable): everything stands at `position`.
        var isFixed = false

        func inside(_ key: String, at mark: Mark?) -> Place {
            var place = self
            place.keyPath = keyPath.isEmpty ? key : key.hasPrefix("[") ? keyPath + key : "\(keyPath).\(key)"
            place.depth += 1
            return place.moved(to: mark)
        }

        func moved(to mark: Mark?) -> Place {
            moved(to: mark.map { ($0.line, $0.column) })
        }

        func moved(to place: (line: Int, column: Int)?) -> Place {
            guard let place, !isFixed else { return self }
            var moved = self
            moved.position.line = place.line
            moved.position.column = place.column
            return moved
        }
    }

    /// Parses a text; reports a syntax error at its position.
    mutating func tree(of text: String, _ place: Place) -> ConfigNode? {
        do {
            let start = text.hasPrefix("\u{FEFF}") ? String(text.unicodeScalars.dropFirst()) : text
            if let found = try Self.placeOfUnusableKey(in: start) {
                problems.error(
                    "a key must be a text, not a list, a map or an alias", at: place.moved(to: found).position,
                    keyPath: place.keyPath)
                return nil
            }
            guard let root = try Yams.compose(yaml: start, .basic, .default, .utf8) else {
                return ConfigNode(.null, at: place.position)
            }
            return convert(root, place.moved(to: root.mark))
        } catch {
            let (message, found) = explain(error)
            problems.error(message, at: place.moved(to: found).position, keyPath: place.keyPath)
            return nil
        }
    }

    /// One YAML node with everything below it.
    mutating func convert(_ node: Node, _ place: Place) -> ConfigNode {
        let nothing = ConfigNode(.null, at: place.position)
        guard valuesLeft > 0 else { return nothing }
        valuesLeft -= 1
        guard valuesLeft > 0 else {
            problems.error(
                "the configuration has more than \(Self.maximumValues) values once its aliases are expanded; that is the limit",
                at: place.position, keyPath: place.keyPath)
            return nothing
        }
        guard place.depth <= Self.maximumDepth else {
            problems.error(
                "maps and lists are nested more than \(Self.maximumDepth) deep; that is the limit", at: place.position,
                keyPath: place.keyPath)
            return nothing
        }
        switch node {
        case .scalar(let scalar): return convert(scalar, place)
        case .sequence(let sequence):
            var items: [ConfigNode] = []
            for (index, item) in sequence.enumerated() {
                guard valuesLeft > 0 else { break }
                items.append(convert(item, place.inside("[\(index)]", at: item.mark)))
            }
            return ConfigNode(.list(items), at: place.position)
        case .mapping(let mapping): return convert(mapping, place)
        case .alias: return nothing
        }
    }

    private mutating func convert(_ mapping: Node.Mapping, _ place: Place) -> ConfigNode {
        var entries: [ConfigEntry] = []
        var seen: Set<String> = []
        var merged: [Node] = []
        for (key, value) in mapping {
            guard valuesLeft > 0 else { break }
            let keyPlace = place.moved(to: key.mark)
            guard case .scalar(let name) = key else {
                problems.error(
                    "a key must be a text, not a list, a map or an alias", at: keyPlace.position, keyPath: place.keyPath
                )
                continue
            }
            if name.string == "<<", name.style == .plain {
                merged.append(value)
                continue
            }
            guard seen.insert(name.string).inserted else {
                problems.error(
                    "the key `\(clipped(name.string))` is written twice in this map; keep one of them",
                    at: keyPlace.position,
                    keyPath: place.keyPath)
                continue
            }
            let node = convert(value, place.inside(clipped(name.string), at: value.mark))
            entries.append(ConfigEntry(key: name.string, keyPosition: keyPlace.position, value: node))
        }
        for source in merged { merge(source, into: &entries, &seen, place) }
        return ConfigNode(.map(entries), at: place.position)
    }

    /// Adds what a merge key brings: keys written in the map itself win, then those merged first.
    private mutating func merge(
        _ source: Node, into entries: inout [ConfigEntry], _ seen: inout Set<String>, _ place: Place
    ) {
        let parts: [Node] = if case .sequence(let list) = source { Array(list) } else { [source] }
        for part in parts {
            guard valuesLeft > 0 else { return }
            let converted = convert(part, place.inside("<<", at: part.mark))
            guard case .map(let added) = converted.value else {
                problems.error(
                    "`<<` takes a map or a list of maps (aliases such as `*base`)", at: converted.position,
                    keyPath: place.keyPath)
                continue
            }
            for entry in added where seen.insert(entry.key).inserted { entries.append(entry) }
        }
    }

    private mutating func convert(_ scalar: Node.Scalar, _ place: Place) -> ConfigNode {
        let tag = scalar.tag.rawValue
        switch tag {
        case "", "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
            "tag:yaml.org,2002:bool",
            "tag:yaml.org,2002:null":
            break
        default:
            problems.error(
                "the YAML tag `\(clipped(tag))` means nothing here; leave it out", at: place.position,
                keyPath: place.keyPath)
            return ConfigNode(.null, at: place.position)
        }
        let isText = tag == "!" || tag == "tag:yaml.org,2002:str" || (tag.isEmpty && scalar.style != .plain)
        if scalar.string.utf8.contains(UInt8(ascii: "$")) { return substituted(scalar.string, isPlain: !isText, place) }
        return ConfigNode.scalar(ConfigScalar(text: scalar.string, isPlain: !isText), at: place.position)
    }

    /// Reads a file within the limits; reports what is wrong at the place of use.
    mutating func read(_ path: String, for place: Place) -> String? {
        if !files.contains(path) { files.append(path) }
        let read = environment.readFile
        return text("`\(clipped(path, to: 500))`", place) { (limit) throws(ConfigurationEnvironment.Unreadable) in
            try read(path, limit)
        }
    }

    private mutating func readStandardInput(for place: Place) -> String? {
        environment.standardInput.flatMap { text("standard input", place, $0) }
    }

    private mutating func text(
        _ name: String, _ place: Place, _ read: (_ limit: Int) throws(ConfigurationEnvironment.Unreadable) -> [UInt8]
    ) -> String? {
        func fail(_ reason: String) -> String? {
            problems.error("can't read \(name): \(reason)", at: place.position, keyPath: place.keyPath)
            return nil
        }
        let bytes: [UInt8]
        do {
            bytes = try read(Self.maximumFileBytes)
        } catch {
            return fail(error.reason)
        }
        guard bytes.count <= Self.maximumFileBytes else { return fail("it is larger than 10 MiB; that is the limit") }
        guard bytes.count <= bytesLeft else {
            return fail("the files of this configuration are larger than 64 MiB together; that is the limit")
        }
        bytesLeft -= bytes.count
        guard let text = String(validating: bytes, as: UTF8.self) else { return fail("it is not UTF-8 text") }
        return text
    }
}

extension ConfigNode {
    /// A scalar, or null if that is what it means.
    static func scalar(_ scalar: ConfigScalar, at position: SourcePosition) -> ConfigNode {
        ConfigNode(scalar.meaning == .null ? .null : .scalar(scalar), at: position)
    }
}

/// A syntax error in plain words, with its position in the text.
private func explain(_ error: any Error) -> (message: String, place: (line: Int, column: Int)?) {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
        YamlError.parser(let context, let problem, let mark, _),
        YamlError.composer(let context, let problem, let mark, _):
        let message = "this is not valid YAML: \(problem)" + (context.map { " \($0.text)" } ?? "")
        return (message, (mark.line, mark.column))
    case YamlError.reader(let problem, let offset, _, let yaml):
        return ("this is not valid YAML: \(problem)", offset.map { place(ofCharacter: $0, in: yaml) })
    case YamlError.duplicatedKeysInMapping(let names, let context):
        let keys = names.map { "`\(clipped($0))`" }.joined(separator: ", ")
        let message = "the key \(keys) is written twice in this map, here and below; keep one of them"
        return (message, (context.mark.line, context.mark.column))
    default:
        return ("this is not valid YAML: \(clipped("\(error)"))", nil)
    }
}

private func place(ofCharacter offset: Int, in text: String) -> (line: Int, column: Int) {
    let before = text.prefix(offset)
    let lineStart = before.lastIndex(where: \.isNewline).map { before.index(after: $0) } ?? before.startIndex
    return (before.count(where: \.isNewline) + 1, before[lineStart...].count + 1)
}

internal import ConfigTree

// `${env:NAME}`, `${env:NAME:-default}`, `${NAME}` and `${file:path}` in scalars; `$$` stands for one `$`.
//
// As in the Collector: a value that is nothing but one substitution is re-read as YAML (so a variable can hold a number
// or a list, and a file a whole section), and may also stand for text; inside a longer text the result is text. Unlike
// there, a variable that is not set is an error, and what a variable holds is not substituted again.

extension YAMLTreeLoader {
    /// Substitutions within one `${...}`.
    private static let maximumNesting = 8

    /// The value of a scalar that holds a `$`.
    mutating func substituted(_ text: String, isPlain: Bool, _ place: Place) -> ConfigNode {
        let bytes = Array(text.utf8)
        if bytes.count > 3, bytes[0] == UInt8(ascii: "$"), bytes[1] == UInt8(ascii: "{"),
            closingBrace(in: bytes, from: 2) == bytes.count - 1
        {
            return wholeValue(String(decoding: bytes[2..<bytes.count - 1], as: UTF8.self), place)
        }
        guard let result = expand(bytes, nesting: 0, place) else { return ConfigNode(.null, at: place.position) }
        return ConfigNode.scalar(
            ConfigScalar(text: result, isPlain: isPlain && !bytes.contains(UInt8(ascii: "{"))), at: place.position)
    }

    /// The value of a scalar that is one `${expression}` and nothing else.
    private mutating func wholeValue(_ expression: String, _ place: Place) -> ConfigNode {
        let nothing = ConfigNode(.null, at: place.position)
        guard let source = parse(expression, nesting: 0, place) else { return nothing }
        switch source {
        case .file(let path):
            let resolved = resolve(path, from: place.position.file)
            guard let text = include(resolved, place) else { return nothing }
            openFiles.append(normalized(path: resolved))
            defer { openFiles.removeLast() }
            var inner = Place(position: SourcePosition(file: resolved, line: 1, column: 1), keyPath: place.keyPath)
            inner.depth = place.depth
            guard let node = tree(of: text, inner) else { return nothing }
            return node.markedAsSubstituted(original: nil)
        case .text(let text):
            var inner = place
            inner.isFixed = true
            return reread(text, inner)
        }
    }

    /// A variable's value as YAML. What is no YAML is text, and so is what looks like a substitution.
    private mutating func reread(_ text: String, _ place: Place) -> ConfigNode {
        let literal = ConfigNode.scalar(
            ConfigScalar(text: text, isPlain: false, isSubstituted: true), at: place.position)
        guard !text.utf8.contains(UInt8(ascii: "$")) else { return literal }
        let found = ConfigProblems()
        var trial = YAMLTreeLoader(environment: environment, problems: found)
        trial.valuesLeft = valuesLeft
        trial.openFiles = openFiles
        guard let node = trial.tree(of: text, place), !found.hasErrors else { return literal }
        valuesLeft = trial.valuesLeft
        return node.markedAsSubstituted(original: text)
    }

    private enum Source {
        case text(String)
        case file(String)
    }

    /// What stands between the braces: which variable's value, or which file.
    private mutating func parse(_ expression: String, nesting: Int, _ place: Place) -> Source? {
        func fail(_ message: String) -> Source? {
            problems.error(message, at: place.position, keyPath: place.keyPath)
            return nil
        }
        guard let expression = expand(Array(expression.utf8), nesting: nesting + 1, place) else { return nil }
        var name = Substring(expression)
        if expression.hasPrefix("file:") {
            let path = String(expression.dropFirst(5))
            return path.isEmpty ? fail("`${file:}` names no file; write `${file:path}`") : .file(path)
        }
        if expression.hasPrefix("env:") { name = name.dropFirst(4) }
        var fallback: String?
        if let end = name.firstRange(of: ":-") {
            fallback = String(name[end.upperBound...])
            name = name[..<end.lowerBound]
        }
        guard isVariableName(name) else {
            if let scheme = name.firstIndex(of: ":").map({ name[..<$0] }), ["yaml", "http", "https"].contains(scheme) {
                return fail("`${\(scheme):...}` is not in Tailgate yet; `${env:NAME}` and `${file:path}` are")
            }
            let shown = clipped(expression)
            return fail(
                "`${\(shown)}` is no substitution; write `${env:NAME}`, `${env:NAME:-default}` or `${file:path}`, or `$${\(shown)}` for the text itself"
            )
        }
        if let value = environment.variable(String(name)) { return .text(value) }
        if let fallback { return .text(fallback) }
        return fail("the environment variable `\(name)` is not set; set it, or write `${env:\(name):-default}`")
    }

    /// A text with every substitution in it replaced; nil if one failed.
    private mutating func expand(_ bytes: [UInt8], nesting: Int, _ place: Place) -> String? {
        guard bytes.contains(UInt8(ascii: "$")) else { return String(decoding: bytes, as: UTF8.self) }
        guard nesting <= Self.maximumNesting else {
            problems.error(
                "`${...}` is nested more than \(Self.maximumNesting) deep", at: place.position, keyPath: place.keyPath)
            return nil
        }
        var result: [UInt8] = []
        var failed = false
        var index = 0
        while index < bytes.count {
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            guard bytes[index] == UInt8(ascii: "$"), next == UInt8(ascii: "$") || next == UInt8(ascii: "{") else {
                result.append(bytes[index])
                index += 1
                continue
            }
            if next == UInt8(ascii: "$") {
                result.append(next)
                index += 2
                continue
            }
            guard let end = closingBrace(in: bytes, from: index + 2) else {
                problems.error(
                    "`${` without its `}`; write `$${` for the text itself", at: place.position, keyPath: place.keyPath)
                return nil
            }
            let expression = String(decoding: bytes[index + 2..<end], as: UTF8.self)
            if let value = textValue(expression, nesting: nesting, place) {
                result += Array(value.utf8)
            } else {
                failed = true
            }
            index = end + 1
            if result.count > Self.maximumFileBytes {
                problems.error(
                    "the text is longer than 10 MiB once substituted", at: place.position, keyPath: place.keyPath)
                return nil
            }
        }
        return failed ? nil : String(decoding: result, as: UTF8.self)
    }

    /// A substitution inside a longer text. A file's last line break is not part of it.
    private mutating func textValue(_ expression: String, nesting: Int, _ place: Place) -> String? {
        switch parse(expression, nesting: nesting, place) {
        case .text(let text): return text
        case .file(let path):
            guard var text = include(resolve(path, from: place.position.file), place) else { return nil }
            while text.last?.isNewline == true { text.removeLast() }
            return text
        case nil: return nil
        }
    }

    /// Reads a file named in a file, unless that goes in a circle or too deep.
    private mutating func include(_ path: String, _ place: Place) -> String? {
        let key = normalized(path: path)
        if openFiles.contains(key) {
            let circle = (openFiles.drop { $0 != key } + [key]).joined(separator: " -> ")
            problems.error(
                "files include each other in a circle: \(circle)", at: place.position, keyPath: place.keyPath)
            return nil
        }
        guard openFiles.count < Self.maximumIncludes else {
            problems.error(
                "more than \(Self.maximumIncludes) files include each other", at: place.position, keyPath: place.keyPath
            )
            return nil
        }
        return read(path, for: place)
    }
}

extension ConfigNode {
    /// The same value, marked as one that may stand for text too.
    ///
    /// - Parameter original: what a variable holds; it is the text if YAML would take it for text, quotes and comment
    ///   signs included, since whoever sets a variable means each of its characters.
    func markedAsSubstituted(original: String?) -> ConfigNode {
        guard case .scalar(var scalar) = value else { return self }
        if scalar.meaning == .text, let original { scalar.text = original }
        scalar.isSubstituted = true
        return ConfigNode(.scalar(scalar), at: position)
    }
}

/// The index of the `}` that closes a `${` whose content starts at `start`.
private func closingBrace(in bytes: [UInt8], from start: Int) -> Int? {
    var depth = 1
    var index = start
    while index < bytes.count {
        if bytes[index] == UInt8(ascii: "$"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "{") {
            depth += 1
            index += 1
        } else if bytes[index] == UInt8(ascii: "}") {
            depth -= 1
            if depth == 0 { return index }
        }
        index += 1
    }
    return nil
}

private func isVariableName(_ name: Substring) -> Bool {
    guard let first = name.utf8.first, !(first &- UInt8(ascii: "0") < 10) else { return false }
    return name.utf8.allSatisfy {
        $0 == UInt8(ascii: "_") || $0 &- UInt8(ascii: "0") < 10 || ($0 | 0x20) &- UInt8(ascii: "a") < 26
    }
}

/// A path as the file that names it means it.
private func resolve(_ path: String, from file: String) -> String {
    guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
    return file[...slash] + path
}

/// The path without `.` and `..`, so that one file has one name.
func normalized(path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
    }
    return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
}

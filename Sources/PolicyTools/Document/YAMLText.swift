package import ConfigTree

/// A configuration tree as YAML that a person would have written: blocks, few quotes, comments where they are wanted.
package struct YAMLText {
    /// Comments to put above a node of a list or an entry of a map, by its path (`policies[2]`); without `# `.
    package var comments: [String: [String]] = [:]
    private var lines: [String] = []

    package init() {}

    /// The text of a tree, with a final newline.
    package mutating func text(_ root: ConfigNode) -> String {
        lines = []
        write(root, indent: 0, path: "")
        return lines.joined(separator: "\n") + "\n"
    }

    private mutating func comment(_ path: String, _ indent: Int) {
        for line in comments[path] ?? [] {
            lines.append(margin(indent) + (line.isEmpty ? "#" : "# " + line))
        }
    }

    private func margin(_ indent: Int) -> String { String(repeating: " ", count: indent) }

    private mutating func write(_ node: ConfigNode, indent: Int, path: String) {
        switch node.value {
        case .map(let entries):
            for entry in entries { write(entry, indent: indent, prefix: margin(indent), path: path) }
        case .list(let items):
            for (position, item) in items.enumerated() {
                let itemPath = "\(path)[\(position)]"
                comment(itemPath, indent)
                if let short = inline(item) {
                    lines.append(margin(indent) + "- " + short)
                } else if case .map(let entries) = item.value {
                    for (number, entry) in entries.enumerated() {
                        write(entry, indent: indent + 2, prefix: number == 0 ? margin(indent) + "- " : margin(indent + 2), path: itemPath)
                    }
                } else {
                    lines.append(margin(indent) + "-")
                    write(item, indent: indent + 2, path: itemPath)
                }
            }
        case .scalar, .null: lines.append(margin(indent) + (inline(node) ?? "~"))
        }
    }

    private mutating func write(_ entry: ConfigEntry, indent: Int, prefix: String, path: String) {
        let entryPath = path.isEmpty ? entry.key : "\(path).\(entry.key)"
        comment(entryPath, indent)
        let key = Self.quotedIfNeeded(entry.key, isKey: true)
        if let short = inline(entry.value) {
            lines.append(prefix + key + ":" + (short.isEmpty ? "" : " " + short))
        } else {
            lines.append(prefix + key + ":")
            write(entry.value, indent: indent + 2, path: entryPath)
        }
    }

    /// Scalars, empty things and short lists of scalars stand on one line.
    private func inline(_ node: ConfigNode) -> String? {
        switch node.value {
        case .null: return ""
        case .scalar(let scalar): return Self.text(scalar)
        case .list(let items):
            if items.isEmpty { return "[]" }
            let parts = items.compactMap { item -> String? in
                guard case .scalar(let scalar) = item.value else { return nil }
                let text = Self.text(scalar)
                // Inside brackets more characters have a meaning.
                return text.hasPrefix("\"") || text.hasPrefix("'") || !text.contains(where: { ",[]{}\u{E000}".contains($0) }) ? text : Self.quoted(scalar.text)
            }
            guard parts.count == items.count else { return nil }
            let line = "[" + parts.joined(separator: ", ") + "]"
            return line.count <= 80 ? line : nil
        case .map(let entries): return entries.isEmpty ? "{}" : nil
        }
    }

    private static func text(_ scalar: ConfigScalar) -> String {
        if scalar.isPlain && !scalar.text.isEmpty && scalar.meaning != .text { return scalar.text }
        return quotedIfNeeded(scalar.text, isKey: false)
    }

    private static func quotedIfNeeded(_ text: String, isKey: Bool) -> String {
        let plain = ConfigScalar(text: text, isPlain: true)
        guard plain.meaning == .text, let first = text.unicodeScalars.first, let last = text.unicodeScalars.last else {
            return quoted(text)
        }
        let isSpecialFirst = "-?:,[]{}#&*!|>'\"%@` =~".unicodeScalars.contains(first)
        let hasControl = text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
        let isYAML1Boolean = ["y", "n", "yes", "no", "on", "off"].contains(text.lowercased())
        if isSpecialFirst || hasControl || isYAML1Boolean || last == " " || last == ":" || text.contains(": ") || text.contains(" #")
            || text.contains("$")
        {
            return quoted(text)
        }
        return text
    }

    private static func quoted(_ text: String) -> String {
        // A `$` would begin a substitution.
        let doubled = text.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
        if !doubled.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "'" || $0.value == 0x7f }) { return "'\(doubled)'" }
        var result = "\""
        for scalar in doubled.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7f {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}

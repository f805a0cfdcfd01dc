/// The patterns of `replace_match`: `*` and `?`, `[a-z]`, `[!a-z]`, `{one,two}`, and `\` before a character that stands for
/// itself.
enum OTTLGlob {
    /// The same as a regular expression that must match the whole text; nil for a text that is no pattern.
    static func expression(_ pattern: String) -> String? {
        var output = "(?s)\\A(?:"
        var depth = 0
        var scalars = Array(pattern.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "*":
                while scalars.first == "*" { scalars.removeFirst() }
                output += ".*"
            case "?": output += "."
            case "\\":
                guard let next = scalars.popFirst() else { return nil }
                output += quoted(next)
            case "[":
                guard let end = scalars.firstIndex(of: "]"), let members = members(scalars[..<end]) else { return nil }
                output += members
                scalars = scalars[(end + 1)...]
            case "{":
                output += "(?:"
                depth += 1
            case "}" where depth > 0:
                output += ")"
                depth -= 1
            case "," where depth > 0: output += "|"
            default: output += quoted(scalar)
            }
        }
        return depth == 0 ? output + ")\\z" : nil
    }

    private static func members(_ scalars: ArraySlice<Unicode.Scalar>) -> String? {
        var rest = scalars
        var output = "["
        if rest.first == "!" {
            rest.removeFirst()
            output += "^"
        }
        guard !rest.isEmpty else { return nil }
        let all = Array(rest)
        for (index, scalar) in all.enumerated() {
            output += scalar == "-" && index > 0 && index + 1 < all.count ? "-" : quoted(scalar)
        }
        return output + "]"
    }

    /// Letters and digits stand for themselves, and so does what is not ASCII.
    private static func quoted(_ scalar: Unicode.Scalar) -> String {
        let isPlain = scalar.value >= 0x80 || (scalar.value < 0x80 && (OTTLLexer.isLetter(UInt8(scalar.value))
            || OTTLLexer.isDigit(UInt8(scalar.value)) || scalar == " " || scalar == "_"))
        return (isPlain ? "" : "\\") + String(Character(scalar))
    }
}

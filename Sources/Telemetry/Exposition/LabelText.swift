/// Labels as both exposition formats print them.
enum LabelText {
    /// `name="value",name="value"`, with `\`, `"` and line feed escaped in the values.
    static func bytes(names: [String], values: [String]) -> [UInt8] {
        var out: [UInt8] = []
        for (name, value) in zip(names, values) {
            if !out.isEmpty { out.append(UInt8(ascii: ",")) }
            out += Array(name.utf8)
            out += [UInt8(ascii: "="), UInt8(ascii: "\"")]
            append(value, escapingQuotes: true, to: &out)
            out.append(UInt8(ascii: "\""))
        }
        return out
    }

    /// Appends text with backslash and line feed escaped, and double quotes where that is the rule
    /// (label values; HELP in OpenMetrics but not in text 0.0.4).
    static func append(_ text: String, escapingQuotes: Bool, to out: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): out += [byte, byte]
            case UInt8(ascii: "\n"): out += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case UInt8(ascii: "\"") where escapingQuotes: out += [UInt8(ascii: "\\"), byte]
            default: out.append(byte)
            }
        }
    }
}

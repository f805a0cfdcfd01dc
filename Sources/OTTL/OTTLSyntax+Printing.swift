/// Trees back to text: what is printed parses to an equal tree.
extension OTTLBoolean: CustomStringConvertible {
    var description: String {
        switch self {
        case .any(let operands): operands.map { $0.operand(isInside: .any) }.joined(separator: " or ")
        case .all(let operands): operands.map { $0.operand(isInside: .all) }.joined(separator: " and ")
        case .not(let operand): "not \(operand.operand(isInside: .not))"
        case .comparison(let left, let comparison, let right, _): "\(left) \(comparison.symbol) \(right)"
        case .constant(let value): "\(value)"
        case .call(let call): "\(call)"
        }
    }

    private enum Container { case any, all, not }

    /// The text with the parentheses that it needs as an operand.
    private func operand(isInside container: Container) -> String {
        let needsParentheses =
            switch (self, container) {
            case (.any, _): true
            case (.all, .all), (.all, .not): true
            case (.not, .not): true
            default: false
            }
        return needsParentheses ? "(\(self))" : "\(self)"
    }
}

extension OTTLStatementSyntax: CustomStringConvertible {
    var description: String { "\(editor)" + (condition.map { " where \($0)" } ?? "") }
}

extension OTTLExpression: CustomStringConvertible {
    var description: String {
        switch self {
        case .null: return "nil"
        case .bool(let value): return "\(value)"
        case .int(let value): return "\(value)"
        case .double(let value): return Self.text(value)
        case .string(let bytes): return Self.quoted(bytes)
        case .bytes(let bytes): return "0x" + bytes.map { Self.hex($0) }.joined()
        case .symbol(let name, _): return name
        case .list(let items): return "[" + items.map { "\($0)" }.joined(separator: ", ") + "]"
        case .map(let items):
            return "{" + items.map { "\(Self.quoted($0.key)): \($0.value)" }.joined(separator: ", ") + "}"
        case .path(let path): return "\(path)"
        case .call(let call): return "\(call)"
        case .negated(let operand, _):
            if case .negated = operand { return "-(\(operand))" }
            return "-\(operand.factor)"
        case .chain(let first, let links):
            let isProduct = links.contains { $0.symbol == .multiply || $0.symbol == .divide }
            var text = isProduct ? first.factor : first.term
            for link in links {
                text += " \(link.symbol.symbol) \(isProduct ? link.operand.factor : link.operand.term)"
            }
            return text
        }
    }

    /// As an operand of + and -.
    private var term: String {
        guard case .chain(_, let links) = self else { return description }
        return links.contains { $0.symbol == .add || $0.symbol == .subtract } ? "(\(self))" : description
    }

    /// As an operand of * and /.
    private var factor: String {
        switch self {
        case .chain: "(\(self))"
        default: description
        }
    }

    private static func text(_ value: Double) -> String {
        let text = "\(value)"
        guard let exponent = text.firstIndex(of: "e"), !text[..<exponent].contains(".") else { return text }
        return text[..<exponent] + ".0" + text[exponent...]
    }

    static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }

    static func quoted(_ bytes: [UInt8]) -> String {
        var text = "\""
        if let valid = String(validating: bytes, as: UTF8.self) {
            for scalar in valid.unicodeScalars {
                switch scalar {
                case "\"": text += "\\\""
                case "\\": text += "\\\\"
                case "\n": text += "\\n"
                case "\t": text += "\\t"
                case "\r": text += "\\r"
                case _ where scalar.value < 0x20 || scalar.value == 0x7f: text += "\\x" + hex(UInt8(scalar.value))
                default: text.unicodeScalars.append(scalar)
                }
            }
        } else {
            for byte in bytes {
                switch byte {
                case UInt8(ascii: "\""): text += "\\\""
                case UInt8(ascii: "\\"): text += "\\\\"
                case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
                default: text += "\\x" + hex(byte)
                }
            }
        }
        return text + "\""
    }
}

extension OTTLPathSyntax: CustomStringConvertible {
    var description: String {
        fields.map { $0.name + $0.keys.map { "\($0)" }.joined() }.joined(separator: ".")
    }
}

extension OTTLKeySyntax: CustomStringConvertible {
    var description: String { "[\(value)]" }
}

extension OTTLCall: CustomStringConvertible {
    var description: String {
        let arguments = arguments.map { $0.name.isEmpty ? "\($0.value)" : "\($0.name)=\($0.value)" }
        return "\(name)(\(arguments.joined(separator: ", ")))" + keys.map { "\($0)" }.joined()
    }
}

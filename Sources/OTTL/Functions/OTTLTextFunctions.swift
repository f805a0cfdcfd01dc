internal import OTLP

/// Functions of texts.
extension OTTLProgram {
    func callTexts(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        switch function {
        case .concat: return try concat(node, &input)
        case .format: return try format(node, &input)
        case .substring: return try substring(node, &input)
        default: break
        }
        let text = try bytesArgument(0, node, &input)
        switch function {
        case .toLowerCase: return .text(OTTLCase.lower(text))
        case .toUpperCase: return .text(OTTLCase.upper(text))
        case .toSnakeCase: return .text(OTTLCase.snake(text))
        case .toCamelCase: return .text(OTTLCase.camel(text))
        case .convertCase:
            switch try bytesArgument(1, node, &input).first {
            case UInt8(ascii: "l"): return .text(OTTLCase.lower(text))
            case UInt8(ascii: "u"): return .text(OTTLCase.upper(text))
            case UInt8(ascii: "s"): return .text(OTTLCase.snake(text))
            default: return .text(OTTLCase.camel(text))
            }
        case .split:
            let parts = Self.split(text, try bytesArgument(1, node, &input))
            return .list(.owned(parts.map { .text($0) }))
        case .trim:
            let characters = String(decoding: try bytesArgument(1, default: " ", node, &input), as: UTF8.self).unicodeScalars
            var rest = String(decoding: text, as: UTF8.self).unicodeScalars[...]
            while let first = rest.first, characters.contains(first) { rest.removeFirst() }
            while let last = rest.last, characters.contains(last) { rest.removeLast() }
            return .text(Array(String(rest).utf8))
        case .trimPrefix:
            let prefix = try bytesArgument(1, node, &input)
            return .text(text.starts(with: prefix) ? Array(text.dropFirst(prefix.count)) : text)
        case .trimSuffix:
            let suffix = try bytesArgument(1, node, &input)
            return .text(ByteSpans.hasSuffix(text.span, suffix.span) ? Array(text.dropLast(suffix.count)) : text)
        default: return .null
        }
    }

    /// As Go's `strings.Split`: an empty delimiter splits after every character.
    static func split(_ text: [UInt8], _ delimiter: [UInt8]) -> [[UInt8]] {
        guard !delimiter.isEmpty else {
            return String(decoding: text, as: UTF8.self).unicodeScalars.map { Array(String($0).utf8) }
        }
        var parts: [[UInt8]] = []
        var start = 0
        while let end = ByteSpans.firstRange(of: delimiter.span, in: text.span, from: start) {
            parts.append(Array(text[start..<end]))
            start = end + delimiter.count
        }
        parts.append(Array(text[start...]))
        return parts
    }

    private func concat(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let items = try listArgument(0, node, &input)
        let delimiter = try bytesArgument(1, node, &input)
        var result: [UInt8] = []
        for (index, item) in items.enumerated() {
            if index > 0 { result += delimiter }
            result += try text(of: item, input, column: node.column) ?? Array("<nil>".utf8)
            guard result.count <= OTTLLimits.maximumValueBytes else {
                throw OTTLEvaluationError(.tooLarge, column: node.column)
            }
        }
        return .text(result)
    }

    /// `start` and `length` in bytes. With `utf8_safe` the start moves on to the next character and the end back to the
    /// last, so that none is cut.
    private func substring(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let start = try integerArgument(1, node, &input)
        let length = try integerArgument(2, node, &input)
        let text = try bytesArgument(0, node, &input)
        guard start >= 0, length > 0, start <= text.count, length <= Int64(text.count) - start else {
            throw OTTLEvaluationError(.argumentOutOfRange, column: node.column)
        }
        var lower = Int(start)
        var upper = Int(start + length)
        if try boolArgument(3, node, &input) {
            while lower < upper, text[lower] & 0xc0 == 0x80 { lower += 1 }
            while upper > lower, upper < text.count, text[upper] & 0xc0 == 0x80 { upper -= 1 }
        }
        return .text(Array(text[lower..<upper]))
    }

    /// Go's `fmt.Sprintf`, as far as values of OTTL go: `%v %s %d %f %e %g %x %X %q %t %c %o %b %U %%` with flags, width
    /// and precision.
    private func format(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let layout = try bytesArgument(0, node, &input)
        let items = try listArgument(1, node, &input)
        var result: [UInt8] = []
        var next = 0
        var index = 0
        while index < layout.count {
            guard layout[index] == UInt8(ascii: "%") else {
                result.append(layout[index])
                index += 1
                continue
            }
            var directive = OTTLFormatDirective()
            index = directive.read(layout, index + 1)
            if directive.verb == 0 {
                result += Array("%!(NOVERB)".utf8)
            } else if directive.verb == UInt8(ascii: "%") {
                result.append(UInt8(ascii: "%"))
            } else if next < items.count {
                let text = try text(of: items[next], input, column: node.column)
                result += directive.apply(items[next], text)
                next += 1
            } else {
                result += Array("%!".utf8) + [directive.verb] + Array("(MISSING)".utf8)
            }
            guard result.count <= OTTLLimits.maximumValueBytes else {
                throw OTTLEvaluationError(.tooLarge, column: node.column)
            }
        }
        return .text(result)
    }
}

/// One `%...` of a format.
struct OTTLFormatDirective {
    private(set) var verb: UInt8 = 0
    private var isLeft = false
    private var hasZeros = false
    private var hasPlus = false
    private var hasSpace = false
    private var hasSharp = false
    private var width = 0
    private var precision: Int?

    /// Wider fields are cut to this.
    private static let maximumWidth = 1_024

    init() {}

    /// Reads flags, width, precision and verb from `start` on; returns the offset behind them.
    mutating func read(_ layout: [UInt8], _ start: Int) -> Int {
        var index = start
        flags: while index < layout.count {
            switch layout[index] {
            case UInt8(ascii: "-"): isLeft = true
            case UInt8(ascii: "0"): hasZeros = true
            case UInt8(ascii: "+"): hasPlus = true
            case UInt8(ascii: " "): hasSpace = true
            case UInt8(ascii: "#"): hasSharp = true
            default: break flags
            }
            index += 1
        }
        func number() -> Int {
            var value = 0
            while index < layout.count, OTTLLexer.isDigit(layout[index]) {
                value = min(value * 10 + Int(layout[index] - 0x30), Self.maximumWidth)
                index += 1
            }
            return value
        }
        width = number()
        if index < layout.count, layout[index] == UInt8(ascii: ".") {
            index += 1
            precision = min(number(), 100)
        }
        guard index < layout.count else { return index }
        verb = layout[index]
        return index + 1
    }

    /// - Parameter text: the value as text, nil for nil.
    func apply(_ value: OTTLValue, _ text: [UInt8]?) -> [UInt8] {
        var body: String
        var isNumber = false
        let plain = String(decoding: text ?? Array("<nil>".utf8), as: UTF8.self)
        switch (Character(Unicode.Scalar(verb)), value) {
        case ("v", .int(let number)), ("d", .int(let number)):
            body = signed(number)
            isNumber = true
        case ("x", .int(let number)), ("X", .int(let number)), ("o", .int(let number)), ("b", .int(let number)):
            let radix = verb == UInt8(ascii: "o") ? 8 : verb == UInt8(ascii: "b") ? 2 : 16
            body = String(number, radix: radix, uppercase: verb == UInt8(ascii: "X"))
            if hasSharp, radix == 16 { body = (number < 0 ? "-0x" : "0x") + body.drop { $0 == "-" } }
            isNumber = true
        case ("c", .int(let number)):
            body = Unicode.Scalar(UInt32(truncatingIfNeeded: number)).map { String(Character($0)) } ?? "\u{fffd}"
        case ("f", .double(let number)), ("F", .double(let number)):
            body = (hasPlus && number >= 0 ? "+" : "") + Self.fixed(number, precision ?? 6)
            isNumber = true
        case ("v", .double(let number)), ("g", .double(let number)):
            body = (hasPlus && number >= 0 ? "+" : "") + (OTTLNumbers.text(number) ?? "\(number)")
            isNumber = true
        case ("t", .bool), ("v", _), ("s", .string), ("s", .null): body = precision.map { String(plain.prefix($0)) } ?? plain
        case ("q", .string): body = OTTLExpression.quoted(text ?? [])
        case ("x", .string), ("X", .string):
            body = String(decoding: OTTLProgram.hexDigits(text ?? []), as: UTF8.self)
            if verb == UInt8(ascii: "X") { body = body.uppercased() }
        default: body = "%!" + String(decoding: [verb], as: UTF8.self) + "(\(Self.goType(value))=\(plain))"
        }
        let missing = width - body.unicodeScalars.count
        guard missing > 0 else { return Array(body.utf8) }
        if isLeft { return Array((body + String(repeating: " ", count: missing)).utf8) }
        guard hasZeros, isNumber else { return Array((String(repeating: " ", count: missing) + body).utf8) }
        let sign = body.first == "-" || body.first == "+" ? String(body.removeFirst()) : ""
        return Array((sign + String(repeating: "0", count: missing) + body).utf8)
    }

    private func signed(_ number: Int64) -> String {
        number < 0 ? "\(number)" : hasPlus ? "+\(number)" : hasSpace ? " \(number)" : "\(number)"
    }

    /// With this many digits behind the point, correctly rounded.
    private static func fixed(_ value: Double, _ precision: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
        var (digits, point) = value == 0 ? ([0x30], 1) : OTTLNumbers.decimal(value.magnitude)
        let wanted = point + precision
        if wanted < 0 {
            (digits, point) = ([0x30], 1)
        } else if wanted < digits.count {
            // The shortest digits stand for the double: rounding them is right but for ties that were none.
            let isUp = digits[wanted] >= UInt8(ascii: "5")
            digits = Array(digits[..<wanted])
            var index = wanted - 1
            var carries = isUp
            while carries, index >= 0 {
                carries = digits[index] == UInt8(ascii: "9")
                digits[index] = carries ? UInt8(ascii: "0") : digits[index] + 1
                index -= 1
            }
            if carries {
                digits.insert(UInt8(ascii: "1"), at: 0)
                point += 1
            }
            if digits.isEmpty { (digits, point) = ([0x30], 1) }
        }
        var text = OTTLNumbers.plain(digits, point)
        let fraction = text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
        if precision > 0 {
            if fraction == 0 { text += "." }
            text += String(repeating: "0", count: max(0, precision - fraction))
        }
        return (value < 0 ? "-" : "") + text
    }

    private static func goType(_ value: OTTLValue) -> String {
        switch value.kind {
        case .null: "<nil>"
        case .bool: "bool"
        case .int: "int64"
        case .double: "float64"
        case .string: "string"
        case .bytes: "[]uint8"
        case .list: "[]interface {}"
        case .map: "map[string]interface {}"
        case .time: "time.Time"
        case .duration: "time.Duration"
        default: "value"
        }
    }
}

/// One word, number or sign of a condition.
struct OTTLToken: Equatable {
    enum Kind: Equatable {
        /// `0x` and hex digits.
        case bytes
        case float
        case integer
        /// A quoted text, quotes included.
        case string
        /// `[a-z][a-z0-9_]*`: a part of a path, or the name of an argument.
        case lowercase
        /// `[A-Z][A-Z0-9_]*`: an enum, or a function.
        case uppercase
        /// Letters of both cases, the first a capital: a function.
        case capitalized
        /// Letters of both cases, the first a small one: the name of an argument.
        case camelCase
        case not, or, and, `true`, `false`, `nil`
        case comparison(OTTLComparison)
        case plus, minus, star, slash
        case equal, leftParenthesis, rightParenthesis, leftBrace, rightBrace, leftBracket, rightBracket
        case colon, comma, dot
        case end
    }

    var kind: Kind
    /// Where it lies in the text, in bytes.
    var range: Range<Int>
    /// In characters, the first being 1.
    var column: Int
}

/// Splits a condition into tokens.
///
/// The rules are those of the Collector's grammar: numbers carry no sign, a float needs a point, keywords are lowercase.
struct OTTLLexer {
    private let text: [UInt8]
    private var offset = 0
    private var column = 1

    /// All tokens of `text`, an `end` last.
    /// - Complexity: O(length), which is bounded by `OTTLLimits.maximumLength`.
    static func tokens(_ text: [UInt8]) throws(OTTLError) -> [OTTLToken] {
        guard text.count <= OTTLLimits.maximumLength else {
            throw OTTLError(
                column: 1, message: "the condition has \(text.count) bytes; at most \(OTTLLimits.maximumLength) are allowed")
        }
        var lexer = OTTLLexer(text: text)
        var tokens: [OTTLToken] = []
        while let token = try lexer.next() { tokens.append(token) }
        tokens.append(OTTLToken(kind: .end, range: text.count..<text.count, column: lexer.column))
        return tokens
    }

    private init(text: [UInt8]) { self.text = text }

    private func byte(_ ahead: Int = 0) -> UInt8 {
        let index = offset + ahead
        return index < text.count ? text[index] : 0
    }

    /// Moves on by `count` bytes and counts characters.
    private mutating func advance(_ count: Int) {
        for index in offset..<min(offset + count, text.count) where text[index] & 0xc0 != 0x80 { column += 1 }
        offset = min(offset + count, text.count)
    }

    private mutating func take(_ kind: OTTLToken.Kind, _ count: Int) -> OTTLToken {
        let token = OTTLToken(kind: kind, range: offset..<(offset + count), column: column)
        advance(count)
        return token
    }

    private mutating func next() throws(OTTLError) -> OTTLToken? {
        while offset < text.count, [0x20, 0x09, 0x0a, 0x0c, 0x0d].contains(text[offset]) { advance(1) }
        guard offset < text.count else { return nil }
        let first = byte()
        if Self.isDigit(first) || (first == UInt8(ascii: ".") && Self.isDigit(byte(1))) { return try number() }
        if first == UInt8(ascii: "\"") { return try string() }
        if Self.isLetter(first) { return word() }
        return try sign(first)
    }

    // MARK: numbers

    private mutating func number() throws(OTTLError) -> OTTLToken {
        if byte() == UInt8(ascii: "0"), byte(1) == UInt8(ascii: "x") {
            var count = 2
            while Self.isHexDigit(byte(count)) { count += 1 }
            guard count > 2, count % 2 == 0 else {
                throw OTTLError(
                    column: column,
                    message: "bytes are written as 0x and an even number of hex digits, at least two, such as 0x0aff")
            }
            return take(.bytes, count)
        }
        var count = 0
        while Self.isDigit(byte(count)) { count += 1 }
        guard byte(count) == UInt8(ascii: ".") else {
            if byte(count) | 0x20 == UInt8(ascii: "e"), exponent(at: count) > 0 {
                throw OTTLError(
                    column: column, message: "a number with an exponent needs a point, such as 1.0e3")
            }
            return take(.integer, count)
        }
        count += 1
        while Self.isDigit(byte(count)) { count += 1 }
        return take(.float, count + exponent(at: count))
    }

    /// The length of the exponent that begins at `count`, 0 if there is none.
    private func exponent(at count: Int) -> Int {
        guard byte(count) | 0x20 == UInt8(ascii: "e") else { return 0 }
        var length = 1
        if byte(count + 1) == UInt8(ascii: "+") || byte(count + 1) == UInt8(ascii: "-") { length = 2 }
        let digits = length
        while Self.isDigit(byte(count + length)) { length += 1 }
        return length > digits ? length : 0
    }

    // MARK: texts and words

    private mutating func string() throws(OTTLError) -> OTTLToken {
        var count = 1
        while offset + count < text.count, byte(count) != UInt8(ascii: "\"") {
            count += byte(count) == UInt8(ascii: "\\") ? 2 : 1
        }
        guard offset + count < text.count else {
            throw OTTLError(column: column, message: "this text has no closing double quote")
        }
        return take(.string, count + 1)
    }

    private mutating func word() -> OTTLToken {
        var count = 0
        var hasSmall = false
        var hasCapital = false
        while true {
            let next = byte(count)
            if Self.isSmall(next) {
                hasSmall = true
            } else if Self.isCapital(next) {
                hasCapital = true
            } else if !Self.isDigit(next), next != UInt8(ascii: "_") {
                break
            }
            count += 1
        }
        let kind: OTTLToken.Kind
        if Self.isCapital(byte()) {
            kind = hasSmall ? .capitalized : .uppercase
        } else if hasCapital {
            kind = .camelCase
        } else {
            kind = Self.keywords[Array(text[offset..<(offset + count)])] ?? .lowercase
        }
        return take(kind, count)
    }

    private static let keywords: [[UInt8]: OTTLToken.Kind] = [
        Array("not".utf8): .not, Array("or".utf8): .or, Array("and".utf8): .and, Array("true".utf8): .true,
        Array("false".utf8): .false, Array("nil".utf8): .nil,
    ]

    // MARK: signs

    private mutating func sign(_ first: UInt8) throws(OTTLError) -> OTTLToken {
        let second = byte(1)
        let isEqual = second == UInt8(ascii: "=")
        switch first {
        case UInt8(ascii: "="): return isEqual ? take(.comparison(.equal), 2) : take(.equal, 1)
        case UInt8(ascii: "<"): return isEqual ? take(.comparison(.lessOrEqual), 2) : take(.comparison(.less), 1)
        case UInt8(ascii: ">"): return isEqual ? take(.comparison(.greaterOrEqual), 2) : take(.comparison(.greater), 1)
        case UInt8(ascii: "!"):
            if isEqual { return take(.comparison(.notEqual), 2) }
            throw OTTLError(column: column, message: "`!` is no operator; write `not`")
        case UInt8(ascii: "+"): return take(.plus, 1)
        case UInt8(ascii: "-"): return take(.minus, 1)
        case UInt8(ascii: "*"): return take(.star, 1)
        case UInt8(ascii: "/"): return take(.slash, 1)
        case UInt8(ascii: "("): return take(.leftParenthesis, 1)
        case UInt8(ascii: ")"): return take(.rightParenthesis, 1)
        case UInt8(ascii: "{"): return take(.leftBrace, 1)
        case UInt8(ascii: "}"): return take(.rightBrace, 1)
        case UInt8(ascii: "["): return take(.leftBracket, 1)
        case UInt8(ascii: "]"): return take(.rightBracket, 1)
        case UInt8(ascii: ":"): return take(.colon, 1)
        case UInt8(ascii: ","): return take(.comma, 1)
        case UInt8(ascii: "."): return take(.dot, 1)
        default: throw OTTLError(column: column, message: strangerMessage(first))
        }
    }

    private func strangerMessage(_ first: UInt8) -> String {
        switch first {
        case UInt8(ascii: "&"): return "`&` is no operator; write `and`"
        case UInt8(ascii: "|"): return "`|` is no operator; write `or`"
        case UInt8(ascii: "'"), UInt8(ascii: "`"): return "texts stand in double quotes"
        case UInt8(ascii: "%"): return "`%` is no operator; there are + - * /"
        case UInt8(ascii: "_"): return "names begin with a letter"
        default:
            let character = String(decoding: text[offset...].prefix(4), as: UTF8.self).prefix(1)
            return "`\(character)` can't stand in a condition"
        }
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    static func isSmall(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 }
    static func isCapital(_ byte: UInt8) -> Bool { byte &- 0x41 < 26 }
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    static func isHexDigit(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- 0x61 < 6 }
}

/// Reads JSON (RFC 8259) as `ParseJSON` gives it: numbers are doubles.
struct OTTLJSONReader {
    private let text: [UInt8]
    private var offset = 0

    /// The value of a whole text; nil if it is no JSON, or nested deeper than `OTTLLimits.maximumValueDepth`.
    static func read(_ text: [UInt8]) -> OTTLValue? {
        var reader = OTTLJSONReader(text: text)
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipBlanks()
        return reader.offset == text.count ? value : nil
    }

    private init(text: [UInt8]) { self.text = text }

    private var byte: UInt8 { offset < text.count ? text[offset] : 0 }

    private mutating func skipBlanks() {
        while offset < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[offset]) { offset += 1 }
    }

    private mutating func take(_ wanted: UInt8) -> Bool {
        skipBlanks()
        guard offset < text.count, text[offset] == wanted else { return false }
        offset += 1
        return true
    }

    private mutating func take(word: String) -> Bool {
        guard text[offset...].starts(with: word.utf8) else { return false }
        offset += word.utf8.count
        return true
    }

    private mutating func value(depth: Int) -> OTTLValue? {
        guard depth < OTTLLimits.maximumValueDepth else { return nil }
        skipBlanks()
        switch byte {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return string().map { .text($0) }
        case UInt8(ascii: "t"): return take(word: "true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return take(word: "false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> OTTLValue? {
        offset += 1
        var entries: [OTTLEntry] = []
        if take(UInt8(ascii: "}")) { return .map(.owned([])) }
        repeat {
            skipBlanks()
            guard byte == UInt8(ascii: "\""), let key = string(), take(UInt8(ascii: ":")),
                let value = value(depth: depth + 1)
            else { return nil }
            entries.append(OTTLEntry(key: .owned(key), value: value))
        } while take(UInt8(ascii: ","))
        // Of equal keys the last one counts in JSON; maps take the first.
        return take(UInt8(ascii: "}")) ? .map(.owned(entries.reversed())) : nil
    }

    private mutating func array(depth: Int) -> OTTLValue? {
        offset += 1
        var items: [OTTLValue] = []
        if take(UInt8(ascii: "]")) { return .list(.owned([])) }
        repeat {
            guard let item = value(depth: depth + 1) else { return nil }
            items.append(item)
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]")) ? .list(.owned(items)) : nil
    }

    private mutating func number() -> OTTLValue? {
        let start = offset
        if byte == UInt8(ascii: "-") { offset += 1 }
        let hasLeadingZero = byte == UInt8(ascii: "0")
        let whole = digits()
        guard whole == 1 || (whole > 1 && !hasLeadingZero) else { return nil }
        if byte == UInt8(ascii: ".") {
            offset += 1
            guard digits() > 0 else { return nil }
        }
        if byte | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { offset += 1 }
            guard digits() > 0 else { return nil }
        }
        return OTTLNumbers.double(text[start..<offset]).map { .double($0) }
    }

    private mutating func digits() -> Int {
        let start = offset
        while OTTLLexer.isDigit(byte) { offset += 1 }
        return offset - start
    }

    private mutating func string() -> [UInt8]? {
        offset += 1
        var bytes: [UInt8] = []
        while offset < text.count {
            let byte = text[offset]
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return bytes
            case UInt8(ascii: "\\"): guard escape(into: &bytes) else { return nil }
            case 0..<0x20: return nil
            default: bytes.append(byte)
            }
        }
        return nil
    }

    private mutating func escape(into bytes: inout [UInt8]) -> Bool {
        let letter = byte
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(letter)
        case UInt8(ascii: "b"): bytes.append(8)
        case UInt8(ascii: "f"): bytes.append(12)
        case UInt8(ascii: "n"): bytes.append(10)
        case UInt8(ascii: "r"): bytes.append(13)
        case UInt8(ascii: "t"): bytes.append(9)
        case UInt8(ascii: "u"):
            guard var code = codeUnit() else { return false }
            if (0xd800..<0xdc00).contains(code), byte == UInt8(ascii: "\\"), offset + 1 < text.count,
                text[offset + 1] == UInt8(ascii: "u")
            {
                let saved = offset
                offset += 2
                if let low = codeUnit(), (0xdc00..<0xe000).contains(low) {
                    code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
                } else {
                    offset = saved
                }
            }
            bytes += Array(String(Character(Unicode.Scalar(code) ?? "\u{fffd}")).utf8)
        default: return false
        }
        return true
    }

    private mutating func codeUnit() -> UInt32? {
        guard offset + 4 <= text.count else { return nil }
        var value: UInt32 = 0
        for digit in text[offset..<(offset + 4)] {
            guard OTTLLexer.isHexDigit(digit) else { return nil }
            value = value << 4 | UInt32(OTTLQuoting.hexValue(digit))
        }
        offset += 4
        return value
    }
}

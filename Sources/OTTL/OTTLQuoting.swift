/// Quoted texts, with the escapes of Go's string literals.
enum OTTLQuoting {
    /// The bytes that a string token stands for.
    static func unquote(_ text: [UInt8], _ token: OTTLToken) throws(OTTLError) -> [UInt8] {
        let end = token.range.upperBound - 1
        var bytes: [UInt8] = []
        bytes.reserveCapacity(end - token.range.lowerBound)
        var offset = token.range.lowerBound + 1
        var column = token.column + 1
        while offset < end {
            let byte = text[offset]
            if byte == UInt8(ascii: "\n") {
                throw OTTLError(column: column, message: "a text can't go over a line end; write \\n")
            }
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                offset += 1
                if offset >= end || text[offset] & 0xc0 != 0x80 { column += 1 }
                continue
            }
            let length = try escape(text, offset, end, column, into: &bytes)
            offset += length
            column += length
        }
        return bytes
    }

    /// Appends what the escape at `offset` stands for, and returns its length.
    private static func escape(
        _ text: [UInt8], _ offset: Int, _ end: Int, _ column: Int, into bytes: inout [UInt8]
    ) throws(OTTLError) -> Int {
        func invalid() -> OTTLError {
            let name = String(decoding: text[(offset + 1)..<end].prefix(4), as: UTF8.self).prefix(1)
            return OTTLError(
                column: column,
                message: "`\\\(name)` is no escape; a backslash in a text is written `\\\\`, also in regular expressions")
        }
        guard offset + 1 < end else { throw invalid() }
        let letter = text[offset + 1]
        let simple: UInt8? =
            switch letter {
            case UInt8(ascii: "a"): 7
            case UInt8(ascii: "b"): 8
            case UInt8(ascii: "f"): 12
            case UInt8(ascii: "n"): 10
            case UInt8(ascii: "r"): 13
            case UInt8(ascii: "t"): 9
            case UInt8(ascii: "v"): 11
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): letter
            default: nil
            }
        if let simple {
            bytes.append(simple)
            return 2
        }
        func digits(_ count: Int, from start: Int, radix: UInt32) -> UInt32? {
            guard start + count <= end else { return nil }
            var value: UInt32 = 0
            for index in start..<(start + count) {
                let digit = text[index]
                guard OTTLLexer.isHexDigit(digit), hexValue(digit) < radix else { return nil }
                value = value &* radix &+ UInt32(hexValue(digit))
            }
            return value
        }
        switch letter {
        case UInt8(ascii: "x"):
            guard let value = digits(2, from: offset + 2, radix: 16) else { throw invalid() }
            bytes.append(UInt8(truncatingIfNeeded: value))
            return 4
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            guard let value = digits(3, from: offset + 1, radix: 8), value < 256 else { throw invalid() }
            bytes.append(UInt8(truncatingIfNeeded: value))
            return 4
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let count = letter == UInt8(ascii: "u") ? 4 : 8
            guard let value = digits(count, from: offset + 2, radix: 16), let scalar = Unicode.Scalar(value) else {
                throw invalid()
            }
            bytes += Array(String(Character(scalar)).utf8)
            return 2 + count
        default: throw invalid()
        }
    }

    /// The value of a hex digit of either case; 0 for other bytes.
    static func hexValue(_ byte: UInt8) -> UInt8 {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x57
        case 0x41...0x46: byte - 0x37
        default: 0
        }
    }
}

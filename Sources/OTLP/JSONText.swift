/// Pieces of JSON (RFC 8259) appended to bytes.
enum JSONText {
    /// Appends a string with quotes; invalid UTF-8 becomes U+FFFD.
    static func appendString(
        _ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout [UInt8]
    ) {
        output.append(UInt8(ascii: "\""))
        var offset = range.lowerBound
        var runStart = offset
        while offset < range.upperBound {
            let byte = bytes[offset]
            if byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"")
                && byte != UInt8(ascii: "\\")
            {
                offset &+= 1
                continue
            }
            let length = UTF8Check.sequence(bytes, offset, range.upperBound)
            if length > 1 {
                offset &+= length
                continue
            }
            output.append(copying: bytes.extracting(runStart..<offset))
            if length < 0 {
                output.append(contentsOf: [0xef, 0xbf, 0xbd])
                offset &-= length
            } else {
                appendEscape(byte, to: &output)
                offset &+= 1
            }
            runStart = offset
        }
        output.append(copying: bytes.extracting(runStart..<range.upperBound))
        output.append(UInt8(ascii: "\""))
    }

    private static func appendEscape(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x22, 0x5c: output.append(byte)
        case 0x08: output.append(UInt8(ascii: "b"))
        case 0x09: output.append(UInt8(ascii: "t"))
        case 0x0a: output.append(UInt8(ascii: "n"))
        case 0x0c: output.append(UInt8(ascii: "f"))
        case 0x0d: output.append(UInt8(ascii: "r"))
        default:
            output.append(UInt8(ascii: "u"))
            output.append(UInt8(ascii: "0"))
            output.append(UInt8(ascii: "0"))
            output.append(HexDigits.digit(byte >> 4))
            output.append(HexDigits.digit(byte))
        }
    }

    /// Appends bytes as lowercase hex in quotes.
    static func appendHex(
        _ bytes: Span<UInt8>, _ range: Range<Int>, to output: inout [UInt8]
    ) {
        output.append(UInt8(ascii: "\""))
        for index in range {
            output.append(HexDigits.digit(bytes[index] >> 4))
            output.append(HexDigits.digit(bytes[index]))
        }
        output.append(UInt8(ascii: "\""))
    }

    /// Appends a decimal number.
    static func appendDecimal(_ value: UInt64, to output: inout [UInt8]) {
        if value >= 10 { appendDecimal(value / 10, to: &output) }
        output.append(0x30 + UInt8(truncatingIfNeeded: value % 10))
    }

    /// Appends a signed decimal number.
    static func appendDecimal(_ value: Int64, to output: inout [UInt8]) {
        if value < 0 { output.append(UInt8(ascii: "-")) }
        appendDecimal(value.magnitude, to: &output)
    }

    /// Appends the shortest text that reads back as the same double; what JSON has no number for
    /// becomes a string, as in protobuf's JSON mapping.
    static func appendDouble(_ value: Double, to output: inout [UInt8]) {
        if value.isNaN {
            output.append(contentsOf: "\"NaN\"".utf8)
        } else if value.isInfinite {
            output.append(contentsOf: (value < 0 ? "\"-Infinity\"" : "\"Infinity\"").utf8)
        } else {
            let text = value.description.utf8
            output.append(contentsOf: text)
            // 3.0 -> 3, as Go and JavaScript write it.
            if text.count >= 2, output.suffix(2).elementsEqual(".0".utf8) { output.removeLast(2) }
        }
    }
}

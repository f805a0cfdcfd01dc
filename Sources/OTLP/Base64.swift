/// Base64 with the standard alphabet (RFC 4648, section 4): binary gRPC headers and JSON bytes.
package enum Base64 {
    /// Encodes; gRPC's `-bin` headers go out unpadded, JSON's bytes padded.
    package static func encode(_ bytes: Span<UInt8>, isPadded: Bool = false) -> [UInt8] {
        var output: [UInt8] = []
        append(bytes, isPadded: isPadded, to: &output)
        return output
    }

    /// Appends the encoding of `bytes`.
    static func append(_ bytes: Span<UInt8>, isPadded: Bool, to output: inout [UInt8]) {
        output.reserveCapacity(output.count + (bytes.count / 3 + 1) * 4)
        var index = 0
        while index < bytes.count {
            let present = min(3, bytes.count - index)
            var word: UInt32 = 0
            for position in 0..<3 {
                word = word << 8 | (position < present ? UInt32(bytes[index + position]) : 0)
            }
            for position in 0..<4 {
                if position <= present {
                    output.append(digit(UInt8((word >> UInt32(18 - 6 * position)) & 63)))
                } else if isPadded {
                    output.append(UInt8(ascii: "="))
                }
            }
            index += 3
        }
    }

    /// Decodes padded and unpadded text; `nil` for foreign characters or an impossible length.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        var count = text.count
        var padding = 0
        while count > 0 && padding < 2 && text[count - 1] == UInt8(ascii: "=") {
            count -= 1
            padding += 1
        }
        guard count % 4 != 1, padding == 0 || (count + padding) % 4 == 0 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(count / 4 * 3 + 2)
        var word: UInt32 = 0
        var bits: UInt32 = 0
        for index in 0..<count {
            guard let value = value(text[index]) else { return nil }
            word = (word << 6 | UInt32(value)) & 0xffff
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        return output
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 - 26 + value
        case 52..<62: value - 4
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x41...0x5a: digit - 0x41
        case 0x61...0x7a: digit - 0x61 + 26
        case 0x30...0x39: digit - 0x30 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

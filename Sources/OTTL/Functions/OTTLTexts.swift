internal import OTLP

/// Values as text.
extension OTTLProgram {
    /// The value as the Collector makes a text of it for `String`, `Concat` and `IsMatch`; nil for nil.
    ///
    /// Bytes and identifiers become hex digits, lists and maps JSON with sorted keys. What JSON has no form for (NaN) is an
    /// error.
    func text(of value: OTTLValue, _ input: OTTLSpanInput, column: UInt16) throws(OTTLEvaluationError) -> [UInt8]? {
        switch value {
        case .null: return nil
        case .string(let text): return copy(text, input)
        case .bytes(let text): return Self.hexDigits(copy(text, input))
        case .bool(let value): return Array("\(value)".utf8)
        case .int(let value): return Array("\(value)".utf8)
        case .duration(let value): return Array("\(value)".utf8)
        case .double(let value):
            guard let text = OTTLNumbers.text(value) else {
                throw OTTLEvaluationError(.malformedInput, found: .double, column: column)
            }
            return Array(text.utf8)
        case .traceID(let id), .profileID(let id): return id.hexBytes
        case .spanID(let id): return OTTLText.hex(id)
        case .time(let time): return Array("\"\(OTTLCalendar.rfc3339(time))\"".utf8)
        case .list, .map:
            var json: [UInt8] = []
            try append(json: value, to: &json, input, column: column, depth: 0)
            return json
        case .status, .entries: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
    }

    private func append(
        json value: OTTLValue, to json: inout [UInt8], _ input: OTTLSpanInput, column: UInt16, depth: Int
    ) throws(OTTLEvaluationError) {
        guard depth < OTTLLimits.maximumValueDepth, json.count <= OTTLLimits.maximumValueBytes else {
            throw OTTLEvaluationError(.tooLarge, column: column)
        }
        switch value {
        case .null: json += Array("null".utf8)
        case .string(let text): Self.append(quoted: copy(text, input), to: &json)
        case .bytes(let bytes): Self.append(quoted: Base64.encode(copy(bytes, input).span, isPadded: true), to: &json)
        case .list(let list):
            json.append(UInt8(ascii: "["))
            for (index, item) in elements(of: list, input).enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                try append(json: item, to: &json, input, column: column, depth: depth + 1)
            }
            json.append(UInt8(ascii: "]"))
        case .map(let map):
            let entries = entries(of: map, input).map { (key: copy($0.key, input), value: $0.value) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            json.append(UInt8(ascii: "{"))
            for (index, entry) in entries.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                Self.append(quoted: entry.key, to: &json)
                json.append(UInt8(ascii: ":"))
                try append(json: entry.value, to: &json, input, column: column, depth: depth + 1)
            }
            json.append(UInt8(ascii: "}"))
        case .traceID, .spanID, .profileID:
            Self.append(quoted: try text(of: value, input, column: column) ?? [], to: &json)
        default: json += try text(of: value, input, column: column) ?? []
        }
    }

    /// JSON text with Go's escapes.
    private static func append(quoted text: [UInt8], to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): json += Array("\\n".utf8)
            case UInt8(ascii: "\r"): json += Array("\\r".utf8)
            case UInt8(ascii: "\t"): json += Array("\\t".utf8)
            case 0..<0x20, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
                json += Array("\\u00".utf8) + hexDigits([byte])
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    /// Two lowercase digits for each byte.
    static func hexDigits(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }
}

/// Text to other text.
enum OTTLCase {
    /// Scalar by scalar, as Go does it: a scalar whose other case is several stays as it is.
    static func lower(_ text: [UInt8]) -> [UInt8] { mapped(text) { $0.properties.lowercaseMapping } }

    /// Scalar by scalar, as Go does it.
    static func upper(_ text: [UInt8]) -> [UInt8] { mapped(text) { $0.properties.uppercaseMapping } }

    private static func mapped(_ text: [UInt8], _ mapping: (Unicode.Scalar) -> String) -> [UInt8] {
        var result = String.UnicodeScalarView()
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let other = mapping(scalar).unicodeScalars
            if other.count == 1, let only = other.first { result.append(only) } else { result.append(scalar) }
        }
        return Array(String(result).utf8)
    }

    /// `myMetric` to `my_metric`, `JSONData` to `json_data`. Source of the rules: github.com/iancoleman/strcase.
    static func snake(_ text: [UInt8]) -> [UInt8] {
        let text = trimmed(text)
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            let small = OTTLLexer.isSmall(byte)
            let capital = OTTLLexer.isCapital(byte)
            let digit = OTTLLexer.isDigit(byte)
            let written = capital ? byte | 0x20 : byte
            if index + 1 < text.count {
                let next = text[index + 1]
                let nextSmall = OTTLLexer.isSmall(next)
                let nextCapital = OTTLLexer.isCapital(next)
                let nextDigit = OTTLLexer.isDigit(next)
                if (capital && (nextSmall || nextDigit)) || (small && (nextCapital || nextDigit))
                    || (digit && (nextCapital || nextSmall))
                {
                    if capital, nextSmall, index > 0, OTTLLexer.isCapital(text[index - 1]) {
                        result.append(UInt8(ascii: "_"))
                    }
                    result.append(written)
                    if small || digit || nextDigit { result.append(UInt8(ascii: "_")) }
                    continue
                }
            }
            result.append(isDelimiter(byte) ? UInt8(ascii: "_") : written)
        }
        return result
    }

    /// `my_metric` to `MyMetric`. Source of the rules: github.com/iancoleman/strcase.
    static func camel(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isNextCapital = true
        var wasCapital = false
        for byte in trimmed(text) {
            let small = OTTLLexer.isSmall(byte)
            let capital = OTTLLexer.isCapital(byte)
            var written = byte
            if isNextCapital {
                if small { written = byte & ~0x20 }
            } else if wasCapital, capital {
                written = byte | 0x20
            }
            wasCapital = capital
            if small || capital {
                result.append(written)
                isNextCapital = false
            } else if OTTLLexer.isDigit(byte) {
                result.append(byte)
                isNextCapital = true
            } else {
                isNextCapital = isDelimiter(byte)
            }
        }
        return result
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool { [0x5f, 0x20, 0x2d, 0x2e].contains(byte) }

    private static func trimmed(_ text: [UInt8]) -> ArraySlice<UInt8>.SubSequence {
        var slice = text[...]
        while let first = slice.first, first == 0x20 || first &- 9 < 5 { slice.removeFirst() }
        while let last = slice.last, last == 0x20 || last &- 9 < 5 { slice.removeLast() }
        return Array(slice)[...]
    }
}

internal import OTLP

/// Values of attributes as text, as the Collector's `AsString` makes it.
enum AnyValueText {
    /// Deeper values are left out; the request walker does not let them through.
    static let maximumDepth = 64

    /// Text as it is, numbers and booleans as JSON has them, bytes as base64, lists and maps as JSON with sorted keys, nothing
    /// as "".
    static func text(of value: AttributeValueRange, in bytes: Span<UInt8>) -> [UInt8] {
        switch value.kind {
        case .empty: return []
        case .string: return Array(copying: value.range.bytes(in: bytes))
        case .bool: return Array(value.integer(in: bytes) != 0 ? "true".utf8 : "false".utf8)
        case .int: return Array("\(value.integer(in: bytes))".utf8)
        case .double: return Array(GoNumbers.json(value.double(in: bytes)).utf8)
        case .bytes: return Base64.encode(value.range.bytes(in: bytes), isPadded: true)
        case .array, .kvlist:
            var json: [UInt8] = []
            // What JSON has no form for, a NaN inside, makes the whole an empty text.
            return appendJSON(value, bytes, depth: 0, to: &json) ? json : []
        }
    }

    private static func appendJSON(
        _ value: AttributeValueRange, _ bytes: Span<UInt8>, depth: Int, to json: inout [UInt8]
    ) -> Bool {
        guard depth < maximumDepth else { return false }
        switch value.kind {
        case .empty: json += Array("null".utf8)
        case .string: appendQuoted(value.range.bytes(in: bytes), to: &json)
        case .double:
            guard value.double(in: bytes).isFinite else { return false }
            json += text(of: value, in: bytes)
        case .bool, .int: json += text(of: value, in: bytes)
        case .bytes:
            let base64 = text(of: value, in: bytes)
            appendQuoted(base64.span, to: &json)
        case .array:
            json.append(UInt8(ascii: "["))
            var cursor = ArrayCursor(value.range)
            var isFirst = true
            while let element = cursor.next(bytes) {
                if !isFirst { json.append(UInt8(ascii: ",")) }
                isFirst = false
                guard appendJSON(element, bytes, depth: depth + 1, to: &json) else { return false }
            }
            json.append(UInt8(ascii: "]"))
        case .kvlist:
            var entries: [(key: [UInt8], value: AttributeValueRange)] = []
            var cursor = AttributeCursor(value.range, tag: 0x0a)
            while let entry = cursor.next(bytes) {
                let key = [UInt8](copying: entry.key.bytes(in: bytes))
                // Of equal keys the last one counts, as in Go's map.
                if let place = entries.firstIndex(where: { $0.key == key }) {
                    entries[place].value = entry.value
                } else {
                    entries.append((key, entry.value))
                }
            }
            entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
            json.append(UInt8(ascii: "{"))
            for (place, entry) in entries.enumerated() {
                if place > 0 { json.append(UInt8(ascii: ",")) }
                appendQuoted(entry.key.span, to: &json)
                json.append(UInt8(ascii: ":"))
                guard appendJSON(entry.value, bytes, depth: depth + 1, to: &json) else { return false }
            }
            json.append(UInt8(ascii: "}"))
        }
        return true
    }

    /// JSON text with Go's escapes.
    private static func appendQuoted(_ text: Span<UInt8>, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in String(copying: text).utf8 {
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
}

/// Attributes and their values.
extension OTLPJSONWriter {
    /// Appends a KeyValue.
    static func appendKeyValue(
        _ bytes: Span<UInt8>, _ message: Range<Int>, depth: Int, _ output: inout [UInt8]
    ) throws(WalkError) {
        var key = 0..<0
        var value: AnyValue?
        var reader = FieldReader(bytes, message)
        while let field = try reader.next() {
            switch field.tag {
            case 0x0a: key = field.payload
            case 0x12: value = try readAnyValue(bytes, field.payload, current: value ?? .empty)
            default: break
            }
        }
        output.append(contentsOf: "{\"key\":".utf8)
        JSONText.appendString(bytes, key, to: &output)
        if let value {
            output.append(contentsOf: ",\"value\":".utf8)
            try append(value, bytes, depth: depth + 1, &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    /// The member of AnyValue's oneof that came last.
    enum AnyValue {
        case empty
        case string(Range<Int>)
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case array(Range<Int>)
        case kvlist(Range<Int>)
        case bytes(Range<Int>)
    }

    static func readAnyValue(
        _ bytes: Span<UInt8>, _ message: Range<Int>, current: AnyValue
    ) throws(WalkError) -> AnyValue {
        var value = current
        var reader = FieldReader(bytes, message)
        while let field = try reader.next() {
            switch field.tag {
            case 0x0a: value = .string(field.payload)
            case 0x10: value = .bool(field.value != 0)
            case 0x18: value = .int(Int64(bitPattern: field.value))
            case 0x21: value = .double(Double(bitPattern: field.value))
            case 0x2a: value = .array(field.payload)
            case 0x32: value = .kvlist(field.payload)
            case 0x3a: value = .bytes(field.payload)
            default: break
            }
        }
        return value
    }

    static func append(
        _ value: AnyValue, _ bytes: Span<UInt8>, depth: Int, _ output: inout [UInt8]
    ) throws(WalkError) {
        guard depth <= MessageSchema.maximumDepth else {
            output.append(contentsOf: "{}".utf8)
            return
        }
        switch value {
        case .empty: output.append(UInt8(ascii: "{"))
        case .string(let range):
            output.append(contentsOf: "{\"stringValue\":".utf8)
            JSONText.appendString(bytes, range, to: &output)
        case .bool(let flag):
            output.append(contentsOf: (flag ? "{\"boolValue\":true" : "{\"boolValue\":false").utf8)
        case .int(let number):
            output.append(contentsOf: "{\"intValue\":\"".utf8)
            JSONText.appendDecimal(number, to: &output)
            output.append(UInt8(ascii: "\""))
        case .double(let number):
            output.append(contentsOf: "{\"doubleValue\":".utf8)
            JSONText.appendDouble(number, to: &output)
        case .array(let range):
            output.append(contentsOf: "{\"arrayValue\":{".utf8)
            var object = JSONObject()
            try member("values", repeated(bytes, [range], 0x0a), &object, &output) {
                (item, output) throws(WalkError) in
                let inner = try readAnyValue(bytes, item, current: .empty)
                try append(inner, bytes, depth: depth + 2, &output)
            }
            output.append(UInt8(ascii: "}"))
        case .kvlist(let range):
            output.append(contentsOf: "{\"kvlistValue\":{".utf8)
            var object = JSONObject()
            try member("values", repeated(bytes, [range], 0x0a), &object, &output) {
                (item, output) throws(WalkError) in
                try appendKeyValue(bytes, item, depth: depth + 2, &output)
            }
            output.append(UInt8(ascii: "}"))
        case .bytes(let range):
            output.append(contentsOf: "{\"bytesValue\":\"".utf8)
            Base64.append(bytes.extracting(range), isPadded: true, to: &output)
            output.append(UInt8(ascii: "\""))
        }
        output.append(UInt8(ascii: "}"))
    }
}

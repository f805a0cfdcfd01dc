/// One line for each span of a request: name, trace id, span id and attributes, as the Collector's `debug` exporter writes them
/// with `verbosity: normal`.
///
/// Attributes are `key=value`: text as it is, numbers and booleans in decimal and as words, everything else as OTLP JSON. Text that
/// is not UTF-8 stays as it is; line breaks and other control characters become spaces, so that a span is one line.
package enum SpanLines {
    /// Appends the lines, each with a line feed; leaves `output` as it was on error.
    ///
    /// - Complexity: O(n) for each of the few repeated fields of a message.
    package static func append(_ request: Span<UInt8>, to output: inout [UInt8]) throws(WalkError) {
        let start = output.count
        do throws(WalkError) {
            for resource in try OTLPJSONWriter.repeated(request, [0..<request.count], 0x0a) {
                for scope in try OTLPJSONWriter.repeated(request, [resource], 0x12) {
                    for span in try OTLPJSONWriter.repeated(request, [scope], 0x12) {
                        try appendSpan(request, span, &output)
                    }
                }
            }
        } catch {
            output.removeLast(output.count - start)
            throw error
        }
    }

    private static func appendSpan(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var name = 0..<0
        var trace = 0..<0
        var span = 0..<0
        try OTLPJSONWriter.eachField(bytes, [message]) { field in
            switch field.tag {
            case 0x0a: trace = field.payload
            case 0x12: span = field.payload
            case 0x2a: name = field.payload
            default: break
            }
        }
        appendText(bytes, name, &output)
        output.append(UInt8(ascii: " "))
        appendHex(bytes, trace, &output)
        output.append(UInt8(ascii: " "))
        appendHex(bytes, span, &output)
        for attribute in try OTLPJSONWriter.repeated(bytes, [message], 0x4a) {
            output.append(UInt8(ascii: " "))
            try appendAttribute(bytes, attribute, &output)
        }
        output.append(UInt8(ascii: "\n"))
    }

    private static func appendAttribute(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var key = 0..<0
        var value = OTLPJSONWriter.AnyValue.empty
        var reader = FieldReader(bytes, message)
        while let field = try reader.next() {
            switch field.tag {
            case 0x0a: key = field.payload
            case 0x12: value = try OTLPJSONWriter.readAnyValue(bytes, field.payload, current: value)
            default: break
            }
        }
        appendText(bytes, key, &output)
        output.append(UInt8(ascii: "="))
        switch value {
        case .empty: break
        case .string(let range): appendText(bytes, range, &output)
        case .bool(let flag): output.append(contentsOf: (flag ? "true" : "false").utf8)
        case .int(let number): JSONText.appendDecimal(number, to: &output)
        case .double(let number): JSONText.appendDouble(number, to: &output)
        case .array, .kvlist, .bytes:
            try OTLPJSONWriter.append(value, bytes, depth: MessageSchema.spanDepth + 2, &output)
        }
    }

    private static func appendText(_ bytes: Span<UInt8>, _ range: Range<Int>, _ output: inout [UInt8]) {
        for position in range { output.append(bytes[position] < 0x20 ? UInt8(ascii: " ") : bytes[position]) }
    }

    private static func appendHex(_ bytes: Span<UInt8>, _ range: Range<Int>, _ output: inout [UInt8]) {
        for position in range {
            for digit in [bytes[position] >> 4, bytes[position] & 15] {
                output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }
}

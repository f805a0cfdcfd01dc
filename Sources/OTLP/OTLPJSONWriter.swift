/// Writes an ExportTraceServiceRequest as OTLP JSON: the lines of the Collector's `file` exporter.
///
/// The mapping is proto3's with OTLP's exceptions: identifiers as lowercase hex, enums as integers,
/// 64-bit integers as decimal strings, lowerCamelCase keys. Fields with default values are left out,
/// except those that the Collector always writes (`resource`, `scope`, `parentSpanId`, `status`).
/// Unknown fields are skipped, invalid UTF-8 becomes U+FFFD, and values nested deeper than
/// `MessageSchema.maximumDepth` are written empty.
/// Source: opentelemetry-specification, protocol/otlp.md, "JSON Protobuf Encoding".
package enum OTLPJSONWriter {
    /// Appends one JSON object without a line feed; leaves `output` as it was on error.
    ///
    /// - Complexity: O(n) for each of the few repeated fields of a message.
    package static func append(
        _ request: Span<UInt8>, to output: inout [UInt8]
    ) throws(WalkError) {
        let start = output.count
        do throws(WalkError) {
            output.append(UInt8(ascii: "{"))
            var object = JSONObject()
            let resourceSpans = try repeated(request, [0..<request.count], 0x0a)
            if !resourceSpans.isEmpty {
                object.key("resourceSpans", &output)
                try array(resourceSpans, &output) { (item, output) throws(WalkError) in
                    try appendResourceSpans(request, item, &output)
                }
            }
            output.append(UInt8(ascii: "}"))
        } catch {
            output.removeLast(output.count - start)
            throw error
        }
    }

    /// The commas between an object's members.
    struct JSONObject {
        private var isEmpty = true

        /// Appends a comma if needed, the key and a colon.
        mutating func key(_ name: String, _ output: inout [UInt8]) {
            if !isEmpty { output.append(UInt8(ascii: ",")) }
            isEmpty = false
            output.append(UInt8(ascii: "\""))
            output.append(contentsOf: name.utf8)
            output.append(UInt8(ascii: "\""))
            output.append(UInt8(ascii: ":"))
        }
    }

    /// The payloads of all fields with `tag` in some occurrences of a message.
    static func repeated(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ tag: UInt64
    ) throws(WalkError) -> [Range<Int>] {
        var found: [Range<Int>] = []
        try eachField(bytes, messages) { field in
            if field.tag == tag { found.append(field.payload) }
        }
        return found
    }

    /// Shows every field of all occurrences of a message, in order.
    static func eachField(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ visit: (FieldReader.Field) -> Void
    ) throws(WalkError) {
        for message in messages {
            var reader = FieldReader(bytes, message)
            while let field = try reader.next() { visit(field) }
        }
    }

    /// Appends an array of items.
    static func array(
        _ items: [Range<Int>], _ output: inout [UInt8],
        _ append: (Range<Int>, inout [UInt8]) throws(WalkError) -> Void
    ) throws(WalkError) {
        output.append(UInt8(ascii: "["))
        var isFirst = true
        for item in items {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            try append(item, &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    /// Appends a key with an array, if there are items.
    static func member(
        _ name: String, _ items: [Range<Int>], _ object: inout JSONObject,
        _ output: inout [UInt8],
        _ append: (Range<Int>, inout [UInt8]) throws(WalkError) -> Void
    ) throws(WalkError) {
        guard !items.isEmpty else { return }
        object.key(name, &output)
        try array(items, &output, append)
    }

    /// Appends a key with a list of attributes, if there are any.
    static func attributes(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ tag: UInt64, depth: Int,
        _ object: inout JSONObject, _ output: inout [UInt8]
    ) throws(WalkError) {
        try member("attributes", repeated(bytes, messages, tag), &object, &output) {
            (item, output) throws(WalkError) in
            try appendKeyValue(bytes, item, depth: depth, &output)
        }
    }

    /// Appends a key with text, if there is any.
    static func text(
        _ name: String, _ bytes: Span<UInt8>, _ range: Range<Int>, _ object: inout JSONObject,
        _ output: inout [UInt8]
    ) {
        guard !range.isEmpty else { return }
        object.key(name, &output)
        JSONText.appendString(bytes, range, to: &output)
    }

    /// Appends a key with a 32-bit number, unless it is 0.
    static func number(
        _ name: String, _ value: UInt32, _ object: inout JSONObject, _ output: inout [UInt8]
    ) {
        guard value != 0 else { return }
        object.key(name, &output)
        JSONText.appendDecimal(UInt64(value), to: &output)
    }

    /// Appends a key with an enum's number, unless it is 0.
    static func enumeration(
        _ name: String, _ value: Int32, _ object: inout JSONObject, _ output: inout [UInt8]
    ) {
        guard value != 0 else { return }
        object.key(name, &output)
        JSONText.appendDecimal(Int64(value), to: &output)
    }

    /// Appends a key with a 64-bit number as a string, unless it is 0.
    static func time(
        _ name: String, _ value: UInt64, _ object: inout JSONObject, _ output: inout [UInt8]
    ) {
        guard value != 0 else { return }
        object.key(name, &output)
        output.append(UInt8(ascii: "\""))
        JSONText.appendDecimal(value, to: &output)
        output.append(UInt8(ascii: "\""))
    }
}

/// Looks single things up in the bytes of a span or a resource, for explanations: slow beside `RequestWalker`, needs no index.
///
/// What is malformed counts as absent.
package enum SpanPeek {
    /// The span's id, as the big-endian reading of its eight bytes.
    package static func spanID(_ span: Span<UInt8>) -> SpanID? {
        guard let range = payload(0x12, in: span, 0..<span.count), range.count == 8 else { return nil }
        return SpanID(Wire.loadBig64(span, range.lowerBound))
    }

    /// The text of the span's field with this tag (0x1a trace state, 0x2a name), at most `limit` bytes.
    package static func text(tag: UInt64, ofSpan span: Span<UInt8>, limit: Int) -> [UInt8]? {
        payload(tag, in: span, 0..<span.count).map { clipped(span, $0, limit) }
    }

    /// The span's status code by name.
    package static func statusText(_ span: Span<UInt8>) -> [UInt8] {
        var code: UInt64 = 0
        if let status = payload(0x7a, in: span, 0..<span.count) {
            var reader = FieldReader(span, status)
            while let field = try? reader.next() { if field.tag == 0x18 { code = field.value } }
        }
        return Array((code == 2 ? "ERROR" : code == 1 ? "OK" : "UNSET").utf8)
    }

    /// End minus start in milliseconds.
    package static func durationText(_ span: Span<UInt8>) -> [UInt8] {
        var reader = FieldReader(span, 0..<span.count)
        var start: UInt64 = 0
        var end: UInt64 = 0
        while let field = try? reader.next() {
            if field.tag == 0x39 { start = field.value }
            if field.tag == 0x41 { end = field.value }
        }
        let microseconds = end > start ? (end - start) / 1000 : 0
        let fraction = microseconds % 1000 == 0 ? "" : ".\(String(1000 + microseconds % 1000).dropFirst())"
        return Array("\(microseconds / 1000)\(fraction) ms".utf8)
    }

    /// The value of a span's attribute as text, at most `limit` bytes; nil if there is none of this name.
    package static func attribute(_ name: [UInt8], ofSpan span: Span<UInt8>, limit: Int) -> [UInt8]? {
        value(of: name, tag: 0x4a, in: span, 0..<span.count, limit)
    }

    /// The value of a resource's attribute as text; `header` is what ResourceSpans says apart from its children.
    package static func attribute(_ name: [UInt8], ofResource header: Span<UInt8>, limit: Int) -> [UInt8]? {
        guard let resource = payload(0x0a, in: header, 0..<header.count) else { return nil }
        return value(of: name, tag: 0x0a, in: header, resource, limit)
    }

    /// The last length-delimited field with this tag.
    private static func payload(_ tag: UInt64, in bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int>? {
        var reader = FieldReader(bytes, range)
        var found: Range<Int>?
        while let field = try? reader.next() { if field.tag == tag { found = field.payload } }
        return found
    }

    private static func value(
        of name: [UInt8], tag: UInt64, in bytes: Span<UInt8>, _ range: Range<Int>, _ limit: Int
    ) -> [UInt8]? {
        var reader = FieldReader(bytes, range)
        while let field = try? reader.next() {
            guard field.tag == tag, let key = payload(0x0a, in: bytes, field.payload), key.count == name.count,
                (0..<name.count).allSatisfy({ bytes[key.lowerBound + $0] == name[$0] })
            else { continue }
            guard let value = payload(0x12, in: bytes, field.payload) else { return [] }
            return text(ofValue: value, in: bytes, limit)
        }
        return nil
    }

    /// An AnyValue as a person would write it; a list or map as a word.
    private static func text(ofValue range: Range<Int>, in bytes: Span<UInt8>, _ limit: Int) -> [UInt8] {
        var reader = FieldReader(bytes, range)
        var text: [UInt8] = []
        while let field = try? reader.next() {
            switch field.tag {
            case 0x0a: text = clipped(bytes, field.payload, limit)
            case 0x10: text = Array((field.value != 0 ? "true" : "false").utf8)
            case 0x18: text = Array("\(Int64(bitPattern: field.value))".utf8)
            case 0x21: text = Array("\(Double(bitPattern: field.value))".utf8)
            case 0x2a: text = Array("(a list)".utf8)
            case 0x32: text = Array("(a map)".utf8)
            case 0x3a: text = Array("(\(field.payload.count) bytes)".utf8)
            default: break
            }
        }
        return text
    }

    /// The first `limit` bytes, cut where a character begins.
    private static func clipped(_ bytes: Span<UInt8>, _ range: Range<Int>, _ limit: Int) -> [UInt8] {
        guard range.count > limit else { return bytes.array(range) }
        var end = range.lowerBound + limit
        while end > range.lowerBound && bytes[end] & 0xc0 == 0x80 { end -= 1 }
        return bytes.array(range.lowerBound..<end)
    }
}

extension SpanPeek {
    /// The start of a request's first span, Unix nanoseconds; nil if it has none or says 0.
    package static func firstStart(ofRequest request: Span<UInt8>) -> UInt64? {
        guard let resourceSpans = first(0x0a, in: request, 0..<request.count),
            let scopeSpans = first(0x12, in: request, resourceSpans), let span = first(0x12, in: request, scopeSpans)
        else { return nil }
        var reader = FieldReader(request, span)
        while let field = try? reader.next() {
            if field.tag == 0x39 { return field.value == 0 ? nil : field.value }
        }
        return nil
    }

    /// The first length-delimited field with this tag.
    private static func first(_ tag: UInt64, in bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int>? {
        var reader = FieldReader(bytes, range)
        while let field = try? reader.next() { if field.tag == tag { return field.payload } }
        return nil
    }
}

/// The messages of a request, from ResourceSpans down to Link. Repeated singular messages merge.
extension OTLPJSONWriter {
    static func appendResourceSpans(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var resources: [Range<Int>] = []
        var scopeSpans: [Range<Int>] = []
        var schemaURL = 0..<0
        try eachField(bytes, [message]) { field in
            switch field.tag {
            case 0x0a: resources.append(field.payload)
            case 0x12: scopeSpans.append(field.payload)
            case 0x1a: schemaURL = field.payload
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        object.key("resource", &output)
        try appendResource(bytes, resources, &output)
        try member("scopeSpans", scopeSpans, &object, &output) { (item, output) throws(WalkError) in
            try appendScopeSpans(bytes, item, &output)
        }
        text("schemaUrl", bytes, schemaURL, &object, &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func appendResource(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ output: inout [UInt8]
    ) throws(WalkError) {
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        try attributes(
            bytes, messages, 0x0a, depth: MessageSchema.resourceHeaderDepth + 2, &object, &output)
        var dropped: UInt32 = 0
        try eachField(bytes, messages) { field in
            if field.tag == 0x10 { dropped = UInt32(truncatingIfNeeded: field.value) }
        }
        number("droppedAttributesCount", dropped, &object, &output)
        let entities = try repeated(bytes, messages, 0x1a)
        try member("entityRefs", entities, &object, &output) { (item, output) throws(WalkError) in
            try appendEntityRef(bytes, item, &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    private static func appendEntityRef(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        if let last = try repeated(bytes, [message], 0x0a).last {
            text("schemaUrl", bytes, last, &object, &output)
        }
        if let last = try repeated(bytes, [message], 0x12).last {
            text("type", bytes, last, &object, &output)
        }
        let lists: [(String, UInt64)] = [("idKeys", 0x1a), ("descriptionKeys", 0x22)]
        for (name, tag) in lists {
            try member(name, repeated(bytes, [message], tag), &object, &output) {
                (item, output) throws(WalkError) in
                JSONText.appendString(bytes, item, to: &output)
            }
        }
        output.append(UInt8(ascii: "}"))
    }

    private static func appendScopeSpans(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var scopes: [Range<Int>] = []
        var spans: [Range<Int>] = []
        var schemaURL = 0..<0
        try eachField(bytes, [message]) { field in
            switch field.tag {
            case 0x0a: scopes.append(field.payload)
            case 0x12: spans.append(field.payload)
            case 0x1a: schemaURL = field.payload
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        object.key("scope", &output)
        try appendScope(bytes, scopes, &output)
        try member("spans", spans, &object, &output) { (item, output) throws(WalkError) in
            try appendSpan(bytes, item, &output)
        }
        text("schemaUrl", bytes, schemaURL, &object, &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func appendScope(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ output: inout [UInt8]
    ) throws(WalkError) {
        var name = 0..<0
        var version = 0..<0
        var dropped: UInt32 = 0
        try eachField(bytes, messages) { field in
            switch field.tag {
            case 0x0a: name = field.payload
            case 0x12: version = field.payload
            case 0x20: dropped = UInt32(truncatingIfNeeded: field.value)
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        text("name", bytes, name, &object, &output)
        text("version", bytes, version, &object, &output)
        try attributes(
            bytes, messages, 0x1a, depth: MessageSchema.scopeHeaderDepth + 2, &object, &output)
        number("droppedAttributesCount", dropped, &object, &output)
        output.append(UInt8(ascii: "}"))
    }

    /// A span's fields, with the last occurrence of each scalar.
    private struct SpanFields {
        var traceID = 0..<0
        var spanID = 0..<0
        var traceState = 0..<0
        var parentSpanID = 0..<0
        var name = 0..<0
        var kind: Int32 = 0
        var flags: UInt32 = 0
        var start: UInt64 = 0
        var end: UInt64 = 0
        var droppedAttributes: UInt32 = 0
        var droppedEvents: UInt32 = 0
        var droppedLinks: UInt32 = 0
        var events: [Range<Int>] = []
        var links: [Range<Int>] = []
        var statuses: [Range<Int>] = []

        init(_ bytes: Span<UInt8>, _ message: Range<Int>) throws(WalkError) {
            var reader = FieldReader(bytes, message)
            while let field = try reader.next() {
                switch field.tag {
                case 0x0a: traceID = field.payload
                case 0x12: spanID = field.payload
                case 0x1a: traceState = field.payload
                case 0x22: parentSpanID = field.payload
                case 0x2a: name = field.payload
                case 0x30: kind = Int32(truncatingIfNeeded: field.value)
                case 0x39: start = field.value
                case 0x41: end = field.value
                case 0x50: droppedAttributes = UInt32(truncatingIfNeeded: field.value)
                case 0x5a: events.append(field.payload)
                case 0x60: droppedEvents = UInt32(truncatingIfNeeded: field.value)
                case 0x6a: links.append(field.payload)
                case 0x70: droppedLinks = UInt32(truncatingIfNeeded: field.value)
                case 0x7a: statuses.append(field.payload)
                case 0x85: flags = UInt32(truncatingIfNeeded: field.value)
                default: break
                }
            }
        }
    }

    private static func appendSpan(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        let span = try SpanFields(bytes, message)
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        object.key("traceId", &output)
        JSONText.appendHex(bytes, span.traceID, to: &output)
        object.key("spanId", &output)
        JSONText.appendHex(bytes, span.spanID, to: &output)
        text("traceState", bytes, span.traceState, &object, &output)
        object.key("parentSpanId", &output)
        JSONText.appendHex(bytes, span.parentSpanID, to: &output)
        number("flags", span.flags, &object, &output)
        text("name", bytes, span.name, &object, &output)
        enumeration("kind", span.kind, &object, &output)
        time("startTimeUnixNano", span.start, &object, &output)
        time("endTimeUnixNano", span.end, &object, &output)
        try attributes(
            bytes, [message], 0x4a, depth: MessageSchema.spanDepth + 1, &object, &output)
        number("droppedAttributesCount", span.droppedAttributes, &object, &output)
        try member("events", span.events, &object, &output) { (item, output) throws(WalkError) in
            try appendEvent(bytes, item, &output)
        }
        number("droppedEventsCount", span.droppedEvents, &object, &output)
        try member("links", span.links, &object, &output) { (item, output) throws(WalkError) in
            try appendLink(bytes, item, &output)
        }
        number("droppedLinksCount", span.droppedLinks, &object, &output)
        object.key("status", &output)
        try appendStatus(bytes, span.statuses, &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func appendStatus(
        _ bytes: Span<UInt8>, _ messages: [Range<Int>], _ output: inout [UInt8]
    ) throws(WalkError) {
        var description = 0..<0
        var code: Int32 = 0
        try eachField(bytes, messages) { field in
            switch field.tag {
            case 0x12: description = field.payload
            case 0x18: code = Int32(truncatingIfNeeded: field.value)
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        text("message", bytes, description, &object, &output)
        enumeration("code", code, &object, &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func appendEvent(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var timestamp: UInt64 = 0
        var name = 0..<0
        var dropped: UInt32 = 0
        try eachField(bytes, [message]) { field in
            switch field.tag {
            case 0x09: timestamp = field.value
            case 0x12: name = field.payload
            case 0x20: dropped = UInt32(truncatingIfNeeded: field.value)
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        time("timeUnixNano", timestamp, &object, &output)
        text("name", bytes, name, &object, &output)
        try attributes(
            bytes, [message], 0x1a, depth: MessageSchema.spanDepth + 2, &object, &output)
        number("droppedAttributesCount", dropped, &object, &output)
        output.append(UInt8(ascii: "}"))
    }

    private static func appendLink(
        _ bytes: Span<UInt8>, _ message: Range<Int>, _ output: inout [UInt8]
    ) throws(WalkError) {
        var traceID = 0..<0
        var spanID = 0..<0
        var traceState = 0..<0
        var dropped: UInt32 = 0
        var flags: UInt32 = 0
        try eachField(bytes, [message]) { field in
            switch field.tag {
            case 0x0a: traceID = field.payload
            case 0x12: spanID = field.payload
            case 0x1a: traceState = field.payload
            case 0x28: dropped = UInt32(truncatingIfNeeded: field.value)
            case 0x35: flags = UInt32(truncatingIfNeeded: field.value)
            default: break
            }
        }
        output.append(UInt8(ascii: "{"))
        var object = JSONObject()
        object.key("traceId", &output)
        JSONText.appendHex(bytes, traceID, to: &output)
        object.key("spanId", &output)
        JSONText.appendHex(bytes, spanID, to: &output)
        text("traceState", bytes, traceState, &object, &output)
        try attributes(
            bytes, [message], 0x22, depth: MessageSchema.spanDepth + 2, &object, &output)
        number("droppedAttributesCount", dropped, &object, &output)
        number("flags", flags, &object, &output)
        output.append(UInt8(ascii: "}"))
    }
}

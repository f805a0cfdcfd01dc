/// What OTLP's messages look like in JSON: one table that the transcoder follows.
///
/// Names are those of the proto files in lowerCamelCase; the original snake_case is known too, as in every protobuf library.
/// Source: opentelemetry-proto, collector/*/v1, trace/v1, metrics/v1, logs/v1, common/v1, resource/v1.
struct OTLPJSONSchema: Sendable {
    /// How a field's value is written in JSON and in protobuf.
    enum Kind: UInt8, Sendable {
        case string
        /// Base64 in JSON.
        case bytes
        /// Hexadecimal in JSON: OTLP's exception for identifiers.
        case identifier
        case bool
        case int64
        case uint64
        case uint32
        case sint32
        case fixed64
        case sfixed64
        case fixed32
        case double
        case enumeration
        case message
    }

    /// Which fields a message has: a range of `fields`.
    struct Message: Sendable, Equatable {
        var first: UInt16 = 0
        var count: UInt16 = 0
    }

    /// One key of one message.
    struct Field: Sendable {
        /// The key's bytes 0-7, 8-15 and its last eight, least significant first, zeros where the key is shorter. With the
        /// length they say all of a key of up to `longestKey` bytes.
        var head: UInt64
        var middle: UInt64
        var tail: UInt64
        var length: UInt8
        var kind: Kind
        var isRepeated: Bool
        /// Fields of a oneof and `optional` ones are written even if they are zero.
        var isExplicit: Bool
        /// Field number times eight plus wire type.
        var tag: UInt16
        /// The message inside, or for enums the number of the enum in `first`.
        var inner: Message
    }

    /// Three words of eight bytes.
    static let longestKey = 24

    /// The names of enums. An unknown name counts as the zero value, like an unknown key.
    static let enums: [[(name: String, value: Int64)]] = [
        [
            ("SPAN_KIND_UNSPECIFIED", 0), ("SPAN_KIND_INTERNAL", 1), ("SPAN_KIND_SERVER", 2), ("SPAN_KIND_CLIENT", 3),
            ("SPAN_KIND_PRODUCER", 4), ("SPAN_KIND_CONSUMER", 5),
        ],
        [("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)],
        [
            ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0), ("AGGREGATION_TEMPORALITY_DELTA", 1),
            ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
        ],
        [("SEVERITY_NUMBER_UNSPECIFIED", 0)]
            + ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].enumerated().flatMap { level, name in
                (0..<4).map { ("SEVERITY_NUMBER_\(name)\($0 == 0 ? "" : "\($0 + 1)")", Int64(level * 4 + $0 + 1)) }
            },
    ]

    private(set) var fields: [Field] = []
    private(set) var traces = Message()
    private(set) var metrics = Message()
    private(set) var logs = Message()

    static let shared = OTLPJSONSchema(tables: ())

    /// No messages yet.
    private init() {}

    /// Enters a message; keys of one table row are `name`, field number, kind.
    mutating func add(_ rows: [Row]) -> Message {
        let first = fields.count
        for row in rows { append(row, row.name) }
        // Behind the keys that everybody sends.
        for row in rows {
            let snake = Self.snakeCase(row.name)
            if snake != row.name { append(row, snake) }
        }
        return Message(
            first: UInt16(truncatingIfNeeded: first), count: UInt16(truncatingIfNeeded: fields.count - first))
    }

    /// Points a message at a message that was entered after it.
    mutating func set(_ name: String, of message: Message, to inner: Message) {
        let wanted = [Array(name.utf8), Array(Self.snakeCase(name).utf8)].map(Self.words)
        for index in Int(message.first)..<Int(message.first) + Int(message.count) {
            let field = fields[index]
            if wanted.contains(where: { $0 == (field.head, field.middle, field.tail) }) { fields[index].inner = inner }
        }
    }

    /// One field of a message in the table.
    struct Row {
        var name: String
        var number: UInt16
        var kind: Kind
        var inner = Message()
        var isRepeated = false
        var isExplicit = false

        init(
            _ name: String, _ number: UInt16, _ kind: Kind, _ inner: Message = Message(), repeated: Bool = false,
            explicit: Bool = false
        ) {
            self.name = name
            self.number = number
            self.kind = kind
            self.inner = inner
            isRepeated = repeated
            isExplicit = explicit
        }

        init(_ name: String, _ number: UInt16, enumeration: UInt16) {
            self.init(name, number, .enumeration, Message(first: enumeration, count: 0))
        }
    }

    private mutating func append(_ row: Row, _ name: String) {
        let key = Array(name.utf8)
        precondition(key.count <= Self.longestKey, "no key of OTLP's is that long")
        let words = Self.words(key)
        // Repeated numbers are packed: one length-delimited field.
        let isPacked = row.isRepeated && row.kind.wireType != 2
        fields.append(
            Field(
                head: words.0, middle: words.1, tail: words.2, length: UInt8(truncatingIfNeeded: key.count),
                kind: row.kind, isRepeated: row.isRepeated, isExplicit: row.isExplicit,
                tag: row.number << 3 | (isPacked ? 2 : row.kind.wireType), inner: row.inner))
    }

    private static func words(_ key: [UInt8]) -> (UInt64, UInt64, UInt64) { words(key.span, 0, key.count) }

    /// The three words of a key of at most `longestKey` bytes.
    @inline(__always)
    static func words(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> (UInt64, UInt64, UInt64) {
        let length = end &- start
        if length < 8 { return (partial(bytes, start, length), 0, 0) }
        let head = Wire.loadLittle64(bytes, start)
        let tail = Wire.loadLittle64(bytes, end &- 8)
        return (head, length > 16 ? Wire.loadLittle64(bytes, start &+ 8) : 0, tail)
    }

    /// Fewer than eight bytes as a word.
    @inline(__always)
    private static func partial(_ bytes: Span<UInt8>, _ start: Int, _ length: Int) -> UInt64 {
        if start &+ 8 <= bytes.count {
            return Wire.loadLittle64(bytes, start) & ((1 &<< UInt64(truncatingIfNeeded: length &* 8)) &- 1)
        }
        var word: UInt64 = 0
        for index in 0..<length { word |= UInt64(bytes[start &+ index]) &<< UInt64(truncatingIfNeeded: index &* 8) }
        return word
    }

    /// `droppedAttributesCount` -> `dropped_attributes_count`.
    private static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase { result += "_" }
            result += character.lowercased()
        }
        return result
    }
}

extension OTLPJSONSchema.Kind {
    fileprivate var wireType: UInt16 {
        switch self {
        case .bool, .int64, .uint64, .uint32, .sint32, .enumeration: 0
        case .fixed64, .sfixed64, .double: 1
        case .string, .bytes, .identifier, .message: 2
        case .fixed32: 5
        }
    }
}

extension OTLPJSONSchema {
    /// All messages, inner ones first.
    fileprivate init(tables: Void) {
        self.init()
        var value = addValues()
        let resource = addResource(&value)
        let scope = add([
            Row("name", 1, .string), Row("version", 2, .string),
            Row("attributes", 3, .message, value.keyValue, repeated: true),
            Row("droppedAttributesCount", 4, .uint32),
        ])
        traces = addTraces(value, resource: resource, scope: scope)
        logs = addLogs(value, resource: resource, scope: scope)
        metrics = addMetrics(value, resource: resource, scope: scope)
    }

    /// The messages of common.proto.
    private struct Values {
        var keyValue: Message
        var anyValue: Message
    }

    private mutating func addValues() -> Values {
        let anyValue = add([
            Row("stringValue", 1, .string, explicit: true), Row("boolValue", 2, .bool, explicit: true),
            Row("intValue", 3, .int64, explicit: true), Row("doubleValue", 4, .double, explicit: true),
            Row("arrayValue", 5, .message), Row("kvlistValue", 6, .message),
            Row("bytesValue", 7, .bytes, explicit: true),
        ])
        let keyValue = add([Row("key", 1, .string), Row("value", 2, .message, anyValue)])
        let array = add([Row("values", 1, .message, anyValue, repeated: true)])
        let list = add([Row("values", 1, .message, keyValue, repeated: true)])
        set("arrayValue", of: anyValue, to: array)
        set("kvlistValue", of: anyValue, to: list)
        return Values(keyValue: keyValue, anyValue: anyValue)
    }

    private mutating func addResource(_ value: inout Values) -> Message {
        let entity = add([
            Row("schemaUrl", 1, .string), Row("type", 2, .string), Row("idKeys", 3, .string, repeated: true),
            Row("descriptionKeys", 4, .string, repeated: true),
        ])
        return add([
            Row("attributes", 1, .message, value.keyValue, repeated: true), Row("droppedAttributesCount", 2, .uint32),
            Row("entityRefs", 3, .message, entity, repeated: true),
        ])
    }

    /// The three levels that all signals have: request, resource, scope.
    private mutating func envelope(
        _ resourceItems: String, _ scopeItems: String, _ items: String, _ item: Message, resource: Message,
        scope: Message
    ) -> Message {
        let inner = add([
            Row("scope", 1, .message, scope), Row(items, 2, .message, item, repeated: true),
            Row("schemaUrl", 3, .string),
        ])
        let outer = add([
            Row("resource", 1, .message, resource), Row(scopeItems, 2, .message, inner, repeated: true),
            Row("schemaUrl", 3, .string),
        ])
        return add([Row(resourceItems, 1, .message, outer, repeated: true)])
    }

    private mutating func addTraces(_ value: Values, resource: Message, scope: Message) -> Message {
        let status = add([Row("message", 2, .string), Row("code", 3, enumeration: 1)])
        let event = add([
            Row("timeUnixNano", 1, .fixed64), Row("name", 2, .string),
            Row("attributes", 3, .message, value.keyValue, repeated: true),
            Row("droppedAttributesCount", 4, .uint32),
        ])
        let link = add([
            Row("traceId", 1, .identifier), Row("spanId", 2, .identifier), Row("traceState", 3, .string),
            Row("attributes", 4, .message, value.keyValue, repeated: true),
            Row("droppedAttributesCount", 5, .uint32), Row("flags", 6, .fixed32),
        ])
        let span = add([
            Row("traceId", 1, .identifier), Row("spanId", 2, .identifier), Row("traceState", 3, .string),
            Row("parentSpanId", 4, .identifier), Row("flags", 16, .fixed32), Row("name", 5, .string),
            Row("kind", 6, enumeration: 0), Row("startTimeUnixNano", 7, .fixed64),
            Row("endTimeUnixNano", 8, .fixed64), Row("attributes", 9, .message, value.keyValue, repeated: true),
            Row("droppedAttributesCount", 10, .uint32), Row("events", 11, .message, event, repeated: true),
            Row("droppedEventsCount", 12, .uint32), Row("links", 13, .message, link, repeated: true),
            Row("droppedLinksCount", 14, .uint32), Row("status", 15, .message, status),
        ])
        return envelope("resourceSpans", "scopeSpans", "spans", span, resource: resource, scope: scope)
    }

    private mutating func addLogs(_ value: Values, resource: Message, scope: Message) -> Message {
        let record = add([
            Row("timeUnixNano", 1, .fixed64), Row("observedTimeUnixNano", 11, .fixed64),
            Row("severityNumber", 2, enumeration: 3), Row("severityText", 3, .string),
            Row("eventName", 12, .string), Row("body", 5, .message, value.anyValue),
            Row("attributes", 6, .message, value.keyValue, repeated: true),
            Row("droppedAttributesCount", 7, .uint32), Row("flags", 8, .fixed32), Row("traceId", 9, .identifier),
            Row("spanId", 10, .identifier),
        ])
        return envelope("resourceLogs", "scopeLogs", "logRecords", record, resource: resource, scope: scope)
    }

    private mutating func addMetrics(_ value: Values, resource: Message, scope: Message) -> Message {
        let exemplar = add([
            Row("filteredAttributes", 7, .message, value.keyValue, repeated: true), Row("timeUnixNano", 2, .fixed64),
            Row("asDouble", 3, .double, explicit: true), Row("asInt", 6, .sfixed64, explicit: true),
            Row("spanId", 4, .identifier), Row("traceId", 5, .identifier),
        ])
        let number = add([
            Row("attributes", 7, .message, value.keyValue, repeated: true), Row("startTimeUnixNano", 2, .fixed64),
            Row("timeUnixNano", 3, .fixed64), Row("asDouble", 4, .double, explicit: true),
            Row("asInt", 6, .sfixed64, explicit: true), Row("exemplars", 5, .message, exemplar, repeated: true),
            Row("flags", 8, .uint32),
        ])
        let histogram = add([
            Row("attributes", 9, .message, value.keyValue, repeated: true), Row("startTimeUnixNano", 2, .fixed64),
            Row("timeUnixNano", 3, .fixed64), Row("count", 4, .fixed64), Row("sum", 5, .double, explicit: true),
            Row("bucketCounts", 6, .fixed64, repeated: true), Row("explicitBounds", 7, .double, repeated: true),
            Row("exemplars", 8, .message, exemplar, repeated: true), Row("flags", 10, .uint32),
            Row("min", 11, .double, explicit: true), Row("max", 12, .double, explicit: true),
        ])
        let buckets = add([Row("offset", 1, .sint32), Row("bucketCounts", 2, .uint64, repeated: true)])
        let exponential = add([
            Row("attributes", 1, .message, value.keyValue, repeated: true), Row("startTimeUnixNano", 2, .fixed64),
            Row("timeUnixNano", 3, .fixed64), Row("count", 4, .fixed64), Row("sum", 5, .double, explicit: true),
            Row("scale", 6, .sint32), Row("zeroCount", 7, .fixed64), Row("positive", 8, .message, buckets),
            Row("negative", 9, .message, buckets), Row("flags", 10, .uint32),
            Row("exemplars", 11, .message, exemplar, repeated: true), Row("min", 12, .double, explicit: true),
            Row("max", 13, .double, explicit: true), Row("zeroThreshold", 14, .double),
        ])
        let quantile = add([Row("quantile", 1, .double), Row("value", 2, .double)])
        let summary = add([
            Row("attributes", 7, .message, value.keyValue, repeated: true), Row("startTimeUnixNano", 2, .fixed64),
            Row("timeUnixNano", 3, .fixed64), Row("count", 4, .fixed64), Row("sum", 5, .double),
            Row("quantileValues", 6, .message, quantile, repeated: true), Row("flags", 8, .uint32),
        ])
        let temporality = Row("aggregationTemporality", 2, enumeration: 2)
        func points(_ point: Message) -> Row { Row("dataPoints", 1, .message, point, repeated: true) }
        let gauge = add([points(number)])
        let sum = add([points(number), temporality, Row("isMonotonic", 3, .bool)])
        let histograms = add([points(histogram), temporality])
        let exponentials = add([points(exponential), temporality])
        let summaries = add([points(summary)])
        let metric = add([
            Row("name", 1, .string), Row("description", 2, .string), Row("unit", 3, .string),
            Row("gauge", 5, .message, gauge), Row("sum", 7, .message, sum), Row("histogram", 9, .message, histograms),
            Row("exponentialHistogram", 10, .message, exponentials), Row("summary", 11, .message, summaries),
            Row("metadata", 12, .message, value.keyValue, repeated: true),
        ])
        return envelope("resourceMetrics", "scopeMetrics", "metrics", metric, resource: resource, scope: scope)
    }
}

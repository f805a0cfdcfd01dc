internal import OTLP

/// The parts of a request: headers copied, spans as byte ranges.
struct RequestContents {
    struct Scope {
        var resource: Int
        var header: [UInt8]
    }

    struct SpanPart {
        var scope: Int
        var trace: Int
        var bytes: Range<Int>
    }

    /// The first 16 bytes of a trace id and its length; ids of another length don't get that far.
    struct TraceKey: Hashable {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0
    }

    var resources: [[UInt8]] = []
    var scopes: [Scope] = []
    var spans: [SpanPart] = []
    /// Bytes by trace, in order of first appearance.
    var traceSizes: [Int] = []
    private var traceNumbers: [TraceKey: Int] = [:]

    /// Reads a whole request; on an error what was read so far is worth nothing.
    mutating func read(_ bytes: Span<UInt8>) throws(WalkError) {
        var fields = FieldReader(bytes, 0..<bytes.count)
        while let field = try fields.next() {
            if field.tag == Self.tag(OTLPField.resourceSpans) { try readResourceSpans(bytes, field.payload) }
        }
    }

    /// The tag of a length-delimited field.
    private static func tag(_ number: UInt8) -> UInt64 { UInt64(number) << 3 | 2 }

    private mutating func readResourceSpans(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WalkError) {
        let resource = resources.count
        resources.append([])
        var header: [UInt8] = []
        var fields = FieldReader(bytes, range)
        while let field = try fields.next() {
            if field.tag == Self.tag(OTLPField.scopeSpans) {
                try readScopeSpans(bytes, field.payload, resource)
            } else {
                header.append(copying: bytes.extracting(field.whole))
            }
        }
        resources[resource] = header
    }

    private mutating func readScopeSpans(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ resource: Int
    ) throws(WalkError) {
        let scope = scopes.count
        scopes.append(Scope(resource: resource, header: []))
        var header: [UInt8] = []
        var fields = FieldReader(bytes, range)
        while let field = try fields.next() {
            if field.tag == Self.tag(OTLPField.spans) {
                try readSpan(bytes, field.payload, scope)
            } else {
                header.append(copying: bytes.extracting(field.whole))
            }
        }
        scopes[scope].header = header
    }

    private mutating func readSpan(_ bytes: Span<UInt8>, _ range: Range<Int>, _ scope: Int) throws(WalkError) {
        var key = TraceKey()
        var fields = FieldReader(bytes, range)
        while let field = try fields.next() {
            // Span.trace_id
            guard field.tag == 1 << 3 | 2 else { continue }
            key = TraceKey(count: field.payload.count)
            for (offset, position) in field.payload.prefix(16).enumerated() {
                let byte = UInt64(bytes[position])
                if offset < 8 {
                    key.high = key.high << 8 | byte
                } else {
                    key.low = key.low << 8 | byte
                }
            }
        }
        let trace = traceNumbers[key] ?? traceSizes.count
        if trace == traceSizes.count {
            traceNumbers[key] = trace
            traceSizes.append(0)
        }
        // Tag and length count too, so that no trace has size 0.
        traceSizes[trace] += fieldSize(payload: range.count)
        spans.append(SpanPart(scope: scope, trace: trace, bytes: range))
    }
}

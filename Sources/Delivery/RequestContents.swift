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

    /// Reads a whole request; false if it is malformed.
    mutating func read(_ bytes: Span<UInt8>) -> Bool {
        var fields = ProtobufFields(0..<bytes.count)
        while let field = fields.next(in: bytes) {
            guard field.number == 1, field.isMessage else { continue }
            guard readResourceSpans(bytes, field.payload) else { return false }
        }
        return !fields.isMalformed
    }

    private mutating func readResourceSpans(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let resource = resources.count
        resources.append([])
        var header: [UInt8] = []
        var fields = ProtobufFields(range)
        while let field = fields.next(in: bytes) {
            if field.number == 2, field.isMessage {
                guard readScopeSpans(bytes, field.payload, resource) else { return false }
            } else {
                appendBytes(bytes.extracting(field.whole), to: &header)
            }
        }
        resources[resource] = header
        return !fields.isMalformed
    }

    private mutating func readScopeSpans(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ resource: Int
    ) -> Bool {
        let scope = scopes.count
        scopes.append(Scope(resource: resource, header: []))
        var header: [UInt8] = []
        var fields = ProtobufFields(range)
        while let field = fields.next(in: bytes) {
            if field.number == 2, field.isMessage {
                guard readSpan(bytes, field.payload, scope) else { return false }
            } else {
                appendBytes(bytes.extracting(field.whole), to: &header)
            }
        }
        scopes[scope].header = header
        return !fields.isMalformed
    }

    private mutating func readSpan(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ scope: Int
    ) -> Bool {
        var key = TraceKey()
        var fields = ProtobufFields(range)
        while let field = fields.next(in: bytes) {
            guard field.number == 1, field.isMessage else { continue }
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
        guard !fields.isMalformed else { return false }
        let trace = traceNumbers[key] ?? traceSizes.count
        if trace == traceSizes.count {
            traceNumbers[key] = trace
            traceSizes.append(0)
        }
        // Tag and length count too, so that no trace has size 0.
        traceSizes[trace] += fieldSize(payload: range.count)
        spans.append(SpanPart(scope: scope, trace: trace, bytes: range))
        return true
    }
}

/// Cuts an `ExportTraceServiceRequest` into two of about half its bytes. Pure.
package enum RequestSplitter {
    /// Two requests that hold every span of `message` once, or nil if it has fewer than two spans
    /// or is not a well-formed message.
    ///
    /// Whole traces stay together if the message has at least two; otherwise the one trace is cut
    /// between spans. Resource and scope headers are repeated where both halves need them, byte
    /// for byte.
    /// - Complexity: O(bytes + spans).
    package static func split(_ message: [UInt8]) -> (first: AssembledBatch, second: AssembledBatch)? {
        var contents = Contents()
        guard contents.read(message.span), contents.spans.count >= 2 else { return nil }
        let inFirst = contents.traceSizes.count >= 2 ? wholeTraces(contents) : byPosition(contents)
        guard let first = assemble(contents, message, inFirst, true),
            let second = assemble(contents, message, inFirst, false)
        else { return nil }
        return (first, second)
    }

    /// Greedy in order of first appearance: a trace goes to the first half while it fits there.
    private static func wholeTraces(_ contents: Contents) -> [Bool] {
        let half = contents.traceSizes.reduce(0, +) / 2
        var filled = 0
        var traceInFirst = [Bool](repeating: false, count: contents.traceSizes.count)
        for (trace, size) in contents.traceSizes.enumerated()
        where trace == 0 || filled + size <= half {
            traceInFirst[trace] = true
            filled += size
        }
        return contents.spans.map { traceInFirst[$0.trace] }
    }

    private static func byPosition(_ contents: Contents) -> [Bool] {
        let half = contents.traceSizes.reduce(0, +) / 2
        var filled = 0
        var inFirst = [Bool](repeating: false, count: contents.spans.count)
        for (index, span) in contents.spans.enumerated() {
            if index > 0, filled + span.bytes.count > half { break }
            inFirst[index] = true
            filled += span.bytes.count
        }
        // Equal to the count only if sizes are 0: the second half needs a span as well.
        inFirst[inFirst.count - 1] = false
        return inFirst
    }

    private static func assemble(
        _ contents: Contents, _ message: [UInt8], _ inFirst: [Bool], _ half: Bool
    ) -> AssembledBatch? {
        let unlimited = BatchSettings(
            sendBatchSize: .max, sendBatchMaxSize: 0, timeout: 1, maximumRequestBytes: Int.max / 4)
        var assembler = BatchAssembler(settings: unlimited)
        var traceSeen = [Bool](repeating: false, count: contents.traceSizes.count)
        var traces = 0
        _ = assembler.beginTrace(spans: 0, bytes: 0, now: 0)
        for (index, span) in contents.spans.enumerated() where inFirst[index] == half {
            if !traceSeen[span.trace] {
                traceSeen[span.trace] = true
                traces += 1
            }
            let scope = contents.scopes[span.scope]
            let resource = contents.resources[scope.resource]
            let header = scope.header
            _ = assembler.add(
                groupHash: UInt64(span.scope), resource: resource.span, scope: header.span,
                span: message.span.extracting(span.bytes))
        }
        assembler.endTrace(now: 0)
        guard var batch = assembler.flush() else { return nil }
        batch.traces = traces
        return batch
    }
}

/// The parts of a request: headers copied, spans as byte ranges.
private struct Contents {
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
                if offset < 8 { key.high = key.high << 8 | byte } else { key.low = key.low << 8 | byte }
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

/// Walks the fields of one protobuf message inside a larger buffer. Malformed input ends the walk
/// and sets `isMalformed`; nothing traps.
struct ProtobufFields {
    /// One field: its number, the range of its payload and the range with tag and length.
    struct Field {
        var number: Int
        var isMessage: Bool
        var payload: Range<Int>
        var whole: Range<Int>
    }

    private(set) var isMalformed = false
    private var position: Int
    private let end: Int

    /// A walk over `range` of the buffer that is passed to every `next(in:)`.
    init(_ range: Range<Int>) {
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or nil at the end or on malformed input.
    mutating func next(in bytes: Span<UInt8>) -> Field? {
        guard !isMalformed, position < end else { return nil }
        let start = position
        guard let tag = varint(bytes), tag >> 3 > 0, tag >> 3 <= 0x1fff_ffff else { return fail() }
        let number = Int(truncatingIfNeeded: tag >> 3)
        let size: Int
        switch tag & 7 {
        case 0:
            let payloadStart = position
            guard varint(bytes) != nil else { return fail() }
            return Field(
                number: number, isMessage: false, payload: payloadStart..<position,
                whole: start..<position)
        case 1: size = 8
        case 5: size = 4
        case 2:
            guard let length = varint(bytes), length <= UInt64(end - position) else {
                return fail()
            }
            size = Int(length)
        default: return fail()
        }
        guard size <= end - position else { return fail() }
        let payload = position..<(position + size)
        position = payload.upperBound
        return Field(
            number: number, isMessage: tag & 7 == 2, payload: payload, whole: start..<position)
    }

    private mutating func varint(_ bytes: Span<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end, shift < 70 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }

    private mutating func fail() -> Field? {
        isMalformed = true
        return nil
    }
}

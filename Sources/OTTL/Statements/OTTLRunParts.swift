internal import OTLP

/// What statements see beside bytes.
struct OTTLSight {
    var record: SpanRecord
    var resource: ByteRange
    var scope: ByteRange
    var now: Int64
    var cache: [OTTLEntry]
    /// The event, where it lies in the span.
    var event: ByteRange?
    var ordinal: Int
    /// The event is not in the span any more, but a message of its own.
    var isEventEdited: Bool
}

/// Events of a span that were edited.
struct OTTLEventEdits: Sendable {
    private var bytes: [UInt8] = []
    /// Ascending.
    private var edits: [(ordinal: Int, range: ByteRange)] = []
    /// Whether the span itself was written anew since the events were last looked for.
    var spanWasEdited = false

    var isEmpty: Bool { edits.isEmpty }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        edits.removeAll(keepingCapacity: true)
        spanWasEdited = false
    }

    mutating func add(_ event: [UInt8], _ ordinal: Int) {
        let start = bytes.count
        bytes += event
        edits.append((ordinal, ByteRange(start..<bytes.count)))
    }

    /// The span with its edited events.
    func written(into source: Span<UInt8>) throws(WalkError) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(source.count + bytes.count)
        var copied = 0
        var ordinal = 0
        var next = 0
        var reader = FieldReader(source, 0..<source.count)
        while next < edits.count, let field = try reader.next() {
            guard field.tag == 0x5a else { continue }
            if edits[next].ordinal == ordinal {
                output.append(copying: source.extracting(copied..<field.whole.lowerBound))
                let event = edits[next].range.bytes(in: bytes.span)
                output.appendPrefix(11, count: event.count)
                output.append(copying: event)
                copied = field.whole.upperBound
                next += 1
            }
            ordinal += 1
        }
        output.append(copying: source.extracting(copied..<source.count))
        return output
    }
}

extension SpanRecord {
    /// Reads what statements see of a record again.
    mutating func readAgain(_ bytes: [UInt8]) {
        let span = bytes.span
        startTimeUnixNano = 0
        endTimeUnixNano = 0
        var flags: UInt32 = SpanFlags.isRoot.rawValue
        var reader = FieldReader(span, 0..<span.count)
        while let field = try? reader.next() {
            switch field.tag {
            case 0x0a where field.payload.count == 16:
                traceID = TraceID(
                    high: Self.word(span, field.payload.lowerBound), low: Self.word(span, field.payload.lowerBound + 8))
            case 0x22:
                let isZero = field.payload.allSatisfy { span[$0] == 0 }
                flags = isZero ? flags | SpanFlags.isRoot.rawValue : flags & ~SpanFlags.isRoot.rawValue
            case 0x39: startTimeUnixNano = field.value
            case 0x41: endTimeUnixNano = field.value
            case 0x7a:
                var status = FieldReader(span, field.payload)
                while let inner = try? status.next() {
                    guard inner.tag == 0x18 else { continue }
                    flags = flags & ~3 | (inner.value <= 2 ? UInt32(inner.value) : 0)
                }
            case 0x85:
                let sampled = SpanFlags.w3cSampled.rawValue
                flags = flags & ~sampled | (field.value & 1 == 1 ? sampled : 0)
            default: break
            }
        }
        self.flags = SpanFlags(rawValue: flags)
    }

    private static func word(_ bytes: Span<UInt8>, _ start: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
}

/// The fields of a Span that the request walker does not keep, found in one pass over the span's bytes.
///
/// For whoever needs them: most spans are never looked at this way. Attributes are left where they are
/// (`AttributeCursor`). 80 bytes, no references; ranges refer to the request body.
package struct SpanFields: Sendable, BitwiseCopyable {
    /// The span's own identifier.
    package var spanID = SpanID(0)
    /// The parent's identifier; zero for a root.
    package var parentSpanID = SpanID(0)
    /// `trace_state` as it came.
    package var traceState = ByteRange.empty
    package var name = ByteRange.empty
    /// `status.message`.
    package var statusMessage = ByteRange.empty
    /// SpanKind's number, not necessarily a known one.
    package var kind: Int32 = 0
    /// `flags`, all 32 bits.
    package var flags: UInt32 = 0
    package var droppedAttributes: UInt32 = 0
    package var droppedEvents: UInt32 = 0
    package var droppedLinks: UInt32 = 0
    /// How many events the span holds.
    package var eventCount: UInt32 = 0
    /// How many links the span holds.
    package var linkCount: UInt32 = 0

    /// Reads a span that the request walker has accepted; of malformed bytes, what stands before the fault.
    ///
    /// - Parameter range: the Span's payload in `body`.
    /// - Complexity: O(number of the span's own fields).
    package init(_ body: Span<UInt8>, _ range: Range<Int>) {
        guard range.upperBound <= body.count else { return }
        try? read(body, range.lowerBound, range.upperBound)
    }

    private mutating func read(_ body: Span<UInt8>, _ start: Int, _ end: Int) throws(WalkError) {
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            let next = tag.next
            switch tag.value {
            case 0x4a:
                offset = try Wire.payload(body, next, end).upperBound
            case 0x5a:
                offset = try Wire.payload(body, next, end).upperBound
                eventCount &+= 1
            case 0x6a:
                offset = try Wire.payload(body, next, end).upperBound
                linkCount &+= 1
            case 0x12, 0x22:
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                let id = SpanID(payload.count == 8 ? Wire.loadBig64(body, payload.lowerBound) : 0)
                if tag.value == 0x12 { spanID = id } else { parentSpanID = id }
            case 0x1a:
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                traceState = ByteRange(payload)
            case 0x2a:
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                name = ByteRange(payload)
            case 0x30:
                let read = try Wire.varint(body, next, end)
                offset = read.next
                kind = Int32(truncatingIfNeeded: read.value)
            case 0x50, 0x60, 0x70:
                let read = try Wire.varint(body, next, end)
                offset = read.next
                let count = UInt32(truncatingIfNeeded: read.value)
                switch tag.value {
                case 0x50: droppedAttributes = count
                case 0x60: droppedEvents = count
                default: droppedLinks = count
                }
            case 0x7a:
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                try readStatus(body, payload.lowerBound, payload.upperBound)
            case 0x85:
                offset = try Wire.fixed(4, next, end)
                flags = Wire.loadLittle32(body, next)
            default:
                offset = try Wire.skip(tag: tag.value, body, next, end)
            }
        }
    }

    private mutating func readStatus(_ body: Span<UInt8>, _ start: Int, _ end: Int) throws(WalkError) {
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                statusMessage = ByteRange(payload)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
    }
}

/// The fields of one Event of a span, attributes excepted.
package struct EventFields: Sendable, BitwiseCopyable {
    /// The Event's payload in the request body; `AttributeCursor` visits its attributes with tag 0x1a.
    package var message: ByteRange
    /// Nanoseconds since 1970; 0 if not given.
    package var timeUnixNano: UInt64 = 0
    package var name = ByteRange.empty
    package var droppedAttributes: UInt32 = 0

    /// Reads an event of a span that the request walker has accepted.
    package init(_ body: Span<UInt8>, _ message: ByteRange) {
        self.message = message
        guard message.range.upperBound <= body.count else { return }
        try? read(body, message.range.lowerBound, message.range.upperBound)
    }

    private mutating func read(_ body: Span<UInt8>, _ start: Int, _ end: Int) throws(WalkError) {
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            switch tag.value {
            case 0x09:
                offset = try Wire.fixed(8, tag.next, end)
                timeUnixNano = Wire.loadLittle64(body, tag.next)
            case 0x12:
                let payload = try Wire.payload(body, tag.next, end)
                offset = payload.upperBound
                name = ByteRange(payload)
            case 0x20:
                let read = try Wire.varint(body, tag.next, end)
                offset = read.next
                droppedAttributes = UInt32(truncatingIfNeeded: read.value)
            default:
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
    }
}

/// Visits the events of a span.
package struct EventCursor: Sendable, BitwiseCopyable {
    private var offset: Int
    private let end: Int

    /// - Parameter range: the Span's payload in the request body.
    package init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next event's payload, or nil at the end.
    package mutating func next(_ body: Span<UInt8>) -> ByteRange? {
        guard end <= body.count else { return nil }
        do throws(WalkError) {
            while offset < end {
                let tag = try Wire.tag(body, offset, end)
                guard tag.value == 0x5a else {
                    offset = try Wire.skip(tag: tag.value, body, tag.next, end)
                    continue
                }
                let payload = try Wire.payload(body, tag.next, end)
                offset = payload.upperBound
                return ByteRange(payload)
            }
        } catch {
            offset = end
        }
        return nil
    }
}

/// The fields of a Resource or an InstrumentationScope, read from the header of a group; attributes excepted.
package struct GroupFields: Sendable, BitwiseCopyable {
    /// A scope's name, as a range of `RequestIndex.groupBytes`.
    package var name = ByteRange.empty
    /// A scope's version, as a range of `RequestIndex.groupBytes`.
    package var version = ByteRange.empty
    package var droppedAttributes: UInt32 = 0

    /// The fields of the scope in a ScopeSpans header.
    package static func scope(_ headers: Span<UInt8>, _ range: Range<Int>) -> GroupFields {
        var fields = GroupFields()
        guard range.upperBound <= headers.count else { return fields }
        try? fields.read(headers, range, droppedTag: 0x20, hasTexts: true)
        return fields
    }

    /// The fields of the resource in a ResourceSpans header.
    package static func resource(_ headers: Span<UInt8>, _ range: Range<Int>) -> GroupFields {
        var fields = GroupFields()
        guard range.upperBound <= headers.count else { return fields }
        try? fields.read(headers, range, droppedTag: 0x10, hasTexts: false)
        return fields
    }

    private mutating func read(
        _ headers: Span<UInt8>, _ range: Range<Int>, droppedTag: UInt64, hasTexts: Bool
    ) throws(WalkError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let outer = try Wire.tag(headers, offset, range.upperBound)
            guard outer.value == 0x0a else {
                offset = try Wire.skip(tag: outer.value, headers, outer.next, range.upperBound)
                continue
            }
            let message = try Wire.payload(headers, outer.next, range.upperBound)
            offset = message.lowerBound
            while offset < message.upperBound {
                let tag = try Wire.tag(headers, offset, message.upperBound)
                if tag.value == droppedTag {
                    let read = try Wire.varint(headers, tag.next, message.upperBound)
                    droppedAttributes = UInt32(truncatingIfNeeded: read.value)
                    offset = read.next
                } else if hasTexts, tag.value == 0x0a || tag.value == 0x12 {
                    let payload = try Wire.payload(headers, tag.next, message.upperBound)
                    if tag.value == 0x0a { name = ByteRange(payload) } else { version = ByteRange(payload) }
                    offset = payload.upperBound
                } else {
                    offset = try Wire.skip(tag: tag.value, headers, tag.next, message.upperBound)
                }
            }
        }
    }
}

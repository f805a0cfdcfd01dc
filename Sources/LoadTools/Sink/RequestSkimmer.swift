/// A request whose bytes are not a protobuf message of spans.
package struct MalformedRequest: Error, Equatable {
    /// Where reading stopped.
    package let offset: Int
}

/// Finds the spans of an ExportTraceServiceRequest and reads their ids; skips everything else.
///
/// Holds offsets only; the bytes are passed to every call and must be the same. Any bytes end in spans or in a
/// ``MalformedRequest``, never in a trap.
struct RequestSkimmer {
    struct Found {
        var id: TraceWords
        var spanID: UInt64
        /// Offset of the Span message's first byte, and one past its last.
        var start: Int
        var end: Int
    }

    private var position = 0
    private var scopeEnd = 0
    private var resourceEnd = 0
    private let messageEnd: Int

    init(count: Int) {
        messageEnd = count
    }

    /// The next span, or nil at the end of the request.
    ///
    /// - Complexity: O(1) for spans whose ids come first, as encoders write them; else O(fields of the span).
    @inline(__always)
    mutating func next(in bytes: Span<UInt8>) throws(MalformedRequest) -> Found? {
        while true {
            if position < scopeEnd {
                let tag = try varint(in: bytes, before: scopeEnd)
                if tag == 0x12 {
                    let end = try length(in: bytes, before: scopeEnd)
                    let found = try ids(in: bytes, from: position, to: end)
                    position = end
                    return found
                }
                try skip(tag, in: bytes, before: scopeEnd)
            } else if position < resourceEnd {
                let tag = try varint(in: bytes, before: resourceEnd)
                if tag == 0x12 {
                    scopeEnd = try length(in: bytes, before: resourceEnd)
                } else {
                    try skip(tag, in: bytes, before: resourceEnd)
                }
            } else if position < messageEnd {
                let tag = try varint(in: bytes, before: messageEnd)
                if tag == 0x0a {
                    resourceEnd = try length(in: bytes, before: messageEnd)
                    scopeEnd = position
                } else {
                    try skip(tag, in: bytes, before: messageEnd)
                }
            } else {
                return nil
            }
        }
    }

    /// Whether a span has no parent, and its end in nanoseconds since 1970.
    static func rootAndEnd(
        of found: Found, in bytes: Span<UInt8>
    ) throws(MalformedRequest) -> (root: Bool, end: UInt64) {
        var walker = RequestSkimmer(count: found.end)
        walker.position = found.start
        var root = true
        while walker.position < found.end {
            let tag = try walker.varint(in: bytes, before: found.end)
            switch tag {
            case 0x22:
                let end = try walker.length(in: bytes, before: found.end)
                if end > walker.position { root = false }
                walker.position = end
            case 0x41:
                guard found.end - walker.position >= 8 else { throw MalformedRequest(offset: walker.position) }
                // The parent stands before the times in what encoders write; others lose no more than a measurement.
                return (root, load(bytes, walker.position))
            default:
                try walker.skip(tag, in: bytes, before: found.end)
            }
        }
        return (root, 0)
    }

    // MARK: fields

    @inline(__always)
    private func ids(in bytes: Span<UInt8>, from start: Int, to end: Int) throws(MalformedRequest) -> Found {
        if end - start >= 28, bytes[start] == 0x0a, bytes[start + 1] == 16, bytes[start + 18] == 0x12,
            bytes[start + 19] == 8
        {
            return Found(
                id: TraceWords(high: Self.load(bytes, start + 2), low: Self.load(bytes, start + 10)),
                spanID: Self.load(bytes, start + 20), start: start, end: end)
        }
        return try searchedIDs(in: bytes, from: start, to: end)
    }

    private func searchedIDs(
        in bytes: Span<UInt8>, from start: Int, to end: Int
    ) throws(MalformedRequest) -> Found {
        var found = Found(id: TraceWords(high: 0, low: 0), spanID: 0, start: start, end: end)
        var walker = RequestSkimmer(count: end)
        walker.position = start
        while walker.position < end {
            let tag = try walker.varint(in: bytes, before: end)
            switch tag {
            case 0x0a, 0x12:
                let fieldEnd = try walker.length(in: bytes, before: end)
                let count = fieldEnd - walker.position
                if tag == 0x0a, count == 16 {
                    found.id = TraceWords(
                        high: Self.load(bytes, walker.position), low: Self.load(bytes, walker.position + 8))
                } else if tag == 0x12, count == 8 {
                    found.spanID = Self.load(bytes, walker.position)
                } else {
                    throw MalformedRequest(offset: walker.position)
                }
                walker.position = fieldEnd
            default:
                try walker.skip(tag, in: bytes, before: end)
            }
        }
        return found
    }

    @inline(__always)
    private mutating func varint(in bytes: Span<UInt8>, before end: Int) throws(MalformedRequest) -> UInt64 {
        guard position < end else { throw MalformedRequest(offset: position) }
        let first = bytes[position]
        position &+= 1
        return first < 0x80 ? UInt64(first) : try longVarint(UInt64(first & 0x7f), in: bytes, before: end)
    }

    private mutating func longVarint(
        _ first: UInt64, in bytes: Span<UInt8>, before end: Int
    ) throws(MalformedRequest) -> UInt64 {
        var value = first
        var shift: UInt64 = 7
        while shift < 64 {
            guard position < end else { throw MalformedRequest(offset: position) }
            let byte = bytes[position]
            position &+= 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw MalformedRequest(offset: position)
    }

    /// Reads a length and returns where the field ends.
    @inline(__always)
    private mutating func length(in bytes: Span<UInt8>, before end: Int) throws(MalformedRequest) -> Int {
        let length = try varint(in: bytes, before: end)
        guard length <= UInt64(end &- position) else { throw MalformedRequest(offset: position) }
        return position &+ Int(length)
    }

    private mutating func skip(
        _ tag: UInt64, in bytes: Span<UInt8>, before end: Int
    ) throws(MalformedRequest) {
        guard tag >> 3 != 0 else { throw MalformedRequest(offset: position) }
        switch tag & 7 {
        case 0: _ = try varint(in: bytes, before: end)
        case 1: try advance(8, before: end)
        case 2: position = try length(in: bytes, before: end)
        case 5: try advance(4, before: end)
        default: throw MalformedRequest(offset: position)
        }
    }

    private mutating func advance(_ count: Int, before end: Int) throws(MalformedRequest) {
        guard end - position >= count else { throw MalformedRequest(offset: position) }
        position += count
    }

    /// Eight bytes, little-endian. The caller has checked that they are there; the subscript checks again.
    @inline(__always)
    private static func load(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        let eight = bytes.extracting(offset..<(offset &+ 8))
        return UInt64(eight[0]) | UInt64(eight[1]) << 8 | UInt64(eight[2]) << 16 | UInt64(eight[3]) << 24
            | UInt64(eight[4]) << 32 | UInt64(eight[5]) << 40 | UInt64(eight[6]) << 48 | UInt64(eight[7]) << 56
    }
}

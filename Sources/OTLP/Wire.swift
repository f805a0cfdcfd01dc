/// Protobuf's wire format over a bounds-checked span: varints, tags, skipping.
///
/// Every reader takes `offset` and `end` with `offset <= end <= bytes.count` and returns the new offset
/// beside the value; nothing is `inout`, so that cursors of hot loops stay in registers.
/// See https://protobuf.dev/programming-guides/encoding/.
enum Wire {
    /// Groups nested deeper than this are refused; nobody sends even one.
    static let maximumGroupDepth = 32

    /// A value and the offset behind it.
    struct Read: BitwiseCopyable {
        var value: UInt64
        var next: Int
    }

    /// Reads a varint of at most ten bytes and 64 bits.
    @inline(__always)
    static func varint(
        _ bytes: Span<UInt8>, _ offset: Int, _ end: Int
    ) throws(WalkError) -> Read {
        guard offset < end else { throw WalkError(.truncated, at: offset) }
        let byte = bytes[offset]
        if byte < 0x80 { return Read(value: UInt64(byte), next: offset &+ 1) }
        return try longVarint(bytes, offset, end)
    }

    /// The general case of `varint`.
    @inline(never)
    static func longVarint(
        _ bytes: Span<UInt8>, _ start: Int, _ end: Int
    ) throws(WalkError) -> Read {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var offset = start
        while offset < end {
            let byte = bytes[offset]
            offset &+= 1
            // The tenth byte carries bit 63 alone.
            if shift == 63 && byte > 1 { throw WalkError(.malformedVarint, at: start) }
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return Read(value: value, next: offset) }
            shift &+= 7
        }
        throw WalkError(.truncated, at: start)
    }

    /// Reads a tag; `value` is field number times eight plus wire type, the number never 0.
    @inline(__always)
    static func tag(_ bytes: Span<UInt8>, _ offset: Int, _ end: Int) throws(WalkError) -> Read {
        let tag = try varint(bytes, offset, end)
        guard tag.value >= 8 && tag.value <= 0xffff_ffff else {
            throw WalkError(.badFieldNumber, at: offset)
        }
        return tag
    }

    /// Reads a length prefix; the result holds the payload's start and end, both within `end`.
    @inline(__always)
    static func payload(
        _ bytes: Span<UInt8>, _ offset: Int, _ end: Int
    ) throws(WalkError) -> Range<Int> {
        let length = try varint(bytes, offset, end)
        // `next <= end`, so the difference is not negative.
        guard length.value <= UInt64(truncatingIfNeeded: end &- length.next) else {
            throw WalkError(.truncated, at: offset)
        }
        return length.next..<(length.next &+ Int(truncatingIfNeeded: length.value))
    }

    /// Skips `width` bytes.
    @inline(__always)
    static func fixed(
        _ width: Int, _ offset: Int, _ end: Int
    ) throws(WalkError) -> Int {
        guard end &- offset >= width else { throw WalkError(.truncated, at: offset) }
        return offset &+ width
    }

    /// Skips the value of a field whose tag was just read; returns the offset behind it.
    @inline(never)
    static func skip(
        tag: UInt64, _ bytes: Span<UInt8>, _ offset: Int, _ end: Int, groupDepth: Int = 0
    ) throws(WalkError) -> Int {
        switch tag & 7 {
        case 0: return try varint(bytes, offset, end).next
        case 1: return try fixed(8, offset, end)
        case 2: return try payload(bytes, offset, end).upperBound
        case 3:
            guard groupDepth < maximumGroupDepth else { throw WalkError(.groupTooDeep, at: offset) }
            var position = offset
            while position < end {
                let inner = try self.tag(bytes, position, end)
                if inner.value & 7 == 4 {
                    guard inner.value >> 3 == tag >> 3 else {
                        throw WalkError(.unbalancedGroup, at: position)
                    }
                    return inner.next
                }
                position = try skip(
                    tag: inner.value, bytes, inner.next, end, groupDepth: groupDepth + 1)
            }
            throw WalkError(.unbalancedGroup, at: offset)
        case 4: throw WalkError(.unbalancedGroup, at: offset)
        case 5: return try fixed(4, offset, end)
        default: throw WalkError(.badWireType, at: offset)
        }
    }

    /// Eight bytes, least significant first.
    ///
    /// The bounds are checked once for all eight.
    @inline(__always)
    static func loadLittle64(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        let word = bytes.extracting(offset..<(offset &+ 8))
        let low =
            UInt64(word[0]) | UInt64(word[1]) &<< 8 | UInt64(word[2]) &<< 16
            | UInt64(word[3]) &<< 24
        let high =
            UInt64(word[4]) &<< 32 | UInt64(word[5]) &<< 40 | UInt64(word[6]) &<< 48
            | UInt64(word[7]) &<< 56
        return low | high
    }

    /// Eight bytes, most significant first.
    ///
    /// The bounds are checked once for all eight.
    @inline(__always)
    static func loadBig64(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        loadLittle64(bytes, offset).byteSwapped
    }

    /// Four bytes, least significant first.
    @inline(__always)
    static func loadLittle32(_ bytes: Span<UInt8>, _ offset: Int) -> UInt32 {
        let word = bytes.extracting(offset..<(offset &+ 4))
        return UInt32(word[0]) | UInt32(word[1]) &<< 8 | UInt32(word[2]) &<< 16
            | UInt32(word[3]) &<< 24
    }
}

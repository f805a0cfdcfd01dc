/// A run of bytes somewhere in a request or in its group headers.
package struct ByteRange: Sendable, BitwiseCopyable, Equatable {
    /// Where it begins.
    package var start: UInt32
    /// Its length in bytes.
    package var count: UInt32

    /// No bytes.
    package static var empty: ByteRange { ByteRange(start: 0, count: 0) }

    package init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// - Parameter range: within a request, so below 4 GiB.
    package init(_ range: Range<Int>) {
        start = UInt32(truncatingIfNeeded: range.lowerBound)
        count = UInt32(truncatingIfNeeded: range.count)
    }

    /// As indices.
    package var range: Range<Int> { Int(start)..<(Int(start) + Int(count)) }

    /// The bytes themselves; none if the range does not lie in `source`.
    @inline(__always)
    @_lifetime(copy source)
    package func bytes(in source: Span<UInt8>) -> Span<UInt8> {
        let end = Int(start) &+ Int(count)
        return end <= source.count ? source.extracting(Int(start)..<end) : source.extracting(0..<0)
    }
}

/// Where the value inside an AnyValue lies, and what it is.
package struct AttributeValueRange: Sendable, BitwiseCopyable {
    /// What the value is.
    package var kind: AttributeValueKind
    /// Where it lies, as for `AttributeHit.valueRange`.
    package var range: ByteRange

    package init(kind: AttributeValueKind, range: ByteRange) {
        self.kind = kind
        self.range = range
    }

    /// Where a hit's value lies.
    package init(_ hit: AttributeHit) {
        kind = hit.valueKind
        range = ByteRange(start: hit.valueOffset, count: hit.valueLength)
    }

    /// The last member of an AnyValue's oneof; `current` if it has none.
    static func read(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, current: AttributeValueRange
    ) throws(WalkError) -> AttributeValueRange {
        var value = current
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            let kind: AttributeValueKind? =
                switch tag.value {
                case 0x0a: .string
                case 0x10: .bool
                case 0x18: .int
                case 0x21: .double
                case 0x2a: .array
                case 0x32: .kvlist
                case 0x3a: .bytes
                default: nil
                }
            if tag.value & 7 == 2 {
                let payload = try Wire.payload(body, tag.next, end)
                if let kind { value = AttributeValueRange(kind: kind, range: ByteRange(payload)) }
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
                if let kind {
                    value = AttributeValueRange(kind: kind, range: ByteRange(tag.next..<offset))
                }
            }
        }
        return value
    }

    /// The value of an `int` or `bool`; 0 for other kinds.
    package func integer(in body: Span<UInt8>) -> Int64 {
        let end = range.range.upperBound
        guard kind == .int || kind == .bool, end <= body.count,
            let read = try? Wire.varint(body, Int(range.start), end)
        else { return 0 }
        return Int64(bitPattern: read.value)
    }

    /// The value of a `double`; 0 for other kinds.
    package func double(in body: Span<UInt8>) -> Double {
        guard kind == .double, range.count == 8, range.range.upperBound <= body.count else { return 0 }
        return Double(bitPattern: Wire.loadLittle64(body, Int(range.start)))
    }
}

/// One KeyValue: where its key and its value lie.
package struct AttributeRange: Sendable, BitwiseCopyable {
    package var key: ByteRange
    package var value: AttributeValueRange

    /// Reads one KeyValue in any legal form; an empty one from malformed bytes.
    package init(keyValue bytes: Span<UInt8>, _ message: ByteRange) {
        self =
            (try? AttributeCursor.keyValue(bytes, message.range))
            ?? AttributeRange(key: .empty, value: AttributeValueRange(kind: .empty, range: .empty))
    }

    init(key: ByteRange, value: AttributeValueRange) {
        self.key = key
        self.value = value
    }
}

/// Visits the KeyValues of a message, one after the other, in any legal form.
///
/// Owns nothing; every `next` takes the bytes that the ranges refer to. Malformed bytes, which the request walker does
/// not let through, end the visit.
package struct AttributeCursor: Sendable, BitwiseCopyable {
    private var offset: Int
    private var innerEnd: Int
    private let end: Int
    private let tag: UInt64
    private let isNested: Bool

    /// Creates a cursor.
    ///
    /// - Parameters:
    ///   - range: the message: a Span, an Event, a KeyValueList; or, if `isNested`, the header of a group.
    ///   - tag: of the field that holds KeyValues (0x0a in KeyValueList and Resource, 0x4a in Span, 0x1a in Event and
    ///     InstrumentationScope).
    ///   - isNested: whether the KeyValues lie in messages of field 1 of `range` (Resource, InstrumentationScope), which
    ///     may be several and then count as one.
    package init(_ range: ByteRange, tag: UInt8, isNested: Bool = false) {
        offset = range.range.lowerBound
        innerEnd = isNested ? offset : range.range.upperBound
        end = range.range.upperBound
        self.tag = UInt64(tag)
        self.isNested = isNested
    }

    /// The next KeyValue, or nil at the end.
    package mutating func next(_ bytes: Span<UInt8>) -> AttributeRange? {
        guard end <= bytes.count else { return nil }
        do {
            return try advance(bytes)
        } catch {
            offset = end
            innerEnd = end
            return nil
        }
    }

    private mutating func advance(_ bytes: Span<UInt8>) throws(WalkError) -> AttributeRange? {
        while true {
            while offset < innerEnd {
                let read = try Wire.tag(bytes, offset, innerEnd)
                guard read.value == tag else {
                    offset = try Wire.skip(tag: read.value, bytes, read.next, innerEnd)
                    continue
                }
                let payload = try Wire.payload(bytes, read.next, innerEnd)
                offset = payload.upperBound
                return try Self.keyValue(bytes, payload)
            }
            guard isNested, offset < end else { return nil }
            let read = try Wire.tag(bytes, offset, end)
            if read.value == 0x0a {
                let payload = try Wire.payload(bytes, read.next, end)
                offset = payload.lowerBound
                innerEnd = payload.upperBound
            } else {
                offset = try Wire.skip(tag: read.value, bytes, read.next, end)
                innerEnd = offset
            }
        }
    }

    /// The last key and the last member of the value's oneof count.
    fileprivate static func keyValue(
        _ bytes: Span<UInt8>, _ message: Range<Int>
    ) throws(WalkError) -> AttributeRange {
        var found = AttributeRange(
            key: .empty, value: AttributeValueRange(kind: .empty, range: .empty))
        var offset = message.lowerBound
        while offset < message.upperBound {
            let tag = try Wire.tag(bytes, offset, message.upperBound)
            if tag.value == 0x0a || tag.value == 0x12 {
                let payload = try Wire.payload(bytes, tag.next, message.upperBound)
                if tag.value == 0x0a {
                    found.key = ByteRange(payload)
                } else {
                    found.value = try AttributeValueRange.read(
                        bytes, payload.lowerBound, payload.upperBound, current: found.value)
                }
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, bytes, tag.next, message.upperBound)
            }
        }
        return found
    }

    /// The value of the first KeyValue with this key, or nil.
    ///
    /// - Complexity: O(bytes of the message).
    package static func find(
        _ key: Span<UInt8>, in bytes: Span<UInt8>, _ range: ByteRange, tag: UInt8, isNested: Bool = false
    ) -> AttributeValueRange? {
        var cursor = AttributeCursor(range, tag: tag, isNested: isNested)
        while let attribute = cursor.next(bytes) {
            if ByteSpans.equal(attribute.key.bytes(in: bytes), key) { return attribute.value }
        }
        return nil
    }
}

/// Visits the elements of an ArrayValue.
package struct ArrayCursor: Sendable, BitwiseCopyable {
    private var offset: Int
    private let end: Int

    /// - Parameter range: the ArrayValue's payload.
    package init(_ range: ByteRange) {
        offset = range.range.lowerBound
        end = range.range.upperBound
    }

    /// The next element, or nil at the end.
    package mutating func next(_ bytes: Span<UInt8>) -> AttributeValueRange? {
        guard end <= bytes.count else { return nil }
        do throws(WalkError) {
            while offset < end {
                let tag = try Wire.tag(bytes, offset, end)
                guard tag.value == 0x0a else {
                    offset = try Wire.skip(tag: tag.value, bytes, tag.next, end)
                    continue
                }
                let payload = try Wire.payload(bytes, tag.next, end)
                offset = payload.upperBound
                return try AttributeValueRange.read(
                    bytes, payload.lowerBound, payload.upperBound,
                    current: AttributeValueRange(kind: .empty, range: .empty))
            }
        } catch {
            offset = end
        }
        return nil
    }
}

/// Writing protobuf into byte arrays.
extension [UInt8] {
    /// Appends a varint: 1-10 bytes.
    package mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a varint field; nothing for 0, proto3's default.
    package mutating func appendField(_ number: UInt64, varint value: UInt64) {
        guard value != 0 else { return }
        appendVarint(number << 3)
        appendVarint(value)
    }

    /// Appends a string, bytes or message field, also if it is empty.
    package mutating func appendField(_ number: UInt64, bytes: [UInt8]) {
        appendVarint(number << 3 | 2)
        appendVarint(UInt64(bytes.count))
        append(contentsOf: bytes)
    }

    /// Appends the bytes of a span.
    package mutating func append(copying bytes: Span<UInt8>) {
        append(addingCapacity: bytes.count) { output in
            for index in bytes.indices { output.append(bytes[index]) }
        }
    }
}

/// Sizes of protobuf's encodings.
package enum ProtobufSize {
    /// The length of a varint: 1-10 bytes.
    @inlinable package static func varint(_ value: UInt64) -> Int {
        // ceil(bits / 7) with at least one bit, without dividing.
        ((64 - (value | 1).leadingZeroBitCount) * 9 + 64) >> 6
    }

    /// The length of a length-delimited field with a payload of `count` bytes.
    @inlinable package static func field(_ number: UInt64, count: Int) -> Int {
        varint(number << 3) + varint(UInt64(count)) + count
    }
}

/// Reading small messages: field by field, errors as `WalkError`.
struct FieldReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var offset = 0
    private let end: Int

    /// One field.
    ///
    /// For length-delimited fields `payload` is the content, for others empty.
    struct Field {
        /// Field number times eight plus wire type.
        var tag: UInt64
        /// The value of varints (0), fixed64 (1) and fixed32 (5).
        var value: UInt64
        /// The content of a length-delimited field.
        var payload: Range<Int>
    }

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or `nil` at the end.
    @_lifetime(self: copy self)
    mutating func next() throws(WalkError) -> Field? {
        guard offset < end else { return nil }
        let tag = try Wire.tag(bytes, offset, end)
        var field = Field(tag: tag.value, value: 0, payload: tag.next..<tag.next)
        switch tag.value & 7 {
        case 0:
            let read = try Wire.varint(bytes, tag.next, end)
            field.value = read.value
            offset = read.next
        case 1:
            offset = try Wire.fixed(8, tag.next, end)
            field.value = Wire.loadLittle64(bytes, tag.next)
        case 2:
            field.payload = try Wire.payload(bytes, tag.next, end)
            offset = field.payload.upperBound
        case 5:
            offset = try Wire.fixed(4, tag.next, end)
            field.value = UInt64(Wire.loadLittle32(bytes, tag.next))
        default: offset = try Wire.skip(tag: tag.value, bytes, tag.next, end)
        }
        return field
    }
}

extension Span<UInt8> {
    /// A copy of some of the bytes.
    func array(_ range: Range<Int>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.append(copying: extracting(range))
        return copy
    }
}

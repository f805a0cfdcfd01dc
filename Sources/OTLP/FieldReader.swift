/// Reading a protobuf message field by field, errors as `WalkError`: for messages that are not on the way of every span.
package struct FieldReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var offset = 0
    private let end: Int

    /// One field.
    ///
    /// For length-delimited fields `payload` is the content, for others empty.
    package struct Field {
        /// Field number times eight plus wire type.
        package var tag: UInt64
        /// The value of varints (0), fixed64 (1) and fixed32 (5).
        package var value: UInt64
        /// The content of a length-delimited field.
        package var payload: Range<Int>
        /// The field with its tag.
        package var whole: Range<Int>
    }

    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or `nil` at the end.
    ///
    /// Groups are passed as one field without a payload.
    @_lifetime(self: copy self)
    package mutating func next() throws(WalkError) -> Field? {
        guard offset < end else { return nil }
        let start = offset
        let tag = try Wire.tag(bytes, offset, end)
        var field = Field(tag: tag.value, value: 0, payload: tag.next..<tag.next, whole: start..<start)
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
        field.whole = start..<offset
        return field
    }
}

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

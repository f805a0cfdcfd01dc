internal import OTLP

/// Cuts a message into the pieces of a draft. The usual forms in a few comparisons, all others by the general rules.
struct PieceParser {
    var pieces: [MessageDraft.Piece]
    var spanKind: Int32 = 0

    /// The fields of a span or event, or of a resource or scope that lies in a header.
    mutating func parse(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, _ kind: MessageDraft.Kind) {
        let attributeTag = kind.attributeTag
        var offset = start
        var rawStart = start
        while offset < end {
            guard let field = Self.field(bytes, offset, end) else {
                offset = end
                break
            }
            let tag = field.tag
            let role: MessageDraft.Role
            if tag == UInt64(attributeTag) {
                role = .attribute
            } else if kind == .span {
                switch tag {
                case 0x1a: role = .traceState
                case 0x2a: role = .name
                case 0x5a: role = .event
                case 0x7a: role = .status
                case 0x30:
                    spanKind = Int32(truncatingIfNeeded: field.value)
                    role = .raw
                default: role = .raw
                }
            } else {
                role = .raw
            }
            let next = field.whole.upperBound
            if role == .raw {
                offset = next
                continue
            }
            if rawStart < offset { pieces.append(.init(role: .raw, range: ByteRange(rawStart..<offset))) }
            if role == .attribute {
                pieces.append(Self.attribute(bytes, whole: offset..<next, field.payload))
            } else {
                pieces.append(.init(role: role, range: ByteRange(offset..<next), key: ByteRange(field.payload)))
            }
            rawStart = next
            offset = next
        }
        if rawStart < end { pieces.append(.init(role: .raw, range: ByteRange(rawStart..<end))) }
    }

    /// A header: the fields of its resources or scopes, which merge, and the fields beside them.
    mutating func parseHeader(_ bytes: Span<UInt8>, _ kind: MessageDraft.Kind) {
        var offset = 0
        while offset < bytes.count {
            guard let field = Self.field(bytes, offset, bytes.count) else {
                pieces.append(.init(role: .outer, range: ByteRange(offset..<bytes.count)))
                return
            }
            if field.tag == 0x0a {
                let before = pieces.count
                parse(bytes, field.payload.lowerBound, field.payload.upperBound, kind)
                // An empty message is there, too.
                if pieces.count == before { pieces.append(.init(role: .raw, range: .empty)) }
            } else {
                pieces.append(.init(role: .outer, range: ByteRange(field.whole)))
            }
            offset = field.whole.upperBound
        }
    }

    private struct Field {
        var tag: UInt64
        var value: UInt64
        var payload: Range<Int>
        var whole: Range<Int>
    }

    /// The field that begins here, or nil for malformed bytes.
    @inline(__always)
    private static func field(_ bytes: Span<UInt8>, _ offset: Int, _ end: Int) -> Field? {
        if let payload = shortPayload(bytes, offset, end) {
            return Field(tag: UInt64(bytes[offset]), value: 0, payload: payload, whole: offset..<payload.upperBound)
        }
        return longField(bytes, offset, end)
    }

    @inline(never)
    private static func longField(_ bytes: Span<UInt8>, _ offset: Int, _ end: Int) -> Field? {
        var reader = FieldReader(bytes, offset..<end)
        guard let field = try? reader.next() else { return nil }
        return Field(tag: field.tag, value: field.value, payload: field.payload, whole: field.whole)
    }

    /// The payload of a length-delimited field whose tag and length are one byte each.
    @inline(__always)
    private static func shortPayload(_ bytes: Span<UInt8>, _ offset: Int, _ end: Int) -> Range<Int>? {
        guard end &- offset >= 2 else { return nil }
        let tag = bytes[offset]
        let length = bytes[offset &+ 1]
        guard tag & 0x87 == 2, tag >= 8, length < 0x80 else { return nil }
        let start = offset &+ 2
        guard Int(length) <= end &- start else { return nil }
        return start..<(start &+ Int(length))
    }

    /// The piece of an attribute.
    ///
    /// - Parameters:
    ///   - whole: the field with its tag.
    ///   - message: the KeyValue.
    static func attribute(_ bytes: Span<UInt8>, whole: Range<Int>, _ message: Range<Int>) -> MessageDraft.Piece {
        var piece = MessageDraft.Piece(role: .attribute, range: ByteRange(whole))
        // key (0a), value (12), and a value that is one text, which fills it.
        if let key = shortPayload(bytes, message.lowerBound, message.upperBound), bytes[message.lowerBound] == 0x0a,
            let value = shortPayload(bytes, key.upperBound, message.upperBound), bytes[key.upperBound] == 0x12,
            value.upperBound == message.upperBound,
            let text = shortPayload(bytes, value.lowerBound, value.upperBound), bytes[value.lowerBound] == 0x0a,
            text.upperBound == value.upperBound
        {
            piece.key = ByteRange(key)
            piece.value = AttributeValueRange(kind: .string, range: ByteRange(text))
            return piece
        }
        let found = AttributeRange(keyValue: bytes, ByteRange(message))
        piece.key = found.key
        piece.value = found.value
        return piece
    }
}

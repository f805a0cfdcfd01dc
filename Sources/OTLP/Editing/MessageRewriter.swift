/// Writes a message anew with some of its fields changed. All other fields, unknown ones too, stay byte for byte and in order.
///
/// The source is a message that the request walker has accepted. Fields that came several times and count as one are one
/// afterwards, in the place of the first. What is written is appended to `output`; on an error it holds part of a message.
package enum MessageRewriter {
    /// Appends the message with another value of one of its fields.
    ///
    /// - Parameters:
    ///   - tag: field number times eight plus wire type.
    ///   - field: the field as it is to stand there, with its tag; empty to leave it out.
    /// - Complexity: O(length).
    package static func replace(
        _ tag: UInt64, by field: [UInt8], in source: Span<UInt8>, to output: inout [UInt8]
    ) throws(WalkError) {
        output.reserveCapacity(output.count + source.count + field.count)
        var copied = 0
        var isWritten = false
        var offset = 0
        while offset < source.count {
            let read = try Wire.tag(source, offset, source.count)
            let next = try Wire.skip(tag: read.value, source, read.next, source.count)
            if read.value == tag {
                output.append(copying: source.extracting(copied..<offset))
                if !isWritten { output += field }
                isWritten = true
                copied = next
            }
            offset = next
        }
        output.append(copying: source.extracting(copied..<source.count))
        if !isWritten { output += field }
    }

    /// The payload of a message field; several of them merge by standing behind each other.
    package static func message(_ tag: UInt64, in source: Span<UInt8>) throws(WalkError) -> [UInt8] {
        var payload: [UInt8] = []
        var reader = FieldReader(source, 0..<source.count)
        while let field = try reader.next() {
            if field.tag == tag { payload.append(copying: source.extracting(field.payload)) }
        }
        return payload
    }

    /// Appends the message with an attribute set: in the place of the first with its key, other ones with that key go; or
    /// behind all
    /// fields.
    ///
    /// - Parameters:
    ///   - tag: of the field that holds KeyValues, below 0x80.
    ///   - value: the payload of an AnyValue.
    /// - Complexity: O(length).
    package static func setAttribute(
        _ key: Span<UInt8>, to value: Span<UInt8>, tag: UInt8, in source: Span<UInt8>, output: inout [UInt8]
    ) throws(WalkError) {
        output.reserveCapacity(output.count + source.count + key.count + value.count + 16)
        var copied = 0
        var isWritten = false
        var offset = 0
        while offset < source.count {
            let read = try Wire.tag(source, offset, source.count)
            guard read.value == UInt64(tag) else {
                offset = try Wire.skip(tag: read.value, source, read.next, source.count)
                continue
            }
            let payload = try Wire.payload(source, read.next, source.count)
            if try hasKey(key, source, payload) {
                output.append(copying: source.extracting(copied..<offset))
                copied = payload.upperBound
                if !isWritten {
                    isWritten = true
                    try append(key, value, tag: tag, othersOf: payload, source, to: &output)
                }
            }
            offset = payload.upperBound
        }
        output.append(copying: source.extracting(copied..<source.count))
        if !isWritten { append(key, value, tag: tag, others: [], to: &output) }
    }

    /// Appends the message without the attributes of whose keys the test holds; whether there was one.
    ///
    /// - Complexity: O(length), and what the test costs.
    package static func removeAttributes(
        tag: UInt8, in source: Span<UInt8>, to output: inout [UInt8], where test: (Span<UInt8>) -> Bool
    ) throws(WalkError) -> Bool {
        var copied = 0
        var offset = 0
        while offset < source.count {
            let read = try Wire.tag(source, offset, source.count)
            guard read.value == UInt64(tag) else {
                offset = try Wire.skip(tag: read.value, source, read.next, source.count)
                continue
            }
            let payload = try Wire.payload(source, read.next, source.count)
            if test(source.extracting(try key(source, payload))) {
                output.append(copying: source.extracting(copied..<offset))
                copied = payload.upperBound
            }
            offset = payload.upperBound
        }
        guard copied > 0 else { return false }
        output.append(copying: source.extracting(copied..<source.count))
        return true
    }

    /// Appends the message without those of its fields with this tag of whose place among them the test holds.
    ///
    /// - Complexity: O(length), and what the test costs.
    package static func remove(
        _ tag: UInt64, in source: Span<UInt8>, to output: inout [UInt8], where test: (Int) -> Bool
    ) throws(WalkError) {
        var copied = 0
        var place = 0
        var reader = FieldReader(source, 0..<source.count)
        while let field = try reader.next() {
            guard field.tag == tag else { continue }
            if test(place) {
                output.append(copying: source.extracting(copied..<field.whole.lowerBound))
                copied = field.whole.upperBound
            }
            place += 1
        }
        output.append(copying: source.extracting(copied..<source.count))
    }

    /// What becomes of an attribute.
    package enum AttributeChange: Sendable {
        case keep
        case remove
        /// Another key and another value, the payload of an AnyValue.
        case replace(key: [UInt8], value: [UInt8])
    }

    /// Appends the message with its attributes changed one by one, and further ones behind all fields.
    ///
    /// - Parameters:
    ///   - changes: by the attribute's place among the attributes; those beyond are kept.
    ///   - added: keys with payloads of AnyValues.
    /// - Complexity: O(length).
    package static func changeAttributes(
        tag: UInt8, _ changes: [AttributeChange], adding added: [(key: [UInt8], value: [UInt8])], in source: Span<UInt8>,
        to output: inout [UInt8]
    ) throws(WalkError) {
        output.reserveCapacity(output.count + source.count)
        var copied = 0
        var offset = 0
        var place = 0
        while offset < source.count {
            let read = try Wire.tag(source, offset, source.count)
            guard read.value == UInt64(tag) else {
                offset = try Wire.skip(tag: read.value, source, read.next, source.count)
                continue
            }
            let payload = try Wire.payload(source, read.next, source.count)
            let change = place < changes.count ? changes[place] : .keep
            place += 1
            switch change {
            case .keep: break
            case .remove:
                output.append(copying: source.extracting(copied..<offset))
                copied = payload.upperBound
            case .replace(let key, let value):
                output.append(copying: source.extracting(copied..<offset))
                copied = payload.upperBound
                try append(key.span, value.span, tag: tag, othersOf: payload, source, to: &output)
            }
            offset = payload.upperBound
        }
        output.append(copying: source.extracting(copied..<source.count))
        for (key, value) in added { append(key.span, value.span, tag: tag, others: [], to: &output) }
    }

    // MARK: KeyValues

    private static func hasKey(_ key: Span<UInt8>, _ source: Span<UInt8>, _ message: Range<Int>) throws(WalkError) -> Bool {
        return ByteSpans.equal(source.extracting(try self.key(source, message)), key)
    }

    /// The last key counts.
    private static func key(_ source: Span<UInt8>, _ message: Range<Int>) throws(WalkError) -> Range<Int> {
        var found = message.lowerBound..<message.lowerBound
        var offset = message.lowerBound
        while offset < message.upperBound {
            let read = try Wire.tag(source, offset, message.upperBound)
            if read.value == 0x0a {
                found = try Wire.payload(source, read.next, message.upperBound)
                offset = found.upperBound
            } else {
                offset = try Wire.skip(tag: read.value, source, read.next, message.upperBound)
            }
        }
        return found
    }

    /// A KeyValue in the place of an old one, whose unknown fields stay.
    private static func append(
        _ key: Span<UInt8>, _ value: Span<UInt8>, tag: UInt8, othersOf old: Range<Int>, _ source: Span<UInt8>,
        to output: inout [UInt8]
    ) throws(WalkError) {
        var others: [UInt8] = []
        var reader = FieldReader(source, old)
        while let field = try reader.next() {
            if field.tag != 0x0a && field.tag != 0x12 { others.append(copying: source.extracting(field.whole)) }
        }
        append(key, value, tag: tag, others: others, to: &output)
    }

    private static func append(
        _ key: Span<UInt8>, _ value: Span<UInt8>, tag: UInt8, others: [UInt8], to output: inout [UInt8]
    ) {
        let count = ProtobufSize.field(1, count: key.count) + ProtobufSize.field(2, count: value.count) + others.count
        output.appendPrefix(tag >> 3, count: count)
        output.appendPrefix(1, count: key.count)
        output.append(copying: key)
        output.appendPrefix(2, count: value.count)
        output.append(copying: value)
        output += others
    }
}

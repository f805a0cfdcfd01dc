/// Finds and repairs text that isn't valid UTF-8 in spans and group headers.
///
/// Protobuf's Go, Java and Python parsers refuse a whole message for one bad string, so a span that
/// is fine here would take every batch it is in down at a backend. Only `string` fields count;
/// `bytes` fields and unknown fields are left alone.
/// The input is expected to have passed `RequestWalker`; where it is malformed all the same, it counts
/// as invalid and the malformed message is kept as it is.
package enum SpanSanitizer {
    /// What the bytes are.
    package enum Part: Sendable {
        /// The payload of a Span message.
        case span
        /// A ResourceSpans without its children, as in `GroupRecord.resourceRange`.
        case resourceHeader
        /// A ScopeSpans without its children, as in `GroupRecord.scopeRange`.
        case scopeHeader

        fileprivate var schema: (message: MessageSchema, depth: Int) {
            switch self {
            case .span: (.span, MessageSchema.spanDepth)
            case .resourceHeader: (.resourceHeader, MessageSchema.resourceHeaderDepth)
            case .scopeHeader: (.scopeHeader, MessageSchema.scopeHeaderDepth)
            }
        }
    }

    /// Whether every string, at any depth, is valid UTF-8.
    ///
    /// - Complexity: O(n), eight bytes at a time where a nested message is all ASCII: its tags,
    ///   lengths and texts need no telling apart then.
    package static func isValid(_ bytes: Span<UInt8>, as part: Part = .span) -> Bool {
        let schema = part.schema
        do throws(WalkError) {
            return try isValid(schema.message, bytes, 0, bytes.count, depth: schema.depth)
        } catch {
            return false
        }
    }

    /// The bytes with U+FFFD for every maximal invalid subpart of a string and the lengths of the
    /// messages around it corrected; all else byte for byte.
    ///
    /// - Complexity: O(n times depth).
    package static func repaired(_ bytes: Span<UInt8>, as part: Part = .span) -> [UInt8] {
        let schema = part.schema
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 16)
        do throws(WalkError) {
            _ = try repair(
                schema.message, bytes, 0, bytes.count, depth: schema.depth, to: &output)
        } catch {
            output.removeAll(keepingCapacity: true)
            output.append(copying: bytes)
        }
        return output
    }

    private static func isValid(
        _ message: MessageSchema, _ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int
    ) throws(WalkError) -> Bool {
        guard depth <= MessageSchema.maximumDepth else { return false }
        var offset = start
        while offset < end {
            let tag = try Wire.tag(bytes, offset, end)
            switch tag.value & 7 {
            case 0:
                offset = try Wire.varint(bytes, tag.next, end).next
                continue
            case 1:
                offset = try Wire.fixed(8, tag.next, end)
                continue
            case 2: break
            default:
                offset = try Wire.skip(tag: tag.value, bytes, tag.next, end)
                continue
            }
            let payload = try Wire.payload(bytes, tag.next, end)
            offset = payload.upperBound
            switch message.field(tag.value) {
            case .other: continue
            case .string:
                guard UTF8Check.isValid(bytes, payload.lowerBound, offset) else { return false }
            case .message(let inner):
                if UTF8Check.isASCII(bytes, payload.lowerBound, offset) { continue }
                guard
                    try isValid(inner, bytes, payload.lowerBound, offset, depth: depth + 1)
                else { return false }
            }
        }
        return true
    }

    /// Appends a repaired message; `false` if nothing had to be changed.
    private static func repair(
        _ message: MessageSchema, _ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int,
        to output: inout [UInt8]
    ) throws(WalkError) -> Bool {
        guard depth <= MessageSchema.maximumDepth else {
            output.append(copying: bytes.extracting(start..<end))
            return false
        }
        var isChanged = false
        var offset = start
        while offset < end {
            let fieldStart = offset
            let tag = try Wire.tag(bytes, offset, end)
            guard tag.value & 7 == 2 else {
                offset = try Wire.skip(tag: tag.value, bytes, tag.next, end)
                output.append(copying: bytes.extracting(fieldStart..<offset))
                continue
            }
            let payload = try Wire.payload(bytes, tag.next, end)
            offset = payload.upperBound
            var content: [UInt8]?
            switch message.field(tag.value) {
            case .other: break
            case .string:
                if !UTF8Check.isValid(bytes, payload.lowerBound, offset) {
                    var text: [UInt8] = []
                    UTF8Check.appendRepaired(bytes, payload.lowerBound, offset, to: &text)
                    content = text
                }
            case .message(let inner):
                if !UTF8Check.isASCII(bytes, payload.lowerBound, offset) {
                    var nested: [UInt8] = []
                    let changed = try repair(
                        inner, bytes, payload.lowerBound, offset, depth: depth + 1, to: &nested)
                    if changed { content = nested }
                }
            }
            if let content {
                isChanged = true
                output.append(copying: bytes.extracting(fieldStart..<tag.next))
                output.appendVarint(UInt64(content.count))
                output.append(contentsOf: content)
            } else {
                output.append(copying: bytes.extracting(fieldStart..<offset))
            }
        }
        return isChanged
    }
}

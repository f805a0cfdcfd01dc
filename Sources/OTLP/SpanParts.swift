/// Where the parts of a span lie that the walk does not note: for the few policies that look at them.
///
/// Offsets refer to the body that the span's record refers to. Of repeated fields the last one counts, as in every protobuf
/// library.
package struct SpanParts: Sendable {
    /// The name's bytes; empty if the span has none.
    package var name: Range<Int>
    /// The tracestate's bytes; empty if the span has none.
    package var traceState: Range<Int>
    /// 0 UNSPECIFIED, 1 INTERNAL, 2 SERVER, 3 CLIENT, 4 PRODUCER, 5 CONSUMER, or a number that OTLP doesn't know.
    package var kind: UInt64

    /// Finds the fields of a span that has been walked; stops where the bytes are no span.
    ///
    /// - Complexity: O(number of fields).
    package init(of record: SpanRecord, in body: Span<UInt8>) {
        let start = Int(record.offset)
        let end = min(start &+ Int(record.length), body.count)
        name = start..<start
        traceState = start..<start
        kind = 0
        var offset = start
        do {
            while offset < end {
                let tag = try Wire.tag(body, offset, end)
                switch tag.value {
                case 0x2a:
                    name = try Wire.payload(body, tag.next, end)
                    offset = name.upperBound
                case 0x1a:
                    traceState = try Wire.payload(body, tag.next, end)
                    offset = traceState.upperBound
                case 0x30:
                    let read = try Wire.varint(body, tag.next, end)
                    kind = read.value
                    offset = read.next
                case 0x4a, 0x5a, 0x6a, 0x0a, 0x12, 0x22, 0x7a:
                    offset = try Wire.payload(body, tag.next, end).upperBound
                default:
                    offset = try Wire.skip(tag: tag.value, body, tag.next, end)
                }
            }
        } catch {
            // A span that was walked is well-formed; bytes that are not are left as they are.
        }
    }
}

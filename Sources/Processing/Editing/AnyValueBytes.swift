package import OTLP

/// Values of attributes as the payload of an AnyValue message.
package enum AnyValueBytes {
    /// Text, not necessarily valid UTF-8.
    package static func text(_ text: [UInt8]) -> [UInt8] { field(0x0a, text) }

    package static func text(_ text: String) -> [UInt8] { field(0x0a, Array(text.utf8)) }

    /// Written out for `false`, too: the member of a oneof is there by being written.
    package static func bool(_ value: Bool) -> [UInt8] { [0x10, value ? 1 : 0] }

    package static func integer(_ value: Int64) -> [UInt8] {
        var bytes: [UInt8] = [0x18]
        bytes.appendVarint(UInt64(bitPattern: value))
        return bytes
    }

    package static func double(_ value: Double) -> [UInt8] {
        let bits = value.bitPattern
        return [0x21] + (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
    }

    /// A list of values, each the payload of an AnyValue.
    package static func list(_ elements: [[UInt8]]) -> [UInt8] {
        field(0x2a, elements.flatMap { field(0x0a, $0) })
    }

    /// A map; values are payloads of AnyValues.
    package static func map(_ entries: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
        field(0x32, entries.flatMap { field(0x0a, field(0x0a, $0.key) + field(0x12, $0.value)) })
    }

    /// The AnyValue that was read from these bytes.
    package static func copy(of value: AttributeValueRange, in bytes: Span<UInt8>) -> [UInt8] {
        var content: [UInt8] = []
        content.append(copying: value.range.bytes(in: bytes))
        switch value.kind {
        case .empty: return []
        case .string: return field(0x0a, content)
        case .bool: return [0x10] + content
        case .int: return [0x18] + content
        case .double: return [0x21] + content
        case .array: return field(0x2a, content)
        case .kvlist: return field(0x32, content)
        case .bytes: return field(0x3a, content)
        }
    }

    /// A length-delimited field with a tag of one byte.
    private static func field(_ tag: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.count + 4)
        bytes.append(tag)
        bytes.appendVarint(UInt64(payload.count))
        bytes += payload
        return bytes
    }
}

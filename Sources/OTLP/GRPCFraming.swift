/// gRPC's message framing: one flag byte, four length bytes (big-endian), payload.
///
/// Source: grpc/doc/PROTOCOL-HTTP2.md.
package enum GRPCFraming {
    /// The length of the prefix before each message, in bytes.
    package static let prefixLength = 5

    /// Appends the prefix of a message of `length` bytes, which must be below 2^32.
    package static func appendPrefix(
        length: Int, isCompressed: Bool, to output: inout [UInt8]
    ) {
        let word = UInt32(truncatingIfNeeded: length)
        output.append(isCompressed ? 1 : 0)
        output.append(UInt8(truncatingIfNeeded: word >> 24))
        output.append(UInt8(truncatingIfNeeded: word >> 16))
        output.append(UInt8(truncatingIfNeeded: word >> 8))
        output.append(UInt8(truncatingIfNeeded: word))
    }
}

/// Why a whole request is not a protobuf message: what a client hears as INVALID_ARGUMENT (HTTP 400).
///
/// A value, never text, so that refusing a flood of bad requests costs nothing.
package struct WalkError: Error, Equatable, Sendable {
    /// What is wrong.
    package enum Reason: UInt8, Sendable, CaseIterable {
        /// A varint has more than ten bytes or more than 64 bits.
        case malformedVarint
        /// A varint, fixed field or length-delimited field reaches past the end of its message.
        case truncated
        /// A field number is 0 or above 2^29 - 1.
        case badFieldNumber
        /// A wire type is 6 or 7.
        case badWireType
        /// A group ends that was not begun, or begins and does not end.
        case unbalancedGroup
        /// Unknown groups are nested deeper than `Wire.maximumGroupDepth`.
        case groupTooDeep
        /// More spans than the walker allows in one request.
        case tooManySpans
        /// The body has 2^32 bytes or more.
        case bodyTooLarge
    }

    /// What is wrong.
    package var reason: Reason
    /// Where in the body, in bytes.
    package var offset: Int

    /// Creates an error at `offset`.
    init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension WalkError: CustomStringConvertible {
    /// One sentence for a gRPC status message or a log line.
    package var description: String {
        let text =
            switch reason {
            case .malformedVarint: "malformed varint"
            case .truncated: "field reaches past the end of its message"
            case .badFieldNumber: "bad field number"
            case .badWireType: "bad wire type"
            case .unbalancedGroup: "unbalanced group"
            case .groupTooDeep: "groups nested too deep"
            case .tooManySpans: "too many spans in one request"
            case .bodyTooLarge: "request larger than 4 GiB"
            }
        return "not a valid OTLP request: \(text) at byte \(offset)"
    }
}

/// gRPC's status codes.
///
/// Source: grpc/doc/statuscodes.md.
package enum GRPCStatusCode: UInt8, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// Reads a `grpc-status` value; `nil` if it is no number.
    ///
    /// A number that isn't known is `unknown`.
    package init?(headerValue: Span<UInt8>) {
        guard headerValue.count >= 1 && headerValue.count <= 10 else { return nil }
        var number: UInt64 = 0
        for index in headerValue.indices {
            let byte = headerValue[index]
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            number = number * 10 + UInt64(byte - 0x30)
        }
        self = UInt8(exactly: number).flatMap(GRPCStatusCode.init(rawValue:)) ?? .unknown
    }

    /// The `grpc-status` value: decimal, no leading zero.
    package var headerValue: [UInt8] {
        rawValue < 10
            ? [0x30 + rawValue] : [0x30 + rawValue / 10, 0x30 + rawValue % 10]
    }

    /// What a response without `grpc-status` means (grpc/doc/http-grpc-status-mapping.md).
    package init(httpStatus: Int) {
        self =
            switch httpStatus {
            case 400, 431: .internal
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
    }

    /// What a stream reset with this HTTP/2 error code means to a client.
    package init(streamResetCode: UInt32) {
        self =
            switch streamResetCode {
            case 7: .unavailable  // REFUSED_STREAM: never processed
            case 8: .cancelled  // CANCEL
            case 11: .resourceExhausted  // ENHANCE_YOUR_CALM
            case 12: .permissionDenied  // INADEQUATE_SECURITY
            default: .internal
            }
    }

    /// The name as gRPC's documents and logs write it, such as `UNAVAILABLE`.
    package var name: StaticString {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}

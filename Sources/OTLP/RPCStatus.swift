/// google.rpc.Status: the body of an OTLP/HTTP error and of the trailer `grpc-status-details-bin`.
///
/// Source: googleapis, google/rpc/status.proto.
package struct RPCStatus: Equatable, Sendable {
    /// A gRPC status code.
    package var code: Int32
    /// For people.
    ///
    /// UTF-8.
    package var message: [UInt8]
    /// How long to wait before trying again, if the sender says so (RetryInfo among the details).
    package var retryInfo: RetryInfo?

    /// Creates a status.
    package init(code: Int32, message: [UInt8], retryInfo: RetryInfo? = nil) {
        self.code = code
        self.message = message
        self.retryInfo = retryInfo
    }

    /// Reads a status; details other than RetryInfo are skipped.
    package init(parsing bytes: Span<UInt8>) throws(WalkError) {
        self.init(code: 0, message: [])
        var status = FieldReader(bytes, 0..<bytes.count)
        while let field = try status.next() {
            switch field.tag {
            case 0x08: code = Int32(truncatingIfNeeded: field.value)
            case 0x12: message = bytes.array(field.payload)
            case 0x1a:
                var typeURL = 0..<0
                var value = 0..<0
                var detail = FieldReader(bytes, field.payload)
                while let inner = try detail.next() {
                    switch inner.tag {
                    case 0x0a: typeURL = inner.payload
                    case 0x12: value = inner.payload
                    default: break
                    }
                }
                if Self.isRetryInfo(bytes.extracting(typeURL)) {
                    retryInfo = try RetryInfo(parsing: bytes.extracting(value))
                }
            default: break
            }
        }
    }

    /// The protobuf bytes.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        output.appendField(1, varint: UInt64(bitPattern: Int64(code)))
        if !message.isEmpty { output.appendField(2, bytes: message) }
        if let retryInfo {
            var detail: [UInt8] = []
            detail.appendField(1, bytes: Array("type.googleapis.com/".utf8) + Self.retryInfoName)
            detail.appendField(2, bytes: retryInfo.encoded)
            output.appendField(3, bytes: detail)
        }
        return output
    }

    private static let retryInfoName = Array("google.rpc.RetryInfo".utf8)

    /// Only what follows the last slash counts.
    private static func isRetryInfo(_ typeURL: Span<UInt8>) -> Bool {
        let name = retryInfoName
        guard typeURL.count >= name.count else { return false }
        let start = typeURL.count - name.count
        for index in name.indices where typeURL[start + index] != name[index] { return false }
        return start == 0 || typeURL[start - 1] == UInt8(ascii: "/")
    }
}

/// google.rpc.RetryInfo: when an overloaded server wants to hear from the client again.
///
/// Source: googleapis, google/rpc/error_details.proto.
package struct RetryInfo: Equatable, Sendable {
    /// The wait in nanoseconds, not negative.
    package var delayNanoseconds: Int64

    /// Creates an advice to wait; a negative delay counts as 0.
    package init(delayNanoseconds: Int64) {
        self.delayNanoseconds = max(0, delayNanoseconds)
    }

    /// Reads an advice; a delay above 292 years is cut, a negative one counts as 0.
    package init(parsing bytes: Span<UInt8>) throws(WalkError) {
        var seconds: Int64 = 0
        var nanos: Int32 = 0
        var info = FieldReader(bytes, 0..<bytes.count)
        while let field = try info.next() {
            guard field.tag == 0x0a else { continue }
            var duration = FieldReader(bytes, field.payload)
            while let inner = try duration.next() {
                switch inner.tag {
                case 0x08: seconds = Int64(bitPattern: inner.value)
                case 0x10: nanos = Int32(truncatingIfNeeded: inner.value)
                default: break
                }
            }
        }
        let whole = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let sum = whole.partialValue.addingReportingOverflow(Int64(nanos))
        if whole.overflow || sum.overflow {
            delayNanoseconds = seconds > 0 ? Int64.max : 0
        } else {
            delayNanoseconds = max(0, sum.partialValue)
        }
    }

    /// The protobuf bytes.
    package var encoded: [UInt8] {
        var duration: [UInt8] = []
        duration.appendField(1, varint: UInt64(delayNanoseconds / 1_000_000_000))
        duration.appendField(2, varint: UInt64(delayNanoseconds % 1_000_000_000))
        var output: [UInt8] = []
        output.appendField(1, bytes: duration)
        return output
    }
}

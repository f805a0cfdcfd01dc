package import Delivery
package import NativeCore
internal import OTLP

/// Reads what a gRPC server answered out of response fields, trailers and body.
package enum GRPCAnswerReader {
    /// - Parameters:
    ///   - trailers: nil for a Trailers-Only answer, whose status stands in `headers`.
    ///   - body: the response's bytes: at most one message is looked at.
    ///   - readsPayload: the message's bytes are wanted, and not what `partial_success` says.
    package static func read(headers: HTTP2Headers, trailers: HTTP2Headers?, body: [UInt8], readsPayload: Bool = false) -> GRPCAnswer {
        let block = trailers?.first("grpc-status") != nil ? trailers ?? headers : headers
        guard let value = block.first("grpc-status"), let status = GRPCStatusCode(headerValue: value.span) else {
            return .http(status: httpStatus(headers))
        }
        if status == .ok && readsPayload {
            return .status(
                code: 0, message: Array(body.dropFirst(GRPCFraming.prefixLength)), retryDelay: nil, rejectedSpans: 0)
        }
        if status == .ok {
            let partial = partialSuccess(body)
            return .status(
                code: 0, message: partial.errorMessage, retryDelay: nil,
                rejectedSpans: Int(clamping: max(0, partial.rejectedSpans)))
        }
        let message = block.first("grpc-message").map { GRPCHeaders.decodeMessage($0.span) } ?? []
        return .status(
            code: Int(status.rawValue), message: message, retryDelay: retryDelay(block), rejectedSpans: 0)
    }

    private static func httpStatus(_ headers: HTTP2Headers) -> Int {
        guard let value = headers.first(":status"), value.count == 3 else { return 0 }
        return value.reduce(0) { $0 * 10 + Int($1) - 0x30 }
    }

    private static func retryDelay(_ block: HTTP2Headers) -> Int64? {
        guard let text = block.first("grpc-status-details-bin"), let bytes = Base64.decode(text.span),
            let status = try? RPCStatus(parsing: bytes.span)
        else { return nil }
        return status.retryInfo?.delayNanoseconds
    }

    private static func partialSuccess(_ body: [UInt8]) -> ExportTraceServiceResponse {
        guard body.count > GRPCFraming.prefixLength, body[0] == 0,
            let response = try? ExportTraceServiceResponse(
                parsing: body.span.extracting(GRPCFraming.prefixLength...))
        else { return ExportTraceServiceResponse() }
        return response
    }
}

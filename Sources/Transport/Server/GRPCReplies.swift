internal import Telemetry
package import NativeCore
internal import OTLP

/// The header blocks of gRPC answers. The common ones are made once.
package enum GRPCReplies {
    package static let okHeaders = HTTP2Headers([
        ":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip",
    ])
    package static let okTrailers = HTTP2Headers(["grpc-status": "0"])
    /// An empty ExportTraceServiceResponse as a gRPC message.
    package static let emptyMessage: [UInt8] = [0, 0, 0, 0, 0]

    /// A message with its prefix.
    package static func message(_ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.count + GRPCFraming.prefixLength)
        GRPCFraming.appendPrefix(length: payload.count, isCompressed: false, to: &bytes)
        bytes.append(contentsOf: payload)
        return bytes
    }

    /// A Trailers-Only answer. RetryInfo goes out twice: in `grpc-status-details-bin`, where the specification puts it, and
    /// in `google.rpc.retryinfo-bin`, where OpenTelemetry's Python exporter looks for it.
    package static func refusal(_ refusal: RequestRefusal) -> HTTP2Headers {
        var headers = HTTP2Headers()
        headers.append(":status", "\(refusal.httpStatus)")
        headers.append("content-type", "application/grpc")
        headers.append(name: "grpc-status".utf8, value: refusal.status.headerValue)
        let message = Array(refusal.message.utf8)
        headers.append(name: "grpc-message".utf8, value: GRPCHeaders.encodeMessage(message.span))
        if refusal.reason == .unsupportedEncoding {
            headers.append(name: "grpc-accept-encoding".utf8, value: GRPCEncoding.acceptHeaderValue)
        }
        if let delay = refusal.retryAfter {
            let info = RetryInfo(delayNanoseconds: delay)
            let status = RPCStatus(code: Int32(refusal.status.rawValue), message: message, retryInfo: info)
            headers.append(name: "grpc-status-details-bin".utf8, value: Base64.encode(status.encoded.span))
            headers.append(name: "google.rpc.retryinfo-bin".utf8, value: Base64.encode(info.encoded.span))
        }
        return headers
    }
}

package import OTLP
package import Telemetry

/// Why a request is refused: what is counted, and what the client is told, in whichever protocol it speaks.
package struct RequestRefusal: Error, Sendable, Equatable {
    package var reason: RefusalReason
    package var status: GRPCStatusCode
    package var message: String
    /// The HTTP status of a gRPC answer; other than 200 only for what is no gRPC at all.
    package var httpStatus = 200
    /// For overload: when to come back, nanoseconds.
    package var retryAfter: Int64?
    /// For missing or wrong credentials: what to prove oneself with, the value of `WWW-Authenticate` over plain HTTP.
    package var challenge: String?
    /// Nobody sends this by mistake: the connection ends with the answer.
    package var endsConnection = false

    package init(
        _ reason: RefusalReason, _ status: GRPCStatusCode, _ message: String, httpStatus: Int = 200,
        retryAfter: Int64? = nil, challenge: String? = nil
    ) {
        self.reason = reason
        self.status = status
        self.message = message
        self.httpStatus = httpStatus
        self.retryAfter = retryAfter
        self.challenge = challenge
    }

    /// The signal is one that OTLP has, but no pipeline takes it from this listener. SDKs send all three by default.
    static func noPipeline(for signal: OTLPSignal) -> RequestRefusal {
        RequestRefusal(
            .noPipeline, .unimplemented,
            "no pipeline of this node takes \(signal) from this port: give it a `\(signal)` pipeline, or have the SDK not send them (OTEL_\("\(signal)".uppercased())_EXPORTER=none)")
    }

    /// The status of an OTLP/HTTP answer. Only 429 and 503 (of those here) are sent again by clients.
    ///
    /// The gRPC status decides, mapped as the Collector's receiver maps it, except where HTTP has a status of its own for the
    /// reason.
    package var statusOverHTTP: Int {
        switch reason {
        case .messageTooLarge, .inflatedTooLarge, .exceedsMemory: return 413
        case .unsupportedContentType, .unsupportedEncoding: return 415
        case .wrongHTTPMethod: return 405
        case .unknownMethod, .noPipeline: return 404
        case .malformed, .badFraming, .corruptEncoding: return 400
        case .badHeaders: return httpStatus == 200 ? 400 : httpStatus
        default: break
        }
        return switch status {
        case .invalidArgument: 400
        case .unauthenticated: 401
        case .permissionDenied: 403
        case .notFound, .unimplemented: 404
        case .resourceExhausted: 429
        case .cancelled, .deadlineExceeded, .aborted, .outOfRange, .unavailable, .dataLoss: 503
        default: 500
        }
    }
}

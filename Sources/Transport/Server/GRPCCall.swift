package import NativeCore
package import OTLP
package import Telemetry

/// Which method a request is for.
package enum GRPCMethod: Sendable, Equatable {
    case exportTraces
    case healthCheck
    case healthWatch
    case healthList
}

/// Why a request is refused: what the client is told, and what is counted.
package struct GRPCRefusal: Error, Sendable, Equatable {
    package var reason: RefusalReason
    package var status: GRPCStatusCode
    package var message: String
    /// The HTTP status; other than 200 only for what is no gRPC at all.
    package var httpStatus = 200
    /// For overload: when to come back, nanoseconds.
    package var retryAfter: Int64?
    /// For missing or wrong credentials: what to prove oneself with, the value of `WWW-Authenticate` over plain HTTP.
    package var challenge: String?

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
}

/// What the header fields of a gRPC request say, checked as grpc-go checks them.
package struct GRPCCall: Sendable, Equatable {
    package var method: GRPCMethod
    package var encoding: GRPCEncoding
    /// The client's deadline from the headers on, nanoseconds; nil for none.
    package var timeout: Int64?

    /// Reads the fields of a request, or says why it is refused.
    package init(_ headers: HTTP2Headers) throws(GRPCRefusal) {
        guard headers.has(":method", "POST") else {
            throw GRPCRefusal(
                .wrongHTTPMethod, .internal, "gRPC needs the HTTP method POST", httpStatus: 405)
        }
        guard let type = headers.first("content-type"), GRPCHeaders.isGRPC(contentType: type.span) else {
            throw GRPCRefusal(
                .unsupportedContentType, .invalidArgument, "the content-type must be application/grpc",
                httpStatus: 415)
        }
        let path = headers.first(":path") ?? []
        guard let known = Self.methods.first(where: { $0.path.utf8.elementsEqual(path) }) else {
            throw GRPCRefusal(
                .unknownMethod, .unimplemented, "unknown method \(Self.shown(path)); this port takes OTLP traces")
        }
        method = known.method
        if let name = headers.first("grpc-encoding") {
            guard let encoding = GRPCEncoding(headerValue: name.span) else {
                throw GRPCRefusal(
                    .unsupportedEncoding, .unimplemented,
                    "grpc-encoding \(Self.shown(name)) is not supported; identity and gzip are")
            }
            self.encoding = encoding
        } else {
            encoding = .identity
        }
        timeout = nil
        if let text = headers.first("grpc-timeout") {
            guard let parsed = GRPCHeaders.parseTimeout(text.span) else {
                throw GRPCRefusal(
                    .badHeaders, .internal, "malformed grpc-timeout \(Self.shown(text))", httpStatus: 400)
            }
            timeout = parsed
        }
    }

    private static let methods: [(path: String, method: GRPCMethod)] = [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", .exportTraces),
        ("/grpc.health.v1.Health/Check", .healthCheck),
        ("/grpc.health.v1.Health/Watch", .healthWatch),
        ("/grpc.health.v1.Health/List", .healthList),
    ]

    /// At most 100 bytes of a peer's text, without anything that is not printable ASCII.
    private static func shown(_ bytes: ArraySlice<UInt8>) -> String {
        String(
            decoding: bytes.prefix(100).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

package import NativeCore
package import OTLP
internal import Telemetry

/// Which method a request is for.
package enum GRPCMethod: Sendable, Equatable {
    case exportTraces
    /// Metrics or logs, which are passed on as they are.
    case passThrough(OTLPSignal)
    case healthCheck
    case healthWatch
    case healthList
}

/// What the header fields of a gRPC request say, checked as grpc-go checks them.
package struct GRPCCall: Sendable, Equatable {
    package var method: GRPCMethod
    package var encoding: GRPCEncoding
    /// The client's deadline from the headers on, nanoseconds; nil for none.
    package var timeout: Int64?

    /// Reads the fields of a request, or says why it is refused.
    ///
    /// - Parameter passThrough: signals besides traces that are taken.
    package init(_ headers: HTTP2Headers, passThrough: SignalSet = []) throws(RequestRefusal) {
        guard headers.has(":method", "POST") else {
            throw RequestRefusal(
                .wrongHTTPMethod, .internal, "gRPC needs the HTTP method POST", httpStatus: 405)
        }
        guard let type = headers.first("content-type"), GRPCHeaders.isGRPC(contentType: type.span) else {
            throw RequestRefusal(
                .unsupportedContentType, .invalidArgument, "the content-type must be application/grpc",
                httpStatus: 415)
        }
        let path = headers.first(":path") ?? []
        guard let known = Self.methods.first(where: { $0.path.utf8.elementsEqual(path) }),
            Self.takes(known.method, passThrough)
        else {
            throw RequestRefusal(
                .unknownMethod, .unimplemented, "unknown method \(HeaderText.shown(path)); this port takes OTLP traces")
        }
        method = known.method
        if let name = headers.first("grpc-encoding") {
            guard let encoding = GRPCEncoding(headerValue: name.span) else {
                throw RequestRefusal(
                    .unsupportedEncoding, .unimplemented,
                    "grpc-encoding \(HeaderText.shown(name)) is not supported; identity and gzip are")
            }
            self.encoding = encoding
        } else {
            encoding = .identity
        }
        timeout = nil
        if let text = headers.first("grpc-timeout") {
            guard let parsed = GRPCHeaders.parseTimeout(text.span) else {
                throw RequestRefusal(
                    .badHeaders, .internal, "malformed grpc-timeout \(HeaderText.shown(text))", httpStatus: 400)
            }
            timeout = parsed
        }
    }

    private static let methods: [(path: String, method: GRPCMethod)] = [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", .exportTraces),
        ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", .passThrough(.metrics)),
        ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", .passThrough(.logs)),
        ("/grpc.health.v1.Health/Check", .healthCheck),
        ("/grpc.health.v1.Health/Watch", .healthWatch),
        ("/grpc.health.v1.Health/List", .healthList),
    ]

    private static func takes(_ method: GRPCMethod, _ passThrough: SignalSet) -> Bool {
        if case .passThrough(let signal) = method { return passThrough.contains(signal) }
        return true
    }
}

extension GRPCCall {
    /// Checks that a body is exactly one message. Returns where its payload starts and how it is coded.
    static func unframe(
        _ body: [UInt8], encoding: GRPCEncoding
    ) throws(RequestRefusal) -> (payloadStart: Int, encoding: GRPCEncoding) {
        guard body.count >= GRPCFraming.prefixLength else {
            throw body.isEmpty
                ? RequestRefusal(.badFraming, .unimplemented, "a unary call needs exactly one message; none came")
                : RequestRefusal(.badFraming, .internal, "the body ends within a message prefix")
        }
        guard body[0] <= 1 else {
            throw RequestRefusal(.badFraming, .internal, "invalid gRPC message flag \(body[0])")
        }
        let length = Int(body[1]) << 24 | Int(body[2]) << 16 | Int(body[3]) << 8 | Int(body[4])
        let present = body.count - GRPCFraming.prefixLength
        if length > present {
            throw RequestRefusal(.badFraming, .internal, "the message of \(length) bytes ends after \(present)")
        }
        if length < present {
            throw RequestRefusal(.badFraming, .unimplemented, "a unary call needs exactly one message; more came")
        }
        if body[0] == 1 && encoding == .identity {
            throw RequestRefusal(.badFraming, .internal, "a compressed message needs a grpc-encoding")
        }
        return (GRPCFraming.prefixLength, body[0] == 1 ? encoding : .identity)
    }
}

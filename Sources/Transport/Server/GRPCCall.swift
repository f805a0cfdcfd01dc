package import Cluster
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
    /// Spans that a peer forwards.
    case forward(ForwardHeaders)
    /// A chunk of a peer's hand-off.
    case handoff
    /// A peer's status.
    case exchange
    /// Somebody has a peer reload all nodes.
    case reload
}

extension GRPCMethod {
    /// Nodes of the cluster call it, and nobody else.
    var isOfPeers: Bool {
        switch self {
        case .forward, .handoff, .exchange, .reload: true
        case .exportTraces, .passThrough, .healthCheck, .healthWatch, .healthList: false
        }
    }

    /// What a client's export request holds.
    var signal: OTLPSignal? {
        switch self {
        case .exportTraces: .traces
        case .passThrough(let signal): signal
        case .forward, .handoff, .exchange, .reload, .healthCheck, .healthWatch, .healthList: nil
        }
    }
}

/// What the header fields of a gRPC request say, checked as grpc-go checks them.
package struct GRPCCall: Sendable, Equatable {
    package var method: GRPCMethod
    package var encoding: GRPCEncoding
    /// The client's deadline from the headers on, nanoseconds; nil for none.
    package var timeout: Int64?

    /// Reads the fields of a request, or says why it is refused.
    ///
    /// - Parameters:
    ///   - signals: that are taken.
    ///   - isForPeers: whether the listener is the one of the cluster.
    package init(_ headers: HTTP2Headers, signals: SignalSet = SignalSet(.traces), isForPeers: Bool = false) throws(RequestRefusal) {
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
        guard let known = Self.methods.first(where: { path.elementsEqual($0.path) }),
            isForPeers || !known.method.isOfPeers
        else {
            throw RequestRefusal(
                .unknownMethod, .unimplemented, "unknown method \(HeaderText.shown(path)); this port takes OTLP traces")
        }
        if let signal = known.method.signal, !isForPeers || signal != .traces, !signals.contains(signal) {
            throw .noPipeline(for: signal)
        }
        method = isForPeers && known.method == .exportTraces ? try Self.forward(headers) : known.method
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

    private static let methods: [(path: [UInt8], method: GRPCMethod)] = [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", .exportTraces),
        ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", .passThrough(.metrics)),
        ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", .passThrough(.logs)),
        ("/grpc.health.v1.Health/Check", .healthCheck),
        ("/grpc.health.v1.Health/Watch", .healthWatch),
        ("/grpc.health.v1.Health/List", .healthList),
        (PeerMethod.exchangePath, .exchange),
        (PeerMethod.handoffPath, .handoff),
        (PeerMethod.reloadPath, .reload),
    ].map { (Array($0.utf8), $1) }

    /// On the port for peers every batch says which one it is.
    private static func forward(_ headers: HTTP2Headers) throws(RequestRefusal) -> GRPCMethod {
        do throws(PeerMessageError) {
            return .forward(
                try ForwardHeaders(
                    batch: headers.first(ForwardHeaders.batchName), hop: headers.first(ForwardHeaders.hopName),
                    ring: headers.first(ForwardHeaders.ringName)))
        } catch {
            throw RequestRefusal(
                .badPeerMessage, .invalidArgument,
                "this port takes spans of the cluster's nodes, with `\(ForwardHeaders.batchName)`; clients have another one")
        }
    }
}

extension GRPCCall {
    /// Whether its message holds spans: then there must be room for them before it comes.
    var holdsSpans: Bool {
        switch method {
        case .exportTraces, .forward, .handoff: true
        case .passThrough, .healthCheck, .healthWatch, .healthList, .exchange, .reload: false
        }
    }

    /// Whether it asks something of the node that it must answer also when it has no room.
    var isQuestion: Bool {
        switch method {
        case .healthCheck, .healthWatch, .healthList, .exchange, .reload: true
        case .exportTraces, .forward, .handoff, .passThrough: false
        }
    }

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

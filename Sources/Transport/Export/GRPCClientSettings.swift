package import Delivery
internal import NativeCore
package import OTLP

/// How a gRPC exporter reaches its endpoint.
package struct GRPCClientSettings: Sendable {
    package enum Endpoint: Sendable, Equatable {
        case host(String, port: Int)
        case unixSocket(path: String)
    }

    package var endpoint: Endpoint
    /// `:authority` of requests.
    package var authority: String
    package var backend: BackendKind = .otlp
    package var signal = OTLPSignal.traces
    package var compression: Coding = .gzip
    /// Of one attempt, connecting included; nanoseconds, 0 for none.
    package var timeout: Int64 = 5_000_000_000
    /// Of making a connection, nanoseconds.
    package var connectTimeout: Int64 = 5_000_000_000
    /// Sent with every request, names in lower case.
    package var headers: [(name: String, value: String)] = []
    /// Nil: plain text.
    package var tls: TLSCredentials?
    /// A header field that changes over time, such as a token from a file.
    package var credentials: RequestCredentials?
    package var userAgent = "tailgate"
    /// Pings on a silent connection; nil for none.
    package var keepalive: Keepalive?

    /// When to ask a server for a sign of life, and how long it may take; nanoseconds.
    package struct Keepalive: Sendable, Equatable {
        package var time: Int64
        package var timeout: Int64
        /// Also while no call is open.
        package var permitWithoutStream: Bool

        package init(time: Int64, timeout: Int64, permitWithoutStream: Bool) {
            self.time = time
            self.timeout = timeout
            self.permitWithoutStream = permitWithoutStream
        }
    }

    package init(endpoint: Endpoint, authority: String) {
        self.endpoint = endpoint
        self.authority = authority
    }

    /// Headers whose values are secrets, most often.
    private static let secretHeaders = [
        "authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-honeycomb-team", "dd-api-key",
    ]

    /// The fields of every export request with this coding.
    func requestHeaders(_ coding: Coding) -> HTTP2Headers {
        var fields = HTTP2Headers()
        fields.append(":method", "POST")
        fields.append(":scheme", tls == nil ? "http" : "https")
        fields.append(":path", signal.exportPath)
        fields.append(":authority", authority)
        fields.append("content-type", "application/grpc")
        fields.append("te", "trailers")
        fields.append("user-agent", userAgent)
        if timeout > 0 {
            // So that the backend stops working on what nobody waits for any more.
            let value = GRPCHeaders.encodeTimeout(nanoseconds: timeout)
            fields.append("grpc-timeout", String(decoding: value, as: UTF8.self))
        }
        if coding == .gzip { fields.append("grpc-encoding", "gzip") }
        let own = credentials?.headerName
        for (name, value) in headers where name != own {
            fields.append(name, value, isSecret: Self.secretHeaders.contains(name))
        }
        if let credentials { fields.append(credentials.headerName, credentials.current.value.revealed, isSecret: true) }
        return fields
    }
}

extension OTLPSignal {
    /// The path of the gRPC method that takes the signal.
    var exportPath: String {
        switch self {
        case .traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        case .metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        case .logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        }
    }
}

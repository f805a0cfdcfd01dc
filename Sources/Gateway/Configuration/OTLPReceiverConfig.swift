internal import ConfigTree

/// `receivers.otlp[/name]`.
package struct OTLPReceiverConfig: Sendable, Equatable {
    package var id: ComponentID
    /// `protocols.grpc`; nil if it is not switched on.
    package var grpc: GRPCServerConfig?
    /// `protocols.http`; nil if it is not switched on.
    package var http: HTTPServerConfig?

    package init(id: ComponentID, grpc: GRPCServerConfig?, http: HTTPServerConfig? = nil) {
        self.id = id
        self.grpc = grpc
        self.http = http
    }
}

/// `protocols.grpc` of an OTLP receiver.
package struct GRPCServerConfig: Sendable, Equatable {
    /// Default `localhost:4317`.
    package var endpoint = ListenEndpoint.address(NetworkAddress(host: "localhost", port: 4317))
    /// The limit of one message, before and after inflating.
    ///
    /// The key is the Collector's `max_recv_msg_size_mib`, the default is not: the Collector takes 4 MiB, which refuses
    /// the batches of 8192 spans that its own agents send by default. Absent or 0 is 64 MiB here, what OTLP recommends.
    package var maxReceiveMessageBytes = 64 << 20
    /// Nil: the server's own limit holds.
    package var maxConcurrentStreams: Int?
    package var keepalive = GRPCServerKeepalive()
    /// `tls`, `auth` and `limits`.
    package var guards = ListenerGuardsConfig()

    /// Every value at its default.
    package init() {}
}

/// `keepalive` of a gRPC server; the defaults are grpc-go's.
package struct GRPCServerKeepalive: Sendable, Equatable {
    /// Close a connection without streams after this time; nil never.
    package var maxConnectionIdle: Int64?
    /// Close any connection gently after this time; nil never.
    package var maxConnectionAge: Int64?
    /// How long streams may go on after that; nil without limit.
    package var maxConnectionAgeGrace: Int64?
    /// Ping a silent client after this time.
    package var time: Int64 = 7_200_000_000_000
    /// Close the connection if no answer comes within this time.
    package var timeout: Int64 = 20_000_000_000
    /// `enforcement_policy.min_time`: a client that pings more often while it has no stream is sent away. Nil: the server's own
    /// limit holds, which is laxer than grpc-go's 5 minutes, since agents ping every 10 s.
    package var minimumPingInterval: Int64?
    /// `enforcement_policy.permit_without_stream`.
    package var permitWithoutStream = false

    /// Every value at its default.
    package init() {}
}

extension OTLPReceiverConfig {
    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        if var protocols = reader.map("protocols") {
            // A key with nothing behind it switches its protocol on too.
            if var server = protocols.map("grpc") { grpc = GRPCServerConfig(&server) }
            if var server = protocols.map("http") { http = HTTPServerConfig(&server) }
            if protocols.keys.isEmpty {
                protocols.error(
                    "no protocol is switched on; write `grpc:` or `http:` below it, with or without settings")
            }
            protocols.finish()
        } else {
            reader.error("`protocols` is missing; write `protocols: {grpc: , http: }`, with or without settings")
        }
        reader.finish()
    }
}

extension GRPCServerConfig {
    /// More than this and offsets in a request would not fit their fields.
    static let largestMessageMiB = 1024

    init(_ reader: inout ConfigReader) {
        endpoint = reader.listenEndpoint(default: NetworkAddress(host: "localhost", port: 4317))
        let mebibytes = reader.integer("max_recv_msg_size_mib", default: 0, in: 0...Self.largestMessageMiB)
        if mebibytes > 0 { maxReceiveMessageBytes = mebibytes << 20 }
        let streams = reader.integer("max_concurrent_streams", default: 0, in: 0...Int(UInt32.max))
        if streams > 0 { maxConcurrentStreams = streams }
        // Tuning of Go's transport; buffers here size themselves.
        _ = reader.integer("read_buffer_size", default: 0, in: 0...(.max))
        _ = reader.integer("write_buffer_size", default: 0, in: 0...(.max))
        if var section = reader.map("keepalive") { keepalive = GRPCServerKeepalive(&section) }
        if reader.bool("include_metadata", default: false) {
            reader.error(
                "`include_metadata: true` is not in Tailgate yet: client metadata is not passed on",
                key: "include_metadata")
        }
        guards = ListenerGuardsConfig(&reader, protocols: ["h2"])
        reader.notSupported(["middlewares"], because: "leave the key out")
        reader.finish()
    }
}

extension GRPCServerKeepalive {
    init(_ reader: inout ConfigReader) {
        if var parameters = reader.map("server_parameters") {
            maxConnectionIdle = parameters.optionalDuration("max_connection_idle")
            maxConnectionAge = parameters.optionalDuration("max_connection_age")
            maxConnectionAgeGrace = parameters.optionalDuration("max_connection_age_grace")
            time = parameters.optionalDuration("time") ?? time
            timeout = parameters.optionalDuration("timeout") ?? timeout
            parameters.finish()
        }
        if var policy = reader.map("enforcement_policy") {
            minimumPingInterval = policy.optionalDuration("min_time")
            permitWithoutStream = policy.bool("permit_without_stream", default: false)
            policy.finish()
        }
        reader.finish()
    }
}

extension ConfigReader {
    /// A duration where 0, like an absent key, means "not set".
    mutating func optionalDuration(_ key: String) -> Int64? {
        let value = duration(key, default: 0, in: 0...(.max))
        return value > 0 ? value : nil
    }
}

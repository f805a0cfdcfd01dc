/// Every bound of one receiver, in one place. Behind each: its key in the configuration, `(grpc)` for those of the Collector below
/// `protocols.grpc`, `(limits)` for Tailgate's own below `protocols.grpc.limits`. Durations are nanoseconds.
///
/// What exceeds a bound is refused or closed with a reason that is counted: `tailgate_refused_requests_total`,
/// `tailgate_connections_refused_total`, `tailgate_connections_closed_total`, `tailgate_tls_handshake_failures_total`.
package struct ServerLimits: Sendable, Equatable {
    // MARK: messages

    /// A message as it comes over the wire, and after inflating. OTLP 1.11 recommends 64 MiB for both.
    /// (grpc) `max_recv_msg_size_mib`.
    package var maximumMessageBytes = 64 << 20
    /// A message may inflate to so many times its size on the wire; what is below `inflationFloor` may always. Real traces
    /// compress 4 to 30 times, spans that all carry the same long text a few hundred times, zlib's bombs 1000 times. (limits)
    /// `max_inflation_ratio`.
    package var maximumInflationRatio = 100
    /// Messages that inflate to no more than this are never bombs: gRPC's usual limit of a message, which few batches reach, and
    /// quickly inflated.
    package var inflationFloor = 4 << 20
    /// (grpc) `max_concurrent_streams`.
    package var maximumConcurrentStreams = 256
    /// Header bytes of one request, counted with 32 for every field: so it bounds their number too. (limits)
    /// `max_header_bytes`.
    package var maximumHeaderBytes = 16 << 10

    // MARK: connections

    /// Connections of the node's clients, all receivers together, of which the largest counts; those of peers are counted by
    /// themselves. Never more than the process's file descriptors leave, when exporters, peers, files and the admin endpoint have
    /// theirs. (limits) `max_connections`.
    package var maximumConnections = 65_536
    /// Connections of this receiver's clients from one IPv4 address or one IPv6 /64 network. Large, since a whole
    /// Kubernetes node may share an address. (limits) `max_connections_per_address`.
    package var maximumConnectionsPerAddress = 16_384

    // MARK: times

    /// From accepting a connection in plain text to its first byte; 0 for no bound. (limits) `first_byte_timeout`.
    package var firstByteTimeout: Int64 = 30_000_000_000
    /// From accepting a connection, and again from the begin of its handshake, to the handshake's end; 0 for no bound.
    /// (limits) `handshake_timeout`.
    package var handshakeTimeout: Int64 = 10_000_000_000
    /// From a request's headers to its last byte. (limits) `request_timeout`.
    package var requestTimeout: Int64 = 60_000_000_000
    /// A connection that takes no answer for this long is closed, whether it is TCP or HTTP/2 windows that it keeps shut.
    /// (limits) `write_timeout`.
    package var writeTimeout: Int64 = 30_000_000_000
    /// From the first byte of a connection to its first request; 0 for no bound. (limits) `first_request_timeout`.
    package var firstRequestTimeout: Int64 = 0
    /// A connection without streams for this long is closed; 0 for never (gRPC's default). (grpc)
    /// `keepalive.server_parameters.max_connection_idle`.
    package var idleTimeout: Int64 = 0
    /// A connection this old is asked to end (GOAWAY) and its streams are finished, give or take 10 %; 0 for never.
    /// Long-lived gRPC connections spread over new nodes that way. (grpc)
    /// `keepalive.server_parameters.max_connection_age`.
    package var maximumConnectionAge: Int64 = 0
    /// How long those streams may take; 0 for no bound. (grpc) `keepalive.server_parameters.max_connection_age_grace`.
    package var maximumConnectionAgeGrace: Int64 = 0
    /// A client that sent nothing for this long is asked for a sign of life. (grpc) `keepalive.server_parameters.time`.
    package var keepaliveTime: Int64 = 7_200_000_000_000
    /// How long the sign may take. (grpc) `keepalive.server_parameters.timeout`.
    package var keepaliveTimeout: Int64 = 20_000_000_000

    // MARK: floods

    /// PINGs closer together than this are strikes; more strikes than `maximumPingStrikes` end the connection. Laxer than
    /// gRPC's own default (5 minutes, 2 strikes), since agents use 10 s. (grpc)
    /// `keepalive.enforcement_policy.min_time`.
    package var minimumPingInterval: Int64 = 5_000_000_000
    package var maximumPingStrikes = 20
    /// Whether PINGs while no stream is open are fine at that interval too. (grpc)
    /// `keepalive.enforcement_policy.permit_without_stream`.
    package var permitsPingsWithoutStream = true
    /// Frames that move nothing (empty DATA, WINDOW_UPDATE, PRIORITY, SETTINGS, PING, unknown ones): so many at once are
    /// forgiven, and so many for each second and for each frame that does move something. A client beyond that is closed.
    package var idleFrames = FrameAllowance()
    /// What a connection, and all of an address together, may cost beyond what requests need: decoded header fields (each byte, and
    /// 32 for every field), and requests that are refused for what they are, 2 KiB each. A client beyond that is closed with
    /// ENHANCE_YOUR_CALM, and new connections of its address are let in slowly.
    /// (limits) `max_header_bytes_per_second` (`perSecond`; `burst` is four times as much) and `header_bytes_per_request`
    /// (`perRequest`).
    package var work = WorkAllowance()

    package init() {}
}

/// How many HTTP/2 frames that move nothing a connection may send. gRPC clients send about three for each request (window
/// updates, and a PING that measures the line).
package struct FrameAllowance: Sendable, Equatable {
    package var burst = 2000
    package var perSecond = 100
    package var perUsefulFrame = 8

    package init() {}
}

/// Every bound of one receiver, in one place.
package struct ServerLimits: Sendable, Equatable {
    /// A message as it comes over the wire, and after inflating. OTLP 1.11 recommends 64 MiB for both.
    package var maximumMessageBytes = 64 << 20
    package var maximumConcurrentStreams = 256
    /// Connections of one worker; more are closed at once.
    package var maximumConnections = 32_768
    /// Header bytes of one request.
    package var maximumHeaderBytes = 16 << 10
    /// From a request's headers to its last byte, nanoseconds.
    package var requestTimeout: Int64 = 60_000_000_000
    /// A connection that takes no answer for this long is closed, nanoseconds.
    package var writeTimeout: Int64 = 30_000_000_000
    /// From accepting a connection to its first request, nanoseconds; 0 for no bound.
    package var firstRequestTimeout: Int64 = 0
    /// A connection without streams for this long is closed, nanoseconds; 0 for never (gRPC's default).
    package var idleTimeout: Int64 = 0
    /// A connection this old is asked to end (GOAWAY) and its streams are finished, nanoseconds, give or take 10 %; 0 for
    /// never. Long-lived gRPC connections spread over new nodes that way.
    package var maximumConnectionAge: Int64 = 0
    /// How long those streams may take, nanoseconds; 0 for no bound.
    package var maximumConnectionAgeGrace: Int64 = 0
    /// A client that sent nothing for this long is asked for a sign of life, nanoseconds.
    package var keepaliveTime: Int64 = 7_200_000_000_000
    /// How long the sign may take, nanoseconds.
    package var keepaliveTimeout: Int64 = 20_000_000_000
    /// PINGs closer together than this are strikes; more strikes than `maximumPingStrikes` end the connection. Laxer than
    /// gRPC's own default (5 minutes, 2 strikes), since agents use 10 s.
    package var minimumPingInterval: Int64 = 5_000_000_000
    package var maximumPingStrikes = 20
    /// Whether PINGs while no stream is open are fine at that interval too.
    package var permitsPingsWithoutStream = true

    package init() {}
}

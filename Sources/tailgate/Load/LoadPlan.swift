import NIOCore
import Transport

/// How a load run is to be done; the traffic itself is in ``TrafficSettings``.
struct LoadPlan: Sendable {
    /// A receiver.
    struct Endpoint: Sendable, Equatable {
        var host: String
        var port: Int
    }

    /// Who takes the spans, by turns. At least one.
    var endpoints: [Endpoint]
    var speaks = LoadProtocol.grpc
    /// Spread evenly over the endpoints.
    var connections: Int
    /// Unanswered requests of one connection.
    var inFlight: Int
    var threads: Int
    /// nil: as fast as possible.
    var spansPerSecond: Double?
    var warmUpNanoseconds: Int64
    var runNanoseconds: Int64
    var gzipLevel: Int?
    /// How often a request is tried at most.
    var attempts: Int
    var timeoutNanoseconds: Int64
    var headers: [(String, String)]
    /// nil: plain text.
    var tls: TLSMaterial?
    /// The name that a receiver's certificate must bear, if it is not the host's.
    var serverName: String?

    /// The TLS handler of a new connection; nil for plain text.
    func tlsHandler(to endpoint: Endpoint) throws -> (any ChannelHandler)? {
        try tls?.clientHandler(to: endpoint.host, serverName: serverName)
    }
}

internal import NativeCore
internal import NIOCore
internal import OTLP
internal import Telemetry

/// What a listener speaks, besides its bounds.
package struct ListenerSettings: Sendable, Equatable {
    /// Nil: gRPC alone. Otherwise OTLP/HTTP over HTTP/1.1 and HTTP/2, and gRPC for who asks for it.
    package var http: HTTPListenerSettings?
    /// Signals that some pipeline takes from here.
    package var signals = SignalSet(.traces)
    /// Peers of the cluster come here, and nobody else.
    package var isForPeers = false

    /// gRPC, traces alone.
    package init() {}
}

/// The one place where the pipeline of a client's connection is built.
///
/// From the socket inwards: (a TLS handler would come first) then either HTTP/2 at once, on a gRPC listener, or a handler that
/// tells HTTP/1.1 from HTTP/2 by the first bytes and puts the right one in its place.
package enum ListenerPipeline {
    /// On the worker's loop, before the channel is active.
    ///
    /// - Parameter receiver: index into `NodeMetrics.receivers` and `NodePlan.limits`.
    static func build(on channel: any Channel, server: WorkerServer, receiver: Int, account: ClientAccount) throws {
        let pipeline = channel.pipeline.syncOperations
        if server.plan.listener(receiver).http == nil {
            try pipeline.addHandler(ServerConnection(server: server, receiver: receiver, account: account, now: server.worker.now))
        } else {
            try pipeline.addHandler(ProtocolSniffer(server: server, receiver: receiver, account: account))
        }
    }
}

/// A client's connection as the worker's server sees it.
protocol ServedConnection: AnyObject {
    var limits: ServerLimits { get }
    /// A node of the cluster is at the other end.
    var isForPeers: Bool { get }

    /// Looks at the bounds in time. About once a second.
    func sweep(now: Int64)

    /// The node begins to serve.
    func announceServing()

    /// The node stopped serving.
    func announceShutdown()

    /// What is under way is finished, nothing else is begun.
    func goAway()

    func closeNow(_ reason: ConnectionCloseReason)
}

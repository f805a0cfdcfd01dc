package import Logging

/// What guards one listener.
package struct ListenerSecurity: Sendable {
    /// Nil: plain text.
    package var tls: TLSCredentials?
    /// Nil: whoever can connect may send.
    package var authenticator: RequestAuthenticator?
    /// For the log: `otlp`, `otlp/public`.
    package var name: String

    package init(name: String, tls: TLSCredentials? = nil, authenticator: RequestAuthenticator? = nil) {
        self.name = name
        self.tls = tls
        self.authenticator = authenticator
    }
}

/// What guards a node: shared by all workers.
package struct SecurityPlan: Sendable {
    /// In the order of `NodePlan.limits`.
    package var listeners: [ListenerSecurity]
    /// Of clients.
    package var limiter: ConnectionLimiter
    /// Of the cluster's nodes: clients can't take their connections.
    package var peerLimiter: ConnectionLimiter
    package var log: ThrottledLog

    package init(
        listeners: [ListenerSecurity], limiter: ConnectionLimiter, peerLimiter: ConnectionLimiter? = nil, log: ThrottledLog
    ) {
        self.listeners = listeners
        self.limiter = limiter
        self.peerLimiter = peerLimiter ?? ConnectionLimiter(maximumConnections: limiter.maximumConnections)
        self.log = log
    }

    /// Plain text for everybody; for tests.
    package static func open(listeners: Int, logger: Logger = Logger(label: "tailgate")) -> SecurityPlan {
        SecurityPlan(
            listeners: (0..<listeners).map { ListenerSecurity(name: "receiver \($0)") },
            limiter: ConnectionLimiter(maximumConnections: ServerLimits().maximumConnections), log: ThrottledLog(logger))
    }
}

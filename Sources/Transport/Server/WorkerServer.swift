package import Logging
internal import NIOCore
internal import NativeCore
internal import OTLP
internal import Telemetry

/// The receiving side of one worker: its connections, their bounds, and what they share.
package final class WorkerServer {
    package let worker: Worker
    let plan: NodePlan
    private let logger: Logger
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var inflater = Inflater()
    private var lastRefusalLog: [RefusalReason: Int64] = [:]
    private var unloggedRefusals: [RefusalReason: Int] = [:]
    private var isShuttingDown = false
    let handshakes: HandshakePacer

    package init(worker: Worker, logger: Logger) {
        self.worker = worker
        self.logger = logger
        plan = worker.plan
        let waiting = plan.metrics.security.handshakesWaiting
        handshakes = HandshakePacer(eventLoop: worker.eventLoop, limits: .init()) { [cells = worker.cells] count in
            cells.set(waiting, count)
        }
    }

    var metrics: IngressMetrics { plan.metrics.ingress }
    var cells: MetricCells { worker.cells }

    /// Connections open now.
    package var connectionCount: Int { connections.count }

    /// Puts the protocol's handler into the channel of a connection that the guards let through and whose first bytes are
    /// here. On the worker's loop.
    ///
    /// - Parameter negotiated: what TLS agreed on (ALPN); nil for plain text, or if the client named nothing.
    func serve(_ channel: any Channel, receiver: Int, address: PeerAddress, negotiated: String?) throws {
        let handler = try ServerConnection(server: self, receiver: receiver, now: worker.now)
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    /// Notes a served connection; false if no more are served.
    func opened(_ connection: ServerConnection) -> Bool {
        connections[ObjectIdentifier(connection)] = connection
        return !isShuttingDown
    }

    func closed(_ connection: ServerConnection, reason: ConnectionCloseReason) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        cells.add(metrics.connections, -1)
        cells.add(metrics.connectionsClosed[isShuttingDown ? .shutdown : reason])
    }

    /// The message bytes of a small request, inflated if need be.
    func plainPayload(
        _ body: [UInt8], _ payloadStart: Int, _ encoding: GRPCEncoding
    ) throws(GRPCRefusal) -> [UInt8] {
        if encoding == .identity { return Array(body[payloadStart...]) }
        do {
            return try inflater.inflate(body.span.extracting(payloadStart...), limit: 64 << 10)
        } catch {
            throw GRPCRefusal(.corruptEncoding, .internal, "the message is not valid gzip")
        }
    }

    /// What a client with these credentials is told; nil if it may go on.
    func refusal(of verdict: AuthVerdict, by authenticator: RequestAuthenticator) -> GRPCRefusal? {
        switch verdict {
        case .accepted: nil
        case .missing:
            GRPCRefusal(
                .unauthenticated, .unauthenticated, "credentials are missing: the header `\(authenticator.headerName)`",
                challenge: authenticator.challenge)
        case .wrong:
            GRPCRefusal(.unauthenticated, .unauthenticated, "wrong credentials", challenge: authenticator.challenge)
        case .busy:
            GRPCRefusal(
                .authenticationBusy, .unavailable, "too many passwords are being checked", retryAfter: plan.retryAfter)
        }
    }

    /// Logs a refusal, each reason at most once in ten seconds with the number of those left out.
    func noteRefusal(_ refusal: GRPCRefusal) {
        let now = worker.now
        if let last = lastRefusalLog[refusal.reason], now - last < 10_000_000_000 {
            unloggedRefusals[refusal.reason, default: 0] += 1
            return
        }
        lastRefusalLog[refusal.reason] = now
        let more = unloggedRefusals.removeValue(forKey: refusal.reason) ?? 0
        logger.warning(
            "request refused",
            metadata: [
                "reason": "\(refusal.reason.rawValue)", "status": "\(refusal.status.name)",
                "message": "\(refusal.message)", "more_since_last": "\(more)",
            ])
    }

    /// Looks at every connection's bounds in time. About once a second.
    package func sweep() {
        let now = worker.now
        for connection in Array(connections.values) { connection.sweep(now: now) }
    }

    // MARK: shutdown, in order

    package func announceShutdown() {
        isShuttingDown = true
        for connection in Array(connections.values) { connection.announceShutdown() }
    }

    package func goAway() {
        for connection in Array(connections.values) { connection.goAway() }
    }

    package func closeAll() {
        for connection in Array(connections.values) { connection.closeNow(.shutdown) }
    }
}

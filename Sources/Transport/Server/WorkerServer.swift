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
    private var connections: [ObjectIdentifier: any ServedConnection] = [:]
    private var inflater = Inflater()
    private var lastRefusalLog: [RefusalReason: Int64] = [:]
    private var unloggedRefusals: [RefusalReason: Int] = [:]
    private var isShuttingDown = false
    let handshakes: HandshakePacer
    private var httpDate = HTTPDate()

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

    /// The `Date` field of an HTTP answer that is written now.
    var date: String { httpDate.value(at: SystemClocks.unixSeconds()) }

    /// Connections of clients open now.
    package var connectionCount: Int { connections.values.count { !$0.isForPeers } }

    /// Puts the protocol's handlers into the channel of a connection that the guards let through and whose first bytes are
    /// here. On the worker's loop.
    ///
    /// Whatever TLS agreed on (ALPN), the first bytes tell the protocol.
    func serve(_ channel: any Channel, receiver: Int, _ admission: ConnectionLimiter.Admission) throws {
        try ListenerPipeline.build(
            on: channel, server: self, receiver: receiver,
            account: ClientAccount(self, admission, receiver: receiver, now: worker.now))
    }

    /// Notes a served connection; false if no more are served.
    func opened(_ connection: any ServedConnection) -> Bool {
        connections[ObjectIdentifier(connection)] = connection
        return !isShuttingDown || connection.isForPeers
    }

    func closed(_ connection: any ServedConnection, reason: ConnectionCloseReason) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        cells.add(metrics.connections, -1)
        cells.add(metrics.connectionsClosed[isShuttingDown ? .shutdown : reason])
    }

    /// A connection is from now on another object's: its protocol is known.
    func replace(_ connection: any ServedConnection, with next: any ServedConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        connections[ObjectIdentifier(next)] = next
        if isShuttingDown { next.announceShutdown() }
    }

    /// The one place where it is checked who sends a request, before its body is read. `headers` are those of the request in either
    /// version of HTTP, names in lower case. Without authentication everybody may send.
    ///
    /// Not asked for a browser's preflight questions, which come without credentials. The health service is open to all, since
    /// probes have none either.
    /// - Parameter later: told once, on the worker's loop, if the check takes time: why the request is refused, or nil.
    /// - Returns: false if `later` will be told.
    func authorize(
        _ headers: HTTP2Headers, receiver: Int, _ later: @escaping (RequestRefusal?) -> Void
    ) throws(RequestRefusal) -> Bool {
        guard let authenticator = plan.security.listeners[receiver].authenticator, !Self.isOpen(headers) else { return true }
        let loop = worker.eventLoop
        let later = NIOLoopBound(later, eventLoop: loop)
        let me = NIOLoopBound(self, eventLoop: loop)
        let verdict = authenticator.check(headers.first(named: authenticator.headerName)) { verdict in
            loop.execute { later.value(me.value.refusal(of: verdict, by: authenticator)) }
        }
        guard let verdict else { return false }
        if let refusal = refusal(of: verdict, by: authenticator) { throw refusal }
        return true
    }

    private static func isOpen(_ headers: HTTP2Headers) -> Bool {
        headers.first(":path")?.starts(with: "/grpc.health.v1.Health/".utf8) ?? false
    }

    /// Takes a whole export request, whichever protocol it came in, or says why not.
    func export(
        _ signal: OTLPSignal, _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, _ receiver: Int
    ) throws(RequestRefusal) -> ExportResult {
        if signal != .traces {
            try worker.passOn(signal, body, payloadStart, form, receiver)
            return ExportResult(response: ExportTraceServiceResponse())
        }
        let taken = try worker.accept(body: body, payloadStart: payloadStart, form: form, receiver: receiver)
        let isWhole = taken.rejected.total == 0
        return ExportResult(
            response: isWhole ? ExportTraceServiceResponse() : ExportTraceServiceResponse(taken.rejected), pending: taken.pending)
    }

    /// The message bytes of a small request, inflated if need be.
    func plainPayload(
        _ body: [UInt8], _ payloadStart: Int, _ encoding: GRPCEncoding
    ) throws(RequestRefusal) -> [UInt8] {
        if encoding == .identity { return Array(body[payloadStart...]) }
        do {
            return try inflater.inflate(body.span.extracting(payloadStart...), as: .gzip, limit: 64 << 10)
        } catch {
            throw RequestRefusal(.corruptEncoding, .internal, "the message is not valid gzip")
        }
    }

    /// What a client with these credentials is told; nil if it may go on.
    func refusal(of verdict: AuthVerdict, by authenticator: RequestAuthenticator) -> RequestRefusal? {
        switch verdict {
        case .accepted: nil
        case .missing:
            RequestRefusal(
                .unauthenticated, .unauthenticated, "credentials are missing: the header `\(authenticator.headerName)`",
                challenge: authenticator.challenge)
        case .wrong:
            RequestRefusal(.unauthenticated, .unauthenticated, "wrong credentials", challenge: authenticator.challenge)
        case .busy:
            RequestRefusal(
                .authenticationBusy, .unavailable, "too many passwords are being checked", retryAfter: plan.retryAfter)
        }
    }

    /// Why a message of so many bytes is refused for good; nil: it may be taken, now or later.
    func refusalIfNeverHeld(_ bytes: Int) -> RequestRefusal? {
        let memory = plan.memory
        // What is kept from large clients is kept from this one.
        if bytes <= 64 << 10 || memory.canEverHold(bytes + memory.keptFrom(.greedy)) { return nil }
        return RequestRefusal(
            .exceedsMemory, .resourceExhausted,
            "message of \(bytes) bytes is larger than what this node has memory for (\(memory.greatestHoldingBytes) bytes when idle)")
    }

    /// Logs a refusal, each reason at most once in ten seconds with the number of those left out.
    func noteRefusal(_ refusal: RequestRefusal) {
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

    /// - Parameter peersToo: also the connections of the cluster's nodes.
    package func closeAll(peersToo: Bool = true) {
        for connection in Array(connections.values) where peersToo || !connection.isForPeers {
            connection.closeNow(.shutdown)
        }
    }

    /// The node takes requests from now on: who watches its health learns it.
    package func announceServing() {
        worker.isServing = true
        for connection in Array(connections.values) { connection.announceServing() }
    }
}

/// What became of an export request that was not refused at once.
struct ExportResult {
    var response: ExportTraceServiceResponse
    /// The answer has to wait: see `Acceptance.pending`.
    var pending: UInt64?
}

extension ExportTraceServiceResponse {
    /// Partial success: the rest was taken.
    init(_ rejected: SpanRejectionCounts) {
        let reasons = SpanRejection.allCases.filter { rejected[$0] > 0 }
            .map { "\($0.metric.rawValue): \(rejected[$0])" }.joined(separator: ", ")
        self.init(
            rejectedSpans: Int64(rejected.total), errorMessage: Array("malformed spans were left out (\(reasons))".utf8))
    }
}

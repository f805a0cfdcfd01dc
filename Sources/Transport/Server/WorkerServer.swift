package import Logging
package import NIOCore
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

    package init(worker: Worker, logger: Logger) {
        self.worker = worker
        self.logger = logger
        plan = worker.plan
    }

    var metrics: IngressMetrics { plan.metrics.ingress }
    var cells: MetricCells { worker.cells }

    /// Connections open now.
    package var connectionCount: Int { connections.count }

    /// Puts a new connection's handlers into its channel. On the worker's loop.
    package func adopt(_ channel: any Channel, receiver: Int) throws {
        try ListenerPipeline.build(on: channel, server: self, receiver: receiver)
    }

    /// Notes an open connection; false if there are too many.
    func opened(_ connection: any ServedConnection) -> Bool {
        cells.add(metrics.connectionsOpened)
        cells.add(metrics.connections, 1)
        connections[ObjectIdentifier(connection)] = connection
        return connections.count <= connection.limits.maximumConnections && !isShuttingDown
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

    /// The one place where it is checked who sends a request, before its body is read. `headers` are those of the request in
    /// either version of HTTP, names in lower case. Not asked for a browser's preflight questions, which come without
    /// credentials. Without authentication everybody may send.
    func authorize(_ headers: HTTP2Headers, receiver: Int) throws(RequestRefusal) {}

    /// Takes a whole export request, whichever protocol it came in, or says why not.
    func export(
        _ signal: OTLPSignal, _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, _ receiver: Int
    ) throws(RequestRefusal) -> ExportTraceServiceResponse {
        if signal != .traces {
            try worker.passOn(signal, body, payloadStart, form, receiver)
            return ExportTraceServiceResponse()
        }
        let rejected = try worker.accept(body: body, payloadStart: payloadStart, form: form, receiver: receiver)
        return rejected.total == 0 ? ExportTraceServiceResponse() : ExportTraceServiceResponse(rejected)
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

    package func closeAll() {
        for connection in Array(connections.values) { connection.closeNow(.shutdown) }
    }
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

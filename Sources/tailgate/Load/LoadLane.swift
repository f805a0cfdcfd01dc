import LoadTools
import NIOCore
import NIOPosix
import NativeCore
import OTLP
import Transport

/// One event loop's share of a load run: its connections, its templates, its schedule.
///
/// Owner: `loop`; everything here happens on it.
final class LoadLane {
    private static let retryNanoseconds: Int64 = 1_000_000_000
    private static let reconnectNanoseconds: Int64 = 250_000_000

    let loop: any EventLoop
    private let plan: LoadPlan
    /// Endpoint of each connection that is to be kept open.
    private let wanted: [Int]
    private let end: Int64
    private let progress: LoadProgress
    private let unixOffset: Int64
    private var source: TrafficSource
    private var schedule: ArrivalSchedule
    private var deflater: Deflater?
    private var connections: [any LoadLink] = []
    private var cursor = 0
    /// Requests that wait for their next attempt, and those that found no connection.
    private var waiting: [Int: LoadRequest] = [:]
    private var nextWaiting = 0
    private var homeless: [LoadRequest] = []
    private var timer: Scheduled<Void>?
    private var sweeper: RepeatedTask?
    private var isFinishing = false
    private var isPumping = false
    /// Why the connection that ends now does, if that is known.
    private var connectionProblem: String?
    private(set) var recorder: LoadRecorder
    private(set) var lastAnswer: Int64 = 0
    private let finished: EventLoopPromise<LoadLaneResult>

    init(
        loop: any EventLoop, plan: LoadPlan, catalog: TrafficCatalog, lane: Int, lanes: Int, start: Int64,
        unixOffset: Int64, progress: LoadProgress
    ) {
        self.loop = loop
        self.plan = plan
        self.progress = progress
        self.unixOffset = unixOffset
        wanted = stride(from: lane, to: plan.connections, by: lanes).map { $0 % plan.endpoints.count }
        source = TrafficSource(catalog: catalog, lane: lane, lanes: lanes)
        let mode: ArrivalSchedule.Mode
        var begin = start
        if let spansPerSecond = plan.spansPerSecond {
            let rate = spansPerSecond / catalog.spansPerRequest / Double(lanes)
            mode = .rate(rate)
            begin += Int64(1e9 / rate * Double(lane) / Double(lanes))
        } else {
            mode = .asFastAsPossible
        }
        let whole = plan.warmUpNanoseconds + plan.runNanoseconds
        schedule = ArrivalSchedule(
            mode: mode, start: begin, nanoseconds: whole, maximumInFlight: max(1, wanted.count * plan.inFlight))
        end = start + whole
        deflater = plan.gzipLevel.map { Deflater(level: Int32($0)) }
        recorder = LoadRecorder(measuredFrom: start + plan.warmUpNanoseconds)
        finished = loop.makePromise(of: LoadLaneResult.self)
    }

    /// Starts connecting and sending. The future succeeds when the last answer is in or given up.
    func run() -> EventLoopFuture<LoadLaneResult> {
        let lane = NIOLoopBound(self, eventLoop: loop)
        sweeper = loop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) { _ in
            lane.value.sweep()
        }
        for endpoint in wanted { connect(to: endpoint) }
        pump()
        return finished.futureResult
    }

    /// No further requests; those under way are awaited.
    func stop() {
        finishTraces(now: MonotonicClock.now())
        pump()
    }

    /// The last requests: those without which the last traces would stay in pieces.
    private func finishTraces(now: Int64) {
        guard !isFinishing else { return }
        isFinishing = true
        while source.isMidInstance { _ = place(make(due: now, now: now), isNew: true) }
    }

    // MARK: connections

    private func connect(to endpoint: Int) {
        guard !isDone else { return }
        let handler: any ChannelInboundHandler
        do {
            handler =
                plan.speaks == .grpc
                ? try LoadConnection(lane: self, endpoint: endpoint, headers: grpcHeaders(to: plan.endpoints[endpoint]))
                : LoadHTTP1Connection(lane: self, endpoint: endpoint, head: http1Head(to: plan.endpoints[endpoint]))
        } catch {
            finished.fail(error)
            return
        }
        let receiver = plan.endpoints[endpoint]
        let bound = NIOLoopBound((handler: handler, plan: plan), eventLoop: loop)
        let lane = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .connectTimeout(.seconds(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (handler, plan) = bound.value
                    if let tls = try plan.tlsHandler(to: receiver) { try channel.pipeline.syncOperations.addHandler(tls) }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: receiver.host, port: receiver.port)
            .whenFailure { error in lane.value.connectFailed(endpoint, "\(error)") }
    }

    private func grpcHeaders(to receiver: LoadPlan.Endpoint) -> HTTP2Headers {
        var headers = HTTP2Headers()
        headers.append(":method", "POST")
        headers.append(":scheme", plan.tls == nil ? "http" : "https")
        headers.append(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        headers.append(":authority", "\(receiver.host):\(receiver.port)")
        headers.append("te", "trailers")
        headers.append("content-type", "application/grpc")
        headers.append("user-agent", "tailgate-load")
        if plan.gzipLevel != nil { headers.append("grpc-encoding", "gzip") }
        for (name, value) in plan.headers { headers.append(name.lowercased(), value) }
        return headers
    }

    private func http1Head(to receiver: LoadPlan.Endpoint) -> [UInt8] {
        var text = "POST /v1/traces HTTP/1.1\r\nhost: \(receiver.host):\(receiver.port)\r\nuser-agent: tailgate-load\r\n"
        text += "content-type: \(plan.speaks == .httpJSON ? "application/json" : "application/x-protobuf")\r\n"
        if plan.gzipLevel != nil { text += "content-encoding: gzip\r\n" }
        for (name, value) in plan.headers { text += "\(name): \(value)\r\n" }
        return Array(text.utf8)
    }

    private func connectFailed(_ endpoint: Int, _ problem: String) {
        recorder.connectionFailed(problem)
        progress.connectionFailed()
        reconnectLater(to: endpoint)
        pump()
    }

    private func reconnectLater(to endpoint: Int) {
        guard !isDone else { return }
        let lane = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Self.reconnectNanoseconds)) { lane.value.connect(to: endpoint) }
    }

    func connected(_ connection: any LoadLink) {
        connections.append(connection)
        pump()
    }

    func disconnected(_ connection: any LoadLink) {
        connections.removeAll { $0 === connection }
        guard !isDone else { return }
        recorder.connectionFailed(connectionProblem)
        connectionProblem = nil
        progress.connectionFailed()
        reconnectLater(to: connection.endpoint)
    }

    /// A connection met an error and will end.
    func failed(_ error: any Error, _ context: ChannelHandlerContext) {
        if plan.tls != nil { connectionProblem = TLSFailure(error, to: context)?.description }
        context.close(promise: nil)
    }

    // MARK: sending

    private var inFlight: Int {
        connections.reduce(waiting.count + homeless.count) { $0 + $1.inFlight }
    }

    /// Sends whatever is due; sets the timer for what is due next. Safe to call at any time.
    func pump() {
        guard !isPumping, !isDone else { return }
        isPumping = true
        defer { isPumping = false }
        while let request = homeless.last, place(request, isNew: false) { homeless.removeLast() }
        loop: while !connections.isEmpty, homeless.isEmpty, !isFinishing {
            let now = MonotonicClock.now()
            switch schedule.next(now: now, inFlight: inFlight) {
            case .send(let due):
                recorder.sent(due: due, now: now)
                _ = place(make(due: due, now: now), isNew: true)
            case .wait(let until):
                wake(at: until, now: now)
                break loop
            case .full:
                break loop
            case .finished:
                finishTraces(now: now)
                break loop
            }
        }
        for connection in connections { connection.flush() }
        // With nobody to send to, the end of the time is the end of the run.
        if connections.isEmpty, MonotonicClock.now() > end { isFinishing = true }
        if isFinishing, inFlight == 0 { finish() }
    }

    private func make(due: Int64, now: Int64) -> LoadRequest {
        let prepared = source.next(unixNanoseconds: due + unixOffset)
        let body = plan.speaks == .grpc ? framed(prepared.bytes) : plain(prepared.bytes)
        return LoadRequest(body: body, spans: prepared.spans, due: due, sent: now, attempts: 1)
    }

    /// A gRPC message, compressed if asked for.
    private func framed(_ message: [UInt8]) -> [UInt8] {
        let payload = message.span.extracting(droppingFirst: GRPCFraming.prefixLength)
        guard var packed = deflater?.gzip(payload, prefixBytes: GRPCFraming.prefixLength) else { return message }
        var prefix: [UInt8] = []
        GRPCFraming.appendPrefix(length: packed.count - GRPCFraming.prefixLength, isCompressed: true, to: &prefix)
        for (index, byte) in prefix.enumerated() { packed[index] = byte }
        return packed
    }

    /// The body of an OTLP/HTTP request, as JSON and compressed if asked for.
    private func plain(_ message: [UInt8]) -> [UInt8] {
        var body = Array(message[GRPCFraming.prefixLength...])
        if plan.speaks == .httpJSON {
            var text: [UInt8] = []
            if (try? OTLPJSONWriter.append(body.span, to: &text)) != nil { body = text }
        }
        return deflater?.gzip(body.span) ?? body
    }

    /// Gives the request to the next connection that has room, if possible not to the endpoint that has just failed with it. A
    /// new one that none takes waits here.
    private func place(_ request: LoadRequest, isNew: Bool) -> Bool {
        if let failed = request.failedAt, plan.endpoints.count > 1, offer(request, where: { $0 != failed }) { return true }
        if offer(request, where: { _ in true }) { return true }
        if isNew { homeless.append(request) }
        return false
    }

    private func offer(_ request: LoadRequest, where isWanted: (Int) -> Bool) -> Bool {
        for _ in connections.indices {
            cursor += 1
            let connection = connections[cursor % connections.count]
            guard isWanted(connection.endpoint), connection.inFlight < plan.inFlight else { continue }
            if connection.send(request) { return true }
        }
        return false
    }

    private func wake(at time: Int64, now: Int64) {
        timer?.cancel()
        let lane = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: .nanoseconds(max(0, time - now))) { lane.value.pump() }
    }

    // MARK: answers

    func answered(_ request: LoadRequest, _ answer: LoadAnswer, by endpoint: Int) {
        let now = MonotonicClock.now()
        lastAnswer = now
        var delay = Self.retryNanoseconds
        switch answer {
        case .accepted(let rejected):
            recorder.accepted(
                due: request.due, now: now, spans: request.spans, bytes: request.body.count, rejectedSpans: rejected)
            progress.accepted(spans: request.spans)
            return
        case .refused(let status, let retry):
            recorder.refused(status: status)
            progress.refused()
            guard request.attempts < plan.attempts, status.mayBeRetried(hasRetryInfo: retry != nil) else {
                recorder.gaveUp(spans: request.spans, bytes: request.body.count)
                return
            }
            delay = retry ?? delay
        case .broken, .expired:
            recorder.unanswered(spans: request.spans, bytes: request.body.count)
            if case .expired = answer {
                recorder.refused(status: .deadlineExceeded)
                progress.refused()
            }
            guard request.attempts < plan.attempts else {
                recorder.gaveUp(spans: request.spans, bytes: request.body.count)
                return
            }
        }
        // Another endpoint may take at once what this one does not; they are left alone when all have been asked.
        if request.attempts % plan.endpoints.count != 0 { delay = 0 }
        nextWaiting += 1
        let ticket = nextWaiting
        waiting[ticket] = request
        waiting[ticket]?.failedAt = endpoint
        let lane = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(delay)) { lane.value.retry(ticket) }
    }

    private func retry(_ ticket: Int) {
        guard var next = waiting.removeValue(forKey: ticket) else { return }
        next.attempts += 1
        next.sent = MonotonicClock.now()
        recorder.retried()
        if !place(next, isNew: true) { pump() }
        for connection in connections { connection.flush() }
    }

    /// Ends what waits for too long, and the run if nothing can come any more.
    private func sweep() {
        let now = MonotonicClock.now()
        for connection in connections { connection.expire(sentBefore: now - plan.timeoutNanoseconds) }
        // Whoever still waits half a minute after the end is given up, whatever it waits for.
        if now > end + 30_000_000_000 {
            for connection in connections { connection.expire(sentBefore: .max) }
            for request in homeless + waiting.values {
                recorder.gaveUp(spans: request.spans, bytes: request.body.count)
            }
            homeless = []
            waiting = [:]
            isFinishing = true
            finish()
        }
        pump()
    }

    private var isDone: Bool { sweeper == nil }

    private func finish() {
        guard !isDone else { return }
        sweeper?.cancel()
        sweeper = nil
        timer?.cancel()
        let open = connections
        connections = []
        for connection in open { connection.close() }
        finished.succeed(LoadLaneResult(recorder: recorder, lastAnswer: lastAnswer))
    }
}

/// What a lane hands over at its end.
struct LoadLaneResult: Sendable {
    var recorder: LoadRecorder
    var lastAnswer: Int64
}

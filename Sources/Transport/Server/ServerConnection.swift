package import NIOCore
internal import NativeCore
internal import OTLP
internal import Telemetry

/// One client connection: an HTTP/2 session over a channel, its gRPC calls, and its bounds in time.
///
/// Lives on its worker's loop from accept to close. All decisions about HTTP/2 are nghttp2's, all decisions about gRPC are
/// `GRPCCall`'s; this class moves bytes and answers.
package final class ServerConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// An open stream's request.
    private struct OpenCall {
        var call: GRPCCall
        var startedAt: Int64
        var isAnswered: Bool { answeredAt != nil }
        var answeredAt: Int64?
        /// Set aside in the memory budget for the message that is coming in.
        var promisedBytes = 0
        var bodyLimit = 0
        /// Its credentials are being checked.
        var isUnderCheck = false
        var hasEnded = false
    }

    private let server: WorkerServer
    private let receiver: Int
    let limits: ServerLimits
    private let endsAt: Int64
    private var agedAt: Int64?
    private var lastReceived: Int64
    private var pingedAt: Int64?
    private var session: HTTP2Session
    private var pumping = HTTP2Pump()
    private var context: ChannelHandlerContext?
    private var calls: [Int32: OpenCall] = [:]
    private var watchers: Set<Int32> = []
    private let openedAt: Int64
    private var lastActivity: Int64
    private var unwritableSince: Int64?
    private var hadRequest = false
    private var hasClientLeft = false
    private var lastPing: Int64 = .min
    private var pingStrikes = 0
    private var isClosing = false
    private var closeReason = ConnectionCloseReason.client
    private var flood: FrameFlood
    /// A connection that was silent for this long gives back what memory it can, nanoseconds.
    private static let trimAfter: Int64 = 5_000_000_000
    private var trimmedAt: Int64 = .min

    /// - Parameter receiver: index into `NodeMetrics.receivers`.
    init(server: WorkerServer, receiver: Int, now: Int64) throws(HTTP2SessionError) {
        self.server = server
        self.receiver = receiver
        openedAt = now
        lastActivity = now
        lastReceived = now
        limits = server.plan.limits[receiver]
        flood = FrameFlood(limits.idleFrames, now: now)
        // Connections that were made together must not end together.
        let age = limits.maximumConnectionAge
        endsAt = age > 0 ? now + age / 100 * Int64.random(in: 90...110) : .max
        var settings = HTTP2Settings()
        settings.maximumConcurrentStreams = UInt32(clamping: limits.maximumConcurrentStreams)
        settings.maximumHeaderBytes = limits.maximumHeaderBytes
        settings.maximumBodyBytes = limits.maximumMessageBytes + GRPCFraming.prefixLength
        session = try HTTP2Session(role: .server, settings: settings)
    }

    // MARK: channel

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelActive(context: ChannelHandlerContext) {
        self.context = context
        if !server.opened(self) {
            closeReason = .limit
            context.close(promise: nil)
            return
        }
        pump()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        for (stream, call) in calls where !call.isAnswered && !watchers.contains(stream) {
            server.worker.cells.add(server.metrics.refusedRequests[.cancelled])
        }
        server.cells.add(server.metrics.streams, -calls.count)
        for stream in calls.keys { release(stream) }
        calls.removeAll()
        watchers.removeAll()
        server.closed(self, reason: closeReason)
        server.noteClosed(closeReason, receiver: receiver, address: context.channel.remoteAddress?.shown ?? "unknown")
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        lastReceived = server.worker.now
        pingedAt = nil
        do {
            try session.receive(buffer.readableBytesUInt8Span)
        } catch {
            handleEvents()
            end(.protocolError)
            return
        }
        handleEvents()
        let frames = session.takeFrameCounts()
        if flood.isFlood(idle: frames.idle, useful: frames.useful, now: lastReceived) {
            session.goAway(error: HTTP2ErrorCode.enhanceYourCalm, reason: "too_many_frames")
            end(.abuse)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        pump()
        // nghttp2 ends a session by itself when the client breaks the protocol.
        if session.isFinished { end(closeReason == .client && !hasClientLeft ? .protocolError : closeReason) }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSince = nil
            pump()
        } else if unwritableSince == nil {
            unwritableSince = server.worker.now
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that closes TCP without closing TLS first has left, and that is all.
        end(TLSFailure.isAbruptEnd(error) && closeReason == .client ? .client : .error)
    }

    /// Writes what the session has to say, as far as the peer takes it.
    private func pump() {
        guard let context, !isClosing, pumping.begin() else { return }
        var wrote = true
        var isBroken = false
        while wrote && !isBroken {
            wrote = false
            while context.channel.isWritable {
                do {
                    guard let frames = try HTTP2Pump.frames(&session, context.channel.allocator) else { break }
                    context.write(NIOAny(frames), promise: nil)
                    wrote = true
                } catch {
                    isBroken = true
                    break
                }
            }
            // What the flush lets out may make room for more.
            if wrote { context.flush() }
        }
        pumping.end()
        if isBroken { end(.protocolError) }
        // A stream ends when the last frame of its answer goes out.
        handleEvents()
    }

    /// Says what there is to say and closes.
    private func end(_ reason: ConnectionCloseReason) {
        guard let context, !isClosing else { return }
        closeReason = reason
        isClosing = true
        while let frames = try? HTTP2Pump.frames(&session, context.channel.allocator) {
            context.write(NIOAny(frames), promise: nil)
            if !context.channel.isWritable { break }
        }
        context.flush()
        context.close(promise: nil)
    }

    // MARK: events

    private func handleEvents() {
        while let event = session.nextEvent() {
            switch event {
            case .headers(let stream): begin(stream)
            case .bodyBegan(let stream): checkPrefix(stream)
            case .bodyTooLarge(let stream):
                refuse(stream, tooLarge(declared: nil), ended: false)
            case .ended(let stream): complete(stream)
            case .closed(let stream, let error): streamClosed(stream, error)
            case .ping: countPing()
            case .violation: server.cells.add(server.metrics.http2ProtocolViolations)
            case .trailers, .pingAcknowledged: break
            case .goAway: hasClientLeft = true
            }
        }
    }

    private func begin(_ stream: Int32) {
        guard let headers = session.headers(of: stream) else { return }
        lastActivity = server.worker.now
        hadRequest = true
        server.cells.add(server.metrics.streamsOpened)
        server.cells.add(server.metrics.streams, 1)
        do {
            let call = try GRPCCall(headers)
            calls[stream] = OpenCall(call: call, startedAt: lastActivity)
            if call.method == .exportTraces { try authorize(stream, headers) }
            if call.method == .exportTraces && !server.plan.memory.admits(bytes: session.bufferedBodyBytes) {
                refuse(stream, server.worker.refuseForMemory(receiver), ended: false)
            }
        } catch {
            calls[stream] = OpenCall(call: .unknown, startedAt: lastActivity)
            refuse(stream, error, ended: false)
        }
    }

    /// The message says its length at once, so what is too large is refused before it comes.
    private func checkPrefix(_ stream: Int32) {
        guard let open = calls[stream], !open.isAnswered, let prefix = session.bodyPrefix(of: stream) else { return }
        if prefix.0 > 1 {
            refuse(stream, GRPCRefusal(.badFraming, .internal, "invalid gRPC message flag \(prefix.0)"), ended: false)
            return
        }
        let length = Int(prefix.1) << 24 | Int(prefix.2) << 16 | Int(prefix.3) << 8 | Int(prefix.4)
        if length > limits.maximumMessageBytes {
            refuse(stream, tooLarge(declared: length), ended: false)
        } else if !server.plan.memory.admits(bytes: length) {
            refuse(stream, server.worker.refuseForMemory(receiver), ended: false)
        } else {
            calls[stream]?.promisedBytes = length
            server.plan.memory.promise(length)
        }
    }

    private func tooLarge(declared: Int?) -> GRPCRefusal {
        let limit = limits.maximumMessageBytes
        let size = declared.map { "of \($0) bytes " } ?? ""
        return GRPCRefusal(
            .messageTooLarge, .resourceExhausted, "message \(size)larger than max (\(limit) bytes)")
    }

    /// Checks credentials before anything of the body is looked at. The health service is open to all: probes have none.
    private func authorize(_ stream: Int32, _ headers: HTTP2Headers) throws(GRPCRefusal) {
        guard let authenticator = server.plan.security.listeners[receiver].authenticator else { return }
        let loop = server.worker.eventLoop
        let me = NIOLoopBound(self, eventLoop: loop)
        let verdict = authenticator.check(headers.first(named: authenticator.headerName)) { verdict in
            loop.execute { me.value.authorized(stream, verdict) }
        }
        if let verdict {
            if let refusal = server.refusal(of: verdict, by: authenticator) { throw refusal }
        } else {
            calls[stream]?.isUnderCheck = true
        }
    }

    /// A check that took time is over.
    private func authorized(_ stream: Int32, _ verdict: AuthVerdict) {
        guard let open = calls[stream], open.isUnderCheck else { return }
        calls[stream]?.isUnderCheck = false
        if let authenticator = server.plan.security.listeners[receiver].authenticator,
            let refusal = server.refusal(of: verdict, by: authenticator)
        {
            refuse(stream, refusal, ended: open.hasEnded)
        } else if open.hasEnded {
            complete(stream)
        }
        pump()
    }

    private func complete(_ stream: Int32) {
        if calls[stream]?.isUnderCheck == true {
            calls[stream]?.hasEnded = true
            return
        }
        guard let open = calls[stream], !open.isAnswered, let body = session.takeBody(of: stream) else { return }
        release(stream)
        do throws(GRPCRefusal) {
            let (payloadStart, encoding) = try Self.unframe(body, encoding: open.call.encoding)
            switch open.call.method {
            case .exportTraces:
                let rejected = try server.worker.accept(
                    body: body, payloadStart: payloadStart, encoding: encoding, receiver: receiver)
                let message = rejected.total == 0 ? GRPCReplies.emptyMessage : Self.partialSuccess(rejected)
                answer(stream, message)
            case .healthCheck, .healthWatch, .healthList:
                let payload = try server.plainPayload(body, payloadStart, encoding)
                try health(stream, open.call.method, payload)
            }
        } catch {
            refuse(stream, error, ended: true)
        }
    }

    private func answer(_ stream: Int32, _ message: [UInt8]) {
        calls[stream]?.answeredAt = server.worker.now
        session.respond(
            stream, headers: GRPCReplies.okHeaders, body: message, trailers: GRPCReplies.okTrailers)
    }

    private func refuse(_ stream: Int32, _ refusal: GRPCRefusal, ended: Bool) {
        if calls[stream]?.isAnswered == true { return }
        calls[stream]?.answeredAt = server.worker.now
        server.cells.add(server.metrics.refusedRequests[refusal.reason])
        server.noteRefusal(refusal)
        session.discardBody(of: stream)
        release(stream)
        session.respond(stream, headers: GRPCReplies.refusal(refusal), thenReset: !ended)
    }

    /// The message is here, or will never be.
    private func release(_ stream: Int32) {
        guard let bytes = calls[stream]?.promisedBytes, bytes > 0 else { return }
        calls[stream]?.promisedBytes = 0
        server.plan.memory.promise(-bytes)
    }

    private func streamClosed(_ stream: Int32, _ error: UInt32) {
        watchers.remove(stream)
        release(stream)
        guard let call = calls.removeValue(forKey: stream) else { return }
        lastActivity = server.worker.now
        server.cells.add(server.metrics.streams, -1)
        if error != 0 {
            server.cells.add(server.metrics.streamsResetByClient)
            if !call.isAnswered { server.cells.add(server.metrics.refusedRequests[.cancelled]) }
        }
    }

    /// PINGs at a rate that no keepalive needs end the connection, as gRPC servers do.
    private func countPing() {
        let now = server.worker.now
        let isTooSoon = lastPing != .min && now - lastPing < limits.minimumPingInterval
        let isUncalledFor = calls.isEmpty && !limits.permitsPingsWithoutStream
        if calls.isEmpty && (isTooSoon || isUncalledFor) {
            pingStrikes += 1
            if pingStrikes > limits.maximumPingStrikes {
                session.goAway(error: HTTP2ErrorCode.enhanceYourCalm, reason: "too_many_pings")
                end(.abuse)
            }
        } else {
            pingStrikes = 0
        }
        lastPing = now
    }

    // MARK: messages

    /// Checks that a body is exactly one message. Returns where its payload starts and how it is coded.
    static func unframe(
        _ body: [UInt8], encoding: GRPCEncoding
    ) throws(GRPCRefusal) -> (payloadStart: Int, encoding: GRPCEncoding) {
        guard body.count >= GRPCFraming.prefixLength else {
            throw body.isEmpty
                ? GRPCRefusal(.badFraming, .unimplemented, "a unary call needs exactly one message; none came")
                : GRPCRefusal(.badFraming, .internal, "the body ends within a message prefix")
        }
        guard body[0] <= 1 else {
            throw GRPCRefusal(.badFraming, .internal, "invalid gRPC message flag \(body[0])")
        }
        let length = Int(body[1]) << 24 | Int(body[2]) << 16 | Int(body[3]) << 8 | Int(body[4])
        let present = body.count - GRPCFraming.prefixLength
        if length > present {
            throw GRPCRefusal(.badFraming, .internal, "the message of \(length) bytes ends after \(present)")
        }
        if length < present {
            throw GRPCRefusal(.badFraming, .unimplemented, "a unary call needs exactly one message; more came")
        }
        if body[0] == 1 && encoding == .identity {
            throw GRPCRefusal(.badFraming, .internal, "a compressed message needs a grpc-encoding")
        }
        return (GRPCFraming.prefixLength, body[0] == 1 ? encoding : .identity)
    }

    private static func partialSuccess(_ rejected: SpanRejectionCounts) -> [UInt8] {
        let reasons = SpanRejection.allCases.filter { rejected[$0] > 0 }
            .map { "\($0.metric.rawValue): \(rejected[$0])" }.joined(separator: ", ")
        let response = ExportTraceServiceResponse(
            rejectedSpans: Int64(rejected.total), errorMessage: Array("malformed spans were left out (\(reasons))".utf8))
        return GRPCReplies.message(response.encoded)
    }

    // MARK: health

    private func health(_ stream: Int32, _ method: GRPCMethod, _ payload: [UInt8]) throws(GRPCRefusal) {
        if method == .healthList {
            answer(stream, GRPCReplies.message(HealthService.list(isServing: server.worker.isServing)))
            return
        }
        guard let request = try? HealthCheckRequest(parsing: payload.span) else {
            throw GRPCRefusal(.malformed, .invalidArgument, "not a HealthCheckRequest")
        }
        let status = HealthService.status(of: request.service, isServing: server.worker.isServing)
        if method == .healthWatch {
            calls[stream]?.answeredAt = server.worker.now
            watchers.insert(stream)
            let message = HealthCheckResponse(status: status ?? .serviceUnknown).encoded
            session.respondStreaming(
                stream, headers: GRPCReplies.okHeaders, body: GRPCReplies.message(message))
        } else if let status {
            answer(stream, GRPCReplies.message(HealthCheckResponse(status: status).encoded))
        } else {
            throw GRPCRefusal(.unknownMethod, .notFound, "unknown service")
        }
    }

    // MARK: called by the server

    /// The node stopped serving: watchers learn it, and the client is told to open no more streams.
    func announceShutdown() {
        let message = GRPCReplies.message(HealthCheckResponse(status: .notServing).encoded)
        for stream in watchers {
            session.send(message, on: stream)
            session.finish(stream, trailers: GRPCReplies.okTrailers)
        }
        session.announceShutdown()
        pump()
    }

    /// Streams that are open now are finished, no others.
    func goAway() {
        closeReason = .shutdown
        session.goAway()
        pump()
        if session.isFinished || calls.isEmpty { end(.shutdown) }
    }

    func closeNow(_ reason: ConnectionCloseReason) { end(reason) }

    /// Looks at the bounds in time. About once a second.
    func sweep(now: Int64) {
        if let since = unwritableSince, now - since > limits.writeTimeout {
            end(.tooSlow)
            return
        }
        if !hadRequest && limits.firstRequestTimeout > 0 && now - openedAt > limits.firstRequestTimeout {
            end(.tooSlow)
            return
        }
        if isDead(now) {
            end(.tooSlow)
            return
        }
        if endOfAge(now) { return }
        if calls.isEmpty {
            if lastReceived > trimmedAt, now - lastReceived > Self.trimAfter {
                trimmedAt = now
                session.trim()
            }
            if limits.idleTimeout > 0 && now - lastActivity > limits.idleTimeout {
                session.goAway()
                end(.idle)
            }
            return
        }
        if hasStuckAnswer(now) {
            end(.tooSlow)
            return
        }
        refuseSlowRequests(now)
        pump()
    }

    /// Whether a client keeps its window shut so that an answer can't leave.
    private func hasStuckAnswer(_ now: Int64) -> Bool {
        calls.contains { stream, open in
            guard let answeredAt = open.answeredAt, !watchers.contains(stream) else { return false }
            return now - answeredAt > limits.writeTimeout
        }
    }

    /// Keepalive: a silent client is pinged, and one that stays silent is gone.
    private func isDead(_ now: Int64) -> Bool {
        if let pingedAt { return now - pingedAt > limits.keepaliveTimeout }
        if now - lastReceived > limits.keepaliveTime {
            pingedAt = now
            session.ping()
            pump()
        }
        return false
    }

    /// Ends a connection that is old enough: GOAWAY first, then the end of its grace. True when it is closed.
    private func endOfAge(_ now: Int64) -> Bool {
        guard now >= endsAt else { return false }
        if let agedAt {
            let grace = limits.maximumConnectionAgeGrace
            guard calls.isEmpty || (grace > 0 && now - agedAt > grace) else { return false }
            end(.age)
            return true
        }
        agedAt = now
        closeReason = .age
        session.announceShutdown()
        session.goAway()
        pump()
        return false
    }

    private func refuseSlowRequests(_ now: Int64) {
        for (stream, open) in calls where !open.isAnswered {
            let timeout = min(open.call.timeout ?? .max, limits.requestTimeout)
            if now - open.startedAt > timeout {
                refuse(
                    stream,
                    GRPCRefusal(.deadlineExceeded, .deadlineExceeded, "the request was not complete in time"),
                    ended: false)
            }
        }
    }
}

extension GRPCCall {
    /// Stands for a request whose fields were refused.
    static let unknown = GRPCCall(method: .exportTraces, encoding: .identity, timeout: nil)

    private init(method: GRPCMethod, encoding: GRPCEncoding, timeout: Int64?) {
        self.method = method
        self.encoding = encoding
        self.timeout = timeout
    }
}

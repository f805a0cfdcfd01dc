package import NIOCore
internal import NativeCore
internal import OTLP
internal import Telemetry

/// One client connection over HTTP/2: a session over a channel, its gRPC and OTLP/HTTP requests, and its bounds in time.
///
/// Lives on its worker's loop from accept to close. All decisions about HTTP/2 are nghttp2's, all decisions about requests are
/// `GRPCCall`'s and `HTTPCall`'s; this class moves bytes and answers.
package final class ServerConnection: ChannelInboundHandler, ServedConnection {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// What an open stream's request is.
    enum Call {
        case grpc(GRPCCall)
        case http(HTTPCall)
        /// Its fields were refused.
        case refused

        /// The client's own deadline from the headers on, nanoseconds.
        var timeout: Int64? {
            if case .grpc(let call) = self { call.timeout } else { nil }
        }
    }

    /// An open stream.
    struct OpenCall {
        var call: Call
        /// How the client is answered if it speaks OTLP/HTTP; nil for gRPC.
        var replyForm: HTTPReplyForm?
        var startedAt: Int64
        var isAnswered: Bool { answeredAt != nil }
        var answeredAt: Int64?
        /// Set aside in the memory budget for the message that is coming in.
        var heldBytes = 0
        /// How long the message says it is, with its prefix; nil: it does not.
        var declaredBytes: Int?
        /// Bytes of it that were here at the last look at slow requests, while memory was short.
        var seenBytes: Int?
        /// Its credentials are being checked.
        var isUnderCheck = false
        var hasEnded = false
        /// Its spans are on their way to their owners: the answer comes with theirs.
        var isPending = false
    }

    let server: WorkerServer
    let receiver: Int
    let account: ClientAccount
    let limits: ServerLimits
    /// Nil: this listener takes gRPC alone.
    let http: HTTPListenerSettings?
    let signals: SignalSet
    /// Peers of the cluster come here.
    let isForPeers: Bool
    let endsAt: Int64
    var agedAt: Int64?
    var lastReceived: Int64
    var pingedAt: Int64?
    var session: HTTP2Session
    private let pumping = HTTP2Pump()
    private var context: ChannelHandlerContext?
    var calls: [Int32: OpenCall] = [:]
    var watchers: Set<Int32> = []
    let openedAt: Int64
    var lastActivity: Int64
    var unwritableSince: Int64?
    var hadRequest = false
    var hasClientLeft = false
    var lastPing: Int64 = .min
    var pingStrikes = 0
    var isClosing = false
    /// A peer's call is being taken in.
    var isAnsweringPeer = false
    var closeReason = ConnectionCloseReason.client
    private var flood: FrameFlood
    /// When a silent connection gave back what memory it can.
    var trimmedAt: Int64 = .min

    /// - Parameter receiver: index into `NodeMetrics.receivers`.
    init(server: WorkerServer, receiver: Int, account: ClientAccount, now: Int64) throws(HTTP2SessionError) {
        self.server = server
        self.receiver = receiver
        self.account = account
        openedAt = now
        lastActivity = now
        lastReceived = now
        limits = server.plan.limits[receiver]
        flood = FrameFlood(limits.idleFrames, now: now)
        http = server.plan.listener(receiver).http
        signals = server.plan.listener(receiver).signals
        isForPeers = server.plan.listener(receiver).isForPeers
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

    /// Begins on a channel that is active already and was counted as a connection.
    func start() { pump() }

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
            endForAbuse(.frames, "too_many_frames")
            return
        }
        account.noteHeaders(session.takeHeaderBytes())
        if let kind = account.isFlood(now: lastReceived) {
            endForAbuse(kind, kind == .headers ? "too_many_header_bytes" : "too_many_refused_requests")
        }
    }

    /// Says that the client does too much of something, and closes.
    func endForAbuse(_ kind: FloodKind, _ reason: StaticString) {
        guard !isClosing else { return }
        session.goAway(error: HTTP2ErrorCode.enhanceYourCalm, reason: reason)
        account.strike(kind)
        end(.abuse)
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
    func pump() {
        guard let context, !isClosing else { return }
        let outcome = pumping.run(context) { () throws(HTTP2SessionError) in
            try HTTP2Pump.frames(&session, context.channel.allocator)
        }
        switch outcome {
        case .busy: return
        case .broken: end(.protocolError)
        case .done: break
        }
        // A stream ends when the last frame of its answer goes out.
        handleEvents()
    }

    /// Says what there is to say and closes.
    func end(_ reason: ConnectionCloseReason) {
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
}

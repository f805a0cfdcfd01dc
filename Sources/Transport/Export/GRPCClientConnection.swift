package import Delivery
package import NIOCore
package import NativeCore
internal import Telemetry

/// One HTTP/2 connection of a gRPC client: unary calls over streams. Lives on one loop.
package final class GRPCClientConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private struct OpenCall {
        var done: (GRPCAnswer) -> Void
        var readsPayload: Bool
        var timer: Scheduled<Void>?
    }

    private var session: HTTP2Session
    private let pumping = HTTP2Pump()
    private let frames: FrameBuffer
    private var context: ChannelHandlerContext?
    private var calls: [Int32: OpenCall] = [:]
    private var isGone = false
    /// The server asked for no more streams, or ids are used up: open calls are finished, then the connection closes.
    package private(set) var isDraining = false
    /// Called once when no new calls may be made here any more.
    package var onRetire: (() -> Void)?

    /// What TLS had to say when the connection broke.
    private(set) var failure: TLSFailure?
    /// Over TLS: what to make of an end before anything has come.
    var explainEarlyEnd: TLSFailure?

    private let keepalive: GRPCClientSettings.Keepalive?
    /// Whether anything came since the last look, and whether a PING is out.
    private var hasReceived = false
    private var isPinged = false

    /// - Parameter frames: of the connections that share one.
    package init(keepalive: GRPCClientSettings.Keepalive? = nil, frames: FrameBuffer) throws(HTTP2SessionError) {
        self.keepalive = keepalive
        self.frames = frames
        var settings = HTTP2Settings()
        settings.streamWindow = 256 << 10
        settings.connectionWindow = 1 << 20
        settings.maximumBodyBytes = 4 << 20
        session = try HTTP2Session(role: .client, settings: settings)
    }

    package var openCalls: Int { calls.count }

    /// Whether a call can be made here.
    package var acceptsCalls: Bool { !isGone && !isDraining && context != nil && session.acceptsRequests }

    /// Makes a call; `done` is called once, later. False if no call can be made on this connection.
    ///
    /// - Parameters:
    ///   - timeout: nanoseconds, 0 for none.
    ///   - readsPayload: the bytes of an OK answer's message stand in `GRPCAnswer.status`'s `message`, in place of what
    ///     `partial_success` says.
    package func call(
        headers: HTTP2Headers, head: [UInt8], body: [UInt8], timeout: Int64, readsPayload: Bool = false,
        _ done: @escaping (GRPCAnswer) -> Void
    ) -> Bool {
        guard acceptsCalls, let context else { return false }
        let stream: Int32
        do {
            stream = try session.request(headers: headers, head: head, body: body)
        } catch {
            retire()
            return false
        }
        var open = OpenCall(done: done, readsPayload: readsPayload)
        if timeout > 0 {
            open.timer = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout)) { [weak self] in
                self?.timedOut(stream)
            }
        }
        calls[stream] = open
        pump()
        return true
    }

    /// Closes at once; open calls end with `failure`.
    package func close(_ failure: TransportFailure = .connectionLost) {
        retire()
        failAll(failure)
        context?.close(promise: nil)
    }

    private func timedOut(_ stream: Int32) {
        guard let open = calls.removeValue(forKey: stream) else { return }
        session.reset(stream, error: HTTP2ErrorCode.cancel)
        pump()
        open.done(.transport(.timeout))
        closeIfDrained()
    }

    // MARK: channel

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelActive(context: ChannelHandlerContext) {
        pump()
        watch()
    }

    /// Looks after the keepalive time whether anything came; if not, pings and looks again after the time-out.
    private func watch() {
        guard let keepalive, let context, !isGone else { return }
        let delay = isPinged ? keepalive.timeout : keepalive.time
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { [weak self] in
            self?.checkLife(keepalive)
        }
    }

    private func checkLife(_ keepalive: GRPCClientSettings.Keepalive) {
        if hasReceived {
            isPinged = false
        } else if isPinged {
            close(.timeout)
            return
        } else if !calls.isEmpty || keepalive.permitWithoutStream {
            isPinged = true
            session.ping()
            pump()
        }
        hasReceived = false
        watch()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        isGone = true
        retire()
        failAll(.connectionLost)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        hasReceived = true
        explainEarlyEnd = nil
        do {
            try session.receive(buffer.readableBytesUInt8Span)
        } catch {
            handleEvents()
            pump()
            close(.protocolError)
            return
        }
        handleEvents()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        pump()
        if session.isFinished { close(.connectionLost) }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { pump() }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A server that demands a certificate says so after a handshake of TLS 1.3, in an alert.
        if !TLSFailure.isAbruptEnd(error) {
            failure = TLSFailure(error, side: .client, peerValidity: nil, now: SystemClocks.unixSeconds())
        }
        close(.connectionLost)
    }

    /// Writes what the session has to say, as far as the peer takes it.
    private func pump() {
        guard let context, !isGone else { return }
        let outcome = pumping.run(context) { () throws(HTTP2SessionError) in
            let expected = calls.keys.reduce(0) { $0 + session.unsentBytes(of: $1) }
            return try frames.frames(&session, expected: expected)
        }
        if outcome == .broken { close(.protocolError) }
    }

    private func handleEvents() {
        while let event = session.nextEvent() {
            switch event {
            case .ended(let stream): answered(stream)
            case .closed(let stream, let error): closed(stream, error)
            case .bodyTooLarge(let stream): finish(stream, .transport(.protocolError))
            case .goAway: retire()
            case .headers, .trailers, .bodyBegan, .bodyGrew, .ping, .pingAcknowledged, .violation: break
            }
        }
        closeIfDrained()
    }

    private func answered(_ stream: Int32) {
        guard let call = calls[stream], let headers = session.headers(of: stream) else { return }
        let trailers = session.trailers(of: stream)
        let body = session.takeBody(of: stream) ?? []
        finish(stream, GRPCAnswerReader.read(headers: headers, trailers: trailers, body: body, readsPayload: call.readsPayload))
        // The server answered before it had all of the request: nothing of it is needed any more.
        if session.unsentBytes(of: stream) > 0 { session.reset(stream, error: HTTP2ErrorCode.noError) }
    }

    private func closed(_ stream: Int32, _ error: UInt32) {
        guard calls[stream] != nil else { return }
        switch error {
        case HTTP2ErrorCode.refusedStream: finish(stream, .transport(.refusedStream))
        case HTTP2ErrorCode.noError: finish(stream, .transport(.protocolError))
        default: finish(stream, .transport(.streamReset(code: error)))
        }
    }

    private func finish(_ stream: Int32, _ answer: GRPCAnswer) {
        guard let open = calls.removeValue(forKey: stream) else { return }
        open.timer?.cancel()
        open.done(answer)
    }

    private func failAll(_ failure: TransportFailure) {
        if self.failure == nil { self.failure = explainEarlyEnd }
        let open = calls
        calls.removeAll()
        for call in open.values {
            call.timer?.cancel()
            call.done(.transport(failure))
        }
    }

    private func retire() {
        guard !isDraining else { return }
        isDraining = true
        let notify = onRetire
        onRetire = nil
        notify?()
    }

    private func closeIfDrained() {
        if isDraining && calls.isEmpty { context?.close(promise: nil) }
    }
}

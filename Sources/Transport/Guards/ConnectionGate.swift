internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import NativeCore
internal import Telemetry

/// What stands before a connection's protocol until it is clear that there is one: waits for the first bytes, tells TLS from
/// plain text, waits for the handshake's turn, bounds all of that in time, and then makes room for the protocol's handlers.
///
/// So a connection that says nothing costs its socket and this handler. Confined to its worker's loop.
final class ConnectionGate: ChannelInboundHandler, ChannelOutboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Nothing has come so far.
        case silent
        /// The first bytes of a handshake are here; its turn is not.
        case parked
        case through
        case closed
    }

    private let server: WorkerServer
    private let receiver: Int
    private let tls: TLSCredentials?
    let address: PeerAddress
    let admission: ConnectionLimiter.Admission
    /// Its place among the handshakes; 0 for none.
    var ticket: HandshakeQueue.Ticket = 0
    private let shownAddress: String
    private var state = State.silent
    private var context: ChannelHandlerContext?
    private var first: ByteBuffer?
    private var wantsToRead = false
    private var deadline: Scheduled<Void>?

    /// - Parameter receiver: index into the plan's limits.
    init(
        server: WorkerServer, receiver: Int, address: PeerAddress, admission: ConnectionLimiter.Admission, shownAddress: String
    ) {
        self.server = server
        self.receiver = receiver
        self.address = address
        self.admission = admission
        self.shownAddress = shownAddress
        tls = server.plan.security.listeners[receiver].tls
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { setDeadline(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) { setDeadline(context) }

    func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .silent: server.left(reason: .client)
        case .parked:
            server.handshakes.leave(self, isWaiting: true)
            server.left(reason: .client)
        case .through: context.fireChannelInactive()
        case .closed: break
        }
        state = .closed
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(.error) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .silent:
            let bytes = unwrapInboundIn(data)
            guard let byte = bytes.readableBytesView.first else { return }
            decide(bytes, byte, context)
        case .parked:
            // One read may have been under way already.
            var more = unwrapInboundIn(data)
            first?.writeBuffer(&more)
        case .through: context.fireChannelRead(data)
        case .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if state == .through { context.fireChannelReadComplete() }
    }

    /// While its handshake waits, nothing more is read from the connection.
    func read(context: ChannelHandlerContext) {
        if state == .parked { wantsToRead = true } else { context.read() }
    }

    /// The first byte tells: a TLS record of the handshake begins with 22, and no HTTP does.
    private func decide(_ bytes: ByteBuffer, _ byte: UInt8, _ context: ChannelHandlerContext) {
        let isTLS = byte == 0x16
        if tls == nil, isTLS {
            refuse(TLSFailure(.tlsOnPlainPort, "TLS came to a port that speaks plain text"))
        } else if tls != nil, !isTLS {
            answerPlainText(bytes, context)
            refuse(TLSFailure(.plainText, "plain text came to a port that speaks TLS"))
        } else if tls == nil {
            deadline?.cancel()
            pass(bytes, context) { try server.serve(context.channel, receiver: receiver, admission) }
        } else {
            state = .parked
            first = bytes
            if !server.handshakes.enter(self) {
                refuse(TLSFailure(.tooMany, "too many TLS handshakes, in all or from this address"))
            }
        }
    }

    /// The turn of this connection's handshake has come. Costs about a millisecond.
    func begin() {
        guard state == .parked, let context, let tls, let bytes = first else { return }
        first = nil
        let channel = context.channel
        let observer = TLSServerObserver(
            server: server, receiver: receiver, shownAddress: shownAddress, gate: self)
        observer.deadline = deadline
        deadline = nil
        pass(bytes, context) {
            let handler = NIOSSLServerHandler(
                context: tls.context, customVerificationCallback: nil, configuration: .small)
            try context.pipeline.syncOperations.addHandlers([handler, observer], position: .after(self))
        }
        // From the pipeline's end: this handler is out of it by now.
        if wantsToRead { channel.read() }
    }

    /// Puts what follows into the pipeline, hands the first bytes to it, and steps aside.
    private func pass(_ bytes: ByteBuffer, _ context: ChannelHandlerContext, _ install: () throws -> Void) {
        state = .through
        do {
            try install()
        } catch {
            state = .silent
            close(.error)
            return
        }
        if tls == nil { context.fireChannelActive() }
        context.fireChannelRead(NIOAny(bytes))
        context.fireChannelReadComplete()
        if context.channel.isActive { context.pipeline.syncOperations.removeHandler(context: context, promise: nil) }
    }

    /// As Go's servers do, so that a person with a browser or curl sees what is wrong.
    private func answerPlainText(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        let methods = ["GET ", "POST", "PUT ", "HEAD", "OPTI"]
        let start = bytes.readableBytesView.prefix(4)
        guard methods.contains(where: { $0.utf8.elementsEqual(start) }) else { return }
        let text = "HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\nThis port speaks TLS; use https.\n"
        context.writeAndFlush(NIOAny(context.channel.allocator.buffer(string: text)), promise: nil)
    }

    private func setDeadline(_ context: ChannelHandlerContext) {
        let limits = server.plan.limits[receiver]
        // Whoever must have sent a request by then has sent its first byte.
        let bounds = [tls == nil ? limits.firstByteTimeout : limits.handshakeTimeout, limits.firstRequestTimeout]
        guard let time = bounds.filter({ $0 > 0 }).min(), deadline == nil else { return }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(time)) { [weak self] in
            self?.expire()
        }
    }

    private func expire() {
        guard state == .silent || state == .parked else { return }
        if tls != nil {
            refuse(TLSFailure(.timeout, "the TLS handshake was not complete in time"), .tooSlow)
        } else {
            close(.tooSlow)
        }
    }

    private func refuse(_ failure: TLSFailure, _ reason: ConnectionCloseReason = .protocolError) {
        server.noteHandshakeFailure(failure, from: shownAddress, receiver: receiver)
        close(reason)
    }

    private func close(_ reason: ConnectionCloseReason) {
        switch state {
        case .parked: server.handshakes.leave(self, isWaiting: true)
        case .silent: break
        case .through, .closed: return
        }
        state = .closed
        first = nil
        server.left(reason: reason)
        context?.close(promise: nil)
    }
}

/// Stands behind the TLS handler until the handshake is through or has failed, then steps aside. Confined to its loop.
final class TLSServerObserver: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let server: WorkerServer
    private let receiver: Int
    private let shownAddress: String
    private let gate: ConnectionGate
    private var isDone = false
    private var context: ChannelHandlerContext?
    private var expiry: Scheduled<Void>?
    /// The gate's deadline goes on until the handshake is done: it was set when the connection came.
    var deadline: Scheduled<Void>?

    init(
        server: WorkerServer, receiver: Int, shownAddress: String, gate: ConnectionGate
    ) {
        self.server = server
        self.receiver = receiver
        self.shownAddress = shownAddress
        self.gate = gate
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadline?.cancel()
        deadline = nil
        let time = server.plan.limits[receiver].handshakeTimeout
        guard time > 0 else { return }
        expiry = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(time)) { [weak self] in
            self?.fail(TLSFailure(.timeout, "the TLS handshake was not complete in time"), .tooSlow)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        expiry?.cancel()
        self.context = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard !isDone, let event = event as? TLSUserEvent, case .handshakeCompleted = event else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        finish()
        server.cells.add(server.plan.metrics.security.serverHandshakes)
        do {
            try server.serve(context.channel, receiver: receiver, gate.admission)
        } catch {
            server.left(reason: .error)
            context.close(promise: nil)
            return
        }
        context.fireChannelActive()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isDone {
            context.fireErrorCaught(error)
            return
        }
        let peer = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self).peerCertificate
        fail(
            TLSFailure(error, side: .server, peerValidity: peer?.validity, now: SystemClocks.unixSeconds()), .protocolError)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isDone {
            context.fireChannelInactive()
        } else {
            fail(TLSFailure(.disconnected, "the client left during the handshake"), .client)
        }
    }

    private func fail(_ failure: TLSFailure, _ reason: ConnectionCloseReason) {
        guard !isDone else { return }
        finish()
        server.noteHandshakeFailure(failure, from: shownAddress, receiver: receiver)
        server.left(reason: reason)
        context?.close(promise: nil)
    }

    private func finish() {
        isDone = true
        expiry?.cancel()
        server.handshakes.leave(gate, isWaiting: false)
    }
}

extension NIOSSLHandler.Configuration {
    /// Idle connections keep no large buffer for what they sent once.
    static var small: Self {
        var made = Self()
        made.maximumPreservedOutboundBufferCapacity = 32 << 10
        return made
    }
}

internal import NIOCore
internal import NIOHTTP1
internal import NativeCore
internal import Telemetry

/// Tells HTTP/2 (by its preface, RFC 9113 §3.4) from HTTP/1.1 by a connection's first bytes, then gives way to the handlers of
/// the one it found. `Upgrade: h2c` is not offered, as RFC 9113 advises.
final class ProtocolSniffer: ChannelInboundHandler, RemovableChannelHandler, ServedConnection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// No method of HTTP/1.1 begins like this.
    private static let prefaceStart = Array("PRI".utf8)

    let limits: ServerLimits
    private let server: WorkerServer
    private let receiver: Int
    private let account: ClientAccount
    private let openedAt: Int64
    private var context: ChannelHandlerContext?
    private var first: ByteBuffer?
    private var closeReason = ConnectionCloseReason.client
    private var isDone = false

    init(server: WorkerServer, receiver: Int, account: ClientAccount) {
        self.server = server
        self.receiver = receiver
        self.account = account
        limits = server.plan.limits[receiver]
        openedAt = server.worker.now
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        if !server.opened(self) { closeNow(.limit) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if var held = first {
            held.writeBuffer(&bytes)
            bytes = held
        }
        let start = bytes.readableBytesView.prefix(Self.prefaceStart.count)
        let isLikePreface = Self.prefaceStart.starts(with: start)
        if isLikePreface && start.count < Self.prefaceStart.count {
            first = bytes
            return
        }
        first = nil
        do {
            try giveWay(context, isHTTP2: isLikePreface)
        } catch {
            closeNow(.error)
            return
        }
        context.fireChannelRead(NIOAny(bytes))
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func giveWay(_ context: ChannelHandlerContext, isHTTP2: Bool) throws {
        let pipeline = context.pipeline.syncOperations
        let position = ChannelPipeline.SynchronousOperations.Position.after(context.handler)
        isDone = true
        if isHTTP2 {
            let connection = try ServerConnection(server: server, receiver: receiver, account: account, now: openedAt)
            try pipeline.addHandler(connection, position: position)
            server.replace(self, with: connection)
            connection.start()
        } else {
            let connection = HTTP1Connection(server: server, receiver: receiver, account: account, now: openedAt)
            // Added in reverse, each right behind this handler.
            try pipeline.addHandler(connection, position: position)
            var limit = NIOHTTPDecoderLimitConfiguration()
            limit.maxHeaderFieldSize = limits.maximumHeaderBytes
            limit.maxHeaderListSize = limits.maximumHeaderBytes
            let decoder = HTTPDecoder<HTTPServerRequestPart, HTTPServerResponsePart>(
                leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: limit)
            try pipeline.addHandler(ByteToMessageHandler(decoder), position: position)
            server.replace(self, with: connection)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isDone {
            context.fireChannelInactive()
        } else {
            isDone = true
            server.closed(self, reason: closeReason)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { closeNow(.error) }

    // MARK: ServedConnection

    let isForPeers = false

    func announceServing() {}

    func sweep(now: Int64) {
        let limit = limits.firstRequestTimeout
        if limit > 0 && now - openedAt > limit { closeNow(.tooSlow) }
    }

    func announceShutdown() {}

    func goAway() { closeNow(.shutdown) }

    func closeNow(_ reason: ConnectionCloseReason) {
        closeReason = reason
        context?.close(promise: nil)
    }
}

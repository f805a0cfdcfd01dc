internal import Cluster
internal import NIOCore
internal import NIOPosix

/// Asks name servers over UDP, and over TCP what does not fit into a datagram.
///
/// A resolver of our own, as `getaddrinfo` blocks a thread for as long as it likes, does not tell an empty answer from a failure, and
/// knows no SRV records. Each question goes from a socket, and so from a port, of its own.
struct DNSClient: Sendable {
    private let group: any EventLoopGroup

    init(_ group: any EventLoopGroup) { self.group = group }

    /// Looks a name up. Ends within `timeout` nanoseconds.
    func look(up name: String, types: [DNSRecordType], _ configuration: DNSConfiguration, timeout: Int64) async -> DNSOutcome {
        let deadline = NIODeadline.now() + .nanoseconds(timeout)
        var lookup = DNSLookup(name, types: types, configuration)
        while true {
            guard case .ask(let question, let server, let patience) = lookup.step else { break }
            let limit = min(deadline, .now() + .nanoseconds(patience))
            guard limit > .now(), !Task.isCancelled else { return .noAnswer }
            do {
                lookup.answered(try await ask(question, server, limit))
            } catch {
                lookup.failed()
            }
        }
        guard case .done(let outcome) = lookup.step else { return .noAnswer }
        return outcome
    }

    /// One question to one server.
    private func ask(_ question: DNSQuestion, _ server: MemberAddress, _ deadline: NIODeadline) async throws -> DNSResponse {
        let address = try SocketAddress(ipAddress: server.hostText, port: Int(server.port))
        let id = UInt16.random(in: .min ... .max)
        let response = try await exchange(question, id, deadline) { loop, handler in
            DatagramBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([DNSDatagrams(address), handler()])
                    }
                }
                .connect(to: address)
        }
        if !response.isTruncated { return response }
        return try await exchange(question, id, deadline) { loop, handler in
            ClientBootstrap(group: loop)
                .connectTimeout(max(.nanoseconds(1), deadline - .now()))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([DNSStream(), handler()])
                    }
                }
                .connect(to: address)
        }
    }

    private func exchange(
        _ question: DNSQuestion, _ id: UInt16, _ deadline: NIODeadline,
        connect: (any EventLoop, @escaping @Sendable () -> DNSExchangeHandler) -> EventLoopFuture<any Channel>
    ) async throws -> DNSResponse {
        let loop = group.next()
        let promise = loop.makePromise(of: DNSResponse.self)
        // The timer also ends a connection attempt that hangs: whoever comes second finds the promise kept.
        let timer = loop.scheduleTask(deadline: deadline) { promise.fail(DNSExchangeError.timeout) }
        let connecting = connect(loop) { DNSExchangeHandler(question, id: id, promise) }
        connecting.whenFailure { promise.fail($0) }
        promise.futureResult.whenComplete { _ in
            timer.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
        }
        return try await promise.futureResult.get()
    }
}

enum DNSExchangeError: Error {
    case timeout
    case closed
    case malformed
}

/// Sends one query as soon as its channel is there, and waits for its answer. Everything else that comes is passed over: it is late,
/// or somebody else's.
private final class DNSExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let question: DNSQuestion
    private let id: UInt16
    private let promise: EventLoopPromise<DNSResponse>

    init(_ question: DNSQuestion, id: UInt16, _ promise: EventLoopPromise<DNSResponse>) {
        self.question = question
        self.id = id
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let query = context.channel.allocator.buffer(bytes: question.query(id: id))
        context.writeAndFlush(wrapOutboundOut(query), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        guard bytes.count >= 2, UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == id else { return }
        guard let response = try? DNSResponse(parsing: bytes) else {
            promise.fail(DNSExchangeError.malformed)
            return
        }
        if response.answers(question) { promise.succeed(response) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(DNSExchangeError.closed) }
}

/// Between messages and datagrams of a socket that is connected to one server: nobody else's come in.
private final class DNSDatagrams: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let server: SocketAddress

    init(_ server: SocketAddress) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(wrapInboundOut(unwrapInboundIn(data).data))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let envelope = AddressedEnvelope(remoteAddress: server, data: unwrapOutboundIn(data))
        context.write(wrapOutboundOut(envelope), promise: promise)
    }
}

/// Between messages and a stream, in which each has its length in two octets before it (RFC 1035, 4.2.2).
private final class DNSStream: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Never more than one message and one read.
    private var received = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        received.writeBuffer(&part)
        while let length = received.getInteger(at: received.readerIndex, as: UInt16.self),
            received.readableBytes >= Int(length) + 2
        {
            received.moveReaderIndex(forwardBy: 2)
            guard let message = received.readSlice(length: Int(length)) else { return }
            context.fireChannelRead(wrapInboundOut(message))
        }
        received.discardReadBytes()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var message = unwrapOutboundIn(data)
        var framed = context.channel.allocator.buffer(capacity: message.readableBytes + 2)
        framed.writeInteger(UInt16(clamping: message.readableBytes))
        framed.writeBuffer(&message)
        context.write(wrapOutboundOut(framed), promise: promise)
    }
}

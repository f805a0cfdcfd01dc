internal import NIOCore
internal import NIOPosix

/// One HTTP/1.1 GET, for probes: status and the beginning of the body, nothing more.
enum ProbeClient {
    struct Answer: Sendable {
        var status: Int
        /// The body as far as it came, one line.
        var text: String
    }

    /// Why there is no answer.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// - Throws: `Failure`, or the connection's error.
    static func get(_ address: ProbeAddress, timeout: Int64) async throws -> Answer {
        let group = MultiThreadedEventLoopGroup.singleton
        let answer = group.next().makePromise(of: Answer.self)
        let request =
            "GET \(address.path) HTTP/1.1\r\nHost: \(address.authority)\r\nUser-Agent: tailgate-probe/\(Tailgate.version)\r\n"
            + "Accept: */*\r\nConnection: close\r\n\r\n"
        let deadline = group.next().scheduleTask(in: .nanoseconds(timeout)) {
            answer.fail(Failure(description: "no answer in \(timeout / 1_000_000) ms"))
        }
        ClientBootstrap(group: group)
            .connectTimeout(.nanoseconds(timeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProbeHandler(request: request, answer: answer))
                }
            }
            .connect(host: address.host, port: address.port)
            .whenFailure { answer.fail(Failure(description: "no connection: \($0)")) }
        defer { deadline.cancel() }
        return try await answer.futureResult.get()
    }
}

/// Sends the request, collects the answer. Owner: its channel's event loop.
private final class ProbeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let maximumBytes = 8 << 10
    private let request: String
    private let answer: EventLoopPromise<ProbeClient.Answer>
    private var received: [UInt8] = []

    init(request: String, answer: EventLoopPromise<ProbeClient.Answer>) {
        self.request = request
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView.prefix(Self.maximumBytes - received.count)
        if received.count >= Self.maximumBytes { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let text = String(decoding: received, as: UTF8.self)
        let words = text.prefix { $0 != "\r\n" && $0 != "\n" }.split(separator: " ")
        if words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) {
            let body = text.split(separator: "\r\n\r\n", maxSplits: 1).dropFirst().first ?? ""
            let line = body.prefix(200).split(whereSeparator: \.isNewline).joined(separator: " ")
            answer.succeed(ProbeClient.Answer(status: status, text: line))
        } else {
            answer.fail(ProbeClient.Failure(description: received.isEmpty ? "closed without an answer" : "no HTTP/1 answer"))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(ProbeClient.Failure(description: "\(error)"))
        context.close(promise: nil)
    }
}

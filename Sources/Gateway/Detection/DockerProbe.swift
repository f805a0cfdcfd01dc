internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Processing

/// Asks Docker's daemon what host this is: `GET /info`, and `GET /containers/ID/json` for the container that the process runs in.
enum DockerProbe {
    /// Most bytes of an answer that are read.
    private static let maximumBytes = 1 << 20

    /// Nil if the daemon does not answer in time, or not with what it should say.
    ///
    /// - Parameters:
    ///   - variables: `DOCKER_HOST` names the daemon's socket: `unix:///path` or `tcp://host:port`. TLS is not spoken.
    ///   - timeout: nanoseconds.
    static func ask(variables: [String: String], timeout: Int64) async -> DockerFacts? {
        guard let info = await get("/info", variables, timeout), let name = info["Name"] as? String,
            let system = info["OSType"] as? String
        else { return nil }
        var facts = DockerFacts(name: name, osType: system)
        // Docker gives containers their id as host name, unless told otherwise.
        if let own = variables["HOSTNAME"], own.utf8.count >= 12, own.allSatisfy(\.isHexDigit),
            let container = await get("/containers/\(own)/json", variables, timeout)
        {
            facts.containerName = ((container["Name"] as? String) ?? "").split(separator: "/").first.map(String.init) ?? ""
            facts.imageName = (container["Config"] as? [String: Any])?["Image"] as? String ?? ""
        }
        return facts
    }

    private static func get(_ path: String, _ variables: [String: String], _ timeout: Int64) async -> [String: Any]? {
        let group = MultiThreadedEventLoopGroup.singleton
        let answer = group.next().makePromise(of: ByteBuffer.self)
        let bootstrap = ClientBootstrap(group: group).connectTimeout(.nanoseconds(timeout)).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(AnswerCollector(answer, limit: maximumBytes))
            }
        }
        let host = variables["DOCKER_HOST"] ?? "unix:///var/run/docker.sock"
        do {
            let channel: any Channel
            if host.hasPrefix("unix://") {
                channel = try await bootstrap.connect(unixDomainSocketPath: String(host.dropFirst(7))).get()
            } else {
                guard let address = URL(string: host), let name = address.host, let port = address.port else {
                    answer.fail(ChannelError.unknownLocalAddress)
                    return nil
                }
                channel = try await bootstrap.connect(host: name, port: port).get()
            }
            let clock = channel.eventLoop.scheduleTask(in: .nanoseconds(timeout)) { channel.close(promise: nil) }
            defer { clock.cancel() }
            var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
            head.headers.add(name: "host", value: "docker")
            head.headers.add(name: "connection", value: "close")
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            try await channel.writeAndFlush(HTTPClientRequestPart.end(nil)).get()
            let body = try await answer.futureResult.get()
            channel.close(promise: nil)
            return try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any]
        } catch {
            answer.fail(error)
            return nil
        }
    }
}

/// Collects the body of one answer with status 200.
private final class AnswerCollector: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let answer: EventLoopPromise<ByteBuffer>
    private let limit: Int
    private var body = ByteBuffer()

    init(_ answer: EventLoopPromise<ByteBuffer>, limit: Int) {
        self.answer = answer
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if head.status != .ok { fail(context) }
        case .body(var part):
            body.writeBuffer(&part)
            if body.readableBytes > limit { fail(context) }
        case .end: answer.succeed(body)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { answer.fail(ChannelError.inputClosed) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(context) }

    private func fail(_ context: ChannelHandlerContext) {
        answer.fail(ChannelError.inputClosed)
        context.close(promise: nil)
    }
}

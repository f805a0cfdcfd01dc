import LoadTools
import NIOCore
import NativeCore
import OTLP
import Transport

/// One connection of a sink: HTTP/2 in, replies out. Owner: the sink's loop.
final class SinkConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let exportPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    private static let healthPath = "/grpc.health.v1.Health/Check"

    private let core: SinkCore
    private var session: HTTP2Session
    private let pumping = HTTP2Pump()
    private var context: ChannelHandlerContext?

    init(core: SinkCore) throws {
        self.core = core
        var settings = HTTP2Settings()
        settings.streamWindow = 16 << 20
        settings.connectionWindow = 64 << 20
        settings.maximumBodyBytes = 256 << 20
        settings.maximumConcurrentStreams = 1024
        session = try HTTP2Session(role: .server, settings: settings)
    }

    // MARK: channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func channelActive(context: ChannelHandlerContext) {
        flush()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        do throws(HTTP2SessionError) {
            try session.receive(buffer.readableBytesUInt8Span)
        } catch {
            flush()
            context.close(promise: nil)
            return
        }
        while let event = session.nextEvent() {
            switch event {
            case .ended(let stream): request(on: stream)
            case .bodyTooLarge(let stream): refuse(stream, .resourceExhausted, "over 256 MiB", thenReset: true)
            case .headers, .trailers, .bodyBegan, .bodyGrew, .closed, .goAway, .ping, .pingAcknowledged, .violation: break
            }
        }
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func flush() {
        guard let context else { return }
        let outcome = pumping.run(context) { () throws(HTTP2SessionError) in
            try HTTP2Pump.frames(&session, context.channel.allocator)
        }
        switch outcome {
        case .busy: return
        case .broken: context.close(promise: nil)
        case .done: if session.isFinished { context.close(promise: nil) }
        }
    }

    // MARK: requests

    private func request(on stream: Int32) {
        guard let headers = session.headers(of: stream), let body = session.takeBody(of: stream) else { return }
        let path = headers.first(":path") ?? []
        if path.elementsEqual(Self.exportPath.utf8) {
            let isGzip = headers.has("grpc-encoding", "gzip")
            switch core.export(body, isGzip: isGzip) {
            case .ok(let delay):
                later(delay) { $0.accept(stream, message: []) }
            case .status(let status, let text, let retry, let delay):
                later(delay) { $0.refuse(stream, status, text, retryNanoseconds: retry) }
            case .none: break
            }
        } else if path.elementsEqual(Self.healthPath.utf8) {
            accept(stream, message: HealthCheckResponse(status: .serving).encoded)
        } else {
            refuse(stream, .unimplemented, "a tailgate sink takes traces only")
        }
    }

    private func later(_ nanoseconds: Int64, _ action: @escaping (SinkConnection) -> Void) {
        guard nanoseconds > 0, let context else { return action(self) }
        let bound = NIOLoopBound((self, action), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
            let (connection, action) = bound.value
            action(connection)
            connection.flush()
        }
    }

    private func accept(_ stream: Int32, message: [UInt8]) {
        session.respond(
            stream, headers: GRPCReplies.okHeaders, body: GRPCReplies.message(message),
            trailers: GRPCReplies.okTrailers)
    }

    private func refuse(
        _ stream: Int32, _ status: GRPCStatusCode, _ text: String, retryNanoseconds: Int64? = nil,
        thenReset: Bool = false
    ) {
        var headers = GRPCReplies.okHeaders
        headers.append(name: "grpc-status".utf8, value: status.headerValue)
        headers.append(name: "grpc-message".utf8, value: GRPCHeaders.encodeMessage(Array(text.utf8).span))
        if let retryNanoseconds {
            let info = RetryInfo(delayNanoseconds: retryNanoseconds)
            let details = RPCStatus(code: Int32(status.rawValue), message: Array(text.utf8), retryInfo: info)
            // Go's and Java's exporters read the first, Python's the second.
            headers.append(name: "grpc-status-details-bin".utf8, value: Base64.encode(details.encoded.span))
            headers.append(name: "google.rpc.retryinfo-bin".utf8, value: Base64.encode(info.encoded.span))
        }
        session.respond(stream, headers: headers, thenReset: thenReset)
    }
}

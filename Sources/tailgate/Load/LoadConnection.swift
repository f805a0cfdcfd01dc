import LoadTools
import NIOCore
import NativeCore
import OTLP
import Transport

/// One HTTP/2 connection of the load generator: frames requests, reports answers. Decides nothing.
///
/// Owner: its channel's event loop, which is also its lane's.
final class LoadConnection: ChannelInboundHandler, LoadLink {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer


    private unowned let lane: LoadLane
    let endpoint: Int
    private let headers: HTTP2Headers
    private var session: HTTP2Session
    private var context: ChannelHandlerContext?
    /// Streams without an answer.
    private var pending: [Int32: LoadRequest] = [:]
    private let pumping = HTTP2Pump()

    init(lane: LoadLane, endpoint: Int, headers: HTTP2Headers) throws {
        self.lane = lane
        self.endpoint = endpoint
        self.headers = headers
        var settings = HTTP2Settings()
        // Answers are tiny; large windows would only promise memory.
        settings.streamWindow = 64 << 10
        settings.connectionWindow = 1 << 20
        settings.sendFrameBytes = 256 << 10
        session = try HTTP2Session(role: .client, settings: settings)
    }

    var inFlight: Int { pending.count }

    var acceptsRequests: Bool { context != nil && session.acceptsRequests }

    /// Frames the request; the bytes go out with the next ``flush()``. False if the connection takes no more requests.
    func send(_ request: LoadRequest) -> Bool {
        guard acceptsRequests else { return false }
        guard let stream = try? session.request(headers: headers, body: request.body) else { return false }
        pending[stream] = request
        return true
    }

    /// Writes what is framed as far as the socket takes it.
    func flush() {
        guard let context else { return }
        let outcome = pumping.run(context) { () throws(HTTP2SessionError) in
            try HTTP2Pump.frames(&session, context.channel.allocator, expected: 256 << 10)
        }
        switch outcome {
        case .busy: return
        case .broken: context.close(promise: nil)
        case .done: if session.isFinished { context.close(promise: nil) }
        }
    }

    /// Gives up requests that wait since before `time`.
    func expire(sentBefore time: Int64) {
        for (stream, request) in pending where request.sent < time {
            pending[stream] = nil
            session.reset(stream, error: HTTP2ErrorCode.cancel)
            lane.answered(request, .expired, by: endpoint)
        }
        flush()
    }

    /// Ends the connection in good order.
    func close() {
        session.goAway()
        flush()
        let closing = context
        // The lane may be gone when the channel is.
        context = nil
        closing?.close(promise: nil)
    }

    // MARK: channel

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { channelActive(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard self.context == nil else { return }
        self.context = context
        flush()
        lane.connected(self)
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
        while let event = session.nextEvent() { handle(event) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lane.pump()
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        disconnect()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { lane.failed(error, context) }

    private func disconnect() {
        guard context != nil else { return }
        context = nil
        let lost = pending.values
        pending = [:]
        lane.disconnected(self)
        for request in lost { lane.answered(request, .broken, by: endpoint) }
        lane.pump()
    }

    // MARK: answers

    private func handle(_ event: HTTP2Event) {
        switch event {
        case .ended(let stream):
            guard let request = pending.removeValue(forKey: stream) else { return }
            lane.answered(request, answer(on: stream), by: endpoint)
        case .closed(let stream, let error):
            guard let request = pending.removeValue(forKey: stream) else { return }
            lane.answered(
                request,
                error == 0 ? .broken : .refused(GRPCStatusCode(streamResetCode: error), retryNanoseconds: nil),
                by: endpoint)
        case .goAway(let last, _):
            // Streams above `last` were not looked at and are closed by the session; no new ones are opened.
            if pending.isEmpty, last >= 0 { context?.close(promise: nil) }
        case .headers, .trailers, .bodyBegan, .bodyGrew, .bodyTooLarge, .ping, .pingAcknowledged, .violation:
            break
        }
    }

    private func answer(on stream: Int32) -> LoadAnswer {
        let fields = session.trailers(of: stream) ?? session.headers(of: stream) ?? HTTP2Headers()
        guard let text = fields.first("grpc-status") else {
            let status = session.headers(of: stream)?.first(":status").map { String(decoding: $0, as: UTF8.self) }
            let number = status.flatMap { Int($0) } ?? 0
            return .refused(GRPCStatusCode(httpStatus: number), retryNanoseconds: nil)
        }
        let status = GRPCStatusCode(headerValue: Array(text).span) ?? .unknown
        guard status != .ok else { return .accepted(rejectedSpans: rejectedSpans(on: stream)) }
        return .refused(status, retryNanoseconds: Self.retryDelay(in: fields))
    }

    private func rejectedSpans(on stream: Int32) -> Int {
        guard let body = session.takeBody(of: stream), body.count > GRPCFraming.prefixLength, body[0] == 0 else {
            return 0
        }
        let message = body.span.extracting(droppingFirst: GRPCFraming.prefixLength)
        guard let response = try? ExportTraceServiceResponse(parsing: message) else { return 0 }
        return Int(clamping: response.rejectedSpans)
    }

    private static func retryDelay(in fields: HTTP2Headers) -> Int64? {
        if let text = fields.first("grpc-status-details-bin"),
            let details = Base64.decode(Array(text).span),
            let status = try? RPCStatus(parsing: details.span)
        {
            return status.retryInfo?.delayNanoseconds
        }
        return nil
    }
}

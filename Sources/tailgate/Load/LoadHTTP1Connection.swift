import LoadTools
import NIOCore
import OTLP

/// One HTTP/1.1 connection of the load generator. Requests are pipelined up to the lane's limit, so that a comparison with
/// HTTP/2 compares receivers and not round trips. Decides nothing.
///
/// Owner: its channel's event loop, which is also its lane's.
final class LoadHTTP1Connection: ChannelInboundHandler, LoadLink {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private unowned let lane: LoadLane
    let endpoint: Int
    /// The fields of every request but its length.
    private let head: [UInt8]
    private var context: ChannelHandlerContext?
    /// Without an answer, oldest first.
    private var pending: [LoadRequest] = []
    /// Taken, and not yet written.
    private var unsent: [LoadRequest] = []
    private var received: [UInt8] = []

    init(lane: LoadLane, endpoint: Int, head: [UInt8]) {
        self.lane = lane
        self.endpoint = endpoint
        self.head = head
    }

    var inFlight: Int { pending.count + unsent.count }

    func send(_ request: LoadRequest) -> Bool {
        guard context != nil else { return false }
        unsent.append(request)
        return true
    }

    func flush() {
        guard let context else { return }
        while context.channel.isWritable, !unsent.isEmpty {
            let request = unsent.removeFirst()
            var buffer = context.channel.allocator.buffer(capacity: head.count + 64 + request.body.count)
            buffer.writeBytes(head)
            buffer.writeString("content-length: \(request.body.count)\r\n\r\n")
            buffer.writeBytes(request.body)
            pending.append(request)
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }
    }

    func expire(sentBefore time: Int64) {
        // Answers come in order: what is late makes everything behind it late, so the connection is given up.
        guard let first = pending.first ?? unsent.first, first.sent < time else { return }
        let closing = context
        disconnect(.expired)
        closing?.close(promise: nil)
    }

    func close() {
        let closing = context
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
        lane.connected(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        while let (answer, length) = HTTP1Answer.first(in: received) {
            received.removeFirst(length)
            guard !pending.isEmpty else { break }
            lane.answered(pending.removeFirst(), answer, by: endpoint)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lane.pump()
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
    }

    func channelInactive(context: ChannelHandlerContext) { disconnect(.broken) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { lane.failed(error, context) }

    private func disconnect(_ answer: LoadAnswer) {
        guard context != nil else { return }
        context = nil
        let lost = pending + unsent
        pending = []
        unsent = []
        lane.disconnected(self)
        for request in lost { lane.answered(request, answer, by: endpoint) }
        lane.pump()
    }
}

/// Reads the answers of an OTLP/HTTP receiver: those that Tailgate and Collectors send, with a length.
enum HTTP1Answer {
    /// The first whole answer and its length in bytes, or nil if it is not complete.
    static func first(in bytes: [UInt8]) -> (answer: LoadAnswer, length: Int)? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var length = 0
        var retry: Int64?
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.filter { $0 != " " }.lowercased() }
            guard parts.count == 2, let number = Int64(parts[1]) else { continue }
            if parts[0] == "content-length" { length = Int(clamping: number) }
            if parts[0] == "retry-after" { retry = number * 1_000_000_000 }
        }
        guard length >= 0, bytes.count - end.upperBound >= length else { return nil }
        let body = Array(bytes[end.upperBound..<end.upperBound + length])
        return (answer(status, retry, body), end.upperBound + length)
    }

    private static func answer(_ status: Int, _ retry: Int64?, _ body: [UInt8]) -> LoadAnswer {
        guard status == 200 else { return .refused(code(status), retryNanoseconds: retry) }
        guard let first = body.first else { return .accepted(rejectedSpans: 0) }
        if first != UInt8(ascii: "{") {
            let response = try? ExportTraceServiceResponse(parsing: body.span)
            return .accepted(rejectedSpans: Int(clamping: response?.rejectedSpans ?? 0))
        }
        let text = String(decoding: body, as: UTF8.self)
        let digits = text.firstRange(of: "\"rejectedSpans\":\"").map { text[$0.upperBound...].prefix(while: \.isNumber) }
        return .accepted(rejectedSpans: digits.flatMap { Int($0) } ?? 0)
    }

    private static func code(_ status: Int) -> GRPCStatusCode {
        switch status {
        case 400: .invalidArgument
        case 401: .unauthenticated
        case 403: .permissionDenied
        case 404, 405, 415: .unimplemented
        case 413: .outOfRange
        case 429, 502, 503, 504: .unavailable
        default: .unknown
        }
    }
}

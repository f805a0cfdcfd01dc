import Foundation
import NIOCore
import NIOHTTP1
import Transport

/// One admin connection: requests in, one at a time, responses out, and the time-outs of both.
///
/// Confined to its event loop. NIO's pipelining handler in front of it holds back the next request
/// until the response is written.
final class AdminConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let responder: any AdminResponder
    private let limits: AdminLimits
    private let authenticator: RequestAuthenticator?
    private let onClose: (AdminConnectionHandler) -> Void
    private weak var channel: (any Channel)?
    /// Since when the client has kept the node waiting, for a request or for an answer to be taken; nil: it waits for the node.
    private(set) var waitsSince: NIODeadline?
    private var head: HTTPRequestHead?
    private var bodyBytes = 0
    private var deadline: Scheduled<Void>?
    /// Counts requests, so that an answer that comes too late is recognised.
    private var turn = 0
    private var isAnswering = false

    init(
        responder: any AdminResponder, limits: AdminLimits, authenticator: RequestAuthenticator? = nil,
        onClose: @escaping (AdminConnectionHandler) -> Void
    ) {
        waitsSince = .now()
        self.responder = responder
        self.authenticator = authenticator
        self.limits = limits
        self.onClose = onClose
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channel = context.channel
        // the handler may be added to a channel that is already active
        if context.channel.isActive { closeIfLate(limits.requestTimeout, context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        closeIfLate(limits.requestTimeout, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        turn += 1
        context.fireChannelInactive()
    }

    /// Comes exactly once for every handler that was added, however the connection ends.
    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        onClose(self)
    }

    /// Somebody else needs the place.
    func giveWay() { channel?.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > limits.bodyBytes { context.close(promise: nil) }
        case .end:
            guard let head, context.channel.isActive else { return }
            self.head = nil
            begin(head, context)
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        turn += 1
        isAnswering = true
        waitsSince = nil
        let turn = turn
        let loop = context.eventLoop
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        let request = AdminRequest(head)
        let responder = responder
        let authenticator = AdminRequest.open.contains(request.path) ? nil : authenticator
        let credentials = authenticator.flatMap { head.headers.first(name: $0.headerName) }
        let task = Task {
            let response =
                if let authenticator, let refusal = await authenticator.refusal(credentials) { refusal } else {
                    await responder.answer(request)
                }
            loop.execute {
                let (handler, context) = bound.value
                handler.finish(response, head, turn, context)
            }
        }
        deadline?.cancel()
        deadline = loop.assumeIsolated().scheduleTask(
            in: TimeAmount(limits.responseTimeout)
        ) {
            task.cancel()
            let late = AdminResponse(status: 503, text: "503 timed out")
            self.finish(late, head, turn, context)
        }
    }

    private func finish(
        _ response: AdminResponse, _ request: HTTPRequestHead, _ turn: Int,
        _ context: ChannelHandlerContext
    ) {
        guard turn == self.turn, isAnswering, context.channel.isActive else { return }
        isAnswering = false
        if let stream = response.stream { return send(stream, response, request, turn, context) }
        waitsSince = .now()
        closeIfLate(limits.writeTimeout, context)
        let keepAlive = request.isKeepAlive
        var headers: HTTPHeaders = [
            "date": HTTPDate.text(Int64(Date().timeIntervalSince1970)),
            "content-type": response.contentType,
            "content-length": "\(response.body.count)",
            "cache-control": "no-store",
        ]
        if let allow = response.allow { headers.add(name: "allow", value: allow) }
        if let challenge = response.challenge { headers.add(name: "www-authenticate", value: challenge) }
        if !keepAlive {
            headers.add(name: "connection", value: "close")
        } else if request.version == .http1_0 {
            headers.add(name: "connection", value: "keep-alive")
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: response.status),
            headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            let body = context.channel.allocator.buffer(bytes: response.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            guard turn == self.turn, context.channel.isActive else { return }
            if keepAlive {
                self.closeIfLate(self.limits.requestTimeout, context)
            } else {
                context.close(promise: nil)
            }
        }
    }

    /// Sends a body while it is being made. A client that does not take a piece in time is cut off.
    private func send(
        _ stream: AdminStream, _ response: AdminResponse, _ request: HTTPRequestHead, _ turn: Int,
        _ context: ChannelHandlerContext
    ) {
        deadline?.cancel()
        let headers: HTTPHeaders = [
            "date": HTTPDate.text(Int64(Date().timeIntervalSince1970)),
            "content-type": response.contentType, "cache-control": "no-store", "connection": "close",
        ]
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        let loop = context.eventLoop
        let channel = context.channel
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        Task {
            await stream.produce { bytes in
                loop.execute {
                    let (handler, context) = bound.value
                    handler.closeIfLate(handler.limits.writeTimeout, context)
                }
                let part = HTTPServerResponsePart.body(.byteBuffer(channel.allocator.buffer(bytes: bytes)))
                let isSent = (try? await channel.writeAndFlush(part).get()) != nil
                loop.execute { bound.value.handler.deadline?.cancel() }
                return isSent && channel.isActive
            }
            loop.execute {
                let (handler, context) = bound.value
                guard turn == handler.turn, context.channel.isActive else { return }
                context.writeAndFlush(handler.wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
                    context.close(promise: nil)
                }
            }
        }
    }

    /// Replaces the deadline in force by one that closes the connection.
    private func closeIfLate(_ time: Duration, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) {
            context.close(promise: nil)
        }
    }
}

extension RequestAuthenticator {
    /// What somebody with these credentials is told; nil if he may look.
    fileprivate func refusal(_ credentials: String?) async -> AdminResponse? {
        let value = credentials.map { Array($0.utf8)[...] }
        let verdict: AuthVerdict = await withCheckedContinuation { continuation in
            if let verdict = check(value, { continuation.resume(returning: $0) }) { continuation.resume(returning: verdict) }
        }
        switch verdict {
        case .accepted: return nil
        case .busy: return AdminResponse(status: 503, text: "503 too many passwords are being checked")
        case .missing, .wrong:
            var response = AdminResponse(status: 401, text: "401 credentials are missing or wrong")
            response.challenge = challenge
            return response
        }
    }
}

extension AdminRequest {
    /// What probes ask, who have no credentials.
    fileprivate static let open = ["/healthz", "/readyz"]

    fileprivate init(_ head: HTTPRequestHead) {
        let path = head.uri.prefix { $0 != "?" && $0 != "#" }
        let accept = head.headers["accept"]
        self.init(
            method: head.method.rawValue, path: String(path),
            accept: accept.isEmpty ? nil : accept.joined(separator: ","), query: Self.query(head.uri))
    }

    private static func query(_ uri: String) -> [String: String] {
        guard let mark = uri.firstIndex(of: "?") else { return [:] }
        var query: [String: String] = [:]
        for pair in uri[uri.index(after: mark)...].prefix(while: { $0 != "#" }).split(separator: "&").prefix(32) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts.first.map { String($0) } ?? ""
            query[name.removingPercentEncoding ?? name] = parts.count > 1 ? (String(parts[1]).removingPercentEncoding ?? "") : ""
        }
        return query
    }
}

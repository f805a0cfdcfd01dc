internal import NIOCore
internal import NIOHTTP1
internal import NativeCore
internal import OTLP
internal import Telemetry

/// One client connection over HTTP/1.1: requests one after the other, each answered before the next is looked at.
///
/// The grammar is SwiftNIO's parser's, the meaning of a request is `HTTPCall`'s; this class collects bodies and answers.
/// Lives on its worker's loop. Pipelined requests are answered as they are parsed; while the client takes no answers, nothing
/// more is read, so one piece of input (256 KiB) and its answers are all that is ever held beyond the present body.
final class HTTP1Connection: ChannelDuplexHandler, ServedConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The request that is coming in.
    private struct OpenRequest {
        var call: HTTPCall?
        var form: HTTPReplyForm
        var startedAt: Int64
        var body: [UInt8] = []
        /// Reserved in the memory budget for the body.
        var heldBytes = 0
        var keepsAlive: Bool
        /// Whether a body that nobody wants is short enough, and says so, to be thrown away so that the connection can go on.
        var isBearable: Bool
        var isAnswered = false
        /// Its credentials are being checked.
        var isUnderCheck = false
        /// All of it is here; what comes after it waits for the check, or for its answer.
        var hasEnded = false
        /// Its spans are on their way to their owners: the answer comes with theirs.
        var isPending = false
    }

    /// How long bytes that nobody wants are still taken after a last answer, so that the client gets to read it.
    private static let lingerNanoseconds: Int64 = 500_000_000
    /// Room that is made for a body at once, whatever length it claims.
    private static let firstReservation = 64 << 10

    let limits: ServerLimits
    private let account: ClientAccount
    private let server: WorkerServer
    private let receiver: Int
    private let http: HTTPListenerSettings
    private let signals: SignalSet
    let isForPeers = false
    private let endsAt: Int64
    private let openedAt: Int64
    private var context: ChannelHandlerContext?
    private var request: OpenRequest?
    private var hadRequest = false
    private var lastActivity: Int64
    private var unwritableSince: Int64?
    private var isReadWanted = false
    /// Parts of later requests, of one piece of input at most, while the credentials of this one are being checked.
    private var held: [HTTPServerRequestPart] = []
    /// The last answer is written: what still comes is thrown away.
    private var isEnding = false
    private var isShuttingDown = false
    private var closeReason = ConnectionCloseReason.client

    init(server: WorkerServer, receiver: Int, account: ClientAccount, now: Int64) {
        self.server = server
        self.receiver = receiver
        self.account = account
        limits = server.plan.limits[receiver]
        let listener = server.plan.listener(receiver)
        http = listener.http ?? HTTPListenerSettings()
        signals = listener.signals
        openedAt = now
        lastActivity = now
        let age = limits.maximumConnectionAge
        endsAt = age > 0 ? now + age / 100 * Int64.random(in: 90...110) : .max
    }

    // MARK: channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        if let request {
            if !request.isAnswered { server.cells.add(server.metrics.refusedRequests[.cancelled]) }
            endRequest()
        }
        server.closed(self, reason: closeReason)
        server.noteClosed(closeReason, receiver: receiver, address: context.channel.remoteAddress?.shown ?? "unknown")
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if request?.hasEnded == true { held.append(part) } else { handle(part) }
    }

    private func handle(_ part: HTTPServerRequestPart) {
        guard !isEnding || request != nil else { return }
        switch part {
        case .head(let head): begin(head)
        case .body(let bytes): take(bytes)
        case .end: complete()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
        guard let kind = account.isFlood(now: server.worker.now), closeReason != .abuse else { return }
        account.strike(kind)
        closeNow(.abuse)
    }

    /// While the client takes no answers, its requests wait in the socket.
    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable && request?.hasEnded != true { context.read() } else { isReadWanted = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unwritableSince = nil
            readOn(context)
        } else if unwritableSince == nil {
            unwritableSince = server.worker.now
        }
    }

    /// What is no HTTP/1.1 is refused as far as can be, then the connection ends: where the next request begins, nobody knows.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let problem = error as? HTTPParserError else {
            // A client that closes TCP without closing TLS first has left, and that is all.
            closeNow(TLSFailure.isAbruptEnd(error) ? closeReason : .error)
            return
        }
        // The client left in the middle of a request, which the channel's end will tell.
        if problem == .invalidEOFState { return }
        let isTooLong = problem == .headerOverflow
        let refusal = RequestRefusal(
            .badHeaders, .invalidArgument, isTooLong ? "header fields too large" : "not HTTP/1.1",
            httpStatus: isTooLong ? 431 : 400)
        closeReason = .protocolError
        if request == nil {
            if !isEnding { note(refusal) }
            write(HTTPReplies.refusal(refusal, HTTPReplyForm(HTTP2Headers(), http)), keepsAlive: false)
        } else {
            request?.keepsAlive = false
            refuse(refusal)
            endRequest()
            linger(context)
        }
        context.flush()
    }

    private func readOn(_ context: ChannelHandlerContext) {
        guard isReadWanted, context.channel.isWritable, request?.hasEnded != true else { return }
        isReadWanted = false
        context.read()
    }

    // MARK: requests

    /// A check of credentials that took time is over.
    private func authorized(_ refusal: RequestRefusal?) {
        guard let open = request, open.isUnderCheck else { return }
        request?.isUnderCheck = false
        request?.hasEnded = false
        if let refusal { refuse(refusal) }
        if open.hasEnded { complete() }
        if request?.isPending != true { takeHeld() }
    }

    /// Goes on with what came behind a request that had to wait.
    private func takeHeld() {
        // What came behind it meanwhile; a request among it may have to wait in its turn.
        var parts: [HTTPServerRequestPart] = []
        swap(&parts, &held)
        for part in parts {
            if request?.hasEnded == true { held.append(part) } else { handle(part) }
        }
        context?.flush()
        if let context { readOn(context) }
    }

    private func begin(_ head: HTTPRequestHead) {
        lastActivity = server.worker.now
        hadRequest = true
        server.cells.add(server.metrics.streamsOpened)
        server.cells.add(server.metrics.streams, 1)
        let headers = Self.fields(of: head)
        account.noteHeaders(headers.accountedBytes)
        var open = OpenRequest(
            form: HTTPReplyForm(headers, http), startedAt: lastActivity,
            keepsAlive: head.isKeepAlive && !head.headers.contains(name: "upgrade"), isBearable: isBearable(headers))
        if isShuttingDown || lastActivity >= endsAt || !http.keepsAlive { open.keepsAlive = false }
        request = open
        do throws(RequestRefusal) {
            try check(head, headers)
            if !HTTPCall.isPreflight(headers, http) {
                let isAuthorized = try server.authorize(headers, receiver: receiver) { [weak self] refusal in
                    self?.authorized(refusal)
                }
                if !isAuthorized { request?.isUnderCheck = true }
            }
            let call = try HTTPCall(headers, http, signals: signals)
            request?.call = call
            try admit(call)
            if head.headers.contains(name: "expect") { continueBody(head) }
        } catch {
            refuse(error)
        }
    }

    /// What the parser leaves to its user (RFC 9112 §3.2, §6.1; RFC 9110 §10.1.1).
    private func check(_ head: HTTPRequestHead, _ headers: HTTP2Headers) throws(RequestRefusal) {
        func bad(_ text: String, _ status: Int = 400) -> RequestRefusal {
            request?.keepsAlive = false
            return RequestRefusal(.badHeaders, .invalidArgument, text, httpStatus: status)
        }
        if headers.accountedBytes > limits.maximumHeaderBytes { throw bad("header fields too large", 431) }
        if head.version != .http1_1 && head.version != .http1_0 { throw bad("HTTP/1.1 is expected") }
        let hosts = head.headers[canonicalForm: "host"].count
        if hosts > 1 || (hosts == 0 && head.version == .http1_1) { throw bad("one Host field is expected") }
        if head.headers.contains(name: "transfer-encoding") && head.headers.contains(name: "content-length") {
            throw bad("both Transfer-Encoding and Content-Length")
        }
        let codings = head.headers[canonicalForm: "transfer-encoding"]
        if codings.contains(where: { $0.lowercased() != "chunked" }) {
            throw bad("a Transfer-Encoding other than chunked", 501)
        }
        let expectations = head.headers[canonicalForm: "expect"]
        if expectations.contains(where: { $0.lowercased() != "100-continue" }) { throw bad("unknown expectation", 417) }
    }

    private func admit(_ call: HTTPCall) throws(RequestRefusal) {
        guard case .export = call.purpose else { return }
        let declared = call.contentLength ?? 0
        if declared > limits.maximumMessageBytes { throw .tooLarge(limits, declared: declared) }
        if let refusal = server.refusalIfNeverHeld(declared) { throw refusal }
        guard account.admits(declared) else { throw server.worker.refuseForMemory(receiver) }
    }

    /// Makes room for so many bytes of the present body, and reserves memory for it; false if there is none.
    private func makeRoom(_ whole: Int) -> Bool {
        guard let capacity = request?.body.capacity, let held = request?.heldBytes else { return false }
        if whole <= capacity && held > 0 { return true }
        let declared = request?.call?.contentLength
        let step = min(declared ?? 2 * capacity, max(2 * capacity, Self.firstReservation))
        let next = max(whole, step)
        // While the body is moved, it is there twice.
        guard account.hold(next) else { return false }
        request?.body.reserveCapacity(next)
        account.letGo(held)
        request?.heldBytes = next
        return true
    }

    private func continueBody(_ head: HTTPRequestHead) {
        guard let context, head.version == .http1_1 else { return }
        let line = context.channel.allocator.buffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
        context.writeAndFlush(NIOAny(line), promise: nil)
    }

    private func take(_ bytes: ByteBuffer) {
        // No copy of the request is held here: its body would be copied with every piece.
        guard let count = request?.body.count, request?.isAnswered == false, !isEnding else { return }
        let whole = count + bytes.readableBytes
        if whole > limits.maximumMessageBytes {
            refuse(.tooLarge(limits))
        } else if !makeRoom(whole) {
            refuse(server.worker.refuseForMemory(receiver))
        } else {
            request?.body.append(contentsOf: bytes.readableBytesView)
        }
    }

    private func complete() {
        guard var open = request else { return }
        if open.isUnderCheck {
            request?.hasEnded = true
            return
        }
        // The body counts as what is held for it until its spans are in their segments.
        let held = open.heldBytes
        request?.heldBytes = 0
        defer { account.letGo(held) }
        account.took(open.body.count)
        endRequest()
        lastActivity = server.worker.now
        guard !open.isAnswered, let call = open.call else { return }
        do throws(RequestRefusal) {
            switch call.purpose {
            case .preflight(let fields): write(HTTPReplies.preflight(fields), keepsAlive: open.keepsAlive)
            case .export(let signal):
                var body: [UInt8] = []
                swap(&body, &open.body)
                let result = try server.export(signal, body, 0, call.form, receiver)
                if let token = result.pending { return wait(token, open, result.response) }
                account.noteAnswer(nil)
                write(HTTPReplies.taken(result.response, open.form), keepsAlive: open.keepsAlive)
            }
        } catch {
            note(error)
            if error.endsConnection {
                closeReason = .abuse
                account.strike(.inflation)
            }
            write(HTTPReplies.refusal(error, open.form), keepsAlive: open.keepsAlive && !error.endsConnection)
        }
    }

    /// The request's spans are on their way to their owners; what comes behind it waits.
    private func wait(_ token: UInt64, _ open: OpenRequest, _ response: ExportTraceServiceResponse) {
        request = open
        request?.body = []
        request?.heldBytes = 0
        request?.hasEnded = true
        request?.isPending = true
        server.cells.add(server.metrics.streams, 1)
        server.worker.lane?.whenSettled(token) { [weak self] refusedFor in self?.settled(response, refusedFor) }
    }

    private func settled(_ response: ExportTraceServiceResponse, _ refusedFor: Int64?) {
        guard let open = request, open.isPending else { return }
        endRequest()
        lastActivity = server.worker.now
        if let refusedFor, let lane = server.worker.lane {
            let refusal = lane.refusal(after: refusedFor)
            note(refusal)
            write(HTTPReplies.refusal(refusal, open.form), keepsAlive: open.keepsAlive)
        } else {
            account.noteAnswer(nil)
            write(HTTPReplies.taken(response, open.form), keepsAlive: open.keepsAlive)
        }
        takeHeld()
    }

    /// Refuses a request whose body is still coming. If it comes all the same, it is thrown away; and unless the client waits with
    /// it, the connection can go on after it.
    private func refuse(_ refusal: RequestRefusal) {
        guard let open = request, !open.isAnswered else { return }
        note(refusal)
        request?.isAnswered = true
        request?.body = []
        release()
        write(HTTPReplies.refusal(refusal, open.form), keepsAlive: open.keepsAlive && open.isBearable)
    }

    private func isBearable(_ headers: HTTP2Headers) -> Bool {
        if headers.first("transfer-encoding") != nil { return false }
        guard let length = headers.first("content-length") else { return true }
        return HeaderText.number(length).map { $0 <= limits.maximumMessageBytes } ?? false
    }

    private func note(_ refusal: RequestRefusal) {
        server.cells.add(server.metrics.refusedRequests[refusal.reason])
        server.noteRefusal(refusal)
        account.noteAnswer(refusal.reason)
    }

    private func release() {
        guard let bytes = request?.heldBytes, bytes > 0 else { return }
        request?.heldBytes = 0
        account.letGo(bytes)
    }

    private func endRequest() {
        guard request != nil else { return }
        release()
        server.cells.add(server.metrics.streams, -1)
        request = nil
    }

    // MARK: answers

    private func write(_ reply: HTTPReply, keepsAlive: Bool) {
        guard let context, !isEnding else { return }
        var buffer = context.channel.allocator.buffer(capacity: 256 + reply.body.count)
        buffer.writeString("HTTP/1.1 \(reply.status) \(HTTPReplies.phrase(reply.status))\r\n")
        buffer.writeString("date: \(server.date)\r\n")
        for field in reply.fields { buffer.writeString("\(field.name): \(field.value)\r\n") }
        if reply.status != 204 { buffer.writeString("content-length: \(reply.body.count)\r\n") }
        if !keepsAlive { buffer.writeString("connection: close\r\n") }
        buffer.writeString("\r\n")
        if !reply.isHead { buffer.writeBytes(reply.body) }
        context.write(NIOAny(buffer), promise: nil)
        if !keepsAlive { linger(context) }
    }

    /// Ends the connection after its last answer: at once would make the peer's kernel throw the answer away while the peer
    /// still sends.
    private func linger(_ context: ChannelHandlerContext) {
        if isEnding { return }
        isEnding = true
        context.flush()
        context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Self.lingerNanoseconds)) { [weak self] in
            guard let self else { return }
            self.context?.close(promise: nil)
        }
    }

    /// The fields with lower-case names and HTTP/2's pseudo-fields, as the rest of the node reads them.
    private static func fields(of head: HTTPRequestHead) -> HTTP2Headers {
        var headers = HTTP2Headers()
        headers.append(":method", head.method.rawValue)
        headers.append(":path", head.uri)
        for (name, value) in head.headers { headers.append(name.lowercased(), value) }
        return headers
    }

    // MARK: ServedConnection

    func sweep(now: Int64) {
        if let since = unwritableSince, now - since > limits.writeTimeout {
            closeNow(.tooSlow)
        } else if let request {
            guard now - request.startedAt > limits.requestTimeout else { return }
            closeReason = .tooSlow
            self.request?.keepsAlive = false
            if request.isAnswered { closeNow(.tooSlow) } else { refuse(.tooSlow) }
        } else if !hadRequest && limits.firstRequestTimeout > 0 && now - openedAt > limits.firstRequestTimeout {
            closeNow(.tooSlow)
        } else if now >= endsAt {
            closeNow(.age)
        } else if limits.idleTimeout > 0 && now - lastActivity > limits.idleTimeout {
            closeNow(.idle)
        }
    }

    func announceServing() {}

    func announceShutdown() { isShuttingDown = true }

    func goAway() {
        isShuttingDown = true
        if request == nil { closeNow(.shutdown) } else { request?.keepsAlive = false }
    }

    func closeNow(_ reason: ConnectionCloseReason) {
        closeReason = reason
        context?.close(promise: nil)
    }
}

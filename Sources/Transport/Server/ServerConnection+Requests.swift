internal import NativeCore
internal import OTLP
internal import Telemetry

/// From a stream's header fields to its answer.
extension ServerConnection {
    func handleEvents() {
        while !isClosing, let event = session.nextEvent() {
            switch event {
            case .headers(let stream): begin(stream)
            case .bodyBegan(let stream): checkPrefix(stream)
            case .bodyGrew(let stream): holdBody(stream)
            case .bodyTooLarge(let stream): refuse(stream, .tooLarge(limits), ended: false)
            case .ended(let stream): complete(stream)
            case .closed(let stream, let error): streamClosed(stream, error)
            case .ping: countPing()
            case .violation: server.cells.add(server.metrics.http2ProtocolViolations)
            case .trailers, .pingAcknowledged: break
            case .goAway: hasClientLeft = true
            }
        }
    }

    private func begin(_ stream: Int32) {
        guard let headers = session.headers(of: stream) else { return }
        lastActivity = server.worker.now
        hadRequest = true
        server.cells.add(server.metrics.streamsOpened)
        server.cells.add(server.metrics.streams, 1)
        var open = OpenCall(call: .refused, startedAt: lastActivity)
        if let http, !headers.isGRPC { open.replyForm = HTTPReplyForm(headers, http) }
        calls[stream] = open
        do {
            if !isPreflight(headers) {
                let isAuthorized = try server.authorize(headers, receiver: receiver) { [weak self] refusal in
                    self?.authorized(stream, refusal)
                }
                if !isAuthorized { calls[stream]?.isUnderCheck = true }
            }
            calls[stream]?.call = try read(headers)
            try admit(stream)
        } catch {
            refuse(stream, error, ended: false)
        }
    }

    private func isPreflight(_ headers: HTTP2Headers) -> Bool {
        guard let http else { return false }
        return HTTPCall.isPreflight(headers, http)
    }

    private func read(_ headers: HTTP2Headers) throws(RequestRefusal) -> Call {
        if let http, !headers.isGRPC { return .http(try HTTPCall(headers, http, signals: signals)) }
        return .grpc(try GRPCCall(headers, signals: signals, isForPeers: isForPeers))
    }

    /// Refuses an export while its body has not come, if there is no room for it.
    private func admit(_ stream: Int32) throws(RequestRefusal) {
        var declared = 0
        switch calls[stream]?.call {
        case .grpc(let call):
            guard call.holdsSpans else { return }
        case .http(let call):
            guard case .export = call.purpose else { return }
            declared = call.contentLength ?? 0
            if declared > limits.maximumMessageBytes { throw .tooLarge(limits, declared: declared) }
        case .refused, nil: return
        }
        if declared > 0 { calls[stream]?.declaredBytes = declared }
        try admit(bytes: declared)
    }

    /// Says of a message that is announced what can be known before it comes: that it will never fit, or does not now.
    private func admit(bytes declared: Int) throws(RequestRefusal) {
        if let refusal = server.refusalIfNeverHeld(declared) { throw refusal }
        guard account.admits(declared) else { throw server.worker.refuseForMemory(receiver) }
    }

    /// Reserves memory for what there is of a body, and for as much as there is room for on the heap; makes that room larger, if the
    /// body will outgrow it. What is only announced takes none.
    private func holdBody(_ stream: Int32) {
        guard let open = calls[stream], !open.isAnswered else { return }
        let (count, capacity) = session.bodySize(of: stream)
        let next = BodyRoom.next(count: count, capacity: capacity, declared: open.declaredBytes)
        // While a body is moved, it is there twice.
        guard account.hold(max(0, capacity - open.heldBytes) + (next ?? 0)) else {
            return refuse(stream, server.worker.refuseForMemory(receiver), ended: false)
        }
        calls[stream]?.heldBytes = max(capacity, open.heldBytes) + (next ?? 0)
        if let next { session.reserveBody(of: stream, capacity: next) }
        let held = session.bodySize(of: stream).capacity
        let surplus = max(capacity, open.heldBytes) + (next ?? 0) - held
        account.letGo(surplus)
        calls[stream]?.heldBytes = held
        session.watchBody(of: stream, beyond: BodyRoom.mark(capacity: held, declared: open.declaredBytes))
    }

    /// A gRPC message says its length at once, so what is too large is refused before it comes.
    private func checkPrefix(_ stream: Int32) {
        guard let open = calls[stream], !open.isAnswered else { return }
        guard case .grpc(let call) = open.call else { return holdBody(stream) }
        guard let prefix = session.bodyPrefix(of: stream) else { return }
        if prefix.0 > 1 {
            refuse(stream, RequestRefusal(.badFraming, .internal, "invalid gRPC message flag \(prefix.0)"), ended: false)
            return
        }
        let length = Int(prefix.1) << 24 | Int(prefix.2) << 16 | Int(prefix.3) << 8 | Int(prefix.4)
        if length > limits.maximumMessageBytes {
            refuse(stream, .tooLarge(limits, declared: length), ended: false)
            return
        }
        calls[stream]?.declaredBytes = length + GRPCFraming.prefixLength
        if call.isQuestion && length <= Self.freeQuestionBytes {
            // Answered however short memory is, as long as it is no longer than it says.
            session.watchBody(of: stream, beyond: length + GRPCFraming.prefixLength)
            return
        }
        do {
            try admit(bytes: length)
        } catch {
            return refuse(stream, error, ended: false)
        }
        holdBody(stream)
    }

    /// Questions up to this size are answered without a look at the memory: health checks, what peers say of themselves.
    private static var freeQuestionBytes: Int { 256 << 10 }

    /// A check of credentials that took time is over.
    private func authorized(_ stream: Int32, _ refusal: RequestRefusal?) {
        guard let open = calls[stream], open.isUnderCheck else { return }
        calls[stream]?.isUnderCheck = false
        if let refusal {
            refuse(stream, refusal, ended: open.hasEnded)
        } else if open.hasEnded {
            complete(stream)
        }
        pump()
    }

    private func complete(_ stream: Int32) {
        if calls[stream]?.isUnderCheck == true {
            calls[stream]?.hasEnded = true
            return
        }
        guard let open = calls[stream], !open.isAnswered, let body = session.takeBody(of: stream) else { return }
        account.took(body.count)
        // The body counts as what is held for it until its spans are in their segments.
        defer { release(stream) }
        do throws(RequestRefusal) {
            switch open.call {
            case .grpc(let call): try complete(stream, call, body)
            case .http(let call): try complete(stream, call, open.replyForm ?? HTTPReplyForm(), body)
            case .refused: break
            }
        } catch {
            refuse(stream, error, ended: true)
        }
    }

    private func complete(_ stream: Int32, _ call: GRPCCall, _ body: [UInt8]) throws(RequestRefusal) {
        let (payloadStart, encoding) = try GRPCCall.unframe(body, encoding: call.encoding)
        switch call.method {
        case .exportTraces:
            try answer(stream, server.export(.traces, body, payloadStart, BodyForm(encoding), receiver))
        case .forward, .handoff, .exchange, .reload:
            try complete(stream, call.method, body, payloadStart, encoding)
        case .passThrough(let signal):
            try answer(stream, server.export(signal, body, payloadStart, BodyForm(encoding), receiver))
        case .healthCheck, .healthWatch, .healthList:
            let payload = try server.plainPayload(body, payloadStart, encoding)
            try health(stream, call.method, payload)
        }
    }

    private func complete(
        _ stream: Int32, _ call: HTTPCall, _ form: HTTPReplyForm, _ body: [UInt8]
    ) throws(RequestRefusal) {
        switch call.purpose {
        case .preflight(let fields): answer(stream, HTTPReplies.preflight(fields))
        case .export(let signal):
            // The session's bound leaves room for a gRPC prefix.
            if body.count > limits.maximumMessageBytes { throw .tooLarge(limits, declared: body.count) }
            try answer(stream, server.export(signal, body, 0, call.form, receiver))
        }
    }

    // MARK: answers

    private func answer(_ stream: Int32, _ result: ExportResult) {
        guard let token = result.pending else { return answer(stream, result.response) }
        calls[stream]?.isPending = true
        server.worker.lane?.whenSettled(token) { [weak self] refusedFor in
            self?.settled(stream, result.response, refusedFor)
        }
    }

    /// All spans of a request are held by somebody, or nobody takes them.
    private func settled(_ stream: Int32, _ response: ExportTraceServiceResponse, _ refusedFor: Int64?) {
        guard let open = calls[stream], !open.isAnswered else { return }
        if let refusedFor, let lane = server.worker.lane {
            refuse(stream, lane.refusal(after: refusedFor), ended: true)
        } else {
            answer(stream, response)
        }
        pump()
    }

    private func answer(_ stream: Int32, _ response: ExportTraceServiceResponse) {
        account.noteAnswer(nil)
        if let form = calls[stream]?.replyForm {
            answer(stream, HTTPReplies.taken(response, form))
        } else {
            answer(stream, GRPCReplies.message(response.encoded))
        }
    }

    func answer(_ stream: Int32, _ message: [UInt8]) {
        calls[stream]?.answeredAt = server.worker.now
        session.respond(
            stream, headers: GRPCReplies.okHeaders, body: message, trailers: GRPCReplies.okTrailers)
    }

    private func answer(_ stream: Int32, _ reply: HTTPReply, thenReset: Bool = false) {
        calls[stream]?.answeredAt = server.worker.now
        var headers = reply.headers
        headers.append("date", server.date)
        session.respond(
            stream, headers: headers, body: reply.isHead ? [] : reply.body, thenReset: thenReset)
    }

    func refuse(_ stream: Int32, _ refusal: RequestRefusal, ended: Bool) {
        guard let open = calls[stream], !open.isAnswered else { return }
        server.cells.add(server.metrics.refusedRequests[refusal.reason])
        server.noteRefusal(refusal)
        account.noteAnswer(refusal.reason)
        session.discardBody(of: stream)
        release(stream)
        if let form = open.replyForm {
            answer(stream, HTTPReplies.refusal(refusal, form), thenReset: !ended)
        } else {
            calls[stream]?.answeredAt = server.worker.now
            session.respond(stream, headers: GRPCReplies.refusal(refusal), thenReset: !ended)
        }
        if refusal.endsConnection { endForAbuse(.inflation, "bomb") }
    }

    /// The message is here, or will never be.
    func release(_ stream: Int32) {
        guard let bytes = calls[stream]?.heldBytes, bytes > 0 else { return }
        calls[stream]?.heldBytes = 0
        account.letGo(bytes)
    }

    private func streamClosed(_ stream: Int32, _ error: UInt32) {
        watchers.remove(stream)
        release(stream)
        guard let call = calls.removeValue(forKey: stream) else { return }
        lastActivity = server.worker.now
        // A client may measure the line after every answer, as grpc's do.
        pingStrikes = 0
        server.cells.add(server.metrics.streams, -1)
        if error != 0 {
            server.cells.add(server.metrics.streamsResetByClient)
            if !call.isAnswered { server.cells.add(server.metrics.refusedRequests[.cancelled]) }
        }
    }

    /// PINGs at a rate that no keepalive needs, with no call between them, end the connection, as gRPC servers do.
    private func countPing() {
        let now = server.worker.now
        let isTooSoon = lastPing != .min && now - lastPing < limits.minimumPingInterval
        let isUncalledFor = calls.isEmpty && !limits.permitsPingsWithoutStream
        if calls.isEmpty && (isTooSoon || isUncalledFor) {
            pingStrikes += 1
            if pingStrikes > limits.maximumPingStrikes {
                endForAbuse(.pings, "too_many_pings")
            }
        } else {
            pingStrikes = 0
        }
        lastPing = now
    }
}

extension HTTP2Headers {
    /// Whether a request speaks gRPC, whatever else may be wrong with it.
    var isGRPC: Bool {
        guard let type = first("content-type") else { return false }
        return GRPCHeaders.isGRPC(contentType: type.span)
    }
}

extension RequestRefusal {
    /// The body is, or says that it is, longer than the limit.
    static func tooLarge(_ limits: ServerLimits, declared: Int? = nil) -> RequestRefusal {
        let size = declared.map { "of \($0) bytes " } ?? ""
        return RequestRefusal(
            .messageTooLarge, .resourceExhausted,
            "message \(size)larger than max (\(limits.maximumMessageBytes) bytes)")
    }

    /// The request did not come in time.
    static let tooSlow = RequestRefusal(
        .deadlineExceeded, .deadlineExceeded, "the request was not complete in time")
}

internal import CShims

/// Limits and windows of one HTTP/2 connection.
package struct HTTP2Settings: Sendable {
    /// Streams a peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). Never lowered while a connection lives.
    package var maximumConcurrentStreams: UInt32 = 256
    /// Receive window of one stream, bytes.
    package var streamWindow: Int32 = 4 << 20
    /// Receive window of the connection, bytes.
    package var connectionWindow: Int32 = 16 << 20
    /// Largest frame payload that we accept, bytes (16 KiB ... 16 MiB - 1).
    package var maximumFrameBytes: UInt32 = 1 << 20
    /// Header bytes (RFC 9113 §10.5.1 counting) that one request or response may bring; more resets the stream.
    package var maximumHeaderBytes: Int = 16 << 10
    /// Body bytes one stream may bring; what goes beyond is discarded and reported as `.bodyTooLarge`.
    package var maximumBodyBytes: Int = 64 << 20
    /// Room that is made for a body at once, whatever length it claims; bytes, at most.
    package var firstBodyBytes: Int = 1 << 20
    /// So many bodies at once get that much room.
    package var roomyBodies: Int = 16
    /// Bytes of one DATA frame that we send, at most.
    package var sendFrameBytes: Int = 64 << 10
    /// Resets by the peer that are forgiven at once, and per second after that; more ends the connection
    /// (CVE-2023-44487).
    package var resetBurst: UInt64 = 500
    package var resetRate: UInt64 = 50

    package init() {}
}

/// What happened on a connection while bytes were received. Streams are named by their HTTP/2 stream id.
package enum HTTP2Event: Sendable, Equatable {
    /// The header block of a request (server) or of a response (client) is complete.
    case headers(stream: Int32)
    /// Trailers came (client: the gRPC status is in `trailers(of:)`).
    case trailers(stream: Int32)
    /// Five or more body bytes are there, reported once: enough to read a gRPC message prefix.
    case bodyBegan(stream: Int32)
    /// The body has more bytes than `watchBody` said; reported once.
    case bodyGrew(stream: Int32)
    /// The body outgrew `maximumBodyBytes`; the rest of it is being discarded.
    case bodyTooLarge(stream: Int32)
    /// The peer has finished sending on the stream; its body is complete.
    case ended(stream: Int32)
    /// The stream is gone. `error` is the HTTP/2 error code, 0 if it ended in good order.
    case closed(stream: Int32, error: UInt32)
    /// The peer wants the connection to end; streams above `lastStream` were not processed.
    case goAway(lastStream: Int32, error: UInt32)
    /// A PING that is not an acknowledgement.
    case ping
    /// Our PING was acknowledged.
    case pingAcknowledged
    /// The peer broke the protocol in a way that cost it a stream (or a frame).
    case violation(stream: Int32)
}

/// Why a session could not be made or can't go on. `code` is nghttp2's negative error code.
package struct HTTP2SessionError: Error, Sendable, Equatable {
    package var code: Int32

    /// nghttp2's own text for the code.
    package var text: String {
        unsafe String(cString: nghttp2_strerror(code))
    }
}

/// One HTTP/2 connection (RFC 9113) as a value: bytes in, events and bytes out. It does no I/O and knows no clock.
///
/// Owns an `nghttp2_session` and the state of its open streams. Confined to one event loop. Worst case held: open
/// streams times `maximumBodyBytes` and `maximumHeaderBytes`, of which `bufferedBodyBytes` tells the present sum; output is
/// produced only when asked for, so a peer that does not read costs nothing beyond what it asked for.
package struct HTTP2Session: ~Copyable {
    package enum Role: Sendable { case server, client }

    private let state: SessionState

    /// Makes a session and queues its SETTINGS (and, for a client, the preface).
    package init(role: Role, settings: HTTP2Settings = HTTP2Settings()) throws(HTTP2SessionError) {
        state = try SessionState(role: role, settings: settings)
    }

    deinit { state.close() }

    // MARK: bytes

    /// Takes bytes from the peer. After an error only `output` remains useful (a GOAWAY may be pending).
    package mutating func receive(_ bytes: Span<UInt8>) throws(HTTP2SessionError) {
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe nghttp2_session_mem_recv(state.session, buffer.baseAddress, buffer.count)
        }
        if result < 0 { throw HTTP2SessionError(code: Int32(truncatingIfNeeded: result)) }
    }

    /// Frames since the last call: those that moved nothing (empty DATA, WINDOW_UPDATE, PRIORITY, SETTINGS, PING, unknown
    /// ones), and those that did (HEADERS, DATA).
    package mutating func takeFrameCounts() -> (idle: Int, useful: Int) {
        defer {
            state.idleFrames = 0
            state.usefulFrames = 0
        }
        return (state.idleFrames, state.usefulFrames)
    }

    /// What header fields cost since the last call, bytes: names, values and 32 for every field, also of lists that were refused;
    /// frames that broke the protocol count as much as a request.
    package mutating func takeHeaderBytes() -> Int {
        defer { state.headerBytes = 0 }
        return state.headerBytes
    }

    /// The oldest event not yet taken.
    package mutating func nextEvent() -> HTTP2Event? { state.nextEvent() }

    /// Hands pending frames to `write` until `limit` bytes are passed or nothing is left. Returns the bytes written.
    package mutating func output(
        limit: Int, _ write: (RawSpan) -> Void
    ) throws(HTTP2SessionError) -> Int {
        var total = 0
        while total < limit {
            var pointer: UnsafePointer<UInt8>? = nil
            let length = unsafe nghttp2_session_mem_send(state.session, &pointer)
            if length < 0 { throw HTTP2SessionError(code: Int32(truncatingIfNeeded: length)) }
            if length > 0, let start = unsafe pointer {
                unsafe write(UnsafeRawBufferPointer(start: start, count: length).bytes)
                total += length
            } else {
                let data = state.writeData(write)
                if data == 0 { break }
                total += data
            }
        }
        return total
    }

    /// Gives memory back that a silent connection holds for nothing (a page or two); it is taken again when it is needed.
    package mutating func trim() { state.trim() }

    /// Neither side has anything left to say: the connection can be closed once written bytes are out.
    package var isFinished: Bool {
        unsafe nghttp2_session_want_read(state.session) == 0 && nghttp2_session_want_write(state.session) == 0
    }

    // MARK: streams

    /// Body bytes received and not yet taken, over all streams.
    package var bufferedBodyBytes: Int { state.bufferedBodyBytes }

    package var openStreams: Int { state.openStreams }

    /// Request fields (server) or response fields (client) of an open stream.
    package func headers(of stream: Int32) -> HTTP2Headers? { state.stream(stream)?.headers }

    package func trailers(of stream: Int32) -> HTTP2Headers? { state.stream(stream)?.trailers }

    /// The first five body bytes, if that many have come.
    package func bodyPrefix(of stream: Int32) -> (UInt8, UInt8, UInt8, UInt8, UInt8)? {
        guard let body = state.stream(stream)?.body, body.count >= 5 else { return nil }
        return (body[0], body[1], body[2], body[3], body[4])
    }

    /// Moves the body out of an open stream; the stream then holds an empty one.
    package mutating func takeBody(of stream: Int32) -> [UInt8]? {
        guard let stream = state.stream(stream) else { return nil }
        state.noteTaken(stream.body)
        state.noteTypical(stream.body.count)
        var body: [UInt8] = []
        swap(&body, &stream.body)
        return body
    }

    /// Bytes of a body that have come, and the room that there is for it.
    package func bodySize(of stream: Int32) -> (count: Int, capacity: Int) {
        guard let body = state.stream(stream)?.body else { return (0, 0) }
        return (body.count, body.capacity)
    }

    /// Makes room for a body, and moves it there.
    package mutating func reserveBody(of stream: Int32, capacity: Int) {
        state.stream(stream)?.body.reserveCapacity(capacity)
    }

    /// `.bodyGrew` is reported as soon as a body has more than so many bytes.
    package mutating func watchBody(of stream: Int32, beyond count: Int) { state.stream(stream)?.bodyMark = count }

    /// From now on body bytes of this stream are thrown away as they come.
    package mutating func discardBody(of stream: Int32) {
        guard let found = state.stream(stream) else { return }
        found.discards = true
        state.noteTaken(found.body)
        found.body = []
    }

    /// Answers a request: fields, then `body` if any, then `trailers` if any. Without a body and trailers the fields end the
    /// stream ("Trailers-Only" in gRPC). With `thenReset`, RST_STREAM(NO_ERROR) follows when the answer is out, so that a
    /// client stops uploading. Answering a stream twice or a stream that is gone has no effect and returns false.
    @discardableResult
    package mutating func respond(
        _ stream: Int32, headers: HTTP2Headers, body: [UInt8] = [], trailers: HTTP2Headers? = nil,
        thenReset: Bool = false
    ) -> Bool {
        guard let found = state.stream(stream), !found.isAnswered else { return false }
        found.isAnswered = true
        found.resetsWhenSent = thenReset
        let code: Int32
        if body.isEmpty && trailers == nil {
            code = unsafe headers.withNameValues { pairs, count in
                unsafe nghttp2_submit_response(state.session, stream, pairs, count, nil)
            }
        } else {
            found.outgoing = body
            found.outgoingTrailers = trailers
            var provider = unsafe state.provider(for: found)
            code = unsafe headers.withNameValues { pairs, count in
                unsafe nghttp2_submit_response(state.session, stream, pairs, count, &provider)
            }
        }
        return code == 0
    }

    /// Begins an answer whose body goes on: `body` now, more with `send`, the end with `finish`.
    package mutating func respondStreaming(_ stream: Int32, headers: HTTP2Headers, body: [UInt8]) {
        guard let found = state.stream(stream), !found.isAnswered else { return }
        found.isAnswered = true
        found.isOutgoingOpen = true
        found.outgoing = body
        var provider = unsafe state.provider(for: found)
        _ = unsafe headers.withNameValues { pairs, count in
            unsafe nghttp2_submit_response(state.session, stream, pairs, count, &provider)
        }
    }

    /// Sends more of a streaming answer's body. What the peer has taken already is let go.
    package mutating func send(_ bytes: [UInt8], on stream: Int32) {
        guard let found = state.stream(stream), found.isOutgoingOpen else { return }
        if found.unsentBytes == 0 {
            found.outgoing.removeAll()
            found.outgoingOffset = 0
        }
        found.outgoing.append(contentsOf: bytes)
        _ = unsafe nghttp2_session_resume_data(state.session, stream)
    }

    /// Ends a streaming answer.
    package mutating func finish(_ stream: Int32, trailers: HTTP2Headers) {
        guard let found = state.stream(stream), found.isOutgoingOpen else { return }
        found.isOutgoingOpen = false
        found.outgoingTrailers = trailers
        _ = unsafe nghttp2_session_resume_data(state.session, stream)
    }

    /// Sends a request whose body is `head` and then `body`, both of which stay as they are. Returns the stream id, or an error if no stream can be opened
    /// any more on this connection (ids used up, GOAWAY received).
    package mutating func request(
        headers: HTTP2Headers, head: [UInt8] = [], body: [UInt8]
    ) throws(HTTP2SessionError) -> Int32 {
        let stream = StreamState()
        stream.outgoingHead = head
        stream.outgoing = body
        var provider = unsafe state.provider(for: stream)
        let id = unsafe headers.withNameValues { pairs, count in
            unsafe nghttp2_submit_request(state.session, nil, pairs, count, &provider, nil)
        }
        if id < 0 { throw HTTP2SessionError(code: id) }
        state.open(id, stream)
        return id
    }

    /// Whether a new request may be submitted (no GOAWAY so far, ids left).
    package var acceptsRequests: Bool {
        unsafe nghttp2_session_check_request_allowed(state.session) != 0
            && nghttp2_session_get_next_stream_id(state.session) < 0x7fff_0000
    }

    /// Bytes of request or response bodies handed over and not yet framed for a stream.
    package func unsentBytes(of stream: Int32) -> Int {
        state.stream(stream)?.unsentBytes ?? 0
    }

    package mutating func reset(_ stream: Int32, error: UInt32) {
        _ = unsafe nghttp2_submit_rst_stream(state.session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, error)
    }

    // MARK: connection

    package mutating func ping() {
        _ = unsafe nghttp2_submit_ping(state.session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
    }

    /// First step of a graceful end: tells the peer to open no more streams, while those in flight still count.
    package mutating func announceShutdown() {
        _ = unsafe nghttp2_submit_shutdown_notice(state.session)
    }

    /// Second step: GOAWAY with the last stream taken; streams open now are finished.
    package mutating func goAway(error: UInt32 = 0, reason: StaticString = "") {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(state.session)
        _ = unsafe nghttp2_submit_goaway(
            state.session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, error, reason.utf8Start,
            reason.utf8CodeUnitCount)
    }

    /// Ends the connection as soon as pending output is out; open streams are lost.
    package mutating func terminate(error: UInt32) {
        _ = unsafe nghttp2_session_terminate_session(state.session, error)
    }
}

/// Why a stream or connection ended (RFC 9113 §7); the ones that are named in our code.
package enum HTTP2ErrorCode {
    package static let noError: UInt32 = 0
    package static let protocolError: UInt32 = 1
    package static let internalError: UInt32 = 2
    package static let refusedStream: UInt32 = 7
    package static let cancel: UInt32 = 8
    package static let enhanceYourCalm: UInt32 = 11
}

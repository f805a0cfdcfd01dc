internal import CShims

/// One stream's share of a session: what came in, what is to go out.
final class StreamState {
    var headers = HTTP2Headers()
    var trailers: HTTP2Headers?
    var body: [UInt8] = []
    var discards = false
    var bodyBeganReported = false
    /// `.bodyGrew` is reported once when the body has more bytes than this.
    var bodyMark = Int.max
    var isAnswered = false
    var resetsWhenSent = false
    var headersDone = false
    /// What goes out: `outgoingHead`, then `outgoing`; the offset counts through both.
    var outgoingHead: [UInt8] = []
    var outgoing: [UInt8] = []
    var outgoingOffset = 0
    /// More may be appended later, so the end of `outgoing` is not the end of the stream.
    var isOutgoingOpen = false
    var outgoingTrailers: HTTP2Headers?

    var unsentBytes: Int { outgoingHead.count + outgoing.count - outgoingOffset }

    /// Hands the next bytes that go out to `write`, in one piece or two. `count` of them are there.
    func takeOutgoing(_ count: Int, _ write: (RawSpan) -> Void) {
        let head = min(count, max(0, outgoingHead.count - outgoingOffset))
        if head > 0 {
            let bytes = outgoingHead
            unsafe write(bytes.span.extracting(outgoingOffset..<outgoingOffset + head).bytes)
        }
        if count > head {
            let bytes = outgoing
            let start = outgoingOffset + head - outgoingHead.count
            unsafe write(bytes.span.extracting(start..<start + count - head).bytes)
        }
        outgoingOffset += count
    }
}

/// What stands behind an `HTTP2Session`: the nghttp2 handle, the events not yet taken, and the callbacks.
///
/// nghttp2 calls back only from within `mem_recv` and `mem_send`, on the caller's thread, with this object as
/// user data; the object outlives the handle.
@safe final class SessionState {
    private(set) var session: OpaquePointer?
    /// Of a server session: where nghttp2 has its buffers.
    private var memory: OpaquePointer?
    /// Open streams by id, from the first header to the closing.
    private var streams: [Int32: StreamState] = [:]
    private let role: HTTP2Session.Role
    private let settings: HTTP2Settings
    private var events: [HTTP2Event] = []
    private var nextEventIndex = 0
    var bufferedBodyBytes = 0
    /// The DATA frame that nghttp2 has just let go: the caller of `mem_send` writes it.
    private var dataHeader: [UInt8] = []
    private var dataStream: StreamState?
    private var dataCount = 0
    /// Frames since the last look that moved nothing, and those that did.
    var idleFrames = 0
    var usefulFrames = 0
    /// What header fields cost since the last look, and violations with them, bytes.
    var headerBytes = 0
    /// Bodies of which something has come and that nobody took.
    private var bodiesUnderWay = 0
    /// About as long as bodies were lately, bytes.
    private var typicalBody = 0

    var openStreams: Int { streams.count }

    init(role: HTTP2Session.Role, settings: HTTP2Settings) throws(HTTP2SessionError) {
        self.role = role
        self.settings = settings
        var callbacks: OpaquePointer? = nil
        var code = unsafe nghttp2_session_callbacks_new(&callbacks)
        if code != 0 { throw HTTP2SessionError(code: code) }
        defer { unsafe nghttp2_session_callbacks_del(callbacks) }
        unsafe SessionState.install(on: callbacks)
        var options: OpaquePointer? = nil
        code = unsafe nghttp2_option_new(&options)
        if code != 0 { throw HTTP2SessionError(code: code) }
        defer { unsafe nghttp2_option_del(options) }
        unsafe nghttp2_option_set_no_closed_streams(options, 1)
        unsafe nghttp2_option_set_peer_max_concurrent_streams(options, 100)
        unsafe nghttp2_option_set_stream_reset_rate_limit(options, settings.resetBurst, settings.resetRate)
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe memory = role == .server ? tg_session_memory_new() : nil
        if unsafe role == .server && memory == nil { throw HTTP2SessionError(code: Int32(NGHTTP2_ERR_NOMEM.rawValue)) }
        switch role {
        case .server: code = unsafe tg_session_server_new(&session, callbacks, me, options, memory)
        case .client: code = unsafe nghttp2_session_client_new2(&session, callbacks, me, options)
        }
        if code != 0 { throw HTTP2SessionError(code: code) }
        try submitSettings()
    }

    private func submitSettings() throws(HTTP2SessionError) {
        func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
            nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
        }
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(settings.streamWindow)),
            entry(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings.maximumFrameBytes),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(settings.maximumHeaderBytes)),
            entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        switch role {
        case .server:
            entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.maximumConcurrentStreams))
        case .client:
            entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        var code = unsafe nghttp2_submit_settings(session, none, entries, entries.count)
        if code != 0 { throw HTTP2SessionError(code: code) }
        code = unsafe nghttp2_session_set_local_window_size(session, none, 0, settings.connectionWindow)
        if code != 0 { throw HTTP2SessionError(code: code) }
    }

    func close() {
        unsafe nghttp2_session_del(session)
        unsafe session = nil
        unsafe tg_session_memory_free(memory)
        unsafe memory = nil
        streams.removeAll()
    }

    /// Gives back what a silent session holds for nothing. nghttp2 keeps nothing in its frame buffer between frames.
    func trim() {
        guard let memory = unsafe memory, unsafe nghttp2_session_want_write(session) == 0 else { return }
        unsafe tg_session_memory_trim(memory)
    }

    func stream(_ id: Int32) -> StreamState? { streams[id] }

    /// A client's new stream, known under `id` from now on.
    func open(_ id: Int32, _ stream: StreamState) { streams[id] = stream }

    func nextEvent() -> HTTP2Event? {
        guard nextEventIndex < events.count else {
            if nextEventIndex > 0 {
                events.removeAll(keepingCapacity: nextEventIndex <= 1024)
                nextEventIndex = 0
            }
            return nil
        }
        let event = events[nextEventIndex]
        nextEventIndex += 1
        // Kept until now: a client reads the answer after its stream is closed, since both come with the same bytes.
        if case .closed(let id, _) = event { forget(id) }
        return event
    }

    private func forget(_ id: Int32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        noteTaken(stream.body)
    }

    /// A body leaves its stream.
    func noteTaken(_ body: [UInt8]) {
        bufferedBodyBytes -= body.count
        if !body.isEmpty { bodiesUnderWay -= 1 }
    }

    /// A whole body was taken: the next one may be as long.
    func noteTypical(_ bytes: Int) { typicalBody = max(bytes, typicalBody - typicalBody / 8) }

    func provider(for stream: StreamState) -> nghttp2_data_provider {
        var provider = unsafe nghttp2_data_provider()
        unsafe provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        unsafe provider.read_callback = { session, streamID, _, length, flags, source, _ in
            guard let source = unsafe source?.pointee.ptr, let flags = unsafe flags
            else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
            let stream = unsafe Unmanaged<StreamState>.fromOpaque(source).takeUnretainedValue()
            let count = min(length, stream.unsentBytes)
            if count == 0 && stream.isOutgoingOpen { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
            // The bytes go from the stream into the output, without a stay in nghttp2's buffer: see `writeData`.
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if stream.unsentBytes == count && !stream.isOutgoingOpen {
                unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
                if let trailers = stream.outgoingTrailers {
                    unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                    let code = unsafe trailers.withNameValues { pairs, pairCount in
                        unsafe nghttp2_submit_trailer(session, streamID, pairs, pairCount)
                    }
                    if code != 0 { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
                }
            }
            return count
        }
        return unsafe provider
    }

    /// Writes the DATA frame that the last call of `mem_send` ended with; returns its bytes, 0: it ended with none.
    ///
    /// nghttp2 counts it as sent, so it must be written before anything else.
    func writeData(_ write: (RawSpan) -> Void) -> Int {
        guard let stream = dataStream else { return 0 }
        dataStream = nil
        let header = dataHeader
        unsafe write(header.span.bytes)
        stream.takeOutgoing(dataCount, write)
        return header.count + dataCount
    }

    private func noteData(_ stream: StreamState, _ header: UnsafeBufferPointer<UInt8>, _ count: Int) {
        dataHeader.removeAll(keepingCapacity: true)
        unsafe dataHeader.append(contentsOf: header)
        dataStream = stream
        dataCount = count
    }

    // MARK: callbacks

    private static func from(_ userData: UnsafeMutableRawPointer?) -> SessionState? {
        unsafe userData.map { unsafe Unmanaged<SessionState>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func install(on callbacks: OpaquePointer?) {
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, userData in
            guard let me = unsafe SessionState.from(userData), let frame = unsafe frame else { return 0 }
            unsafe me.beginHeaders(frame.pointee)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, userData in
            guard let me = unsafe SessionState.from(userData), let header = unsafe header else { return 0 }
            unsafe me.countFrame(header.pointee)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, frame, name, nameLength, value, valueLength, _, userData in
            guard let me = unsafe SessionState.from(userData), let frame = unsafe frame,
                let name = unsafe name, let value = unsafe value
            else { return 0 }
            return unsafe me.header(
                frame.pointee, name: name, nameLength: nameLength, value: value, valueLength: valueLength)
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
            _, _, streamID, data, length, userData in
            guard let me = unsafe SessionState.from(userData), let data = unsafe data else { return 0 }
            unsafe me.data(streamID, UnsafeBufferPointer(start: data, count: length))
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, userData in
            guard let me = unsafe SessionState.from(userData), let frame = unsafe frame else { return 0 }
            unsafe me.frameReceived(frame.pointee)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) {
            _, streamID, error, userData in
            guard let me = unsafe SessionState.from(userData) else { return 0 }
            me.streamClosed(streamID, error: error)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, userData in
            guard let me = unsafe SessionState.from(userData), let frame = unsafe frame else { return 0 }
            unsafe me.frameSent(frame.pointee)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) {
            _, frame, _, userData in
            guard let me = unsafe SessionState.from(userData), let frame = unsafe frame else { return 0 }
            me.headerBytes &+= SessionState.violationCost
            me.events.append(.violation(stream: unsafe frame.pointee.hd.stream_id))
            return 0
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, frame, header, length, source, userData in
            guard let me = unsafe SessionState.from(userData), let header = unsafe header, let source = unsafe source?.pointee.ptr
            else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
            let stream = unsafe Unmanaged<StreamState>.fromOpaque(source).takeUnretainedValue()
            unsafe me.noteData(stream, UnsafeBufferPointer(start: header, count: 9), length)
            return Int32(NGHTTP2_ERR_PAUSE.rawValue)
        }
        unsafe nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks) {
            _, _, _, sessionWindow, streamWindow, maximumFrame, userData in
            let wanted = unsafe SessionState.from(userData)?.settings.sendFrameBytes ?? 16384
            return min(min(Int(sessionWindow), Int(streamWindow)), min(Int(maximumFrame), wanted))
        }
    }

    /// A broken frame costs an answer, and often a stream; as much as so many bytes of header fields.
    private static let violationCost = 2 << 10

    /// The end of a stream in an empty DATA frame, CONTINUATION and RST_STREAM count as neither: nghttp2 bounds the last two.
    private func countFrame(_ header: nghttp2_frame_hd) {
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue: usefulFrames &+= 1
        case NGHTTP2_DATA.rawValue:
            if header.length > 0 {
                usefulFrames &+= 1
            } else if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) == 0 {
                idleFrames &+= 1
            }
        // Hardly a client needs them: fields that fit here fit into one HEADERS frame.
        case NGHTTP2_CONTINUATION.rawValue: headerBytes &+= 256 + 32 * header.length
        case NGHTTP2_RST_STREAM.rawValue: break
        case NGHTTP2_PRIORITY.rawValue:
            idleFrames &+= 1
            // nghttp2 does not look into these frames when priorities are off; this is an error even so (RFC 9113 §6.3).
            if header.stream_id == 0 {
                _ = unsafe nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR.rawValue)
            }
        default: idleFrames &+= 1
        }
    }

    private func beginHeaders(_ frame: nghttp2_frame) {
        let id = unsafe frame.hd.stream_id
        if let existing = streams[id] {
            if existing.headersDone { existing.trailers = HTTP2Headers() }
        } else if role == .server {
            streams[id] = StreamState()
        }
    }

    private func header(
        _ frame: nghttp2_frame, name: UnsafePointer<UInt8>, nameLength: Int, value: UnsafePointer<UInt8>,
        valueLength: Int
    ) -> Int32 {
        guard let stream = stream(unsafe frame.hd.stream_id) else { return 0 }
        let held = stream.headers.accountedBytes + (stream.trailers?.accountedBytes ?? 0)
        headerBytes &+= nameLength + valueLength + 32
        if held + nameLength + valueLength + 32 > settings.maximumHeaderBytes {
            // The rest of the block is decoded all the same, and each of its bytes may be a field.
            headerBytes &+= 32 * Int(unsafe frame.hd.length)
            events.append(.violation(stream: unsafe frame.hd.stream_id))
            return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        if stream.trailers != nil {
            unsafe stream.trailers?.appendRaw(
                name: name, nameLength: nameLength, value: value, valueLength: valueLength)
        } else {
            unsafe stream.headers.appendRaw(
                name: name, nameLength: nameLength, value: value, valueLength: valueLength)
        }
        return 0
    }

    private func data(_ id: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        guard let stream = stream(id), !stream.discards else { return }
        if stream.body.count + bytes.count > settings.maximumBodyBytes {
            stream.discards = true
            noteTaken(stream.body)
            stream.body = []
            events.append(.bodyTooLarge(stream: id))
            return
        }
        if stream.body.isEmpty && bytes.count > 0 {
            unsafe reserve(stream, bytes)
            bodiesUnderWay += 1
        }
        unsafe stream.body.append(contentsOf: bytes)
        bufferedBodyBytes += bytes.count
        if !stream.bodyBeganReported && stream.body.count >= 5 {
            stream.bodyBeganReported = true
            events.append(.bodyBegan(stream: id))
        }
        if stream.body.count > stream.bodyMark {
            stream.bodyMark = .max
            events.append(.bodyGrew(stream: id))
        }
    }

    /// A gRPC message says its length in its second to fifth byte, other bodies in a field; room for it is taken at once, as far as
    /// `firstBodyBytes` go, so that a claim alone costs little. For bodies that are no gRPC messages the guess is harmless.
    private func reserve(_ stream: StreamState, _ bytes: UnsafeBufferPointer<UInt8>) {
        if let field = stream.headers.first("content-length") {
            let length = field.prefix(9).reduce(0) { $0 * 10 + Int($1 & 0x0f) }
            stream.body.reserveCapacity(max(bytes.count, min(length, firstBodyBytes)))
            return
        }
        guard bytes.count >= 5, unsafe bytes[0] <= 1 else { return }
        let declared = unsafe Int(bytes[1]) << 24 | Int(bytes[2]) << 16 | Int(bytes[3]) << 8 | Int(bytes[4])
        stream.body.reserveCapacity(max(bytes.count, min(declared + 5, firstBodyBytes)))
    }

    /// How much room a body gets before it has come: as much as the connection's bodies took lately, so that they need not be moved;
    /// hardly anything where many are announced at once.
    private var firstBodyBytes: Int {
        if bodiesUnderWay >= settings.roomyBodies { return 4 << 10 }
        return min(settings.firstBodyBytes, max(64 << 10, typicalBody + typicalBody / 4))
    }

    private func frameReceived(_ frame: nghttp2_frame) {
        let id = unsafe frame.hd.stream_id
        let endsStream = unsafe frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch unsafe UInt32(frame.hd.type) {
        case NGHTTP2_HEADERS.rawValue:
            guard let stream = stream(id) else { return }
            if isInformational(stream) {
                stream.headers = HTTP2Headers()
                return
            }
            if stream.headersDone {
                events.append(.trailers(stream: id))
            } else {
                stream.headersDone = true
                events.append(.headers(stream: id))
            }
            if endsStream { events.append(.ended(stream: id)) }
        case NGHTTP2_DATA.rawValue:
            if endsStream { events.append(.ended(stream: id)) }
        case NGHTTP2_PING.rawValue:
            let acknowledges = unsafe frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
            events.append(acknowledges ? .pingAcknowledged : .ping)
        case NGHTTP2_GOAWAY.rawValue:
            unsafe events.append(
                .goAway(lastStream: frame.goaway.last_stream_id, error: frame.goaway.error_code))
        default:
            break
        }
    }

    /// A client may get 1xx header blocks before the response (RFC 9110 §15.2); they say nothing to gRPC.
    private func isInformational(_ stream: StreamState) -> Bool {
        guard role == .client, !stream.headersDone, let status = stream.headers.first(":status") else {
            return false
        }
        return status.count == 3 && status.first == UInt8(ascii: "1")
    }

    private func frameSent(_ frame: nghttp2_frame) {
        let id = unsafe frame.hd.stream_id
        let endsStream = unsafe frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        guard endsStream, let stream = stream(id), stream.resetsWhenSent else { return }
        _ = unsafe nghttp2_submit_rst_stream(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_NO_ERROR.rawValue)
    }

    private func streamClosed(_ id: Int32, error: UInt32) {
        events.append(.closed(stream: id, error: error))
    }
}

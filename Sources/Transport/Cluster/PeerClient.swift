internal import Cluster
internal import Delivery
internal import NIOCore
internal import NativeCore
internal import OTLP
internal import Telemetry

/// What a node may ask of a peer.
enum PeerMethod {
    /// Spans that the peer owns, as an OTLP request.
    case forward(ForwardHeaders)
    /// A chunk of traces that the peer owns from now on (`HandoffChunk`).
    case handoff
    /// Our status for the peer's (`PeerStatus`).
    case exchange
    /// Read the configuration again.
    case reload

    static let reloadPath = "/tailgate.v1.Peer/Reload"
    static let exchangePath = "/tailgate.v1.Peer/Exchange"
    static let handoffPath = "/tailgate.v1.Peer/Handoff"

    var path: String {
        switch self {
        case .forward: OTLPSignal.traces.exportPath
        case .handoff: Self.handoffPath
        case .exchange: Self.exchangePath
        case .reload: Self.reloadPath
        }
    }
}

/// How a call of a peer ended.
enum PeerAnswer {
    /// There was no connection in time.
    case notSent
    case answered(GRPCAnswer)

    /// What that means for what was sent. A refusal is believed only where the peer is sure to hold nothing.
    var outcome: ForwardOutcome {
        switch self {
        case .notSent, .answered(.transport(.connectionRefused)), .answered(.transport(.nameResolution)),
            .answered(.transport(.tlsHandshake)):
            .notSent
        case .answered(.transport(.refusedStream)): .refused(retryAfter: 0)
        case .answered(.transport), .answered(.http): .unknown
        case .answered(.status(let code, _, let delay, _)): Self.outcome(code, delay)
        }
    }

    /// The message of an OK answer.
    var payload: [UInt8]? {
        guard case .answered(.status(let code, let message, _, _)) = self, code == 0 else { return nil }
        return message
    }

    /// What a peer says about its reload.
    var reload: PeerReload {
        switch self {
        case .notSent: PeerReload(isGood: false, text: "no connection")
        case .answered(.status(let code, let message, _, _)):
            PeerReload(isGood: code == 0, text: String(decoding: message.prefix(64 << 10), as: UTF8.self))
        case .answered: PeerReload(isGood: false, text: "no answer")
        }
    }

    private static func outcome(_ code: Int, _ delay: Int64?) -> ForwardOutcome {
        switch GRPCStatusCode(rawValue: UInt8(clamping: code)) {
        case .ok: .taken
        case .unavailable, .resourceExhausted, .invalidArgument, .unimplemented, .unauthenticated, .permissionDenied,
            .failedPrecondition:
            .refused(retryAfter: max(0, delay ?? 0))
        default: .unknown
        }
    }
}

extension ForwardOutcome {
    var label: PeerOutcome {
        switch self {
        case .taken: .taken
        case .refused: .refused
        case .unknown: .unknown
        case .notSent: .notSent
        }
    }
}

/// The connections of one loop to the peers, each made when it is first needed. Several requests are under way on each.
///
/// Hand-off has a connection of its own: clients wait for the forwarding of their spans, and would wait for megabytes of chunks
/// before it.
final class PeerClients {
    private final class Peer {
        let channel: GRPCClientChannel
        let handoffChannel: GRPCClientChannel
        /// The fields of a forwarded request that are always the same; those of the credentials are not among them.
        let forwardFields: HTTP2Headers
        /// Counts up when all that is under way is given up.
        var generation = 0

        init(_ channel: GRPCClientChannel, handoff: GRPCClientChannel, _ forwardFields: HTTP2Headers) {
            self.channel = channel
            handoffChannel = handoff
            self.forwardFields = forwardFields
        }

        func channel(for method: PeerMethod) -> GRPCClientChannel {
            if case .handoff = method { handoffChannel } else { channel }
        }
    }

    private let plan: ClusterPlan
    private let eventLoop: any EventLoop
    private let noteHandshake: (TLSFailureReason?) -> Void
    private var peers: [String: Peer] = [:]
    private let frames = FrameBuffer()
    private var deflater: Deflater?
    private var isClosed = false

    init(_ plan: ClusterPlan, eventLoop: any EventLoop, noteHandshake: @escaping (TLSFailureReason?) -> Void = { _ in }) {
        self.plan = plan
        self.eventLoop = eventLoop
        self.noteHandshake = noteHandshake
    }

    private var now: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

    /// Calls a peer; `done` is called at most once, later: not at all if the peer is given up before (`giveUp`).
    ///
    /// - Parameter timeout: nanoseconds, connecting included.
    func call(
        _ address: String, _ method: PeerMethod, _ message: [UInt8], timeout: Int64, _ done: @escaping (PeerAnswer) -> Void
    ) {
        guard !isClosed, let peer = self.peer(address) else {
            eventLoop.assumeIsolated().execute { done(.notSent) }
            return
        }
        let deadline = now + timeout
        guard case .forward = method, plan.compression == .gzip else {
            send(peer, address, method, EncodedForm(coding: .identity, bytes: message), deadline, done)
            return
        }
        guard let encoders = plan.encoders, message.count > EncoderPool.inPlaceBytes else {
            send(peer, address, method, packed(message), deadline, done)
            return
        }
        let generation = peer.generation
        encoders.encode(message, on: eventLoop) { [weak self, weak peer] form in
            guard let self, let peer, peer.generation == generation else { return }
            self.send(peer, address, method, form, deadline, done)
        }
    }

    /// Compresses a small message, where that makes it smaller.
    private func packed(_ message: [UInt8]) -> EncodedForm {
        if deflater == nil { deflater = Deflater() }
        guard let packed = deflater?.gzip(message.span), packed.count < message.count else {
            return EncodedForm(coding: .identity, bytes: message)
        }
        return EncodedForm(coding: .gzip, bytes: packed)
    }

    private func send(
        _ peer: Peer, _ address: String, _ method: PeerMethod, _ form: EncodedForm, _ deadline: Int64,
        _ done: @escaping (PeerAnswer) -> Void
    ) {
        let generation = peer.generation
        let channel = peer.channel(for: method)
        func send() -> Bool {
            guard let connection = channel.ready else { return false }
            return start(connection, peer, address, method, form, timeout: max(1, deadline - now)) { [weak peer] answer in
                if peer?.generation == generation { done(.answered(answer)) }
            }
        }
        if send() { return }
        channel.connect { [weak self, weak peer] why in
            guard let self, peer?.generation == generation else { return }
            if why != nil || self.now >= deadline || !send() { done(.notSent) }
        }
    }

    private func start(
        _ connection: GRPCClientConnection, _ peer: Peer, _ address: String, _ method: PeerMethod, _ form: EncodedForm,
        timeout: Int64, _ done: @escaping (GRPCAnswer) -> Void
    ) -> Bool {
        var head: [UInt8] = []
        GRPCFraming.appendPrefix(length: form.bytes.count, isCompressed: form.coding == .gzip, to: &head)
        return connection.call(
            headers: headers(peer, address, method, form.coding), head: head, body: form.bytes, timeout: timeout,
            readsPayload: true, done)
    }

    private func headers(_ peer: Peer, _ address: String, _ method: PeerMethod, _ coding: Coding) -> HTTP2Headers {
        var fields: HTTP2Headers
        if case .forward(let headers) = method {
            fields = peer.forwardFields
            headers.write { fields.append($0, bytes: $1) }
        } else {
            fields = commonFields(address, method.path)
        }
        if coding == .gzip { fields.append("grpc-encoding", "gzip") }
        if let credentials = plan.credentials {
            fields.append(credentials.headerName, credentials.current.value.revealed, isSecret: true)
        }
        return fields
    }

    private func commonFields(_ address: String, _ path: String) -> HTTP2Headers {
        var fields = HTTP2Headers()
        fields.append(":method", "POST")
        fields.append(":scheme", plan.tls == nil ? "http" : "https")
        fields.append(":path", path)
        fields.append(":authority", address)
        fields.append("content-type", "application/grpc")
        fields.append("te", "trailers")
        return fields
    }

    private func peer(_ address: String) -> Peer? {
        if let known = peers[address] { return known }
        guard let parsed = try? MemberAddress(parsing: address) else { return nil }
        var settings = GRPCClientSettings(
            endpoint: .host(parsed.hostText, port: Int(parsed.port)), authority: address)
        settings.connectTimeout = 1_000_000_000
        settings.tls = plan.tls
        func channel() -> GRPCClientChannel {
            GRPCClientChannel(settings: settings, eventLoop: eventLoop, frames: frames, noteHandshake: noteHandshake)
        }
        let made = Peer(channel(), handoff: channel(), commonFields(address, OTLPSignal.traces.exportPath))
        peers[address] = made
        return made
    }

    /// The peer does not answer: what is under way to it is forgotten, and the connection closed.
    func giveUp(_ address: String) {
        guard let peer = peers.removeValue(forKey: address) else { return }
        peer.generation += 1
        peer.channel.close()
        peer.handoffChannel.close()
    }

    /// For good.
    func close() {
        isClosed = true
        for address in Array(peers.keys) { giveUp(address) }
    }
}

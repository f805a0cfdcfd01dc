import LoadTools
import NIOCore
import NIOPosix
import NativeCore
import OTLP
import Transport

/// A counting OTLP/gRPC server: one event loop, one ledger, as many connections as come.
///
/// Owner: `loop`. Make it, call ``start(host:port:)``, and read ``report()`` at any time.
final class SinkServer: Sendable {
    let loop: any EventLoop
    private let core: NIOLoopBound<SinkCore>

    private init(loop: any EventLoop, core: NIOLoopBound<SinkCore>) {
        self.loop = loop
        self.core = core
    }

    static func make(
        on loop: any EventLoop, behaviour: SinkBehaviour, spansPerTrace: Int?, lateAfterNanoseconds: Int64,
        traceLimit: Int, tls: TLSMaterial? = nil
    ) async throws -> SinkServer {
        try await loop.submit {
            let ledger = SinkLedger(
                spansPerTrace: spansPerTrace, lateAfterNanoseconds: lateAfterNanoseconds, traceLimit: traceLimit)
            let core = SinkCore(loop: loop, behaviour: behaviour, ledger: ledger, tls: tls)
            return SinkServer(loop: loop, core: NIOLoopBound(core, eventLoop: loop))
        }.get()
    }

    /// Listens; answers with the port, which the system chooses if `port` is 0.
    func start(host: String, port: Int) async throws -> Int {
        try await loop.flatSubmit { [core] in core.value.listen(host: host, port: port) }.get()
    }

    func snapshot() async throws -> SinkSnapshot {
        try await loop.submit { [core] in core.value.snapshot() }.get()
    }

    func stop() async throws {
        try await loop.submit { [core] in core.value.stop() }.get()
    }
}

/// What a sink knows at one moment.
struct SinkSnapshot: Sendable {
    var ledger: SinkLedger
    var refused: UInt64
    /// Since the sink listens.
    var seconds: Double
}

/// The sink's state; everything here happens on its loop.
final class SinkCore {
    private let loop: any EventLoop
    private let behaviour: SinkBehaviour
    /// nil: plain text.
    private let tls: TLSMaterial?
    private var ledger: SinkLedger
    private var inflater: Inflater?
    private var requests: UInt64 = 0
    private var refused: UInt64 = 0
    private var began: Int64 = 0
    private var unixOffset: Int64 = 0
    private var listener: (any Channel)?
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var isStopped = false

    init(loop: any EventLoop, behaviour: SinkBehaviour, ledger: SinkLedger, tls: TLSMaterial?) {
        self.loop = loop
        self.tls = tls
        self.behaviour = behaviour
        self.ledger = ledger
    }

    func snapshot() -> SinkSnapshot {
        SinkSnapshot(ledger: ledger, refused: refused, seconds: Double(MonotonicClock.now() - began) / 1e9)
    }

    // MARK: listening

    func listen(host: String, port: Int) -> EventLoopFuture<Int> {
        began = MonotonicClock.now()
        unixOffset = WallClock.now() - began
        let core = NIOLoopBound(self, eventLoop: loop)
        return bind(host: host, port: port).map { channel in
            let port = channel.localAddress?.port ?? port
            core.value.planOutage(host: host, port: port)
            return port
        }
    }

    private func bind(host: String, port: Int) -> EventLoopFuture<any Channel> {
        let core = NIOLoopBound(self, eventLoop: loop)
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = core.value.tls { try channel.pipeline.syncOperations.addHandler(tls.serverHandler()) }
                    try channel.pipeline.syncOperations.addHandler(SinkConnection(core: core.value))
                    core.value.opened(channel)
                }
            }
            .bind(host: host, port: port)
            .map { channel in
                core.value.listener = channel
                return channel
            }
    }

    private func planOutage(host: String, port: Int) {
        guard behaviour.outage == .close, let after = behaviour.unavailableAfterNanoseconds else { return }
        let core = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(after)) { core.value.closeAll() }
        let back = after.addingReportingOverflow(behaviour.unavailableForNanoseconds)
        guard !back.overflow else { return }
        loop.scheduleTask(in: .nanoseconds(back.partialValue)) { core.value.reopen(host: host, port: port) }
    }

    private func reopen(host: String, port: Int) {
        guard !isStopped else { return }
        let core = NIOLoopBound(self, eventLoop: loop)
        bind(host: host, port: port).whenFailure { error in
            StandardError.print("sink: can't listen on \(host):\(port) again: \(error)")
            // Somebody else may hold the port for a moment.
            core.value.loop.scheduleTask(in: .seconds(1)) { core.value.reopen(host: host, port: port) }
        }
    }

    func stop() {
        isStopped = true
        closeAll()
    }

    private func closeAll() {
        listener?.close(promise: nil)
        listener = nil
        for channel in connections.values { channel.close(promise: nil) }
    }

    private func opened(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        connections[id] = channel
        let core = NIOLoopBound(self, eventLoop: loop)
        channel.closeFuture.whenComplete { _ in core.value.connections[id] = nil }
    }

    // MARK: requests

    /// What a connection has to do about an export request.
    enum Reply {
        case ok(afterNanoseconds: Int64)
        case status(GRPCStatusCode, String, retryNanoseconds: Int64?, afterNanoseconds: Int64)
        case none
    }

    /// Takes the body of an export request: a gRPC message.
    func export(_ body: [UInt8], isGzip: Bool) -> Reply {
        let now = MonotonicClock.now() - began
        defer { requests += 1 }
        switch behaviour.answer(request: requests, now: now) {
        case .hang:
            refused += 1
            return .none
        case .refuse(let status, let retry, let delay):
            refused += 1
            return .status(status, "the sink was told to refuse this", retryNanoseconds: retry, afterNanoseconds: delay)
        case .accept(let delay):
            return count(body, isGzip: isGzip, now: now) ?? .ok(afterNanoseconds: delay)
        }
    }

    /// Counts a message's spans; a reply if that can't be done.
    private func count(_ body: [UInt8], isGzip: Bool, now: Int64) -> Reply? {
        func problem(_ status: GRPCStatusCode, _ text: String) -> Reply {
            .status(status, text, retryNanoseconds: nil, afterNanoseconds: 0)
        }
        let prefix = GRPCFraming.prefixLength
        guard body.count >= prefix else { return problem(.unimplemented, "no message in the request") }
        let length = Int(body[1]) << 24 | Int(body[2]) << 16 | Int(body[3]) << 8 | Int(body[4])
        guard length == body.count - prefix else { return problem(.internal, "the message is cut short") }
        let message = body.span.extracting(droppingFirst: prefix)
        do throws(MalformedRequest) {
            if body[0] == 0 {
                try ledger.receive(message, now: now, unixNow: now + began + unixOffset)
                return nil
            }
        } catch {
            return problem(.invalidArgument, "not an ExportTraceServiceRequest, at byte \(error.offset)")
        }
        guard isGzip else { return problem(.internal, "compressed, but grpc-encoding doesn't say how") }
        if inflater == nil { inflater = Inflater() }
        guard let expanded = try? inflater?.inflate(message, limit: 256 << 20) else {
            return problem(.internal, "the message can't be inflated")
        }
        do throws(MalformedRequest) {
            try ledger.receive(expanded.span, now: now, unixNow: now + began + unixOffset)
            return nil
        } catch {
            return problem(.invalidArgument, "not an ExportTraceServiceRequest, at byte \(error.offset)")
        }
    }
}

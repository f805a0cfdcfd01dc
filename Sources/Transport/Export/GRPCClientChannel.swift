internal import Delivery
package import NIOCore
internal import NIOPosix
internal import NativeCore
package import Telemetry

/// The way to one gRPC server: one HTTP/2 connection, made when it is needed and made again when it is lost. The name is looked
/// up for every connection. Confined to its loop.
package final class GRPCClientChannel {
    package let settings: GRPCClientSettings
    private let eventLoop: any EventLoop
    /// Told about every TLS handshake: nil for a success.
    private let noteHandshake: (TLSFailureReason?) -> Void
    private let frames: FrameBuffer
    private var connection: GRPCClientConnection?
    private var isConnecting = false
    private var isClosed = false
    /// Told when there is a connection, or why there is none.
    private var waiting: [(String?) -> Void] = []

    /// - Parameter frames: what several channels of a loop may share.
    package init(
        settings: GRPCClientSettings, eventLoop: any EventLoop, frames: FrameBuffer = FrameBuffer(),
        noteHandshake: @escaping (TLSFailureReason?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.eventLoop = eventLoop
        self.noteHandshake = noteHandshake
        self.frames = frames
    }

    /// A connection that takes calls now, if there is one.
    package var ready: GRPCClientConnection? {
        guard let connection, connection.acceptsCalls else { return nil }
        return connection
    }

    /// Calls `done` once, later: with nil when there is a connection, otherwise with the reason why there is none.
    package func connect(_ done: @escaping (String?) -> Void) {
        if isClosed {
            eventLoop.assumeIsolated().execute { done("it was shut down") }
            return
        }
        waiting.append(done)
        connect()
    }

    /// Closes at once, for good. Open calls end with `TransportFailure.connectionLost`; who waits for a connection is told.
    package func close() {
        isClosed = true
        drop("it was shut down")
    }

    /// Closes the connection at once; the next call makes another one.
    package func drop(_ why: String) {
        let old = connection
        connection = nil
        old?.close()
        tell(why)
    }

    private func connect() {
        guard !isConnecting, !isClosed else { return }
        isConnecting = true
        let ready = settings.tls.map { _ in eventLoop.makePromise(of: Void.self) }
        let frames = NIOLoopBound(frames, eventLoop: eventLoop)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.nanoseconds(settings.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .channelInitializer { [settings] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = settings.tls, let ready {
                        try pipeline.addHandlers(settings.tlsHandlers(tls, done: ready))
                    }
                    try pipeline.addHandler(GRPCClientConnection(keepalive: settings.keepalive, frames: frames.value))
                }
            }
        let channel: EventLoopFuture<any Channel> =
            switch settings.endpoint {
            case .host(let host, let port): bootstrap.connect(host: host, port: port)
            case .unixSocket(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        channel.assumeIsolated().whenComplete { [weak self] result in
            switch result {
            case .success(let channel): self?.connected(channel, ready?.futureResult)
            case .failure(let error):
                ready?.fail(error)
                self?.failed("\(error)")
            }
        }
    }

    /// There is a connection; with TLS, there may be one.
    private func connected(_ channel: any Channel, _ ready: EventLoopFuture<Void>?) {
        guard let ready else {
            isConnecting = false
            adopt(channel)
            return
        }
        ready.assumeIsolated().whenComplete { [weak self] result in
            guard let self else { return }
            switch result {
            case .success:
                self.isConnecting = false
                self.noteHandshake(nil)
                self.adopt(channel)
            case .failure(let error):
                channel.close(promise: nil)
                self.noteHandshake((error as? TLSFailure)?.reason ?? .other)
                self.failed("TLS: \(error)")
            }
        }
    }

    /// What it means most often when a server closes right after the handshake of TLS 1.3: it has looked at this side's
    /// certificate only then, and its alert may be lost.
    private static func earlyEnd(_ settings: TLSSettings) -> TLSFailure {
        settings.certificate == nil
            ? TLSFailure(
                .noClientCertificate,
                "the server closed the connection right after the handshake: it demands a certificate (`cert_file`, `key_file`), most often")
            : TLSFailure(
                .badCertificate,
                "the server closed the connection right after the handshake: it does not accept this node's certificate, most often")
    }

    private func failed(_ why: String) {
        isConnecting = false
        tell("no connection to \(settings.authority): \(why)")
    }

    private func adopt(_ channel: any Channel) {
        guard !isClosed, let handler = try? channel.pipeline.syncOperations.handler(type: GRPCClientConnection.self)
        else {
            channel.close(promise: nil)
            return
        }
        connection = handler
        if let tls = settings.tls { handler.explainEarlyEnd = Self.earlyEnd(tls.settings) }
        handler.onRetire = { [weak self, weak handler] in
            guard let self, let handler, self.connection === handler else { return }
            self.connection = nil
        }
        tell(nil)
    }

    private func tell(_ why: String?) {
        let told = waiting
        waiting.removeAll()
        for done in told { done(why) }
    }
}

internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import NativeCore
internal import Telemetry

/// Stands behind a client's TLS handler until the handshake has succeeded or failed, and tells which. Confined to its loop.
final class TLSClientObserver: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let done: EventLoopPromise<Void>
    private var isDone = false
    private var expiry: Scheduled<Void>?
    private let timeout: Int64

    /// - Parameters:
    ///   - timeout: of the handshake, nanoseconds.
    ///   - done: succeeds when the handshake has, fails with a `TLSFailure`.
    init(timeout: Int64, done: EventLoopPromise<Void>) {
        self.timeout = timeout
        self.done = done
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard timeout > 0 else { return }
        let channel = context.channel
        expiry = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout)) { [weak self] in
            self?.finish(.failure(TLSFailure(.timeout, "the TLS handshake was not complete in time")))
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        finish(.failure(TLSFailure(.disconnected, "the server left during the handshake")))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent, !isDone {
            // No answer at all is fine: servers from before ALPN became usual speak HTTP/2 on such ports.
            if let negotiated, negotiated != "h2" {
                finish(.failure(TLSFailure(.noCommonParameters, "the server chose \(negotiated) instead of h2")))
                context.close(promise: nil)
            } else {
                finish(.success(()))
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isDone {
            let peer = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self).peerCertificate
            finish(
                .failure(
                    TLSFailure(error, side: .client, peerValidity: peer?.validity, now: SystemClocks.unixSeconds())))
        }
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(TLSFailure(.disconnected, "the server left during the handshake")))
        context.fireChannelInactive()
    }

    private func finish(_ result: Result<Void, TLSFailure>) {
        guard !isDone else { return }
        isDone = true
        expiry?.cancel()
        switch result {
        case .success: done.succeed()
        case .failure(let failure): done.fail(failure)
        }
    }
}

extension GRPCClientSettings {
    /// See `TLSServerName`.
    var tlsServerName: String? {
        let host = switch endpoint {
        case .host(let host, _): host
        case .unixSocket: "localhost"
        }
        return TLSServerName.of(host: host, wanted: tls?.settings.serverName)
    }

    /// The TLS handlers of a new connection, outermost first.
    func tlsHandlers(_ credentials: TLSCredentials, done: EventLoopPromise<Void>) throws -> [any ChannelHandler] {
        let handler = try NIOSSLClientHandler(context: credentials.context, serverHostname: tlsServerName)
        return [handler, TLSClientObserver(timeout: connectTimeout, done: done)]
    }
}

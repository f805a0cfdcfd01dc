import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
package import Transport

/// An HTTP/1.1 listener for pages about the node: metrics, health, ledger.
///
/// It has a thread of its own, so that neither a scrape delays spans nor the other way round, and
/// every connection, request and response is bounded by `AdminLimits`.
package final class AdminServer: Sendable {
    /// The address that the socket is bound to.
    package let host: String
    /// The bound port, also if port 0 was asked for.
    package let port: Int

    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel

    private init(host: String, port: Int, group: MultiThreadedEventLoopGroup, channel: any Channel) {
        self.host = host
        self.port = port
        self.group = group
        self.channel = channel
    }

    /// Opens a listener.
    ///
    /// - Parameters:
    ///   - host: address or name to bind; empty for all addresses.
    ///   - port: 0 lets the system choose.
    ///   - guards: TLS, and who may look.
    package static func start(
        host: String, port: Int, responder: some AdminResponder, limits: AdminLimits = AdminLimits(),
        guards: AdminGuards = AdminGuards()
    ) async throws(AdminServerError) -> AdminServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        // all connections live on the group's only loop, so a plain number counts them
        let open = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: group.next())
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                guard open.value < limits.connections else {
                    return channel.eventLoop.makeFailedFuture(AdminConnectionRefused())
                }
                return channel.eventLoop.makeCompletedFuture {
                    try Self.configure(channel, responder, limits, guards) { open.value -= 1 }
                    open.value += 1
                }
            }
        do {
            let channel = try await bootstrap.bind(
                host: host.isEmpty ? "0.0.0.0" : host, port: port
            ).get()
            return AdminServer(
                host: channel.localAddress?.ipAddress ?? host,
                port: channel.localAddress?.port ?? port, group: group, channel: channel)
        } catch {
            try? await group.shutdownGracefully()
            throw AdminServerError(host: host, port: port, reason: .init(error))
        }
    }

    /// Stops listening and ends all connections.
    package func shutdown() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }

    private static func configure(
        _ channel: any Channel, _ responder: some AdminResponder, _ limits: AdminLimits, _ guards: AdminGuards,
        onClose: @escaping () -> Void
    ) throws {
        var decoder = NIOHTTPDecoderLimitConfiguration()
        decoder.maxHeaderFieldSize = limits.headerBytes
        decoder.maxHeaderListSize = limits.headerBytes
        decoder.maxHeaderFieldCount = limits.headerCount
        let pipeline = channel.pipeline.syncOperations
        if let tls = guards.tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context)) }
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: true, withErrorHandling: true,
            withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
            withDecoderLimitConfiguration: decoder)
        try pipeline.addHandler(
            AdminConnectionHandler(
                responder: responder, limits: limits, authenticator: guards.authenticator, onClose: onClose))
    }
}

/// Who may look at an admin listener, and how.
package struct AdminGuards: Sendable {
    /// Nil: plain HTTP.
    package var tls: TLSCredentials?
    /// Nil: everybody. `/healthz` and `/readyz` are open to everybody in any case.
    package var authenticator: RequestAuthenticator?

    package init(tls: TLSCredentials? = nil, authenticator: RequestAuthenticator? = nil) {
        self.tls = tls
        self.authenticator = authenticator
    }
}

/// Fails the set-up of a connection over the limit, which closes it.
private struct AdminConnectionRefused: Error {}

extension AdminServerError.Reason {
    fileprivate init(_ error: any Error) {
        let code =
            switch error {
            case let error as IOError: error.errnoCode
            case let error as NIOConnectionError:
                error.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }.first ?? 0
            default: 0 as CInt
            }
        self =
            switch code {
            case EADDRINUSE: .portInUse
            case EACCES, EPERM: .notPermitted
            case EADDRNOTAVAIL: .notLocal
            default: .other("\(error)")
            }
    }
}

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
        // All connections live on the group's only loop.
        let open = NIOLoopBoundBox.makeBoxSendingValue(AdminConnections(), eventLoop: group.next())
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                let connections = open.value
                guard connections.makeRoom(limits.connections) else {
                    return channel.eventLoop.makeFailedFuture(AdminConnectionRefused())
                }
                return channel.eventLoop.makeCompletedFuture {
                    let handler = try Self.configure(channel, responder, limits, guards) { connections.remove($0) }
                    connections.add(handler)
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
        onClose: @escaping (AdminConnectionHandler) -> Void
    ) throws -> AdminConnectionHandler {
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
        let handler = AdminConnectionHandler(
            responder: responder, limits: limits, authenticator: guards.authenticator, onClose: onClose)
        try pipeline.addHandler(handler)
        return handler
    }
}

/// The open connections of an admin listener. Confined to its loop.
private final class AdminConnections {
    private var handlers: [ObjectIdentifier: AdminConnectionHandler] = [:]

    func add(_ handler: AdminConnectionHandler) { handlers[ObjectIdentifier(handler)] = handler }

    func remove(_ handler: AdminConnectionHandler) { handlers[ObjectIdentifier(handler)] = nil }

    /// Whether one more may come. If there are as many as may be, the one goes that has kept the node waiting for longest, for a
    /// request or for an answer to be taken: so clients that open connections and are slow keep nobody out.
    func makeRoom(_ limit: Int) -> Bool {
        if handlers.count < limit { return true }
        let waiting = handlers.values.filter { $0.waitsSince != nil }
        guard let oldest = waiting.min(by: { ($0.waitsSince ?? .distantFuture) < ($1.waitsSince ?? .distantFuture) }) else {
            return false
        }
        remove(oldest)
        oldest.giveWay()
        return true
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

internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Transport

/// Opens the sockets that clients connect to.
enum Listening {
    /// Listens, and puts every connection on the worker whose loop it came on.
    ///
    /// - Parameter number: place among the node's listeners.
    static func start(
        _ listener: ListenerConfig, number: Int, group: MultiThreadedEventLoopGroup, workers: [WorkerHandle]
    ) async throws -> any Channel {
        var servers: [ObjectIdentifier: WorkerHandle] = [:]
        for worker in workers { servers[ObjectIdentifier(worker.eventLoop)] = worker }
        let byLoop = servers
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 1024, maximum: 256 << 10))
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let worker = byLoop[ObjectIdentifier(channel.eventLoop)] else {
                        throw GatewayError("a connection came on a loop without a worker")
                    }
                    try worker.onLoop.server.adopt(channel, receiver: number)
                }
            }
        do {
            switch listener.endpoint {
            case .address(let address): return try await bind(bootstrap, address)
            case .unix(let path): return try await bind(bootstrap, path: path, group)
            }
        } catch {
            throw GatewayError(ListenProblem.text(error, endpoint: listener.endpoint, of: "receiver \(listener.receiver)"))
        }
    }

    /// Without a host, all interfaces: IPv6 and, through it, IPv4; IPv4 alone where the machine has no IPv6.
    private static func bind(_ bootstrap: ServerBootstrap, _ address: NetworkAddress) async throws -> any Channel {
        let tcp =
            bootstrap
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        let both = ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only)
        guard address.host.isEmpty else {
            let isAnyIPv6 = address.host == "::"
            return try await (isAnyIPv6 ? tcp.serverChannelOption(both, value: 0) : tcp)
                .bind(host: address.host, port: address.port).get()
        }
        do {
            return try await tcp.serverChannelOption(both, value: 0).bind(host: "::", port: address.port).get()
        } catch let error as IOError where error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL {
            return try await tcp.bind(host: "0.0.0.0", port: address.port).get()
        }
    }

    /// A socket file that a dead process left behind is removed; one that somebody answers on is not, and neither is a file that
    /// is no socket.
    private static func bind(
        _ bootstrap: ServerBootstrap, path: String, _ group: MultiThreadedEventLoopGroup
    ) async throws -> any Channel {
        do {
            return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: false).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            if let other = try? await ClientBootstrap(group: group).connectTimeout(.seconds(1))
                .connect(unixDomainSocketPath: path).get()
            {
                try? await other.close()
                throw error
            }
            return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        }
    }

    /// Stops listening; a socket's file goes too.
    static func stop(_ listener: any Channel) async {
        let path = listener.localAddress?.pathname
        try? await listener.close()
        if let path, !path.isEmpty { try? FileManager.default.removeItem(atPath: path) }
    }
}

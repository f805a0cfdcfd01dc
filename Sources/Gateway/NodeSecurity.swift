internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NativeCore
internal import Telemetry
internal import Transport

/// Certificates, tokens and passwords of a node: read at start, handed to whoever needs them, read again when they change.
final class NodeSecurity: Sendable {
    /// In the order of `ListenerConfig.all`.
    private let listeners: [ListenerSecurity]
    /// By exporter; none for plain text and for what is no network.
    let exporterTLS: [ComponentID: TLSCredentials]
    /// What exporters show, by extension.
    let credentials: [ComponentID: RequestCredentials]
    /// For connections to peers; nil: plain text.
    let peerTLS: TLSCredentials?
    let adminTLS: TLSCredentials?
    let adminAuthenticator: RequestAuthenticator?
    let healthTLS: TLSCredentials?
    /// Everything that is read from files.
    let reloadables: [any Reloadable]
    private let log: ThrottledLog
    /// For password hashes and for reading files: neither may hold up a worker.
    let pool: NIOThreadPool

    init(_ config: GatewayConfig, logger: Logger) throws(GatewayError) {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        do throws(GatewayError) {
            var builder = Builder(config: config, pool: pool)
            var listeners: [ListenerSecurity] = []
            for listener in ListenerConfig.all(of: config) {
                let name = "\(listener.receiver) \(listener.transport)"
                listeners.append(
                    ListenerSecurity(
                        name: name, tls: try builder.tls(listener.guards.tls, "receiver \(name)"),
                        authenticator: try builder.authenticator(listener.guards.auth)))
            }
            self.listeners = listeners
            var exporterTLS: [ComponentID: TLSCredentials] = [:]
            for exporter in config.exporters {
                guard case .otlp(let settings) = exporter.kind else { continue }
                exporterTLS[exporter.id] = try builder.tls(settings.client.tls, "exporter \(exporter.id)")
                try builder.credentials(settings.client.auth)
            }
            self.exporterTLS = exporterTLS
            peerTLS = try builder.tls(config.cluster?.peerTLS, "cluster, connections to peers")
            try builder.credentials(config.cluster?.auth)
            adminTLS = try builder.tls(config.telemetry.admin.tls, "admin endpoint")
            adminAuthenticator = try builder.authenticator(config.telemetry.admin.auth)
            healthTLS = try builder.tls(config.healthCheck?.tls, "health_check")
            credentials = builder.credentials
            reloadables = builder.reloadables
        } catch {
            pool.shutdownGracefully { _ in }
            throw error
        }
        self.pool = pool
        log = ThrottledLog(logger)
        for tls in reloadables.compactMap({ $0 as? TLSCredentials }) {
            for warning in tls.warnings {
                logger.warning("certificate", metadata: ["of": "\(tls.name)", "message": "\(warning.message)"])
            }
        }
    }

    /// What the workers get.
    /// - Parameter configured: in the order of the plan's limits.
    func plan(_ configured: [ListenerConfig], _ descriptors: DescriptorBudget) -> SecurityPlan {
        func most(_ isForPeers: Bool) -> Int? {
            configured.filter { $0.settings.isForPeers == isForPeers }.map(\.limits.maximumConnections).max()
        }
        let clients = most(false) ?? ServerLimits().maximumConnections
        let peers = most(true) ?? 0
        return SecurityPlan(
            listeners: listeners,
            limiter: ConnectionLimiter(maximumConnections: min(clients, descriptors.clients ?? clients)),
            peerLimiter: ConnectionLimiter(maximumConnections: min(peers, descriptors.peers)), log: log)
    }

    func shutdown() async { try? await pool.shutdownGracefully() }

    /// Reads each thing once, however many name it.
    private struct Builder {
        let config: GatewayConfig
        let pool: NIOThreadPool
        var reloadables: [any Reloadable] = []
        var authenticators: [ComponentID: RequestAuthenticator] = [:]
        var credentials: [ComponentID: RequestCredentials] = [:]

        mutating func tls(_ settings: TLSSettings?, _ name: String) throws(GatewayError) -> TLSCredentials? {
            guard let settings else { return nil }
            do throws(TLSProblems) {
                let made = try TLSCredentials(
                    settings, name: "\(name): tls", now: SystemClocks.unixSeconds(), uptime: uptime())
                reloadables.append(made)
                return made
            } catch {
                throw GatewayError("\(name): tls: \(error)")
            }
        }

        mutating func authenticator(_ reference: AuthReference?) throws(GatewayError) -> RequestAuthenticator? {
            guard let reference else { return nil }
            if let made = authenticators[reference.id] { return made }
            guard let settings = config.authenticators.first(where: { $0.id == reference.id })?.server else {
                throw GatewayError("`\(reference.id)` is no authenticator for a server")
            }
            do throws(CredentialProblem) {
                let made = try RequestAuthenticator(settings, name: "\(reference.id)", pool: pool)
                authenticators[reference.id] = made
                reloadables.append(made)
                return made
            } catch {
                throw GatewayError("extension \(reference.id): \(error)")
            }
        }

        mutating func credentials(_ reference: AuthReference?) throws(GatewayError) {
            guard let reference, credentials[reference.id] == nil else { return }
            guard let settings = config.authenticators.first(where: { $0.id == reference.id })?.client else {
                throw GatewayError("`\(reference.id)` is no authenticator for an exporter")
            }
            do throws(CredentialProblem) {
                let made = try RequestCredentials(settings, name: "\(reference.id)")
                credentials[reference.id] = made
                reloadables.append(made)
            } catch {
                throw GatewayError("extension \(reference.id): \(error)")
            }
        }
    }
}

private func uptime() -> Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

/// Looks after a node's certificates, tokens and passwords while it runs.
enum CredentialReloads {
    /// Looks once a second; a look at an unchanged file is one `stat`.
    static func start(
        _ security: NodeSecurity, _ worker: WorkerHandle, _ metrics: SecurityMetrics, _ logger: Logger
    ) -> Task<Void, Never> {
        guard !security.reloadables.isEmpty else { return Task {} }
        return Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                if Task.isCancelled { return }
                await look(security, worker, metrics, logger)
            }
        }
    }

    private static func look(
        _ security: NodeSecurity, _ worker: WorkerHandle, _ metrics: SecurityMetrics, _ logger: Logger
    ) async {
        let things = security.reloadables
        let outcomes = try? await security.pool.runIfActive {
            things.map { $0.reload(now: SystemClocks.unixSeconds(), uptime: uptime()) }
        }
        for (thing, outcome) in zip(things, outcomes ?? []) {
            switch outcome {
            case .unchanged: continue
            case .taken(let what):
                logger.info("credentials renewed", metadata: ["of": "\(thing.name)", "message": "\(what)"])
                try? await worker.run { $0.server.worker.cells.add(metrics.reloadsTaken) }
            case .failed(let why):
                logger.error(
                    "changed credentials can't be used; the old ones stay in force",
                    metadata: ["of": "\(thing.name)", "message": "\(why)"])
                try? await worker.run { $0.server.worker.cells.add(metrics.reloadsFailed) }
            }
        }
    }
}

package import Logging
internal import Delivery
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import NativeCore
internal import Processing
internal import Sampling
internal import Synchronization
package import Telemetry
internal import Transport

/// A running node: the composition root. Built from a configuration, stopped by `shutdown`.
///
/// Owns the event loops, the workers on them, the listeners and the admin endpoint. All of its methods may be called from
/// any task; nothing of it is on the path of a span.
package final class Gateway: Sendable {
    private let config: GatewayConfig
    private let plan: NodePlan
    private let process: ProcessStatistics
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let filePool: NIOThreadPool
    private let encoders: EncoderPool
    private let security: NodeSecurity
    private let credentialReloads: Task<Void, Never>
    private let workers: [WorkerHandle]
    private let listeners: [any Channel]
    private let admin: AdminServer?
    private let healthCheck: AdminServer?
    private let directory: PolicyDirectory
    private let reloader: Reloader
    private let watcher: Task<Void, Never>?
    /// Nil: the node is alone.
    private let cluster: ClusterNode?
    private let conditionErrors: ConditionErrorBook
    private let conditionErrorReports: Task<Void, Never>
    private let status: GatewayStatus

    private init(
        config: GatewayConfig, plan: NodePlan, process: ProcessStatistics, logger: Logger,
        group: MultiThreadedEventLoopGroup, filePool: NIOThreadPool, encoders: EncoderPool, security: NodeSecurity,
        credentialReloads: Task<Void, Never>, workers: [WorkerHandle], listeners: [any Channel],
        admin: AdminServer?, healthCheck: AdminServer?, directory: PolicyDirectory, reloader: Reloader,
        watcher: Task<Void, Never>?, conditionErrors: ConditionErrorBook, cluster: ClusterNode?, status: GatewayStatus
    ) {
        self.config = config
        self.plan = plan
        self.process = process
        self.logger = logger
        self.group = group
        self.filePool = filePool
        self.encoders = encoders
        self.security = security
        self.credentialReloads = credentialReloads
        self.workers = workers
        self.listeners = listeners
        self.admin = admin
        self.healthCheck = healthCheck
        self.directory = directory
        self.reloader = reloader
        self.watcher = watcher
        self.cluster = cluster
        self.conditionErrors = conditionErrors
        conditionErrorReports = Task { await conditionErrors.run() }
        self.status = status
    }

    /// Ports of the OTLP listeners, in the order of the receivers, gRPC before HTTP; 0 for Unix sockets.
    package var receiverPorts: [Int] { clientListeners.map { $0.localAddress?.port ?? 0 } }
    /// That for peers is the last one.
    private var clientListeners: ArraySlice<any Channel> { listeners.dropLast(config.cluster == nil ? 0 : 1) }
    /// Whether it takes requests now: a node of a cluster first has to know its peers.
    package var isReady: Bool { status.isReady }
    /// Port of the admin endpoint, nil if metrics are off.
    package var adminPort: Int? { admin?.port }
    package var workerCount: Int { workers.count }
    package var state: GatewayState { status.state }
    /// Bytes of memory in use as the limiter sees them.
    package var memoryUsedBytes: Int { plan.memory.usedBytes }
    package var memoryLimitBytes: Int { plan.memory.limitBytes }
    /// What each part may hold at most, beside the limit.
    package var memoryBounds: MemoryBounds { MemoryBounds(plan, config) }
    /// How file descriptors are divided.
    package var descriptors: DescriptorBudget { DescriptorBudget(config, limit: process.maxFDs, workers: workers.count) }
    /// Where the series of `NodeSnapshot.metrics` stand.
    package var metrics: NodeMetrics { plan.metrics }

    // MARK: start

    /// Starts a node. When this returns it is serving. Nothing is left running if it throws.
    package static func start(
        _ config: GatewayConfig, options: GatewayOptions, logger: Logger
    ) async throws(GatewayError) -> Gateway {
        let process = ProcessStatistics()
        let count = max(1, options.workers ?? System.coreCount)
        let descriptors = DescriptorBudget(config, limit: process.maxFDs, workers: count)
        var adminLimits = AdminLimits()
        adminLimits.connections = descriptors.admin
        let security = try NodeSecurity(config, logger: logger)
        let policyMemory = NodePlanner.PolicyMemory()
        let needs = config.detectionNeeds()
        let variables = ProcessInfo.processInfo.environment
        let environment = needs.isEmpty
            ? DetectionEnvironment(variables: variables) : await HostProbe.look(needs, variables: variables)
        let plan: NodePlan
        let files: [Int: AppendFile]
        do throws(GatewayError) {
            plan = try NodePlanner.plan(
                config, options: options, process: process, workers: count, security: security, memory: policyMemory,
                environment: environment)
            files = try DestinationBuilder.openFiles(config.exporters(of: .traces), logger: logger)
        } catch {
            await security.shutdown()
            throw error
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        let filePool = NIOThreadPool(numberOfThreads: 1)
        filePool.start()
        // As many as processors: while the loops have little to do, compression may use them all.
        let encoders = EncoderPool(threads: System.coreCount)
        var listeners: [any Channel] = []
        var admin: AdminServer?
        var healthCheck: AdminServer?
        var cluster: ClusterNode?
        do {
            let builder = DestinationBuilder(
                plan: plan, logger: logger, filePool: filePool, encoders: encoders, version: options.version,
                security: security, queueBytes: MemoryBounds(plan, config).shares.bytes)
            let workers = try await makeWorkers(group, plan, logger)
            try await connect(workers, config.exporters(of: .traces), files, builder)
            try await SignalBuilder.connect(workers, config, builder)
            let shared = config.cluster.map { settings in
                ClusterBuilder.shared(
                    settings, workers: count, policyHash: plan.policies.version.contentHash, memory: policyMemory,
                    security: security, encoders: encoders)
            }
            var lanes: [LoopHandle<ClusterLane>] = []
            if let shared { lanes = try await ClusterBuilder.makeLanes(shared, workers) }
            for (number, listener) in ListenerConfig.all(of: config).enumerated() {
                listeners.append(try await Listening.start(listener, number: number, group: group, workers: workers))
            }
            if let settings = config.cluster, let shared {
                cluster = try await ClusterBuilder.start(settings, shared, lanes, logger: logger)
            }
            let clustered = shared != nil
            let status = GatewayStatus(cluster: shared)
            let directory = PolicyDirectory(plan.policies, source: options.source?.path ?? "built-in default")
            let sampling = config.tailSampling?.id ?? ComponentID(type: "tail_sampling")
            let reloader = Reloader(
                options: options, sampling: sampling, memory: policyMemory,
                directory: directory, workers: workers, cluster: cluster, logger: logger)
            let conditionErrors = ConditionErrorBook(policyMemory, logger)
            let scrape = Scrape(
                workers: workers, plan: plan, process: process, status: status, directory: directory,
                conditionErrors: conditionErrors, sampling: sampling, cluster: cluster)
            let metrics: @Sendable (ExpositionFormat) async -> [UInt8] = { await scrape.text($0) }
            var sources = AdminSources(
                metrics: config.telemetry.metricsLevel == .none ? nil : metrics,
                ledger: { await scrape.ledger().json() }, isReady: { status.isReady },
                isHealthy: { status.state != .stopped })
            sources.cluster = cluster.map { ClusterPages(cluster: $0) }
            sources.policies = PolicyPages(
                workers: workers, plan: plan, directory: directory, reloader: reloader,
                recorder: Recorder(workers: workers), scrape: scrape, memory: policyMemory, cluster: sources.cluster)
            if let pages = sources.policies { shared?.onReload { await pages.reloadForPeer() } }
            if config.telemetry.metricsLevel != .none {
                let address = config.telemetry.metricsAddress
                admin = try await AdminServer.start(
                    host: address.host, port: address.port, responder: AdminPages(sources), limits: adminLimits,
                    guards: AdminGuards(tls: security.adminTLS, authenticator: security.adminAuthenticator))
            }
            if let health = config.healthCheck {
                let page = HealthCheckPage(path: health.path) { status.healthCheckState }
                healthCheck = try await AdminServer.start(
                    host: health.endpoint.host, port: health.endpoint.port, responder: page, limits: adminLimits,
                    guards: AdminGuards(tls: security.healthTLS, authenticator: nil))
            }
            for worker in workers {
                try await worker.run { parts in
                    // In a cluster, when there is a ring.
                    parts.server.worker.isServing = !clustered || parts.server.worker.lane?.hasRing == true
                    parts.server.worker.isAccepting = true
                    parts.clock.start()
                }
            }
            status.enter(.serving)
            let credentialReloads = CredentialReloads.start(security, workers[0], plan.metrics.security, logger)
            let watcher = options.source?.watchInterval.map { interval in
                Task { await ConfigurationWatcher(reloader: reloader, interval: interval).run() }
            }
            return Gateway(
                config: config, plan: plan, process: process, logger: logger, group: group, filePool: filePool,
                encoders: encoders, security: security, credentialReloads: credentialReloads, workers: workers, listeners: listeners,
                admin: admin, healthCheck: healthCheck, directory: directory, reloader: reloader, watcher: watcher,
                conditionErrors: conditionErrors, cluster: cluster, status: status)
        } catch {
            for listener in listeners { await Listening.stop(listener) }
            await cluster?.leave()
            await admin?.shutdown()
            await healthCheck?.shutdown()
            await cluster?.shutdown()
            try? await filePool.shutdownGracefully()
            await encoders.shutdown()
            await security.shutdown()
            try? await group.shutdownGracefully()
            throw error as? GatewayError ?? GatewayError("\(error)")
        }
    }

    private static func makeWorkers(
        _ group: MultiThreadedEventLoopGroup, _ plan: NodePlan, _ logger: Logger
    ) async throws -> [WorkerHandle] {
        let mailboxes = (0..<plan.workerCount).map { _ in WorkerMailbox(senders: plan.workerCount) }
        var workers: [WorkerHandle] = []
        for (number, loop) in group.makeIterator().enumerated() {
            let handle = try await loop.submit {
                let worker = Worker(
                    number: number, eventLoop: loop, plan: plan, mailboxes: mailboxes,
                    now: Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds))
                return WorkerHandle(WorkerParts(WorkerServer(worker: worker, logger: logger)))
            }.get()
            workers.append(handle)
        }
        return workers
    }

    /// Gives every exporter a home, one worker after the other, and every worker the way there.
    private static func connect(
        _ workers: [WorkerHandle], _ exporters: [ExporterConfig], _ files: [Int: AppendFile], _ builder: DestinationBuilder
    ) async throws {
        var routes: [DestinationRoute] = []
        for (number, exporter) in exporters.enumerated() {
            let file = files[number]
            routes.append(
                try await workers[number % workers.count].run { parts in
                    let destination = builder.make(exporter, number: number, home: parts.server.worker, file: file)
                    parts.destinations.append(destination)
                    return DestinationRoute(destination)
                })
        }
        for worker in workers {
            let routes = routes
            try await worker.run { $0.server.worker.connect(routes, wakers: workers.map { other in { other.wake() } }) }
        }
    }

    // MARK: figures

    /// Ledger and metrics of the node as of now.
    package func snapshot() async -> NodeSnapshot {
        await Scrape(
            workers: workers, plan: plan, process: process, status: status, directory: directory,
            conditionErrors: conditionErrors, sampling: config.tailSampling?.id ?? ComponentID(type: "tail_sampling"), cluster: cluster
        ).snapshot()
    }

    /// Reads the configuration's files again and takes over what is new of it. The outcome is in the log and the metrics.
    package func reload(_ trigger: String) async { _ = await reloader.reload(trigger) }

    // MARK: stop

    /// Stops the node in good order: not ready, GOAWAY, undecided traces decided (or waited for, or dropped, as configured), queues
    /// sent, all closed. Returns the final ledger. Later calls return at once with the same.
    package func shutdown() async -> Ledger {
        guard status.enter(.draining) else { return await snapshot().ledger }
        logger.info("shutting down")
        watcher?.cancel()
        conditionErrorReports.cancel()
        cluster?.startDraining()
        for listener in clientListeners { await Listening.stop(listener) }
        await stopReceiving()
        await handOver()
        await settleUndecided()
        await sendQueues()
        await leaveCluster()
        let ledger = await snapshot().ledger
        status.enter(.stopped)
        await healthCheck?.shutdown()
        await admin?.shutdown()
        for worker in workers {
            try? await worker.run { parts in
                parts.clock.stop()
                for destination in parts.destinations + parts.passThrough { destination.close() }
            }
        }
        credentialReloads.cancel()
        await security.shutdown()
        await cluster?.shutdown()
        await stopFilePool()
        await encoders.shutdown()
        try? await group.shutdownGracefully()
        return ledger
    }

    /// Waits for the write that is under way, but not for a disk that no longer answers: what it holds up counts as lost already.
    private func stopFilePool() async {
        let ended = AsyncStream.makeStream(of: Bool.self)
        let pool = filePool
        pool.shutdownGracefully { _ in ended.continuation.yield(true) }
        let patience = Task {
            try? await Task.sleep(for: .seconds(2))
            ended.continuation.yield(false)
        }
        for await hasEnded in ended.stream {
            if !hasEnded { logger.warning("a file exporter's write does not come to an end; it is not waited for") }
            break
        }
        patience.cancel()
    }

    /// Clients are told to go elsewhere; what they are sending still counts, for up to two seconds.
    private func stopReceiving() async {
        for worker in workers {
            try? await worker.run { parts in
                parts.server.worker.isServing = false
                parts.server.announceShutdown()
            }
        }
        // One round trip, so that requests on their way meet an open connection.
        try? await Task.sleep(for: .milliseconds(100))
        for worker in workers { try? await worker.run { $0.server.goAway() } }
        for _ in 0..<40 {
            if await connectionCount() == 0 { break }
            try? await Task.sleep(for: .milliseconds(50))
        }
        for worker in workers {
            try? await worker.run { parts in
                parts.server.worker.isAccepting = false
                parts.server.closeAll(peersToo: false)
            }
        }
        // What the last requests handed from worker to worker.
        for worker in workers { try? await worker.run { $0.server.worker.drainMailbox() } }
    }

    /// Peers take what this node holds. When their time is over, it is decided here.
    private func handOver() async {
        guard let cluster, let settings = config.cluster else { return }
        var waited: Int64 = 0
        while waited < settings.drainTimeout, !cluster.shared.isDrained {
            try? await Task.sleep(for: .milliseconds(20))
            waited += 20_000_000
        }
        if !cluster.shared.isDrained { logger.warning("peers did not take everything in time; the rest is decided here") }
        await cluster.keepEverything()
    }

    private func leaveCluster() async {
        guard let cluster else { return }
        await cluster.leave()
        for listener in listeners.suffix(1) { await Listening.stop(listener) }
        for worker in workers { try? await worker.run { $0.server.closeAll(peersToo: true) } }
    }

    private func connectionCount() async -> Int {
        var count = 0
        for worker in workers { count += (try? await worker.run { $0.server.connectionCount }) ?? 0 }
        return count
    }

    private func pendingTraces() async -> Int {
        var count = 0
        for worker in workers { count += (try? await worker.run { $0.server.worker.pendingTraces }) ?? 0 }
        return count
    }

    private func settleUndecided() async {
        guard let sampling = config.tailSampling else { return await flushBatches() }
        if sampling.dropPendingTracesOnShutdown {
            var spans = 0
            for worker in workers { spans += (try? await worker.run { $0.server.worker.dropPending() }) ?? 0 }
            logger.warning("undecided traces were dropped, as configured", metadata: ["spans": "\(spans)"])
            return await flushBatches()
        }
        var waited: Int64 = 0
        let patience = cluster == nil ? sampling.drainTimeout : 0
        while waited < patience, await pendingTraces() > 0 {
            try? await Task.sleep(for: .milliseconds(20))
            waited += 20_000_000
        }
        for worker in workers {
            while (try? await worker.run({ $0.server.worker.decide(budget: 10_000_000, early: true) })) == true {}
        }
        await flushBatches()
    }

    private func flushBatches() async {
        for worker in workers { try? await worker.run { $0.server.worker.flushIfDue(force: true) } }
    }

    private func sendQueues() async {
        let timeout = config.shutdownTimeout
        await withTaskGroup(of: Void.self) { tasks in
            for worker in workers {
                tasks.addTask {
                    let drained = try? await worker.run { parts in
                        let now = parts.server.worker.now
                        return (parts.destinations + parts.passThrough).map { $0.drain(deadline: now + timeout) }
                    }
                    for future in drained ?? [] { try? await future.get() }
                }
            }
        }
    }
}

internal import Cluster
internal import Delivery
internal import Logging
internal import NIOCore
internal import OTLP
internal import Transport

/// Makes a node's part in its cluster.
enum ClusterBuilder {
    /// - Parameters:
    ///   - policyHash: of the policies that the node starts with.
    ///   - memory: where their limits are.
    static func shared(
        _ config: ClusterConfig, workers: Int, policyHash: UInt64, memory: NodePlanner.PolicyMemory, security: NodeSecurity,
        encoders: EncoderPool
    ) -> ClusterShared {
        var generator = SystemRandomNumberGenerator()
        var plan = ClusterPlan(
            address: "\(config.advertise)", weight: config.weight, incarnation: generator.next() | 1,
            settings: settings(config, workers: workers), workerCount: workers, policyHash: policyHash)
        plan.policyStates = [memory.live, memory.shadow]
        plan.tls = security.peerTLS
        plan.credentials = config.auth.flatMap { security.credentials[$0.id] }
        plan.compression = config.compression == .gzip ? .gzip : .identity
        plan.encoders = encoders
        return ClusterShared(plan)
    }

    /// What a lane has to keep: bounds of the node are divided among the workers.
    private static func settings(_ config: ClusterConfig, workers: Int) -> ClusterSettings {
        var settings = ClusterSettings()
        settings.forwardDelay = config.forwardDelay
        settings.handoffBandwidth = max(1 << 18, config.handoffBandwidth / workers)
        return settings
    }

    /// Gives every worker its lane. Before any request is taken.
    static func makeLanes(_ shared: ClusterShared, _ workers: [WorkerHandle]) async throws -> [LoopHandle<ClusterLane>] {
        var lanes: [LoopHandle<ClusterLane>] = []
        for worker in workers {
            lanes.append(
                try await worker.run { parts in
                    let server = parts.server
                    let lane = ClusterLane(server.worker, shared, now: server.worker.now)
                    lane.onFirstRing = { [unowned server] in if server.worker.isAccepting { server.announceServing() } }
                    server.worker.lane = lane
                    return LoopHandle(lane, on: server.worker.eventLoop)
                })
        }
        return lanes
    }

    /// Begins to look for peers. The listener for them is open.
    static func start(
        _ config: ClusterConfig, _ shared: ClusterShared, _ lanes: [LoopHandle<ClusterLane>], logger: Logger
    ) async throws -> ClusterNode {
        try await ClusterNode(shared, lanes: lanes, logger: logger) { MemberResolvers.watch(config, on: $0) }
    }
}

extension ClusterConfig {
    /// The listener for peers, as the node's last one.
    var listener: ListenerConfig {
        var settings = ListenerSettings()
        settings.isForPeers = true
        var limits = ServerLimits()
        // The largest request of a client, taken apart and put together again.
        limits.maximumMessageBytes = 72 << 20
        limits.maximumConcurrentStreams = 1024
        guards.limits.apply(to: &limits)
        return ListenerConfig(
            receiver: id, transport: "peers", endpoint: .address(listen), limits: limits, settings: settings, guards: guards)
    }
}

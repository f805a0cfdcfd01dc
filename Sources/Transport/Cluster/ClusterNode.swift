internal import Cluster
package import Logging
package import NIOCore
internal import NIOPosix

/// A node's part in the cluster, put together: the driver on a loop of its own, a lane on every worker's loop, and the watch over
/// the members. All of its methods may be called from any task.
package final class ClusterNode: Sendable {
    package let shared: ClusterShared
    private let group: MultiThreadedEventLoopGroup
    private let driver: LoopHandle<ClusterDriver>
    private let lanes: [LoopHandle<ClusterLane>]
    private let watching: Task<Void, Never>
    private let asking: Task<Void, Never>

    /// Begins to look for peers.
    ///
    /// - Parameters:
    ///   - lanes: of all workers, by number.
    ///   - watch: makes the watch; DNS questions go over sockets on the given loops.
    package init(
        _ shared: ClusterShared, lanes: [LoopHandle<ClusterLane>], logger: Logger,
        watch: (any EventLoopGroup) -> MemberWatch
    ) async throws {
        self.shared = shared
        self.lanes = lanes
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.group = group
        let members = watch(group)
        let (asked, ask) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let loop = group.next()
        let driver = try await loop.submit {
            let peers = PeerClients(shared.plan, eventLoop: loop)
            let driver = ClusterDriver(shared, lanes: lanes, peers: peers, on: loop, logger: logger) { ask.yield() }
            return LoopHandle(driver, on: loop)
        }.get()
        self.driver = driver
        for lane in lanes {
            lane.run { lane in
                lane.driver = driver
                lane.lanes = lanes
                lane.start()
            }
        }
        driver.run { $0.start() }
        watching = Task { await members.run { resolution in driver.run { $0.resolved(resolution) } } }
        asking = Task {
            for await _ in asked {
                let resolution = await members.once()
                driver.run { $0.resolved(resolution) }
            }
        }
    }

    /// A reload put these policies in force.
    package func setPolicyHash(_ hash: UInt64) { driver.run { $0.setPolicyHash(hash) } }

    /// Peers hear at once that this node leaves. What it holds goes to them; see `ClusterShared.isDrained`.
    package func startDraining() { driver.run { $0.startDraining() } }

    /// Waiting is over: what is still held for peers is decided here. Returns when all of it is in the shards.
    package func keepEverything() async {
        for lane in lanes { try? await lane.ask { $0.keepEverything() } }
        // What went from worker to worker meanwhile.
        for lane in lanes { try? await lane.ask { $0.worker.emptyMailbox() } }
    }

    /// Has all peers that answer read their configurations again; what each of them says.
    package func reloadPeers() async -> [(peer: String, outcome: PeerReload)] {
        await withCheckedContinuation { continuation in
            driver.run { $0.reloadPeers { continuation.resume(returning: $0) } }
        }
    }

    package func describe() async -> ClusterDescription? { try? await driver.ask { $0.describe() } }

    /// Ends all talk with peers. Figures can still be asked for.
    package func leave() async {
        watching.cancel()
        asking.cancel()
        for lane in lanes { try? await lane.ask { $0.stop() } }
        try? await driver.ask { $0.stop() }
    }

    /// Nothing may be asked any more.
    package func shutdown() async { try? await group.shutdownGracefully() }
}

package import Cluster
package import Delivery
package import NIOCore
internal import OTLP
package import Sampling
internal import Synchronization

/// What a node's part in the cluster is built from. Immutable, shared by all workers.
package struct ClusterPlan: Sendable {
    /// Where peers reach this node; its identity.
    package var address: String
    package var weight: UInt8
    /// Random, not 0: tells this process from the one before it.
    package var incarnation: UInt64
    /// As a single worker has to keep them: what holds for the node has been divided.
    package var settings: ClusterSettings
    package var workerCount: Int
    /// For connections to peers; nil: plain text.
    package var tls: TLSCredentials?
    /// What is shown to peers; nil: nothing.
    package var credentials: RequestCredentials?
    package var compression = Coding.identity
    /// Where spans for peers are compressed; nil: on the loops.
    package var encoders: EncoderPool?
    /// The hash of the policies that the node starts with.
    package var policyHash: UInt64
    /// Where the limits are whose rates the cluster shares (`scope: cluster`): of the policies, then of the shadow policies.
    package var policyStates: [PolicyStates] = []

    package init(
        address: String, weight: UInt8, incarnation: UInt64, settings: ClusterSettings, workerCount: Int, policyHash: UInt64
    ) {
        self.address = address
        self.weight = weight
        self.incarnation = incarnation
        self.settings = settings
        self.workerCount = workerCount
        self.policyHash = policyHash
    }
}

/// What workers have to know of the cluster between two words of its driver.
struct ClusterView: Sendable {
    /// When the driver said so, monotonic nanoseconds.
    var at: Int64 = .min
    /// Of the ring in force; a worker that is not there yet decides nothing.
    var epoch: UInt64 = 0
    /// Traces due up to this time may be decided.
    var decisionLimit: Int64 = .min
    var takesFromPeers = false
    var bounceCheck = BounceCheck()
    /// The node leaves and nobody is left to hand anything to.
    var decidesEarly = false
    var isReady = false
    /// The node leaves, and has done all that it had to.
    var isDrained = false
}

/// What a worker tells the driver, without being asked.
struct LaneFigures: Sendable, Equatable {
    /// `HandoffSender.progress`.
    var progress: UInt64 = 0
    /// Nothing is buffered, under way or open.
    var isEmpty = true
}

/// What became of a reload that a peer asked for.
package struct PeerReload: Sendable, Equatable {
    /// The configuration as read now is in force.
    package var isGood: Bool
    /// For a person, or what there is to say as JSON.
    package var text: String

    package init(isGood: Bool, text: String) {
        self.isGood = isGood
        self.text = text
    }
}

/// What the workers and the driver of a clustered node share. All of it is small, and no lock is taken for each span or trace.
package final class ClusterShared: Sendable {
    package let plan: ClusterPlan
    private let present = Mutex(ClusterView())
    private let recent = Mutex(RecentBatches())
    private let lanes: Mutex<[LaneFigures]>
    private let awake = Atomic<Int64>(.min)
    private let foreign = Atomic<Bool>(false)
    private let reload = Mutex<(@Sendable () async -> PeerReload)?>(nil)

    package init(_ plan: ClusterPlan) {
        self.plan = plan
        lanes = Mutex(Array(repeating: LaneFigures(), count: plan.workerCount))
    }

    /// Says how this node reads its configuration again when a peer asks for it. Once.
    package func onReload(_ handler: @escaping @Sendable () async -> PeerReload) { reload.withLock { $0 = handler } }

    var reloadHandler: (@Sendable () async -> PeerReload)? { reload.withLock { $0 } }

    var view: ClusterView { present.withLock { $0 } }

    /// Until when the driver's last word holds that this process was not stopped, monotonic nanoseconds: as long as peers would
    /// wait for it. In no lock: every request asks.
    var awakeUntil: Int64 { awake.load(ordering: .relaxed) }

    func publish(_ view: ClusterView) {
        present.withLock { $0 = view }
        awake.store(view.takesFromPeers ? view.at + plan.settings.unreachableAfter : .min, ordering: .relaxed)
    }

    /// Clients' requests are taken: there is a ring to route by, and the node does not leave.
    package var isReady: Bool { view.isReady }
    package var isDrained: Bool { view.isDrained }

    /// A batch or chunk has come; see `RecentBatches`.
    func begin(_ id: BatchID) -> RecentBatches.Standing { recent.withLock { $0.begin(id) } }

    func finish(_ id: BatchID, taken: Bool) { recent.withLock { $0.finish(id, taken: taken) } }

    /// Traces of other owners were put into a shard: to be said after they are there.
    func noteForeignTraces() { foreign.store(true, ordering: .releasing) }

    func takeForeignTraces() -> Bool { foreign.exchange(false, ordering: .acquiringAndReleasing) }

    func report(_ figures: LaneFigures, of lane: Int) { lanes.withLock { $0[lane] = figures } }

    func figures() -> (progress: UInt64, isEmpty: Bool) {
        lanes.withLock { lanes in
            (lanes.reduce(0) { $0 &+ $1.progress }, lanes.allSatisfy(\.isEmpty))
        }
    }
}

/// Something that lives on an event loop, as seen from elsewhere.
package struct LoopHandle<Value>: Sendable {
    private let eventLoop: any EventLoop
    private let bound: NIOLoopBound<Value>

    /// On the loop.
    package init(_ value: Value, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        bound = NIOLoopBound(value, eventLoop: eventLoop)
    }

    /// Runs `body` on the loop, later.
    func run(_ body: @escaping @Sendable (Value) -> Void) {
        let bound = bound
        eventLoop.execute { body(bound.value) }
    }

    /// Runs `body` on the loop and waits for its answer.
    func ask<Answer: Sendable>(_ body: @escaping @Sendable (Value) throws -> Answer) async throws -> Answer {
        let bound = bound
        return try await eventLoop.submit { try body(bound.value) }.get()
    }
}

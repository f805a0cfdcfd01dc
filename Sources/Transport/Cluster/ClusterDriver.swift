internal import Cluster
internal import Logging
internal import NIOCore
internal import Sampling

/// How the driver talks with peers. On the driver's loop.
protocol PeerCalls: AnyObject {
    /// Calls a peer; `done` is called at most once, later: not at all if the peer is given up before.
    ///
    /// - Parameter timeout: nanoseconds, connecting included.
    func call(
        _ address: String, _ method: PeerMethod, _ message: [UInt8], timeout: Int64, _ done: @escaping (PeerAnswer) -> Void)
    /// The peer does not answer: what is under way to it is forgotten.
    func giveUp(_ address: String)
    /// For good.
    func close()
}

extension PeerClients: PeerCalls {}

/// A worker's lane as the driver knows it: what it is told, it does later and on its own loop.
protocol DrivenLane: Sendable {
    /// Cuts requests by this ring from now on; then calls `done`, wherever it is.
    func adopt(_ ring: HashRing, _ done: @escaping @Sendable () -> Void)
    /// All lanes cut by this ring: what moved is handed over.
    func beginSweep(_ ring: HashRing, epoch: UInt64, isOrdered: Bool)
    func reachable(_ peer: String, _ isReachable: Bool)
}

extension LoopHandle: DrivenLane where Value == ClusterLane {
    func adopt(_ ring: HashRing, _ done: @escaping @Sendable () -> Void) {
        run { lane in
            lane.adopt(ring)
            done()
        }
    }

    func beginSweep(_ ring: HashRing, epoch: UInt64, isOrdered: Bool) {
        run { $0.beginSweep(ring, epoch: epoch, isOrdered: isOrdered) }
    }

    func reachable(_ peer: String, _ isReachable: Bool) { run { $0.reachable(peer, isReachable) } }
}

/// The node's part in the cluster, but for spans: drives `ClusterCore`, talks with peers about rings and health, and tells the
/// lanes what follows. One per node, on an event loop of its own: a busy worker must not make a node look dead, and a new ring
/// takes milliseconds to compute.
///
/// **A ring comes into force in two steps.** First every lane cuts requests by it; when all do, each empties its mailbox and begins to
/// hand over what moved. So nothing that was cut by the old ring gets into a shard behind its sweep. In between no lane decides
/// anything (`ClusterLane.decisionLimit`).
package final class ClusterDriver {
    private static let beat: Int64 = 20_000_000
    private static let coreInterval: Int64 = 100_000_000
    private static let exchangeTimeout: Int64 = 1_000_000_000
    /// Exchanges with one peer under way at one time.
    private static let maximumExchanges = 4

    /// A ring on its way into all lanes.
    private struct Activation {
        var ring: HashRing
        var epoch: UInt64
        /// `ClusterCore.isHandoffOrdered` when it came into force.
        var isOrdered: Bool
        /// Lanes that do not cut by it yet.
        var waiting: Int
    }

    private let eventLoop: any EventLoop
    private let shared: ClusterShared
    private let lanes: [any DrivenLane]
    private let logger: Logger
    private let clients: any PeerCalls
    private let clock: () -> Int64
    private var core: ClusterCore
    private var activations: [Activation] = []
    private var exchanges: [String: Int] = [:]
    private var nextTick: Int64 = 0
    private var lastTick: Int64
    private var isDrained = false
    private var isStopped = false
    /// Asks the resolver at once.
    private let resolveNow: @Sendable () -> Void
    private var lastResolverFailure: MemberResolverFailure?
    /// As of the last tick of the core.
    private var limits: [ClusterLimit] = []

    /// - Parameters:
    ///   - lanes: of all workers.
    ///   - eventLoop: the driver's own, on which all of its methods are called.
    ///   - clock: monotonic nanoseconds, as lanes have them.
    init(
        _ shared: ClusterShared, lanes: [any DrivenLane], peers: any PeerCalls, on eventLoop: any EventLoop, logger: Logger,
        clock: @escaping () -> Int64 = { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) },
        resolveNow: @escaping @Sendable () -> Void
    ) {
        let plan = shared.plan
        self.eventLoop = eventLoop
        self.shared = shared
        self.lanes = lanes
        self.logger = logger
        self.resolveNow = resolveNow
        clients = peers
        self.clock = clock
        let now = clock()
        lastTick = now
        core = ClusterCore(
            address: plan.address, incarnation: plan.incarnation, weight: plan.weight, settings: plan.settings, now: now)
        core.policyHash = plan.policyHash
        // Already the first word to a peer says which limits this node has.
        shareLimits(now)
    }

    private var now: Int64 { clock() }

    // MARK: life

    func start() { tick() }

    func stop() {
        isStopped = true
        clients.close()
    }

    private func tick() {
        guard !isStopped else { return }
        let now = now
        if shared.takeForeignTraces() { core.foundForeignTraces() }
        let (progress, isEmpty) = shared.figures()
        core.handoffProgress = progress
        if now >= nextTick { tickCore(now) }
        if core.mayLeave(isEmpty: isEmpty && activations.isEmpty, now: now) { isDrained = true }
        publish(now)
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Self.beat)) { [weak self] in self?.tick() }
    }

    private func tickCore(_ now: Int64) {
        nextTick = now + Self.coreInterval
        lastTick = now
        perform(core.tick(now: now))
        shareLimits(now)
    }

    /// After a stop of the process the core has to learn of that first.
    private func wake() -> Int64 {
        let now = now
        if now - lastTick > 3 * Self.coreInterval { tickCore(now) }
        return now
    }

    private func publish(_ now: Int64) {
        shared.publish(
            ClusterView(
                at: now, epoch: core.ringEpoch, decisionLimit: core.decisionLimit(now: now),
                takesFromPeers: core.takesFromPeers(now: now), bounceCheck: core.bounceCheck, decidesEarly: core.isLeavingAlone(now: now),
                isReady: core.isReady && activations.isEmpty, isDrained: isDrained))
    }

    // MARK: limits of the cluster

    /// Tells the core what went through the limits of `scope: cluster`, and gives each its share of its rate.
    private func shareLimits(_ now: Int64) {
        // Let go first: a limiter that no policy uses any more must not live by being looked at.
        limits = []
        limits = shared.plan.policyStates.flatMap { $0.clusterLimits }
        core.enter(limits.map(BudgetReading.init), now: now)
        guard let shares = core.shares(limits.map(\.key), now: now) else { return }
        for (limit, share) in zip(limits, shares) { limit.limiter.setShare(share, now: now) }
        for states in shared.plan.policyStates { states.setFirstShare(core.budget.evenShare) }
    }

    // MARK: events

    /// What the resolver found.
    func resolved(_ resolution: MemberResolution) {
        let now = wake()
        if case .failed(let failure) = resolution {
            if failure != lastResolverFailure {
                logger.warning("the members of the cluster can't be found out; the last list stays", metadata: ["why": "\(failure)"])
            }
            lastResolverFailure = failure
        } else if lastResolverFailure != nil {
            lastResolverFailure = nil
            logger.info("the members of the cluster are found out again")
        }
        perform(core.resolved(resolution.answer, now: now))
        publish(now)
    }

    /// A peer's status; returns ours, or nil if the message can't be read.
    func asked(_ message: [UInt8]) -> [UInt8]? {
        let now = wake()
        guard let status = try? PeerStatus(parsing: message) else { return nil }
        perform(core.asked(status, now: now))
        publish(now)
        return core.status(now: now).encoded
    }

    /// A chunk was taken in.
    func received(_ header: HandoffHeader, lateSpans: Int) {
        let now = wake()
        core.received(header, lateSpans: lateSpans, now: now)
        publish(now)
    }

    func startDraining() {
        let now = wake()
        perform(core.startDraining(now: now))
        publish(now)
    }

    /// A reload put other policies in force.
    func setPolicyHash(_ hash: UInt64) { core.policyHash = hash }

    // MARK: actions

    private func perform(_ actions: [ClusterAction]) {
        for action in actions {
            switch action {
            case .exchange(let peer): exchange(with: peer)
            case .resolve: resolveNow()
            case .activate(let ring, let epoch):
                activations.append(Activation(ring: ring, epoch: epoch, isOrdered: core.isHandoffOrdered, waiting: lanes.count))
                if activations.count == 1 { activate() }
                shareLimits(now)
            case .connect(let peer):
                for lane in lanes { lane.reachable(peer, true) }
            case .disconnect(let peer):
                clients.giveUp(peer)
                exchanges[peer] = nil
                for lane in lanes { lane.reachable(peer, false) }
            case .log(let event): log(event)
            }
        }
    }

    /// Step one: every lane cuts requests by the next ring.
    private func activate() {
        guard let next = activations.first else { return }
        let me = LoopHandle(self, on: eventLoop)
        for lane in lanes { lane.adopt(next.ring) { me.run { $0.adopted(next.epoch) } } }
    }

    /// Step two, when all of them do: what moved is handed over.
    private func adopted(_ epoch: UInt64) {
        guard !activations.isEmpty, activations[0].epoch == epoch else { return }
        activations[0].waiting -= 1
        guard activations[0].waiting == 0 else { return }
        let next = activations.removeFirst()
        for lane in lanes { lane.beginSweep(next.ring, epoch: epoch, isOrdered: next.isOrdered) }
        publish(now)
        activate()
    }

    private func exchange(with peer: String) {
        guard exchanges[peer, default: 0] < Self.maximumExchanges else { return }
        exchanges[peer, default: 0] += 1
        clients.call(peer, .exchange, core.status(now: now).encoded, timeout: Self.exchangeTimeout) { [weak self] answer in
            self?.exchanged(peer, answer)
        }
    }

    private func exchanged(_ peer: String, _ answer: PeerAnswer) {
        if let open = exchanges[peer] { exchanges[peer] = open > 1 ? open - 1 : nil }
        let now = wake()
        if let message = answer.payload, let status = try? PeerStatus(parsing: message) {
            perform(core.answered(status, now: now))
        } else {
            perform(core.failed(peer, now: now))
        }
        publish(now)
    }

    /// Has all peers that answer read their configurations again. `done` is called once, with what each says.
    func reloadPeers(_ done: @escaping @Sendable ([(peer: String, outcome: PeerReload)]) -> Void) {
        let peers = core.membership.sortedPeers.filter { $0.state != .unreachable && $0.state != .unknown }.map(\.address)
        let gathered = GatheredReloads(peers, done)
        for peer in peers {
            clients.call(peer, .reload, [], timeout: Self.reloadTimeout) { gathered.note(peer, $0.reload) }
        }
        // A peer that is given up meanwhile says nothing.
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Self.reloadTimeout + 1_000_000_000)) { gathered.finish() }
        gathered.finishIfComplete()
    }

    private static let reloadTimeout: Int64 = 15_000_000_000

    // MARK: figures

    /// The cluster as this node sees it.
    func describe() -> ClusterDescription { ClusterDescription(core, limits, now: now) }

    private func log(_ event: ClusterEvent) {
        switch event {
        case .peerReachable(let peer): logger.info("peer answers", metadata: ["peer": "\(peer)"])
        case .peerUnreachable(let peer):
            logger.warning("peer does not answer and is routed around", metadata: ["peer": "\(peer)"])
        case .peerRestarted(let peer): logger.info("peer was restarted", metadata: ["peer": "\(peer)"])
        case .ringProposed(let members): logger.info("another ring is proposed", metadata: ["members": "\(Self.names(members))"])
        case .ringActivated(let members, let version):
            logger.info(
                "ring in force", metadata: ["members": "\(Self.names(members))", "version": "\(String(version, radix: 16))"])
        case .ringsDiffer(let peer):
            logger.error(
                "this node and a peer disagree about the members; look at what their resolvers say", metadata: ["peer": "\(peer)"])
        case .policiesDiffer(let peer): logger.warning("peer judges by other policies", metadata: ["peer": "\(peer)"])
        case .policiesAgree: logger.info("all peers judge by the same policies")
        case .wasStopped(let time):
            logger.warning("this process was stopped", metadata: ["milliseconds": "\(time / 1_000_000)"])
        case .handoffStalled(let peer):
            logger.warning(
                "a peer's hand-off stands still; traces are decided without what it still has of them",
                metadata: ["peer": "\(peer)"])
        case .resolverFails: break
        }
    }

    private static func names(_ members: [RingMember]) -> String {
        members.map { $0.weight == 1 ? $0.address : "\($0.address) x \($0.weight)" }.joined(separator: ", ")
    }
}

/// What peers say about their reloads. Confined to the driver's loop.
private final class GatheredReloads {
    private let peers: [String]
    private var outcomes: [String: PeerReload] = [:]
    private var done: (([(peer: String, outcome: PeerReload)]) -> Void)?

    init(_ peers: [String], _ done: @escaping ([(peer: String, outcome: PeerReload)]) -> Void) {
        self.peers = peers
        self.done = done
    }

    func note(_ peer: String, _ outcome: PeerReload) {
        outcomes[peer] = outcome
        finishIfComplete()
    }

    func finishIfComplete() { if outcomes.count == peers.count { finish() } }

    func finish() {
        let silent = PeerReload(isGood: false, text: "no answer")
        done?(peers.map { ($0, outcomes[$0] ?? silent) })
        done = nil
    }
}

extension BudgetReading {
    fileprivate init(_ limit: ClusterLimit) {
        let meter = limit.limiter.meter
        self.init(id: limit.key, goal: limit.limiter.goal, offered: meter.offered, passed: meter.consumed)
    }
}

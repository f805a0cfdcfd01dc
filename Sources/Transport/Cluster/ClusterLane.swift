internal import Cluster
internal import NIOCore
internal import OTLP
internal import Sampling
internal import Telemetry

/// One worker's part in the cluster: sends the spans of other owners to them, takes those that peers send, and hands traces over
/// when the ring changes. Lives on its worker's loop; `ClusterDriver` tells it which ring is in force and who answers.
///
/// Drives `Forwarder`, `HandoffSender` and `HandoffSweep` as their documentation asks for: events in, actions out. What concerns
/// hand-off is in `ClusterLane+Handoff.swift`.
package final class ClusterLane {
    /// A client's or peer's request whose spans are on their way to their owners.
    private struct OpenRequest {
        var spans: Int
        var receiver: Int
        var hop: UInt8
        var reply: ((Int64?) -> Void)?
        /// Once it is settled: nil for OK, otherwise the delay that the client is asked for.
        var result: Int64??
    }

    /// What became of a request that was submitted.
    enum Submission {
        case settled(refusedFor: Int64?)
        case pending(UInt64)
    }

    private static let beat: Int64 = 50_000_000
    /// How long clients are asked to wait for a node that looks for its peers: mostly it knows them in less than a second.
    private static let startRetryAfter: Int64 = 500_000_000

    unowned let worker: Worker
    let shared: ClusterShared
    let metrics: LaneMetrics?
    let clients: PeerClients
    /// Set by `ClusterNode` before `start`.
    var driver: LoopHandle<ClusterDriver>?
    /// By worker number, this one included.
    var lanes: [LoopHandle<ClusterLane>] = []
    /// The ring that requests are cut by; nil before the first.
    private(set) var ring: HashRing?
    /// This node's place in it; -1: it is no member.
    private(set) var own = -1
    /// Of the ring whose traces this lane has begun to hand over.
    var epoch: UInt64 = 0
    private var forwarder: Forwarder
    var handoff: HandoffSender
    var sweep: HandoffSweep<Shard>
    private var parter = RequestParter()
    private var open: [UInt64: OpenRequest] = [:]
    private var nextToken: UInt64 = 0
    /// Chunks and parts that other workers are taking in, by number.
    var adoptions: [UInt64: Adoption] = [:]
    var nextAdoption: UInt64 = 0
    var isSweepScheduled = false
    /// Told when the first ring is in force.
    package var onFirstRing: (() -> Void)?
    /// A timer runs that sends what is gathered.
    private var isGathering = false
    private var isLeaving = false
    private var isStopped = false

    /// On the worker's loop.
    package init(_ worker: Worker, _ shared: ClusterShared, now: Int64) {
        self.worker = worker
        self.shared = shared
        let plan = shared.plan
        let lane = UInt32(truncatingIfNeeded: worker.number)
        metrics = worker.plan.metrics.lanes
        let security = worker.plan.metrics.security
        clients = PeerClients(plan, eventLoop: worker.eventLoop) { [cells = worker.cells] failure in
            cells.add(failure.map { security.clientFailures[$0] } ?? security.clientHandshakes)
        }
        forwarder = Forwarder(address: plan.address, incarnation: plan.incarnation, lane: lane, settings: plan.settings)
        handoff = HandoffSender(
            address: plan.address, incarnation: plan.incarnation, lane: lane,
            laneCount: UInt32(truncatingIfNeeded: plan.workerCount), settings: plan.settings, now: now)
        sweep = HandoffSweep(address: plan.address, settings: plan.settings)
    }

    /// Whether there is a ring to cut requests by.
    package var hasRing: Bool { ring != nil }
    var settings: ClusterSettings { shared.plan.settings }
    var now: Int64 { worker.now }

    // MARK: life

    func start() { tick() }

    package func stop() {
        isStopped = true
        driver = nil
        clients.close()
    }

    private func tick() {
        guard !isStopped else { return }
        let now = now
        perform(forwarder.tick(now: now))
        perform(handoff.tick(now: now))
        sweepOn()
        report()
        worker.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Self.beat)) { [weak self] in self?.tick() }
    }

    /// Nothing that this lane answers for is left.
    private var isEmpty: Bool {
        forwarder.isEmpty && handoff.isIdle && sweep.spanCount == 0 && open.isEmpty && adoptions.isEmpty && worker.holdsNothing
    }

    func report() { shared.report(LaneFigures(progress: handoff.progress, isEmpty: isEmpty), of: worker.number) }

    /// Traces due up to this time may be decided.
    func decisionLimit(_ now: Int64) -> Int64 {
        let view = shared.view
        // Between the driver's word and this lane's sweep nobody knows which traces are still this node's.
        guard view.epoch == epoch else { return 0 }
        return max(0, min(now, view.decisionLimit, handoff.decisionLimit(now: now)))
    }

    /// The node leaves, and nobody is left who could take its traces.
    var decidesEarly: Bool { shared.view.decidesEarly }

    /// Peers' spans are taken now: see `ClusterCore.takesFromPeers`. A word of the driver that is too old does not count: the
    /// process was stopped, and peers may have routed around it.
    func takesFromPeers(_ now: Int64) -> Bool {
        let view = shared.view
        return ring != nil && !isLeaving && view.takesFromPeers && now - view.at < settings.unreachableAfter
    }

    // MARK: the ring

    /// Cuts requests by this ring from now on. When all lanes do so, `beginSweep` follows.
    func adopt(_ ring: HashRing) {
        if self.ring == nil { onFirstRing?() }
        onFirstRing = nil
        self.ring = ring
        own = ring.index(of: shared.plan.address) ?? -1
        perform(forwarder.ringChanged(ring, now: now))
    }

    func reachable(_ peer: String, _ isReachable: Bool) {
        if !isReachable { clients.giveUp(peer) }
        perform(forwarder.reachable(peer, isReachable, now: now))
        perform(handoff.reachable(peer, isReachable, now: now))
    }

    /// The node can wait no longer: what it still holds for others is decided here, and peers' spans are refused.
    package func keepEverything() {
        isLeaving = true
        perform(handoff.takeBackAll(now: now))
        perform(forwarder.keepAll())
    }

    // MARK: requests

    /// Cuts a walked request by owner: `index` keeps the spans of this node. Predicates are evaluated afterwards.
    ///
    /// - Parameters:
    ///   - body: the message that the index refers to.
    ///   - headers: of the peer that forwards these spans; nil: a client sends them.
    func part(
        _ body: Span<UInt8>, _ index: inout RequestIndex, from headers: ForwardHeaders?
    ) throws(RequestRefusal) -> PartedRequest {
        guard let ring else {
            throw RequestRefusal(
                .notServing, .unavailable, "the node does not know its peers yet", retryAfter: Self.startRetryAfter)
        }
        // What comes out of the sockets after a stop of the process, its senders may have sent to others meanwhile.
        guard headers != nil || now < shared.awakeUntil else {
            throw RequestRefusal(
                .notServing, .unavailable, "the node was stopped and looks for its peers", retryAfter: worker.plan.retryAfter)
        }
        if let headers, headers.hop >= settings.maximumHops {
            var all = PartedRequest()
            all.localSpans = index.records.count
            return all
        }
        let cut = parter.cut(body: body, index: &index, ring: ring, own: own)
        if let headers, headers.ringVersion != ring.version {
            let owners = cut.parts.lazy.map { ring.members[$0.member].address }
            if shared.view.bounceCheck.isBounce(headers, ringVersion: ring.version, owners: owners, now: now) {
                throw RequestRefusal(
                    .ownersRefuse, .unavailable, "some of these spans are the sender's own, by the ring that comes",
                    retryAfter: 100_000_000)
            }
        }
        guard cut.parts.isEmpty || forwarder.hasRoom(batches: cut.parts.count, bytes: cut.bytes) else {
            throw RequestRefusal(
                .custodyFull, .unavailable, "too many spans wait for the nodes that own them", retryAfter: worker.plan.retryAfter)
        }
        return cut
    }

    /// Whether any of these traces is another node's.
    func hasForeign(_ records: [SpanRecord]) -> Bool {
        guard let ring else { return false }
        return records.contains { ring.owner(of: $0.traceID) != own }
    }

    /// Sends the parts of a request to their owners, after its own spans were taken in.
    ///
    /// - Parameter spans: of the whole request.
    func submit(_ cut: PartedRequest, localSpansHeld: Bool, hop: UInt8, spans: Int, receiver: Int) -> Submission {
        guard let ring else { return .settled(refusedFor: 0) }
        nextToken += 1
        let token = nextToken
        open[token] = OpenRequest(spans: spans, receiver: receiver, hop: hop)
        let parts = cut.parts.map { (owner: ring.members[$0.member].address, part: $0.part) }
        perform(forwarder.submit(token: token, parts: parts, localSpansHeld: localSpansHeld, hop: hop, now: now))
        awaitGathered()
        if let result = open[token]?.result {
            open[token] = nil
            return .settled(refusedFor: result)
        }
        return .pending(token)
    }

    /// Has what is gathered sent in time.
    private func awaitGathered() {
        guard !isGathering, let due = forwarder.nextGathered(after: now) else { return }
        isGathering = true
        worker.eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(UInt64(clamping: due))) { [weak self] in
            guard let self else { return }
            isGathering = false
            perform(forwarder.sendGathered(now: now))
            awaitGathered()
        }
    }

    /// Says what becomes of a pending request: once, nil for OK, otherwise the delay that the client is asked for (0: none).
    func whenSettled(_ token: UInt64, _ reply: @escaping (Int64?) -> Void) { open[token]?.reply = reply }

    private func settle(_ token: UInt64, _ refusedFor: Int64?) {
        guard let request = open[token] else { return }
        if refusedFor == nil {
            worker.countTaken(request.spans, hop: request.hop, receiver: request.receiver)
        } else {
            worker.noteRefused(request.spans, .ownersRefuse, request.receiver)
        }
        if let reply = request.reply {
            open[token] = nil
            reply(refusedFor)
        } else {
            open[token]?.result = .some(refusedFor)
        }
    }

    /// What a client is told whose spans nobody takes.
    func refusal(after delay: Int64) -> RequestRefusal {
        RequestRefusal(
            .ownersRefuse, .unavailable, "the nodes that own its traces take no spans now",
            retryAfter: delay > 0 ? delay : worker.plan.retryAfter)
    }

    private func perform(_ actions: [Forwarder.Action]) {
        for action in actions {
            switch action {
            case .answer(let token, let refusedFor): settle(token, refusedFor)
            case .keep(let part):
                if let metrics { worker.cells.add(metrics.keptSpans, part.spans) }
                worker.takeIn(part.payload, spans: part.spans)
                shared.noteForeignTraces()
            case .send(let peer, let headers, let payload, let attempt):
                let sent = now
                clients.call(peer, .forward(headers), payload, timeout: settings.forwardTimeout) { [weak self] answer in
                    self?.forwarded(headers.batch, attempt, answer.outcome, bytes: payload.count, sent: sent)
                }
            }
        }
    }

    private func forwarded(
        _ batch: BatchID, _ attempt: Int, _ outcome: ForwardOutcome, bytes: Int, sent: Int64
    ) {
        let now = now
        if let metrics {
            worker.cells.add(metrics.forwards[outcome.label])
            if outcome == .taken { worker.cells.add(metrics.forwardedBytes, bytes) }
            if outcome != .notSent { worker.cells.observe(metrics.forwardDuration, Int((now - sent) / 1000)) }
        }
        perform(forwarder.completed(batch, attempt: attempt, outcome, now: now))
    }

    // MARK: peers' requests

    /// Takes a batch that a peer forwarded. `reply` is called once, with nil for OK; maybe at once.
    func take(
        _ headers: ForwardHeaders, _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, receiver: Int,
        _ reply: @escaping (RequestRefusal?) -> Void
    ) {
        guard takesFromPeers(now) else { return reply(notNow) }
        switch shared.begin(headers.batch) {
        case .taken: return reply(nil)
        case .pending: return reply(Self.repeated)
        case .tooOld: return reply(Self.tooOld)
        case .new: break
        }
        do throws(RequestRefusal) {
            let acceptance = try worker.take(body, payloadStart, form, receiver, from: headers)
            guard let token = acceptance.pending else {
                shared.finish(headers.batch, taken: true)
                return reply(nil)
            }
            whenSettled(token) { [self] refusedFor in
                shared.finish(headers.batch, taken: refusedFor == nil)
                reply(refusedFor.map { refusal(after: $0) })
            }
        } catch {
            shared.finish(headers.batch, taken: false)
            reply(error)
        }
    }

    /// A peer's status; `reply` is called once, later, with ours, or nil if it can't be read.
    func asked(_ message: [UInt8], _ reply: @escaping ([UInt8]?) -> Void) {
        guard let driver else { return reply(nil) }
        let loop = worker.eventLoop
        let reply = NIOLoopBound(reply, eventLoop: loop)
        driver.run { driver in
            let answer = driver.asked(message)
            loop.execute { reply.value(answer) }
        }
    }

    /// A peer asks this node to read its configuration again; `reply` is called once, later.
    func reload(_ reply: @escaping (PeerReload) -> Void) {
        let loop = worker.eventLoop
        let reply = NIOLoopBound(reply, eventLoop: loop)
        let handler = shared.reloadHandler
        Task {
            let outcome = await handler?() ?? PeerReload(isGood: false, text: "the node is starting")
            loop.execute { reply.value(outcome) }
        }
    }

    var notNow: RequestRefusal {
        RequestRefusal(
            .notServing, .unavailable, "the node takes no spans of peers now", retryAfter: 100_000_000)
    }

    static let repeated = RequestRefusal(.repeatedBatch, .aborted, "the same batch is being taken in")
    static let tooOld = RequestRefusal(.badPeerMessage, .failedPrecondition, "too old to be told from its repetition")

    // MARK: figures

    /// Enters what stands between this worker and its peers.
    func fill(_ ledger: inout LedgerCells) {
        ledger.accepted += forwarder.ledger.accepted
        ledger.forwarded = forwarder.ledger.forwarded
        ledger.handedOff = handoff.ledger.handedOff
        ledger.held = forwarder.custodySpans + handoff.heldSpans + sweep.spanCount
        guard let metrics else { return }
        worker.cells.set(metrics.custodyBytes, forwarder.heldBytes)
        worker.cells.set(metrics.custodyLimit, settings.custodyBytes)
        worker.cells.set(metrics.handoffBytes, handoff.heldBytes)
        worker.cells.set(metrics.isSweeping, handoff.isSweeping ? 1 : 0)
        worker.cells.set(
            metrics.possiblyDuplicatedSpans,
            total: forwarder.ledger.possiblyDuplicated + handoff.ledger.possiblyDuplicated)
        worker.cells.set(metrics.handedOffTraces, total: sweep.movedTraces)
        worker.cells.set(metrics.returnedSpans, total: handoff.ledger.returned)
    }
}

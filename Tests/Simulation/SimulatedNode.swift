package import Cluster
internal import OTLP
package import Sampling
internal import TestSupport

extension Shard: HandoffSource {
    package mutating func moreDecisions(
        _ cursor: inout SweepCursor, limit: Int, now: Int64, _ visit: (HandoffDecision) -> Void
    ) -> Bool {
        sweepDecisions(&cursor, limit: limit, maximumAge: 300, now: now) { id, decision, age in
            visit(
                HandoffDecision(
                    traceID: id, verdict: decision.verdict.rawValue, policy: decision.policy,
                    age: UInt32(truncatingIfNeeded: age)))
        }
        return !cursor.hasDecisionsEnded
    }

    package func describe(_ trace: MovedTrace, now: Int64) -> (trace: HandoffTrace, deadline: Int64, spans: Int) {
        let moved = HandoffTrace(traceID: trace.traceID, age: trace.age, remaining: trace.deadline - now, policyHash: 1)
        return (moved, trace.deadline, trace.spanCount)
    }

    package func frontier(_ cursor: SweepCursor) -> Int64 { cursor.frontier }
    package func hasEnded(_ cursor: SweepCursor) -> Bool { cursor.hasEnded }
}

/// One node as it is put together from the machines that the real one is made of; this class is the driver, with one lane.
final class SimulatedNode {
    unowned let world: Simulation
    let address: String
    let incarnation: UInt64
    let keys: HashKeys
    /// This node's clock is the world's, moved and running at another pace.
    let clockOffset: Int64
    let clockDrift: Double
    let startedAt: Int64
    /// When it began to go by the ring that it has.
    private(set) var ringSince: Int64

    private(set) var core: ClusterCore
    private(set) var forwarder: Forwarder
    private(set) var handoff: HandoffSender
    private var recent = RecentBatches()
    private var shard: Shard
    private var walker: RequestWalker
    private var parter = RequestParter()
    private var sweep: HandoffSweep<Shard>
    private var answers: [UInt64: (Bool) -> Void] = [:]
    private var nextToken: UInt64 = 0
    private var nextCoreTick: Int64 = 0
    private var nextResolve: Int64 = 0

    /// A rate that the cluster shares, as it stood at the last tick of the core.
    private(set) var limit = SimulatedLimit()

    var isAlive = true
    /// While the process is stopped, until when, in the world's time.
    var frozenUntil: Int64 = 0
    var drainDeadline: Int64?

    // The ledger of the node, in spans; see `balance`.
    private var takenIn = 0
    private var adopted = 0
    private var notSampled = 0
    private var dropped = 0
    private var sampled = 0
    private(set) var conflicts = 0

    init(_ world: Simulation, _ address: String) {
        self.world = world
        self.address = address
        incarnation = world.random.next() | 1
        keys = HashKeys(world.random.next(), world.random.next())
        clockOffset = Int64(world.random.below(1_000_000)) * second
        clockDrift = 1 + Double(world.random.below(2001) - 1000) * 1e-5
        startedAt = world.now
        ringSince = world.now
        let now = clockOffset
        core = ClusterCore(
            address: address, incarnation: incarnation, settings: world.settings, slotBits: world.slotBits, now: now)
        core.policyHash = 1
        forwarder = Forwarder(address: address, incarnation: incarnation, lane: 0, settings: world.settings)
        handoff = HandoffSender(
            address: address, incarnation: incarnation, lane: 0, laneCount: 1, settings: world.settings, now: now)
        shard = Shard(settings: world.shardSettings, policies: world.policies, now: now)
        sweep = HandoffSweep(address: address, settings: world.settings)
        walker = RequestWalker(keys: keys, interest: world.policies.interest)
    }

    /// Monotonic nanoseconds of this node.
    var now: Int64 { clockOffset + Int64(Double(world.now - startedAt) * clockDrift) }

    /// What is asked of the shared rate here, units per second: of some nodes ten times as much as of others, and nothing of those
    /// that own nothing.
    var demand: Double {
        guard core.ring?.contains(address) ?? false else { return 0 }
        return (incarnation >> 1) % 3 == 0 ? 10_000 : 1000
    }

    /// Spans that die with the process.
    var heldSpans: Int {
        shard.bufferedSpans + forwarder.custodySpans + handoff.heldSpans + sweep.spanCount
    }

    /// Spans that this node has promised to take to their owners.
    var custodySpans: Int { forwarder.custodySpans }

    /// Spans that may be on another node, too, as this node counts them.
    var possibleDoubles: Int { forwarder.ledger.possiblyDuplicated + handoff.ledger.possiblyDuplicated }

    var isQuiet: Bool {
        heldSpans == 0 && forwarder.isEmpty && handoff.isIdle && answers.isEmpty
    }

    /// A leaving node has done all that it had to.
    private(set) var isDrained = false
    /// The version of the ring in force, and since when it has been, in the world's time.
    private(set) var ringInForce: (version: UInt64, since: Int64) = (0, 0)

    // MARK: turns

    func tick() {
        let now = now
        if now >= nextCoreTick {
            nextCoreTick = now + 100 * millisecond
            perform(core.tick(now: now))
            limit.pass(demand, until: now, core: &core)
        }
        if now >= nextResolve {
            nextResolve = now + world.resolverInterval
            world.resolve(self)
        }
        core.handoffProgress = handoff.progress
        perform(forwarder.tick(now: now))
        perform(handoff.tick(now: now))
        goOnSweeping()
        if let deadline = drainDeadline, world.now >= deadline {
            perform(handoff.takeBackAll(now: now))
            perform(forwarder.keepAll())
            decide(early: true)
        } else {
            decide(early: core.isLeavingAlone(now: now))
        }
        isDrained = core.mayLeave(isEmpty: isQuiet, now: now)
        checkBounds()
    }

    func resolved(_ answer: ResolverAnswer) { perform(core.resolved(answer, now: now)) }

    func startDraining() {
        drainDeadline = world.now + world.drainTimeout
        perform(core.startDraining(now: now))
    }

    private func perform(_ actions: [ClusterAction]) {
        for action in actions {
            switch action {
            case .exchange(let peer): exchange(with: peer)
            case .resolve: nextResolve = now
            case .activate(let ring, let epoch):
                ringSince = world.now
                world.note("\(address): ring of \(ring.members.map(\.address)), epoch \(epoch)")
                if ringInForce.version != ring.version { ringInForce = (ring.version, world.now) }
                perform(forwarder.ringChanged(ring, now: now))
                if world.sabotage != .keepsTraces {
                    perform(handoff.ringChanged(ring, epoch: epoch, isOrdered: core.isHandoffOrdered, now: now))
                }
                sweep.begin(shard)
            case .connect(let peer):
                perform(forwarder.reachable(peer, true, now: now))
                perform(handoff.reachable(peer, true, now: now))
            case .disconnect(let peer):
                perform(forwarder.reachable(peer, false, now: now))
                perform(handoff.reachable(peer, false, now: now))
            case .log(let event):
                // One that is back already was dead for a while.
                if case .peerUnreachable(let peer) = event, let node = world.nodes[peer], node.isAlive,
                    world.now - node.startedAt >= world.settings.unreachableAfter
                {
                    world.falseAlarms += 1
                }
                world.note("\(address): \(event)")
            }
        }
    }

    private func exchange(with peer: String) {
        let message = core.status(now: now).encoded
        world.network.call(from: self, to: peer) { (target, answer: @escaping ([UInt8]) -> Void) in
            answer(target.asked(message))
        } answer: { [unowned self] answer, _ in
            guard let answer, let status = try? PeerStatus(parsing: answer) else {
                self.perform(self.core.failed(peer, now: self.now))
                return
            }
            self.perform(self.core.answered(status, now: self.now))
        }
    }

    private func asked(_ message: [UInt8]) -> [UInt8] {
        if let status = try? PeerStatus(parsing: message) {
            perform(core.asked(status, now: now))
        } else {
            world.fail("\(address): a status that can't be read")
        }
        return core.status(now: now).encoded
    }

    // MARK: taking spans

    /// A client's request.
    func accept(_ payload: [UInt8], answer: @escaping (Bool) -> Void) {
        // After a stop, what was sent before it may have been sent elsewhere meanwhile.
        guard core.takesFromPeers(now: now), core.lifecycle == .serving || core.lifecycle == .draining else { return answer(false) }
        take(payload, from: nil, answer: answer)
    }

    /// Takes a request of a client, or a batch of a peer (`headers`).
    private func take(_ payload: [UInt8], from headers: ForwardHeaders?, answer: @escaping (Bool) -> Void) {
        guard let ring = core.ring, shard.bufferedBytes < world.shardSettings.maximumBytes else { return answer(false) }
        var index = RequestIndex()
        do { try walker.walk(payload.span, into: &index) } catch { return world.fail("\(address): \(error)") }
        world.policies.evaluatePredicates(&index, body: payload.span)
        let own = ring.index(of: address) ?? -1
        let hop = headers?.hop ?? 0
        var cut = PartedRequest()
        if hop >= world.settings.maximumHops {
            cut.localSpans = index.records.count
            if index.records.contains(where: { ring.owner(of: $0.traceID) != own }) { core.foundForeignTraces() }
        } else {
            cut = parter.cut(body: payload.span, index: &index, ring: ring, own: own)
        }
        if let headers, core.isBounce(headers, owners: cut.parts.map { ring.members[$0.member].address }, now: now) {
            world.follow(index.records.map(\.traceID), "\(address) refuses what is the sender's own")
            return answer(false)
        }
        guard forwarder.hasRoom(batches: cut.parts.count, bytes: cut.bytes) else { return answer(false) }
        if world.sabotage == .answersEarly, !cut.parts.isEmpty { answer(true) }
        if cut.localSpans > 0 {
            takenIn += cut.localSpans
            arrive(payload, index)
            ingest(payload, index)
        }
        if cut.parts.isEmpty { return answer(true) }
        nextToken += 1
        answers[nextToken] = answer
        let parts = cut.parts.map { (owner: ring.members[$0.member].address, part: $0.part) }
        perform(forwarder.submit(token: nextToken, parts: parts, localSpansHeld: cut.localSpans > 0, hop: hop, now: now))
    }

    /// Spans of a client or a peer come into this node's shard.
    private func arrive(_ payload: [UInt8], _ index: RequestIndex) {
        for record in index.records { world.arrived(WorkSpan.id(of: payload.span.extracting(record.range))) }
    }

    /// Returns how many spans came after their trace was decided.
    @discardableResult
    private func ingest(_ payload: [UInt8], _ index: RequestIndex) -> Int {
        let result = shard.ingest(body: payload.span, index: index, shard: 0, of: 1, now: now)
        world.follow(
            index.records.map(\.traceID),
            "\(address) buffers \(result.bufferedSpans) of \(index.records.count) spans, \(result.lateNotSampled) late and not sampled")
        notSampled += result.lateNotSampled
        dropped += result.lateDropped
        sampled += result.lateSampled.count
        for position in result.lateSampled {
            world.stored(WorkSpan.id(of: payload.span.extracting(index.records[Int(position)].range)))
        }
        return result.lateNotSampled + result.lateDropped + result.lateSampled.count
    }

    private func perform(_ actions: [Forwarder.Action]) {
        for action in actions {
            switch action {
            case .answer(let token, let refusedFor): answers.removeValue(forKey: token)?(refusedFor == nil)
            case .keep(let part):
                var index = RequestIndex()
                do { try walker.walk(part.payload.span, into: &index) } catch { world.fail("\(address): \(error)") }
                if index.records.count != part.spans { world.fail("\(address): a part's count is wrong") }
                world.policies.evaluatePredicates(&index, body: part.payload.span)
                arrive(part.payload, index)
                ingest(part.payload, index)
                core.foundForeignTraces()
            case .send(let peer, let headers, let payload, let attempt):
                if world.followed != nil {
                    var index = RequestIndex()
                    try? walker.walk(payload.span, into: &index)
                    world.follow(index.records.map(\.traceID), "\(address) forwards to \(peer), hop \(headers.hop)")
                }
                let fields = headers.fields.map(\.value)
                world.network.call(from: self, to: peer) { (target, answer: @escaping (ForwardOutcome) -> Void) in
                    target.forwarded(fields, payload, answer)
                } answer: { [unowned self] outcome, isSent in
                    self.perform(
                        self.forwarder.completed(
                            headers.batch, attempt: attempt, outcome ?? (isSent ? .unknown : .notSent), now: self.now))
                }
            }
        }
    }

    private func forwarded(_ fields: [String], _ payload: [UInt8], _ answer: @escaping (ForwardOutcome) -> Void) {
        guard let headers = try? ForwardHeaders(batch: fields[0], hop: fields[1], ring: fields[2]) else {
            return world.fail("\(address): headers that can't be read")
        }
        guard core.takesFromPeers(now: now) else { return answer(.refused(retryAfter: 0)) }
        if world.sabotage == .forgetsBatches { recent = RecentBatches() }
        switch recent.begin(headers.batch) {
        case .taken: answer(.taken)
        case .pending: answer(.unknown)
        case .tooOld: world.fail("\(address): a batch too old to be known")
        case .new:
            take(payload, from: headers) { [unowned self] isTaken in
                self.recent.finish(headers.batch, taken: isTaken)
                answer(isTaken ? .taken : .refused(retryAfter: 0))
            }
        }
    }

    // MARK: hand-off

    private func perform(_ actions: [HandoffSender.Action]) {
        for action in actions {
            switch action {
            case .send(let peer, let id, let message):
                if world.followed != nil, let chunk = try? HandoffChunk.parse(message).chunk {
                    world.follow(chunk.traces.map(\.traceID), "\(address) hands over to \(peer) (chunk \(id))")
                    world.follow(chunk.decisions.map(\.traceID), "\(address) hands a decision over to \(peer) (chunk \(id))")
                }
                world.network.call(from: self, to: peer) { (target, answer: @escaping (ForwardOutcome) -> Void) in
                    answer(target.handedOver(message))
                } answer: { [unowned self] outcome, isSent in
                    self.perform(self.handoff.completed(id, outcome ?? (isSent ? .unknown : .notSent), now: self.now))
                }
            case .takeBack(let chunk, let spans):
                world.follow(chunk.traces.map(\.traceID), "\(address) takes back")
                adopted += spans
                adopt(chunk, spans: spans)
                core.foundForeignTraces()
            }
        }
    }

    private func handedOver(_ message: [UInt8]) -> ForwardOutcome {
        guard let (header, chunk) = try? HandoffChunk.parse(message) else {
            world.fail("\(address): a chunk that can't be read")
            return .refused(retryAfter: 0)
        }
        guard core.takesFromPeers(now: now) else { return .refused(retryAfter: 0) }
        if world.sabotage == .losesChunks, header.sequence % 3 == 0, !header.isLast { return .taken }
        var late = 0
        switch recent.begin(header.batch) {
        case .pending: return .unknown
        case .tooOld:
            world.fail("\(address): a chunk too old to be known")
            return .refused(retryAfter: 0)
        case .taken: break
        case .new:
            let taken = adopt(chunk, spans: nil)
            adopted += taken.spans
            late = taken.late
            recent.finish(header.batch, taken: true)
        }
        core.received(header, lateSpans: late, now: now)
        return .taken
    }

    /// Takes a chunk's traces and decisions into the shard. Returns its spans, and how many of them came after their decision.
    @discardableResult
    private func adopt(_ chunk: HandoffChunk, spans: Int?) -> (spans: Int, late: Int) {
        let now = now
        for decision in chunk.decisions {
            guard let verdict = Verdict(rawValue: decision.verdict) else { continue }
            let adoption = shard.adopt(
                Decision(verdict: verdict, policy: decision.policy), of: decision.traceID, hash: keys.hash(decision.traceID),
                age: Int(decision.age), now: now)
            switch adoption {
            case .remembered, .known: break
            case .conflicting: conflicts += 1
            case .settled(let trace): settle(trace)
            }
        }
        guard !chunk.payload.isEmpty else { return (0, 0) }
        var index = RequestIndex()
        do { try walker.walk(chunk.payload.span, into: &index) } catch { world.fail("\(address): \(error)") }
        world.policies.evaluatePredicates(&index, body: chunk.payload.span)
        if let spans, spans != index.records.count { world.fail("\(address): a chunk's count is wrong") }
        var traces: [TraceID: HandoffTrace] = [:]
        for trace in chunk.traces { traces[trace.traceID] = trace }
        for record in index.records {
            guard let trace = traces.removeValue(forKey: record.traceID) else { continue }
            _ = shard.adopt(
                record, age: trace.age, remaining: trace.remaining, grace: world.settings.handoffGrace, policyVersion: 1,
                now: now)
            if let ring = core.ring, ring.members[ring.owner(of: trace.traceID)].address != address {
                core.foundForeignTraces()
            }
        }
        return (index.records.count, ingest(chunk.payload, index))
    }

    private func goOnSweeping() {
        guard let ring = core.ring else { return }
        perform(sweep.advance(&shard, &handoff, ring: ring, limit: 4096, now: now))
    }

    // MARK: deciding

    private func decide(early: Bool) {
        var limit = early ? now : min(core.decisionLimit(now: now), handoff.decisionLimit(now: now))
        if world.sabotage == .decidesAtOnce { limit = now }
        while let trace = shard.nextDecision(now: limit, early: early) {
            world.decided(trace.traceID, trace.decision.verdict, on: trace.spanCount, by: self, early: early)
            settle(trace)
        }
        shard.freeDecided()
    }

    private func settle(_ trace: DecidedTrace) {
        switch trace.decision.verdict {
        case .notSampled: notSampled += trace.spanCount
        case .dropped: dropped += trace.spanCount
        case .sampled:
            sampled += trace.spanCount
            for position in 0..<trace.spanCount {
                shard.withSpan(position) { _, _, _, span in world.stored(WorkSpan.id(of: span)) }
            }
            shard.finish(trace)
        }
    }

    // MARK: laws

    private func checkBounds() {
        let ledger = forwarder.ledger
        let bySpan = ledger.accepted - ledger.forwarded - ledger.kept - forwarder.custodySpans
        if bySpan != 0 { world.fail("\(address): the forwarder's ledger is off by \(bySpan)") }
        let goneOn = handoff.ledger.handedOff + handoff.ledger.returned + handoff.heldSpans + sweep.spanCount
        let balance = takenIn + adopted + ledger.kept - shard.bufferedSpans - notSampled - dropped - sampled - goneOn
        if balance != 0 { world.fail("\(address): the ledger is off by \(balance)") }
        let settings = world.settings
        if forwarder.heldBytes > settings.custodyBytes + world.largestRequest { world.fail("\(address): custody over its bound") }
        if handoff.heldBytes > settings.handoffWindowBytes + settings.handoffChunkBytes * 8 {
            world.fail("\(address): hand-off over its bound")
        }
    }
}

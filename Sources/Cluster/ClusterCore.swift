/// What `ClusterCore` asks its driver to do.
package enum ClusterAction: Sendable, Equatable {
    /// Ask a peer for its status, telling ours: `ClusterCore.status`.
    case exchange(with: String)
    /// Ask the resolver again now: a peer has another list than we.
    case resolve
    /// This ring is in force from now on: give it to every lane (`Forwarder.ringChanged`; `HandoffSender.ringChanged` with
    /// `ClusterCore.isHandoffOrdered` as it is now; a new sweep).
    case activate(HashRing, epoch: UInt64)
    /// The peer answers: lanes may send to it (`reachable(peer, true)`).
    case connect(String)
    /// The peer does not answer, or is another process than before (then `connect` follows): end what is under way to it, and
    /// tell the lanes (`reachable(peer, false)`).
    case disconnect(String)
    case log(ClusterEvent)
}

/// What an operator should know. One line of the log each.
package enum ClusterEvent: Sendable, Equatable {
    case peerReachable(String)
    case peerUnreachable(String)
    case peerRestarted(String)
    case ringProposed([RingMember])
    case ringActivated([RingMember], version: UInt64)
    /// This node's ring and a peer's have differed for longer than any change takes.
    case ringsDiffer(String)
    /// A peer judges by other policies than this node.
    case policiesDiffer(String)
    case policiesAgree
    /// This process was stopped for so many nanoseconds.
    case wasStopped(Int64)
    /// A peer's hand-off stands still: its traces are decided without what it still has of them.
    case handoffStalled(String)
    case resolverFails
}

/// What `ClusterCore.isBounce` looks at, apart from the ring.
package struct BounceCheck: Sendable, Equatable {
    /// Until when a ring change counts as going on, monotonic nanoseconds.
    fileprivate var changesUntil = Int64.min
    /// Addresses of peers by incarnation.
    fileprivate var senders: [UInt64: String] = [:]

    package init() {}

    /// See `ClusterCore.isBounce`.
    ///
    /// - Parameter ringVersion: of the ring by which `owners` were found.
    package func isBounce(
        _ headers: ForwardHeaders, ringVersion: UInt64, owners: some Sequence<String>, now: Int64
    ) -> Bool {
        guard headers.ringVersion != ringVersion, now < changesUntil, let sender = senders[headers.batch.incarnation]
        else { return false }
        return owners.contains(sender)
    }
}

/// One node's part in the cluster, but for spans: membership, agreement on the ring, shared budgets, policy versions, and until
/// when traces may be decided. One per node; lanes (`Forwarder`, `HandoffSender`: one pair per worker) do what concerns spans.
///
/// A value: events with `now` (monotonic nanoseconds) go in, actions come out. The real node and the simulation drive the same
/// code.
package struct ClusterCore: Sendable {
    package let address: String
    package let incarnation: UInt64
    package let settings: ClusterSettings
    private let weight: UInt8
    private let slotBits: Int
    package private(set) var membership: Membership
    package private(set) var agreement: RingAgreement
    package private(set) var inbound: InboundProgress
    package private(set) var budget: SharedBudget
    /// The ring in force; nil before the first.
    package private(set) var ring: HashRing?
    /// How many rings this node has put in force.
    package private(set) var ringEpoch: UInt64 = 0
    package private(set) var lifecycle: NodeLifecycle = .starting
    /// Hash of the policies in force, 0 unknown. Set by the owner at start and after every reload.
    package var policyHash: UInt64 = 0
    /// The sum of all lanes' `HandoffSender.progress`; peers hold decisions back while it grows. Set by the owner at least every
    /// `ClusterSettings.healthInterval` while one of them is not idle.
    package var handoffProgress: UInt64 = 0

    private var sequence: UInt64 = 0
    private var lastTick: Int64
    /// After a stop of the process: since when, until a peer has answered.
    private var stoppedAt: Int64?
    private var ringsDifferSince: [String: Int64] = [:]
    private var warnedRings: Set<String> = []
    private var warnedPolicies: Set<String> = []
    private var nextResolve: Int64 = 0
    private var drainingSince: Int64?
    private var emptySince: Int64?
    private var reportedResolver = false
    /// Something is here that belongs elsewhere, or a peer has forgotten how far we are: all lanes go over their traces again.
    /// Peers hear of it at once, as the epoch of the sweep that will be (`status`), and hold their decisions.
    private var needsSweep = false
    private var isSweepAnnounced = false
    /// Whether hand-off was over everywhere when this node got ready for the wanted ring.
    private var wasWhole = false
    /// Whether the hand-off for the ring in force may say how far it has come (`HandoffSender.ringChanged`). It may if each
    /// trace was whole on its owner before, so that what this node hands over of a trace is the oldest part of it. It may not
    /// while parts may be on several nodes, of which one that is not the oldest is due later than its trace.
    package private(set) var isHandoffOrdered = false
    /// Members that fell silent without a word, and when: see `ClusterSettings.silencePatience`.
    private var silentSince: [String: Int64] = [:]
    /// When the ring was put in force.
    private var activatedAt: Int64 = .min

    /// - Parameters:
    ///   - address: this node as its peers reach it; what the resolver calls it.
    ///   - incarnation: 64 random bits, not 0.
    package init(
        address: String, incarnation: UInt64, weight: UInt8 = 1, settings: ClusterSettings = ClusterSettings(),
        slotBits: Int = HashRing.defaultSlotBits, now: Int64
    ) {
        self.address = address
        self.incarnation = max(1, incarnation)
        self.weight = weight
        self.settings = settings
        self.slotBits = slotBits
        membership = Membership(address: address, settings: settings)
        agreement = RingAgreement(settings)
        inbound = InboundProgress(settings)
        budget = SharedBudget(settings, address: address)
        lastTick = now
    }

    // MARK: what others ask

    /// Whether clients' requests are taken: there is a ring to route by.
    package var isReady: Bool { ring != nil && lifecycle == .serving }

    /// Whether peers' spans are taken now. Not before there is a ring, and not after this process was stopped for so long that
    /// peers have routed around it, until one of them has been heard: what then lies in the sockets, they have given to others.
    package func takesFromPeers(now: Int64) -> Bool {
        ring != nil && stoppedAt == nil && now - lastTick < settings.unreachableAfter
    }

    /// Whether a peer's batch should be refused because it was sent by a ring that one of the two is about to let go, and by ours
    /// some of it is the sender's own. Sent back it would wait here for its turn, while the sender waits for us; refused, it goes
    /// the right way as soon as the rings are the same. Only while a ring change is going on: lists that contradict each other
    /// for longer are what the hop count is for.
    ///
    /// - Parameter owners: by the ring in force, of the spans that this node would forward.
    /// - Complexity: O(peers), but O(1) while both have the same ring.
    package func isBounce(_ headers: ForwardHeaders, owners: some Sequence<String>, now: Int64) -> Bool {
        guard let ring, headers.ringVersion != ring.version else { return false }
        return bounceCheck.isBounce(headers, ringVersion: ring.version, owners: owners, now: now)
    }

    /// `isBounce` as of now, for lanes that do not share a loop with the core. - Complexity: O(peers).
    package var bounceCheck: BounceCheck {
        var check = BounceCheck()
        guard ring != nil else { return check }
        check.changesUntil = agreement.phase == .ready ? .max : saturatingAdd(activatedAt, settings.readyTimeout)
        for peer in membership.peers.values {
            if let incarnation = peer.status?.incarnation { check.senders[incarnation] = peer.address }
        }
        return check
    }

    /// Whether this node is leaving and has nobody to hand anything to: it decides early what it has.
    package func isLeavingAlone(now: Int64) -> Bool {
        guard let since = drainingSince else { return false }
        var isWaiting = false
        for peer in membership.peers.values {
            // A listed peer that was never reached may be starting.
            if peer.lastAnswered == nil { isWaiting = isWaiting || now - since < settings.startWait }
            if peer.isReachable && peer.status?.lifecycle != .draining { return false }
        }
        return !isWaiting
    }

    /// Whether a leaving node may exit. Call every tick.
    ///
    /// - Parameter isEmpty: no lane holds anything: no undecided trace, batch, chunk or open request.
    package mutating func mayLeave(isEmpty: Bool, now: Int64) -> Bool {
        guard lifecycle == .draining, isEmpty else {
            emptySince = nil
            return false
        }
        if isLeavingAlone(now: now) { return true }
        guard !(ring?.contains(address) ?? false) else { return false }
        let since = emptySince ?? now
        emptySince = since
        return now - since >= settings.leaveLinger
    }

    /// Whether all reachable peers that have a ring have this one.
    package var isAgreed: Bool {
        guard let ring, agreement.phase == .settled else { return false }
        return ringPeers().allSatisfy { $0.ringVersion == ring.version }
    }

    /// Traces due up to this time may be decided; hand it to `Shard.nextDecision` in place of `now` if it is less.
    package mutating func decisionLimit(now: Int64) -> Int64 {
        agreement.expireHold(now: now)
        var limit = now
        if let since = agreement.holdsSince { limit = min(limit, since) }
        if let since = stoppedAt { limit = min(limit, since) }
        for since in silentSince.values where now - since < settings.silencePatience { limit = min(limit, since) }
        guard let ring else { return limit }
        // Who owns nothing is handed nothing, and what it still finds goes to its owners.
        if !ring.contains(address), !isAlone { return min(limit, saturatingAdd(now, -settings.maximumHold)) }
        return min(limit, inbound.limit(peers: ringPeers(), ringVersion: ring.version, now: now))
    }

    /// No peer can be handed anything.
    private var isAlone: Bool { !membership.peers.values.contains { $0.isReachable } }

    /// Whether every trace is whole on its owner, as far as this node knows.
    private var isWhole: Bool {
        guard !needsSweep else { return false }
        let version = ring?.version ?? 0
        return ringPeers().allSatisfy { inbound.isSettled($0, ringVersion: version) }
    }

    /// Statuses of the reachable peers that own or owned something.
    private func ringPeers() -> [PeerStatus] {
        membership.sortedPeers.compactMap { peer in
            guard peer.isReachable, let status = peer.status, status.ringVersion != 0 else { return nil }
            return status
        }
    }

    /// The message for the next exchange. Every call counts up its sequence.
    package mutating func status(now: Int64) -> PeerStatus {
        sequence += 1
        var status = PeerStatus(address: address, incarnation: incarnation, sequence: sequence, lifecycle: lifecycle)
        status.weight = weight
        status.ringVersion = ring?.version ?? 0
        status.ringEpoch = needsSweep ? ringEpoch + 1 : ringEpoch
        status.phase = agreement.phase
        status.wantedVersion = agreement.phase == .settled ? status.ringVersion : agreement.proposalVersion
        status.policyHash = policyHash
        status.handoffProgress = handoffProgress
        status.knowsPeers = membership.knowsPeers(now: now)
        status.demands = budget.report()
        return status
    }

    // MARK: events

    package mutating func resolved(_ answer: ResolverAnswer, now: Int64) -> [ClusterAction] {
        var actions: [ClusterAction] = []
        membership.resolved(answer, ringMembers: ring?.members ?? [], now: now)
        if membership.resolverFailures == 0 {
            reportedResolver = false
        } else if !reportedResolver {
            reportedResolver = true
            actions.append(.log(.resolverFails))
        }
        for peer in membership.exchangesDue(now: now) { actions.append(.exchange(with: peer)) }
        advance(now, &actions)
        return actions
    }

    /// A peer answered our exchange.
    package mutating func answered(_ status: PeerStatus, now: Int64) -> [ClusterAction] {
        var actions: [ClusterAction] = []
        let before = membership.peers[status.address]
        guard before != nil, status.address != address else { return [] }
        let isNews = membership.answered(status, now: now)
        if before?.isReachable == false {
            // From now on it is waited for as any peer whose hand-off is not over.
            silentSince[status.address] = nil
            actions.append(.connect(status.address))
            actions.append(.log(.peerReachable(status.address)))
        }
        if stoppedAt != nil, now - lastTick < settings.unreachableAfter { stoppedAt = nil }
        if isNews { learned(status, before: before?.status, now, &actions) }
        advance(now, &actions)
        return actions
    }

    /// A peer asked for our status; the driver answers with `status`, which already holds what follows from its question.
    package mutating func asked(_ status: PeerStatus, now: Int64) -> [ClusterAction] {
        var actions: [ClusterAction] = []
        let before = membership.peers[status.address]?.status
        if status.lifecycle == .draining, status.ringVersion != 0 { membership.askedByLeaver(status.address, now: now) }
        if ring == nil, membership.peers[status.address] == nil {
            membership.askedByStranger(status.address, now: now)
            if now >= nextResolve {
                nextResolve = now + settings.settleTime
                actions.append(.resolve)
            }
        }
        if status.address != address, membership.learn(status, now: now) { learned(status, before: before, now, &actions) }
        advance(now, &actions)
        return actions
    }

    /// A connection to a peer was refused or broke, or an exchange failed.
    package mutating func failed(_ peer: String, now: Int64) -> [ClusterAction] {
        var actions: [ClusterAction] = []
        if membership.failed(peer, now: now) { lost(peer, &actions) }
        advance(now, &actions)
        return actions
    }

    /// A hand-off chunk of a peer was taken in.
    ///
    /// - Parameter lateSpans: its spans whose traces had been decided here, 0 for one that was known (`RecentBatches`).
    package mutating func received(_ header: HandoffHeader, lateSpans: Int, now: Int64) {
        inbound.received(header, lateSpans: lateSpans, now: now)
    }

    /// Traces of other owners were found or put into a shard here (`Forwarder.Action.keep`, a chunk by another ring, a chunk
    /// that came back). The next `tick` tells the peers, who hold decisions for it; once the cluster agrees on a ring again, a
    /// new sweep brings them to their owners.
    package mutating func foundForeignTraces() { needsSweep = true }

    /// Enters what went through this node's shared limits, see `SharedBudget.enter`.
    package mutating func enter(_ readings: [BudgetReading], now: Int64) { budget.enter(readings, now: now) }

    /// The part of each shared limit that this node has now, in the order of `ids`; nil: as before. After a stop of the process
    /// nothing is known of the others until one of them has been heard, and they have given this node's share away.
    package func shares(_ ids: [UInt64], now: Int64) -> [Double]? {
        stoppedAt == nil ? ids.map { budget.share($0, now: now) } : nil
    }

    /// Leaves the cluster: peers hear of it at once.
    package mutating func startDraining(now: Int64) -> [ClusterAction] {
        guard lifecycle != .draining else { return [] }
        lifecycle = .draining
        drainingSince = now
        var actions: [ClusterAction] = []
        advance(now, &actions)
        announce(now, &actions)
        return actions
    }

    /// Call every 100 ms or so, and when a second `tick` lies further back than that, before anything else.
    package mutating func tick(now: Int64) -> [ClusterAction] {
        var actions: [ClusterAction] = []
        let gap = now - lastTick
        lastTick = now
        if gap >= settings.unreachableAfter {
            membership.forgiveSilence(now: now)
            // Alone there is nobody who could have taken over.
            if let ring, ring.members.count > 1 { stoppedAt = now }
            actions.append(.log(.wasStopped(gap)))
        }
        if let since = stoppedAt, now - since >= settings.holdPatience { stoppedAt = nil }
        for peer in membership.expire(now: now) {
            let isMember = ring?.contains(peer) == true && membership.peers[peer]?.status?.lifecycle == .serving
            if isMember { silentSince[peer] = now }
            lost(peer, &actions)
        }
        silentSince = silentSince.filter { now - $0.value < settings.silencePatience }
        membership.track(ring?.members ?? [], now: now)
        inbound.prune { membership.peers[$0] != nil }
        budget.prune { membership.peers[$0] != nil }
        for peer in membership.exchangesDue(now: now) { actions.append(.exchange(with: peer)) }
        compareRings(now, &actions)
        for peer in inbound.takeGivenUp() { actions.append(.log(.handoffStalled(peer))) }
        advance(now, &actions)
        if needsSweep, !isSweepAnnounced {
            isSweepAnnounced = true
            announce(now, &actions)
        }
        if needsSweep, let ring, isAgreed {
            isHandoffOrdered = false
            activate(ring, now, &actions)
        }
        return actions
    }

    // MARK: consequences

    private mutating func lost(_ peer: String, _ actions: inout [ClusterAction]) {
        inbound.suspend(peer)
        budget.forget(peer)
        actions.append(.disconnect(peer))
        actions.append(.log(.peerUnreachable(peer)))
    }

    private mutating func learned(
        _ status: PeerStatus, before: PeerStatus?, _ now: Int64, _ actions: inout [ClusterAction]
    ) {
        budget.received(status.demands, from: status.address, now: now)
        if let before, before.incarnation != status.incarnation {
            inbound.forget(status.address)
            needsSweep = true
            // The new process knows nothing of what the one before it took.
            if membership.peers[status.address]?.isReachable == true {
                actions.append(.disconnect(status.address))
                actions.append(.connect(status.address))
            }
            actions.append(.log(.peerRestarted(status.address)))
        }
        if status.phase != .settled, status.wantedVersion != (ring?.version ?? 0),
            status.wantedVersion != agreement.proposalVersion, now >= nextResolve
        {
            nextResolve = now + settings.settleTime
            actions.append(.resolve)
        }
        if policyHash != 0, status.policyHash != 0 {
            if status.policyHash != policyHash {
                if warnedPolicies.insert(status.address).inserted { actions.append(.log(.policiesDiffer(status.address))) }
            } else if warnedPolicies.remove(status.address) != nil, warnedPolicies.isEmpty {
                actions.append(.log(.policiesAgree))
            }
        }
    }

    /// Goes on with the agreement as far as it goes now.
    private mutating func advance(_ now: Int64, _ actions: inout [ClusterAction]) {
        var wanted: [RingMember] = []
        if ring != nil || membership.mayBegin(now: now) {
            wanted = membership.wanted(lifecycle: lifecycle, weight: weight, now: now)
        }
        // Three steps lead from one ring to the next; more than two changes at once do not happen.
        for _ in 0..<6 {
            let step = agreement.advance(
                wanted: wanted, current: ring, isUrgent: isUrgent(wanted), slotBits: slotBits,
                participants: participants(wanted), now: now)
            switch step {
            case .none: return
            case .announce:
                if agreement.phase == .ready { wasWhole = isWhole }
                if agreement.phase == .proposed { actions.append(.log(.ringProposed(agreement.proposal))) }
                announce(now, &actions)
            case .activate:
                guard let next = HashRing(agreement.proposal, slotBits: slotBits) else { return }
                isHandoffOrdered = wasWhole && !needsSweep
                if lifecycle == .starting { lifecycle = .serving }
                actions.append(.log(.ringActivated(next.members, version: next.version)))
                activate(next, now, &actions)
                announce(now, &actions)
            }
        }
    }

    private mutating func activate(_ next: HashRing, _ now: Int64, _ actions: inout [ClusterAction]) {
        ring = next
        budget.ringChanged(next.members.map(\.address))
        activatedAt = now
        ringEpoch += 1
        needsSweep = false
        isSweepAnnounced = false
        actions.append(.activate(next, epoch: ringEpoch))
    }

    private mutating func announce(_ now: Int64, _ actions: inout [ClusterAction]) {
        for peer in membership.exchangesDue(now: now, all: true) { actions.append(.exchange(with: peer)) }
    }

    /// Whether the change is due to a member of the ring that does not answer or leaves.
    private func isUrgent(_ wanted: [RingMember]) -> Bool {
        guard let ring else { return false }
        return ring.members.contains { member in
            if wanted.contains(where: { $0.address == member.address }) { return false }
            if member.address == address { return lifecycle == .draining }
            guard let peer = membership.peers[member.address] else { return true }
            return !peer.isReachable || peer.status?.lifecycle == .draining
        }
    }

    private func participants(_ wanted: [RingMember]) -> [RingAgreement.Participant] {
        var addresses = Set(wanted.map(\.address))
        for member in ring?.members ?? [] { addresses.insert(member.address) }
        // Also who is in neither, but owned something: it hands over.
        for status in ringPeers() { addresses.insert(status.address) }
        addresses.remove(address)
        return addresses.sorted().compactMap { address in
            guard let peer = membership.peers[address], peer.isReachable, let status = peer.status else { return nil }
            return RingAgreement.Participant(
                ringVersion: status.ringVersion, wantedVersion: status.wantedVersion, phase: status.phase)
        }
    }

    /// Warns of rings that stay different: lists that contradict each other.
    private mutating func compareRings(_ now: Int64, _ actions: inout [ClusterAction]) {
        let patience = settings.agreementTimeout * 2
        for status in ringPeers() {
            guard status.ringVersion != (ring?.version ?? 0) else {
                ringsDifferSince[status.address] = nil
                warnedRings.remove(status.address)
                continue
            }
            let since = ringsDifferSince[status.address] ?? now
            ringsDifferSince[status.address] = since
            if now - since >= patience, warnedRings.insert(status.address).inserted {
                actions.append(.log(.ringsDiffer(status.address)))
            }
        }
        for address in ringsDifferSince.keys where membership.peers[address] == nil { ringsDifferSince[address] = nil }
        warnedRings.formIntersection(membership.peers.keys)
        warnedPolicies.formIntersection(membership.peers.keys)
    }
}

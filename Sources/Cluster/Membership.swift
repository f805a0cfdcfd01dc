/// What a resolver came back with.
package enum ResolverAnswer: Sendable, Equatable {
    /// A list that is complete (a static list, a file): who is missing is gone.
    case authoritative([RingMember])
    /// A list that may lack members or lag behind (DNS).
    case partial([RingMember])
    /// No answer, NXDOMAIN, or any other failure.
    case failed
}

/// How a peer looks from here.
package enum PeerState: String, Sendable, CaseIterable {
    /// Listed, and never reached so far.
    case unknown
    /// It answers, and owns nothing yet.
    case starting
    case serving
    case draining
    /// It does not answer, and is routed around.
    case unreachable
}

/// Who belongs to the cluster: the resolver's list joined with what peers answer.
///
/// A value without clock or I/O. Law: nothing that a resolver says or fails to say empties the list, and only health takes a
/// listed member out of the ring. `wanted` says which members the ring should have now; `RingAgreement` brings it into force.
package struct Membership: Sendable {
    package struct Peer: Sendable {
        package let address: String
        package internal(set) var status: PeerStatus?
        /// When it last answered a question of ours; nil: never.
        package internal(set) var lastAnswered: Int64?
        /// Since when it has been answering without a gap of `unreachableAfter`.
        var answeringSince: Int64 = 0
        var isReachable = false
        /// It was reachable before: it has to be steady before it is taken back.
        var hasFailed = false
        var failures = 0
        var unlistedSince: Int64?
        var nextExchange: Int64 = 0

        package var state: PeerState {
            guard isReachable, let status else { return lastAnswered == nil ? .unknown : .unreachable }
            switch status.lifecycle {
            case .starting: return .starting
            case .serving: return .serving
            case .draining: return .draining
            }
        }
    }

    private struct Listed: Sendable {
        var weight: UInt8
        var missingSince: Int64?
        var missingAnswers = 0
    }

    package let address: String
    private let settings: ClusterSettings
    private var listed: [String: Listed] = [:]
    package private(set) var peers: [String: Peer] = [:]
    /// When the first usable list came.
    package private(set) var listedSince: Int64?
    /// The last usable list was an authoritative one.
    private var isListComplete = false
    /// When somebody who is neither listed nor in the ring last asked this node, by address: others have another list. Bounded by
    /// `ClusterLimits.maximumMembers`.
    private var strangers: [String: Int64] = [:]
    /// Nodes that leave, and are neither listed nor in the ring any more, and when they last asked this node: they may still be handing
    /// over what they owned before this node came. They are peers while they ask. Bounded by `ClusterLimits.maximumMembers`.
    private var leavers: [String: Int64] = [:]
    /// Answers that could not be used, in a row.
    package private(set) var resolverFailures = 0

    package init(address: String, settings: ClusterSettings) {
        self.address = address
        self.settings = settings
    }

    /// Listed addresses (this node's own among them, if it is listed), sorted.
    package var list: [RingMember] { listed.map { RingMember($0.key, weight: $0.value.weight) }.sorted() }
    package var isListed: Bool { listed[address] != nil }
    package var sortedPeers: [Peer] { peers.keys.sorted().compactMap { peers[$0] } }

    // MARK: the list

    /// Takes a resolver's answer. An empty list and a failure change nothing.
    package mutating func resolved(_ answer: ResolverAnswer, ringMembers: [RingMember], now: Int64) {
        let members: [RingMember]
        let isComplete: Bool
        switch answer {
        case .authoritative(let list): (members, isComplete) = (list, true)
        case .partial(let list): (members, isComplete) = (list, false)
        case .failed: (members, isComplete) = ([], false)
        }
        let usable = members.filter { !$0.address.isEmpty && $0.address.utf8.count <= ClusterLimits.maximumAddressBytes }
        guard !usable.isEmpty else {
            resolverFailures += 1
            return
        }
        resolverFailures = 0
        isListComplete = isComplete
        if listedSince == nil { listedSince = now }
        var seen: Set<String> = []
        for member in usable.sorted().prefix(ClusterLimits.maximumMembers) {
            seen.insert(member.address)
            listed[member.address] = Listed(weight: member.weight)
        }
        for address in listed.keys.sorted() where !seen.contains(address) {
            guard var entry = listed[address] else { continue }
            let since = entry.missingSince ?? now
            entry.missingSince = since
            entry.missingAnswers += 1
            let isGone =
                isComplete
                || (entry.missingAnswers >= settings.removalConfirmations && now - since >= settings.removalDelay)
            listed[address] = isGone ? nil : entry
        }
        // The table stays bounded also when answers are disjoint: who has been missing for longest goes first.
        while listed.count > ClusterLimits.maximumMembers {
            let oldest = listed.min { ($0.value.missingSince ?? .max, $0.key) < ($1.value.missingSince ?? .max, $1.key) }
            guard let oldest else { break }
            listed[oldest.key] = nil
        }
        track(ringMembers, now: now)
    }

    /// Keeps a record of everybody who is listed or in the ring, or leaves and still asks; forgets who is neither, after a while.
    mutating func track(_ ringMembers: [RingMember], now: Int64) {
        var wanted = Set(listed.keys)
        for member in ringMembers { wanted.insert(member.address) }
        leavers = leavers.filter { !wanted.contains($0.key) && now - $0.value < settings.unreachableAfter }
        wanted.formUnion(leavers.keys)
        wanted.remove(address)
        for address in wanted.sorted() {
            if peers[address] == nil { peers[address] = Peer(address: address) }
            peers[address]?.unlistedSince = nil
        }
        for address in peers.keys.sorted() where !wanted.contains(address) {
            let since = peers[address]?.unlistedSince ?? now
            peers[address]?.unlistedSince = since
            let isSilent = !(peers[address]?.isReachable ?? false)
            if isSilent || now - since >= settings.forgetAfter { peers[address] = nil }
        }
    }

    // MARK: health

    /// A peer answered our question. Returns false for an answer that is older than one we have.
    @discardableResult
    mutating func answered(_ status: PeerStatus, now: Int64) -> Bool {
        guard var peer = peers[status.address] else { return false }
        peer.lastAnswered = now
        peer.failures = 0
        if !peer.isReachable {
            peer.isReachable = true
            peer.answeringSince = now
        }
        peers[status.address] = peer
        return learn(status, now: now)
    }

    /// A peer asked us: that tells its state, but not that it can be reached.
    @discardableResult
    mutating func learn(_ status: PeerStatus, now: Int64) -> Bool {
        guard var peer = peers[status.address] else { return false }
        if let known = peer.status {
            if known.incarnation == status.incarnation && known.sequence >= status.sequence { return false }
            // It was restarted: what the process before answered does not count for this one.
            if known.incarnation != status.incarnation && status.lifecycle == .starting { peer.answeringSince = now }
        }
        peer.status = status
        peers[status.address] = peer
        return true
    }

    /// Somebody unknown asked: a list that has him will come, or others' lists are wrong.
    mutating func askedByStranger(_ address: String, now: Int64) {
        guard address != self.address, strangers[address] != nil || strangers.count < ClusterLimits.maximumMembers else { return }
        strangers[address] = now
    }

    /// Somebody asked who leaves and had a ring. If nothing else is known of him, he is a peer until he has not asked for a while.
    mutating func askedByLeaver(_ address: String, now: Int64) {
        guard address != self.address, peers[address] == nil || leavers[address] != nil else { return }
        guard leavers[address] != nil || leavers.count < ClusterLimits.maximumMembers else { return }
        leavers[address] = now
        if peers[address] == nil { peers[address] = Peer(address: address) }
    }

    /// Whether somebody who is not listed asks this node.
    private func hasStrangers(now: Int64) -> Bool {
        strangers.contains { listed[$0.key] == nil && now - $0.value < settings.unreachableAfter }
    }

    /// A connection to a peer was refused or broke, or a question to it failed. Returns true if that makes it unreachable.
    mutating func failed(_ address: String, now: Int64) -> Bool {
        guard var peer = peers[address] else { return false }
        peer.failures += 1
        var isLost = false
        if peer.isReachable, peer.failures >= settings.failuresUntilUnreachable,
            now - (peer.lastAnswered ?? now) >= settings.unreachableAfter / 2
        {
            peer.isReachable = false
            peer.hasFailed = true
            isLost = true
        }
        peers[address] = peer
        return isLost
    }

    /// Finds who has been silent for too long. Returns those that became unreachable.
    mutating func expire(now: Int64) -> [String] {
        var lost: [String] = []
        for address in peers.keys.sorted() {
            guard var peer = peers[address], peer.isReachable,
                now - (peer.lastAnswered ?? now) >= settings.unreachableAfter
            else { continue }
            peer.isReachable = false
            peer.hasFailed = true
            peers[address] = peer
            lost.append(address)
        }
        return lost
    }

    /// This process itself was stopped for a while: peers' silence says nothing.
    mutating func forgiveSilence(now: Int64) {
        for address in peers.keys where peers[address]?.isReachable == true { peers[address]?.lastAnswered = now }
    }

    /// Peers whose next status exchange is due; all of them with `all`. Sets their next time.
    mutating func exchangesDue(now: Int64, all: Bool = false) -> [String] {
        var due: [String] = []
        for address in peers.keys.sorted() where all || (peers[address]?.nextExchange ?? 0) <= now {
            peers[address]?.nextExchange = now + settings.healthInterval
            due.append(address)
        }
        return due
    }

    // MARK: the ring that should be

    /// Whether it is known who the peers are: a list has come, and all that are in it have answered or had their time.
    ///
    /// A list that may be partial and names nobody else is not believed at once: all may be starting together. While others ask
    /// that the list does not name, or the resolver has failed since it gave such a list, a better one is waited for, twice as long
    /// as for peers that do not answer.
    package func knowsPeers(now: Int64) -> Bool {
        guard let since = listedSince else { return false }
        let isDoubtful = !isListComplete && listed.keys.allSatisfy { $0 == address }
        if now - since < 2 * settings.startWait && (hasStrangers(now: now) || (isDoubtful && resolverFailures > 0)) { return false }
        if now - since >= settings.startWait { return true }
        if isDoubtful { return false }
        return listed.keys.allSatisfy { $0 == address || peers[$0]?.isReachable == true }
    }

    /// Whether a node without a ring may ask for its first one: it knows its peers, and those that start with it know theirs.
    func mayBegin(now: Int64) -> Bool {
        guard knowsPeers(now: now), let since = listedSince else { return false }
        if now - since >= settings.startWait { return true }
        return peers.values.allSatisfy { peer in
            guard peer.isReachable, let status = peer.status else { return true }
            return status.lifecycle != .starting || status.knowsPeers
        }
    }

    /// The members that the ring should have, sorted: those who are listed, answer, know their own peers, and do not leave.
    ///
    /// Empty only if this node is leaving and there is nobody else. A node that is not listed (Kubernetes lists pods when they
    /// are ready) is no member, but routes to those who are; without any it stands for itself.
    package func wanted(lifecycle: NodeLifecycle, weight: UInt8, now: Int64) -> [RingMember] {
        var members: [RingMember] = []
        for (address, entry) in listed where address != self.address {
            guard let peer = peers[address], peer.isReachable, let status = peer.status else { continue }
            if status.lifecycle == .draining { continue }
            if status.lifecycle == .starting && !status.knowsPeers { continue }
            if peer.hasFailed && now - peer.answeringSince < settings.returnAfter { continue }
            members.append(RingMember(address, weight: max(status.weight, entry.weight)))
        }
        if lifecycle != .draining && (isListed || members.isEmpty) { members.append(RingMember(address, weight: weight)) }
        return members.sorted()
    }
}

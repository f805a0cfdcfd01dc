/// What `/v1/cluster` and `tailgate ring` show.
package struct RingDescription: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package var address: String
        package var weight: UInt8
        /// Part of the key space that it owns, 0...1; 0 for members that are not in the ring.
        package var share: Double
        /// As seen from this node; nil for this node itself and for a ring that was only computed.
        package var state: PeerState?
        package var isSelf: Bool
        package var ringVersion: UInt64?
        package var policyHash: UInt64?
        /// Since its last answer, nanoseconds.
        package var silence: Int64?
    }

    package var version: UInt64
    /// Ring members first, then peers outside of it; each sorted by address.
    package var members: [Member]
    package var phase: AgreementPhase
    /// Largest owned share over the mean (by weight).
    package var imbalance: Double

    private init() {
        version = 0
        members = []
        phase = .settled
        imbalance = 0
    }

    /// Describes a ring without a cluster around it.
    package init(_ ring: HashRing) {
        let owned = ring.slotsOwned
        let weights = ring.members.reduce(0) { $0 + Double($1.weight) }
        version = ring.version
        phase = .settled
        imbalance = 0
        members = []
        for (index, member) in ring.members.enumerated() {
            let share = Double(owned[index]) / Double(ring.slotCount)
            imbalance = max(imbalance, share * weights / Double(member.weight))
            members.append(Member(address: member.address, weight: member.weight, share: share, state: nil, isSelf: false))
        }
    }

    /// Describes the cluster as `core` sees it.
    package init(_ core: ClusterCore, now: Int64) {
        self = core.ring.map { RingDescription($0) } ?? RingDescription()
        phase = core.agreement.phase
        for index in members.indices { Self.complete(&members[index], core, now) }
        for peer in core.membership.sortedPeers where !(core.ring?.contains(peer.address) ?? false) {
            var member = Member(
                address: peer.address, weight: peer.status?.weight ?? 1, share: 0, state: nil, isSelf: false)
            Self.complete(&member, core, now)
            members.append(member)
        }
    }

    private static func complete(_ member: inout Member, _ core: ClusterCore, _ now: Int64) {
        if member.address == core.address {
            member.isSelf = true
            member.ringVersion = core.ring?.version
            member.policyHash = core.policyHash
        } else if let peer = core.membership.peers[member.address] {
            member.state = peer.state
            member.ringVersion = peer.status?.ringVersion
            member.policyHash = peer.status?.policyHash
            member.silence = peer.lastAnswered.map { now - $0 }
        } else {
            member.state = .unknown
        }
    }
}

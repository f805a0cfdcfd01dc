/// Brings a new ring into force on all nodes at about the same time, without leader or votes.
///
/// While two nodes route by different rings, a trace could be decided by two of them. So a change takes two steps, each a round
/// of status messages:
/// 1. *proposed*: a node says which ring it wants, and waits until all others want the same. Resolvers may take seconds to
///    show all nodes the same list; meanwhile nothing changes.
/// 2. *ready*: it has seen that, and holds its decisions back. When all others are ready (or have the ring in force), it puts
///    the ring in force. So whoever routes by the new ring knows that every old owner holds its decisions, until the old
///    owner has handed over what moved.
///
/// Unreachable nodes are not waited for, and nobody is waited for longer than the time-outs: then nodes go on alone, which at
/// worst splits traces of that moment (spans are still forwarded on, at most twice). Nodes with contradictory lists end up with
/// different rings; that is shown and warned of.
package struct RingAgreement: Sendable {
    /// What another node says, as far as agreement goes.
    package struct Participant: Sendable {
        package var ringVersion: UInt64
        package var wantedVersion: UInt64
        package var phase: AgreementPhase
    }

    package enum Step: Sendable, Equatable {
        case none
        /// The phase or the wanted ring changed: peers should hear of it now.
        case announce
        /// The wanted ring is in force from now on.
        case activate
    }

    private let settings: ClusterSettings
    package private(set) var phase: AgreementPhase = .settled
    /// The members of the wanted ring; meaningful unless settled.
    package private(set) var proposal: [RingMember] = []
    package private(set) var proposalVersion: UInt64 = 0
    private var proposedAt: Int64 = 0
    private var readyAt: Int64 = 0
    private var isUrgent = false
    /// A wanted list that is not proposed yet, since it may still change.
    private var candidate: [RingMember] = []
    private var candidateSince: Int64 = 0
    private var differingSince: Int64?
    /// Peers may have put a ring in force that we said we were ready for.
    package private(set) var holdsSince: Int64?

    package init(_ settings: ClusterSettings) { self.settings = settings }

    /// Looks at the state of things; call after every event, until it says `.none`.
    ///
    /// - Parameters:
    ///   - wanted: what the ring should be; empty: unknown, stay as it is.
    ///   - isUrgent: a member of the ring in force died or leaves: nothing is gained by waiting for the list to settle.
    ///   - participants: all other reachable members of the ring in force and of the wanted one.
    package mutating func advance(
        wanted: [RingMember], current: HashRing?, isUrgent: Bool, slotBits: Int, participants: [Participant], now: Int64
    ) -> Step {
        if wanted.isEmpty || wanted == current?.members { return settle(now) }
        if differingSince == nil { differingSince = now }
        if wanted != candidate {
            candidate = wanted
            candidateSince = now
        }
        if phase == .settled || proposal != wanted {
            let isSteady = now - candidateSince >= settings.settleTime
            let isOverdue = differingSince.map { now - $0 >= settings.settleMaximum } ?? false
            guard isUrgent || isSteady || isOverdue else { return .none }
            phase = .proposed
            proposal = wanted
            proposalVersion = HashRing.version(wanted, slotBits: slotBits)
            proposedAt = now
            self.isUrgent = isUrgent
            return .announce
        }
        self.isUrgent = self.isUrgent || isUrgent
        let version = proposalVersion
        switch phase {
        case .settled: return .none
        case .proposed:
            let timeout = self.isUrgent ? settings.removalAgreementTimeout : settings.agreementTimeout
            let agree = participants.allSatisfy { $0.wantedVersion == version || $0.ringVersion == version }
            guard agree || now - proposedAt >= timeout else { return .none }
            phase = .ready
            readyAt = now
            if holdsSince == nil { holdsSince = now }
            return .announce
        case .ready:
            let ready = participants.allSatisfy {
                ($0.wantedVersion == version && $0.phase == .ready) || $0.ringVersion == version
            }
            guard ready || now - readyAt >= settings.readyTimeout else { return .none }
            phase = .settled
            differingSince = nil
            holdsSince = nil
            return .activate
        }
    }

    /// The ring in force is the wanted one (again). If others may have gone on to what was proposed, the hold stays until its
    /// time is over.
    private mutating func settle(_ now: Int64) -> Step {
        differingSince = nil
        candidate = []
        if let since = holdsSince, now - since >= settings.holdPatience { holdsSince = nil }
        guard phase != .settled else { return .none }
        phase = .settled
        proposal = []
        return .announce
    }

    /// Ends a hold that has lasted too long.
    mutating func expireHold(now: Int64) {
        if let since = holdsSince, now - since >= settings.holdPatience, phase != .ready { holdsSince = nil }
    }
}

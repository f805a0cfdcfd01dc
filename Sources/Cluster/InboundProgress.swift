/// Why decisions were no longer held back for hand-off. The traces of which spans came after that are split, and counted by it.
package enum HoldEnd: UInt8, Sendable, CaseIterable {
    /// The peer's hand-off made no progress for `ClusterSettings.holdPatience`.
    case noProgress
    /// The traces had been held for `ClusterSettings.maximumHold`.
    case maximumHold
    /// Nothing was held for: the spans came from a peer that was not waited for, or late by a chunk's time-out.
    case notHeld
}

/// How far the hand-off towards this node has come: until when traces may be decided.
///
/// After a ring change the spans of one trace may be on two nodes for a moment: the old owner's, and those that already
/// came to the new one. Hand-off goes oldest first, and every chunk says how far its sender has come; a node decides no
/// trace that is due later than the slowest of its peers has got. A peer is done when it has put our ring in force and
/// said that its hand-off for it is complete.
///
/// What was due before the change is held, too. It need not be whole here: if a ring changes back before hand-off for it is
/// over, a node owns traces of which it still has the old parts, while the newer ones are coming back from who owned them
/// meanwhile. Those are due later by their sender's clock than the whole trace, so that senders say how far they have come only
/// where each trace was whole before (`ClusterCore.isHandoffOrdered`).
///
/// However long hand-off takes, it is waited for while it gets on: every status of a peer counts what its hand-off has done
/// (`PeerStatus.handoffProgress`), also towards others. Two bounds:
/// - A peer whose count, ring and phase have all stood still for `holdPatience` is not waited for until they move again.
/// - No trace is held for longer than `maximumHold` after it was due.
///
/// Spans that come for traces decided under one of them are counted in `splitSpans`, by which one it was.
package struct InboundProgress: Sendable {
    private struct LaneProgress: Sendable {
        var epoch: UInt64
        var ringVersion: UInt64
        /// In our time, less `ClusterSettings.handoffTransit`: traces due before it have been handed over.
        var frontier: Int64
        var isDone: Bool
    }

    private struct Sender: Sendable {
        var incarnation: UInt64
        var laneCount: Int
        var lanes: [LaneProgress?]
    }

    /// What moves while a peer's part of a ring change gets on.
    private struct Sign: Sendable, Equatable {
        var incarnation: UInt64
        var ringVersion: UInt64
        var ringEpoch: UInt64
        var phase: AgreementPhase
        var progress: UInt64

        init(_ status: PeerStatus) {
            incarnation = status.incarnation
            ringVersion = status.ringVersion
            ringEpoch = status.ringEpoch
            phase = status.phase
            progress = status.handoffProgress
        }
    }

    /// A peer that is waited for.
    private struct Wait: Sendable {
        var sign: Sign
        /// Since when the sign has been what it is.
        var since: Int64
        var isGivenUp = false
    }

    private let settings: ClusterSettings
    private var senders: [String: Sender] = [:]
    private var waits: [String: Wait] = [:]
    /// Since when somebody has been handing over.
    private var unsettledSince: Int64?
    /// The last bound that let traces be decided before their spans were here, until all is settled again.
    private var ended: HoldEnd = .notHeld
    /// Peers given up and not reported by `takeGivenUp` yet.
    private var givenUp: [String] = []
    /// Spans that were handed over after their trace had been decided here, by `HoldEnd`.
    private var splits = [Int](repeating: 0, count: HoldEnd.allCases.count)

    package init(_ settings: ClusterSettings) { self.settings = settings }

    /// A chunk was taken.
    ///
    /// - Parameter lateSpans: its spans whose traces had been decided here.
    mutating func received(_ header: HandoffHeader, lateSpans: Int, now: Int64) {
        if lateSpans > 0 {
            let end: HoldEnd = waits[header.sender]?.isGivenUp == true ? .noProgress : ended
            splits[Int(end.rawValue)] += lateSpans
        }
        guard header.laneCount > 0, header.laneCount <= 1024, header.lane < header.laneCount,
            senders[header.sender] != nil || senders.count < ClusterLimits.maximumMembers
        else { return }
        var sender = senders[header.sender] ?? Sender(incarnation: 0, laneCount: 0, lanes: [])
        if sender.incarnation != header.incarnation || sender.laneCount != Int(header.laneCount) {
            sender = Sender(
                incarnation: header.incarnation, laneCount: Int(header.laneCount),
                lanes: Array(repeating: nil, count: Int(header.laneCount)))
        }
        // Told from the moment of sending: what was on its way for longer than expected must not let more be decided.
        let frontier = saturatingAdd(now, saturatingAdd(header.frontier, -settings.handoffTransit))
        var progress = LaneProgress(
            epoch: header.ringEpoch, ringVersion: header.ringVersion, frontier: frontier, isDone: header.isLast)
        if let known = sender.lanes[Int(header.lane)] {
            if known.epoch > progress.epoch { return }
            if known.epoch == progress.epoch {
                progress.frontier = max(known.frontier, frontier)
                progress.isDone = known.isDone || header.isLast
            }
        }
        sender.lanes[Int(header.lane)] = progress
        senders[header.sender] = sender
    }

    /// Spans that were handed over after their trace had been decided here.
    package func splitSpans(_ end: HoldEnd) -> Int { splits[Int(end.rawValue)] }

    /// Another process is behind a peer's address: nothing more is expected of the one before.
    mutating func forget(_ address: String) {
        senders[address] = nil
        waits[address] = nil
    }

    /// A peer is unreachable: it is not waited for. What it has said stays true for the case that it comes back as it was, since it
    /// says it only once.
    mutating func suspend(_ address: String) { waits[address] = nil }

    /// Forgets who is no peer any more, once there are many of them.
    mutating func prune(_ isPeer: (String) -> Bool) {
        guard senders.count > ClusterLimits.maximumMembers / 2 else { return }
        senders = senders.filter { isPeer($0.key) }
        waits = waits.filter { isPeer($0.key) }
    }

    /// The peers that were given up since the last call.
    mutating func takeGivenUp() -> [String] {
        defer { givenUp = [] }
        return givenUp
    }

    /// Whether the peer has the ring in force and has handed over all that it had to for it.
    func isSettled(_ status: PeerStatus, ringVersion: UInt64) -> Bool {
        guard status.ringVersion == ringVersion else { return false }
        guard let sender = senders[status.address], sender.incarnation == status.incarnation else { return false }
        return sender.lanes.allSatisfy { lane in
            lane.map { $0.isDone && $0.ringVersion == ringVersion && $0.epoch >= status.ringEpoch } ?? false
        }
    }

    /// Until when traces may be decided; `.max`: no limit. `peers`: the statuses of all reachable peers that have a ring.
    ///
    /// - Complexity: O(peers × lanes).
    mutating func limit(peers: [PeerStatus], ringVersion: UInt64, now: Int64) -> Int64 {
        var limit = Int64.max
        var isUnsettled = false
        for status in peers {
            if isSettled(status, ringVersion: ringVersion) {
                waits[status.address] = nil
                continue
            }
            isUnsettled = true
            if isWaitedFor(status, now: now) { limit = min(limit, frontier(status, ringVersion: ringVersion)) }
        }
        guard isUnsettled else {
            unsettledSince = nil
            ended = .notHeld
            return .max
        }
        let since = unsettledSince ?? now
        unsettledSince = since
        guard limit != .max else { return .max }
        let bound = saturatingAdd(now, -settings.maximumHold)
        if bound > max(limit, since) { ended = .maximumHold }
        return max(limit, bound)
    }

    /// Whether the peer's hand-off gets on, or has not stood still for too long.
    private mutating func isWaitedFor(_ status: PeerStatus, now: Int64) -> Bool {
        let sign = Sign(status)
        guard var wait = waits[status.address], wait.sign == sign else {
            waits[status.address] = Wait(sign: sign, since: now)
            return true
        }
        guard now - wait.since >= settings.holdPatience else { return true }
        if !wait.isGivenUp {
            wait.isGivenUp = true
            waits[status.address] = wait
            givenUp.append(status.address)
            ended = .noProgress
        }
        return false
    }

    private func frontier(_ status: PeerStatus, ringVersion: UInt64) -> Int64 {
        guard let sender = senders[status.address], sender.incarnation == status.incarnation else { return .min }
        var frontier = Int64.max
        for lane in sender.lanes {
            guard let lane, lane.ringVersion == ringVersion, lane.epoch >= status.ringEpoch else { return .min }
            if !lane.isDone { frontier = min(frontier, lane.frontier) }
        }
        // All lanes are done, but the peer's status does not say that the ring is in force there.
        return frontier == .max ? .min : frontier
    }
}

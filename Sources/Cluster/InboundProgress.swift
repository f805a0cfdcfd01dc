/// How far the hand-off towards this node has come: until when traces may be decided.
///
/// After a ring change the spans of one trace may be on two nodes for a moment: the old owner's, and those that already came to the
/// new one. Hand-off goes oldest first, and every chunk says how far its sender has come; a node decides no trace that is due
/// later than the slowest of its peers has got. A peer is done when it has put our ring in force and said that its hand-off
/// for it is complete. All of it is bounded by `maximumHold`.
package struct InboundProgress: Sendable {
    private struct LaneProgress: Sendable {
        var epoch: UInt64
        var ringVersion: UInt64
        /// In our time: traces due before it have been handed over.
        var frontier: Int64
        var isDone: Bool
    }

    private struct Sender: Sendable {
        var incarnation: UInt64
        var laneCount: Int
        var lanes: [LaneProgress?]
    }

    private let settings: ClusterSettings
    private var senders: [String: Sender] = [:]
    private var unsettledSince: Int64?

    package init(_ settings: ClusterSettings) { self.settings = settings }

    /// A chunk was taken.
    mutating func received(_ header: HandoffHeader, now: Int64) {
        guard header.laneCount > 0, header.laneCount <= 1024, header.lane < header.laneCount,
            senders[header.sender] != nil || senders.count < ClusterLimits.maximumMembers
        else { return }
        var sender = senders[header.sender] ?? Sender(incarnation: 0, laneCount: 0, lanes: [])
        if sender.incarnation != header.incarnation || sender.laneCount != Int(header.laneCount) {
            sender = Sender(
                incarnation: header.incarnation, laneCount: Int(header.laneCount),
                lanes: Array(repeating: nil, count: Int(header.laneCount)))
        }
        let frontier = saturatingAdd(now, header.frontier)
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

    /// A peer is gone or unreachable: nothing more is expected of it.
    mutating func forget(_ address: String) { senders[address] = nil }

    /// Whether the peer has the ring in force and has handed over all that it had to for it.
    func isSettled(_ status: PeerStatus, ringVersion: UInt64) -> Bool {
        guard status.ringVersion == ringVersion else { return false }
        guard let sender = senders[status.address], sender.incarnation == status.incarnation else { return false }
        return sender.lanes.allSatisfy { lane in
            lane.map { $0.isDone && $0.ringVersion == ringVersion && $0.epoch >= status.ringEpoch } ?? false
        }
    }

    /// Until when traces may be decided; `.max`: no limit. `peers`: the statuses of all reachable peers that have a ring.
    mutating func limit(peers: [PeerStatus], ringVersion: UInt64, now: Int64) -> Int64 {
        var limit = Int64.max
        for status in peers where !isSettled(status, ringVersion: ringVersion) {
            limit = min(limit, frontier(status, ringVersion: ringVersion))
        }
        guard limit != .max else {
            unsettledSince = nil
            return .max
        }
        let since = unsettledSince ?? now
        unsettledSince = since
        if now - since >= settings.maximumHold { return .max }
        return max(limit, since)
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

/// Where every accepted span of a node is: DESIGN law 1.
///
///     accepted = buffered + notSampled + droppedByPolicy + sampled + forwarded + handedOff + held + lost
///     sampled  = queued + sent + lost       (for each destination)
///
/// A value, built from the cells of all workers; whoever shows it (the `/ledger` page, the
/// metrics, the demo) gets the same numbers.
package struct Ledger: Sendable, Equatable {
    /// The columns of a node. The raw value is the metric's label and the key in JSON.
    package enum Column: String, Sendable, CaseIterable {
        case accepted, buffered
        case notSampled = "not_sampled"
        case dropped, sampled
        /// Taken by the peers that own their traces.
        case forwarded
        /// Taken by peers after they had been buffered here.
        case handedOff = "handed_off"
        /// On the way to peers, and answered for here until they are there.
        case held
        /// Lost before there was a decision on them; nothing but faults brings this about.
        case lost
    }

    /// Spans that were lost before there was a decision on them.
    package struct UndecidedLoss: Sendable, Equatable {
        package let reason: UndecidedLossReason
        package let spans: Int
    }

    /// What became of the sampled spans at one destination.
    package struct Destination: Sendable, Equatable {
        /// The columns of a destination. The raw value is the metric's label and the JSON key.
        package enum Column: String, Sendable, CaseIterable {
            case queued, sent, lost
        }

        /// Name of the exporter.
        package let name: String
        package let queued: Int
        package let sent: Int
        /// All losses with their reason, in the order of `LossReason`; reasons with 0 left out.
        package let losses: [(reason: LossReason, spans: Int)]
        /// sampled - queued - sent - lost. 0, or a bug.
        package let difference: Int

        /// Sum of the losses.
        package var lost: Int { losses.reduce(0) { $0 &+ $1.spans } }

        package subscript(column: Column) -> Int {
            switch column {
            case .queued: queued
            case .sent: sent
            case .lost: lost
            }
        }

        package static func == (left: Destination, right: Destination) -> Bool {
            left.name == right.name && left.queued == right.queued && left.sent == right.sent
                && left.difference == right.difference
                && left.losses.elementsEqual(right.losses, by: ==)
        }
    }

    package let accepted: Int
    package let buffered: Int
    package let notSampled: Int
    package let dropped: Int
    package let sampled: Int
    package let forwarded: Int
    package let handedOff: Int
    package let held: Int
    /// All losses before a decision with their reason; reasons with 0 left out.
    package let undecidedLosses: [UndecidedLoss]
    /// Part of `accepted`: what peers sent. Over a cluster at rest it equals the sum of `forwarded` and `handedOff`.
    package let fromPeers: Int
    package let destinations: [Destination]
    /// accepted less all other columns. 0, or a bug.
    package let nodeDifference: Int

    /// Merges what the workers counted, each snapshot taken on its worker's own loop.
    ///
    /// - Parameters:
    ///   - workers: cells of every worker, none left out.
    ///   - destinationNames: in the order of `LedgerCells.destinations`.
    package init(workers: some Sequence<LedgerCells>, destinationNames: [String]) {
        var sum = LedgerCells(destinationCount: destinationNames.count)
        for worker in workers { sum.add(worker) }
        accepted = sum.accepted
        buffered = sum.buffered &+ sum.handedToOtherWorkers &- sum.takenFromOtherWorkers
        notSampled = sum.notSampled
        dropped = sum.droppedByPolicy
        sampled = sum.sampled
        forwarded = sum.forwarded
        handedOff = sum.handedOff
        held = sum.held
        fromPeers = sum.fromPeers
        undecidedLosses = UndecidedLossReason.allCases.compactMap { reason in
            sum.lost(reason) == 0 ? nil : UndecidedLoss(reason: reason, spans: sum.lost(reason))
        }
        let elsewhere = forwarded &+ handedOff &+ held &+ undecidedLosses.reduce(0) { $0 &+ $1.spans }
        nodeDifference = accepted &- buffered &- notSampled &- dropped &- sampled &- elsewhere
        let sampled = sampled
        destinations = zip(destinationNames, sum.destinations).map { name, cells in
            let losses = LossReason.allCases.compactMap { reason in
                cells.lost(reason) == 0 ? nil : (reason: reason, spans: cells.lost(reason))
            }
            let lost = losses.reduce(0) { $0 &+ $1.spans }
            let queued = cells.queued &+ cells.offered &- cells.taken
            return Destination(
                name: name, queued: queued, sent: cells.sent, losses: losses,
                difference: sampled &- queued &- cells.sent &- lost)
        }
    }

    /// Spans by which the ledger does not balance, anywhere: the magnitudes added up, so that two
    /// bugs cannot cancel out. 0 in a correct program, at every instant.
    package var difference: Int {
        destinations.reduce(abs(nodeDifference)) { $0 &+ abs($1.difference) }
    }

    package subscript(column: Column) -> Int {
        switch column {
        case .accepted: accepted
        case .buffered: buffered
        case .notSampled: notSampled
        case .dropped: dropped
        case .sampled: sampled
        case .forwarded: forwarded
        case .handedOff: handedOff
        case .held: held
        case .lost: lost
        }
    }

    /// Sum of the losses before a decision.
    package var lost: Int { undecidedLosses.reduce(0) { $0 &+ $1.spans } }
}

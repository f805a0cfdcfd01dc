/// Where every accepted span of a node is: DESIGN law 1.
///
///     accepted = buffered + notSampled + droppedByPolicy + sampled + passed + filtered + forwarded + handedOff + held + lost
///     offered  = queued + sent + lost       (for each destination)
///
/// What a destination was offered is what its pipelines sampled or passed on: with one pipeline, `sampled`.
///
/// A value, built from the cells of all workers; whoever shows it (the `/ledger` page, the
/// metrics, the demo) gets the same numbers.
package struct Ledger: Sendable, Equatable {
    /// The columns of a node. The raw value is the metric's label and the key in JSON.
    package enum Column: String, Sendable, CaseIterable {
        case accepted, buffered
        case notSampled = "not_sampled"
        case dropped, sampled
        /// Taken by pipelines without sampling, and by no other.
        case passed = "passed_through"
        /// Dropped by processors before sampling, or without it.
        case filtered
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

    /// Which spans a pipeline of traces leads where.
    package struct Pipeline: Sendable {
        /// It leads those that were sampled, otherwise all that it takes.
        package let isSampled: Bool
        /// Places of its destinations.
        package let destinations: [Int]

        package init(isSampled: Bool, destinations: [Int]) {
            self.isSampled = isSampled
            self.destinations = destinations
        }
    }

    /// What became of the spans that one destination was offered.
    package struct Destination: Sendable, Equatable {
        /// The columns of a destination. The raw value is the metric's label and the JSON key.
        package enum Column: String, Sendable, CaseIterable {
            case offered, queued, sent, lost
        }

        /// Name of the exporter.
        package let name: String
        /// What the pipelines that lead here sampled or passed on.
        package let offered: Int
        package let queued: Int
        package let sent: Int
        /// All losses with their reason, in the order of `LossReason`; reasons with 0 left out.
        package let losses: [(reason: LossReason, spans: Int)]
        /// offered - queued - sent - lost. 0, or a bug.
        package let difference: Int

        /// Sum of the losses.
        package var lost: Int { losses.reduce(0) { $0 &+ $1.spans } }

        package subscript(column: Column) -> Int {
            switch column {
            case .offered: offered
            case .queued: queued
            case .sent: sent
            case .lost: lost
            }
        }

        package static func == (left: Destination, right: Destination) -> Bool {
            left.name == right.name && left.offered == right.offered && left.queued == right.queued
                && left.sent == right.sent && left.difference == right.difference
                && left.losses.elementsEqual(right.losses, by: ==)
        }
    }

    package let accepted: Int
    package let buffered: Int
    package let notSampled: Int
    package let dropped: Int
    package let sampled: Int
    package let passed: Int
    package let filtered: Int
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
    ///   - pipelines: of traces, in the order of `LedgerCells.passedOn`; nil: there is one, which samples and leads to all
    ///     destinations.
    package init(workers: some Sequence<LedgerCells>, destinationNames: [String], pipelines: [Pipeline]? = nil) {
        let pipelines = pipelines ?? [Pipeline(isSampled: true, destinations: Array(destinationNames.indices))]
        var sum = LedgerCells(destinationCount: destinationNames.count, pipelineCount: pipelines.count)
        for worker in workers { sum.add(worker) }
        accepted = sum.accepted
        buffered = sum.buffered &+ sum.handedToOtherWorkers &- sum.takenFromOtherWorkers
        notSampled = sum.notSampled
        dropped = sum.droppedByPolicy
        let sampled = sum.sampled
        self.sampled = sampled
        passed = sum.passed
        filtered = sum.filtered
        forwarded = sum.forwarded
        handedOff = sum.handedOff
        held = sum.held
        fromPeers = sum.fromPeers
        undecidedLosses = UndecidedLossReason.allCases.compactMap { reason in
            sum.lost(reason) == 0 ? nil : UndecidedLoss(reason: reason, spans: sum.lost(reason))
        }
        let elsewhere = forwarded &+ handedOff &+ held &+ undecidedLosses.reduce(0) { $0 &+ $1.spans }
        nodeDifference = accepted &- buffered &- notSampled &- dropped &- sampled &- passed &- filtered &- elsewhere
        var offered = [Int](repeating: 0, count: destinationNames.count)
        for (passedOn, pipeline) in zip(sum.passedOn, pipelines) {
            for place in pipeline.destinations { offered[place] &+= pipeline.isSampled ? sampled : passedOn }
        }
        destinations = zip(zip(destinationNames, offered), sum.destinations).map { target, cells in
            let losses = LossReason.allCases.compactMap { reason in
                cells.lost(reason) == 0 ? nil : (reason: reason, spans: cells.lost(reason))
            }
            let lost = losses.reduce(0) { $0 &+ $1.spans }
            let queued = cells.queued &+ cells.offered &- cells.taken
            return Destination(
                name: target.0, offered: target.1, queued: queued, sent: cells.sent, losses: losses,
                difference: target.1 &- queued &- cells.sent &- lost)
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
        case .passed: passed
        case .filtered: filtered
        case .forwarded: forwarded
        case .handedOff: handedOff
        case .held: held
        case .lost: lost
        }
    }

    /// Sum of the losses before a decision.
    package var lost: Int { undecidedLosses.reduce(0) { $0 &+ $1.spans } }
}

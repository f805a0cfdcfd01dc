/// One worker's side of the ledger, in spans. Plain numbers with a single writer.
///
/// The worker keeps it consistent at every moment between two turns of its loop:
///
///     accepted + takenFromOtherWorkers
///         = handedToOtherWorkers + buffered + notSampled + droppedByPolicy + sampled + passed + filtered
///           + forwarded + handedOff + held + lost
///     destination.offered = sampled + passedOn, over the pipelines that lead to the destination
///     destination.taken = destination.queued + destination.sent + the other losses   (at home)
///
/// Nothing is compared across workers: what one has handed over and another has not yet taken
/// simply counts as buffered (or queued), so snapshots may be taken at different times.
package struct LedgerCells: Sendable, Equatable {
    /// Answered with OK by this worker, whichever shard owns the trace.
    package var accepted = 0
    /// Of these, sent by peers.
    package var fromPeers = 0
    /// Put into the mailbox of the worker that owns the trace.
    package var handedToOtherWorkers = 0
    /// Taken out of this worker's mailbox.
    package var takenFromOtherWorkers = 0
    /// In this shard, undecided. A level, not a total.
    package var buffered = 0
    package var notSampled = 0
    package var droppedByPolicy = 0
    /// Decided as sampled (late spans of sampled traces included).
    package var sampled = 0
    /// Taken by pipelines without sampling, and by no other.
    package var passed = 0
    /// Dropped by processors before sampling, or without it.
    package var filtered = 0
    /// Sent on their way by each pipeline of traces without sampling, in the order of all pipelines of traces; 0 for one that
    /// samples, whose spans are `sampled`.
    package var passedOn: [Int]
    /// Taken by the peers that own their traces, right after they came.
    package var forwarded = 0
    /// Taken by peers after they had been buffered here: the ring changed.
    package var handedOff = 0
    /// In custody, or handed off and not acknowledged yet. A level, not a total.
    package var held = 0
    /// Lost before there was a decision on them, by position of the reason in `UndecidedLossReason.allCases`.
    private var lostByReason = [Int](repeating: 0, count: UndecidedLossReason.allCases.count)
    /// One for each destination, in the order of the configuration.
    package var destinations: [DestinationLedgerCells]

    /// - Parameter pipelineCount: of the pipelines of traces.
    package init(destinationCount: Int, pipelineCount: Int = 1) {
        passedOn = Array(repeating: 0, count: pipelineCount)
        destinations = Array(repeating: DestinationLedgerCells(), count: destinationCount)
    }

    /// Counts accepted spans that were lost before there was a decision on them.
    package mutating func lose(_ spans: Int, _ reason: UndecidedLossReason) {
        lostByReason[reason.index] &+= spans
    }

    /// Spans lost for one reason before there was a decision on them.
    package func lost(_ reason: UndecidedLossReason) -> Int { lostByReason[reason.index] }

    /// Adds another worker's cells. Both must have the same destinations.
    mutating func add(_ other: LedgerCells) {
        accepted &+= other.accepted
        handedToOtherWorkers &+= other.handedToOtherWorkers
        takenFromOtherWorkers &+= other.takenFromOtherWorkers
        buffered &+= other.buffered
        notSampled &+= other.notSampled
        droppedByPolicy &+= other.droppedByPolicy
        sampled &+= other.sampled
        passed &+= other.passed
        filtered &+= other.filtered
        precondition(passedOn.count == other.passedOn.count, "pipelines differ")
        for index in passedOn.indices { passedOn[index] &+= other.passedOn[index] }
        fromPeers &+= other.fromPeers
        forwarded &+= other.forwarded
        handedOff &+= other.handedOff
        held &+= other.held
        for position in lostByReason.indices { lostByReason[position] &+= other.lostByReason[position] }
        precondition(destinations.count == other.destinations.count, "destinations differ")
        for index in destinations.indices { destinations[index].add(other.destinations[index]) }
    }
}

/// One worker's side of one destination's ledger, in spans.
package struct DestinationLedgerCells: Sendable, Equatable {
    /// Sampled or passed on by this worker and on its way to the destination's home worker, from the decision
    /// on: spans in the assembler count.
    package var offered = 0
    /// Taken over by this worker as the destination's home.
    package var taken = 0
    /// Held for the destination at home, retries included. A level, not a total.
    package var queued = 0
    /// Taken by the destination.
    package var sent = 0
    /// By position of the reason in `LossReason.allCases`.
    private var lostByReason = [Int](repeating: 0, count: LossReason.allCases.count)

    package init() {}

    /// Counts spans that the destination will never get.
    package mutating func lose(_ spans: Int, _ reason: LossReason) {
        lostByReason[reason.index] &+= spans
    }

    /// Enters a total that somebody else counts (the destination's queue).
    package mutating func setLost(_ total: Int, _ reason: LossReason) {
        lostByReason[reason.index] = total
    }

    /// Spans lost for one reason.
    package func lost(_ reason: LossReason) -> Int { lostByReason[reason.index] }

    mutating func add(_ other: DestinationLedgerCells) {
        offered &+= other.offered
        taken &+= other.taken
        queued &+= other.queued
        sent &+= other.sent
        for position in lostByReason.indices {
            lostByReason[position] &+= other.lostByReason[position]
        }
    }
}

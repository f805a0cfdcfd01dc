/// Every interval and bound of the cluster, in one place. Times are nanoseconds.
package struct ClusterSettings: Sendable, Equatable {
    // MARK: health

    /// From one status exchange with a peer to the next; every change of our own status starts one at once.
    package var healthInterval: Int64 = 500 * Self.millisecond
    /// A peer that has not answered for so long is routed around.
    package var unreachableAfter: Int64 = 2 * Self.second
    /// Failed connections in a row after which half of `unreachableAfter` is enough.
    package var failuresUntilUnreachable = 3
    /// A peer that was unreachable must answer for so long before it is taken back.
    package var returnAfter: Int64 = 1 * Self.second
    /// A peer that left the list and the ring is forgotten after so long.
    package var forgetAfter: Int64 = 60 * Self.second

    // MARK: membership

    /// How long a starting node waits for listed peers that do not answer, before it goes on without them.
    package var startWait: Int64 = 5 * Self.second
    /// The wanted member list must be unchanged for so long before it is proposed...
    package var settleTime: Int64 = 500 * Self.millisecond
    /// ...but a list that never stops changing is proposed after so long.
    package var settleMaximum: Int64 = 5 * Self.second
    /// A member must be missing in so many answers in a row (of resolvers that may answer in part)...
    package var removalConfirmations = 2
    /// ...and for so long, before it counts as gone. Authoritative lists (static, file) are believed at once.
    package var removalDelay: Int64 = 5 * Self.second

    // MARK: agreement

    /// How long nodes wait until all propose the same ring, when members are added or leave in order.
    package var agreementTimeout: Int64 = 15 * Self.second
    /// The same when a member died: `unreachableAfter` plus this is how long spans wait for a dead owner.
    package var removalAgreementTimeout: Int64 = 1 * Self.second
    /// How long a node that is ready waits for the others to be.
    package var readyTimeout: Int64 = 2 * Self.second
    /// Decisions are held back for so long without any progress of what they wait for: a peer's hand-off, a ring that peers may
    /// have put in force, a first word after this process was stopped. While a peer's hand-off gets on, it is waited for.
    package var holdPatience: Int64 = 5 * Self.second
    /// Decisions are held back for so long when a member falls silent without having said that it leaves: it may be cut off or
    /// stopped, hold spans of the same traces, and be back in a moment.
    package var silencePatience: Int64 = 5 * Self.second
    /// No trace is held back for longer than this after it was due, however hand-off gets on. What comes later for a trace
    /// decided so is counted as split by it (`InboundProgress.splitSpans`). Above `handoffTimeout`: a chunk that nobody takes
    /// is back by then.
    package var maximumHold: Int64 = 60 * Self.second

    /// A node that has handed everything over stays for so long to answer repetitions: a peer whose answer got lost would
    /// otherwise have to give the same spans to somebody else.
    package var leaveLinger: Int64 = 2500 * Self.millisecond

    // MARK: forwarding

    /// A span is forwarded so many times at most; then the node that has it keeps it.
    package var maximumHops: UInt8 = 2
    /// One attempt to hand a batch to its owner.
    package var forwardTimeout: Int64 = 2 * Self.second
    /// Spans of clients are gathered for so long into one batch, unless none left within that time before them; 0: never.
    package var forwardDelay: Int64 = 5 * Self.millisecond
    /// No batch is gathered beyond so many bytes.
    package var forwardBytes = 512 << 10
    /// Batches that wait for an answer of one peer, for each lane.
    package var maximumInFlight = 16
    /// Bytes of batches that a lane holds until their owners have taken them. Above it requests are refused.
    package var custodyBytes = 64 << 20
    /// Batches that a lane holds; far below `RecentBatches.window`, which makes forwarding idempotent.
    package var custodyBatches = 1024
    /// After so long the node keeps the spans itself.
    package var custodyTimeout: Int64 = 30 * Self.second
    /// Delay before the first retry; doubled up to `retryMaximum`.
    package var retryInitial: Int64 = 100 * Self.millisecond
    package var retryMaximum: Int64 = 2 * Self.second

    // MARK: hand-off

    /// Bytes per second that a lane may hand off.
    package var handoffBandwidth = 100 << 20
    /// A chunk is closed when it has reached so many bytes; one trace that is larger makes a larger one.
    package var handoffChunkBytes = 512 << 10
    /// Bytes of chunks that a lane holds until they are acknowledged.
    package var handoffWindowBytes = 16 << 20
    package var handoffChunkTimeout: Int64 = 2 * Self.second
    /// A moved trace is decided so long after its arrival at the earliest: rests of it may be under way.
    package var handoffGrace: Int64 = 500 * Self.millisecond
    /// A chunk may be on its way for so long: times in it are from the moment of sending, and are taken to be so much older.
    package var handoffTransit: Int64 = 500 * Self.millisecond
    /// Decisions older than this are not handed over.
    package var handoffDecisionAge: Int64 = 300 * Self.second
    /// A chunk that no peer takes for so long goes back into the shard, and its traces are decided here.
    package var handoffTimeout: Int64 = 30 * Self.second

    // MARK: budgets

    /// The time constant with which demands are averaged.
    package var budgetAveraging: Int64 = 2 * Self.second
    /// A peer's report counts for so long.
    package var budgetReportAge: Int64 = 5 * Self.second

    package init() {}

    package static let millisecond: Int64 = 1_000_000
    package static let second: Int64 = 1_000_000_000
}

/// Bounds that are no matter of taste.
package enum ClusterLimits {
    /// Members of a ring: owners are one byte in its table.
    package static let maximumMembers = 250
    /// Bytes of a member's `host:port`.
    package static let maximumAddressBytes = 255
    /// Bytes of a status message: far more than 64 limits need.
    package static let maximumStatusBytes = 16 << 10
    /// Rates that a node shares with its peers; further ones are not shared.
    package static let maximumBudgets = 64
    /// Policies that the decisions of a hand-off message name: all that a node can tell apart, and bytes of a name. A longer
    /// name is not sent.
    package static let maximumPolicyNames = 1024
    package static let maximumPolicyNameBytes = 1024
    /// Bytes of a hand-off message: the largest span buffer's trace chunk, and what stands around it.
    package static let maximumHandoffBytes = 64 << 20
}

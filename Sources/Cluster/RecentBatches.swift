/// Names one batch or chunk of one process for ever: what makes its repetition harmless.
package struct BatchID: Hashable, Sendable {
    /// `ClusterCore.incarnation` of the sender.
    package var incarnation: UInt64
    /// Which of the sender's counters: one per worker and purpose.
    package var lane: UInt32
    /// Counts up from 1.
    package var sequence: UInt64

    package init(incarnation: UInt64, lane: UInt32, sequence: UInt64) {
        self.incarnation = incarnation
        self.lane = lane
        self.sequence = sequence
    }
}

/// The batches that this node has taken lately, so that none is taken twice: one for the whole node, since a repetition may
/// come over another connection.
///
/// Exact as long as a sender repeats nothing that is more than `window` batches old; senders see to that
/// (`ClusterSettings.custodyBatches`). Memory: 512 bytes and what is under way for each of at most `maximumSenders` counters.
/// A counter that was not used for longest is forgotten first.
package struct RecentBatches: Sendable {
    package static let window: UInt64 = 4096
    package static let maximumSenders = 4096

    package enum Standing: Sendable, Equatable {
        /// Never seen, or refused before: take it, then say `finish`.
        case new
        /// Its first copy is being worked on: answer "not yet" (gRPC ABORTED), which the sender takes for
        /// `ForwardOutcome.unknown` and asks again. Never a refusal: the first copy may be taken after all.
        case pending
        /// It is held or was held here: answer OK and do nothing.
        case taken
        /// Older than can be told: refuse.
        case tooOld
    }

    private struct Key: Hashable, Sendable {
        var incarnation: UInt64
        var lane: UInt32
    }

    private struct Counter: Sendable {
        /// Every batch up to `newest - window` is too old.
        var newest: UInt64 = 0
        /// One bit for each of the last `window` batches: taken.
        var taken = [UInt64](repeating: 0, count: Int(window) / 64)
        var pending: Set<UInt64> = []
        var lastUse: UInt64 = 0
    }

    private var counters: [Key: Counter] = [:]
    private var uses: UInt64 = 0

    package init() {}

    /// A batch has come. `.new` marks it as pending.
    package mutating func begin(_ id: BatchID) -> Standing {
        let key = Key(incarnation: id.incarnation, lane: id.lane)
        if counters[key] == nil {
            if counters.count >= Self.maximumSenders { forgetOldest() }
            counters[key] = Counter()
        }
        uses += 1
        // Static: with `self` at hand all counters would be copied first.
        return Self.begin(id.sequence, &counters[key, default: Counter()], use: uses)
    }

    private static func begin(_ sequence: UInt64, _ counter: inout Counter, use: UInt64) -> Standing {
        counter.lastUse = use
        if sequence > counter.newest {
            turn(&counter, to: sequence)
        } else if counter.newest - sequence >= window {
            return .tooOld
        }
        if counter.pending.contains(sequence) { return .pending }
        let (word, bit) = place(sequence)
        if counter.taken[word] & bit != 0 { return .taken }
        counter.pending.insert(sequence)
        return .new
    }

    /// What became of a batch that was `.new`.
    package mutating func finish(_ id: BatchID, taken: Bool) {
        let key = Key(incarnation: id.incarnation, lane: id.lane)
        guard counters[key]?.pending.remove(id.sequence) != nil else { return }
        guard taken, let newest = counters[key]?.newest, newest - id.sequence < Self.window else { return }
        let (word, bit) = Self.place(id.sequence)
        counters[key]?.taken[word] |= bit
    }

    private static func place(_ sequence: UInt64) -> (Int, UInt64) {
        let slot = sequence % window
        return (Int(slot / 64), 1 << (slot % 64))
    }

    /// Moves the window on; what comes into it has not been taken.
    private static func turn(_ counter: inout Counter, to sequence: UInt64) {
        if sequence - counter.newest >= window {
            for word in counter.taken.indices { counter.taken[word] = 0 }
        } else {
            for fresh in (counter.newest + 1)...sequence {
                let (word, bit) = place(fresh)
                counter.taken[word] &= ~bit
            }
        }
        counter.newest = sequence
    }

    private mutating func forgetOldest() {
        let idle = counters.filter { $0.value.pending.isEmpty }
        let pool = idle.isEmpty ? counters : idle
        if let oldest = pool.min(by: { $0.value.lastUse < $1.value.lastUse }) { counters[oldest.key] = nil }
    }
}

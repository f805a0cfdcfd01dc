package import OTLP

/// What is known of a trace without looking at its spans: all that a decision needs. 96 bytes in the trace table.
///
/// Accumulated span by span in `Shard.ingest`; the order in which spans come makes no difference to any field but `lastRecord`.
package struct TraceSummary: BitwiseCopyable, Sendable {
    package var traceID: TraceID
    /// Keyed hash of the trace id; its bits choose shard and table slot.
    package var hash: UInt64
    /// When the trace is decided at the latest: monotonic nanoseconds.
    package var deadline: Int64
    /// Earliest start and latest end of its spans, Unix nanoseconds. A start of zero is unknown: such a span has no latency, so
    /// neither of its times counts. An end of zero is left out.
    package var firstStart: UInt64
    package var lastEnd: UInt64
    /// Union of the predicate bits of its spans.
    package var predicates: UInt64
    /// Bytes of its spans as they came.
    package var spanBytes: UInt64
    /// The newest record of its chain in the segments.
    package var lastRecord: RecordLocation
    /// The newest of the notes on which span first set which predicate bits; in the segments too. Only written when decisions
    /// are explained.
    package var lastEvidence: RecordLocation
    package var spanCount: UInt32
    /// Version of the policy set in force when its first span came.
    package var policyVersion: UInt16
    package var flags: Flags
    /// When its first span came, monotonic milliseconds since the worker started (49 days, then it wraps).
    package var firstSeenMilliseconds: UInt32
    /// When its newest span came, in the same count. In a free entry: link to the next free one.
    package var lastSeenMilliseconds: UInt32

    package struct Flags: OptionSet, BitwiseCopyable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        /// The entry is in use.
        package static let isLive = Flags(rawValue: 1)
        /// A span without parent has come.
        package static let hasRoot = Flags(rawValue: 2)
        /// Some span bore W3C's sampled flag.
        package static let hasW3CSampled = Flags(rawValue: 4)
        /// Decided before its time (by `span-ingest`, or too large); spans that still come follow that decision. The entry
        /// goes when its time has come.
        package static let isSettled = Flags(rawValue: 8)
        /// Settled: it was sampled. Neither this nor the next: it was not sampled.
        package static let wasSampled = Flags(rawValue: 16)
        /// Settled: a drop policy vetoed it.
        package static let wasDropped = Flags(rawValue: 32)
        /// Sampled, and so large that its spans are read over many turns; the reader removes the entry.
        package static let isSetAside = Flags(rawValue: 64)
    }

    init(_ span: SpanRecord, deadline: Int64, policyVersion: UInt16, firstSeenMilliseconds: UInt32) {
        traceID = span.traceID
        hash = span.hash
        self.deadline = deadline
        firstStart = 0
        lastEnd = 0
        predicates = 0
        spanBytes = 0
        lastRecord = .none
        lastEvidence = .none
        spanCount = 0
        self.policyVersion = policyVersion
        flags = .isLive
        self.firstSeenMilliseconds = firstSeenMilliseconds
        lastSeenMilliseconds = firstSeenMilliseconds
    }

    /// Takes a span into account.
    @inline(__always)
    mutating func add(_ span: borrowing SpanRecord) {
        let start = span.startTimeUnixNano
        if start != 0 {
            if firstStart == 0 || start < firstStart { firstStart = start }
            if span.endTimeUnixNano > lastEnd { lastEnd = span.endTimeUnixNano }
        }
        predicates |= span.predicates
        spanBytes &+= UInt64(span.length)
        spanCount &+= 1
        if span.flags.contains(.isRoot) { flags.insert(.hasRoot) }
        if span.flags.contains(.w3cSampled) { flags.insert(.hasW3CSampled) }
    }

    /// When the trace was settled, seconds since the worker started. Kept where the latest end was, which a settled trace has
    /// no use for.
    var settledSecond: UInt64 {
        get { lastEnd }
        set { lastEnd = newValue }
    }

    /// What a settled trace's decision was.
    var settledVerdict: Verdict {
        flags.contains(.wasSampled) ? .sampled : flags.contains(.wasDropped) ? .dropped : .notSampled
    }

    /// Latest end minus earliest start in whole milliseconds, truncated toward zero, as signed times; 0 if no start is known.
    package var extentMilliseconds: Int64 {
        firstStart == 0 ? 0 : Int64(bitPattern: lastEnd &- firstStart) / 1_000_000
    }
}

/// Where a span's record stands: slab and offset, or nowhere.
package struct RecordLocation: BitwiseCopyable, Sendable, Equatable {
    let word: UInt64

    static let none = RecordLocation(word: .max)

    init(word: UInt64) { self.word = word }
    init(slab: Int, offset: Int) {
        word = UInt64(truncatingIfNeeded: slab) << 32 | UInt64(truncatingIfNeeded: offset)
    }

    var slab: Int { Int(word >> 32) }
    var offset: Int { Int(word & 0xffff_ffff) }
    var isNone: Bool { word == .max }
}

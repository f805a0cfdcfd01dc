package import Histogram

/// Totals of a sink. Traces are counted while they arrive, so a trace can move from incomplete to whole.
package struct SinkTotals: Sendable, Equatable {
    package var requests: UInt64 = 0
    /// Requests that were not protobuf; their spans up to the fault are not counted.
    package var malformedRequests: UInt64 = 0
    package var bytes: UInt64 = 0
    /// All spans that arrived, duplicates included.
    package var spans: UInt64 = 0
    /// Spans that had arrived before.
    package var duplicateSpans: UInt64 = 0
    package var traces: UInt64 = 0
    /// Traces of which the expected number of distinct spans has arrived; 0 while no number is expected.
    package var wholeTraces: UInt64 = 0
    /// Traces that came in more than one request, and not because the rest was late.
    package var splitTraces: UInt64 = 0
    /// Traces with spans that came later than the ledger's `lateAfter` after the first.
    package var lateTraces: UInt64 = 0
    /// Traces that were forgotten to bound memory; if they had gone on, they would count as new ones.
    package var forgottenTraces: UInt64 = 0

    package init() {}

    package var incompleteTraces: UInt64 { traces - wholeTraces }
}

/// Some of the traces that a sink has something to say about, to look them up elsewhere. Bounded.
package struct SinkExamples: Sendable, Equatable {
    package static let limit = 10

    package fileprivate(set) var split: [TraceWords] = []
    package fileprivate(set) var late: [TraceWords] = []
    package fileprivate(set) var duplicated: [TraceWords] = []
    package fileprivate(set) var incomplete: [TraceWords] = []

    package init() {}

    fileprivate static func note(_ id: TraceWords, in list: inout [TraceWords]) {
        if list.count < limit, !list.contains(id) { list.append(id) }
    }
}

/// Counts what arrives at a sink: spans, and whether traces are whole, split or duplicated.
///
/// Owner: one event loop. Memory is bounded by `traceLimit` (see `TraceTally`). Duplicates are exact for traffic of
/// `tailgate load` with up to 64 spans in a trace; for other traffic, spans above the expected number count as
/// duplicates.
package struct SinkLedger {
    package private(set) var totals = SinkTotals()
    /// From a root span's end to its arrival, in nanoseconds, of one span in 16 at most.
    package private(set) var ages = LoadRecorder.emptyHistogram()
    private var noted = SinkExamples()
    private let spansPerTrace: UInt32?
    private let lateAfterMilliseconds: UInt32
    private var tally: TraceTally
    private var batch = RequestTally()

    /// - Parameters:
    ///   - spansPerTrace: how many spans make a trace whole; nil if that is not known.
    ///   - lateAfterNanoseconds: from when on a second request of a trace is late spans, not a split.
    ///   - traceLimit: how many traces are remembered at least.
    package init(
        spansPerTrace: Int? = nil, lateAfterNanoseconds: Int64 = 5_000_000_000, traceLimit: Int = 1 << 20
    ) {
        self.spansPerTrace = spansPerTrace.map { UInt32(clamping: $0) }
        lateAfterMilliseconds = UInt32(clamping: lateAfterNanoseconds / 1_000_000)
        tally = TraceTally(limit: traceLimit)
    }

    /// The first traces that were split, late or duplicated, and some that are incomplete now.
    ///
    /// - Complexity: O(traces remembered).
    package var examples: SinkExamples {
        var examples = noted
        if let spansPerTrace { examples.incomplete = tally.incomplete(spansPerTrace, limit: SinkExamples.limit) }
        return examples
    }

    /// Counts the spans of one ExportTraceServiceRequest (no gRPC prefix). A malformed request leaves no trace but its
    /// own counter.
    ///
    /// - Parameters:
    ///   - now: nanoseconds since the sink's start.
    ///   - unixNow: nanoseconds since 1970.
    /// - Returns: the number of spans.
    /// - Complexity: O(spans); the bytes of attributes are not touched.
    @discardableResult
    package mutating func receive(
        _ message: Span<UInt8>, now: Int64, unixNow: Int64
    ) throws(MalformedRequest) -> Int {
        totals.requests += 1
        totals.bytes += UInt64(message.count)
        batch.start()
        var skimmer = RequestSkimmer(count: message.count)
        var spans = 0
        do throws(MalformedRequest) {
            while let found = try skimmer.next(in: message) {
                if spans & 15 == 0 { try recordAge(of: found, in: message, unixNow: unixNow) }
                spans &+= 1
                batch.add(found)
            }
        } catch {
            totals.malformedRequests += 1
            throw error
        }
        totals.spans += UInt64(spans)
        merge(now: now)
        return spans
    }

    private mutating func recordAge(
        of found: RequestSkimmer.Found, in message: Span<UInt8>, unixNow: Int64
    ) throws(MalformedRequest) {
        let (root, end) = try RequestSkimmer.rootAndEnd(of: found, in: message)
        guard root, end > 0, unixNow > 0, UInt64(unixNow) > end else { return }
        ages.record(UInt64(unixNow) - end)
    }

    /// Carries the request's traces over to the table: one look-up a trace, not a span.
    private mutating func merge(now: Int64) {
        let milliseconds = UInt32(clamping: now / 1_000_000)
        let request = UInt32(truncatingIfNeeded: totals.requests)
        let expected = spansPerTrace
        let lateAfter = lateAfterMilliseconds
        var totals = totals
        var noted = noted
        for arrived in batch.traces {
            tally.update(arrived.id) { entry, isNew in
                let repeated = UInt32(truncatingIfNeeded: (entry.seen & arrived.seen).nonzeroBitCount)
                var fresh = arrived.spans &- repeated
                if let expected { fresh = min(fresh, expected - min(expected, entry.spans)) }
                if isNew {
                    totals.traces += 1
                    entry.request = request
                    entry.firstSeen = milliseconds
                } else if fresh > 0, entry.request != request {
                    // A request delivered twice brings nothing fresh: that is duplicates, not a split.
                    if milliseconds &- entry.firstSeen > lateAfter {
                        if !entry.isLate { totals.lateTraces += 1 }
                        SinkExamples.note(arrived.id, in: &noted.late)
                        entry.isLate = true
                    } else {
                        if !entry.isSplit { totals.splitTraces += 1 }
                        SinkExamples.note(arrived.id, in: &noted.split)
                        entry.isSplit = true
                    }
                }
                entry.seen |= arrived.seen
                entry.spans &+= fresh
                if fresh > 0, entry.spans == expected { totals.wholeTraces += 1 }
                let duplicates = arrived.duplicates &+ arrived.spans &- fresh
                totals.duplicateSpans += UInt64(duplicates)
                if duplicates > 0 { SinkExamples.note(arrived.id, in: &noted.duplicated) }
            }
        }
        totals.forgottenTraces = tally.forgotten
        self.totals = totals
        self.noted = noted
    }
}

/// The traces of one request, gathered in a table small enough for the processor's cache.
struct RequestTally {
    struct Arrived {
        var id: TraceWords
        var seen: UInt64
        var spans: UInt32
        var duplicates: UInt32
    }

    private(set) var traces: [Arrived] = []
    /// Generation in the upper half, index in `traces` in the lower: emptied by counting on.
    private var slots = [UInt64](repeating: 0, count: 2048)
    private var generation: UInt64 = 0
    private var latest = 0

    mutating func start() {
        traces.removeAll(keepingCapacity: true)
        generation &+= 1
        latest = 0
        if generation >> 32 != 0 {
            generation = 1
            slots = [UInt64](repeating: 0, count: slots.count)
        }
    }

    @inline(__always)
    mutating func add(_ found: RequestSkimmer.Found) {
        let index = index(of: found.id)
        if let span = TraceIdentity.spanIndex(of: found.spanID, traceLow: found.id.low, limit: 64) {
            let bit = UInt64(1) << UInt64(span)
            if traces[index].seen & bit != 0 {
                traces[index].duplicates &+= 1
            } else {
                traces[index].seen |= bit
                traces[index].spans &+= 1
            }
        } else {
            traces[index].spans &+= 1
        }
    }

    @inline(__always)
    private mutating func index(of id: TraceWords) -> Int {
        if latest < traces.count, traces[latest].id == id { return latest }
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: mix64(id.high &+ id.low)) & mask
        while slots[slot] >> 32 == generation {
            let index = Int(slots[slot] & 0xffff_ffff)
            if traces[index].id == id {
                latest = index
                return index
            }
            slot = (slot &+ 1) & mask
        }
        latest = traces.count
        slots[slot] = generation << 32 | UInt64(latest)
        traces.append(Arrived(id: id, seen: 0, spans: 0, duplicates: 0))
        if traces.count * 2 > slots.count { widen() }
        return latest
    }

    private mutating func widen() {
        slots = [UInt64](repeating: 0, count: slots.count * 2)
        let mask = slots.count - 1
        for (index, trace) in traces.enumerated() {
            var slot = Int(truncatingIfNeeded: mix64(trace.id.high &+ trace.id.low)) & mask
            while slots[slot] >> 32 == generation { slot = (slot + 1) & mask }
            slots[slot] = generation << 32 | UInt64(index)
        }
    }
}

/// Why a span was left out of a request that is fine otherwise: OTLP's partial success.
package enum SpanRejection: UInt8, Sendable, CaseIterable {
    /// `trace_id` hasn't 16 bytes (or is missing).
    case traceIDLength
    /// `trace_id` is all zero.
    case traceIDZero
    /// `span_id` hasn't 8 bytes (or is missing).
    case spanIDLength
    /// `span_id` is all zero.
    case spanIDZero
    /// `parent_span_id` has neither 0 nor 8 bytes: Go backends refuse a whole batch for it.
    case parentSpanIDLength
    /// A link's `trace_id` or `span_id` has a wrong length: Go backends refuse a whole batch for it.
    case linkIDLength
    /// Attributes are nested deeper than `MessageSchema.maximumDepth`.
    case nestingTooDeep
    /// The span came in a field that OTLP has given up (instrumentation_library_spans).
    case unsupportedField
    /// The span, or its resource and scope, is larger than the span buffer takes. The walker doesn't say this: whoever
    /// owns the buffer does.
    case tooLarge
}

/// How many spans of one request were left out, by reason.
package struct SpanRejectionCounts: Sendable, Equatable {
    private var counts = [UInt32](repeating: 0, count: SpanRejection.allCases.count)

    /// Creates counts of zero.
    package init() {}

    /// The count of one reason.
    package subscript(reason: SpanRejection) -> Int { Int(counts[Int(reason.rawValue)]) }

    /// The count over all reasons: `rejected_spans` of the response.
    package var total: Int { counts.reduce(0) { $0 + Int($1) } }

    /// Counts `spans` spans more.
    ///
    /// A request has fewer than 2^32 spans, so the sum can't overflow.
    package mutating func add(_ reason: SpanRejection, spans: Int = 1) {
        counts[Int(reason.rawValue)] &+= UInt32(truncatingIfNeeded: spans)
    }

    /// Adds other counts to these.
    package mutating func add(_ other: SpanRejectionCounts) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
    }

    /// Back to zero.
    mutating func reset() {
        for index in counts.indices { counts[index] = 0 }
    }
}

/// What one visit of a request finds: its spans, groups and wanted attributes.
///
/// Owned and reused by one worker: `reset()` keeps the capacity, so a steady load allocates nothing. Bounded by
/// `discardCapacity`.
/// Size: 64 bytes a span, 56 a group, 16 a hit; a body of n bytes yields at most n / 30 spans.
package struct RequestIndex: Sendable {
    /// The accepted spans, in the order of the body.
    package var records: [SpanRecord] = []
    /// The groups that have at least one accepted span, in the order of the body.
    package var groups: [GroupRecord] = []
    /// The headers that `groups` point into.
    package var groupBytes: [UInt8] = []
    /// Wanted span attributes, ascending by record; at most one for each name of a span.
    package var spanHits: [AttributeHit] = []
    /// Wanted resource attributes; `GroupRecord.resourceHitRange` tells whose.
    package var resourceHits: [AttributeHit] = []
    /// `sideStride` words for each record: what its predicates say beyond 64 bits. Empty until Sampling sets it, and always for
    /// a policy set that needs none.
    package var sideWords: [UInt64] = []
    package var sideStride = 0
    /// The sum of the accepted spans' lengths, in bytes.
    package var spanBytes = 0
    /// The length of the longest span that the walk accepted, in bytes; spans that are left out afterwards may have been longer
    /// than all that stay.
    package var largestSpan = 0
    /// The spans that were left out, by reason.
    package var rejected = SpanRejectionCounts()

    /// Creates an empty index.
    package init() {}

    /// Empties the index and keeps its memory.
    package mutating func reset() {
        records.removeAll(keepingCapacity: true)
        groups.removeAll(keepingCapacity: true)
        groupBytes.removeAll(keepingCapacity: true)
        spanHits.removeAll(keepingCapacity: true)
        resourceHits.removeAll(keepingCapacity: true)
        sideWords.removeAll(keepingCapacity: true)
        sideStride = 0
        spanBytes = 0
        largestSpan = 0
        rejected.reset()
    }

    /// Bytes of memory that the index holds, whatever is in it.
    package var capacityBytes: Int {
        records.capacity * MemoryLayout<SpanRecord>.stride + groups.capacity * MemoryLayout<GroupRecord>.stride
            + groupBytes.capacity + (spanHits.capacity + resourceHits.capacity) * MemoryLayout<AttributeHit>.stride
            + sideWords.capacity * MemoryLayout<UInt64>.stride
    }

    /// Gives the memory back if it is more than `limit` bytes: a large request must not leave a large index behind. The index is
    /// empty afterwards, or as it was.
    package mutating func discardCapacity(above limit: Int) {
        if capacityBytes > limit { self = RequestIndex() }
    }

    /// Leaves out spans that the walk has accepted, with what was found of them; counts them under `reason`.
    ///
    /// Call before predicates are evaluated.
    /// - Complexity: O(spans + hits).
    package mutating func leaveOut(
        _ reason: SpanRejection, where isUnwanted: (SpanRecord, GroupRecord) -> Bool
    ) {
        let before = records.count
        let (records, groups) = (records, groups)
        keep { position in !isUnwanted(records[position], groups[Int(records[position].group)]) }
        largestSpan = self.records.reduce(0) { max($0, Int($1.length)) }
        rejected.add(reason, spans: before - self.records.count)
    }

    /// Forgets the records at whose positions `isKept` says no, with what was found of them.
    ///
    /// Call before predicates are evaluated.
    /// - Complexity: O(spans + hits).
    package mutating func keep(where isKept: (Int) -> Bool) {
        var kept: [UInt32] = []
        kept.reserveCapacity(records.count)
        for position in records.indices where isKept(position) { kept.append(UInt32(truncatingIfNeeded: position)) }
        keep(kept.span)
    }

    /// Forgets all records but those at these positions, which ascend, with what was found of them: they are somebody else's.
    ///
    /// Call before predicates are evaluated.
    /// - Complexity: O(spans + hits).
    package mutating func keep(_ positions: Span<UInt32>) {
        spanBytes = Self.gather(positions, &records)
        if !spanHits.isEmpty { Self.gather(positions, &spanHits) }
    }

    /// Returns the bytes of the records that stay.
    private static func gather(_ positions: Span<UInt32>, _ records: inout [SpanRecord]) -> Int {
        var bytes = 0
        var kept = records.mutableSpan
        for place in positions.indices {
            let record = kept[Int(positions[place])]
            bytes &+= Int(record.length)
            kept[place] = record
        }
        records.removeLast(records.count - positions.count)
        return bytes
    }

    private static func gather(_ positions: Span<UInt32>, _ hits: inout [AttributeHit]) {
        var keptCount = 0
        var next = 0
        var kept = hits.mutableSpan
        for place in positions.indices {
            while next < kept.count && kept[next].record <= positions[place] {
                var hit = kept[next]
                next &+= 1
                guard hit.record == positions[place] else { continue }
                hit.record = UInt32(truncatingIfNeeded: place)
                kept[keptCount] = hit
                keptCount &+= 1
            }
        }
        hits.removeLast(hits.count - keptCount)
    }

    /// Forgets the records that another walk of the same body, or what was left of it, does not have. Call before predicates are
    /// evaluated.
    /// - Complexity: O(spans + hits).
    package mutating func keepThose(of other: [SpanRecord]) {
        guard records.count != other.count else { return }
        var next = 0
        let records = records
        keep { position in
            guard next < other.count, other[next].range == records[position].range else { return false }
            next += 1
            return true
        }
    }
}

internal import BasicContainers
package import OTLP

/// What taking a request will add, at most, to the memory of the shards that take its spans, in bytes.
///
/// Known after the walk and before the first byte is written, so that a request is refused instead of outgrowing the node. To use it:
/// see that `bytes` are free and reserve them, let every shard ingest its spans, report what the shards hold, release the
/// reservation. The memory of a shard comes in steps (a segment, a piece of the trace table); so that the sum of costs is an upper
/// bound, each shard has `Shard.standingBytes` set aside beside what it holds.
package struct RequestCost: Sendable, Equatable {
    /// In segments: spans, groups and resources with their headers, notes of evidence, and what rotating leaves unused.
    package var segments = 0
    /// For traces, as if every span began one: summaries, side words, their places in index and wheel, what shadow policies keep.
    package var traces = 0
    /// Needed while the request is taken in, and free afterwards.
    package var scratch = 0

    package init() {}

    package var bytes: Int { segments + traces + scratch }
}

/// What a span or trace takes at most beside its own bytes, under the settings and policy versions of a shard.
struct CostRates {
    /// Notes of evidence for a span, in segments.
    var evidencePerSpan = 0
    var perTrace = 0
    var scratchPerSpan = 0
    /// How often the request's index is made again while it is taken in.
    var indexCopies = 0
}

extension Shard {
    /// What it costs to let `shards` shards like this one take a request. Its spans may belong to any of them.
    ///
    /// An upper bound of what `heldBytes` of all of them grow by, beyond their `standingBytes`: for any number of requests in a row
    /// the growth is at most the sum of their costs. For ordinary requests (spans of some hundred bytes, several of them under
    /// each resource) at most 2.5 times of what is held in the end, most of which is the room for traces: a span may begin one.
    ///
    /// A policy version that this shard does not know yet is not included; its tables are charged when it is installed.
    /// - Complexity: O(groups).
    package func cost(of index: borrowing RequestIndex, shards: Int = 1) -> RequestCost {
        var cost = RequestCost()
        let spans = index.records.count
        guard spans > 0 else { return cost }
        let rates = costRates
        var written = index.spanBytes + spans * (SegmentStore.recordHeader + rates.evidencePerSpan)
        if !settings.keepsSpans { written -= index.spanBytes }
        var largestGroup = 0
        var position = 0
        let groups = index.groups.span
        while position < groups.count {
            // The scopes of a resource stand side by side, and share its record in every shard that has spans of it.
            let resource = groups[position]
            var spansOfResource = 0
            var largestScope = 0
            while position < groups.count, groups[position].resourceOffset == resource.resourceOffset {
                let spans = Int(groups[position].spanCount)
                let scope = SegmentStore.recordHeader + Int(groups[position].scopeLength)
                written += scope * min(spans, shards)
                largestScope = max(largestScope, scope)
                spansOfResource += spans
                position += 1
            }
            let bytes = SegmentStore.recordHeader + Int(resource.resourceLength)
            written += bytes * min(spansOfResource, shards)
            largestGroup = max(largestGroup, bytes + largestScope)
        }
        let largestRecord = SegmentStore.recordHeader + max(index.largestSpan, SegmentStore.evidenceBytes) + largestGroup
        let records = spans * (1 + rates.evidencePerSpan / SegmentStore.evidenceBytes)
        let rotations = min(records, Self.rotations(written, largestRecord, largestGroup, shards: shards))
        cost.segments = written + rotations * largestRecord
        cost.traces = spans * rates.perTrace + Self.wheelStep * shards
        cost.scratch = spans * rates.scratchPerSpan + rates.indexCopies * Self.bytes(of: index)
        return cost
    }

    /// What `heldBytes` may grow by beyond the costs of all requests together: a segment and a piece of each table are taken as a
    /// whole, and the index of traces doubles when it is full. At most about 4 MiB and what the index takes, most of it only until
    /// the first span has come.
    package var standingBytes: Int {
        var bytes = segments.standingBytes + table.standingBytes
        for place in versions.indices { bytes += versions[place].standingBytes(table) }
        return bytes
    }

    /// How often at most shards open another segment to write so many bytes.
    ///
    /// What is lost then is room at the end of the old segment, less than the next record needs, and what of that record's group was
    /// written before and is written again: together at most a largest record. Between two rotations a segment is filled but for that
    /// and a group. Where records are so large that this says nothing: the bytes between one rotation and the next but one fill more
    /// than a segment without a group.
    private static func rotations(_ bytes: Int, _ largestRecord: Int, _ largestGroup: Int, shards: Int) -> Int {
        let segment = SegmentStore.segmentBytes
        let filled = segment - largestRecord - largestGroup
        if filled >= segment / 2 { return shards + bytes / filled }
        let pair = segment - largestGroup
        return pair > segment / 4 ? 2 * shards + 2 * (bytes / pair) : .max
    }

    private var costRates: CostRates {
        var rates = CostRates()
        var evidenceWords = 0
        rates.perTrace = TraceTable.indexBytesPerTrace + MemoryLayout<TraceSummary>.stride + table.sideStride * 8 + Self.wheelBytesPerTrace
        for place in versions.indices {
            rates.perTrace += versions[place].shadowBytesPerTrace
            evidenceWords = max(evidenceWords, versions[place].evidenceWords)
            // Walked again for other versions; copied for a shadow set.
            rates.indexCopies += (place > 0 ? 1 : 0) + (versions[place].hasShadow ? 1 : 0)
        }
        if log != nil { rates.evidencePerSpan = evidenceWords * SegmentStore.evidenceBytes }
        if settings.isSpanIngest { rates.scratchPerSpan += Self.fragmentBytes + 8 * table.sideStride }
        if settings.isSpanIngest || tuning.maximumTraceBytes > 0 { rates.scratchPerSpan += 3 * MemoryLayout<SettledTrace>.stride }
        return rates
    }

    /// Two places in the wheel (the second for a root that hastens the decision), in arrays that double as they grow.
    private static let wheelBytesPerTrace = 2 * 3 * MemoryLayout<UInt32>.stride
    /// The first places in two buckets.
    private static let wheelStep = 2 * 64
    /// A fragment with its array of side words and its place in a dictionary; arrays double as they grow.
    private static let fragmentBytes = 3 * 120 + 48 + 96

    /// What another index of the request takes; arrays double as they grow.
    private static func bytes(of index: borrowing RequestIndex) -> Int {
        let spans = index.records.count * (MemoryLayout<SpanRecord>.stride + 8 * index.sideStride)
        let groups = index.groups.count * MemoryLayout<GroupRecord>.stride + index.groupBytes.count
        let hits = (index.spanHits.count + index.resourceHits.count) * MemoryLayout<AttributeHit>.stride
        return 3 * (spans + groups + hits)
    }
}

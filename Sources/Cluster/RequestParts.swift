package import OTLP

/// A part of a request: the spans of one owner, as an OTLP request of their own.
package struct RequestPart: Sendable, Equatable {
    /// An `ExportTraceServiceRequest`.
    package var payload: [UInt8]
    package var spans: Int

    package init(payload: [UInt8], spans: Int) {
        self.payload = payload
        self.spans = spans
    }
}

/// A request, cut by owner.
package struct PartedRequest: Sendable, Equatable {
    /// For each peer that owns some of the spans, by index into the ring's members, ascending.
    package var parts: [(member: Int, part: RequestPart)] = []
    /// Spans that this node owns, or keeps since they have come far enough. As many as are left in the index.
    package var localSpans = 0

    package init() {}

    package static func == (left: PartedRequest, right: PartedRequest) -> Bool {
        left.localSpans == right.localSpans && left.parts.elementsEqual(right.parts) { $0 == $1 }
    }

    package var bytes: Int { parts.reduce(0) { $0 + $1.part.payload.count } }
}

/// Cuts requests by owner. Owned and reused by one lane.
package struct RequestParter: Sendable {
    /// The owner of each record, as an index into the ring's members; reused, as are the others.
    private var owners: [UInt8] = []
    /// Positions in `index.records`, by owner and ascending for each.
    private var positions: [UInt32] = []
    /// For each member where its positions end.
    private var ends: [Int] = []
    private var stitcher = RequestStitcher()

    package init() {}

    /// Cuts a walked request. With parts for others, `index.records` keeps this node's spans only; otherwise nothing is copied.
    ///
    /// Call before predicates are evaluated.
    /// - Parameters:
    ///   - body: what the index refers to.
    ///   - own: this node's index in the ring's members; -1: it is no member.
    /// - Complexity: O(spans); the bytes of other owners' spans are copied once.
    package mutating func cut(body: Span<UInt8>, index: inout RequestIndex, ring: HashRing, own: Int) -> PartedRequest {
        var result = PartedRequest()
        ends.removeAll(keepingCapacity: true)
        for _ in ring.members { ends.append(0) }
        Self.findOwners(index.records, ring, &owners, &ends)
        result.localSpans = own >= 0 ? ends[own] : 0
        guard result.localSpans < owners.count else { return result }
        while positions.count < owners.count { positions.append(0) }
        Self.sort(owners, &positions, &ends)
        var start = 0
        var kept = 0..<0
        for (member, end) in ends.enumerated() {
            if member == own {
                kept = start..<end
            } else if end > start {
                let payload = stitcher.stitch(body, index, positions, start..<end)
                result.parts.append((member, RequestPart(payload: payload, spans: end - start)))
            }
            start = end
        }
        index.keep(positions.span.extracting(kept))
        return result
    }

    /// - Parameter counts: how many spans each member has, afterwards.
    private static func findOwners(_ records: [SpanRecord], _ ring: HashRing, _ owners: inout [UInt8], _ counts: inout [Int]) {
        owners.removeAll(keepingCapacity: true)
        owners.reserveCapacity(records.count)
        var counts = counts.mutableSpan
        for record in records {
            let owner = ring.owner(of: record.traceID)
            owners.append(UInt8(truncatingIfNeeded: owner))
            counts[owner] &+= 1
        }
    }

    /// A counting sort: it has no branches on owners, which nobody could predict.
    ///
    /// - Parameters:
    ///   - sorted: has room for all positions.
    ///   - places: how many positions each member has; afterwards, where they end.
    private static func sort(_ owners: [UInt8], _ sorted: inout [UInt32], _ places: inout [Int]) {
        var places = places.mutableSpan
        var start = 0
        for member in places.indices {
            let count = places[member]
            places[member] = start
            start &+= count
        }
        var sorted = sorted.mutableSpan
        for position in owners.indices {
            let owner = Int(owners[position])
            sorted[places[owner]] = UInt32(truncatingIfNeeded: position)
            places[owner] &+= 1
        }
    }
}

/// Puts chosen spans of a walked request together as a request of their own: resource and scope once, spans as they are.
struct RequestStitcher: Sendable {
    /// Spans that stand under one ScopeSpans.
    private struct Run {
        var group: Int
        var spanBytes = 0
        var first: Int
        var end: Int
    }

    private var runs: [Run] = []

    /// - Parameters:
    ///   - positions: in `index.records`.
    ///   - chosen: which of them, ascending.
    mutating func stitch(_ body: Span<UInt8>, _ index: RequestIndex, _ positions: [UInt32], _ chosen: Range<Int>) -> [UInt8] {
        findRuns(index, positions, chosen)
        var output: [UInt8] = []
        // Tags and lengths around a header are at most 12 bytes.
        output.reserveCapacity(runs.reduce(0) { $0 + scopeBytes($1, index) + index.groups[$1.group].resourceRange.count + 24 })
        let headers = index.groupBytes.span
        let records = index.records.span
        var first = 0
        while first < runs.count {
            // Groups that share a resource header stand under one ResourceSpans.
            let resource = index.groups[runs[first].group].resourceRange
            var end = first
            var size = resource.count
            while end < runs.count, index.groups[runs[end].group].resourceRange == resource {
                size += ProtobufSize.field(2, count: scopeBytes(runs[end], index))
                end += 1
            }
            output.appendPrefix(1, count: size)
            output.append(copying: headers.extracting(resource))
            for run in runs[first..<end] {
                output.appendPrefix(2, count: scopeBytes(run, index))
                output.append(copying: headers.extracting(index.groups[run.group].scopeRange))
                for place in run.first..<run.end {
                    let range = records[Int(positions[place])].range
                    output.appendPrefix(2, count: range.count)
                    output.append(copying: body.extracting(range))
                }
            }
            first = end
        }
        return output
    }

    private mutating func findRuns(_ index: RequestIndex, _ positions: [UInt32], _ chosen: Range<Int>) {
        runs.removeAll(keepingCapacity: true)
        let records = index.records.span
        var place = chosen.lowerBound
        while place < chosen.upperBound {
            var run = Run(group: Int(records[Int(positions[place])].group), first: place, end: place)
            while place < chosen.upperBound {
                let record = records[Int(positions[place])]
                guard Int(record.group) == run.group else { break }
                run.spanBytes &+= ProtobufSize.field(2, count: Int(record.length))
                place &+= 1
            }
            run.end = place
            runs.append(run)
        }
    }

    private func scopeBytes(_ run: Run, _ index: RequestIndex) -> Int {
        Int(index.groups[run.group].scopeLength) + run.spanBytes
    }
}

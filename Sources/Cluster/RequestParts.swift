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
    /// The owner of each record, as an index into the ring's members; reused.
    private var owners: [UInt8] = []
    private var counts: [Int] = []

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
        owners.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
        for _ in ring.members { counts.append(0) }
        for record in index.records {
            let owner = ring.owner(of: record.traceID)
            owners.append(UInt8(truncatingIfNeeded: owner))
            counts[owner] += 1
        }
        result.localSpans = own >= 0 ? counts[own] : 0
        guard result.localSpans < owners.count else { return result }
        for member in counts.indices where member != own && counts[member] > 0 {
            let wanted = UInt8(truncatingIfNeeded: member)
            var stitcher = RequestStitcher(body: body, index: index)
            for position in owners.indices where owners[position] == wanted { stitcher.append(position) }
            result.parts.append((member, RequestPart(payload: stitcher.finish(), spans: counts[member])))
        }
        let owners = owners
        index.keep { Int(owners[$0]) == own }
        return result
    }
}

/// Puts chosen spans of a walked request together as a request of their own: resource and scope once, spans as they are.
struct RequestStitcher: ~Escapable {
    private struct Run {
        var group: Int
        var spanBytes = 0
        var first: Int
        var end: Int
    }

    private let body: Span<UInt8>
    private let index: RequestIndex
    private var positions: [Int] = []
    private var runs: [Run] = []

    @_lifetime(copy body)
    init(body: Span<UInt8>, index: RequestIndex) {
        self.body = body
        self.index = index
    }

    /// Adds the span at this position of `index.records`; positions ascend.
    mutating func append(_ position: Int) {
        let record = index.records[position]
        let group = Int(record.group)
        if runs.last?.group != group { runs.append(Run(group: group, first: positions.count, end: positions.count)) }
        positions.append(position)
        let last = runs.count - 1
        runs[last].end = positions.count
        runs[last].spanBytes += ProtobufSize.field(2, count: Int(record.length))
    }

    func finish() -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(runs.reduce(0) { $0 + $1.spanBytes + 512 })
        let headers = index.groupBytes.span
        var first = 0
        while first < runs.count {
            // Groups that share a resource header stand under one ResourceSpans.
            let resource = index.groups[runs[first].group].resourceRange
            var end = first
            var size = resource.count
            while end < runs.count, index.groups[runs[end].group].resourceRange == resource {
                size += ProtobufSize.field(2, count: scopeBytes(runs[end]))
                end += 1
            }
            output.appendVarint(0x0a)
            output.appendVarint(UInt64(size))
            output.append(copying: headers.extracting(resource))
            for run in runs[first..<end] {
                output.appendVarint(0x12)
                output.appendVarint(UInt64(scopeBytes(run)))
                output.append(copying: headers.extracting(index.groups[run.group].scopeRange))
                for position in positions[run.first..<run.end] {
                    let range = index.records[position].range
                    output.appendVarint(0x12)
                    output.appendVarint(UInt64(range.count))
                    output.append(copying: body.extracting(range))
                }
            }
            first = end
        }
        return output
    }

    private func scopeBytes(_ run: Run) -> Int { Int(index.groups[run.group].scopeLength) + run.spanBytes }
}

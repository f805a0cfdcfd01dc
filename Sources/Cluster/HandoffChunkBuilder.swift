internal import OTLP

/// Collects traces and decisions for one peer into a chunk. Spans are copied once; resource and scope stand once for each group.
///
/// Not for hot paths: it runs while the ring changes. Memory: the chunk's bytes, twice while `finish` runs.
package struct HandoffChunkBuilder: Sendable {
    private struct Group: Sendable {
        var resource: [UInt8]
        var scope: [UInt8]
        /// Span fields, tag and length included.
        var spans: [UInt8] = []
    }

    private var chunk = HandoffChunk()
    private var groups: [Group] = []
    private var groupNumbers: [UInt64: Int] = [:]
    /// Bytes collected so far.
    package private(set) var byteCount = 0
    package private(set) var spanCount = 0
    /// The earliest deadline of its traces, in the sender's time.
    package private(set) var earliestDeadline = Int64.max

    package init() {}

    package var isEmpty: Bool { chunk.traces.isEmpty && chunk.decisions.isEmpty }

    /// Begins a trace; its spans follow.
    package mutating func begin(_ trace: HandoffTrace, deadline: Int64) {
        chunk.traces.append(trace)
        earliestDeadline = min(earliestDeadline, deadline)
        byteCount += 40
    }

    /// Adds a span of the trace that was begun last.
    package mutating func add(groupHash: UInt64, resource: Span<UInt8>, scope: Span<UInt8>, span: Span<UInt8>) {
        let number: Int
        if let known = groupNumbers[groupHash] {
            number = known
        } else {
            number = groups.count
            groupNumbers[groupHash] = number
            var group = Group(resource: [], scope: [])
            group.resource.append(copying: resource)
            group.scope.append(copying: scope)
            groups.append(group)
            byteCount += resource.count + scope.count + 12
        }
        groups[number].spans.appendVarint(0x12)
        groups[number].spans.appendVarint(UInt64(span.count))
        groups[number].spans.append(copying: span)
        byteCount += span.count + 4
        spanCount += 1
    }

    /// - Parameter policyName: of the decision's policy; asked for once in a chunk.
    package mutating func add(_ decision: HandoffDecision, policyName: (UInt16) -> String? = { _ in nil }) {
        chunk.decisions.append(decision)
        byteCount += 24
        guard let policy = decision.policy, chunk.policyNames[policy] == nil, let name = policyName(policy) else { return }
        chunk.policyNames[policy] = name
        byteCount += name.utf8.count + 6
    }

    /// The chunk; the builder is empty afterwards.
    package mutating func finish() -> HandoffChunk {
        var payload: [UInt8] = []
        payload.reserveCapacity(byteCount)
        for group in groups {
            let scopeBytes = group.scope.count + group.spans.count
            payload.appendVarint(0x0a)
            payload.appendVarint(UInt64(group.resource.count + ProtobufSize.field(2, count: scopeBytes)))
            payload += group.resource
            payload.appendVarint(0x12)
            payload.appendVarint(UInt64(scopeBytes))
            payload += group.scope
            payload += group.spans
        }
        var result = chunk
        result.payload = payload
        self = HandoffChunkBuilder()
        return result
    }
}

package import OTLP

/// Runs lists of statements over whole requests. One for each worker: it reuses its memory.
///
/// A request comes as the walker has indexed it. Edited spans are appended to `edits` and their records point there, behind
/// the body;
/// edited headers are appended to `groupBytes`, and all groups that shared the old one point there. What a record says beside
/// offset and
/// length, the hits and the groups' hashes are those of the bytes as they were: read edited spans and headers again before use.
package struct OTTLRequestPass: Sendable {
    private var run = OTTLRun()

    package init() {}

    /// What was edited.
    package struct Outcome: Sendable, Equatable {
        /// Spans written anew, each once for a list.
        package var editedSpans = 0
        /// Whether any header differs.
        package var hasNewHeaders = false
        /// Why the pass stopped: an error under `error_mode: propagate`. The request is not to go on.
        package var failure: OTTLEvaluationError?

        package init() {}
    }

    /// Runs one list on every item of its context.
    ///
    /// - Parameters:
    ///   - body: what the index's offsets refer to, below its length.
    ///   - edits: what offsets from the body's length on refer to.
    ///   - now: wall-clock nanoseconds since 1970.
    /// - Complexity: O(items), O(bytes) of what is edited.
    package mutating func apply(
        _ list: OTTLStatementList, body: Span<UInt8>, _ index: inout RequestIndex, edits: inout [UInt8], now: Int64,
        errors: ConditionErrors? = nil, outcome: inout Outcome
    ) {
        switch list.context {
        case .span, .spanEvent:
            for position in index.records.indices {
                runSpan(list, position, body, &index, &edits, now, errors, &outcome)
                if outcome.failure != nil { return }
            }
        case .scope, .resource:
            var last: Range<Int>?
            for group in index.groups.indices {
                // Groups of one resource stand behind each other.
                if list.context == .resource, index.groups[group].resourceRange == last { continue }
                runGroup(list, group, &index, now, errors, &outcome)
                last = index.groups[group].resourceRange
                if outcome.failure != nil { return }
            }
        }
    }

    private mutating func runSpan(
        _ list: OTTLStatementList, _ position: Int, _ body: Span<UInt8>, _ index: inout RequestIndex, _ edits: inout [UInt8],
        _ now: Int64, _ errors: ConditionErrors?, _ outcome: inout Outcome
    ) {
        var record = index.records[position]
        let number = Int(record.group)
        let group = index.groups[number]
        let resource = ByteRange(group.resourceRange)
        let scope = ByteRange(group.scopeRange)
        run.begin()
        let result: OTTLRunResult
        if Int(record.offset) < body.count || record.length == 0 {
            result = run.run(
                list, body: body, record: record, headers: index.groupBytes.span, resource: resource, scope: scope, now: now,
                errors: errors)
        } else {
            record.offset -= UInt32(truncatingIfNeeded: body.count)
            result = run.run(
                list, body: edits.span, record: record, headers: index.groupBytes.span, resource: resource, scope: scope,
                now: now, errors: errors)
        }
        outcome.failure = result.failure
        if result.isSpanEdited {
            index.records[position].offset = UInt32(truncatingIfNeeded: body.count + edits.count)
            edits += run.editedSpan
            index.records[position].length = UInt32(truncatingIfNeeded: run.editedSpan.count)
            outcome.editedSpans += 1
        }
        take(result, number, &index, &outcome)
    }

    private mutating func runGroup(
        _ list: OTTLStatementList, _ number: Int, _ index: inout RequestIndex, _ now: Int64, _ errors: ConditionErrors?,
        _ outcome: inout Outcome
    ) {
        let group = index.groups[number]
        let nothing: [UInt8] = []
        let record = SpanRecord(
            traceID: TraceID(high: 0, low: 0), hash: 0, startTimeUnixNano: 0, endTimeUnixNano: 0, offset: 0, length: 0,
            group: 0, flags: [])
        run.begin()
        let scope = list.context == .resource ? ByteRange.empty : ByteRange(group.scopeRange)
        let result = run.run(
            list, body: nothing.span, record: record, headers: index.groupBytes.span, resource: ByteRange(group.resourceRange),
            scope: scope, now: now, errors: errors)
        outcome.failure = result.failure
        take(result, number, &index, &outcome)
    }

    /// Puts edited headers in the place of old ones.
    private func take(_ result: OTTLRunResult, _ number: Int, _ index: inout RequestIndex, _ outcome: inout Outcome) {
        if result.isResourceEdited {
            let old = index.groups[number].resourceRange
            let start = index.groupBytes.count
            index.groupBytes += run.editedResource
            let length = index.groupBytes.count - start
            for place in index.groups.indices where index.groups[place].resourceRange == old {
                index.groups[place].resourceOffset = UInt32(truncatingIfNeeded: start)
                index.groups[place].resourceLength = UInt32(truncatingIfNeeded: length)
            }
            outcome.hasNewHeaders = true
        }
        if result.isScopeEdited {
            let start = index.groupBytes.count
            index.groupBytes += run.editedScope
            index.groups[number].scopeOffset = UInt32(truncatingIfNeeded: start)
            index.groups[number].scopeLength = UInt32(truncatingIfNeeded: index.groupBytes.count - start)
            outcome.hasNewHeaders = true
        }
    }
}

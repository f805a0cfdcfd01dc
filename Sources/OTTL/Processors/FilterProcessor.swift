package import ConfigTree
package import OTLP

/// `filter`: drops the resources, scopes, spans and events of which a condition holds. Immutable, shared by all workers.
package struct FilterProcessor: Sendable {
    package static let typeName = "filter"

    /// What one request has lost, and what is left.
    package struct Outcome: Sendable, Equatable {
        /// The places of the spans that stay, ascending.
        package var kept: [UInt32] = []
        /// Spans that lost events and were written anew.
        package var editedSpans = 0
        /// Why the request is not to go on, under `error_mode: propagate`.
        package var failure: OTTLEvaluationError?
    }

    /// By what they are on, in the order in which they are asked.
    let resource: [OTTLStatementList]
    let scope: [OTTLStatementList]
    let span: [OTTLStatementList]
    let events: [OTTLStatementList]

    /// Reads the processor's block; problems go to the reader. Nil if there was one that leaves nothing to build.
    package init?(_ block: inout ConfigReader) {
        let mode = TransformProcessor.errorMode(&block, default: .ignore)
        block.notSupported(
            ["metrics", "metric_conditions", "logs", "log_conditions", "profiles", "profile_conditions"],
            because: "conditions on traces only are in Tailgate; write them under `trace_conditions` or `traces`")
        block.notSupported(["spans"], because: "write conditions under `traces`, such as `span: ['name == \"GET /health\"']`")
        var lists: [OTTLStatementList] = []
        var isComplete = true
        let problems = block.problems
        func add(
            _ texts: [PlacedText], _ context: OTTLContext?, _ mode: OTTLErrorMode, _ position: SourcePosition, _ path: String
        ) {
            guard !texts.isEmpty else { return }
            if let list = OTTLTextList([], conditions: texts).statements(context: context, mode, at: position, path, problems) {
                lists.append(list)
            } else {
                isComplete = false
            }
        }
        if var old = block.map("traces") {
            for context in [OTTLContext.resource, .span, .spanEvent] {
                let key = context.rawValue
                add(old.placedStrings(key), context, mode, old.position, old.path(of: key))
            }
            old.finish()
        }
        let path = block.path(of: "trace_conditions")
        let entries = block.list("trace_conditions")
        let areTexts = entries.map { OTTLTextList.text($0) != nil }
        if areTexts.contains(true), areTexts.contains(false) {
            block.error("conditions and maps of conditions can't stand in one list", key: "trace_conditions")
            isComplete = false
        }
        for (number, entry) in entries.enumerated() {
            let place = "\(path)[\(number)]"
            if let text = OTTLTextList.text(entry) {
                add([PlacedText(text: text, position: entry.position, keyPath: place)], nil, mode, entry.position, place)
                continue
            }
            var group = ConfigReader(entry, keyPath: place, problems: problems)
            let own = TransformProcessor.errorMode(&group, default: mode)
            let context = OTTLTextList.context(&group)
            let conditions = group.placedStrings("conditions")
            if conditions.isEmpty { group.error("`conditions` are missing") }
            group.finish()
            guard !context.isWrong, !conditions.isEmpty else {
                isComplete = false
                continue
            }
            add(conditions, context.context, own, entry.position, place)
        }
        block.finish()
        guard isComplete else { return nil }
        if lists.isEmpty { block.warning("no conditions: the processor does nothing") }
        resource = lists.filter { $0.context == .resource }
        scope = lists.filter { $0.context == .scope }
        span = lists.filter { $0.context == .span }
        events = lists.filter { $0.context == .spanEvent }
    }

    /// Asks the conditions about a request.
    ///
    /// Spans that lose events are appended to `edits`, and their records point there, behind the body.
    /// - Complexity: O(spans), with what the conditions cost.
    package func apply(
        body: Span<UInt8>, _ index: inout RequestIndex, edits: inout [UInt8], now: Int64
    ) -> Outcome {
        var outcome = Outcome()
        do throws(OTTLEvaluationError) {
            try ask(body, &index, &edits, now, &outcome)
        } catch {
            outcome.failure = error
        }
        return outcome
    }

    private func ask(
        _ body: Span<UInt8>, _ index: inout RequestIndex, _ edits: inout [UInt8], _ now: Int64, _ outcome: inout Outcome
    ) throws(OTTLEvaluationError) {
        var moved: [(position: Int, range: Range<Int>)] = []
        var group: UInt32 = .max
        var isGroupDropped = false
        for position in index.records.indices {
            let record = index.records[position]
            let owner = index.groups[Int(record.group)]
            let headers = index.groupBytes.span
            let outer = ByteRange(owner.resourceRange)
            let inner = ByteRange(owner.scopeRange)
            if record.group != group {
                group = record.group
                isGroupDropped = false
                for list in resource where !isGroupDropped {
                    isGroupDropped = try OTTLRun.holds(
                        list, body: body, record: record, headers: headers, resource: outer, scope: .empty, now: now)
                }
                for list in scope where !isGroupDropped {
                    isGroupDropped = try OTTLRun.holds(
                        list, body: body, record: record, headers: headers, resource: outer, scope: inner, now: now)
                }
            }
            if isGroupDropped { continue }
            var isDropped = false
            for list in span where !isDropped {
                isDropped = try OTTLRun.holds(
                    list, body: body, record: record, headers: headers, resource: outer, scope: inner, now: now)
            }
            if isDropped { continue }
            outcome.kept.append(UInt32(truncatingIfNeeded: position))
            guard !events.isEmpty else { continue }
            var cursor = EventCursor(record.range)
            var dropped: [Bool] = []
            while let event = cursor.next(body) {
                var isGone = false
                for list in events where !isGone {
                    isGone = try OTTLRun.holds(
                        list, body: body, record: record, headers: headers, resource: outer, scope: inner, event: event,
                        now: now)
                }
                dropped.append(isGone)
            }
            guard dropped.contains(true) else { continue }
            let start = edits.count
            do throws(WalkError) {
                try MessageRewriter.remove(0x5a, in: body.extracting(record.range), to: &edits) { dropped[$0] }
            } catch {
                edits.removeLast(edits.count - start)
                continue
            }
            moved.append((position, start..<edits.count))
        }
        for (position, range) in moved {
            index.records[position].offset = UInt32(truncatingIfNeeded: body.count + range.lowerBound)
            index.records[position].length = UInt32(truncatingIfNeeded: range.count)
        }
        outcome.editedSpans = moved.count
    }
}

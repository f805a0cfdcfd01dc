package import OTLP

/// What statements have done to an item.
package struct OTTLRunResult: Sendable, Equatable {
    package var isSpanEdited = false
    package var isResourceEdited = false
    package var isScopeEdited = false
    /// Why the statements stopped: an error under `error_mode: propagate`.
    package var failure: OTTLEvaluationError?

    package var isEdited: Bool { isSpanEdited || isResourceEdited || isScopeEdited }
}

/// Carries statements out. One for each worker: it reuses its memory.
///
/// An item that no statement changes is read where it lies, and nothing is copied. The first change writes its message anew,
/// with all
/// other fields byte for byte; further changes go on from there. A span's events are written into it once, at the end.
package struct OTTLRun: Sendable {
    private var result = OTTLRunResult()
    private var span: [UInt8] = []
    /// The header of the resource, then that of the scope, once one of them is edited.
    private var headers: [UInt8] = []
    private var resource = ByteRange.empty
    private var scope = ByteRange.empty
    private var record = SpanRecord(
        traceID: TraceID(high: 0, low: 0), hash: 0, startTimeUnixNano: 0, endTimeUnixNano: 0, offset: 0, length: 0, group: 0,
        flags: [])
    private var event: [UInt8] = []
    private var isEventEdited = false
    private var events = OTTLEventEdits()
    private var cache: [OTTLEntry] = []
    private var output = OTTLOutput()
    private var spare: [UInt8] = []
    private var budget = OTTLLimits.maximumRewrittenBytes

    package init() {}

    /// Turns to the next item: what was edited before is forgotten.
    package mutating func begin() {
        result = OTTLRunResult()
        budget = OTTLLimits.maximumRewrittenBytes
    }

    /// The span as it is now, if it was edited.
    package var editedSpan: [UInt8] { span }
    /// The header of ResourceSpans as it is now, if it was edited.
    package var editedResource: [UInt8] { Array(headers[resource.range]) }
    /// The header of ScopeSpans as it is now, if it was edited.
    package var editedScope: [UInt8] { Array(headers[scope.range]) }

    /// Runs a list on one item: a span, each of its events, a resource or a scope, as the list's context says.
    ///
    /// Goes on from what lists before have done since `begin`.
    /// - Parameters:
    ///   - body: what the record's offset refers to. Empty for a resource or scope.
    ///   - record: the span. Of no meaning for a resource or scope.
    ///   - headers: what the headers' ranges refer to.
    ///   - resource: the header of ResourceSpans, as in `GroupRecord`.
    ///   - scope: the header of ScopeSpans; empty for a resource.
    ///   - now: wall-clock nanoseconds since 1970.
    ///   - errors: where errors are counted that stop nothing, by number of the statement and then of the condition.
    /// - Complexity: O(length of the statements), O(length of the item) for each that changes it.
    package mutating func run(
        _ list: OTTLStatementList, body: Span<UInt8>, record: SpanRecord, headers: Span<UInt8>, resource: ByteRange,
        scope: ByteRange, now: Int64, errors: ConditionErrors? = nil
    ) -> OTTLRunResult {
        guard result.failure == nil else { return result }
        if !result.isSpanEdited { self.record = record }
        if !result.isResourceEdited && !result.isScopeEdited {
            self.resource = resource
            self.scope = scope
        }
        do throws(OTTLEvaluationError) {
            if list.context == .spanEvent {
                try runEvents(list, body, headers, now, errors)
            } else {
                try runStatements(list, body, headers, nil, now, errors)
            }
        } catch {
            result.failure = error
        }
        return result
    }

    /// Whether one of a list's conditions holds; false if it has none. The list's statements do not run.
    ///
    /// - Parameter event: the event's payload in `body`, for a list on events.
    /// - Throws: why a condition could not be evaluated, under `error_mode: propagate`.
    package static func holds(
        _ list: OTTLStatementList, body: Span<UInt8>, record: SpanRecord, headers: Span<UInt8>, resource: ByteRange,
        scope: ByteRange, event: ByteRange? = nil, now: Int64, errors: ConditionErrors? = nil
    ) throws(OTTLEvaluationError) -> Bool {
        guard !list.conditions.isEmpty else { return false }
        var input = OTTLSpanInput(
            body: body, headers: headers, eventBytes: body, record: record, resource: resource, scope: scope, now: now)
        if let event { input.event = EventFields(body, event) }
        return try holds(list, &input, errors)
    }

    // MARK: events

    private mutating func runEvents(
        _ list: OTTLStatementList, _ body: Span<UInt8>, _ headers: Span<UInt8>, _ now: Int64, _ errors: ConditionErrors?
    ) throws(OTTLEvaluationError) {
        events.removeAll()
        defer { events.removeAll() }
        var failure: OTTLEvaluationError?
        var ordinal = 0
        var cursor = EventCursor(record.range)
        var lengthBefore = record.length
        while let next = result.isSpanEdited ? cursor.next(span.span) : cursor.next(body) {
            isEventEdited = false
            do throws(OTTLEvaluationError) {
                try runStatements(list, body, headers, (ordinal, next), now, errors)
            } catch {
                failure = error
            }
            if isEventEdited { events.add(event, ordinal) }
            if failure != nil { break }
            ordinal += 1
            if result.isSpanEdited && (span.count != Int(lengthBefore) || events.spanWasEdited) {
                // The span was written anew: the events behind this one lie elsewhere now.
                lengthBefore = record.length
                events.spanWasEdited = false
                cursor = EventCursor(record.range)
                for _ in 0..<ordinal { _ = cursor.next(span.span) }
            }
        }
        if !events.isEmpty {
            do throws(WalkError) {
                if result.isSpanEdited {
                    spare = try events.written(into: span.span)
                } else {
                    spare = try events.written(into: body.extracting(record.range))
                }
            } catch {
                throw OTTLEvaluationError(.malformedInput, column: 1)
            }
            swap(&span, &spare)
            result.isSpanEdited = true
            record.offset = 0
            record.length = UInt32(truncatingIfNeeded: span.count)
        }
        if let failure { throw failure }
    }

    // MARK: statements

    private mutating func runStatements(
        _ list: OTTLStatementList, _ body: Span<UInt8>, _ headers: Span<UInt8>, _ event: (ordinal: Int, range: ByteRange)?,
        _ now: Int64, _ errors: ConditionErrors?
    ) throws(OTTLEvaluationError) {
        cache = []
        var position = -1
        var eventRange = event?.range
        while position < list.statements.count {
            let sight = OTTLSight(
                record: record, resource: resource, scope: scope, now: now, cache: cache, event: eventRange,
                ordinal: event?.ordinal ?? 0, isEventEdited: isEventEdited)
            let effect = try see(body, headers, sight, list, &position, errors)
            try take(effect, &eventRange, event?.ordinal, headers)
            if let error = effect.error {
                if list.errorMode == .propagate { throw error }
                errors?.add(position - 1, error)
            }
        }
    }

    /// Runs statements on what there is now: each part where it came in, or where it was written to.
    private mutating func see(
        _ body: Span<UInt8>, _ headers: Span<UInt8>, _ sight: OTTLSight, _ list: OTTLStatementList, _ position: inout Int,
        _ errors: ConditionErrors?
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        var output = OTTLOutput()
        swap(&output, &self.output)
        defer { swap(&output, &self.output) }
        let hasHeaders = result.isResourceEdited || result.isScopeEdited
        switch (result.isSpanEdited, hasHeaders, sight.isEventEdited) {
        case (false, false, false):
            return try Self.advance(body, headers, body, sight, list, &position, &output, errors)
        case (false, false, true):
            return try Self.advance(body, headers, event.span, sight, list, &position, &output, errors)
        case (false, true, false):
            return try Self.advance(body, self.headers.span, body, sight, list, &position, &output, errors)
        case (false, true, true):
            return try Self.advance(body, self.headers.span, event.span, sight, list, &position, &output, errors)
        case (true, false, false):
            return try Self.advance(span.span, headers, span.span, sight, list, &position, &output, errors)
        case (true, false, true):
            return try Self.advance(span.span, headers, event.span, sight, list, &position, &output, errors)
        case (true, true, false):
            return try Self.advance(span.span, self.headers.span, span.span, sight, list, &position, &output, errors)
        case (true, true, true):
            return try Self.advance(span.span, self.headers.span, event.span, sight, list, &position, &output, errors)
        }
    }

    /// Runs statements from `position` on until one changes something; before the first one, the conditions.
    private static func advance(
        _ body: Span<UInt8>, _ headers: Span<UInt8>, _ eventBytes: Span<UInt8>, _ sight: OTTLSight, _ list: OTTLStatementList,
        _ position: inout Int, _ output: inout OTTLOutput, _ errors: ConditionErrors?
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        var input = OTTLSpanInput(
            body: body, headers: headers, eventBytes: eventBytes, record: sight.record, resource: sight.resource,
            scope: sight.scope, now: sight.now)
        input.cache = sight.cache
        if let range = sight.event {
            input.eventIndex = Int64(sight.ordinal)
            input.event = EventFields(eventBytes, sight.isEventEdited ? ByteRange(0..<eventBytes.count) : range)
        }
        if position < 0 {
            position = try holds(list, &input, errors) ? 0 : list.statements.count
        }
        while position < list.statements.count {
            let number = position
            position += 1
            do throws(OTTLEvaluationError) {
                let statement = list.statements[number]
                if statement.condition >= 0, try !list.program.isTrue(Int(statement.condition), &input) { continue }
                let effect = try list.program.carryOut(statement, &input, &output)
                if case .none = effect.change, effect.error == nil { continue }
                return effect
            } catch {
                if list.errorMode == .propagate { throw error }
                errors?.add(number, error)
            }
        }
        position = list.statements.count
        return .none
    }

    /// Whether the statements are to run at all.
    private static func holds(
        _ list: OTTLStatementList, _ input: inout OTTLSpanInput, _ errors: ConditionErrors?
    ) throws(OTTLEvaluationError) -> Bool {
        guard !list.conditions.isEmpty else { return true }
        for (number, condition) in list.conditions.enumerated() {
            do throws(OTTLEvaluationError) {
                if try list.program.isTrue(Int(condition), &input) { return true }
            } catch {
                if list.errorMode == .propagate { throw error }
                errors?.add(list.statements.count + number, error)
            }
        }
        return false
    }

    /// Puts what a statement has written in the place of what it read.
    private mutating func take(
        _ effect: OTTLEffect, _ eventRange: inout ByteRange?, _ ordinal: Int?, _ original: Span<UInt8>
    ) throws(OTTLEvaluationError) {
        switch effect.change {
        case .none: return
        case .cache:
            cache = output.cache
            return
        case .event:
            budget -= output.bytes.count
            swap(&event, &output.bytes)
            isEventEdited = true
        case .span(let hasOtherFields):
            budget -= output.bytes.count
            swap(&span, &output.bytes)
            result.isSpanEdited = true
            record.offset = 0
            record.length = UInt32(truncatingIfNeeded: span.count)
            if hasOtherFields { record.readAgain(span) }
            if let ordinal {
                events.spanWasEdited = true
                var cursor = EventCursor(record.range)
                for _ in 0..<ordinal { _ = cursor.next(span.span) }
                eventRange = cursor.next(span.span)
            }
        case .resource, .scope:
            var isResource = false
            if case .resource = effect.change { isResource = true }
            if !result.isResourceEdited && !result.isScopeEdited {
                // From here on both headers lie in one place.
                headers.removeAll(keepingCapacity: true)
                headers.append(copying: resource.bytes(in: original))
                headers.append(copying: scope.bytes(in: original))
                resource = ByteRange(start: 0, count: resource.count)
                scope = ByteRange(start: resource.count, count: scope.count)
            }
            budget -= output.bytes.count
            let count = UInt32(truncatingIfNeeded: output.bytes.count)
            if isResource {
                headers.replaceSubrange(resource.range, with: output.bytes)
                resource.count = count
                scope.start = count
            } else {
                headers.replaceSubrange(scope.range, with: output.bytes)
                scope.count = count
            }
            if isResource { result.isResourceEdited = true } else { result.isScopeEdited = true }
        }
        guard budget >= 0 else { throw OTTLEvaluationError(.tooLarge, column: 1) }
    }
}

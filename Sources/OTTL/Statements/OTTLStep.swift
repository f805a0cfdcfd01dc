internal import OTLP

/// What a statement did.
struct OTTLEffect {
    /// What was written to `OTTLOutput.bytes` in place of what was read.
    enum Change {
        case none
        /// A span; whether other fields than attributes differ.
        case span(hasOtherFields: Bool)
        /// An event's payload.
        case event
        /// A header of ResourceSpans, of ScopeSpans.
        case resource, scope
        /// `OTTLOutput.cache`.
        case cache
    }

    var change: Change
    /// What failed although something has changed.
    var error: OTTLEvaluationError?

    static let none = OTTLEffect(change: .none, error: nil)
}

/// Where a statement writes. Memory of one worker.
struct OTTLOutput: Sendable {
    var bytes: [UInt8] = []
    var cache: [OTTLEntry] = []
    var value: [UInt8] = []
}

/// One statement on one item: read, decide, write the message anew where it changes.
extension OTTLProgram {
    /// Carries out a statement whose condition holds.
    func carryOut(
        _ statement: OTTLStatement, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        let target = statement.target
        let column = statement.column
        switch statement.edit {
        case .set(let node):
            return try set(target, try value(Int(node), &input), column: column, &input, &output)
        case .append(let valueNode, let valuesNode):
            var items: [OTTLValue] = []
            let old = try value(Int(target.node), &input)
            switch old {
            case .null: break
            case .list(let list): items = elements(of: list, input)
            case .map: throw OTTLEvaluationError(.unsupportedType, found: .map, column: column)
            default: items = [old]
            }
            if valueNode >= 0 { items.append(try value(Int(valueNode), &input)) }
            if valuesNode >= 0 {
                let more = try value(Int(valuesNode), &input)
                guard case .list(let list) = more else {
                    throw OTTLEvaluationError(.unsupportedType, found: more.kind, column: column)
                }
                items += elements(of: list, input)
            }
            return try set(target, .list(.owned(items)), column: column, &input, &output)
        case .deleteIndex(let startNode, let endNode):
            return try deleteIndex(target, startNode, endNode, column: column, &input, &output)
        case .replace(let replacement):
            guard case .string(let text) = try value(Int(target.node), &input),
                let new = try replaced(copy(text, input), replacement, column: column, &input)
            else { return .none }
            return try set(target, .text(new), column: column, &input, &output)
        case .deleteKey(let node) where target.keys.isEmpty && target.path.attributeMap != nil:
            let key = try bytesValue(node, column: column, &input)
            return try write(target.path, input, &output) { (source, tag, bytes) throws(WalkError) in
                try MessageRewriter.removeAttributes(tag: tag, in: source, to: &bytes) { ByteSpans.equal($0, key.span) }
            }
        default: return try editMap(statement, &input, &output)
        }
    }

    private func deleteIndex(
        _ target: OTTLTarget, _ startNode: Int32, _ endNode: Int32, column: UInt16, _ input: inout OTTLSpanInput,
        _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        let old = try value(Int(target.node), &input)
        guard case .list(let list) = old else { throw OTTLEvaluationError(.unsupportedType, found: old.kind, column: column) }
        var items = elements(of: list, input)
        let start = try value(Int(startNode), &input)
        let end = endNode < 0 ? nil : try value(Int(endNode), &input)
        guard case .int(let first) = start else {
            throw OTTLEvaluationError(.unsupportedType, found: start.kind, column: column)
        }
        var last = first < Int64.max ? first + 1 : first
        if let end {
            guard case .int(let place) = end else {
                throw OTTLEvaluationError(.unsupportedType, found: end.kind, column: column)
            }
            last = place
        }
        guard first >= 0, first < items.count, last > first, last <= items.count else {
            throw OTTLEvaluationError(.indexOutOfRange, column: column)
        }
        items.removeSubrange(Int(first)..<Int(last))
        return try set(target, .list(.owned(items)), column: column, &input, &output)
    }

    // MARK: maps

    private func editMap(
        _ statement: OTTLStatement, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        let target = statement.target
        let column = statement.column
        let old = try value(Int(target.node), &input)
        guard case .map(let map) = old else { throw OTTLEvaluationError(.unsupportedType, found: old.kind, column: column) }
        let isWhole = target.keys.isEmpty && target.path.attributeMap != nil
        let before = isWhole ? allEntries(of: map, input) : entries(of: map, input)
        var entries: [OTTLEditedEntry] = []
        entries.reserveCapacity(before.count)
        for entry in before {
            entries.append(OTTLEditedEntry(key: copy(entry.key, input), value: entry.value, origin: entries.count))
        }
        try apply(statement.edit, to: &entries, column: column, &input)
        if !entries.contains(where: \.isChanged), entries.count == before.count { return .none }
        guard isWhole else {
            let new = entries.map { OTTLEntry(key: .owned($0.key), value: $0.value) }
            return try set(target, .map(.owned(new)), column: column, &input, &output)
        }
        var changes = [MessageRewriter.AttributeChange](repeating: .remove, count: before.count)
        var added: [(key: [UInt8], value: [UInt8])] = []
        for entry in entries {
            guard let origin = entry.origin else {
                added.append((entry.key, encoded(entry.value, input)))
                continue
            }
            changes[origin] = entry.isChanged ? .replace(key: entry.key, value: encoded(entry.value, input)) : .keep
        }
        return try write(target.path, input, &output) { (source, tag, bytes) throws(WalkError) in
            try MessageRewriter.changeAttributes(tag: tag, changes, adding: added, in: source, to: &bytes)
            return true
        }
    }

    /// The entries of a map as they are written, those with equal keys too.
    private func allEntries(of map: OTTLMap, _ input: OTTLSpanInput) -> [OTTLEntry] {
        guard case .encoded(let encoded) = map else { return entries(of: map, input) }
        var entries: [OTTLEntry] = []
        var cursor = encoded.cursor
        while let attribute = cursor.next(bytes(encoded.source, input)) {
            entries.append(
                OTTLEntry(
                    key: .range(encoded.source, attribute.key), value: decode(attribute.value, encoded.source, input)))
        }
        return entries
    }

    // MARK: writing

    /// Writes the message that a path belongs to anew. `change` gets what holds the path's field, and the tag of its
    /// attributes.
    func write(
        _ path: OTTLPath, _ input: borrowing OTTLSpanInput, _ output: inout OTTLOutput,
        _ change: (Span<UInt8>, UInt8, inout [UInt8]) throws(WalkError) -> Bool
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        output.bytes.removeAll(keepingCapacity: true)
        do throws(WalkError) {
            switch path.owner {
            case .span:
                let source = input.body.extracting(input.record.range)
                guard try change(source, 0x4a, &output.bytes) else { return .none }
                return OTTLEffect(change: .span(hasOtherFields: path != .attributes), error: nil)
            case .event:
                let range = input.event?.message ?? .empty
                let source = range.bytes(in: input.eventBytes)
                guard try change(source, 0x1a, &output.bytes) else { return .none }
                return OTTLEffect(change: .event, error: nil)
            case .resource, .scope:
                let isResource = path.owner == .resource
                let range = isResource ? input.resource : input.scope
                let header = range.bytes(in: input.headers)
                if path == .resourceSchemaURL || path == .scopeSchemaURL {
                    guard try change(header, 0, &output.bytes) else { return .none }
                } else {
                    let inner = try MessageRewriter.message(0x0a, in: header)
                    var field: [UInt8] = []
                    output.value.removeAll(keepingCapacity: true)
                    guard try change(inner.span, isResource ? 0x0a : 0x1a, &output.value) else { return .none }
                    field.appendField(1, bytes: output.value)
                    try MessageRewriter.replace(0x0a, by: field, in: header, to: &output.bytes)
                }
                return OTTLEffect(change: isResource ? .resource : .scope, error: nil)
            case .cache, .none: return .none
            }
        } catch {
            throw OTTLEvaluationError(.malformedInput, column: 1)
        }
    }
}

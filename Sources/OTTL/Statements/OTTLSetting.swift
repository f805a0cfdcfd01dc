internal import OTLP

/// `set`: what each path takes.
extension OTTLProgram {
    /// Sets what the target leads to. Nil changes nothing.
    func set(
        _ target: OTTLTarget, _ value: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        if target.path == .eventIndex { throw OTTLEvaluationError(.unavailable, column: column) }
        if case .null = value { return .none }
        if target.path == .cache { return try setCache(target, value, column: column, &input, &output) }
        if target.path == .traceState, !target.keys.isEmpty {
            return try setTraceStateMember(target, value, column: column, &input, &output)
        }
        if target.path.attributeMap != nil {
            return target.keys.isEmpty
                ? try setAll(target, value, column: column, &input, &output)
                : try setAttribute(target, value, column: column, &input, &output)
        }
        if target.path == .statusCode || target.path == .statusMessage {
            return try setStatus(target, value, column: column, &input, &output)
        }
        switch (target.path, value) {
        case (.status, .status), (.events, .entries(_, isLinks: false)), (.links, .entries(_, isLinks: true)): return .none
        default: break
        }
        guard let (tag, field) = try Self.field(target.path, value, column: column, self, input) else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        return try write(target.path, input, &output) { (source, _, bytes) throws(WalkError) in
            try MessageRewriter.replace(tag, by: field, in: source, to: &bytes)
            return true
        }
    }

    // MARK: attributes

    private func keys(_ target: OTTLTarget, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> [OTTLValue] {
        var keys: [OTTLValue] = []
        for node in target.keys { keys.append(try value(Int(node), &input)) }
        return keys
    }

    private func setAttribute(
        _ target: OTTLTarget, _ new: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        // One constant key and a value that an attribute can hold: nearly always.
        if target.keys.count == 1, let key = target.constantKey, Self.isStorable(new) {
            let encoded = encoded(new, input)
            return try write(target.path, input, &output) { (source, tag, bytes) throws(WalkError) in
                try MessageRewriter.setAttribute(key.span, to: encoded.span, tag: tag, in: source, output: &bytes)
                return true
            }
        }
        let keys = try keys(target, &input)
        guard case .string(let name)? = keys.first else {
            throw OTTLEvaluationError(.wrongKeyType, found: keys.first?.kind ?? .null, column: target.column)
        }
        let key = copy(name, input)
        let base = OTTLNode(operation: .path, detail: target.path.rawValue, column: target.column)
        guard case .map(let map) = try path(base, &input) else { return .none }
        let old = lookUp(key.span, in: map, input)
        let encoded = encoded(try updated(old, keys.dropFirst(), new, column: column, input), input)
        var effect = try write(target.path, input, &output) { (source, tag, bytes) throws(WalkError) in
            try MessageRewriter.setAttribute(key.span, to: encoded.span, tag: tag, in: source, output: &bytes)
            return true
        }
        if !Self.isStorable(new) {
            effect.error = OTTLEvaluationError(.unsupportedType, found: new.kind, column: column)
        }
        return effect
    }

    /// All attributes are replaced by the entries of a map.
    private func setAll(
        _ target: OTTLTarget, _ new: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        guard case .map(let map) = new else {
            throw OTTLEvaluationError(.unsupportedType, found: new.kind, column: column)
        }
        let added = entries(of: map, input).map { (key: copy($0.key, input), value: encoded($0.value, input)) }
        return try write(target.path, input, &output) { (source, tag, bytes) throws(WalkError) in
            var kept: [UInt8] = []
            let isChanged = try MessageRewriter.removeAttributes(tag: tag, in: source, to: &kept) { _ in true }
            if !isChanged { kept.append(copying: source) }
            try MessageRewriter.changeAttributes(tag: tag, [], adding: added, in: kept.span, to: &bytes)
            return true
        }
    }

    private func setCache(
        _ target: OTTLTarget, _ new: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        let old = OTTLValue.map(.owned(input.cache))
        let value = target.keys.isEmpty ? new : try updated(old, try keys(target, &input)[...], new, column: column, input)
        guard case .map(let map) = value else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        output.cache = detached(entries(of: map, input), input)
        let error = Self.isStorable(new) ? nil : OTTLEvaluationError(.unsupportedType, found: new.kind, column: column)
        return OTTLEffect(change: .cache, error: error)
    }

    // MARK: status and tracestate

    private func setStatus(
        _ target: OTTLTarget, _ value: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        var field: [UInt8] = []
        switch (target.path, value) {
        case (.statusCode, .int(let code)):
            let number = Int64(Int32(truncatingIfNeeded: code))
            field.appendField(3, varint: UInt64(bitPattern: number))
        case (.statusMessage, .string(let text)):
            let bytes = copy(text, input)
            if !bytes.isEmpty { field.appendField(2, bytes: bytes) }
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        let tag: UInt64 = target.path == .statusCode ? 0x18 : 0x12
        return try write(target.path, input, &output) { (source, _, bytes) throws(WalkError) in
            let old = try MessageRewriter.message(0x7a, in: source)
            var status: [UInt8] = []
            try MessageRewriter.replace(tag, by: field, in: old.span, to: &status)
            var whole: [UInt8] = []
            whole.appendField(15, bytes: status)
            try MessageRewriter.replace(0x7a, by: whole, in: source, to: &bytes)
            return true
        }
    }

    /// The member moves to the front. A tracestate that is none stays as it is.
    private func setTraceStateMember(
        _ target: OTTLTarget, _ value: OTTLValue, column: UInt16, _ input: inout OTTLSpanInput, _ output: inout OTTLOutput
    ) throws(OTTLEvaluationError) -> OTTLEffect {
        let keys = try keys(target, &input)
        guard case .string(let name)? = keys.first else {
            throw OTTLEvaluationError(.wrongKeyType, found: keys.first?.kind ?? .null, column: column)
        }
        guard var members = OTTLTraceState.members(input.spanFields.traceState.bytes(in: input.body)) else { return .none }
        guard case .string(let text) = value else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        let key = copy(name, input)
        let new = copy(text, input)
        guard TraceStateSyntax.isKey(key.span, 0..<key.count), TraceStateSyntax.isValue(new.span, 0..<new.count) else {
            throw OTTLEvaluationError(.malformedInput, found: .string, column: column)
        }
        members.removeAll { $0.key == key }
        members.insert((key, new), at: 0)
        if members.count > TraceStateSyntax.maximumMembers { members.removeLast() }
        let joined = members.map { $0.key + [UInt8(ascii: "=")] + $0.value }.joined(separator: [UInt8(ascii: ",")])
        var field: [UInt8] = []
        field.appendField(3, bytes: Array(joined))
        return try write(target.path, input, &output) { (source, _, bytes) throws(WalkError) in
            try MessageRewriter.replace(0x1a, by: field, in: source, to: &bytes)
            return true
        }
    }

    // MARK: fields

    /// The tag of a path's field and the field with its new value; nil for a value that the path does not take.
    private static func field(
        _ path: OTTLPath, _ value: OTTLValue, column: UInt16, _ program: OTTLProgram, _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> (UInt64, [UInt8])? {
        var field: [UInt8] = []
        switch (path, value) {
        case (.name, .string), (.traceState, .string), (.eventName, .string), (.scopeName, .string), (.scopeVersion, .string),
            (.resourceSchemaURL, .string), (.scopeSchemaURL, .string):
            guard case .string(let text) = value else { return nil }
            let number = textNumber(path)
            let bytes = program.copy(text, input)
            if !bytes.isEmpty { field.appendField(number, bytes: bytes) }
            return (number << 3 | 2, field)
        case (.kind, .int(let kind)):
            field.appendField(6, varint: UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: kind))))
            return (0x30, field)
        case (.kindText, .string(let text)), (.kindOldText, .string(let text)):
            let names = path == .kindText ? kindNames.map { $0.0 } : kindNames.map { $0.1 }
            let name = String(decoding: program.copy(text, input), as: UTF8.self)
            guard let kind = names.firstIndex(of: name) else {
                throw OTTLEvaluationError(.malformedInput, found: .string, column: column)
            }
            field.appendField(6, varint: UInt64(kind))
            return (0x30, field)
        case (.droppedAttributes, .int(let count)): return varint(10, count)
        case (.droppedEvents, .int(let count)): return varint(12, count)
        case (.droppedLinks, .int(let count)): return varint(14, count)
        case (.eventDroppedAttributes, .int(let count)), (.scopeDroppedAttributes, .int(let count)): return varint(4, count)
        case (.resourceDroppedAttributes, .int(let count)): return varint(2, count)
        case (.flags, .int(let flags)):
            field.appendVarint(16 << 3 | 5)
            field.appendFixed32(UInt32(truncatingIfNeeded: flags))
            return (16 << 3 | 5, field)
        case (.startTimeUnixNano, .int(let time)): return fixed64(7, time)
        case (.endTimeUnixNano, .int(let time)): return fixed64(8, time)
        case (.startTime, .time(let time)): return fixed64(7, time.unixNano)
        case (.endTime, .time(let time)): return fixed64(8, time.unixNano)
        case (.eventTimeUnixNano, .int(let time)): return fixed64(1, time)
        case (.eventTime, .time(let time)): return fixed64(1, time.unixNano)
        default: return try identifier(path, value, column: column, program, input)
        }
    }

    private static func identifier(
        _ path: OTTLPath, _ value: OTTLValue, column: UInt16, _ program: OTTLProgram, _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> (UInt64, [UInt8])? {
        var field: [UInt8] = []
        switch (path, value) {
        case (.traceID, .traceID), (.traceIDText, .string):
            var id = TraceID(high: 0, low: 0)
            if case .traceID(let given) = value { id = given }
            if case .string(let text) = value {
                guard let read = TraceID(hex: program.copy(text, input)) else {
                    throw OTTLEvaluationError(.malformedInput, found: .string, column: column)
                }
                id = read
            }
            // A span without a trace could not be held.
            guard !id.isZero else { throw OTTLEvaluationError(.argumentOutOfRange, column: column) }
            field.appendField(1, bytes: id.bytes)
            return (0x0a, field)
        case (.spanID, .spanID), (.spanIDText, .string), (.parentSpanID, .spanID), (.parentSpanIDText, .string):
            var id = SpanID(0)
            if case .spanID(let given) = value { id = given }
            if case .string(let text) = value {
                guard let read = SpanID(hex: String(decoding: program.copy(text, input), as: UTF8.self)) else {
                    throw OTTLEvaluationError(.malformedInput, found: .string, column: column)
                }
                id = read
            }
            let isParent = path == .parentSpanID || path == .parentSpanIDText
            guard isParent || !id.isZero else { throw OTTLEvaluationError(.argumentOutOfRange, column: column) }
            if !id.isZero { field.appendField(isParent ? 4 : 2, bytes: OTTLHashes.bytesOf(id.value, count: 8)) }
            return (isParent ? 0x22 : 0x12, field)
        default: return nil
        }
    }

    private static func textNumber(_ path: OTTLPath) -> UInt64 {
        switch path {
        case .name: 5
        case .traceState, .resourceSchemaURL, .scopeSchemaURL: 3
        case .eventName, .scopeVersion: 2
        default: 1
        }
    }

    private static func varint(_ number: UInt64, _ count: Int64) -> (UInt64, [UInt8]) {
        var field: [UInt8] = []
        field.appendField(number, varint: UInt64(UInt32(truncatingIfNeeded: count)))
        return (number << 3, field)
    }

    private static func fixed64(_ number: UInt64, _ value: Int64) -> (UInt64, [UInt8]) {
        guard value != 0 else { return (number << 3 | 1, []) }
        var field: [UInt8] = []
        field.appendVarint(number << 3 | 1)
        field.appendFixed64(UInt64(bitPattern: value))
        return (number << 3 | 1, field)
    }

    /// The kinds' names by number, today's and those of older versions.
    static let kindNames: [(String, String)] = [
        ("Unspecified", "SPAN_KIND_UNSPECIFIED"), ("Internal", "SPAN_KIND_INTERNAL"), ("Server", "SPAN_KIND_SERVER"),
        ("Client", "SPAN_KIND_CLIENT"), ("Producer", "SPAN_KIND_PRODUCER"), ("Consumer", "SPAN_KIND_CONSUMER"),
    ]
}

internal import OTLP

/// Reading paths from a span, its event, its scope and its resource.
extension OTTLProgram {
    /// The value of a path without brackets.
    func path(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        guard let path = OTTLPath(rawValue: node.detail) else { return .null }
        switch path {
        case .statusCode: return .int(Int64(input.record.flags.statusCode))
        case .name: return .string(.range(.body, input.spanFields.name))
        case .kind: return .int(Int64(input.spanFields.kind))
        case .startTimeUnixNano: return .int(Int64(bitPattern: input.record.startTimeUnixNano))
        case .endTimeUnixNano: return .int(Int64(bitPattern: input.record.endTimeUnixNano))
        case .startTime: return .time(OTTLTime(unixNano: input.record.startTimeUnixNano))
        case .endTime: return .time(OTTLTime(unixNano: input.record.endTimeUnixNano))
        case .traceID: return .traceID(input.record.traceID)
        case .traceIDText: return .text(input.record.traceID.hexBytes)
        case .spanID: return .spanID(input.spanFields.spanID)
        case .spanIDText: return .text(OTTLText.hex(input.spanFields.spanID))
        case .parentSpanID: return .spanID(input.spanFields.parentSpanID)
        case .parentSpanIDText: return .text(OTTLText.hex(input.spanFields.parentSpanID))
        case .traceState: return .string(.range(.body, input.spanFields.traceState))
        case .kindText: return .text(Self.kindName(input.spanFields.kind).name)
        case .kindOldText: return .text(Self.kindName(input.spanFields.kind).oldName)
        case .droppedAttributes: return .int(Int64(input.spanFields.droppedAttributes))
        case .droppedEvents: return .int(Int64(input.spanFields.droppedEvents))
        case .droppedLinks: return .int(Int64(input.spanFields.droppedLinks))
        case .events: return .entries(input.spanFields.eventCount, isLinks: false)
        case .links: return .entries(input.spanFields.linkCount, isLinks: true)
        case .status: return .status
        case .statusMessage: return .string(.range(.body, input.spanFields.statusMessage))
        case .flags: return .int(Int64(input.spanFields.flags))
        case .attributes, .resourceAttributes, .scopeAttributes, .eventAttributes: return .map(.encoded(map(path, input)))
        case .resourceDroppedAttributes:
            return .int(Int64(GroupFields.resource(input.headers, input.resource.range).droppedAttributes))
        case .scopeName:
            return .string(.range(.headers, GroupFields.scope(input.headers, input.scope.range).name))
        case .scopeVersion:
            return .string(.range(.headers, GroupFields.scope(input.headers, input.scope.range).version))
        case .scopeDroppedAttributes:
            return .int(Int64(GroupFields.scope(input.headers, input.scope.range).droppedAttributes))
        case .eventName: return .string(.range(.event, input.event?.name ?? .empty))
        case .eventTime: return .time(OTTLTime(unixNano: input.event?.timeUnixNano ?? 0))
        case .eventTimeUnixNano: return .int(Int64(bitPattern: input.event?.timeUnixNano ?? 0))
        case .eventDroppedAttributes: return .int(Int64(input.event?.droppedAttributes ?? 0))
        case .eventIndex:
            guard let index = input.eventIndex else { throw OTTLEvaluationError(.unavailable, column: node.column) }
            return .int(index)
        case .resourceSchemaURL: return schemaURL(input.resource, input)
        case .scopeSchemaURL: return schemaURL(input.scope, input)
        case .cache: return .map(.owned(input.cache))
        case .clientMap: return .map(.owned([]))
        case .clientValue: return .null
        }
    }

    /// The `schema_url` of a header, where it is known.
    private func schemaURL(_ header: ByteRange, _ input: OTTLSpanInput) -> OTTLValue {
        guard input.isForProcessors else { return .string(.empty) }
        var found = ByteRange.empty
        var reader = FieldReader(input.headers, header.range)
        while let field = try? reader.next() { if field.tag == 0x1a { found = ByteRange(field.payload) } }
        return .string(.range(.headers, found))
    }

    /// Where the attributes lie that a path means.
    private func map(_ path: OTTLPath, _ input: OTTLSpanInput) -> OTTLEncodedMap {
        switch path {
        case .resourceAttributes: map(.resource, input)
        case .scopeAttributes: map(.scope, input)
        case .eventAttributes: map(.event, input)
        default: map(.span, input)
        }
    }

    private func map(_ map: OTTLAttributeMap, _ input: OTTLSpanInput) -> OTTLEncodedMap {
        switch map {
        case .span:
            OTTLEncodedMap(range: ByteRange(input.record.range), source: .body, tag: 0x4a, isNested: false)
        case .event:
            OTTLEncodedMap(range: input.event?.message ?? .empty, source: .event, tag: 0x1a, isNested: false)
        case .resource:
            OTTLEncodedMap(range: input.resource, source: .headers, tag: 0x0a, isNested: true)
        case .scope:
            OTTLEncodedMap(range: input.scope, source: .headers, tag: 0x1a, isNested: true)
        }
    }

    /// The attribute with a constant key: among what the walker found, or else by a search of its own.
    @inline(__always)
    func attribute(_ node: OTTLNode, _ input: inout OTTLSpanInput) -> OTTLValue {
        if node.name != OTTLNode.unbound {
            let isResource = node.detail == OTTLAttributeMap.resource.rawValue
            let hits = isResource ? input.resourceHits : input.spanHits
            for index in hits.indices where hits[index].name == node.name {
                return decode(AttributeValueRange(hits[index]), .body, input)
            }
            return .null
        }
        return searchedAttribute(node, input)
    }

    @inline(never)
    private func searchedAttribute(_ node: OTTLNode, _ input: OTTLSpanInput) -> OTTLValue {
        let encoded = map(OTTLAttributeMap(rawValue: node.detail) ?? .span, input)
        let key = node.constantRange.bytes(in: constants.span)
        return lookUp(key, in: .encoded(encoded), input)
    }

    /// `trace_state["k"]`: empty if it has no such member, nil if it is no valid tracestate.
    func traceStateMember(
        _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let state = input.spanFields.traceState
        let key = try value(Int(node.first), &input)
        let members = OTTLTraceState.members(state.bytes(in: input.body))
        guard let members else { return .null }
        guard case .string(let name) = key else {
            throw OTTLEvaluationError(.wrongKeyType, found: key.kind, column: node.column)
        }
        let wanted = copy(name, input)
        let found = members.first { $0.key == wanted }
        return .text(found?.value ?? [])
    }

    private static func kindName(_ kind: Int32) -> (name: String, oldName: String) {
        switch kind {
        case 0: ("Unspecified", "SPAN_KIND_UNSPECIFIED")
        case 1: ("Internal", "SPAN_KIND_INTERNAL")
        case 2: ("Server", "SPAN_KIND_SERVER")
        case 3: ("Client", "SPAN_KIND_CLIENT")
        case 4: ("Producer", "SPAN_KIND_PRODUCER")
        case 5: ("Consumer", "SPAN_KIND_CONSUMER")
        default: ("", "")
        }
    }
}

extension OTTLText {
    /// 16 lowercase hex digits.
    static func hex(_ id: SpanID) -> [UInt8] { Array(id.description.utf8) }
}

/// The members of a W3C `tracestate`, by the rules of `TraceStateSyntax`: one bad member and the whole is invalid.
enum OTTLTraceState {
    /// The members in their order; nil for an invalid tracestate.
    ///
    /// - Complexity: O(length); at most 32 members.
    static func members(_ text: Span<UInt8>) -> [(key: [UInt8], value: [UInt8])]? {
        var members: [(key: [UInt8], value: [UInt8])] = []
        var start = 0
        while start < text.count {
            var end = start
            while end < text.count, text[end] != UInt8(ascii: ",") { end += 1 }
            var range = start..<end
            start = end + 1
            while let first = range.first, TraceStateSyntax.isBlank(text[first]) { range.removeFirst() }
            while let last = range.last, TraceStateSyntax.isBlank(text[last]) { range.removeLast() }
            if range.isEmpty { continue }
            guard let equals = range.first(where: { text[$0] == UInt8(ascii: "=") }) else { return nil }
            let valueRange = (equals + 1)..<range.upperBound
            guard TraceStateSyntax.isKey(text, range.lowerBound..<equals), TraceStateSyntax.isValue(text, valueRange),
                members.count < TraceStateSyntax.maximumMembers
            else { return nil }
            let key = OTTLProgram.array(text.extracting(range.lowerBound..<equals))
            guard !members.contains(where: { $0.key == key }) else { return nil }
            members.append((key, OTTLProgram.array(text.extracting(valueRange))))
        }
        return members
    }
}

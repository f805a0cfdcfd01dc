internal import OTLP

/// Values as the payloads of AnyValue messages, and free of the bytes that they were read from.
extension OTTLProgram {
    /// Whether an attribute can hold the value.
    static func isStorable(_ value: OTTLValue) -> Bool {
        switch value {
        case .null, .bool, .int, .double, .string, .bytes, .list, .map: true
        default: false
        }
    }

    /// Appends the payload of an AnyValue. What no attribute can hold becomes empty.
    func encode(_ value: OTTLValue, _ input: OTTLSpanInput, to output: inout [UInt8]) {
        switch value {
        case .bool(let flag): AnyValueWriter.append(flag, to: &output)
        case .int(let number): AnyValueWriter.append(number, to: &output)
        case .double(let number): AnyValueWriter.append(number, to: &output)
        case .string(let text):
            let owned = text.owned
            AnyValueWriter.append(bytes(text, owned.span, input), isText: true, to: &output)
        case .bytes(let text):
            let owned = text.owned
            AnyValueWriter.append(bytes(text, owned.span, input), isText: false, to: &output)
        case .list(.encoded(let source, let range)): AnyValueWriter.append(list: bytes(source, range, input), to: &output)
        case .list(.owned(let items)):
            var list: [UInt8] = []
            for item in items { list.appendField(1, bytes: encoded(item, input)) }
            AnyValueWriter.append(list: list.span, to: &output)
        case .map(.encoded(let map)) where map.tag == 0x0a && !map.isNested:
            AnyValueWriter.append(map: bytes(map.source, map.range, input), to: &output)
        case .map(let map):
            var list: [UInt8] = []
            for entry in entries(of: map, input) {
                var keyValue: [UInt8] = []
                keyValue.appendField(1, bytes: copy(entry.key, input))
                keyValue.appendField(2, bytes: encoded(entry.value, input))
                list.appendField(1, bytes: keyValue)
            }
            AnyValueWriter.append(map: list.span, to: &output)
        case .null, .time, .duration, .traceID, .spanID, .profileID, .status, .entries: break
        }
    }

    /// The payload of an AnyValue.
    func encoded(_ value: OTTLValue, _ input: OTTLSpanInput) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(value, input, to: &bytes)
        return bytes
    }

    /// The value as its own owner.
    func detached(_ value: OTTLValue, _ input: OTTLSpanInput, depth: Int = 0) -> OTTLValue {
        guard depth < OTTLLimits.maximumValueDepth else { return .null }
        switch value {
        case .string(let text): return .text(copy(text, input))
        case .bytes(let text): return .bytes(.owned(copy(text, input)))
        case .list(let list):
            return .list(.owned(elements(of: list, input).map { detached($0, input, depth: depth + 1) }))
        case .map(let map):
            return .map(.owned(detached(entries(of: map, input), input, depth: depth + 1)))
        default: return value
        }
    }

    func detached(_ entries: [OTTLEntry], _ input: OTTLSpanInput, depth: Int = 0) -> [OTTLEntry] {
        entries.map { OTTLEntry(key: .owned(copy($0.key, input)), value: detached($0.value, input, depth: depth)) }
    }

    /// The value with what the keys lead to set: maps and lists on the way are made where there is nothing yet.
    ///
    /// - Parameter isStored: false where `leaf` is of a type that no attribute can hold: then what the keys lead to stays as
    /// it is, or is
    ///   made without a value.
    func updated(
        _ value: OTTLValue, _ keys: ArraySlice<OTTLValue>, _ leaf: OTTLValue, column: UInt16, _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        guard let key = keys.first else { return Self.isStorable(leaf) ? leaf : value }
        switch (value, key) {
        case (.map(let map), .string(let name)):
            return .map(.owned(try updated(entries(of: map, input), name, keys.dropFirst(), leaf, column: column, input)))
        case (.null, .string(let name)):
            return .map(.owned(try updated([], name, keys.dropFirst(), leaf, column: column, input)))
        case (.list(let list), .int(let place)):
            var items = elements(of: list, input)
            guard place >= 0, place < items.count else { throw OTTLEvaluationError(.indexOutOfRange, column: column) }
            items[Int(place)] = try updated(items[Int(place)], keys.dropFirst(), leaf, column: column, input)
            return .list(.owned(items))
        case (.null, .int(let place)):
            guard place >= 0 else { throw OTTLEvaluationError(.indexOutOfRange, column: column) }
            guard place < OTTLLimits.maximumNewElements else { throw OTTLEvaluationError(.tooLarge, column: column) }
            var items = [OTTLValue](repeating: .null, count: Int(place))
            items.append(try updated(.null, keys.dropFirst(), leaf, column: column, input))
            return .list(.owned(items))
        case (.map, _), (.list, _), (.null, _): throw OTTLEvaluationError(.wrongKeyType, found: key.kind, column: column)
        default: throw OTTLEvaluationError(.notIndexable, found: value.kind, column: column)
        }
    }

    private func updated(
        _ old: [OTTLEntry], _ name: OTTLText, _ keys: ArraySlice<OTTLValue>, _ leaf: OTTLValue, column: UInt16,
        _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> [OTTLEntry] {
        var entries = old
        let key = copy(name, input)
        if let place = entries.firstIndex(where: { copy($0.key, input) == key }) {
            entries[place].value = try updated(entries[place].value, keys, leaf, column: column, input)
        } else {
            entries.append(OTTLEntry(key: .owned(key), value: try updated(.null, keys, leaf, column: column, input)))
        }
        return entries
    }
}

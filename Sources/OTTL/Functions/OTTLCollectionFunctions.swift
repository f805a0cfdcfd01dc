internal import OTLP

/// Functions of lists and maps.
extension OTTLProgram {
    func callCollections(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        if function == .coalesce { return try coalesce(node, &input) }
        let target = try argument(0, node, &input)
        switch (function, target) {
        case (.len, .string(let text)), (.len, .bytes(let text)): return .int(Int64(count(text)))
        case (.len, .list(let list)): return .int(Int64(elements(of: list, input).count))
        case (.len, .map(let map)): return .int(Int64(entries(of: map, input).count))
        case (.len, .entries(let count, _)): return .int(Int64(count))
        case (.index, .string(let text)):
            let needle = try bytesArgument(1, node, &input)
            return .int(Int64(ByteSpans.firstRange(of: needle.span, in: copy(text, input).span) ?? -1))
        case (.index, .list(let list)):
            let wanted = try argument(1, node, &input)
            let found = elements(of: list, input).firstIndex { matches($0, .equal, wanted, input) }
            return .int(Int64(found ?? -1))
        case (.containsValue, .list(let list)):
            let wanted = try argument(1, node, &input)
            return .bool(elements(of: list, input).contains { matches($0, .equal, wanted, input) })
        case (.keys, .map(let map)): return .list(.owned(entries(of: map, input).map { .string($0.key) }))
        case (.values, .map(let map)): return .list(.owned(entries(of: map, input).map { $0.value }))
        case (.sort, .list(let list)): return try sort(list, node, &input)
        case (.sort, _): return target
        case (.append, _): return try append(target, node, &input)
        case (.sliceToMap, .list(let list)): return try sliceToMap(list, node, &input)
        case (.toKeyValueString, .map(let map)): return try keyValueText(map, node, &input)
        default: throw OTTLEvaluationError(.unsupportedType, found: target.kind, column: node.column)
        }
    }

    /// The first value that is not nil. What stands behind it in a list that is written out is not evaluated.
    private func coalesce(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let child = Int(children[Int(node.first)])
        let list = nodes[child]
        guard list.operation == .list else {
            return try listArgument(0, node, &input).first { $0.kind != .null } ?? .null
        }
        for index in list.childRange {
            let item = try value(Int(children[index]), &input)
            if item.kind != .null { return item }
        }
        return .null
    }

    /// A value that is no list counts as a list of one, nil as an empty one.
    private func append(
        _ target: OTTLValue, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        var items: [OTTLValue] = []
        switch target {
        case .null: break
        case .list(let list): items = elements(of: list, input)
        default: items = [target]
        }
        if has(1, node) { items.append(try argument(1, node, &input)) }
        if has(2, node) { items += try listArgument(2, node, &input) }
        return .list(.owned(items))
    }

    /// Integers and doubles by their numbers, a mixture with texts, booleans and nil by their texts; other types stay as they
    /// are.
    private func sort(
        _ list: OTTLList, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let items = elements(of: list, input)
        let isDescending = try bytesArgument(1, default: "asc", node, &input).first == UInt8(ascii: "d")
        let kinds = Set(items.map { $0.kind })
        if kinds.isSubset(of: [.int]) {
            let sorted = items.sorted {
                guard case .int(let a) = $0, case .int(let b) = $1 else { return false }
                return isDescending ? a > b : a < b
            }
            return .list(.owned(sorted))
        }
        if kinds.isSubset(of: [.int, .double]) {
            func number(_ value: OTTLValue) -> Double {
                switch value {
                case .int(let number): Double(number)
                case .double(let number): number
                default: 0
                }
            }
            // NaN stands in front, as in Go.
            let sorted = items.sorted {
                isDescending ? Self.precedes(number($1), number($0)) : Self.precedes(number($0), number($1))
            }
            return .list(.owned(sorted))
        }
        guard kinds.isSubset(of: [.int, .double, .string, .bool, .null]) else { return .list(list) }
        var texts: [(text: [UInt8], item: OTTLValue)] = []
        for item in items { texts.append((try text(of: item, input, column: node.column) ?? [], item)) }
        texts.sort { isDescending ? $1.text.lexicographicallyPrecedes($0.text) : $0.text.lexicographicallyPrecedes($1.text) }
        return .list(.owned(texts.map { $0.item }))
    }

    private static func precedes(_ left: Double, _ right: Double) -> Bool {
        left.isNaN ? !right.isNaN : left < right
    }

    private func sliceToMap(
        _ list: OTTLList, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let keyPath = has(1, node) ? try listArgument(1, node, &input) : []
        let valuePath = has(2, node) ? try listArgument(2, node, &input) : []
        var entries: [OTTLEntry] = []
        for (index, item) in elements(of: list, input).enumerated() {
            var key = OTTLText.owned(Array("\(index)".utf8))
            if !keyPath.isEmpty {
                let found = walk(item, keyPath, input)
                guard case .string(let name) = found else {
                    throw OTTLEvaluationError(.unsupportedType, found: found.kind, column: node.column)
                }
                key = name
            }
            let value = valuePath.isEmpty ? item : walk(item, valuePath, input)
            entries.append(OTTLEntry(key: key, value: value))
        }
        // Of equal keys the last one counts here; maps take the first.
        return .map(.owned(entries.reversed()))
    }

    private func walk(_ value: OTTLValue, _ path: [OTTLValue], _ input: OTTLSpanInput) -> OTTLValue {
        var value = value
        for step in path {
            guard case .map(let map) = value, case .string(let name) = step else { return .null }
            let owned = name.owned
            value = lookUp(bytes(name, owned.span, input), in: map, input)
        }
        return value
    }

    private func keyValueText(
        _ map: OTTLMap, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let delimiter = try bytesArgument(1, default: "=", node, &input)
        let pairDelimiter = try bytesArgument(2, default: " ", node, &input)
        guard !delimiter.isEmpty, !pairDelimiter.isEmpty, delimiter != pairDelimiter else {
            throw OTTLEvaluationError(.argumentOutOfRange, column: node.column)
        }
        func quoted(_ text: [UInt8]) -> [UInt8] {
            let needsQuotes =
                ByteSpans.firstRange(of: delimiter.span, in: text.span) != nil
                || ByteSpans.firstRange(of: pairDelimiter.span, in: text.span) != nil || text.isEmpty
            let escaped = text.flatMap { $0 == UInt8(ascii: "\"") ? [UInt8(ascii: "\\"), $0] : [$0] }
            guard needsQuotes else { return escaped }
            return [UInt8(ascii: "\"")] + escaped + [UInt8(ascii: "\"")]
        }
        var pairs: [[UInt8]] = []
        for entry in entries(of: map, input) {
            let value = try text(of: entry.value, input, column: node.column) ?? []
            pairs.append(quoted(copy(entry.key, input)) + delimiter + quoted(value))
        }
        if try boolArgument(3, node, &input) { pairs.sort { $0.lexicographicallyPrecedes($1) } }
        return try checked(Array(pairs.joined(separator: pairDelimiter)), node)
    }
}

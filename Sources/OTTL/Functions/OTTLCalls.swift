internal import OTLP

/// Calling functions: their arguments, and which file has which.
extension OTTLProgram {
    /// The result of a call.
    func call(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        guard let function = OTTLFunctionID(rawValue: node.detail) else { return .null }
        switch function {
        case .isRootSpan: return .bool(input.record.flags.contains(.isRoot))
        case .hasPrefix, .hasSuffix: return try callAffix(function, node, &input)
        case .extractPatterns: return .null
        case .isMatch, .traceID, .spanID, .profileID, .isString, .isInt, .isDouble, .isBool, .isMap, .isList, .isEmpty,
            .int, .double, .bool, .string, .log, .isValidLuhn:
            return try callTypes(function, node, &input)
        case .concat, .convertCase, .toLowerCase, .toUpperCase, .toSnakeCase, .toCamelCase, .substring, .split, .trim,
            .trimPrefix, .trimSuffix, .format:
            return try callTexts(function, node, &input)
        case .len, .index, .containsValue, .coalesce, .keys, .values, .sort, .append, .sliceToMap, .toKeyValueString:
            return try callCollections(function, node, &input)
        case .now, .duration, .time, .formatTime, .truncateTime, .unix, .unixNano, .unixMicro, .unixMilli, .unixSeconds,
            .hours, .minutes, .seconds, .milliseconds, .microseconds, .nanoseconds, .year, .month, .day, .weekday, .hour,
            .minute, .second, .nanosecond:
            return try callTimes(function, node, &input)
        case .hex, .fnv, .md5, .sha1, .sha256, .sha512, .murmur3Hash, .murmur3Hash128, .base64Encode, .base64Decode,
            .decode:
            return try callCodings(function, node, &input)
        case .parseJSON, .parseInt, .parseKeyValue, .parseCSV, .url, .isInCIDR:
            return try callParsers(function, node, &input)
        }
    }

    // MARK: arguments

    /// Whether an optional argument was given.
    func has(_ index: Int, _ node: OTTLNode) -> Bool { children[Int(node.first) + index] >= 0 }

    /// An argument as it is; nil-valued if it was not given.
    func argument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let child = children[Int(node.first) + index]
        return child >= 0 ? try value(Int(child), &input) : .null
    }

    /// An argument that must be text.
    func textArgument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLText {
        let value = try argument(index, node, &input)
        if case .string(let text) = value { return text }
        throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
    }

    /// A copy of an argument that must be text.
    func bytesArgument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> [UInt8] {
        copy(try textArgument(index, node, &input), input)
    }

    /// An optional text argument.
    func bytesArgument(
        _ index: Int, default other: String, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> [UInt8] {
        has(index, node) ? try bytesArgument(index, node, &input) : Array(other.utf8)
    }

    /// An argument that must be an integer.
    func integerArgument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> Int64 {
        let value = try argument(index, node, &input)
        if case .int(let number) = value { return number }
        throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
    }

    /// An optional boolean argument, false if absent.
    func boolArgument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> Bool {
        if case .bool(let value) = try argument(index, node, &input) { return value }
        return false
    }

    /// An argument that must be a list.
    func listArgument(_ index: Int, _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> [OTTLValue] {
        let value = try argument(index, node, &input)
        if case .list(let list) = value { return elements(of: list, input) }
        throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
    }

    /// Refuses texts beyond what a function may make.
    func checked(_ bytes: [UInt8], _ node: OTTLNode) throws(OTTLEvaluationError) -> OTTLValue {
        guard bytes.count <= OTTLLimits.maximumValueBytes else { throw OTTLEvaluationError(.tooLarge, column: node.column) }
        return .text(bytes)
    }

    // MARK: the functions of nearly every condition

    /// `IsMatch` with a constant pattern.
    func isMatch(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> Bool {
        let target = try value(Int(node.first), &input)
        switch target {
        case .null: return false
        case .string(.range(let source, let range)):
            return patterns[Int(node.second)].matches(bytes(source, range, input))
        default:
            guard let text = try text(of: target, input, column: node.column) else { return false }
            return patterns[Int(node.second)].matches(text.span)
        }
    }

    /// The named groups of the first match, as a map; an empty one if there is no match.
    func extractPatterns(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let target = try value(Int(node.first), &input)
        guard case .string(let text) = target else {
            throw OTTLEvaluationError(.unsupportedType, found: target.kind, column: node.column)
        }
        let bytes = copy(text, input)
        let pattern = patterns[Int(node.second)]
        guard let groups = pattern.find(bytes.span, from: 0) else { return .map(.owned([])) }
        var entries: [OTTLEntry] = []
        for (index, name) in pattern.groupNames.enumerated() where !name.isEmpty && index + 1 < groups.count {
            let range = groups[index + 1] ?? 0..<0
            entries.append(OTTLEntry(key: .owned(Array(name.utf8)), value: .text(Array(bytes[range]))))
        }
        return .map(.owned(entries))
    }

    private func callAffix(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let text = try textArgument(0, node, &input)
        let affix = try textArgument(1, node, &input)
        let ownedText = text.owned
        let ownedAffix = affix.owned
        let whole = bytes(text, ownedText.span, input)
        let part = bytes(affix, ownedAffix.span, input)
        return .bool(function == .hasPrefix ? ByteSpans.hasPrefix(whole, part) : ByteSpans.hasSuffix(whole, part))
    }
}

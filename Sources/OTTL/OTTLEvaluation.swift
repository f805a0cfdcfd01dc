internal import OTLP

/// Evaluation. Depth is bounded by the condition's own (`OTTLLimits.maximumDepth`); nothing allocates unless a function
/// makes a text, a list or a map.
extension OTTLProgram {
    /// Whether the condition that begins at `position` holds.
    func isTrue(_ position: Int, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> Bool {
        let node = nodes[position]
        switch node.operation {
        case .bool: return node.word != 0
        case .compare: return try compare(node, &input)
        case .not: return try !isTrue(Int(node.first), &input)
        case .any:
            for index in node.childRange where try isTrue(Int(children[index]), &input) { return true }
            return false
        case .all:
            for index in node.childRange where try !isTrue(Int(children[index]), &input) { return false }
            return true
        default:
            let value = try value(position, &input)
            if case .bool(let result) = value { return result }
            throw OTTLEvaluationError(.notABoolean, found: value.kind, column: node.column)
        }
    }

    private func compare(
        _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> Bool {
        let comparison = OTTLComparison(rawValue: node.detail) ?? .equal
        let left = try value(Int(node.first), &input)
        // The common comparison, attribute with constant text, without a value for the constant.
        let right = nodes[Int(node.second)]
        if right.operation == .string, case .string(.range(let source, let range)) = left {
            let text = bytes(source, range, input)
            let constant = right.constantRange.bytes(in: constants.span)
            switch comparison {
            case .equal: return ByteSpans.equal(text, constant)
            case .notEqual: return !ByteSpans.equal(text, constant)
            default: return Self.holds(ByteSpans.compare(text, constant), comparison)
            }
        }
        return matches(left, comparison, try value(Int(node.second), &input), input)
    }

    /// The value that begins at `position`.
    func value(_ position: Int, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let node = nodes[position]
        switch node.operation {
        case .null: return .null
        case .bool: return .bool(node.word != 0)
        case .int: return .int(Int64(bitPattern: node.word))
        case .double: return .double(Double(bitPattern: node.word))
        case .string: return .string(.range(.constants, node.constantRange))
        case .bytes: return .bytes(.range(.constants, node.constantRange))
        case .constant: return values[Int(node.first)]
        case .argument: return .text(input.argument)
        case .path: return try path(node, &input)
        case .attribute: return attribute(node, &input)
        case .index: return try index(node, &input)
        case .chain: return try chain(node, &input)
        case .negate: return try negate(node, &input)
        case .isMatch: return .bool(try isMatch(node, &input))
        case .extractPatterns: return try extractPatterns(node, &input)
        case .call: return try call(node, &input)
        case .traceStateMember: return try traceStateMember(node, &input)
        case .list:
            var items: [OTTLValue] = []
            items.reserveCapacity(node.childRange.count)
            for index in node.childRange { items.append(try value(Int(children[index]), &input)) }
            return .list(.owned(items))
        case .map:
            var entries: [OTTLEntry] = []
            for index in stride(from: node.childRange.lowerBound, to: node.childRange.upperBound, by: 2) {
                guard case .string(let key) = try value(Int(children[index]), &input) else { continue }
                entries.append(OTTLEntry(key: key, value: try value(Int(children[index + 1]), &input)))
            }
            return .map(.owned(entries))
        case .any, .all, .not, .compare: return .bool(try isTrue(position, &input))
        }
    }

    // MARK: bytes

    /// Bytes that lie in the input or among the constants.
    @inline(__always)
    @_lifetime(borrow self, copy input)
    func bytes(_ source: OTTLSource, _ range: ByteRange, _ input: OTTLSpanInput) -> Span<UInt8> {
        switch source {
        case .body: range.bytes(in: input.body)
        case .headers: range.bytes(in: input.headers)
        case .constants: range.bytes(in: constants.span)
        case .event: range.bytes(in: input.eventBytes)
        }
    }

    /// The bytes of a text; `owned` must be the span of `text.owned`.
    @inline(__always)
    @_lifetime(borrow self, copy owned, copy input)
    func bytes(_ text: OTTLText, _ owned: Span<UInt8>, _ input: OTTLSpanInput) -> Span<UInt8> {
        if case .range(let source, let range) = text { return bytes(source, range, input) }
        return owned
    }

    /// A copy of the bytes of a text.
    func copy(_ text: OTTLText, _ input: OTTLSpanInput) -> [UInt8] {
        switch text {
        case .range(let source, let range): return Self.array(bytes(source, range, input))
        case .owned(let bytes): return bytes
        }
    }

    static func array(_ bytes: Span<UInt8>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.append(copying: bytes)
        return copy
    }

    /// The length of a text in bytes.
    func count(_ text: OTTLText) -> Int {
        switch text {
        case .range(_, let range): Int(range.count)
        case .owned(let bytes): bytes.count
        }
    }

    // MARK: indexing

    private func index(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let base = try value(Int(node.first), &input)
        let key = try value(Int(node.second), &input)
        switch base {
        case .null: return .null
        case .map(let map):
            guard case .string(let name) = key else {
                throw OTTLEvaluationError(.wrongKeyType, found: key.kind, column: node.column)
            }
            let owned = name.owned
            return lookUp(bytes(name, owned.span, input), in: map, input)
        case .list(let list):
            guard case .int(let position) = key else {
                throw OTTLEvaluationError(.wrongKeyType, found: key.kind, column: node.column)
            }
            guard let element = element(position, of: list, input) else {
                throw OTTLEvaluationError(.indexOutOfRange, column: node.column)
            }
            return element
        default: throw OTTLEvaluationError(.notIndexable, found: base.kind, column: node.column)
        }
    }

    /// The value of the first entry with this key, nil-valued if there is none.
    func lookUp(_ key: Span<UInt8>, in map: OTTLMap, _ input: OTTLSpanInput) -> OTTLValue {
        switch map {
        case .encoded(let encoded):
            let found = AttributeCursor.find(
                key, in: bytes(encoded.source, input), encoded.range, tag: encoded.tag, isNested: encoded.isNested)
            return found.map { decode($0, encoded.source, input) } ?? .null
        case .owned(let entries):
            for entry in entries {
                let owned = entry.key.owned
                if ByteSpans.equal(bytes(entry.key, owned.span, input), key) { return entry.value }
            }
            return .null
        }
    }

    private func element(_ position: Int64, of list: OTTLList, _ input: OTTLSpanInput) -> OTTLValue? {
        guard position >= 0 else { return nil }
        switch list {
        case .encoded(let source, let range):
            var cursor = ArrayCursor(range)
            var index: Int64 = 0
            while let value = cursor.next(bytes(source, input)) {
                if index == position { return decode(value, source, input) }
                index += 1
            }
            return nil
        case .owned(let items): return position < items.count ? items[Int(position)] : nil
        }
    }

    /// All bytes of a source.
    @inline(__always)
    @_lifetime(borrow self, copy input)
    func bytes(_ source: OTTLSource, _ input: OTTLSpanInput) -> Span<UInt8> {
        switch source {
        case .body: input.body
        case .headers: input.headers
        case .constants: constants.span
        case .event: input.eventBytes
        }
    }

    /// An attribute value as a value.
    @inline(__always)
    func decode(_ value: AttributeValueRange, _ source: OTTLSource, _ input: OTTLSpanInput) -> OTTLValue {
        switch value.kind {
        case .string: .string(.range(source, value.range))
        case .int: .int(value.integer(in: bytes(source, input)))
        case .bool: .bool(value.integer(in: bytes(source, input)) != 0)
        case .double: .double(value.double(in: bytes(source, input)))
        case .bytes: .bytes(.range(source, value.range))
        case .array: .list(.encoded(source, value.range))
        case .kvlist:
            .map(.encoded(OTTLEncodedMap(range: value.range, source: source, tag: 0x0a, isNested: false)))
        case .empty: .null
        }
    }

    /// The elements of a list.
    func elements(of list: OTTLList, _ input: OTTLSpanInput) -> [OTTLValue] {
        switch list {
        case .owned(let items): return items
        case .encoded(let source, let range):
            var items: [OTTLValue] = []
            var cursor = ArrayCursor(range)
            while let value = cursor.next(bytes(source, input)) { items.append(decode(value, source, input)) }
            return items
        }
    }

    /// The entries of a map in their order; of equal keys the first.
    func entries(of map: OTTLMap, _ input: OTTLSpanInput) -> [OTTLEntry] {
        var entries: [OTTLEntry] = []
        switch map {
        case .owned(let all): entries = all
        case .encoded(let encoded):
            var cursor = encoded.cursor
            while let attribute = cursor.next(bytes(encoded.source, input)) {
                entries.append(
                    OTTLEntry(
                        key: .range(encoded.source, attribute.key), value: decode(attribute.value, encoded.source, input)))
            }
        }
        var seen: Set<[UInt8]> = []
        entries.removeAll { !seen.insert(copy($0.key, input)).inserted }
        return entries
    }

    // MARK: arithmetic

    private func negate(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let operand = try value(Int(node.first), &input)
        switch operand {
        case .int(let value): return .int(0 &- value)
        case .double(let value): return .double(-value)
        default: throw OTTLEvaluationError(.unsupportedType, found: operand.kind, column: node.column)
        }
    }

    private func chain(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let range = node.childRange
        var result = try value(Int(children[range.lowerBound]), &input)
        var position = range.lowerBound + 1
        while position + 1 < range.upperBound {
            let (symbol, column) = OTTLOperator.unpacked(children[position])
            let operand = try value(Int(children[position + 1]), &input)
            result = try Self.calculate(result, symbol, operand, column)
            position += 2
        }
        return result
    }

    /// Integers stay integers and wrap around, as Go's do; a mixture becomes double.
    private static func calculate(
        _ left: OTTLValue, _ symbol: OTTLOperator, _ right: OTTLValue, _ column: UInt16
    ) throws(OTTLEvaluationError) -> OTTLValue {
        switch (left, right) {
        case (.int(let a), .int(let b)):
            switch symbol {
            case .add: return .int(a &+ b)
            case .subtract: return .int(a &- b)
            case .multiply: return .int(a &* b)
            case .divide:
                guard b != 0 else { throw OTTLEvaluationError(.divisionByZero, column: column) }
                return .int(a.dividedReportingOverflow(by: b).partialValue)
            }
        case (.int(let a), .double(let b)): return try calculate(Double(a), symbol, b, column)
        case (.double(let a), .int(let b)): return try calculate(a, symbol, Double(b), column)
        case (.double(let a), .double(let b)): return try calculate(a, symbol, b, column)
        case (.time(let a), .time(let b)) where symbol == .subtract: return .duration(a.since(b))
        case (.time(let a), .duration(let b)) where symbol == .add: return .time(a.adding(b))
        case (.time(let a), .duration(let b)) where symbol == .subtract: return .time(a.adding(0 &- b))
        case (.duration(let a), .time(let b)) where symbol == .add: return .time(b.adding(a))
        case (.duration(let a), .duration(let b)) where symbol == .add: return .duration(a &+ b)
        case (.duration(let a), .duration(let b)) where symbol == .subtract: return .duration(a &- b)
        default:
            let isLeftFine: Bool =
                switch left {
                case .int, .double, .time, .duration: true
                default: false
                }
            throw OTTLEvaluationError(.unsupportedType, found: isLeftFine ? right.kind : left.kind, column: column)
        }
    }

    private static func calculate(
        _ left: Double, _ symbol: OTTLOperator, _ right: Double, _ column: UInt16
    ) throws(OTTLEvaluationError) -> OTTLValue {
        switch symbol {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .divide:
            guard right != 0 else { throw OTTLEvaluationError(.divisionByZero, column: column) }
            return .double(left / right)
        }
    }
}

extension OTTLText {
    /// The bytes, if they are owned; none otherwise.
    var owned: [UInt8] {
        if case .owned(let bytes) = self { return bytes }
        return []
    }
}

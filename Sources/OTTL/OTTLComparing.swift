internal import OTLP

/// The comparison rules of OTTL: types that don't fit are never an error, only `!=` holds between them.
extension OTTLProgram {
    /// Whether `left comparison right` holds.
    func matches(
        _ left: OTTLValue, _ comparison: OTTLComparison, _ right: OTTLValue, _ input: OTTLSpanInput
    ) -> Bool {
        switch (left, right) {
        case (.int(let a), .int(let b)): return Self.holds(a, comparison, b)
        case (.int(let a), .double(let b)): return Self.holds(Double(a), comparison, b)
        case (.double(let a), .int(let b)): return Self.holds(a, comparison, Double(b))
        case (.double(let a), .double(let b)): return Self.holds(a, comparison, b)
        case (.string(let a), .string(let b)): return matches(a, comparison, b, input)
        case (.bool(let a), .bool(let b)): return Self.holds(a ? 1 : 0, comparison, b ? 1 : 0)
        case (.time(let a), .time(let b)): return Self.holds(a, comparison, b)
        case (.duration(let a), .duration(let b)): return Self.holds(a, comparison, b)
        case (.traceID(let a), .traceID(let b)), (.profileID(let a), .profileID(let b)):
            return Self.isSame(a == b, comparison)
        case (.spanID(let a), .spanID(let b)): return Self.isSame(a == b, comparison)
        case (.status, .status): return Self.isSame(true, comparison)
        case (.entries(_, let a), .entries(_, let b)): return Self.isSame(a == b, comparison)
        case (.list, .list), (.map, .map):
            guard comparison == .equal || comparison == .notEqual else { return false }
            return Self.isSame(isDeeplyEqual(left, right, input, depth: 0), comparison)
        default: break
        }
        // What is left: nil, bytes, and types that don't fit. An empty byte string counts as nil.
        switch (isNull(left), isNull(right)) {
        case (true, true): return comparison == .equal || comparison == .lessOrEqual || comparison == .greaterOrEqual
        case (false, false):
            if case .bytes(let a) = left, case .bytes(let b) = right { return matches(a, comparison, b, input) }
            return comparison == .notEqual
        default: return comparison == .notEqual
        }
    }

    private func isNull(_ value: OTTLValue) -> Bool {
        switch value {
        case .null: true
        case .bytes(let bytes): count(bytes) == 0
        default: false
        }
    }

    private func matches(
        _ left: OTTLText, _ comparison: OTTLComparison, _ right: OTTLText, _ input: OTTLSpanInput
    ) -> Bool {
        let leftOwned = left.owned
        let rightOwned = right.owned
        let a = bytes(left, leftOwned.span, input)
        let b = bytes(right, rightOwned.span, input)
        switch comparison {
        case .equal: return ByteSpans.equal(a, b)
        case .notEqual: return !ByteSpans.equal(a, b)
        default: return Self.holds(ByteSpans.compare(a, b), comparison)
        }
    }

    /// For the sign of a three-way comparison.
    @inline(__always)
    static func holds(_ order: Int, _ comparison: OTTLComparison) -> Bool { holds(order, comparison, 0) }

    @inline(__always)
    static func holds<Value: Comparable>(_ left: Value, _ comparison: OTTLComparison, _ right: Value) -> Bool {
        switch comparison {
        case .equal: left == right
        case .notEqual: left != right
        case .less: left < right
        case .lessOrEqual: left <= right
        case .greater: left > right
        case .greaterOrEqual: left >= right
        }
    }

    /// For types without an order.
    private static func isSame(_ isEqual: Bool, _ comparison: OTTLComparison) -> Bool {
        switch comparison {
        case .equal: isEqual
        case .notEqual: !isEqual
        default: false
        }
    }

    /// Equality inside of lists and maps: types must be the same, an integer never equals a double.
    ///
    /// - Complexity: O(elements of both).
    private func isDeeplyEqual(_ left: OTTLValue, _ right: OTTLValue, _ input: OTTLSpanInput, depth: Int) -> Bool {
        guard depth < OTTLLimits.maximumValueDepth else { return false }
        switch (left, right) {
        case (.list(let a), .list(let b)):
            let first = elements(of: a, input)
            let second = elements(of: b, input)
            guard first.count == second.count else { return false }
            for index in first.indices
            where !isDeeplyEqual(first[index], second[index], input, depth: depth + 1) {
                return false
            }
            return true
        case (.map(let a), .map(let b)):
            let first = entries(of: a, input)
            let second = entries(of: b, input)
            guard first.count == second.count else { return false }
            var byKey: [[UInt8]: OTTLValue] = [:]
            for entry in second { byKey[copy(entry.key, input)] = entry.value }
            for entry in first {
                guard let other = byKey[copy(entry.key, input)],
                    isDeeplyEqual(entry.value, other, input, depth: depth + 1)
                else { return false }
            }
            return true
        case (.int, .double), (.double, .int): return false
        default: return matches(left, .equal, right, input)
        }
    }
}

internal import OTLP

/// `IsString` and its siblings, conversions, identifiers.
extension OTTLProgram {
    func callTypes(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let target = try argument(0, node, &input)
        switch function {
        case .isMatch: return .bool(try isMatchDynamically(target, node, &input))
        case .isString: return .bool(target.kind == .string)
        case .isInt: return .bool(target.kind == .int)
        case .isDouble: return .bool(target.kind == .double)
        case .isBool: return .bool(target.kind == .bool)
        case .isMap: return .bool(target.kind == .map)
        case .isList:
            if case .entries = target { return .bool(true) }
            return .bool(target.kind == .list)
        case .isEmpty: return .bool(isEmpty(target, input))
        case .int: return try int(target, node, input)
        case .double: return try double(target, node, input).map { .double($0) } ?? .null
        case .bool: return try bool(target, node, input)
        case .string: return try text(of: target, input, column: node.column).map { .text($0) } ?? .null
        case .traceID: return .traceID(try identifier(target, node, input))
        case .profileID: return .profileID(try identifier(target, node, input))
        case .spanID: return .spanID(try spanID(target, node, input))
        case .log:
            guard let value = try double(target, node, input) else {
                throw OTTLEvaluationError(.unsupportedType, found: .null, column: node.column)
            }
            guard value > 0 else { throw OTTLEvaluationError(.argumentOutOfRange, column: node.column) }
            return .double(value.isFinite ? OTTLNumbers.logarithm(value) : value)
        case .isValidLuhn: return .bool(try isValidLuhn(target, node, input))
        default: return .null
        }
    }

    /// A pattern that is not constant is compiled each time: costly, but what the Collector does.
    private func isMatchDynamically(
        _ target: OTTLValue, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> Bool {
        let pattern = try bytesArgument(1, node, &input)
        guard let string = String(validating: pattern, as: UTF8.self), let matcher = try? compilePattern(string) else {
            throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
        }
        guard let text = try text(of: target, input, column: node.column) else { return false }
        return matcher.matches(text.span)
    }

    private func isEmpty(_ value: OTTLValue, _ input: OTTLSpanInput) -> Bool {
        switch value {
        case .null: true
        case .bool(let value): !value
        case .int(let value), .duration(let value): value == 0
        case .double(let value): value == 0
        case .string(let text), .bytes(let text): count(text) == 0
        case .list(let list): elements(of: list, input).isEmpty
        case .map(let map): entries(of: map, input).isEmpty
        case .traceID(let id), .profileID(let id): id.isZero
        case .spanID(let id): id.isZero
        case .time(let time): time == OTTLCalendar.zero
        case .entries(let count, _): count == 0
        case .status: false
        }
    }

    /// Fractions are cut off; a text that is no integer gives nil.
    private func int(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        switch value {
        case .null: return .null
        case .int: return value
        case .double(let number): return .int(OTTLNumbers.truncated(number))
        case .bool(let flag): return .int(flag ? 1 : 0)
        case .string(let text): return OTTLNumbers.integer(copy(text, input)).map { .int($0) } ?? .null
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
    }

    /// A text that is no number is an error.
    private func double(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> Double? {
        switch value {
        case .null: return nil
        case .int(let number): return Double(number)
        case .double(let number): return number
        case .bool(let flag): return flag ? 1 : 0
        case .string(let text):
            if let number = OTTLNumbers.double(copy(text, input)) { return number }
            throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
    }

    private func bool(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        switch value {
        case .null, .bool: return value
        case .int(let number): return .bool(number != 0)
        case .double(let number): return .bool(number != 0)
        case .string(let text):
            if let flag = OTTLNumbers.bool(copy(text, input)) { return .bool(flag) }
            throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
    }

    /// From 16 bytes or 32 hex digits.
    private func identifier(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> TraceID {
        switch value {
        case .bytes(let bytes):
            if count(bytes) == 16, let id = TraceID(hex: Self.hexDigits(copy(bytes, input))) { return id }
        case .string(let text):
            if let id = TraceID(hex: copy(text, input)) { return id }
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
        throw OTTLEvaluationError(.malformedInput, found: value.kind, column: node.column)
    }

    /// From 8 bytes or 16 hex digits.
    private func spanID(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> SpanID {
        var digits: [UInt8] = []
        switch value {
        case .bytes(let bytes): if count(bytes) == 8 { digits = Self.hexDigits(copy(bytes, input)) }
        case .string(let text): digits = copy(text, input)
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
        guard let id = SpanID(hex: String(decoding: digits, as: UTF8.self)) else {
            throw OTTLEvaluationError(.malformedInput, found: value.kind, column: node.column)
        }
        return id
    }

    /// The check digit of payment cards, ISO/IEC 7812-1.
    private func isValidLuhn(_ value: OTTLValue, _ node: OTTLNode, _ input: OTTLSpanInput) throws(OTTLEvaluationError) -> Bool {
        let digits: [UInt8]
        switch value {
        case .string(let text): digits = copy(text, input)
        case .int(let number): digits = Array("\(number)".utf8)
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
        guard !digits.isEmpty, digits.allSatisfy(OTTLLexer.isDigit) else {
            throw OTTLEvaluationError(.malformedInput, found: value.kind, column: node.column)
        }
        var sum = 0
        for (index, byte) in digits.reversed().enumerated() {
            let digit = Int(byte) - 0x30
            let doubled = digit * 2 > 9 ? digit * 2 - 9 : digit * 2
            sum = (sum + (index % 2 == 1 ? doubled : digit)) % 10
        }
        return sum == 0
    }
}

internal import OTLP

/// Makes a program of a tree: resolves names, folds constants, compiles patterns.
///
/// The order of the Collector holds where results could differ: a constant operand decides an `and` or `or` before another
/// operand can fail, whatever side it stands on; every operand is compiled all the same, so its mistakes are found.
struct OTTLCompiler {
    let context: OTTLContext
    /// Whether each path must begin with what it belongs to.
    let needsPrefix: Bool
    let compilePattern: OTTLPatternCompiler
    private(set) var nodes: [OTTLNode] = []
    private(set) var children: [Int32] = []
    private(set) var constants: [UInt8] = []
    private(set) var values: [OTTLValue] = []
    private(set) var patterns: [any RegularExpressionMatching] = []
    /// The attributes with constant keys, each once.
    private(set) var spanAttributes: [[UInt8]] = []
    private(set) var resourceAttributes: [[UInt8]] = []

    init(context: OTTLContext, needsPrefix: Bool = false, compilePattern: @escaping OTTLPatternCompiler) {
        self.context = context
        self.needsPrefix = needsPrefix
        self.compilePattern = compilePattern
    }

    /// What has been compiled so far, beginning at `root`.
    func program(root: Int32) -> OTTLProgram {
        OTTLProgram(
            nodes: nodes, children: children, constants: constants, values: values, patterns: patterns,
            compilePattern: compilePattern, root: Int(root))
    }

    // MARK: nodes

    mutating func add(_ node: OTTLNode) -> Int32 {
        nodes.append(node)
        return Int32(truncatingIfNeeded: nodes.count - 1)
    }

    mutating func add(
        _ operation: OTTLNode.Operation, detail: UInt8 = 0, column: Int, children list: [Int32]
    ) -> Int32 {
        let start = children.count
        children += list
        return add(
            OTTLNode(
                operation: operation, detail: detail, column: Self.clamped(column),
                first: Int32(truncatingIfNeeded: start), second: Int32(truncatingIfNeeded: list.count)))
    }

    static func clamped(_ column: Int) -> UInt16 { UInt16(clamping: column) }

    func isConstant(_ node: Int32) -> Bool { nodes[Int(node)].isConstant }

    /// The text that a constant node holds, nil if it is none.
    func constantText(_ node: Int32) -> [UInt8]? {
        let node = nodes[Int(node)]
        return node.operation == .string ? Array(constants[node.constantRange.range]) : nil
    }

    private func constantBool(_ node: Int32) -> Bool? {
        let node = nodes[Int(node)]
        return node.operation == .bool ? node.word != 0 : nil
    }

    private mutating func addBytes(_ operation: OTTLNode.Operation, _ bytes: [UInt8]) -> Int32 {
        let start = constants.count
        constants += bytes
        return add(
            OTTLNode(
                operation: operation, first: Int32(truncatingIfNeeded: start),
                second: Int32(truncatingIfNeeded: bytes.count)))
    }

    mutating func addConstant(_ value: OTTLValue) -> Int32 {
        switch value {
        case .null: return add(OTTLNode(operation: .null))
        case .bool(let flag): return add(OTTLNode(operation: .bool, word: flag ? 1 : 0))
        case .int(let number): return add(OTTLNode(operation: .int, word: UInt64(bitPattern: number)))
        case .double(let number): return add(OTTLNode(operation: .double, word: number.bitPattern))
        case .string(.owned(let bytes)): return addBytes(.string, bytes)
        case .bytes(.owned(let bytes)): return addBytes(.bytes, bytes)
        case .string(.range(_, let range)): return addBytes(.string, Array(constants[range.range]))
        case .bytes(.range(_, let range)): return addBytes(.bytes, Array(constants[range.range]))
        default:
            values.append(owned(value))
            return add(OTTLNode(operation: .constant, first: Int32(truncatingIfNeeded: values.count - 1)))
        }
    }

    /// The value without references to the constant bytes, which is all that a constant can refer to.
    private func owned(_ value: OTTLValue) -> OTTLValue {
        func owned(_ text: OTTLText) -> OTTLText {
            if case .range(_, let range) = text { return .owned(Array(constants[range.range])) }
            return text
        }
        switch value {
        case .string(let text): return .string(owned(text))
        case .bytes(let text): return .bytes(owned(text))
        case .list(.owned(let items)): return .list(.owned(items.map { self.owned($0) }))
        case .map(.owned(let entries)):
            return .map(.owned(entries.map { OTTLEntry(key: owned($0.key), value: self.owned($0.value)) }))
        default: return value
        }
    }

    /// Replaces a node whose operands are constant by its value; one that can't be evaluated stays, to fail on every span.
    mutating func folded(_ node: Int32) -> Int32 {
        guard let value = try? evaluated(node) else { return node }
        return addConstant(value)
    }

    /// The value of a node that depends on constants alone.
    func evaluated(_ node: Int32) throws(OTTLEvaluationError) -> OTTLValue {
        let program = program(root: node)
        let nothing: [UInt8] = []
        let noHits: [AttributeHit] = []
        var input = OTTLSpanInput(nothing: nothing.span, noHits: noHits.span)
        return try program.value(Int(node), &input)
    }

    // MARK: conditions

    mutating func compile(_ condition: OTTLBoolean) throws(OTTLError) -> Int32 {
        switch condition {
        case .constant(let value): return addConstant(.bool(value))
        case .any(let operands): return try compile(operands, .any, decisive: true)
        case .all(let operands): return try compile(operands, .all, decisive: false)
        case .not(let operand):
            let inner = try compile(operand)
            if let value = constantBool(inner) { return addConstant(.bool(!value)) }
            return add(OTTLNode(operation: .not, first: inner))
        case .call(let call): return try compile(call)
        case .comparison(let left, let comparison, let right, let column):
            let first = try compile(left)
            let second = try compile(right)
            let node = add(
                OTTLNode(
                    operation: .compare, detail: comparison.rawValue, column: Self.clamped(column.value), first: first,
                    second: second))
            return isConstant(first) && isConstant(second) ? folded(node) : node
        }
    }

    private mutating func compile(
        _ operands: [OTTLBoolean], _ operation: OTTLNode.Operation, decisive: Bool
    ) throws(OTTLError) -> Int32 {
        var list: [Int32] = []
        var isDecided = false
        for operand in operands {
            let node = try compile(operand)
            if let value = constantBool(node) {
                if value == decisive { isDecided = true }
            } else {
                list.append(node)
            }
        }
        if isDecided { return addConstant(.bool(decisive)) }
        guard let first = list.first else { return addConstant(.bool(!decisive)) }
        // A single function must still give a boolean, which `isTrue` checks wherever it stands.
        return list.count == 1 ? first : add(operation, column: 1, children: list)
    }

    // MARK: values

    mutating func compile(_ expression: OTTLExpression) throws(OTTLError) -> Int32 {
        switch expression {
        case .null: return addConstant(.null)
        case .bool(let value): return addConstant(.bool(value))
        case .int(let value): return addConstant(.int(value))
        case .double(let value): return addConstant(.double(value))
        case .string(let bytes): return addConstant(.text(bytes))
        case .bytes(let bytes): return addConstant(.bytes(.owned(bytes)))
        case .symbol(let name, let column): return addConstant(.int(try OTTLSymbols.value(name, column, in: context)))
        case .path(let path): return try compile(path)
        case .call(let call): return try compile(call)
        case .negated(let operand, let column):
            let inner = try compile(operand)
            let node = add(OTTLNode(operation: .negate, column: Self.clamped(column.value), first: inner))
            return isConstant(inner) ? folded(node) : node
        case .list(let items):
            var list: [Int32] = []
            for item in items { list.append(try compile(item)) }
            let node = add(.list, column: 1, children: list)
            return list.allSatisfy(isConstant) ? folded(node) : node
        case .map(let items):
            var list: [Int32] = []
            for item in items {
                list.append(addConstant(.text(item.key)))
                list.append(try compile(item.value))
            }
            let node = add(.map, column: 1, children: list)
            return list.allSatisfy(isConstant) ? folded(node) : node
        case .chain(let first, let links):
            var list = [try compile(first)]
            var hasConstantsOnly = isConstant(list[0])
            for link in links {
                let operand = try compile(link.operand)
                hasConstantsOnly = hasConstantsOnly && isConstant(operand)
                list += [link.symbol.packed(link.column), operand]
            }
            let node = add(.chain, column: links.first?.column.value ?? 1, children: list)
            return hasConstantsOnly ? folded(node) : node
        }
    }

    // MARK: paths

    mutating func compile(_ syntax: OTTLPathSyntax) throws(OTTLError) -> Int32 {
        let (path, keys) = try OTTLPathTable.resolve(syntax, in: context, needsPrefix: needsPrefix)
        let node = OTTLNode(operation: .path, detail: path.rawValue, column: Self.clamped(syntax.column))
        guard let first = keys.first else { return add(node) }
        let key = try compile(first.value)
        if path.indexing == .traceState {
            return add(
                OTTLNode(operation: .traceStateMember, column: Self.clamped(first.column.value), first: key))
        }
        if let name = constantText(key), let map = path.attributeMap {
            request(name, in: map)
            let range = nodes[Int(key)]
            let attribute = add(
                OTTLNode(
                    operation: .attribute, detail: map.rawValue, column: node.column, first: range.first,
                    second: range.second))
            return try index(attribute, keys.dropFirst())
        }
        let base = add(node)
        let indexed = add(
            OTTLNode(operation: .index, column: Self.clamped(first.column.value), first: base, second: key))
        return try index(indexed, keys.dropFirst())
    }

    private mutating func request(_ name: [UInt8], in map: OTTLAttributeMap) {
        if map == .span, !spanAttributes.contains(name) { spanAttributes.append(name) }
        if map == .resource, !resourceAttributes.contains(name) { resourceAttributes.append(name) }
    }

    /// The node indexed with each key in turn.
    mutating func index(_ base: Int32, _ keys: some Sequence<OTTLKeySyntax>) throws(OTTLError) -> Int32 {
        var node = base
        for key in keys {
            let keyNode = try compile(key.value)
            let isFoldable = isConstant(node) && isConstant(keyNode)
            node = add(
                OTTLNode(operation: .index, column: Self.clamped(key.column.value), first: node, second: keyNode))
            if isFoldable { node = folded(node) }
        }
        return node
    }

    // MARK: patterns

    /// `IsMatch` or `ExtractPatterns` with a constant pattern.
    mutating func addMatch(
        _ operation: OTTLNode.Operation = .isMatch, target: Int32, pattern: [UInt8], column: Int
    ) throws(OTTLError) -> Int32 {
        guard let text = String(validating: pattern, as: UTF8.self) else {
            throw OTTLError(column: column, message: "the pattern is not valid UTF-8")
        }
        do {
            patterns.append(try compilePattern(text))
        } catch {
            throw OTTLError(column: column, message: "invalid regular expression: \(error)")
        }
        let node = add(
            OTTLNode(
                operation: operation, column: Self.clamped(column), first: target,
                second: Int32(truncatingIfNeeded: patterns.count - 1)))
        return isConstant(target) ? folded(node) : node
    }
}

extension OTTLPath {
    /// The map that an index with a constant key is looked up in.
    var attributeMap: OTTLAttributeMap? {
        switch self {
        case .attributes: .span
        case .resourceAttributes: .resource
        case .scopeAttributes: .scope
        case .eventAttributes: .event
        default: nil
        }
    }
}

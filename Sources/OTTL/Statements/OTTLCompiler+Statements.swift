internal import ConfigTree

/// Statements: which editor, what it edits, and what can be checked before an item comes.
extension OTTLCompiler {
    mutating func compile(_ syntax: OTTLStatementSyntax, text: String) throws(OTTLError) -> OTTLStatement {
        let call = syntax.editor
        guard let kind = OTTLEditorKind(rawValue: call.name) else { throw Self.unknownEditor(call) }
        let arguments = try Self.assign(call, kind)
        guard let target = arguments[0] else { throw Self.wrongCount(call, kind) }
        guard case .path(let path) = target.value else {
            throw OTTLError(
                column: target.column.value, message: "`\(call.name)` edits a path such as `attributes`, and this is none")
        }
        let place = try compileTarget(path)
        let edit = try compile(kind, call, arguments)
        let condition = try syntax.condition.map { (condition) throws(OTTLError) in try compile(condition) } ?? -1
        return OTTLStatement(
            text: text, target: place, edit: edit, condition: condition, column: Self.clamped(call.column.value))
    }

    private mutating func compileTarget(_ syntax: OTTLPathSyntax) throws(OTTLError) -> OTTLTarget {
        // Compiled as something to be read, too: for its checks, and because many editors read what they edit.
        let node = try compile(syntax)
        let (path, keys) = try OTTLPathTable.resolve(syntax, in: context, needsPrefix: needsPrefix)
        if path == .clientMap || path == .clientValue {
            throw OTTLError(column: syntax.column, message: "what a client sent can't be changed")
        }
        var nodes: [Int32] = []
        for key in keys { nodes.append(try compile(key.value)) }
        return OTTLTarget(
            path: path, node: node, keys: nodes, constantKey: nodes.first.flatMap { constantText($0) },
            column: Self.clamped(syntax.column))
    }

    private mutating func compile(
        _ kind: OTTLEditorKind, _ call: OTTLCall, _ arguments: [OTTLCall.Argument?]
    ) throws(OTTLError) -> OTTLEdit {
        switch kind {
        case .set: return .set(try node(arguments[1]))
        case .append:
            guard arguments[1] != nil || arguments[2] != nil else {
                throw OTTLError(column: call.column.value, message: "`append` needs `value` or `values`")
            }
            return .append(value: try node(arguments[1]), values: try node(arguments[2]))
        case .deleteIndex: return .deleteIndex(start: try node(arguments[1]), end: try node(arguments[2]))
        case .deleteKey: return .deleteKey(try textNode(arguments[1], call))
        case .deleteMatchingKeys: return .deleteMatchingKeys(try pattern(arguments[1], call))
        case .keepKeys: return .keepKeys(try node(arguments[1]))
        case .keepMatchingKeys: return .keepMatchingKeys(try pattern(arguments[1], call))
        case .replacePattern: return .replace(try replacement(arguments, from: 1, isMatch: false, call))
        case .replaceMatch: return .replace(try replacement(arguments, from: 1, isMatch: true, call))
        case .replaceAllMatches: return .replaceAllValues(try replacement(arguments, from: 1, isMatch: true, call))
        case .replaceAllPatterns:
            let mode = try word(arguments[1], of: ["key", "value"], call)
            let replacement = try replacement(arguments, from: 2, isMatch: false, call)
            return mode == "key" ? .replaceAllKeys(replacement) : .replaceAllValues(replacement)
        case .truncateAll: return .truncateAll(try integer(arguments[1], call))
        case .stringifyAll: return .stringifyAll
        case .limit:
            let limit = try integer(arguments[1], call)
            let keys = try texts(arguments[2], call)
            guard keys.count <= limit else {
                throw OTTLError(
                    column: arguments[1]?.column.value ?? call.column.value,
                    message: "the limit \(limit) is smaller than the number of priority keys, \(keys.count)")
            }
            return .limit(limit, priority: keys)
        case .mergeMaps:
            let word = try word(arguments[2], of: OTTLMergeStrategy.allCases.map(\.rawValue), call)
            return .mergeMaps(try node(arguments[1]), OTTLMergeStrategy(rawValue: word) ?? .upsert)
        case .flatten:
            var resolves = false
            if let argument = arguments[3] {
                guard case .bool(let value) = argument.value else {
                    throw OTTLError(column: argument.column.value, message: "`resolve_conflicts` must be `true` or `false`")
                }
                resolves = value
            }
            return .flatten(
                prefix: arguments[1] == nil ? -1 : try textNode(arguments[1], call),
                depth: arguments[2] == nil ? .max : try integer(arguments[2], call), resolvesConflicts: resolves)
        }
    }

    // MARK: arguments

    private mutating func node(_ argument: OTTLCall.Argument?) throws(OTTLError) -> Int32 {
        guard let argument else { return -1 }
        return try compile(argument.value)
    }

    /// An argument that is a text, or something that may turn out to be one.
    private mutating func textNode(_ argument: OTTLCall.Argument?, _ call: OTTLCall) throws(OTTLError) -> Int32 {
        let node = try node(argument)
        guard node < 0 || !isConstant(node) || constantText(node) != nil else {
            throw OTTLError(column: argument?.column.value ?? 1, message: "this argument of `\(call.name)` must be a text")
        }
        return node
    }

    private func word(_ argument: OTTLCall.Argument?, of allowed: [String], _ call: OTTLCall) throws(OTTLError) -> String {
        let column = argument?.column.value ?? call.column.value
        guard case .string(let text)? = argument?.value else {
            throw OTTLError(column: column, message: "this argument of `\(call.name)` must be a text in double quotes")
        }
        let word = String(decoding: text, as: UTF8.self)
        guard allowed.contains(word) else {
            let hint = nearestName(to: word, among: allowed).map { "; did you mean `\($0)`?" } ?? ""
            throw OTTLError(
                column: column, message: "`\(word)` is not one of \(allowed.joined(separator: ", "))\(hint)")
        }
        return word
    }

    /// A number that is written out and not negative.
    private func integer(_ argument: OTTLCall.Argument?, _ call: OTTLCall) throws(OTTLError) -> Int {
        guard case .int(let value)? = argument?.value, value >= 0 else {
            throw OTTLError(
                column: argument?.column.value ?? call.column.value,
                message: "this argument of `\(call.name)` must be a whole number, 0 or more, without a sign")
        }
        return Int(value)
    }

    private func texts(_ argument: OTTLCall.Argument?, _ call: OTTLCall) throws(OTTLError) -> [[UInt8]] {
        func wrong() -> OTTLError {
            OTTLError(
                column: argument?.column.value ?? call.column.value,
                message: "this argument of `\(call.name)` must be a list of texts in double quotes")
        }
        guard case .list(let items)? = argument?.value else { throw wrong() }
        var texts: [[UInt8]] = []
        for item in items {
            guard case .string(let text) = item else { throw wrong() }
            texts.append(text)
        }
        return texts
    }

    private mutating func pattern(
        _ argument: OTTLCall.Argument?, _ call: OTTLCall, isGlob: Bool = false
    ) throws(OTTLError) -> OTTLPatternSource {
        let node = try textNode(argument, call)
        guard let pattern = constantText(node) else { return .dynamic(node) }
        let column = argument?.column.value ?? call.column.value
        guard let text = String(validating: pattern, as: UTF8.self) else {
            throw OTTLError(column: column, message: "the pattern is not valid UTF-8")
        }
        guard let expression = isGlob ? OTTLGlob.expression(text) : text else {
            throw OTTLError(
                column: column, message: "`\(text)` is no pattern: a bracket or brace stays open, or the end is escaped")
        }
        do {
            return .compiled(try compilePattern(expression))
        } catch {
            throw OTTLError(column: column, message: "invalid regular expression: \(error)")
        }
    }

    private mutating func replacement(
        _ arguments: [OTTLCall.Argument?], from first: Int, isMatch: Bool, _ call: OTTLCall
    ) throws(OTTLError) -> OTTLReplacement {
        let pattern = try pattern(arguments[first], call, isGlob: isMatch)
        let text = try textNode(arguments[first + 1], call)
        if let format = arguments[first + 3], arguments[first + 2] == nil {
            throw OTTLError(
                column: format.column.value, message: "`replacement_format` has an effect on a `function`'s result alone")
        }
        return OTTLReplacement(
            pattern: pattern, isMatch: isMatch, text: text, function: try function(arguments[first + 2], call),
            format: try textNode(arguments[first + 3], call))
    }

    /// A function that is named without its arguments.
    private mutating func function(_ argument: OTTLCall.Argument?, _ call: OTTLCall) throws(OTTLError) -> Int32 {
        guard let argument else { return -1 }
        guard case .symbol(let name, _) = argument.value else {
            throw OTTLError(
                column: argument.column.value,
                message: "this argument of `\(call.name)` must be a function's name, such as SHA256")
        }
        guard let function = OTTLFunction.named(name) else {
            throw Self.unknown(OTTLCall(name: name, arguments: [], keys: [], column: argument.column))
        }
        guard let parameter = function.parameters.first, case .value = parameter.kind,
            function.parameters.dropFirst().allSatisfy(\.isOptional)
        else {
            throw OTTLError(
                column: argument.column.value, message: "`\(name)` takes not just one text, so it can't be used here")
        }
        let input = add(OTTLNode(operation: .argument))
        let list = [input] + function.parameters.dropFirst().map { _ in Int32(-1) }
        return add(.call, detail: function.id.rawValue, column: argument.column.value, children: list)
    }

    private static func assign(_ call: OTTLCall, _ kind: OTTLEditorKind) throws(OTTLError) -> [OTTLCall.Argument?] {
        let parameters = kind.parameters
        var assigned = [OTTLCall.Argument?](repeating: nil, count: parameters.count)
        var hasNames = false
        for (position, argument) in call.arguments.enumerated() {
            var place = position
            if !argument.name.isEmpty {
                hasNames = true
                guard let named = parameters.firstIndex(where: { OTTLEditorKind.isNamed(argument.name, $0) }) else {
                    throw OTTLError(
                        column: argument.column.value, message: "`\(call.name)` has no argument `\(argument.name)`; "
                            + signature(kind))
                }
                place = named
            } else if hasNames {
                throw OTTLError(
                    column: argument.column.value, message: "an argument without name can't follow one with a name")
            }
            guard place < parameters.count else { throw wrongCount(call, kind) }
            guard assigned[place] == nil else {
                throw OTTLError(
                    column: argument.column.value, message: "the argument `\(parameters[place])` is given twice")
            }
            assigned[place] = argument
        }
        for (index, parameter) in parameters.enumerated() where assigned[index] == nil && !parameter.hasSuffix("?") {
            throw wrongCount(call, kind)
        }
        return assigned
    }

    private static func wrongCount(_ call: OTTLCall, _ kind: OTTLEditorKind) -> OTTLError {
        OTTLError(
            column: call.column.value,
            message: "`\(call.name)` is called with \(call.arguments.count) arguments; \(signature(kind))")
    }

    private static func signature(_ kind: OTTLEditorKind) -> String {
        let parameters = kind.parameters.map { $0.hasSuffix("?") ? "[\($0.dropLast())]" : $0 }
        return "it takes `\(kind.rawValue)(\(parameters.joined(separator: ", ")))`"
    }

    private static func unknownEditor(_ call: OTTLCall) -> OTTLError {
        let name = call.name
        var message = "unknown editor `\(name)`"
        if let converter = OTTLFunction.allNames.first(where: { $0.lowercased() == name.lowercased() }) {
            message += "; `\(converter)` gives a value, it can't begin a statement"
        } else if let near = nearestName(to: name, among: OTTLEditorKind.allNames) {
            message += "; did you mean `\(near)`?"
        } else {
            message += "; there are " + OTTLEditorKind.allNames.sorted().joined(separator: ", ")
        }
        return OTTLError(column: call.column.value, message: message)
    }
}

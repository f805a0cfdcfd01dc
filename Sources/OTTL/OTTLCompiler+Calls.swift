internal import ConfigTree

/// Calls: which function, which argument is which parameter, and what can be checked before a span comes.
extension OTTLCompiler {
    mutating func compile(_ call: OTTLCall) throws(OTTLError) -> Int32 {
        guard let function = OTTLFunction.named(call.name) else { throw Self.unknown(call) }
        if function.isForSpansOnly, context != .span {
            throw OTTLError(
                column: call.column.value, message: "`\(call.name)` can stand in span conditions only")
        }
        let arguments = try Self.assign(call, function)
        var list: [Int32] = []
        for (parameter, argument) in zip(function.parameters, arguments) {
            guard let argument else {
                list.append(-1)
                continue
            }
            switch (parameter.kind, argument.value) {
            case (.literalText, .string(let text)):
                try Self.check(text, for: parameter, of: function, argument.column.value)
            case (.literalText, _):
                throw OTTLError(
                    column: argument.column.value,
                    message: "the argument `\(parameter.name)` of `\(call.name)` must be a text in double quotes")
            case (.literalBool, .bool), (.value, _): break
            case (.literalBool, _):
                throw OTTLError(
                    column: argument.column.value,
                    message: "the argument `\(parameter.name)` of `\(call.name)` must be `true` or `false`")
            }
            list.append(try compile(argument.value))
        }
        let node = try compile(call, function, list, arguments)
        return try index(node, call.keys)
    }

    private mutating func compile(
        _ call: OTTLCall, _ function: OTTLFunction, _ list: [Int32], _ arguments: [OTTLCall.Argument?]
    ) throws(OTTLError) -> Int32 {
        let column = call.column.value
        if function.id == .append, list[1] < 0, list[2] < 0 {
            throw OTTLError(column: column, message: "`Append` needs `value` or `values`")
        }
        if function.id == .isMatch, isConstant(list[1]) {
            let patternColumn = arguments[1]?.column.value ?? column
            guard let pattern = constantText(list[1]) else {
                throw OTTLError(column: patternColumn, message: "the pattern of `IsMatch` must be a text")
            }
            return try addMatch(target: list[0], pattern: pattern, column: patternColumn)
        }
        if function.id == .coalesce, case .list(let items)? = arguments[0]?.value, items.isEmpty {
            throw OTTLError(column: column, message: "`Coalesce` needs at least one value")
        }
        if function.id == .extractPatterns {
            let patternColumn = arguments[1]?.column.value ?? column
            let node = try addMatch(.extractPatterns, target: list[0], pattern: constantText(list[1]) ?? [], column: patternColumn)
            guard patterns.isEmpty || patterns[patterns.count - 1].groupNames.contains(where: { !$0.isEmpty }) else {
                throw OTTLError(column: patternColumn, message: "the pattern of `ExtractPatterns` has no named group, `(?P<name>...)`")
            }
            return node
        }
        let node = add(.call, detail: function.id.rawValue, column: column, children: list)
        guard function.isPure, list.allSatisfy({ $0 < 0 || isConstant($0) }) else { return node }
        // The Collector reads constants of these when it starts.
        do throws(OTTLEvaluationError) {
            _ = try evaluated(node)
        } catch {
            let what: String? =
                switch function.id {
                case .double: "a number"
                case .bool: "a boolean"
                case .traceID, .spanID, .profileID: "an identifier"
                default: nil
                }
            if let what { throw OTTLError(column: column, message: "`\(call.name)` can't make \(what) of this constant") }
        }
        return folded(node)
    }

    static func unknown(_ call: OTTLCall) -> OTTLError {
        var message = "unknown function `\(call.name)`"
        if OTTLFunction.collectorOnlyNames.contains(call.name) {
            message = "the Collector's function `\(call.name)` is not in Tailgate"
        } else if let near = nearestName(to: call.name, among: OTTLFunction.allNames) {
            message += "; did you mean `\(near)`?"
        } else {
            message += "; there are " + OTTLFunction.allNames.sorted().joined(separator: ", ")
        }
        return OTTLError(column: call.column.value, message: message)
    }

    /// Each parameter's argument.
    private static func assign(
        _ call: OTTLCall, _ function: OTTLFunction
    ) throws(OTTLError) -> [OTTLCall.Argument?] {
        let parameters = function.parameters
        var assigned = [OTTLCall.Argument?](repeating: nil, count: parameters.count)
        var hasNames = false
        for (position, argument) in call.arguments.enumerated() {
            var place = position
            if !argument.name.isEmpty {
                hasNames = true
                guard let named = parameters.firstIndex(where: { $0.isNamed(argument.name) }) else {
                    let names = parameters.map { $0.name }
                    let hint = nearestName(to: argument.name, among: names).map { "; did you mean `\($0)`?" }
                    let all = names.isEmpty ? "; it has none" : "; it has " + names.joined(separator: ", ")
                    throw OTTLError(
                        column: argument.column.value,
                        message: "`\(call.name)` has no argument `\(argument.name)`" + (hint ?? all))
                }
                place = named
            } else if hasNames {
                throw OTTLError(
                    column: argument.column.value, message: "an argument without name can't follow one with a name")
            }
            guard place < parameters.count else {
                throw OTTLError(column: argument.column.value, message: signature(function, call.arguments.count))
            }
            guard assigned[place] == nil else {
                throw OTTLError(
                    column: argument.column.value, message: "the argument `\(parameters[place].name)` is given twice")
            }
            assigned[place] = argument
        }
        for (index, parameter) in parameters.enumerated() where assigned[index] == nil && !parameter.isOptional {
            throw OTTLError(column: call.column.value, message: signature(function, call.arguments.count))
        }
        return assigned
    }

    private static func signature(_ function: OTTLFunction, _ count: Int) -> String {
        let parameters = function.parameters.map { $0.isOptional ? "[\($0.name)]" : $0.name }
        return "`\(function.name)` is called with \(count) arguments; it takes "
            + "`\(function.name)(\(parameters.joined(separator: ", ")))`"
    }

    /// Checks a text that must be one of a few, or a layout.
    private static func check(
        _ text: [UInt8], for parameter: OTTLFunction.Parameter, of function: OTTLFunction, _ column: Int
    ) throws(OTTLError) {
        let word = String(decoding: text, as: UTF8.self)
        func oneOf(_ allowed: [String]) throws(OTTLError) {
            guard !allowed.contains(word) else { return }
            let hint = nearestName(to: word, among: allowed).map { "did you mean `\($0)`? " } ?? ""
            throw OTTLError(
                column: column,
                message: "`\(word)` is no \(parameter.name) of `\(function.name)`; \(hint)allowed: "
                    + allowed.joined(separator: ", "))
        }
        switch (function.id, parameter.name) {
        case (.convertCase, _): try oneOf(["lower", "upper", "snake", "camel"])
        case (.sort, _): try oneOf(["asc", "desc"])
        case (.base64Encode, _): try oneOf(OTTLProgram.base64Variants)
        case (.decode, _):
            if !(OTTLProgram.base64Variants + OTTLProgram.textEncodings).contains(word.lowercased()) {
                try oneOf(OTTLProgram.base64Variants + OTTLProgram.textEncodings)
            }
        case (.parseCSV, "mode"): try oneOf(OTTLProgram.csvModes)
        case (.parseCSV, _):
            guard text.count == 1 else {
                throw OTTLError(column: column, message: "a delimiter of `ParseCSV` is one character")
            }
        case (.time, "format"), (.formatTime, "format"):
            if let problem = OTTLTimeLayout.problem(text) { throw OTTLError(column: column, message: problem) }
        case (.time, "location"): try oneOf(["", "UTC", "GMT", "Etc/UTC"])
        case (.time, "locale"): try oneOf(["", "en", "en-US", "en-GB"])
        default: break
        }
    }
}

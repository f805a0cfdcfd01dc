/// Finds what a list of statements runs on where nobody has said it, by the rules of the Collector: the innermost item that any
/// path begins with; if a function or enum does not exist there, one further in that has it.
enum OTTLContextInference {
    /// Innermost first.
    private static let order: [(name: String, context: OTTLContext)] = [
        ("spanevent", .spanEvent), ("span", .span), ("resource", .resource), ("scope", .scope),
        ("instrumentation_scope", .scope),
    ]

    /// - Throws: if there is no such context.
    static func context(_ statements: [OTTLStatementSyntax], _ conditions: [OTTLBoolean]) throws(OTTLError) -> OTTLContext {
        var hints = OTTLHints()
        for statement in statements {
            hints.visit(statement.editor, isEditor: true)
            if let condition = statement.condition { hints.visit(condition) }
        }
        for condition in conditions { hints.visit(condition) }
        let places = hints.paths.map { path in order.firstIndex { $0.name == path } ?? order.count }
        guard let best = places.min() else {
            throw OTTLError(column: 1, message: "no path says what this runs on; write `context`, or paths such as `span.name`")
        }
        guard best < order.count else {
            throw OTTLError(
                column: 1,
                message: "nothing says what this runs on: paths begin with `resource`, `scope`, `span` or `spanevent` here")
        }
        if fits(hints, order[best].context) { return order[best].context }
        for (_, context) in order where isInside(context, order[best].context) && fits(hints, context) { return context }
        throw OTTLError(column: 1, message: "no context has all functions and enums that stand here")
    }

    private static func isInside(_ inner: OTTLContext, _ outer: OTTLContext) -> Bool {
        switch outer {
        case .resource: inner != .resource
        case .scope: inner == .span || inner == .spanEvent
        case .span: inner == .spanEvent
        case .spanEvent: false
        }
    }

    private static func fits(_ hints: OTTLHints, _ context: OTTLContext) -> Bool {
        let hasEnums = context == .span || context == .spanEvent
        guard hints.enums.isEmpty || (hasEnums && hints.enums.allSatisfy { name in OTTLSymbols.all.contains { $0.0 == name } })
        else { return false }
        return hints.functions.allSatisfy { name in
            guard let function = OTTLFunction.named(name) else { return false }
            return !function.isForSpansOnly || context == .span
        } && hints.editors.allSatisfy { OTTLEditorKind(rawValue: $0) != nil }
    }
}

/// What stands in a tree that tells its context.
private struct OTTLHints {
    /// The first fields of all paths.
    var paths: [String] = []
    var functions: Set<String> = []
    var editors: Set<String> = []
    var enums: Set<String> = []

    mutating func visit(_ condition: OTTLBoolean) {
        switch condition {
        case .any(let operands), .all(let operands): for operand in operands { visit(operand) }
        case .not(let operand): visit(operand)
        case .comparison(let left, _, let right, _):
            visit(left)
            visit(right)
        case .constant: break
        case .call(let call): visit(call, isEditor: false)
        }
    }

    mutating func visit(_ call: OTTLCall, isEditor: Bool) {
        if isEditor { editors.insert(call.name) } else { functions.insert(call.name) }
        for argument in call.arguments {
            // A function's name is none of an enum.
            if isEditor, case .symbol(let name, _) = argument.value, OTTLFunction.named(name) != nil {
                functions.insert(name)
                continue
            }
            visit(argument.value)
        }
        for key in call.keys { visit(key.value) }
    }

    private mutating func visit(_ expression: OTTLExpression) {
        switch expression {
        case .null, .bool, .int, .double, .string, .bytes: break
        case .symbol(let name, _): enums.insert(name)
        case .list(let items): for item in items { visit(item) }
        case .map(let items): for item in items { visit(item.value) }
        case .path(let path):
            paths.append(path.fields.count > 1 ? path.fields[0].name : "")
            for field in path.fields { for key in field.keys { visit(key.value) } }
        case .call(let call): visit(call, isEditor: false)
        case .negated(let operand, _): visit(operand)
        case .chain(let first, let links):
            visit(first)
            for link in links { visit(link.operand) }
        }
    }
}

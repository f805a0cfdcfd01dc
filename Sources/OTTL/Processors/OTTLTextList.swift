internal import ConfigTree

/// Statements or conditions as they stand in a configuration.
struct OTTLTextList {
    let texts: [PlacedText]
    let conditions: [PlacedText]

    init(_ texts: [PlacedText], conditions: [PlacedText] = []) {
        self.texts = texts
        self.conditions = conditions
    }

    /// The text of a scalar; nil for maps and lists.
    static func text(_ node: ConfigNode) -> String? {
        guard case .scalar(let scalar) = node.value else { return nil }
        return scalar.text
    }

    /// What a block says of its context.
    enum StatedContext {
        case stated(OTTLContext)
        case absent
        /// A word that is none; reported.
        case wrong

        /// The context, nil to find out.
        var context: OTTLContext? {
            if case .stated(let context) = self { return context }
            return nil
        }

        var isWrong: Bool {
            if case .wrong = self { return true }
            return false
        }
    }

    static func context(_ block: inout ConfigReader) -> StatedContext {
        guard let word = block.stringIfPresent("context"), !word.isEmpty else { return .absent }
        if let context = OTTLContext(rawValue: word) { return .stated(context) }
        if word == "instrumentation_scope" { return .stated(.scope) }
        block.error("`\(clipped(word))` is no context of traces; there are resource, scope, span and spanevent", key: "context")
        return .wrong
    }

    /// Compiles the statements; what is wrong is reported at its place.
    func statements(
        context: OTTLContext?, _ mode: OTTLErrorMode, at position: SourcePosition, _ path: String, _ problems: ConfigProblems
    ) -> OTTLStatementList? {
        do throws(OTTLListErrors) {
            return try OTTLStatementList(
                parsing: texts.map(\.text), conditions: conditions.map(\.text), context: context, errorMode: mode)
        } catch {
            for problem in error.errors {
                switch problem.place {
                case .statement(let number):
                    problems.error("\(problem.error)", at: texts[number].position, keyPath: texts[number].keyPath)
                case .condition(let number):
                    problems.error("\(problem.error)", at: conditions[number].position, keyPath: conditions[number].keyPath)
                case .list: problems.error(problem.error.message, at: position, keyPath: path)
                }
            }
            return nil
        }
    }
}

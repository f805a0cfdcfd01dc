package import ConfigTree
package import OTLP

/// `transform`: OTTL statements on traces.
///
/// Lists of statements run one after the other, each over the whole request. Immutable, shared by all workers.
package struct TransformProcessor: Sendable {
    package static let typeName = "transform"

    /// In the order of the configuration.
    package let lists: [OTTLStatementList]

    /// Reads the processor's block; problems go to the reader. Nil if there was one that leaves nothing to build.
    package init?(_ block: inout ConfigReader) {
        let mode = Self.errorMode(&block, default: .ignore)
        block.notSupported(
            ["metric_statements", "log_statements", "profile_statements", "flatten_data"],
            because: "statements run on traces alone; write them under `trace_statements`")
        var lists: [OTTLStatementList] = []
        var isComplete = true
        let problems = block.problems
        let path = block.path(of: "trace_statements")
        let entries = block.list("trace_statements")
        let areTexts = entries.map { OTTLTextList.text($0) != nil }
        if areTexts.contains(true), areTexts.contains(false) {
            block.error("statements and maps of statements can't stand in one list", key: "trace_statements")
            return nil
        }
        for (number, entry) in entries.enumerated() {
            let place = "\(path)[\(number)]"
            if let text = OTTLTextList.text(entry) {
                let texts = OTTLTextList([PlacedText(text: text, position: entry.position, keyPath: place)])
                if let list = texts.statements(context: nil, mode, at: entry.position, place, problems) {
                    lists.append(list)
                } else {
                    isComplete = false
                }
            } else if let list = Self.list(entry, mode, place, problems) {
                lists.append(list)
            } else {
                isComplete = false
            }
        }
        block.finish()
        if entries.isEmpty, isComplete { block.warning("no `trace_statements`: the processor does nothing") }
        guard isComplete else { return nil }
        self.lists = areTexts.contains(true) ? Self.joined(lists) : lists
    }

    /// Statements that stand alone, each with a context of its own, as few lists: what runs on the same item may as well run
    /// there one
    /// after the other, where no other item could notice.
    private static func joined(_ lists: [OTTLStatementList]) -> [OTTLStatementList] {
        var result: [OTTLStatementList] = []
        for list in lists {
            if let last = result.last, last.context == list.context, !last.editsShared, !list.editsShared,
                list.context != .spanEvent || (!last.editsSpan && !list.editsSpan),
                let both = try? OTTLStatementList(parsing: last.texts + list.texts, context: nil, errorMode: list.errorMode)
            {
                result[result.count - 1] = both
            } else {
                result.append(list)
            }
        }
        return result
    }

    /// One map with `context`, `conditions`, `statements` and `error_mode`.
    private static func list(
        _ node: ConfigNode, _ mode: OTTLErrorMode, _ path: String, _ problems: ConfigProblems
    ) -> OTTLStatementList? {
        var block = ConfigReader(node, keyPath: path, problems: problems)
        let own = errorMode(&block, default: mode)
        let context = OTTLTextList.context(&block)
        let conditions = block.placedStrings("conditions")
        let statements = block.placedStrings("statements")
        if statements.isEmpty { block.error("`statements` are missing") }
        block.finish()
        guard !statements.isEmpty, !context.isWrong else { return nil }
        let texts = OTTLTextList(statements, conditions: conditions)
        return texts.statements(context: context.context, own, at: node.position, path, problems)
    }

    static func errorMode(_ block: inout ConfigReader, default other: OTTLErrorMode) -> OTTLErrorMode {
        guard let text = block.stringIfPresent("error_mode") else { return other }
        if let mode = OTTLErrorMode(configured: text) { return mode }
        block.error("`\(clipped(text))` is no error mode; there are ignore, silent and propagate", key: "error_mode")
        return other
    }

    /// Runs all lists over a request; see `OTTLRequestPass`.
    ///
    /// - Returns: with a failure, the request is not to go on: that is what `error_mode: propagate` means.
    package func apply(
        body: Span<UInt8>, _ index: inout RequestIndex, edits: inout [UInt8], now: Int64, pass: inout OTTLRequestPass
    ) -> OTTLRequestPass.Outcome {
        var outcome = OTTLRequestPass.Outcome()
        for list in lists {
            pass.apply(list, body: body, &index, edits: &edits, now: now, outcome: &outcome)
            if outcome.failure != nil { break }
        }
        return outcome
    }
}

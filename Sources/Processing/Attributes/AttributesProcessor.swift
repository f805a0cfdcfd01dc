package import ConfigTree

/// `attributes`: edits the attributes of spans.
package struct AttributesProcessor: ProcessorType {
    package static let typeNames = ["attributes"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Inserts, updates, deletes, hashes, extracts and converts attributes of spans.", stability: .beta,
            fields: [
                ProcessorField("actions", .mapList(AttributeAction.fields), "Done in this order.", isRequired: true),
                SpanMatcher.field("include", "Only spans that match are edited."),
                SpanMatcher.field("exclude", "Spans that match are left alone; asked after `include`."),
            ],
            notes: "Attributes of resources, scopes, events and links are not touched.")
    }

    private let stage: AttributesStage

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let matcher = SpanMatcher(&block, &builder)
        let actions = AttributeAction.read(&block, "actions", &builder, of: .spans)
        guard !block.problems.hasErrors, let matcher, !actions.isEmpty else { return nil }
        stage = AttributesStage(matcher: matcher, actions: actions)
    }

    package var stages: [ProcessorStage] { [.spans(stage)] }
}

/// Actions on the attributes of spans that match.
struct AttributesStage: SpanStage {
    let matcher: SpanMatcher
    let actions: [AttributeAction]

    func applies(to group: GroupView, _ run: inout StageRun) -> Bool { matcher.mayMatch(group) }

    func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook {
        var isWanted = false
        for action in actions where action.mayChange(span) {
            isWanted = true
            break
        }
        return isWanted && matcher.matches(span, group) ? .open : .pass
    }

    func edit(_ span: inout MessageDraft, _ group: GroupView, _ run: inout StageRun) -> StageVerdict {
        // After a look this asks once more, on the copy; earlier stages may have changed the answer.
        guard matcher.matches(span, group) else { return .keep }
        for action in actions { action.apply(&span, run.facts) }
        return .keep
    }
}

package import ConfigTree
internal import OTLP

/// `resource`: edits the attributes of resources, of traces, metrics and logs alike.
package struct ResourceProcessor: ProcessorType {
    package static let typeNames = ["resource"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Inserts, updates, deletes, hashes, extracts and converts attributes of resources.", stability: .beta,
            signals: [.traces, .metrics, .logs],
            fields: [
                ProcessorField("attributes", .mapList(AttributeAction.fields), "Actions, done in this order.", isRequired: true)
            ],
            notes: "Resources that become equal are not merged.")
    }

    private let stage: ResourceStage

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let actions = AttributeAction.read(&block, "attributes", &builder, of: .resources)
        guard !block.problems.hasErrors, !actions.isEmpty else { return nil }
        stage = ResourceStage(actions: actions)
    }

    package var stages: [ProcessorStage] { [.groups(stage)] }
}

/// Actions on the attributes of resources.
struct ResourceStage: GroupStage {
    let actions: [AttributeAction]
    var editsResources: Bool { true }

    func edit(resource: inout MessageDraft, _ run: inout StageRun) -> StageVerdict {
        for action in actions { action.apply(&resource, run.facts) }
        return .keep
    }
}

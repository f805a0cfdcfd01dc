internal import ArgumentParser
internal import PolicyTools
internal import ReportText

/// For maintainers: prints what is made from the catalogue of policies and kept in `Policies/`.
struct PolicySchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of policy files, or the tables of their reference.",
        shouldDisplay: false)

    enum Format: String, ExpressibleByArgument, CaseIterable { case json, markdown }

    @Option(help: "json: the schema. markdown: the tables of Policies/README.md.")
    var format = Format.json

    func run() {
        switch format {
        case .json: print(PolicyJSONSchema.document().rendered())
        case .markdown: print(PolicyReference.markdown(), terminator: "")
        }
    }
}

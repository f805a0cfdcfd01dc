internal import ArgumentParser

/// `tailgate policy`: everything about policies that needs no running node, and a recording from one.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Test, check, preview and convert sampling policies.",
        discussion: """
            Write policies in a file of their own (Policies/ has examples, Policies/README.md the reference), then:

            tailgate policy test FILE        do the policies do what their tests say?
            tailgate policy lint FILE        what in them may surprise you?
            tailgate policy record ...       take a sample of whole traces from a running node
            tailgate policy plan ...         what would change on that sample?
            """,
        subcommands: [
            PolicyTestCommand.self, PolicyLintCommand.self, PolicyPlanCommand.self, PolicyImportCommand.self,
            PolicyRecordCommand.self,
            PolicySchemaCommand.self])
}

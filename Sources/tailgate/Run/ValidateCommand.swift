internal import ArgumentParser
internal import ConfigTree
internal import Gateway
internal import PolicyTools

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check a configuration without opening a port.",
        discussion: """
            Prints every problem at once as `file:line:column: key.path: what is wrong, what would be right`. The tests of policy \
            files are run, too; one that fails is an error. Exit code 0 if the configuration can be run, 64 if not.
            """)

    @Option(name: .shortAndLong, help: "The configuration file (YAML, the OpenTelemetry Collector's format).")
    var config: String

    func run() throws {
        let checked = try ConfigurationFiles.load(config)
        let problems = ConfigProblems()
        var tests = 0
        for document in checked.tailSampling?.policyDocuments ?? [] { tests += PolicyTests.check(document, problems: problems) }
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        if problems.hasErrors { throw ExitCodes.configuration }
        let passed = tests > 0 ? ", \(tests) test(s) passed" : ""
        let policies = checked.tailSampling.map { "\($0.policies.count) policies" } ?? "no sampling"
        print(
            "\(config): valid; \(checked.receivers.count) receiver(s), \(policies)\(passed), \(checked.exporters.count) exporter(s)")
    }
}

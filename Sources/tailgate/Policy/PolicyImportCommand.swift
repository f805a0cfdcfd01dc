internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway
internal import PolicyTools
internal import ReportText

struct PolicyImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a policy file from a Collector configuration or Refinery rules.",
        discussion: """
            Prints the policy file; every difference in meaning stands in it as a comment and goes to standard error, too. \
            Variables such as ${env:NAME} stay what they are. Tests are added where a policy's intent can be read off.

            tailgate policy import otel-collector.yaml > policies.yaml

            Exit code 0, 1 if a part could not be taken over, 64 if the file can't be used.
            """)

    @Argument(help: "A Collector configuration with a tail_sampling processor, or Refinery's rules.yaml (version 2).")
    var file: String

    @Option(help: "The `tail_sampling/...` block to take, if there are several.")
    var processor: String?

    @Option(help: "The environment of Refinery's rules to take. Default: __default__, or the only one.")
    var environment: String?

    @Option(help: "All spans that come in per second: turns Refinery's dynamic samplers into `dynamic` policies.")
    var incomingSpansPerSecond: Double?

    func run() throws {
        let problems = ConfigProblems()
        var environmentOfFile = ConfigurationEnvironment.command
        environmentOfFile.variable = { PolicyImport.variableMark($0) }
        var loader = YAMLTreeLoader(environment: environmentOfFile, problems: problems)
        let root = loader.load(path: file)
        let made = root.flatMap {
            PolicyImport.read(
                $0, file: file, processor: processor, environment: environment,
                incomingSpansPerSecond: incomingSpansPerSecond, problems: problems)
        }
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        guard let made, !problems.hasErrors else { throw ExitCodes.configuration }
        print(made.yaml(), terminator: "")
        let style = Terminal.error
        for note in made.notes.sorted(by: { $0.weight > $1.weight }) {
            let word = Figures.left(note.weight.word, 7)
            let painted =
                switch note.weight {
                case .missing: style.red(word)
                case .difference: style.yellow(word)
                case .remark: style.dim(word)
                }
            let place = note.position == ConfigNode.literalPosition ? file : "\(note.position)"
            StandardError.print("\(painted) \(place): \(note.text)")
        }
        let count = { (weight: PolicyImport.Note.Weight) in made.notes.count { $0.weight == weight } }
        StandardError.print(
            "\(made.policies.count) \(made.policies.count == 1 ? "policy" : "policies") imported, \(Figures.count(made.tests.count, "test")) made; \(count(.difference)) differences, \(count(.missing)) parts missing")
        if !made.isComplete { throw ExitCode(1) }
    }
}

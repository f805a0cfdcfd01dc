internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway
internal import PolicyTools
internal import ReportText

struct PolicyTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Run the tests of policy files.",
        discussion: """
            A policy file says under `tests:` which traces are to be kept, and by which policy. Every test runs through the \
            engine that decides in production, from OTLP bytes on; Policies/README.md describes how to write them.

            Exit code 0 if all tests pass, 1 if one fails, 64 if a file can't be used.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, junit }

    @Argument(help: "Policy files, or configurations that hold policies.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    @Option(help: "What to print: text for people, json, or junit for CI servers.")
    var format = Format.text

    @Flag(name: .shortAndLong, help: "Print tests that fail only.")
    var quiet = false

    func run() throws {
        let report = PolicyTestReport(files: files.map(Self.run))
        switch format {
        case .text: print(report.text(Terminal.output, onlyFailures: quiet), terminator: "")
        case .json: print(report.json().rendered())
        case .junit: print(report.junit(), terminator: "")
        }
        if report.isAnyUnreadable { throw ExitCodes.configuration }
        if report.failedCount > 0 { throw ExitCode(1) }
    }

    private static func run(_ path: String) -> PolicyTestReport.File {
        let started = MonotonicClock.now()
        let (source, problems) = PolicyFiles.read(path)
        let results = source.map { PolicyTests.results($0, problems: problems) } ?? []
        return PolicyTestReport.File(
            path: path, results: results, problems: ProblemReport.sorted(problems.all).map(\.description),
            isUnreadable: problems.hasErrors, seconds: Double(MonotonicClock.now() - started) / 1e9)
    }
}

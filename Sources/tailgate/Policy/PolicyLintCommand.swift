internal import ArgumentParser
internal import ConfigTree
internal import Gateway
internal import PolicyTools
internal import ReportText

struct PolicyLintCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lint",
        abstract: "Find what in policies may surprise you.",
        discussion: """
            Policies that can have no effect, budgets that nothing fits into, settings that keep everything, and the known traps \
            of the format; and what each condition costs per span. `--rules` lists everything that is looked for.

            Exit code 0 without findings that matter, 1 with errors (with --strict: with warnings, too), 64 if a file can't be used.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "Policy files, or configurations that hold policies.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []

    @Flag(help: "Warnings count as errors.")
    var strict = false

    @Flag(help: "Print errors and warnings only.")
    var quiet = false

    @Flag(inversion: .prefixedNo, help: "Print what each condition costs per span.")
    var costs = true

    @Option(help: "Rules to leave out, separated by commas.")
    var ignore: String = ""

    @Option(help: "A trace with so many spans is a large one, which budgets must have room for.")
    var largeTraceSpans = 100

    @Option(help: "What to print: text for people, or json.")
    var format = Format.text

    @Option(help: "The `tail_sampling/...` block to take from configurations that have several.")
    var processor: String?

    @Flag(help: "List the rules, and do nothing else.")
    var rules = false

    func validate() throws {
        if files.isEmpty && !rules { throw ValidationError("give at least one file") }
        if largeTraceSpans < 1 { throw ValidationError("--large-trace-spans must be 1 or more") }
        _ = try ignored()
    }

    private func ignored() throws -> Set<LintRule> {
        Set(
            try ignore.split(separator: ",").map { word in
                let name = word.filter { $0 != " " }
                if let rule = LintRule(rawValue: name) { return rule }
                let hint = nearestName(to: name, among: LintRule.allCases.map(\.rawValue)).map { "; did you mean \($0)?" } ?? ""
                throw ValidationError("there is no rule `\(name)`\(hint)")
            })
    }

    func run() throws {
        if rules {
            var table = TextTable([("rule", .left), ("finds", .left)])
            for rule in LintRule.allCases { table.add([TextTable.Cell(rule.rawValue) { $0.bold($1) }, TextTable.Cell(rule.summary)]) }
            print(table.lines(Terminal.output).joined(separator: "\n"))
            return
        }
        let ignored = try ignored()
        var isUnusable = false
        let report = LintReport(
            files: files.map { path in
                let (source, problems) = PolicyFiles.read(path, processor: processor)
                guard let source, !problems.hasErrors else {
                    isUnusable = true
                    return LintReport.File(path: path, findings: LintFinding.of(problems), costs: [])
                }
                let lint = PolicyLint(source, problems: problems, largeTraceSpans: largeTraceSpans)
                if problems.hasErrors { isUnusable = true }
                let set = source.compiled(problems: ConfigProblems())
                return LintReport.File(
                    path: path, findings: lint.findings.filter { !ignored.contains($0.rule) },
                    costs: set.map { PredicateCost.all($0) } ?? [])
            })
        switch format {
        case .text: print(report.text(Terminal.output, hidesNotes: quiet, showsCosts: costs), terminator: "")
        case .json: print(report.json().rendered())
        }
        if isUnusable { throw ExitCodes.configuration }
        if report.count(.error) > 0 || (strict && report.count(.warning) > 0) { throw ExitCode(1) }
    }
}

internal import ConfigTree
package import ReportText

/// What lint found in several files, for people and for programs.
package struct LintReport: Sendable {
    /// What was found in one file.
    package struct File: Sendable {
        package var path: String
        package var findings: [LintFinding]
        /// Empty if the policies can't be compiled.
        package var costs: [PredicateCost]

        package init(path: String, findings: [LintFinding], costs: [PredicateCost]) {
            self.path = path
            self.findings = findings
            self.costs = costs
        }
    }

    package var files: [File]

    package init(files: [File]) { self.files = files }

    /// How many findings have this level.
    package func count(_ level: LintLevel) -> Int {
        files.reduce(0) { $0 + $1.findings.count { $0.level == level } }
    }

    /// For people: `file:line:column: level: message [rule]`, the advice below, and what the conditions cost.
    package func text(_ style: TerminalStyle, hidesNotes: Bool, showsCosts: Bool) -> String {
        var lines: [String] = []
        var explained: Set<LintRule> = []
        for file in files {
            for finding in file.findings where !(hidesNotes && finding.level == .note) {
                lines.append(line(finding, style))
                if finding.rule != .configuration, explained.insert(finding.rule).inserted {
                    lines += finding.rule.advice.wrapped(to: 100).map { "    " + style.dim($0) }
                }
            }
            if showsCosts && !file.costs.isEmpty {
                if !lines.isEmpty { lines.append("") }
                lines += costs(file, style)
            }
        }
        if !lines.isEmpty { lines.append("") }
        lines.append(summary(style))
        return lines.joined(separator: "\n") + "\n"
    }

    private func line(_ finding: LintFinding, _ style: TerminalStyle) -> String {
        let level =
            switch finding.level {
            case .error: style.red("error")
            case .warning: style.yellow("warning")
            case .note: style.cyan("note")
            }
        return "\(style.bold("\(finding.position)")): \(level): \(finding.message) \(style.dim("[\(finding.rule.rawValue)]"))"
    }

    private func costs(_ file: File, _ style: TerminalStyle) -> [String] {
        var table = TextTable([("condition", .left), ("cost", .left), ("policies", .left)], widest: 60)
        for cost in file.costs {
            table.add([
                TextTable.Cell(cost.condition),
                TextTable.Cell(cost.cost.word) { style, text in
                    switch cost.cost {
                    case .free: style.green(text)
                    case .cheap: text
                    case .moderate: style.yellow(text)
                    case .expensive: style.red(text)
                    }
                },
                TextTable.Cell(cost.policies.joined(separator: ", ")) { $0.dim($1) },
            ])
        }
        let used = PredicateCost.Class.allCases.filter { level in file.costs.contains { $0.cost == level } }
        let legend = used.map { "\($0.word): \($0.meaning)" }.joined(separator: " · ")
        return [style.bold("Checked once for each span") + style.dim("  \(file.path)")] + table.lines(style)
            + [style.dim("  " + legend)]
    }

    private func summary(_ style: TerminalStyle) -> String {
        let (errors, warnings, notes) = (count(.error), count(.warning), count(.note))
        let text =
            "\(Figures.count(errors, "error")), \(Figures.count(warnings, "warning")), \(Figures.count(notes, "note"))"
        return errors > 0 ? style.red(text) : warnings > 0 ? style.yellow(text) : style.green(text)
    }

    /// For programs.
    package func json() -> JSONText {
        .object([
            ("errors", .count(count(.error))), ("warnings", .count(count(.warning))), ("notes", .count(count(.note))),
            (
                "findings",
                .array(
                    files.flatMap { file in
                        file.findings.map { finding in
                            .object([
                                ("file", .text(finding.position.file)), ("line", .count(finding.position.line)),
                                ("column", .count(finding.position.column)), ("key_path", .text(finding.keyPath)),
                                ("rule", .text(finding.rule.rawValue)), ("level", .text(finding.level.word)),
                                ("message", .text(finding.message)), ("advice", .text(finding.rule.advice)),
                            ])
                        }
                    })
            ),
            (
                "conditions",
                .array(
                    files.flatMap { file in
                        file.costs.map { cost in
                            .object([
                                ("file", .text(file.path)), ("condition", .text(cost.condition)), ("cost", .text(cost.cost.word)),
                                ("policies", .array(cost.policies.map { .text($0) })),
                            ])
                        }
                    })
            ),
        ])
    }
}

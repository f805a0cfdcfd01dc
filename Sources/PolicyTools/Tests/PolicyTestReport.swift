internal import ConfigTree
package import ReportText
internal import Sampling

/// The outcome of the tests of several files, for people, for programs and for CI servers.
package struct PolicyTestReport: Sendable {
    /// The tests of one file, or why they could not be run.
    package struct File: Sendable {
        package var path: String
        package var results: [PolicyTestResult]
        /// The file's problems, each as `file:line:column: ...`.
        package var problems: [String]
        /// Nothing was run.
        package var isUnreadable: Bool
        package var seconds: Double

        package init(
            path: String, results: [PolicyTestResult], problems: [String], isUnreadable: Bool, seconds: Double
        ) {
            self.path = path
            self.results = results
            self.problems = problems
            self.isUnreadable = isUnreadable
            self.seconds = seconds
        }
    }

    package var files: [File]

    package init(files: [File]) { self.files = files }

    package var testCount: Int { files.reduce(0) { $0 + $1.results.count } }
    package var failedCount: Int { files.reduce(0) { $0 + $1.results.count { !$0.passed } } }
    package var isAnyUnreadable: Bool { files.contains { $0.isUnreadable } }

    // MARK: text

    /// For people. With `onlyFailures`, tests that passed are only counted.
    package func text(_ style: TerminalStyle, onlyFailures: Bool = false) -> String {
        var lines: [String] = []
        for file in files {
            let isQuiet = onlyFailures && file.problems.isEmpty && file.results.allSatisfy(\.passed)
            if isQuiet && !file.results.isEmpty { continue }
            lines.append(style.bold(file.path))
            for problem in file.problems { lines.append("  " + style.red("!") + " " + problem) }
            if !file.isUnreadable && file.results.isEmpty {
                lines.append("  " + style.yellow("no tests: write some under `tests:`, see Policies/README.md"))
            }
            for result in file.results where !(onlyFailures && result.passed) {
                let mark = result.passed ? style.green("✓") : style.red("✗")
                let many = result.traces > 1 ? style.dim(" (\(Figures.grouped(result.traces)) traces)") : ""
                lines.append("  \(mark) \(result.test.name)\(many)")
                for failure in result.failures { lines += self.lines(failure, style) }
            }
            lines.append("")
        }
        lines.append(summary(style))
        return lines.joined(separator: "\n") + "\n"
    }

    private func lines(_ failure: PolicyTestResult.Failure, _ style: TerminalStyle) -> [String] {
        var lines = ["      " + style.dim("\(failure.position)")]
        if !failure.subject.isEmpty { lines.append("      \(failure.subject)") }
        lines.append("      expected  " + style.green(failure.expected))
        lines.append("      actual    " + style.red(failure.actual))
        guard !failure.policies.isEmpty else { return lines }
        lines.append("      the policies said:")
        let nameWidth = failure.policies.reduce(0) { max($0, $1.name.count) }
        let typeWidth = failure.policies.reduce(0) { max($0, $1.type.count) }
        for account in failure.policies {
            let verdict = Figures.left(account.verdict.phrase, 11)
            let painted =
                switch account.verdict {
                case .sampled?: style.green(verdict)
                case .dropped?, .failed?: style.red(verdict)
                case .notSampled?, nil: style.dim(verdict)
                }
            var line =
                "        \(Figures.left(account.name, nameWidth))  \(style.dim(Figures.left(account.type, typeWidth)))  \(painted)"
            if let first = account.conditions.first { line += "  " + reason(first) }
            while line.last == " " { line.removeLast() }
            lines.append(line)
            let margin = String(repeating: " ", count: 8 + nameWidth + 2 + typeWidth + 2 + 11 + 2)
            for condition in account.conditions.dropFirst() { lines.append(margin + reason(condition)) }
        }
        return lines
    }

    private func reason(_ condition: PolicyAccount.Condition) -> String {
        if condition.spans.isEmpty { return "\(condition.text): on no span" }
        return "\(condition.text): on \(condition.spans.map { "`\($0)`" }.joined(separator: ", "))"
    }

    private func summary(_ style: TerminalStyle) -> String {
        let seconds = files.reduce(0) { $0 + $1.seconds }
        let traces = files.reduce(0) { $0 + $1.results.reduce(0) { $0 + $1.traces } }
        let unreadable = files.count { $0.isUnreadable }
        var parts = ["\(Figures.count(testCount, "test")): \(Figures.grouped(testCount - failedCount)) passed"]
        if failedCount > 0 { parts.append("\(Figures.grouped(failedCount)) failed") }
        if unreadable > 0 { parts.append("\(Figures.count(unreadable, "file")) could not be read") }
        let text = parts.joined(separator: ", ")
        let painted =
            failedCount + unreadable > 0 ? style.red(text) : testCount == 0 ? style.yellow(text) : style.green(text)
        return painted + style.dim(" (\(Figures.count(traces, "trace")), \(Figures.fixed(seconds * 1000, 0)) ms)")
    }

    // MARK: JSON

    package func json() -> JSONText {
        .object([
            ("tests", .count(testCount)), ("passed", .count(testCount - failedCount)), ("failed", .count(failedCount)),
            (
                "files",
                .array(
                    files.map { file in
                        .object([
                            ("path", .text(file.path)), ("readable", .bool(!file.isUnreadable)),
                            ("problems", .array(file.problems.map { .text($0) })),
                            ("tests", .array(file.results.map { json($0) })),
                        ])
                    })
            ),
        ])
    }

    private func json(_ result: PolicyTestResult) -> JSONText {
        .object([
            ("name", .text(result.test.name)), ("at", .text("\(result.test.position)")), ("passed", .bool(result.passed)),
            ("traces", .count(result.traces)),
            ("failures", .array(result.failures.map { json($0) })),
        ])
    }

    private func json(_ failure: PolicyTestResult.Failure) -> JSONText {
        .object([
            ("at", .text("\(failure.position)")), ("subject", .text(failure.subject)),
            ("expected", .text(failure.expected)), ("actual", .text(failure.actual)),
            (
                "policies",
                .array(
                    failure.policies.map { account in
                        .object([
                            ("name", .text(account.name)), ("type", .text(account.type)),
                            ("verdict", .text(account.verdict.word)),
                            (
                                "conditions",
                                .array(
                                    account.conditions.map {
                                        .object([
                                            ("condition", .text($0.text)), ("spans", .array($0.spans.map { .text($0) })),
                                        ])
                                    })
                            ),
                        ])
                    })
            ),
        ])
    }

    // MARK: JUnit

    /// The XML that CI servers read (the form of Ant's JUnit task).
    package func junit() -> String {
        var lines = [#"<?xml version="1.0" encoding="UTF-8"?>"#]
        let errors = files.count { $0.isUnreadable }
        lines.append(#"<testsuites tests="\#(testCount)" failures="\#(failedCount)" errors="\#(errors)">"#)
        for file in files {
            let failed = file.results.count { !$0.passed }
            let count = max(file.results.count, file.isUnreadable ? 1 : 0)
            lines.append(
                #"  <testsuite name="\#(xml(file.path))" tests="\#(count)" failures="\#(failed)" errors="\#(file.isUnreadable ? 1 : 0)" time="\#(Figures.fixed(file.seconds, 3))">"#
            )
            if file.isUnreadable {
                lines.append(#"    <testcase name="the file can be read" classname="\#(xml(file.path))">"#)
                lines.append(#"      <error message="the policies can't be used">\#(xml(file.problems.joined(separator: "\n")))</error>"#)
                lines.append("    </testcase>")
            }
            for result in file.results {
                let open =
                    #"    <testcase name="\#(xml(result.test.name))" classname="\#(xml(file.path))" file="\#(xml(result.test.position.file))" line="\#(result.test.position.line)""#
                if result.passed {
                    lines.append(open + "/>")
                    continue
                }
                lines.append(open + ">")
                for failure in result.failures {
                    let message = "expected \(failure.expected), was \(failure.actual)"
                    let details = self.lines(failure, .plain).joined(separator: "\n")
                    lines.append(#"      <failure message="\#(xml(message))">\#(xml(details))</failure>"#)
                }
                lines.append("    </testcase>")
            }
            lines.append("  </testsuite>")
        }
        lines.append("</testsuites>")
        return lines.joined(separator: "\n") + "\n"
    }

    private func xml(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            default:
                // XML 1.0 has no way to write other control characters.
                if scalar.value >= 0x20 { result.unicodeScalars.append(scalar) } else { result += "\u{FFFD}" }
            }
        }
        return result
    }
}

extension PolicyVerdict? {
    /// As a table shows it.
    var phrase: String {
        switch self {
        case .sampled?: "sampled"
        case .notSampled?: "not sampled"
        case .dropped?: "dropped"
        case .failed?: "failed"
        case nil: "not asked"
        }
    }

    /// As JSON has it.
    var word: String {
        switch self {
        case .sampled?: "sampled"
        case .notSampled?: "not_sampled"
        case .dropped?: "dropped"
        case .failed?: "failed"
        case nil: "not_asked"
        }
    }
}

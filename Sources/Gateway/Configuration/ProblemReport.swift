package import ConfigTree

/// Everything found wrong with a configuration, as a terminal shows it.
package enum ProblemReport {
    /// One line per problem, in the order of the files, and a last line with the sum. Empty if there is no problem.
    ///
    /// Files come in the order in which they first appear; problems at the same place keep the order in which they were
    /// found.
    package static func text(_ problems: ConfigProblems) -> String {
        guard !problems.all.isEmpty else { return "" }
        let lines = sorted(problems.all).map(\.description)
        return (lines + [summary(problems)]).joined(separator: "\n") + "\n"
    }

    /// By file, line and column.
    package static func sorted(_ problems: [ConfigProblem]) -> [ConfigProblem] {
        var files: [String: Int] = [:]
        for problem in problems where files[problem.position.file] == nil { files[problem.position.file] = files.count }
        return problems.enumerated().sorted { left, right in
            let (one, other) = (left.element.position, right.element.position)
            return (files[one.file] ?? 0, one.line, one.column, left.offset) < (
                files[other.file] ?? 0, other.line, other.column, right.offset
            )
        }.map(\.element)
    }

    /// `2 errors, 1 warning`
    package static func summary(_ problems: ConfigProblems) -> String {
        let errors = problems.errors.count
        let warnings = problems.warnings.count
        var parts: [String] = []
        if errors > 0 { parts.append("\(errors) error\(errors == 1 ? "" : "s")") }
        if warnings > 0 { parts.append("\(warnings) warning\(warnings == 1 ? "" : "s")") }
        return parts.isEmpty ? "no problems" : parts.joined(separator: ", ")
    }
}

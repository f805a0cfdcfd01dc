internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway
internal import PolicyTools
internal import ReportText

/// Reads policies for the commands: from a policy file, a bare list or a whole configuration.
enum PolicyFiles {
    /// The policies of a file, and everything wrong with them. Nil if there is nothing to work with.
    static func read(_ path: String, processor: String? = nil) -> (source: PolicySource?, problems: ConfigProblems) {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: .command, problems: problems)
        guard let root = loader.load(path: path) else { return (nil, problems) }
        if root.value == .null {
            problems.error("the file is empty", at: root.position, keyPath: "")
            return (nil, problems)
        }
        return (PolicySource(root, processor: processor, problems: problems), problems)
    }

    /// The policies of a file that can be compiled; problems go to standard error.
    ///
    /// - Throws: exit code 64 if there is an error.
    static func load(_ path: String, processor: String? = nil) throws -> PolicySource {
        let (source, problems) = read(path, processor: processor)
        if let source { _ = source.compiled(problems: problems) }
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        guard let source, !problems.hasErrors else { throw ExitCodes.configuration }
        return source
    }
}

/// What a terminal can show.
enum Terminal {
    /// Colors on standard output, unless it goes elsewhere or the user said no (https://no-color.org).
    static var output: TerminalStyle { style(STDOUT_FILENO) }
    /// The same for standard error.
    static var error: TerminalStyle { style(STDERR_FILENO) }

    static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) != 0 }

    private static func style(_ descriptor: Int32) -> TerminalStyle {
        let environment = ProcessInfo.processInfo.environment
        let refused = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        return TerminalStyle(isColored: !refused && isTerminal(descriptor))
    }
}

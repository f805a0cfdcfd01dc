internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway

/// Loads and checks configurations for the commands; problems go to standard error.
enum ConfigurationFiles {
    /// The configuration in `path`, or the built-in default without one. Every problem is printed.
    ///
    /// - Throws: exit code 64 if there is an error.
    static func load(_ path: String?) throws -> GatewayConfig { try loadWithSource(path, environment: .command).config }

    /// The same with what a running node needs to take changes of the file over; nil for the built-in default.
    ///
    /// - Parameter environment: that of a node, which reads its files again, or of a command, for which `-` is standard input.
    static func loadWithSource(
        _ path: String?, environment: ConfigurationEnvironment = .process
    ) throws -> (config: GatewayConfig, source: ConfigurationSource?) {
        var source: ConfigurationSource?
        let config: GatewayConfig?
        let problems: ConfigProblems
        if let path {
            let loaded = ConfigurationLoader.read(path: path, environment: environment)
            source = loaded.root.map { ConfigurationSource(path: path, root: $0, files: loaded.files) }
            (config, problems) = (loaded.config, loaded.problems)
        } else {
            (config, problems) = ConfigurationLoader.load(
                text: DefaultConfiguration.text, file: "built-in default", environment: environment)
        }
        if let config { NodePlanner.check(config, problems) }
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        guard let config, !problems.hasErrors else { throw ExitCodes.configuration }
        return (config, source)
    }
}

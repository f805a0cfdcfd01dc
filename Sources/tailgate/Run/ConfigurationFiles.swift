internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway

/// Loads and checks configurations for the commands; problems go to standard error.
enum ConfigurationFiles {
    /// The configuration in `path`, or the built-in default without one. Every problem is printed.
    ///
    /// - Throws: exit code 64 if there is an error.
    static func load(_ path: String?) throws -> GatewayConfig {
        let (config, problems) =
            if let path {
                ConfigurationLoader.load(path: path)
            } else {
                ConfigurationLoader.load(text: DefaultConfiguration.text, file: "built-in default", environment: .process)
            }
        if let config { NodePlanner.check(config, problems) }
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        guard let config, !problems.hasErrors else { throw ExitCodes.configuration }
        return config
    }
}

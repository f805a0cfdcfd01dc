internal import ArgumentParser
internal import Gateway

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check a configuration without opening a port.",
        discussion: """
            Prints every problem at once as `file:line:column: key.path: what is wrong, what would be right`. Exit code 0 if \
            the configuration can be run, 64 if not.
            """)

    @Option(name: .shortAndLong, help: "The configuration file (YAML, the OpenTelemetry Collector's format).")
    var config: String

    func run() throws {
        let checked = try ConfigurationFiles.load(config)
        let pipeline = checked.pipeline
        print(
            "\(config): valid; \(pipeline.receivers.count) receiver(s), \(pipeline.tailSampling.policies.count) policies, \(pipeline.exporters.count) exporter(s)")
    }
}

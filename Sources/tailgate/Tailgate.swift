internal import ArgumentParser
internal import NativeCore

@main
struct Tailgate: AsyncParsableCommand {
    /// Of this build; shown by `--version`, in metrics and as user agent.
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "tailgate",
        abstract: "A tail-sampling gateway for distributed traces.",
        discussion: """
            Takes OTLP spans, holds each trace until it is complete, decides by policy whether the whole trace is worth \
            keeping, and sends what is kept to Jaeger, Tempo and other OTLP backends. Configured by the OpenTelemetry \
            Collector's YAML.

            Try it:        tailgate demo
            Run a node:    tailgate run --config gateway.yaml
            Check a file:  tailgate validate --config gateway.yaml
            """,
        version: version,
        subcommands: [
            RunCommand.self, ValidateCommand.self, ConfigCommand.self, ProbeCommand.self, SizeCommand.self, RingCommand.self,
            LoadCommand.self, SinkCommand.self, DemoCommand.self, PolicyCommand.self, ExplainCommand.self,
        ])

    /// Runs the command. What it has printed must have arrived: a configuration that was cut off by a full disk is no success.
    static func main() async {
        await main(nil)
        do {
            try StandardOutput.flush()
        } catch {
            StandardError.print("tailgate: can't write to standard output: \(error.text)")
            exit(withError: ExitCodes.unwritableOutput)
        }
    }
}

import ArgumentParser
import LoadTools

/// The options that say what traffic looks like.
struct TrafficOptions: ParsableArguments {
    @Option(help: "Spans in one request, about.")
    var spansPerRequest = 1024

    @Option(help: "Spans in one trace, at most 1000000.")
    var spansPerTrace = 8

    @Option(help: "Over how many requests the spans of one trace are spread.")
    var requestsPerTrace = 2

    @Option(help: "Mean length of a span, in bytes of protobuf.")
    var spanBytes = 445

    @Option(help: "Percentage of traces with a span of status ERROR.")
    var errors = 1.0

    @Option(help: "Percentage of traces that take longer than a second.")
    var slow = 1.0

    @Option(help: "How many different requests are prepared.")
    var templates = 32

    @Option(
        help: """
            Seed of all ids. The same seed sends the same ids; without one they are new in every run. A gateway that \
            still remembers a trace id takes it for late spans.
            """)
    var seed: UInt64?

    func settings() throws -> TrafficSettings {
        var settings = TrafficSettings()
        settings.spansPerRequest = spansPerRequest
        settings.spansPerTrace = spansPerTrace
        settings.requestsPerTrace = min(requestsPerTrace, max(1, spansPerTrace))
        settings.spanBytes = spanBytes
        settings.errorPercent = errors
        settings.slowPercent = slow
        settings.templates = templates
        settings.seed = seed ?? UInt64.random(in: 1...(1 << 53))
        if let problem = settings.problems.first { throw ValidationError(problem) }
        return settings
    }
}

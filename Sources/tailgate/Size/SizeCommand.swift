internal import ReportText
internal import ArgumentParser
internal import LoadTools

struct SizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "size",
        abstract: "Calculate memory, processors and nodes for a traffic.",
        discussion: """
            Formulas and measured figures: Deploy/SIZING.md. Give the traffic of the whole cluster at its peak. Nodes are \
            counted so that the cluster holds everything while one of them is away.

            Examples:
              tailgate size --spans-per-second 40000 --decision-wait 10s
              tailgate size --spans-per-second 500000 --decision-wait 30s --span-bytes 800 --kept 5 --nodes 6 --json
            """)

    @Option(help: "Spans per second at the peak, over the whole cluster.")
    var spansPerSecond: Double

    @Option(help: "From a trace's first span to its decision, such as 10s.")
    var decisionWait: DurationArgument

    @Option(help: "Mean bytes of a span, uncompressed.")
    var spanBytes = 445.0

    @Option(help: "Mean number of spans in a trace.")
    var spansPerTrace = 8.0

    @Option(help: "Percentage of the spans that is kept.")
    var kept = 12.0

    @Option(help: "Destinations that get every kept span.")
    var destinations = 1

    @Option(help: "For how long a destination may be away without a loss.")
    var outage = DurationArgument(nanoseconds: 30_000_000_000)

    @Flag(help: "Clients compress their requests.")
    var gzip = false

    @Option(help: "Nodes of the cluster. Default: as many as are needed.")
    var nodes: Int?

    @Option(help: "Processors of a node.")
    var nodeCpus = 2.0

    @Option(help: "Memory of a node in GiB.")
    var nodeMemory = 4.0

    @Flag(help: "Print the result as JSON.")
    var json = false

    func validate() throws {
        if let problem = input.problems.first { throw ValidationError(problem) }
    }

    /// Exit code 1 if the given nodes do not hold the traffic.
    func run() throws {
        let plan = SizingPlan(input)
        print(json ? plan.json.rendered() : plan.text)
        if !plan.fits { throw ExitCode(1) }
    }

    private var input: SizingInput {
        var input = SizingInput(spansPerSecond: spansPerSecond, decisionWait: Double(decisionWait.nanoseconds) / 1e9)
        input.spanBytes = spanBytes
        input.spansPerTrace = spansPerTrace
        input.kept = kept / 100
        input.destinations = destinations
        input.outage = Double(outage.nanoseconds) / 1e9
        input.isGzip = gzip
        input.nodes = nodes
        input.nodeProcessors = nodeCpus
        input.nodeBytes = nodeMemory * 1_073_741_824
        return input
    }
}

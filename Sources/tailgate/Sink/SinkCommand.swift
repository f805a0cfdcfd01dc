internal import ReportText
import ArgumentParser
import LoadTools
import NIOCore
import NIOPosix

extension SinkBehaviour.Outage: ExpressibleByArgument {}

/// `tailgate sink`.
struct SinkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sink",
        abstract: "Receive OTLP traces, count them, and say whether traces came whole.",
        discussion: """
            Stands in for a tracing backend: an OTLP/gRPC server (plain text or TLS, gzip understood) that counts spans and \
            traces and throws them away. Whole traces are told from incomplete ones by --spans-per-trace. A trace \
            that arrives in several requests counts as split, or as one with late spans if the rest comes later than \
            --late-after. Duplicates are exact for traffic of `tailgate load` with up to 64 spans in a trace. The summary \
            names some of the traces that were split, late, duplicated or incomplete, to be looked up elsewhere.

            To see how a sender copes, the sink can answer late (--delay), refuse with a status (--fail-with, \
            --fail-percent, --retry-after), and be away for a while (--unavailable-after, --unavailable-for, \
            --unavailable-how). What it refuses it does not count.

            Prints a line every --report-every, and a summary at the end: after --seconds, at SIGINT or SIGTERM.

            Examples:
              tailgate sink --listen 127.0.0.1:14317 --spans-per-trace 8
              tailgate sink --listen :14317 --unavailable-after 10s --unavailable-for 20s --unavailable-how close
              tailgate sink --listen :14317 --fail-with RESOURCE_EXHAUSTED --fail-percent 5 --retry-after 500ms
            """)

    @Option(help: "Address and port to listen on; port 0 lets the system choose.")
    var listen = EndpointArgument(host: "127.0.0.1", port: 14317)

    @Option(help: "Answer each request after this time.")
    var delay = DurationArgument(nanoseconds: 0)

    @Option(help: "Answer with this gRPC status instead of OK, by name or number.")
    var failWith: StatusArgument?

    @Option(help: "The share of requests that --fail-with meets.")
    var failPercent = 100.0

    @Option(help: "Tell refused senders to come back after this time (RetryInfo).")
    var retryAfter: DurationArgument?

    @Option(help: "Become unavailable this long after the start.")
    var unavailableAfter: DurationArgument?

    @Option(help: "How long to be unavailable; without it, for good.")
    var unavailableFor: DurationArgument?

    @Option(help: "What unavailable means: refuse (answer UNAVAILABLE), hang (don't answer), close (no connections).")
    var unavailableHow = SinkBehaviour.Outage.refuse

    @Option(help: "How many spans make a trace whole.")
    var spansPerTrace: Int?

    @Option(help: "From when on further spans of a trace count as late instead of as a split.")
    var lateAfter = DurationArgument(nanoseconds: 5_000_000_000)

    @Option(help: "How many traces are remembered at least; up to 200 bytes each.")
    var traces = 1 << 20

    @OptionGroup(title: "TLS")
    var security: ServerTLSOptions

    @Option(help: "Stop after this time; without it, at SIGINT or SIGTERM.")
    var seconds: DurationArgument?

    @Option(help: "Print a line this often; 0 for none.")
    var reportEvery = DurationArgument(nanoseconds: 1_000_000_000)

    @Flag(help: "Print the summary as JSON, and nothing else on standard output.")
    var json = false

    func validate() throws {
        if !(0...100).contains(failPercent) { throw ValidationError("--fail-percent must be 0 ... 100") }
        if let spansPerTrace, spansPerTrace < 1 { throw ValidationError("--spans-per-trace must be above 0") }
        if !(1...(1 << 28)).contains(traces) { throw ValidationError("--traces must be 1 ... 268435456") }
    }

    func run() async throws {
        let tls = try security.material()
        let signals = StopSignals()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await SinkServer.make(
            on: group.any(), behaviour: behaviour, spansPerTrace: spansPerTrace,
            lateAfterNanoseconds: lateAfter.nanoseconds, traceLimit: traces, tls: tls)
        let host = listen.host.isEmpty ? "0.0.0.0" : listen.host
        let port: Int
        do {
            port = try await server.start(host: host, port: listen.port)
        } catch {
            StandardError.print("tailgate sink: can't listen on \(host):\(listen.port): \(error)")
            throw ExitCode(1)
        }
        StandardError.print("listening on \(host):\(port)")
        let reporter = reportEvery.nanoseconds > 0 ? Task { await reportLines(server) } : nil
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await signals.first() }
            if let seconds {
                group.addTask { try? await Task.sleep(for: .nanoseconds(seconds.nanoseconds)) }
            }
            await group.next()
            group.cancelAll()
        }
        reporter?.cancel()
        let report = report(try await server.snapshot(), withExamples: true)
        try await server.stop()
        try await group.shutdownGracefully()
        print(json ? report.json.rendered() : report.text)
    }

    private func reportLines(_ server: SinkServer) async {
        var before: SinkReport?
        while (try? await Task.sleep(for: .nanoseconds(reportEvery.nanoseconds))) != nil {
            guard let snapshot = try? await server.snapshot() else { return }
            let report = report(snapshot)
            StandardError.print(report.line(since: before))
            before = report
        }
    }

    private func report(_ snapshot: SinkSnapshot, withExamples: Bool = false) -> SinkReport {
        SinkReport(
            ledger: snapshot.ledger, refused: snapshot.refused, seconds: snapshot.seconds,
            processorSeconds: ProcessorClock.seconds(), expectsWholeTraces: spansPerTrace != nil,
            withExamples: withExamples)
    }

    private var behaviour: SinkBehaviour {
        var behaviour = SinkBehaviour()
        behaviour.delayNanoseconds = delay.nanoseconds
        behaviour.failWith = failWith?.status
        behaviour.failPercent = failPercent
        behaviour.retryNanoseconds = retryAfter?.nanoseconds
        behaviour.unavailableAfterNanoseconds = unavailableAfter?.nanoseconds
        behaviour.unavailableForNanoseconds = unavailableFor?.nanoseconds ?? .max
        behaviour.outage = unavailableHow
        return behaviour
    }
}

internal import ReportText
import ArgumentParser
import Foundation
import LoadTools
import NIOCore
import NIOPosix

/// `tailgate load`.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Send OTLP traces to an endpoint and measure how it answers.",
        discussion: """
            Sends traces of a shop of 8 services over OTLP (see --protocol and --tls), with fresh random ids in every request. \
            Requests are prepared before the run and only ids and times are written into them, so that one core sends \
            some millions of spans a second.

            With --rate, requests are due at fixed times whatever the receiver does, and latency counts from the time \
            a request was due: a receiver that stalls for a second shows that second in every request that it delayed. \
            With --max, each connection sends as soon as fewer than --in-flight requests are unanswered.

            Refused requests are sent again as an SDK would do (after the delay that the receiver asks for, or a \
            second), at most --attempts times. The exit code is 0 if every request was accepted in the end, 1 otherwise.

            Several --endpoint, of a cluster without a load balancer, get requests by turns, as by gRPC's round_robin: \
            connections are spread over them and made again when they break, and what one endpoint does not take is \
            sent to the next at once. Requests that got no answer are sent again, too; the report counts their spans, \
            which may be there twice.

            Examples:
              tailgate load --endpoint localhost:4317 --rate 40000 --seconds 30
              tailgate load --endpoint localhost:4317 --max --connections 4 --in-flight 8 --json
              tailgate load --endpoint node1:4317 --endpoint node2:4317 --connections 4 --rate 40000 --attempts 100
              tailgate load --protocol http --rate 10000
              tailgate load --endpoint https://gateway.example:4317 --ca-file ca.pem --rate 10000
            """)

    @Option(
        name: .customLong("endpoint"),
        help: "Where to send to, as host:port; may be repeated (default: port 4317 of this machine, or 4318 for HTTP).")
    var endpoints: [EndpointArgument] = []

    @Option(name: .customLong("protocol"), help: "grpc, http (protobuf over HTTP/1.1) or http-json.")
    var speaks = LoadProtocol.grpc

    @Option(help: "Spans per second to send, at evenly spaced times.")
    var rate: Double?

    @Flag(help: "Send as fast as the receiver answers.")
    var max = false

    @Option(help: "How long to send, such as 30, 90s or 5m; the warm-up comes before.")
    var seconds = DurationArgument(nanoseconds: 10_000_000_000)

    @Option(help: "Send for this long before measuring begins.")
    var warmUp = DurationArgument(nanoseconds: 0)

    @Option(help: "Connections to open (default: 2, or one for each endpoint).")
    var connections: Int?

    @Option(help: "Unanswered requests on one connection, at most.")
    var inFlight = 8

    @Option(help: "Threads that send.")
    var threads = 1

    @Flag(help: "Compress requests with gzip. This costs the sender far more than everything else.")
    var gzip = false

    @Option(help: "Level of gzip, 1 (fast) to 9.")
    var gzipLevel = 1

    @Option(help: "How often a refused request is tried, 1 for no second try.")
    var attempts = 5

    @Option(help: "How long to wait for an answer before the request counts as DEADLINE_EXCEEDED.")
    var timeout = DurationArgument(nanoseconds: 10_000_000_000)

    @Option(name: .customLong("header"), help: "A metadata field to send along, as name=value; may be repeated.")
    var headers: [HeaderArgument] = []

    @OptionGroup(title: "TLS")
    var security: ClientTLSOptions

    @OptionGroup(title: "Traffic")
    var traffic: TrafficOptions

    @Flag(help: "Print the report as JSON.")
    var json = false

    @Flag(help: "No line a second on standard error while running.")
    var quiet = false

    func validate() throws {
        if max == (rate != nil) { throw ValidationError("give either --rate or --max") }
        if let rate, !(rate > 0) { throw ValidationError("--rate must be above 0") }
        for (name, value) in [
            ("--connections", connections ?? 2), ("--in-flight", inFlight), ("--threads", threads), ("--attempts", attempts),
        ] where !(1...10_000).contains(value) { throw ValidationError("\(name) must be 1 ... 10000") }
        if !(1...9).contains(gzipLevel) { throw ValidationError("--gzip-level must be 1 ... 9") }
        if seconds.nanoseconds <= 0 { throw ValidationError("--seconds must be above 0") }
        if timeout.nanoseconds <= 0 { throw ValidationError("--timeout must be above 0") }
        if endpoints.contains(where: { $0.port == 0 }) { throw ValidationError("--endpoint needs a port") }
        if endpoints.contains(where: { $0.isHTTPS != endpoints[0].isHTTPS }) {
            throw ValidationError("--endpoint: either all or none with https://")
        }
        if let connections, connections < endpoints.count {
            throw ValidationError("--connections must be at least the number of endpoints, \(endpoints.count)")
        }
        _ = try traffic.settings()
    }

    func run() async throws {
        let asked = endpoints.isEmpty ? [EndpointArgument(host: "", port: speaks.defaultPort)] : endpoints
        let tls = try security.material(isHTTPS: asked[0].isHTTPS, protocols: [speaks.applicationProtocol])
        let plan = LoadPlan(
            endpoints: asked.map { LoadPlan.Endpoint(host: $0.host.isEmpty ? "127.0.0.1" : $0.host, port: $0.port) },
            speaks: speaks, connections: connections ?? Swift.max(2, asked.count), inFlight: inFlight, threads: threads, spansPerSecond: rate, warmUpNanoseconds: warmUp.nanoseconds,
            runNanoseconds: seconds.nanoseconds, gzipLevel: gzip ? gzipLevel : nil, attempts: attempts,
            timeoutNanoseconds: timeout.nanoseconds, headers: headers.map { ($0.name, $0.value) }, tls: tls,
            serverName: security.serverNameOverride)
        let runner = LoadRunner(plan: plan, settings: try traffic.settings())
        let signals = StopSignals()
        let stopper = Task {
            await signals.first()
            runner.stop()
            await signals.second()
            if !Task.isCancelled { Foundation.exit(130) }
        }
        let watcher = quiet || json ? nil : Self.watch(runner.progress)
        let report = try await runner.run()
        watcher?.cancel()
        stopper.cancel()
        print(json ? report.json.rendered() : report.text)
        if !report.everythingAccepted { throw ExitCode(1) }
    }

    private static func watch(_ progress: LoadProgress) -> Task<Void, Never> {
        Task {
            var before = 0
            var seconds = 0
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                seconds += 1
                let spans = progress.acceptedSpans
                var line = "\(seconds) s: \(Figures.grouped(spans - before)) spans/s accepted"
                if progress.refusedRequests > 0 { line += ", \(progress.refusedRequests) requests refused" }
                if progress.connectionFailures > 0 {
                    line += ", \(progress.connectionFailures) connections failed"
                }
                StandardError.print(line)
                before = spans
            }
        }
    }
}

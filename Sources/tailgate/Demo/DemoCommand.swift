internal import ReportText
import ArgumentParser
import ConfigTree
import Foundation
import Gateway
import LoadTools
import Logging
import NativeCore
import NIOCore
import NIOPosix
import Telemetry

/// `tailgate demo`.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "See it work: a gateway, two backends and a shop's traffic in one process.",
        discussion: """
            Starts a node, two counting sinks that stand in for Jaeger and Tempo, and a load of realistic traffic: a \
            shop of 8 services with some errors and some slow requests. Shows once a second what the node does; in a \
            terminal as a table, otherwise as lines. Ends by itself, with the node's ledger: where every accepted span went.

            While it runs, any OpenTelemetry SDK can send to it, too; the line for it is printed at the start.

            Exit code 0 if the ledger balances and the load's traces arrived whole, 70 if not.
            """)

    @Option(help: "How long traffic is sent, such as 20, 90s or 5m.")
    var seconds = DurationArgument(nanoseconds: 20_000_000_000)

    @Option(help: "Spans per second to send.")
    var rate = 20_000.0

    @Option(help: "How long each trace is collected before it is judged.")
    var decisionWait = DurationArgument(nanoseconds: 5_000_000_000)

    @Option(help: "The node's port for OTLP/gRPC. Default: 4317, or a free one if that is taken.")
    var port: Int?

    @Option(help: "The node's port for /metrics and /ledger. Default: 8888, or a free one if that is taken.")
    var adminPort: Int?

    @Option(help: "The node's event loops.")
    var workers = 2

    func validate() throws {
        if seconds.nanoseconds <= 0 { throw ValidationError("--seconds must be above 0") }
        if !(rate >= 1) { throw ValidationError("--rate must be 1 or more") }
        if decisionWait.nanoseconds < 1_000_000 { throw ValidationError("--decision-wait must be 1ms or more") }
        if !(1...256).contains(workers) { throw ValidationError("--workers must be 1 ... 256") }
        for port in [port, adminPort].compactMap({ $0 }) where !(0...65_535).contains(port) {
            throw ValidationError("ports are 0 ... 65535")
        }
    }

    func run() async throws {
        ProcessLimits.raiseOpenFiles()
        let signals = StopSignals()
        let sinkLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let sinks = [try await makeSink(sinkLoop), try await makeSink(sinkLoop)]
        let ports = [
            try await sinks[0].start(host: "127.0.0.1", port: 0), try await sinks[1].start(host: "127.0.0.1", port: 0),
        ]
        let gateway = try await startGateway(sinkPorts: ports)
        introduce(gateway, sinkPorts: ports)

        let node = DemoNode(gateway: gateway, began: MonotonicClock.now())
        let load = makeLoad(port: gateway.receiverPorts.first ?? 0)
        let stopper = Task {
            await signals.first()
            load.stop()
            await signals.second()
            if !Task.isCancelled { Foundation.exit(130) }
        }
        let view = Task { await Self.show(node) }
        let report = try await load.run()
        view.cancel()
        await view.value
        print("\nThe traffic has ended; the node decides what is pending and sends its queues ...\n")
        let ledger = await gateway.shutdown()
        stopper.cancel()
        var received: [SinkSnapshot] = []
        for sink in sinks {
            received.append(try await sink.snapshot())
            try await sink.stop()
        }
        try await sinkLoop.shutdownGracefully()
        let verdict = DemoVerdict(report: report, settings: load.catalog, ledger: ledger, received: received)
        for line in verdict.lines { print(line) }
        if !verdict.isSound { throw ExitCodes.imbalance }
    }

    // MARK: parts

    private func makeSink(_ group: MultiThreadedEventLoopGroup) async throws -> SinkServer {
        try await SinkServer.make(
            on: group.any(), behaviour: SinkBehaviour(), spansPerTrace: TrafficSettings().spansPerTrace,
            lateAfterNanoseconds: 60_000_000_000, traceLimit: 1 << 18)
    }

    private func startGateway(sinkPorts: [Int]) async throws -> Gateway {
        let text = DemoConfiguration.text(
            port: await Self.usable(port, preferred: 4317),
            httpPort: await Self.usable(port.map { _ in 0 }, preferred: 4318), adminPort: await Self.usable(adminPort, preferred: 8888),
            jaegerPort: sinkPorts[0], tempoPort: sinkPorts[1], decisionWaitNanoseconds: decisionWait.nanoseconds)
        let (config, problems) = ConfigurationLoader.load(text: text, file: "demo", environment: .process)
        guard let config, !problems.hasErrors else {
            StandardError.print(ProblemReport.text(problems))
            throw ExitCodes.configuration
        }
        do {
            return try await Gateway.start(
                config,
                options: GatewayOptions(workers: workers, version: Tailgate.version, instanceID: "demo"),
                logger: ProcessSetup.logger(level: config.telemetry.logLevel))
        } catch {
            StandardError.print("tailgate demo: \(error)")
            throw ExitCodes.unavailable
        }
    }

    /// The port that was asked for; or the preferred one if it is free, else 0, so that the system chooses.
    private static func usable(_ asked: Int?, preferred: Int) async -> Int {
        if let asked { return asked }
        let probe = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        guard let channel = try? await probe.bind(host: "127.0.0.1", port: preferred).get() else { return 0 }
        try? await channel.close()
        return preferred
    }

    private func makeLoad(port: Int) -> LoadRunner {
        var settings = TrafficSettings()
        // About 20 requests a second or more, so that a slow demo doesn't move in jumps.
        settings.spansPerRequest = min(1024, max(16, Int(rate / 20)))
        settings.seed = UInt64.random(in: 1...(1 << 53))
        let plan = LoadPlan(
            endpoints: [LoadPlan.Endpoint(host: "127.0.0.1", port: port)], connections: max(2, workers), inFlight: 16,
            threads: 1, spansPerSecond: rate, warmUpNanoseconds: 0, runNanoseconds: seconds.nanoseconds, gzipLevel: nil, attempts: 20,
            timeoutNanoseconds: 10_000_000_000, headers: [])
        return LoadRunner(plan: plan, settings: settings)
    }

    private func introduce(_ gateway: Gateway, sinkPorts: [Int]) {
        let port = gateway.receiverPorts.first ?? 0
        let window = decisionWait.defaultValueDescription
        print("A Tailgate node takes OTLP on 127.0.0.1:\(port), collects each trace for \(window),")
        print("keeps errors, what took over a second, and 10 % of the rest, and sends it to two sinks:")
        print("one in the place of Jaeger on port \(sinkPorts[0]), one in the place of Tempo on port \(sinkPorts[1]).")
        if let admin = gateway.adminPort {
            print("Metrics: http://127.0.0.1:\(admin)/metrics   Ledger: http://127.0.0.1:\(admin)/ledger")
        }
        print("\nTo send spans from any OpenTelemetry SDK as well:")
        print("  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:\(port) OTEL_EXPORTER_OTLP_PROTOCOL=grpc YOUR-PROGRAM")
        if gateway.receiverPorts.count > 1 {
            let http = gateway.receiverPorts[1]
            print("  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:\(http) OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf YOUR-PROGRAM")
        }
        print("")
        Self.flush()
    }

    // MARK: view

    /// Once a second, until it is cancelled.
    private static func show(_ node: DemoNode) async {
        let inPlace = isatty(STDOUT_FILENO) == 1
        var block = TerminalBlock()
        var before: DemoSnapshot?
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            let now = await node.look()
            if inPlace {
                let title = "  after \(Figures.fixed(now.seconds, 0)) s"
                print(block.redraw([title] + DemoTable.lines(now, since: before)), terminator: "")
            } else {
                print(DemoTable.line(now, since: before))
            }
            flush()
            before = now
        }
    }

    /// Standard output is buffered when nobody looks, but somebody may follow the file.
    private static func flush() {
        try? FileHandle.standardOutput.synchronize()
        fflush(nil)
    }
}

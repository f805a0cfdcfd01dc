import Foundation
import Telemetry
import Testing

@testable import Gateway

/// All series of a node, scraped over loopback and judged by Prometheus' own linter.
///
/// Needs `promtool`, in TAILGATE_PROMTOOL or PATH (Debian: package prometheus).
@Suite(.timeLimit(.minutes(1))) struct AdminPromtoolTests {
    static let promtool: String? = {
        let environment = ProcessInfo.processInfo.environment
        let folders = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/promtool" }
        return ([environment["TAILGATE_PROMTOOL"]].compactMap { $0 } + folders).first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }()

    @Test(.enabled(if: promtool != nil, "promtool is not installed"))
    func promtoolHasNothingToObject() async throws {
        let promtool = try #require(Self.promtool)
        let sources = AdminSources(
            metrics: { @Sendable format in Self.scrape(format) },
            ledger: { @Sendable in [] }, isReady: { true }, isHealthy: { true })
        let server = try await AdminServer.start(
            host: "127.0.0.1", port: 0, responder: AdminPages(sources))
        let client = try LoopbackClient(port: server.port)
        client.send("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n")
        let body = await client.readResponse().body
        client.close()
        await server.shutdown()
        #expect(body.contains("\notelcol_receiver_accepted_spans{receiver=\"otlp\""))

        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("tailgate-metrics-\(UUID().uuidString)")
        try Data(body.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: promtool)
        process.arguments = ["check", "metrics"]
        process.standardInput = try FileHandle(forReadingFrom: file)
        let said = Pipe()
        process.standardError = said
        process.standardOutput = said
        try process.run()
        let words = try said.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(String(decoding: words, as: UTF8.self))")
    }

    /// A node with two policies and two destinations, some of its cells written.
    static func scrape(_ format: ExpositionFormat) -> [UInt8] {
        let statistics = ProcessStatistics()
        var settings = NodeMetricsSettings(
            version: "0.1.0", swiftVersion: "6.3", instanceID: "a\"b:4317", workerCount: 2,
            allocatorVersion: "5.3.0")
        settings.policyNames = ["errors", "a \\ policy \"with\" marks\n"]
        settings.destinations = [
            DestinationIdentity(name: "otlp/tempo", serverAddress: "tempo", serverPort: 4317),
            DestinationIdentity(name: "file"),
        ]
        settings.memoryLimiter = "memory_limiter"
        settings.peerStates = ["serving", "unreachable"]
        settings.hasFDLimit = statistics.maxFDs != nil
        settings.hasVirtualMemoryLimit = true
        guard let node = try? NodeMetrics(settings) else { return [] }
        var catalog = MetricCatalog(extending: node.layout)
        let rates = SharedRateSeries(
            [SharedRateSeriesTests.limit("cap \"of\" all", share: 0.25, demand: 1200)], label: { $0 }, in: &catalog)
        let layout = catalog.layout()
        let worker = MetricCells(node.layout)
        worker.add(node.receivers[0].acceptedSpans, 1024)
        worker.observe(node.sampling.decisionLateness, 1_500)
        worker.observe(node.sampling.lateSpanAge, 3)
        let process = MetricCells(layout)
        rates.write(into: process)
        node.process.write(statistics.read(), into: process)
        let ledger = Ledger(
            workers: [LedgerCells(destinationCount: 2)],
            destinationNames: settings.destinations.map(\.name))
        node.ledger.write(ledger, into: process)
        return PrometheusText.render(
            layout, .sum([worker.snapshot(), process.snapshot()]), as: format)
    }
}

internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway
internal import Logging
internal import NativeCore
internal import PolicyTools
internal import Telemetry

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a gateway node.",
        discussion: """
            Without --config the node listens on port 4317, keeps errors, slow traces and 10 % of the rest, and writes them \
            to ./traces.jsonl (`tailgate config --default` prints that configuration).

            Changes of the configuration's files are taken over while the node runs as far as policies go, as soon as they are \
            seen, or on SIGHUP, or on POST /-/reload; a configuration with errors changes nothing.

            SIGTERM or SIGINT stops it in good order: clients are sent elsewhere, pending traces are decided, queues are sent, \
            exit code 0. A second signal ends it at once and says what is lost.

            Under systemd (Type=notify, WatchdogSec) it says when it is ready, how it is, and that it lives.
            """)

    @Option(name: .shortAndLong, help: "The configuration file (YAML, the OpenTelemetry Collector's format).")
    var config: String?

    @Option(help: "Event loops, each with its share of the traces. Default: one per processor.")
    var workers: Int?

    func validate() throws {
        if let workers, !(1...256).contains(workers) { throw ValidationError("--workers must be 1 ... 256") }
    }

    func run() async throws {
        let (checked, source) = try ConfigurationFiles.loadWithSource(config)
        let logger = ProcessSetup.logger(level: checked.telemetry.logLevel)
        ProcessLimits.raiseOpenFiles()
        let signals = StopSignals()
        var options = GatewayOptions(
            workers: workers, version: Tailgate.version, instanceID: ProcessInfo.processInfo.hostName)
        options.source = source
        options.policyCheck = { document, problems in PolicyTests.check(document, problems: problems) }
        let gateway: Gateway
        do {
            gateway = try await Gateway.start(checked, options: options, logger: logger)
        } catch {
            StandardError.print("tailgate: \(error)")
            throw ExitCodes.unavailable
        }
        let tests = Task.detached(priority: .background) { Self.runTests(of: checked, logger) }
        defer { tests.cancel() }
        let reloads = Task { for await _ in signals.reloads { await gateway.reload("SIGHUP") } }
        defer { reloads.cancel() }
        let manager = ServiceManager(
            environment: ProcessInfo.processInfo.environment, processID: ProcessInfo.processInfo.processIdentifier, logger: logger)
        // A node of a cluster is ready when it knows its peers; it can be stopped before.
        let readiness = Task {
            while !gateway.isReady {
                try? await Task.sleep(for: .milliseconds(50))
                if Task.isCancelled { return }
            }
            Self.announce(gateway, logger)
            manager?.ready(gateway)
            ProcessLimits.releaseStartupCode()
        }
        defer { readiness.cancel() }
        if gateway.isReady { await readiness.value }
        let heartbeat = manager?.watch(gateway)
        defer { heartbeat?.cancel() }
        await signals.first()
        readiness.cancel()
        manager?.stopping(within: checked.longestStop)
        let emergency = Task {
            await signals.second()
            await Self.endAtOnce(gateway)
        }
        let ledger = await gateway.shutdown()
        emergency.cancel()
        report(ledger, logger)
        if ledger.difference != 0 { throw ExitCodes.imbalance }
    }

    /// Runs the tests of the policies that the node has started with, and names those that fail.
    ///
    /// A reload with a failing test is refused, since the node goes on with the policies before it. A start has nothing to go on
    /// with: a node that does not come back after a restart would make an outage of a doubt. So it serves, and says what fails.
    private static func runTests(of config: GatewayConfig, _ logger: Logger) {
        let problems = ConfigProblems()
        var tests = 0
        for document in config.tailSampling?.policyDocuments ?? [] { tests += PolicyTests.check(document, problems: problems) }
        for problem in problems.errors {
            logger.error(
                "the policies in force fail a test of their own file",
                metadata: ["at": "\(problem.position)", "problem": "\(problem.message)"])
        }
        if tests > 0 && !problems.hasErrors { logger.info("the tests of the policies passed", metadata: ["tests": "\(tests)"]) }
    }

    private static func announce(_ gateway: Gateway, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "version": "\(Tailgate.version)", "workers": "\(gateway.workerCount)",
            "receivers": "\(gateway.receiverPorts.map { ":\($0)" }.joined(separator: " "))",
            "allocator": "\(AllocatorStatistics.version().map { "jemalloc \($0)" } ?? "system")",
            "memory_limit": "\(gateway.memoryLimitBytes >> 20) MiB",
        ]
        if let port = gateway.adminPort { metadata["admin"] = ":\(port)" }
        logger.info("tailgate is ready", metadata: metadata)
        let bounds = gateway.memoryBounds
        logger.info(
            "memory is divided",
            metadata: ["refused_from": "\(bounds.softLimitBytes >> 20) MiB", "parts": "\(bounds.summary)"])
        for warning in bounds.warnings { logger.warning("\(warning)") }
        let descriptors = gateway.descriptors
        logger.info("file descriptors at most", metadata: ["parts": "\(descriptors.summary)"])
        if let warning = descriptors.warning { logger.warning("\(warning)") }
    }

    private func report(_ ledger: Ledger, _ logger: Logger) {
        let lost = ledger.destinations.reduce(0) { $0 + $1.lost + $1.queued } + ledger.buffered + ledger.lost
        var books: Logger.Metadata = [
            "accepted": "\(ledger.accepted)", "not_sampled": "\(ledger.notSampled)", "dropped": "\(ledger.dropped)",
            "sampled": "\(ledger.sampled)", "lost": "\(lost)", "difference": "\(ledger.difference)",
        ]
        // Of a node in a cluster.
        if ledger.fromPeers + ledger.forwarded + ledger.handedOff + ledger.held != 0 {
            books["from_peers"] = "\(ledger.fromPeers)"
            books["forwarded"] = "\(ledger.forwarded)"
            books["handed_off"] = "\(ledger.handedOff)"
            books["held"] = "\(ledger.held)"
        }
        logger.log(level: lost == 0 ? .info : .warning, "stopped", metadata: books)
    }

    private static func endAtOnce(_ gateway: Gateway) async {
        guard !Task.isCancelled else { return }
        let ledger = await gateway.snapshot().ledger
        let queued = ledger.destinations.map { "\($0.name): \($0.queued)" }.joined(separator: ", ")
        StandardError.print(
            "tailgate: second signal, ending at once. Lost: \(ledger.buffered) undecided spans; queued for \(queued)")
        Foundation.exit(1)
    }
}

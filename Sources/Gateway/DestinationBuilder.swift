internal import OTLP
internal import Telemetry
internal import Delivery
internal import Logging
internal import NativeCore
internal import NIOCore
internal import NIOPosix
internal import Transport

/// Builds the destinations that the exporters of a configuration describe.
struct DestinationBuilder: Sendable {
    let plan: NodePlan
    let logger: Logger
    /// For exporters that write files; one thread.
    let filePool: NIOThreadPool
    let encoders: EncoderPool
    let version: String
    let security: NodeSecurity
    /// What each queue may hold of memory: of the exporters of traces, then of those of signals that are passed on.
    let queueBytes: [Int]

    /// Opens what has to be open before the node starts: files. By number of the exporter.
    ///
    /// A file to append to that ends within a line is told of in the log.
    static func openFiles(_ exporters: [ExporterConfig], logger: Logger) throws(GatewayError) -> [Int: AppendFile] {
        var files: [Int: AppendFile] = [:]
        for (number, exporter) in exporters.enumerated() {
            guard case .file(let config) = exporter.kind else { continue }
            do {
                let file = try AppendFile(path: config.path, truncates: !config.append)
                if file.wasTorn {
                    logger.warning(
                        "the file ends within a line; what comes now begins on a line of its own",
                        metadata: ["exporter": "\(exporter.id)", "path": "\(config.path)"])
                }
                files[number] = file
            } catch where error.code == FileError.noReader {
                throw GatewayError("exporter \(exporter.id): cannot open \(config.path) for writing: it is a pipe or a socket that nobody reads")
            } catch {
                throw GatewayError(
                    "exporter \(exporter.id): cannot open \(config.path) for writing: \(error.text); give a path that this user can write")
            }
        }
        return files
    }

    /// Makes a destination. On the loop of the worker that will be its home.
    func make(_ exporter: ExporterConfig, number: Int, home: Worker, file: AppendFile?) -> Destination {
        let loop = home.eventLoop
        var queue = Self.queueSettings(of: exporter)
        queue.maximumBytes = queueBytes[number]
        var retry = RetrySettings()
        let sender: any ExportSender
        switch exporter.kind {
        case .otlp(let config):
            retry = Self.retrySettings(config.retry)
            sender = grpcSender(clientSettings(config, exporter.id), home)
        case .file:
            retry.maxElapsedTime = 0
            guard let file else { preconditionFailure("files are opened before destinations are made") }
            sender = FileExportSender(file: file, eventLoop: loop, pool: filePool)
        case .debug(let config):
            let verbosity: DebugVerbosity =
                switch config.verbosity {
                case .basic: .basic
                case .normal: .normal
                case .detailed: .detailed
                }
            sender = DebugExportSender(
                logger: logger, eventLoop: loop, encoders: encoders, verbosity: verbosity,
                sampler: DebugSampler(initial: config.samplingInitial, thereafter: config.samplingThereafter))
        }
        return Destination(
            name: "\(exporter.id)", number: number, eventLoop: loop, queue: queue, retry: retry, sender: sender,
            metrics: plan.metrics.destinations[number], cells: home.cells, logger: logger)
    }

    /// Makes a destination of metrics or logs. On the loop of the worker that will be its home.
    ///
    /// - Parameter number: among those of metrics and logs.
    func make(
        _ config: OTLPExporterConfig, id: ComponentID, number: Int, signal: OTLPSignal, home: Worker
    ) -> Destination {
        var settings = clientSettings(config, id)
        settings.signal = signal
        var queue = Self.queueSettings(config.queue)
        queue.maximumBytes = queueBytes[plan.destinationNames.count + number]
        return Destination(
            name: "\(id)", number: 0, eventLoop: home.eventLoop, queue: queue, retry: Self.retrySettings(config.retry),
            sender: grpcSender(settings, home), metrics: plan.metrics.passThrough[number], cells: home.cells,
            logger: logger, carries: "requests of \(signal)")
    }

    private func grpcSender(_ settings: GRPCClientSettings, _ home: Worker) -> GRPCExportSender {
        let metrics = plan.metrics.security
        return GRPCExportSender(settings: settings, eventLoop: home.eventLoop, encoders: encoders) { [cells = home.cells] failure in
            cells.add(failure.map { metrics.clientFailures[$0] } ?? metrics.clientHandshakes)
        }
    }

    private func clientSettings(_ config: OTLPExporterConfig, _ id: ComponentID) -> GRPCClientSettings {
        var settings: GRPCClientSettings
        switch config.client.endpoint {
        case .host(let address):
            settings = GRPCClientSettings(
                endpoint: .host(address.host, port: address.port),
                authority: config.client.authority ?? "\(address)")
        case .unix(let path):
            settings = GRPCClientSettings(
                endpoint: .unixSocket(path: path), authority: config.client.authority ?? "localhost")
        }
        settings.backend = BackendKind(rawValue: config.backend.rawValue) ?? .otlp
        settings.compression = config.client.compression == .gzip ? .gzip : .identity
        settings.timeout = config.timeout
        settings.headers = config.client.headers.map { ($0.name, $0.value) }
        if let tenant = config.tenant { settings.headers.append(("x-scope-orgid", tenant)) }
        settings.tls = security.exporterTLS[id]
        settings.credentials = config.client.auth.flatMap { security.credentials[$0.id] }
        settings.keepalive = config.client.keepalive.map {
            .init(time: $0.time, timeout: $0.timeout, permitWithoutStream: $0.permitWithoutStream)
        }
        settings.userAgent = config.client.userAgent ?? "tailgate/\(version)"
        return settings
    }

    /// The queue before an exporter.
    static func queueSettings(of exporter: ExporterConfig) -> QueueSettings {
        switch exporter.kind {
        case .otlp(let config): return queueSettings(config.queue)
        case .file: return QueueSettings(numConsumers: 1)
        case .debug: return QueueSettings()
        }
    }

    private static func queueSettings(_ config: QueueConfig?) -> QueueSettings {
        var settings = QueueSettings()
        guard let config else {
            settings.enabled = false
            return settings
        }
        settings.numConsumers = config.numConsumers
        settings.queueSize = config.queueSize
        settings.blockOnOverflow = config.blockOnOverflow
        settings.dropsOldest = config.dropsOldest
        settings.sizer =
            switch config.sizer {
            case .requests: .requests
            case .items: .items
            case .bytes: .bytes
            }
        return settings
    }

    private static func retrySettings(_ config: RetryConfig?) -> RetrySettings {
        var settings = RetrySettings()
        guard let config else {
            settings.enabled = false
            return settings
        }
        settings.initialInterval = config.initialInterval
        settings.maxInterval = config.maxInterval
        settings.multiplier = config.multiplier
        settings.randomizationFactor = config.randomizationFactor
        settings.maxElapsedTime = config.maxElapsedTime
        return settings
    }
}

import ConfigTree
import Gateway
import Testing

/// A configuration such as runs at a Collector user's today, with every section that Tailgate reads.
let fullConfiguration = """
    # platform team, tracing
    receivers:
      otlp:
        protocols:
          grpc:
            endpoint: 0.0.0.0:${env:OTLP_PORT:-4317}
            max_recv_msg_size_mib: 32
            max_concurrent_streams: 500
            read_buffer_size: 524288
            keepalive:
              server_parameters:
                max_connection_idle: 11s
                max_connection_age: 5m
                max_connection_age_grace: 30s
                time: 30s
                timeout: 5s
              enforcement_policy:
                min_time: 10s
                permit_without_stream: true
      otlp/internal:
        protocols:
          grpc:

    processors:
      memory_limiter:
        check_interval: 1s
        limit_mib: 4000
        spike_limit_mib: 800
      tail_sampling/shop:
        decision_wait: 12.5s
        decision_wait_after_root_received: 2s
        num_traces: 100000
        expected_new_traces_per_sec: 1000
        decision_cache:
          sampled_cache_size: 200000
          non_sampled_cache_size: 0
        sample_on_first_match: true
        sampling_strategy: trace-complete
        drop_pending_traces_on_shutdown: true
        drain_timeout: 8s
        maximum_trace_size_bytes: 0
        policies: ${file:policies/shop.yaml}
      batch:
        timeout: 500ms
        send_batch_size: 4096
        send_batch_max_size: 8192

    exporters:
      otlp/plain:
        endpoint: http://collector.internal:4317
        compression: none
        wait_for_ready: true
        balancer_name: pick_first
        authority: traces.internal
        headers:
          Authorization: Bearer ${env:TOKEN}
          x-team: "42"
        keepalive: {time: 20s, timeout: 4s, permit_without_stream: true}
        timeout: 10s
        sending_queue:
          num_consumers: 4
          queue_size: 64000000
          sizer: bytes
          block_on_overflow: true
          max_bytes: 48MiB
        retry_on_failure:
          initial_interval: 1s
          max_interval: 10s
          multiplier: 2
          randomization_factor: 0.2
          max_elapsed_time: 0
      otlp_grpc: &grpc
        endpoint: dns:///[::1]:4317
        tls: {insecure: true}
        sending_queue: {enabled: false}
        retry_on_failure: {enabled: false}
      jaeger:
        <<: *grpc
        endpoint: jaeger-collector:4317
      tempo/eu:
        endpoint: tempo:4317
        tls:
          insecure: true
        tenant: shop
      otlp/socket:
        endpoint: unix:///run/otlp.sock
        tls: {insecure: true}
      file/copy:
        path: /var/lib/tailgate/traces.jsonl
        format: json
        append: true
        flush_interval: 5s
      debug:
        verbosity: detailed
        sampling_initial: 5
        sampling_thereafter: 200

    extensions:
      health_check:
        endpoint: 0.0.0.0:13133
        path: /health

    service:
      extensions: [health_check]
      shutdown_timeout: 1m
      pipelines:
        traces/main:
          receivers: [otlp, otlp/internal]
          processors: [memory_limiter, tail_sampling/shop, batch]
          exporters: [otlp/plain, otlp_grpc, jaeger, tempo/eu, otlp/socket, file/copy, debug]
      telemetry:
        logs: {level: WARN}
        metrics:
          level: detailed
          readers:
            - pull:
                exporter:
                  prometheus:
                    host: 0.0.0.0
                    port: 9464
                    without_type_suffix: true
    """

let fullVariables = ["TOKEN": "abc"]
let fullFiles = ["policies/shop.yaml": "policies:\n  - {name: all, type: always_sample}\ntests: []\nsettings: {decision_wait: 7s, drain_timeout: 9s}\n"]

@Suite struct FullConfigurationTests {
    let config: GatewayConfig
    let problems: ConfigProblems

    init() throws {
        let loaded = load(fullConfiguration, fullVariables, files: fullFiles)
        problems = loaded.problems
        config = try #require(loaded.config, "\(ProblemReport.text(loaded.problems))")
    }

    /// What the block says wins over the policy file's settings; where it says nothing, they count.
    @Test(arguments: [("decision_wait: 2s, ", 2), ("", 7)])
    func settingsOfThePolicyFile(written: String, seconds: Int64) {
        let text = """
            receivers: {otlp: {protocols: {grpc: }}}
            processors: {tail_sampling: {\(written)policies: "${file:p.yaml}"}}
            exporters: {debug: }
            service: {pipelines: {traces: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}}}
            """
        let file = "policies: [{name: all, type: always_sample}]\nsettings: {decision_wait: 7s}\n"
        let loaded = load(text, files: ["p.yaml": file])
        #expect(loaded.config?.tailSampling?.decisionWait == seconds * 1_000_000_000, "\(loaded.problems.all)")
    }

    func otlp(_ index: Int) throws -> OTLPExporterConfig {
        guard case .otlp(let exporter) = config.exporters[index].kind else { throw Missing() }
        return exporter
    }

    struct Missing: Error {}

    @Test func onlyTheIgnoredCountsAreRemarkedOn() {
        #expect(
            problems.all.map(\.keyPath) == [
                "processors.tail_sampling/shop.num_traces", "processors.tail_sampling/shop.expected_new_traces_per_sec",
                "exporters.file/copy.flush_interval",
                // An address that other machines reach, without `admin: {auth: ...}`.
                "service.telemetry.metrics",
            ])
        #expect(!problems.hasErrors)
    }

    @Test func receivers() {
        #expect(config.pipelines[0].id == ComponentID(type: "traces", name: "main"))
        #expect(config.receivers.map(\.id.description) == ["otlp", "otlp/internal"])
        var server = GRPCServerConfig()
        server.endpoint = .address(NetworkAddress(host: "0.0.0.0", port: 4317))
        server.maxReceiveMessageBytes = 32 << 20
        server.maxConcurrentStreams = 500
        server.keepalive.maxConnectionIdle = 11_000_000_000
        server.keepalive.maxConnectionAge = 300_000_000_000
        server.keepalive.maxConnectionAgeGrace = 30_000_000_000
        server.keepalive.time = 30_000_000_000
        server.keepalive.timeout = 5_000_000_000
        server.keepalive.minimumPingInterval = 10_000_000_000
        server.keepalive.permitWithoutStream = true
        #expect(config.receivers[0].grpc == server)
        #expect(config.receivers[1].grpc == GRPCServerConfig())
        #expect(GRPCServerConfig().maxReceiveMessageBytes == 67_108_864)
    }

    @Test func processors() throws {
        let limiter = config.pipelines[0].memoryLimiter
        #expect(limiter?.checkInterval == 1_000_000_000)
        #expect(limiter?.limit == .bytes(4000 << 20))
        #expect(limiter?.spike == .bytes(800 << 20))
        #expect(limiter?.limits(ofTotalBytes: 1).hard == 4000 << 20)
        #expect(limiter?.limits(ofTotalBytes: 1).soft == 3200 << 20)
        let sampling = try #require(config.tailSampling)
        #expect(sampling.id.description == "tail_sampling/shop")
        #expect(sampling.decisionWait == 12_500_000_000)
        #expect(sampling.decisionWaitAfterRootReceived == 2_000_000_000)
        #expect(sampling.numTraces == 100_000)
        #expect(sampling.expectedNewTracesPerSecond == 1000)
        #expect(sampling.sampledCacheSize == 200_000)
        #expect(sampling.nonSampledCacheSize == 0)
        #expect(sampling.sampleOnFirstMatch)
        #expect(sampling.dropPendingTracesOnShutdown)
        #expect(sampling.drainTimeout == 8_000_000_000)
        #expect(sampling.policies.count == 1)
        #expect(sampling.policies.first?.place == "policies/shop.yaml:2:5")
        #expect(sampling.policiesKeyPath == "processors.tail_sampling/shop.policies")
        #expect(config.pipelines[0].batch?.timeout == 500_000_000)
        #expect(config.pipelines[0].batch?.sendBatchSize == 4096)
        #expect(config.pipelines[0].batch?.sendBatchMaxSize == 8192)
    }

    @Test func exporters() throws {
        #expect(
            config.exporters.map(\.id.description) == [
                "otlp/plain", "otlp_grpc", "jaeger", "tempo/eu", "otlp/socket", "file/copy", "debug",
            ])
        let plain = try otlp(0)
        #expect(plain.backend == .otlp)
        #expect(plain.client.endpoint == .host(NetworkAddress(host: "collector.internal", port: 4317)))
        #expect(plain.client.compression == .none)
        #expect(plain.client.waitForReady)
        #expect(plain.client.balancer == .pickFirst)
        #expect(plain.client.authority == "traces.internal")
        #expect(
            plain.client.headers == [
                HeaderConfig(name: "authorization", value: "Bearer abc"), HeaderConfig(name: "x-team", value: "42"),
            ])
        #expect(plain.client.keepalive?.time == 20_000_000_000)
        #expect(plain.client.keepalive?.timeout == 4_000_000_000)
        #expect(plain.client.keepalive?.permitWithoutStream == true)
        #expect(plain.timeout == 10_000_000_000)
        #expect(plain.queue?.numConsumers == 4)
        #expect(plain.queue?.queueSize == 64_000_000)
        #expect(plain.queue?.sizer == .bytes)
        #expect(plain.queue?.blockOnOverflow == true)
        #expect(plain.queue?.maximumBytes == 48 << 20 && plain.queue?.hasOwnSize == true)
        #expect(plain.retry?.initialInterval == 1_000_000_000)
        #expect(plain.retry?.maxInterval == 10_000_000_000)
        #expect(plain.retry?.multiplier == 2)
        #expect(plain.retry?.randomizationFactor == 0.2)
        #expect(plain.retry?.maxElapsedTime == 0)

        let grpc = try otlp(1)
        #expect(grpc.client.endpoint == .host(NetworkAddress(host: "::1", port: 4317)))
        #expect(grpc.client.endpointText == "dns:///[::1]:4317")
        #expect(grpc.client.compression == .gzip)
        #expect(grpc.queue == nil && grpc.retry == nil)
        #expect(grpc.timeout == 5_000_000_000)

        let jaeger = try otlp(2)
        #expect(jaeger.backend == .jaeger)
        #expect(jaeger.queue == nil)
        #expect(jaeger.client.endpoint == .host(NetworkAddress(host: "jaeger-collector", port: 4317)))

        let tempo = try otlp(3)
        #expect(tempo.backend == .tempo)
        #expect(tempo.tenant == "shop")
        #expect(tempo.queue == QueueConfig())
        #expect(tempo.retry == RetryConfig())
        #expect(tempo.retry?.maxElapsedTime == 300_000_000_000)
        #expect(tempo.queue?.queueSize == 1000 && tempo.queue?.maximumBytes == nil)

        #expect(try otlp(4).client.endpoint == .unix("/run/otlp.sock"))
        guard case .file(let file) = config.exporters[5].kind else { throw Missing() }
        #expect(file.path == "/var/lib/tailgate/traces.jsonl" && file.append && file.flushInterval == 5_000_000_000)
        guard case .debug(let debug) = config.exporters[6].kind else { throw Missing() }
        #expect(debug.verbosity == .detailed && debug.samplingInitial == 5 && debug.samplingThereafter == 200)
    }

    @Test func service() {
        #expect(config.healthCheck?.endpoint == NetworkAddress(host: "0.0.0.0", port: 13_133))
        #expect(config.healthCheck?.path == "/health")
        #expect(config.telemetry.logLevel == .warn)
        #expect(config.telemetry.metricsLevel == .detailed)
        #expect(config.telemetry.metricsAddress.description == "0.0.0.0:9464")
        #expect(config.shutdownTimeout == 60_000_000_000)
    }

    @Test func shortForms() throws {
        let (config, problems) = load(minimal())
        #expect(problems.all == [])
        let node = try #require(config)
        #expect(node.pipelines[0].memoryLimiter == nil && node.pipelines[0].batch == nil && node.healthCheck == nil)
        #expect(node.tailSampling?.decisionWait == 30_000_000_000)
        #expect(node.tailSampling?.sampledCacheSize == nil)
        #expect(node.telemetry == TelemetryConfig())
        #expect(node.shutdownTimeout == 30_000_000_000)
    }

    @Test func theOldFormOfTheMetricsAddress() {
        let (config, problems) = load(minimal(service: "telemetry: {metrics: {level: none, address: \":9999\"}}"))
        #expect(problems.all == [])
        #expect(config?.telemetry.metricsAddress == NetworkAddress(host: "", port: 9999))
        #expect(config?.telemetry.metricsLevel == TelemetryConfig.MetricsLevel.none)
    }

    @Test func percentagesOfMemory() {
        var config = MemoryLimiterConfig(
            id: ComponentID(type: "memory_limiter"), checkInterval: 1, limit: .percentage(80), spike: nil)
        #expect(config.limits(ofTotalBytes: 1_000_000).hard == 800_000)
        #expect(config.limits(ofTotalBytes: 1_000_000).soft == 640_000)
        config.spike = .percentage(30)
        #expect(config.limits(ofTotalBytes: 1_000_000).soft == 500_000)
    }
}

/// The smallest configuration that loads, with one section changed.
func minimal(
    receiver: String = "protocols: {grpc: }", sampling: String = "policies: [{name: all, type: always_sample}]",
    processors: String = "", exporter: String = "debug: {}", extensions: String = "", pipeline: String? = nil,
    service: String = ""
) -> String {
    let name = exporter.prefix { $0 != ":" }
    let used = pipeline ?? "receivers: [otlp], processors: [tail_sampling], exporters: [\(name)]"
    return """
        receivers: {otlp: {\(receiver)}}
        processors: {tail_sampling: {\(sampling)}\(processors.isEmpty ? "" : ", " + processors)}
        exporters: {\(exporter)}
        extensions: {\(extensions)}
        service:
          pipelines: {traces: {\(used)}}
          \(service)
        """
}

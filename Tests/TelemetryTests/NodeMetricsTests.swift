import Testing

@testable import Telemetry

@Suite struct NodeMetricsTests {
    static func settings() -> NodeMetricsSettings {
        var settings = NodeMetricsSettings(
            version: "0.1.0", swiftVersion: "6.3", instanceID: "host:4317", workerCount: 2,
            allocatorVersion: "5.3.0")
        settings.policyNames = ["errors", "slow"]
        settings.destinations = [
            DestinationIdentity(name: "otlp/tempo", serverAddress: "tempo", serverPort: 4317),
            DestinationIdentity(name: "file"),
        ]
        settings.memoryLimiter = "memory_limiter"
        settings.hasVirtualMemoryLimit = true
        return settings
    }

    @Test func familiesHaveGoodNames() throws {
        let layout = try NodeMetrics(Self.settings()).layout
        #expect(Set(layout.families.map(\.family.name)).count == layout.families.count)
        for family in layout.families.map(\.family) {
            let own = ["tailgate_", "process_", "target_"]
            #expect(own.contains { family.name.hasPrefix($0) } || isCollectors(family.name))
            #expect(family.help.hasSuffix(".") && !family.help.contains("\n"), "\(family.name)")
            let allowed = Set("abcdefghijklmnopqrstuvwxyz_0123456789")
            #expect(family.name.allSatisfy { allowed.contains($0) })
            guard !isCollectors(family.name) else { continue }
            #expect(
                (family.kind == .counter) == family.name.hasSuffix("_total"), "\(family.name)")
            #expect((family.kind == .info) == family.name.hasSuffix("_info"), "\(family.name)")
            if let unit = family.unit {
                #expect(family.name.contains("_\(unit)"), "\(family.name)")
            }
        }
    }

    private func isCollectors(_ name: String) -> Bool { name.hasPrefix("otelcol_") }

    /// The samples of OpenMetrics families must not collide with one another.
    @Test func noSampleNameBelongsToTwoFamilies() throws {
        let layout = try NodeMetrics(Self.settings()).layout
        var names: Set<String> = []
        for family in layout.families.map(\.family) {
            let endings: [String] =
                switch family.kind {
                case .histogram: ["", "_bucket", "_sum", "_count", "_created"]
                default: [""]
                }
            for ending in endings {
                #expect(names.insert(family.name + ending).inserted, "\(family.name)\(ending)")
            }
        }
    }

    @Test func namesAndLabelsOfTheCollector() throws {
        let node = try NodeMetrics(Self.settings())
        let cells = MetricCells(node.layout)
        cells.add(node.receivers[0].acceptedSpans, 1024)
        cells.add(node.destinations[0].sentSpans, 9)
        cells.add(node.policies[0].traces[.notSampled], 4)
        cells.add(node.sampling.tracesByDecision[.sampled], 2)
        cells.add(node.sampling.earlyReleasesSampled, 3)
        cells.observe(node.sampling.decisionTimerLatency, 3)
        node.memoryLimiter?.countAccepted(7, in: cells)
        node.memoryLimiter?.countRefused(2, in: cells)
        node.batches[0].writeConstants(into: cells)
        let text = String(
            decoding: PrometheusText.render(node.layout, cells.snapshot(), as: .text),
            as: UTF8.self)
        let sampling = "otelcol_processor_tail_sampling_"
        for line in [
            "otelcol_receiver_accepted_spans{receiver=\"otlp\",transport=\"grpc\"} 1024",
            "otelcol_exporter_sent_spans{exporter=\"otlp/tempo\",server_address=\"tempo\","
                + "server_port=\"4317\"} 9",
            "otelcol_exporter_queue_size{exporter=\"file\",data_type=\"traces\"} 0",
            sampling + "count_traces_sampled{policy=\"errors\",sampled=\"false\","
                + "decision=\"not_sampled\"} 4",
            sampling + "global_count_traces_sampled{sampled=\"true\",decision=\"sampled\"} 2",
            sampling + "global_count_traces_sampled{sampled=\"false\",decision=\"dropped\"} 0",
            sampling + "early_releases_from_cache_decision{sampled=\"true\"} 3",
            sampling + "sampling_decision_timer_latency_bucket{le=\"2\"} 0",
            sampling + "sampling_decision_timer_latency_bucket{le=\"5\"} 1",
            sampling + "sampling_decision_timer_latency_sum 3",
            "otelcol_processor_memory_limiter_accepted_spans{processor=\"memory_limiter\"} 7",
            "otelcol_processor_memory_limiter_refused_spans{processor=\"memory_limiter\"} 2",
            "otelcol_processor_incoming_items{processor=\"memory_limiter\",otel_signal=\"traces\"} 9",
            "otelcol_processor_outgoing_items{processor=\"memory_limiter\",otel_signal=\"traces\"} 7",
            "otelcol_processor_batch_metadata_cardinality{processor=\"batch\"} 1",
            "tailgate_worker_busy_seconds_total{worker=\"1\"} 0",
            "tailgate_allocator_info{name=\"jemalloc\",version=\"5.3.0\"} 1",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line)")
        }
    }

    @Test func processFiguresAreEnteredInSeconds() throws {
        let node = try NodeMetrics(Self.settings())
        let cells = MetricCells(node.layout)
        var figures = ProcessFigures()
        figures.cpuNanoseconds = 1_250_000_000
        figures.startNanosecondsSinceEpoch = 1_700_000_000_120_000_000
        figures.uptimeNanoseconds = 60_000_000_000
        figures.openFDs = 12
        figures.maxFDs = 1024
        node.process.write(figures, into: cells)
        let text = String(
            decoding: PrometheusText.render(node.layout, cells.snapshot(), as: .text),
            as: UTF8.self)
        for line in [
            "process_cpu_seconds_total 1.25", "otelcol_process_cpu_seconds 1.25",
            "process_start_time_seconds 1700000000.12", "otelcol_process_uptime 60",
            "process_open_fds 12", "process_max_fds 1024",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line)")
        }
    }

    @Test func aNewConfigurationKeepsTheCountsOfWhatStays() throws {
        let before = try NodeMetrics(Self.settings())
        let cells = MetricCells(before.layout)
        cells.add(before.policies[1].executions, 5)
        var settings = Self.settings()
        settings.policyNames = ["new", "slow"]
        let after = try NodeMetrics(settings, extending: before.layout)
        cells.adopt(after.layout)
        #expect(cells.value(of: after.policies[1].executions) == 5)
        #expect(cells.value(of: after.policies[0].executions) == 0)
    }
}

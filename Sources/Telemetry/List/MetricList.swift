/// The list of metrics: every metric of a node, declared once.
///
/// - `otelcol_...`: what the OpenTelemetry Collector 0.156 also measures, under the names, labels
///   and buckets it has with its default reader, so that dashboards and alerts carry over. Why its
///   counters are printed as untyped: `MetricFamily.isCounterWithoutTotal`.
/// - `process_...`: what every Prometheus client exports about its process.
/// - `tailgate_...`: the rest, in base units, counters with `_total`.
///
/// Which series exist, and who writes them, is said by the structs that register them
/// (`ReceiverMetrics`, `DestinationMetrics`, ...). Label values come from the configuration or an
/// enumeration, never from a client.
///
/// Of the Collector's, `otelcol_process_runtime_total_alloc_bytes` is missing: jemalloc keeps no
/// cheap process-wide total of bytes ever allocated, and an invented figure would be worse.
package enum MetricList {}

// MARK: - Receiving

extension MetricList {
    static let receiverAcceptedSpans = MetricFamily(
        "otelcol_receiver_accepted_spans", .counter, labels: ["receiver", "transport"],
        help: "Spans taken over from clients.")
    static let receiverRefusedSpans = MetricFamily(
        "otelcol_receiver_refused_spans", .counter, labels: ["receiver", "transport"],
        help: "Spans of requests that were refused.")
    static let receiverFailedSpans = MetricFamily(
        "otelcol_receiver_failed_spans", .counter, labels: ["receiver", "transport"],
        help: "Spans that were not taken because of an internal error.")
    static let memoryLimiterAcceptedSpans = MetricFamily(
        "otelcol_processor_memory_limiter_accepted_spans", .counter, labels: ["processor"],
        help: "Spans let through by the memory limiter.")
    static let memoryLimiterRefusedSpans = MetricFamily(
        "otelcol_processor_memory_limiter_refused_spans", .counter, labels: ["processor"],
        help: "Spans refused by the memory limiter.")
    static let processorIncomingItems = MetricFamily(
        "otelcol_processor_incoming_items", .counter, labels: ["processor", "otel_signal"],
        help: "Spans that came to the processor.")
    static let processorOutgoingItems = MetricFamily(
        "otelcol_processor_outgoing_items", .counter, labels: ["processor", "otel_signal"],
        help: "Spans that the processor let through.")

    static let acceptedRequests = MetricFamily(
        "tailgate_accepted_requests_total", .counter, labels: ["receiver", "transport"],
        help: "Export requests answered with OK.")
    static let refusedRequests = MetricFamily(
        "tailgate_refused_requests_total", .counter, labels: ["reason"],
        help: "Requests refused as a whole, by reason.")
    static let refusedSpans = MetricFamily(
        "tailgate_refused_spans_total", .counter, labels: ["reason"],
        help: "Spans of refused requests, as far as they could be counted, by reason.")
    static let rejectedSpans = MetricFamily(
        "tailgate_rejected_spans_total", .counter, labels: ["reason"],
        help: "Malformed spans left out of accepted requests (partial success), by reason.")
    static let receivedBodyBytes = MetricFamily(
        "tailgate_received_body_bytes_total", .counter, unit: "bytes", labels: ["encoding"],
        help: "Bytes of request bodies as they came over the wire, by content coding.")
    static let inflatedBodyBytes = MetricFamily(
        "tailgate_inflated_body_bytes_total", .counter, unit: "bytes",
        help: "Bytes of compressed request bodies after inflating.")
}

// MARK: - Connections

extension MetricList {
    static let connections = MetricFamily(
        "tailgate_connections", .gauge, help: "Client connections open now.")
    static let connectionsOpened = MetricFamily(
        "tailgate_connections_opened_total", .counter, help: "Client connections accepted.")
    static let connectionsClosed = MetricFamily(
        "tailgate_connections_closed_total", .counter, labels: ["reason"],
        help: "Client connections closed, by reason.")
    static let streams = MetricFamily(
        "tailgate_streams", .gauge, help: "HTTP/2 streams of clients open now.")
    static let streamsOpened = MetricFamily(
        "tailgate_streams_opened_total", .counter, help: "HTTP/2 streams opened by clients.")
    static let streamsReset = MetricFamily(
        "tailgate_streams_reset_total", .counter, labels: ["by"],
        help: "HTTP/2 streams reset before they were done, by which side.")
    static let floods = MetricFamily(
        "tailgate_floods_total", .counter, labels: ["kind"],
        help: "Client connections closed for abuse, by what they did too much of.")
    static let memoryRefusals = MetricFamily(
        "tailgate_memory_refusals_total", .counter, labels: ["reason"],
        help: "Times that there was no memory for a client's request: full, share (kept for clients that took less), address (kept "
            + "for other addresses), slow (its body came too slowly).")
    static let http2ProtocolViolations = MetricFamily(
        "tailgate_http2_protocol_violations_total", .counter,
        help: "Frames of clients that broke HTTP/2 or its limits.")
}

// MARK: - Sampling

extension MetricList {
    static let policyTraces = MetricFamily(
        "otelcol_processor_tail_sampling_count_traces_sampled", .counter,
        labels: ["policy", "sampled", "decision"],
        help: "Traces evaluated by a policy, by its result.")
    static let policySpans = MetricFamily(
        "otelcol_processor_tail_sampling_count_spans_sampled", .counter,
        labels: ["policy", "sampled", "decision"],
        help: "Spans of traces evaluated by a policy, by its result.")
    static let policyBytes = MetricFamily(
        "otelcol_processor_tail_sampling_count_bytes_sampled", .counter, unit: nil,
        labels: ["policy", "sampled", "decision"],
        help: "Bytes of traces evaluated by a policy, by its result.")
    static let globalTraces = MetricFamily(
        "otelcol_processor_tail_sampling_global_count_traces_sampled", .counter,
        labels: ["sampled", "decision"],
        help: "Traces decided, by final decision.")
    static let newTraces = MetricFamily(
        "otelcol_processor_tail_sampling_new_trace_id_received", .counter,
        help: "Traces of which a first span arrived.")
    static let earlyReleases = MetricFamily(
        "otelcol_processor_tail_sampling_early_releases_from_cache_decision", .counter,
        labels: ["sampled"],
        help: "Spans settled on arrival because the decision cache knew their trace.")
    static let decisionTimerLatency = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_decision_timer_latency",
        .histogram(bounds: [
            1, 2, 5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 3000, 4000,
            5000, 10000, 20000, 30000, 50000,
        ]),
        help: "Whole milliseconds that a run of the decision timer took.")
    static let lateSpanAge = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_late_span_age", .histogram(bounds: ageBounds),
        help: "Whole seconds from the decision on a trace to the arrival of a late span.")
    static let traceRemovalAge = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_trace_removal_age",
        .histogram(bounds: ageBounds),
        help: "Whole seconds from the first span of a trace to its removal from memory.")
    static let policyEvaluationErrors = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_policy_evaluation_error", .counter,
        help: "Policy evaluations that failed.")
    static let policyExecutions = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_policy_execution_count", .counter,
        labels: ["policy"], help: "Evaluations of a policy.")
    static let policyExecutionTime = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_policy_execution_time_sum", .counter,
        labels: ["policy"],
        help: "Microseconds spent evaluating a policy; measured on one trace in 64 and multiplied.")
    static let tracesDroppedTooEarly = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early", .counter,
        help: "Traces lost before they were decided; 0, since nothing is pushed out of memory here.")
    static let tracesDecidedEarly = MetricFamily(
        "tailgate_traces_decided_early_total", .counter, labels: ["reason"],
        help: "Traces decided before their time, on the spans that had come, by reason.")
    static let tracesOnMemory = MetricFamily(
        "otelcol_processor_tail_sampling_sampling_traces_on_memory", .gauge,
        help: "Traces in the trace table.")
    static let tracesDroppedTooLarge = MetricFamily(
        "otelcol_processor_tail_sampling_traces_dropped_too_large", .counter,
        help: "Traces dropped because they outgrew the size limit.")

    static let decisionLateness = MetricFamily(
        "tailgate_decision_lateness_seconds",
        .histogram(bounds: [
            1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
            2_000_000, 5_000_000, 10_000_000,
        ]), unit: "seconds", decimalPlaces: 6,
        help: "Time from the moment a trace was due to its decision.")
    static let traceWindow = MetricFamily(
        "tailgate_trace_window_seconds",
        .histogram(bounds: [
            100, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000,
            120_000, 300_000,
        ]), unit: "seconds", decimalPlaces: 3,
        help: "Time from the first span of a trace to its decision.")
    static let lateSpans = MetricFamily(
        "tailgate_late_spans_total", .counter, labels: ["decision"],
        help: "Spans that arrived after the decision on their trace, by that decision.")

    static let decisionRecordsBytes = MetricFamily(
        "tailgate_decision_records_bytes", .gauge, unit: "bytes",
        help: "Memory set aside for the records that explain decisions.")

    static let policyConditionErrors = MetricFamily(
        "tailgate_policy_condition_errors_total", .counter, labels: ["policy"],
        help: "OTTL conditions with error_mode ignore that could not be evaluated on a span or event, and counted as false.")

    static let policyReloads = MetricFamily(
        "tailgate_policy_reloads_total", .counter, labels: ["result"],
        help: "Changed configurations taken over (ok) or refused (failed) while running.")
    static let policyReloadSuccess = MetricFamily(
        "tailgate_policy_reload_last_success_timestamp_seconds", .gauge, unit: "seconds",
        decimalPlaces: 3,
        help: "When the policies in force were taken over, seconds since unix epoch.")
    static let policyReloadLastOK = MetricFamily(
        "tailgate_policy_reload_last_ok", .gauge,
        help: "1 if the last changed configuration was taken over, 0 if it was refused.")
    static let policyVersion = MetricFamily(
        "tailgate_policy_version", .gauge,
        help: "Number of the policies in force; counts up with every change.")
    static let policyVersionsInUse = MetricFamily(
        "tailgate_policy_versions_in_use", .gauge,
        help: "Versions of the policies that some undecided trace is judged by, and the one in force.")
    static let policyInfo = MetricFamily(
        "tailgate_policy_info", .info, labels: ["version", "hash"],
        help: "The policies in force.")

    static let shadowTraces = MetricFamily(
        "tailgate_shadow_traces_total", .counter, labels: ["live", "shadow"],
        help: "Traces by the decision in force and the one that the shadow policies would have made.")
    static let shadowPolicyTraces = MetricFamily(
        "tailgate_shadow_policy_traces_total", .counter, labels: ["policy", "decision"],
        help: "Traces evaluated by a shadow policy, by its result.")

    private static let ageBounds = [
        0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000,
    ]
}

// MARK: - The window in memory

extension MetricList {
    static let repairedSpans = MetricFamily(
        "tailgate_repaired_spans_total", .counter,
        help: "Kept spans with text that was no UTF-8 and was repaired, as backends refuse it.")
    static let windowTraces = MetricFamily(
        "tailgate_window_traces", .gauge, help: "Traces that wait for their decision.")
    static let windowSpans = MetricFamily(
        "tailgate_window_spans", .gauge, help: "Spans that wait for a decision.")
    static let windowBytes = MetricFamily(
        "tailgate_window_bytes", .gauge, unit: "bytes",
        help: "Bytes of the spans that wait for a decision.")
    static let segments = MetricFamily(
        "tailgate_segments", .gauge, help: "Time segments that hold spans.")
    static let segmentUsedBytes = MetricFamily(
        "tailgate_segment_used_bytes", .gauge, unit: "bytes",
        help: "Bytes written in the time segments.")
    static let segmentAllocatedBytes = MetricFamily(
        "tailgate_segment_allocated_bytes", .gauge, unit: "bytes",
        help: "Bytes that the time segments occupy.")
}

// MARK: - Batching and delivery

extension MetricList {
    static let batchSendSize = MetricFamily(
        "otelcol_processor_batch_batch_send_size", .histogram(bounds: batchBounds),
        labels: ["processor"], help: "Spans in an assembled batch.")
    static let batchSizeTriggers = MetricFamily(
        "otelcol_processor_batch_batch_size_trigger_send", .counter, labels: ["processor"],
        help: "Batches sent because they were full.")
    static let batchTimeoutTriggers = MetricFamily(
        "otelcol_processor_batch_timeout_trigger_send", .counter, labels: ["processor"],
        help: "Batches sent because they were old.")
    static let batchMetadataCardinality = MetricFamily(
        "otelcol_processor_batch_metadata_cardinality", .gauge, labels: ["processor"],
        help: "Combinations of client metadata that batches are told apart by: 1, none is left after sampling.")
    static let exporterSentSpans = MetricFamily(
        "otelcol_exporter_sent_spans", .counter, labels: endpointLabels,
        help: "Spans that a destination has taken.")
    static let exporterSendFailedSpans = MetricFamily(
        "otelcol_exporter_send_failed_spans", .counter, labels: endpointLabels,
        help: "Spans given up because sending them failed for good.")
    static let exporterEnqueueFailedSpans = MetricFamily(
        "otelcol_exporter_enqueue_failed_spans", .counter, labels: ["exporter"],
        help: "Spans that found no room in the queue.")
    static let exporterQueueSize = MetricFamily(
        "otelcol_exporter_queue_size", .gauge, labels: ["exporter", "data_type"],
        help: "Fill of the queue, in the unit of its capacity.")
    static let exporterQueueCapacity = MetricFamily(
        "otelcol_exporter_queue_capacity", .gauge, labels: ["exporter", "data_type"],
        help: "Capacity of the queue: requests, spans or bytes as configured.")
    static let exporterInFlightRequests = MetricFamily(
        "otelcol_exporter_in_flight_requests", .gauge, labels: ["exporter", "data_type"],
        help: "Requests under way to a destination, waiting for a retry included.")

    static let exportAttempts = MetricFamily(
        "tailgate_export_attempts_total", .counter, labels: ["destination", "outcome"],
        help: "Attempts to send a request to a destination, by outcome.")
    static let exportDuration = MetricFamily(
        "tailgate_export_duration_seconds",
        .histogram(bounds: [
            1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
            2_000_000, 5_000_000, 10_000_000, 30_000_000,
        ]), unit: "seconds", decimalPlaces: 6, labels: ["destination"],
        help: "Time from sending a request to its answer, per attempt.")
    static let exportedBytes = MetricFamily(
        "tailgate_exported_bytes_total", .counter, unit: "bytes", labels: ["destination"],
        help: "Bytes of requests that a destination has taken, before compression.")
    static let exportQueueBytes = MetricFamily(
        "tailgate_export_queue_bytes", .gauge, unit: "bytes", labels: ["destination"],
        help: "Bytes of memory held for a destination, retries and compressed forms included.")
    static let exportQueueLimitBytes = MetricFamily(
        "tailgate_export_queue_limit_bytes", .gauge, unit: "bytes", labels: ["destination"],
        help: "Bytes of memory that may be held for a destination: its share of the memory limit, or `sending_queue.max_bytes`.")
    static let exporterQueueFill = MetricFamily(
        "tailgate_exporter_queue_fill_ratio", .gauge, decimalPlaces: 6, labels: ["exporter", "data_type"],
        help: "Fill of the queue, 0 to 1: of `queue_size` or of the bytes of memory that it may hold, whichever is more.")
    static let exportCircuitOpen = MetricFamily(
        "tailgate_export_circuit_open", .gauge, labels: ["destination"],
        help: "1 while a destination is left alone after failures, else 0.")

    static let passedOnSentRequests = MetricFamily(
        "tailgate_passed_on_sent_requests_total", .counter, labels: ["exporter", "signal"],
        help: "Requests of metrics or logs that a destination has taken.")
    static let passedOnFailedRequests = MetricFamily(
        "tailgate_passed_on_send_failed_requests_total", .counter, labels: ["exporter", "signal"],
        help: "Requests of metrics or logs that a destination refused for good or did not take in time.")
    static let passedOnEnqueueFailedRequests = MetricFamily(
        "tailgate_passed_on_enqueue_failed_requests_total", .counter, labels: ["exporter", "signal"],
        help: "Requests of metrics or logs that found no room in the queue of a destination.")

    private static let endpointLabels = ["exporter", "server_address", "server_port"]
    private static let batchBounds = [
        10, 25, 50, 75, 100, 250, 500, 750, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000,
        10000, 20000, 30000, 50000, 100000,
    ]
}

// MARK: - Ledger

extension MetricList {
    static let ledgerSpans = MetricFamily(
        "tailgate_ledger_spans", .gauge, labels: ["column"],
        help: "Spans of this node by ledger column; accepted is the sum of the others.")
    static let ledgerDestinationSpans = MetricFamily(
        "tailgate_ledger_destination_spans", .gauge, labels: ["destination", "column"],
        help: "Sampled spans by destination and ledger column; they add up to sampled.")
    static let ledgerDifference = MetricFamily(
        "tailgate_ledger_difference_spans", .gauge,
        help: "Spans by which the ledger does not balance. Anything but 0 is a bug.")
    static let lostSpans = MetricFamily(
        "tailgate_lost_spans_total", .counter, labels: ["destination", "reason"],
        help: "Sampled spans that a destination will never get, by reason; destination `undecided`: lost before a decision.")
}

// MARK: - The node

extension MetricList {
    static let targetInfo = MetricFamily(
        "target_info", .info, labels: ["service_name", "service_version", "service_instance_id"],
        help: "What this process is, as OpenTelemetry resource attributes.")
    static let buildInfo = MetricFamily(
        "tailgate_build_info", .info, labels: ["version", "swift_version"],
        help: "The build that runs.")
    static let ready = MetricFamily(
        "tailgate_ready", .gauge, help: "1 while the node takes requests, else 0.")
    static let workerBusyTime = MetricFamily(
        "tailgate_worker_busy_seconds_total", .counter, unit: "seconds", decimalPlaces: 9,
        labels: ["worker"],
        help: "Time in which a worker did something; its rate is the load of the worker.")
    static let memoryLimit = MetricFamily(
        "tailgate_memory_limit_bytes", .gauge, unit: "bytes",
        help: "Memory budget of the node.")
    static let memorySoftLimit = MetricFamily(
        "tailgate_memory_soft_limit_bytes", .gauge, unit: "bytes",
        help: "Memory in use from which on requests are refused.")
    static let memoryUsed = MetricFamily(
        "tailgate_memory_used_bytes", .gauge, unit: "bytes",
        help: "Memory in use as the memory limiter sees it.")
    static let allocatorInfo = MetricFamily(
        "tailgate_allocator_info", .info, labels: ["name", "version"],
        help: "The memory allocator in use.")
    static let allocatorAllocatedBytes = MetricFamily(
        "tailgate_allocator_allocated_bytes", .gauge, unit: "bytes",
        help: "Bytes handed out by the allocator.")
    static let allocatorActiveBytes = MetricFamily(
        "tailgate_allocator_active_bytes", .gauge, unit: "bytes",
        help: "Bytes in pages from which the allocator has handed out something.")
    static let allocatorResidentBytes = MetricFamily(
        "tailgate_allocator_resident_bytes", .gauge, unit: "bytes",
        help: "Bytes of physical memory that the allocator holds.")

    static let collectorUptime = MetricFamily(
        "otelcol_process_uptime", .counter, decimalPlaces: 9,
        help: "Seconds since the process started.")
    static let collectorCPUSeconds = MetricFamily(
        "otelcol_process_cpu_seconds", .counter, unit: "seconds", decimalPlaces: 9,
        help: "User and system CPU time of the process.")
    static let collectorMemoryRSS = MetricFamily(
        "otelcol_process_memory_rss", .gauge,
        help: "Bytes of physical memory of the process.")
    static let collectorHeapAllocBytes = MetricFamily(
        "otelcol_process_runtime_heap_alloc_bytes", .gauge, unit: "bytes",
        help: "Bytes handed out by the allocator.")
    static let collectorTotalSysMemoryBytes = MetricFamily(
        "otelcol_process_runtime_total_sys_memory_bytes", .gauge, unit: "bytes",
        help: "Bytes that the allocator holds from the system.")

    static let processCPUSeconds = MetricFamily(
        "process_cpu_seconds_total", .counter, unit: "seconds", decimalPlaces: 9,
        help: "Total user and system CPU time spent in seconds.")
    static let processOpenFDs = MetricFamily(
        "process_open_fds", .gauge, help: "Number of open file descriptors.")
    static let processMaxFDs = MetricFamily(
        "process_max_fds", .gauge, help: "Maximum number of open file descriptors.")
    static let processVirtualMemoryBytes = MetricFamily(
        "process_virtual_memory_bytes", .gauge, unit: "bytes",
        help: "Virtual memory size in bytes.")
    static let processVirtualMemoryMaxBytes = MetricFamily(
        "process_virtual_memory_max_bytes", .gauge, unit: "bytes",
        help: "Maximum amount of virtual memory available in bytes.")
    static let processResidentMemoryBytes = MetricFamily(
        "process_resident_memory_bytes", .gauge, unit: "bytes",
        help: "Resident memory size in bytes.")
    static let processStartTime = MetricFamily(
        "process_start_time_seconds", .gauge, unit: "seconds", decimalPlaces: 9,
        help: "Start time of the process since unix epoch in seconds.")
    static let processThreads = MetricFamily(
        "process_threads", .gauge, help: "Number of OS threads in the process.")
}

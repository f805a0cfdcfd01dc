/// Where a destination is and what it is called, for its labels.
package struct DestinationIdentity: Sendable, Equatable {
    /// The exporter's id in the configuration: `otlp/tempo`, `jaeger`.
    package var name: String
    /// Host of the endpoint; empty for a file.
    package var serverAddress: String
    /// Port of the endpoint; nil for a file.
    package var serverPort: Int?

    package init(name: String, serverAddress: String = "", serverPort: Int? = nil) {
        self.name = name
        self.serverAddress = serverAddress
        self.serverPort = serverPort
    }
}

/// What the home worker of a destination counts for it.
package struct DestinationMetrics: Sendable {
    package let sentSpans: CounterID
    package let sendFailedSpans: CounterID
    package let enqueueFailedSpans: CounterID
    package let queueSize: GaugeID
    package let queueCapacity: GaugeID
    package let inFlightRequests: GaugeID
    package let attempts: LabelledCounters<AttemptOutcome>
    /// Unit: microseconds.
    package let duration: HistogramID
    package let exportedBytes: CounterID
    package let queueBytes: GaugeID
    package let queueLimitBytes: GaugeID
    /// Unit: millionths.
    package let queueFill: GaugeID
    package let circuitOpen: GaugeID

    package init(
        _ destination: DestinationIdentity, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        typealias List = MetricList
        let name = destination.name
        let address = destination.serverAddress
        let port = destination.serverPort.map { String($0) } ?? ""
        sentSpans = try catalog.counter(List.exporterSentSpans, name, address, port)
        sendFailedSpans = try catalog.counter(List.exporterSendFailedSpans, name, address, port)
        enqueueFailedSpans = try catalog.counter(List.exporterEnqueueFailedSpans, name)
        queueSize = try catalog.gauge(List.exporterQueueSize, name, "traces")
        queueCapacity = try catalog.gauge(List.exporterQueueCapacity, name, "traces")
        inFlightRequests = try catalog.gauge(List.exporterInFlightRequests, name, "traces")
        attempts = try catalog.counters(List.exportAttempts, name)
        duration = try catalog.histogram(List.exportDuration, name)
        exportedBytes = try catalog.counter(List.exportedBytes, name)
        queueBytes = try catalog.gauge(List.exportQueueBytes, name)
        queueLimitBytes = try catalog.gauge(List.exportQueueLimitBytes, name)
        queueFill = try catalog.gauge(List.exporterQueueFill, name, "traces")
        circuitOpen = try catalog.gauge(List.exportCircuitOpen, name)
    }
}

/// A destination of a signal that is passed on.
package struct PassThroughIdentity: Sendable, Equatable {
    package var destination: DestinationIdentity
    /// `metrics` or `logs`.
    package var signal: String

    package init(destination: DestinationIdentity, signal: String) {
        self.destination = destination
        self.signal = signal
    }
}

extension DestinationMetrics {
    /// For metrics and logs: the unit is the request, since nobody looks into them, and the families are others.
    package init(
        _ identity: PassThroughIdentity, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        typealias List = MetricList
        let (name, signal) = (identity.destination.name, identity.signal)
        let label = "\(name) (\(signal))"
        sentSpans = try catalog.counter(List.passedOnSentRequests, name, signal)
        sendFailedSpans = try catalog.counter(List.passedOnFailedRequests, name, signal)
        enqueueFailedSpans = try catalog.counter(List.passedOnEnqueueFailedRequests, name, signal)
        queueSize = try catalog.gauge(List.exporterQueueSize, name, signal)
        queueCapacity = try catalog.gauge(List.exporterQueueCapacity, name, signal)
        inFlightRequests = try catalog.gauge(List.exporterInFlightRequests, name, signal)
        attempts = try catalog.counters(List.exportAttempts, label)
        duration = try catalog.histogram(List.exportDuration, label)
        exportedBytes = try catalog.counter(List.exportedBytes, label)
        queueBytes = try catalog.gauge(List.exportQueueBytes, label)
        queueLimitBytes = try catalog.gauge(List.exportQueueLimitBytes, label)
        queueFill = try catalog.gauge(List.exporterQueueFill, name, signal)
        circuitOpen = try catalog.gauge(List.exportCircuitOpen, label)
    }
}

/// What a worker counts when it assembles batches.
package struct BatchMetrics: Sendable {
    /// Unit: spans.
    package let sendSize: HistogramID
    package let sizeTriggers: CounterID
    package let timeoutTriggers: CounterID
    private let metadataCardinality: GaugeID

    /// - Parameter processor: the id of the `batch` processor in the configuration, or `batch`.
    package init(
        processor: String, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        sendSize = try catalog.histogram(MetricList.batchSendSize, processor)
        sizeTriggers = try catalog.counter(MetricList.batchSizeTriggers, processor)
        timeoutTriggers = try catalog.counter(MetricList.batchTimeoutTriggers, processor)
        metadataCardinality = try catalog.gauge(MetricList.batchMetadataCardinality, processor)
    }

    /// Enters what is the same at all times. By one writer of the node.
    package func writeConstants(into cells: MetricCells) { cells.set(metadataCardinality, 1) }
}

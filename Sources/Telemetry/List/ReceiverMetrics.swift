/// What a worker counts for one receiver and transport (`otlp`, `grpc`).
package struct ReceiverMetrics: Sendable {
    package let acceptedSpans: CounterID
    package let refusedSpans: CounterID
    package let failedSpans: CounterID
    package let acceptedRequests: CounterID

    package init(
        receiver: String, transport: String, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        typealias List = MetricList
        acceptedSpans = try catalog.counter(List.receiverAcceptedSpans, receiver, transport)
        refusedSpans = try catalog.counter(List.receiverRefusedSpans, receiver, transport)
        failedSpans = try catalog.counter(List.receiverFailedSpans, receiver, transport)
        acceptedRequests = try catalog.counter(List.acceptedRequests, receiver, transport)
    }
}

/// What a worker counts for all receivers together: requests by fate, and connections.
package struct IngressMetrics: Sendable {
    package let refusedRequests: LabelledCounters<RefusalReason>
    package let refusedSpans: LabelledCounters<RefusalReason>
    package let rejectedSpans: LabelledCounters<RejectionReason>
    package let receivedIdentityBytes: CounterID
    package let receivedGzipBytes: CounterID
    package let receivedDeflateBytes: CounterID
    package let inflatedBodyBytes: CounterID
    package let connections: GaugeID
    package let connectionsOpened: CounterID
    package let connectionsClosed: LabelledCounters<ConnectionCloseReason>
    package let floods: LabelledCounters<FloodKind>
    package let memoryRefusals: LabelledCounters<MemoryRefusal>
    package let streams: GaugeID
    package let streamsOpened: CounterID
    package let streamsResetByClient: CounterID
    package let streamsResetByServer: CounterID
    package let http2ProtocolViolations: CounterID

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        refusedRequests = try catalog.counters(List.refusedRequests)
        refusedSpans = try catalog.counters(List.refusedSpans)
        rejectedSpans = try catalog.counters(List.rejectedSpans)
        receivedIdentityBytes = try catalog.counter(List.receivedBodyBytes, "identity")
        receivedGzipBytes = try catalog.counter(List.receivedBodyBytes, "gzip")
        receivedDeflateBytes = try catalog.counter(List.receivedBodyBytes, "deflate")
        inflatedBodyBytes = try catalog.counter(List.inflatedBodyBytes)
        connections = try catalog.gauge(List.connections)
        connectionsOpened = try catalog.counter(List.connectionsOpened)
        connectionsClosed = try catalog.counters(List.connectionsClosed)
        floods = try catalog.counters(List.floods)
        memoryRefusals = try catalog.counters(List.memoryRefusals)
        streams = try catalog.gauge(List.streams)
        streamsOpened = try catalog.counter(List.streamsOpened)
        streamsResetByClient = try catalog.counter(List.streamsReset, "client")
        streamsResetByServer = try catalog.counter(List.streamsReset, "server")
        http2ProtocolViolations = try catalog.counter(List.http2ProtocolViolations)
    }
}

/// What a worker counts for a configured `memory_limiter`, under the names of both generations of the Collector.
package struct MemoryLimiterMetrics: Sendable {
    private let acceptedSpans: CounterID
    private let refusedSpans: CounterID
    private let incomingItems: CounterID
    private let outgoingItems: CounterID

    /// - Parameter processor: the component's id in the configuration.
    package init(
        processor: String, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        acceptedSpans = try catalog.counter(MetricList.memoryLimiterAcceptedSpans, processor)
        refusedSpans = try catalog.counter(MetricList.memoryLimiterRefusedSpans, processor)
        incomingItems = try catalog.counter(MetricList.processorIncomingItems, processor, "traces")
        outgoingItems = try catalog.counter(MetricList.processorOutgoingItems, processor, "traces")
    }

    /// Counts the spans of a request that there was memory for.
    package func countAccepted(_ spans: Int, in cells: MetricCells) {
        cells.add(acceptedSpans, spans)
        cells.add(incomingItems, spans)
        cells.add(outgoingItems, spans)
    }

    /// Counts the spans of a request that was refused for want of memory.
    package func countRefused(_ spans: Int, in cells: MetricCells) {
        cells.add(refusedSpans, spans)
        cells.add(incomingItems, spans)
    }
}

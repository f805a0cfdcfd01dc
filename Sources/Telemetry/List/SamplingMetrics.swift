/// What a worker counts about decisions and the window, whatever the policies.
package struct SamplingMetrics: Sendable {
    package let tracesByDecision: DecisionCounters
    package let newTraces: CounterID
    /// Spans settled by the decision cache. In the Collector's terms `dropped` is not sampled.
    package let earlyReleasesSampled: CounterID
    package let earlyReleasesNotSampled: CounterID
    /// Unit: whole milliseconds per tick.
    package let decisionTimerLatency: HistogramID
    /// Unit: whole seconds.
    package let lateSpanAge: HistogramID
    /// Unit: whole seconds.
    package let traceRemovalAge: HistogramID
    package let policyEvaluationErrors: CounterID
    package let tracesDroppedTooEarly: CounterID
    /// Decided early since there were more than `num_traces`.
    package let tracesDecidedEarly: CounterID
    package let tracesOnMemory: GaugeID
    package let tracesDroppedTooLarge: CounterID
    /// Unit: microseconds. One observation per decided trace.
    package let decisionLateness: HistogramID
    /// Unit: milliseconds. One observation per decided trace.
    package let traceWindow: HistogramID
    package let lateSpans: DecisionCounters
    /// Kept spans with text that was no UTF-8.
    package let repairedSpans: CounterID
    package let windowTraces: GaugeID
    package let windowSpans: GaugeID
    package let windowBytes: GaugeID
    package let segments: GaugeID
    package let segmentUsedBytes: GaugeID
    package let segmentAllocatedBytes: GaugeID
    package let decisionRecordsBytes: GaugeID

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        tracesByDecision = try catalog.decisionCounters(List.globalTraces)
        newTraces = try catalog.counter(List.newTraces)
        earlyReleasesSampled = try catalog.counter(List.earlyReleases, "true")
        earlyReleasesNotSampled = try catalog.counter(List.earlyReleases, "false")
        decisionTimerLatency = try catalog.histogram(List.decisionTimerLatency)
        lateSpanAge = try catalog.histogram(List.lateSpanAge)
        traceRemovalAge = try catalog.histogram(List.traceRemovalAge)
        policyEvaluationErrors = try catalog.counter(List.policyEvaluationErrors)
        tracesDroppedTooEarly = try catalog.counter(List.tracesDroppedTooEarly)
        tracesDecidedEarly = try catalog.counter(List.tracesDecidedEarly, "num_traces")
        tracesOnMemory = try catalog.gauge(List.tracesOnMemory)
        tracesDroppedTooLarge = try catalog.counter(List.tracesDroppedTooLarge)
        decisionLateness = try catalog.histogram(List.decisionLateness)
        traceWindow = try catalog.histogram(List.traceWindow)
        lateSpans = DecisionCounters(
            sampled: try catalog.counter(List.lateSpans, DecisionLabel.sampled.rawValue),
            notSampled: try catalog.counter(List.lateSpans, DecisionLabel.notSampled.rawValue),
            dropped: try catalog.counter(List.lateSpans, DecisionLabel.dropped.rawValue))
        repairedSpans = try catalog.counter(List.repairedSpans)
        windowTraces = try catalog.gauge(List.windowTraces)
        windowSpans = try catalog.gauge(List.windowSpans)
        windowBytes = try catalog.gauge(List.windowBytes)
        segments = try catalog.gauge(List.segments)
        segmentUsedBytes = try catalog.gauge(List.segmentUsedBytes)
        segmentAllocatedBytes = try catalog.gauge(List.segmentAllocatedBytes)
        decisionRecordsBytes = try catalog.gauge(List.decisionRecordsBytes)
    }
}

/// What a worker counts for one policy.
package struct PolicyMetrics: Sendable {
    package let traces: DecisionCounters
    package let spans: DecisionCounters
    package let bytes: DecisionCounters
    package let executions: CounterID
    /// Unit: microseconds.
    package let executionTime: CounterID
    /// Written by the scrape.
    package let conditionErrors: CounterID

    /// - Parameter policy: the policy's name; under a component id `tail_sampling/NAME` the
    ///   Collector writes `NAME.policy`.
    package init(policy: String, in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        traces = try catalog.decisionCounters(List.policyTraces, policy)
        spans = try catalog.decisionCounters(List.policySpans, policy)
        bytes = try catalog.decisionCounters(List.policyBytes, policy)
        executions = try catalog.counter(List.policyExecutions, policy)
        executionTime = try catalog.counter(List.policyExecutionTime, policy)
        conditionErrors = try catalog.counter(List.policyConditionErrors, policy)
    }
}

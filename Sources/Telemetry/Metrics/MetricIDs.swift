/// Place of a counter in the cells. From `MetricCatalog.counter`.
package struct CounterID: Sendable, Hashable {
    @usableFromInline let slot: Int

    init(slot: Int) { self.slot = slot }
}

/// Place of a gauge in the cells. From `MetricCatalog.gauge`.
package struct GaugeID: Sendable, Hashable {
    @usableFromInline let slot: Int

    init(slot: Int) { self.slot = slot }
}

/// Place of a histogram in the cells: its buckets in a row, then the sum. From
/// `MetricCatalog.histogram`.
package struct HistogramID: Sendable, Hashable {
    @usableFromInline let slot: Int
    /// Where its bounds begin in the layout's table of bounds.
    @usableFromInline let firstBound: Int
    @usableFromInline let boundCount: Int

    init(slot: Int, firstBound: Int, boundCount: Int) {
        self.slot = slot
        self.firstBound = firstBound
        self.boundCount = boundCount
    }
}

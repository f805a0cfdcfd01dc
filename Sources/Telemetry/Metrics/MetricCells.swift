/// The numbers of one writer: a worker, or the scrape itself for figures of the whole process.
///
/// Confined to its writer's event loop and not Sendable; hence no locks and no atomics. A scrape
/// asks each worker for a `snapshot()` on the worker's own loop and adds them up.
///
/// Additions wrap around on overflow rather than trap; at 10^9 a second that takes 292 years.
package final class MetricCells {
    @usableFromInline var slots: [Int]
    @usableFromInline var bounds: [Int]

    package init(_ layout: MetricLayout) {
        slots = [Int](repeating: 0, count: layout.slotCount)
        bounds = layout.bounds
    }

    /// Takes a layout that extends the present one; counts are kept, new cells are 0.
    package func adopt(_ layout: MetricLayout) {
        precondition(layout.slotCount >= slots.count, "a layout only grows")
        slots.append(contentsOf: repeatElement(0, count: layout.slotCount - slots.count))
        bounds = layout.bounds
    }

    /// Adds to a counter. `amount` must not be negative.
    @inlinable package func add(_ id: CounterID, _ amount: Int = 1) {
        slots[id.slot] &+= amount
    }

    /// Moves a gauge up or (negative) down. The sum over workers is the value of the node.
    @inlinable package func add(_ id: GaugeID, _ amount: Int) {
        slots[id.slot] &+= amount
    }

    /// Sets a gauge, in the family's cell units.
    @inlinable package func set(_ id: GaugeID, _ value: Int) {
        slots[id.slot] = value
    }

    /// Sets a counter that somebody else counts (the kernel, the allocator), in cell units.
    @inlinable package func set(_ id: CounterID, total: Int) {
        slots[id.slot] = total
    }

    /// Counts a value, in the family's cell units, `count` times.
    ///
    /// - Complexity: linear in the number of bounds not above the value; histograms here have at
    ///   most two dozen, and usual values fall into the first ones.
    @inlinable package func observe(_ id: HistogramID, _ value: Int, count: Int = 1) {
        var bucket = 0
        while bucket < id.boundCount && bounds[id.firstBound &+ bucket] < value { bucket &+= 1 }
        slots[id.slot &+ bucket] &+= count
        slots[id.slot &+ id.boundCount &+ 1] &+= value &* count
    }

    /// The present value of a counter, for the live table and tests.
    package func value(of id: CounterID) -> Int { slots[id.slot] }

    /// The present value of a gauge, in cell units.
    package func value(of id: GaugeID) -> Int { slots[id.slot] }

    /// All cells as they are now.
    ///
    /// - Complexity: O(1) here; the writer's next write copies the cells (a few kilobytes) if the
    ///   snapshot is still alive then.
    package func snapshot() -> MetricSnapshot { MetricSnapshot(slots: slots) }
}

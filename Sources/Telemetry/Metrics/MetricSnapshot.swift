/// Values of all cells at one moment; of one writer, or the sum of several.
package struct MetricSnapshot: Sendable, Equatable {
    private(set) var slots: [Int]

    init(slots: [Int]) { self.slots = slots }

    /// All zero: the sum of no writers.
    package init() { slots = [] }

    /// Adds another writer's cells, slot by slot. One that has not yet adopted an extended layout
    /// is shorter and counts as 0 in what it lacks.
    package mutating func add(_ other: MetricSnapshot) {
        if other.slots.count > slots.count {
            slots.append(
                contentsOf: repeatElement(0, count: other.slots.count - slots.count))
        }
        for slot in other.slots.indices { slots[slot] &+= other.slots[slot] }
    }

    /// The sum of the snapshots of all writers.
    package static func sum(_ snapshots: some Sequence<MetricSnapshot>) -> MetricSnapshot {
        var sum = MetricSnapshot()
        for snapshot in snapshots { sum.add(snapshot) }
        return sum
    }

    /// Value of a counter, in cell units.
    package func value(of id: CounterID) -> Int { self[id.slot] }

    /// Value of a gauge, in cell units.
    package func value(of id: GaugeID) -> Int { self[id.slot] }

    /// How many values a histogram has counted.
    package func count(of id: HistogramID) -> Int {
        (0...id.boundCount).reduce(0) { $0 &+ self[id.slot + $1] }
    }

    /// Sum of the values a histogram has counted, in cell units.
    package func sum(of id: HistogramID) -> Int { self[id.slot + id.boundCount + 1] }

    subscript(slot: Int) -> Int { slot < slots.count ? slots[slot] : 0 }
}

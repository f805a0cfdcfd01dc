/// Which cell holds what: families in the order they are printed, and the series of each.
///
/// Immutable once built by a `MetricCatalog`, shared by all workers and by whoever prints.
package struct MetricLayout: Sendable {
    /// One label set of a family, and the cell (or first cell) that counts it.
    package struct Series: Sendable {
        package let labelValues: [String]
        /// The labels as both formats print them: `name="value",name="value"`, escaped.
        let labelText: [UInt8]
        let slot: Int
    }

    /// A family with the series registered so far.
    package struct Family: Sendable {
        package let family: MetricFamily
        /// Where the bounds of a histogram begin in `MetricLayout.bounds`.
        let firstBound: Int
        package internal(set) var series: [Series]
    }

    package private(set) var families: [Family] = []
    /// Number of cells all series take together.
    package private(set) var slotCount = 0
    /// The bounds of all histograms, one after another.
    private(set) var bounds: [Int] = []

    package init() {}

    /// The place of a family in `families`; appends it if it is new.
    mutating func place(of family: MetricFamily) -> Int {
        if let place = families.firstIndex(where: { $0.family.name == family.name }) {
            precondition(families[place].family == family, "\(family.name) is declared twice")
            return place
        }
        families.append(Family(family: family, firstBound: bounds.count, series: []))
        if case .histogram(let familyBounds) = family.kind { bounds += familyBounds }
        return families.count - 1
    }

    /// Appends a series and gives its first cell.
    mutating func append(_ labelValues: [String], toFamilyAt place: Int) -> Int {
        let family = families[place].family
        let slot = slotCount
        let text = LabelText.bytes(names: family.labelNames, values: labelValues)
        families[place].series.append(
            Series(labelValues: labelValues, labelText: text, slot: slot))
        slotCount += family.slotsPerSeries
        return slot
    }
}

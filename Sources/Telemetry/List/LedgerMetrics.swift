/// The ledger as metrics. Written by the scrape into cells of its own, from a merged `Ledger`.
package struct LedgerMetrics: Sendable {
    private let columns: [(column: Ledger.Column, id: GaugeID)]
    private let destinations: [DestinationLedgerMetrics]
    private let undecided: LabelledCounters<UndecidedLossReason>
    private let difference: GaugeID

    /// What stands for a destination at spans that were lost before there was a decision on them; no exporter can have this name.
    package static let undecidedDestination = "undecided"

    /// - Parameter destinationNames: the exporters in the order of the ledger's cells.
    package init(
        destinationNames: [String], in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        var columns: [(column: Ledger.Column, id: GaugeID)] = []
        for column in Ledger.Column.allCases {
            columns.append((column, try catalog.gauge(MetricList.ledgerSpans, column.rawValue)))
        }
        self.columns = columns
        var destinations: [DestinationLedgerMetrics] = []
        for name in destinationNames {
            destinations.append(try DestinationLedgerMetrics(name, in: &catalog))
        }
        self.destinations = destinations
        undecided = try catalog.counters(MetricList.lostSpans, Self.undecidedDestination)
        difference = try catalog.gauge(MetricList.ledgerDifference)
    }

    /// Enters a ledger with the same destinations.
    package func write(_ ledger: Ledger, into cells: MetricCells) {
        for (column, id) in columns { cells.set(id, ledger[column]) }
        for (metrics, destination) in zip(destinations, ledger.destinations) {
            metrics.write(destination, into: cells)
        }
        for reason in UndecidedLossReason.allCases { cells.set(undecided[reason], total: 0) }
        for loss in ledger.undecidedLosses { cells.set(undecided[loss.reason], total: loss.spans) }
        cells.set(difference, ledger.difference)
    }
}

/// One destination of the ledger as metrics.
private struct DestinationLedgerMetrics: Sendable {
    private let columns: [(column: Ledger.Destination.Column, id: GaugeID)]
    private let lost: LabelledCounters<LossReason>

    init(_ name: String, in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        var columns: [(column: Ledger.Destination.Column, id: GaugeID)] = []
        for column in Ledger.Destination.Column.allCases {
            let id = try catalog.gauge(
                MetricList.ledgerDestinationSpans, name, column.rawValue)
            columns.append((column, id))
        }
        self.columns = columns
        lost = try catalog.counters(MetricList.lostSpans, name)
    }

    func write(_ destination: Ledger.Destination, into cells: MetricCells) {
        for (column, id) in columns { cells.set(id, destination[column]) }
        for loss in destination.losses { cells.set(lost[loss.reason], total: loss.spans) }
    }
}

/// What a metric is, as Prometheus knows it.
package enum MetricKind: Sendable, Equatable {
    /// Only grows while the process lives.
    case counter
    /// Goes up and down.
    case gauge
    /// Counts of values by upper bound, and their sum. `bounds` are ascending, in cell units.
    case histogram(bounds: [Int])
    /// The constant 1; the labels are the information.
    case info
}

/// One metric by name: what it measures, in which unit, and which labels its series carry.
///
/// Declared once, in `MetricList`. Cells hold integers; a family says with `decimalPlaces` how
/// many of their digits stand behind the point, so a value is printed exactly and no floating
/// point is needed: with 6 decimal places a cell of 1500 microseconds is printed as `0.0015`.
package struct MetricFamily: Sendable, Equatable {
    /// The name as text format 0.0.4 prints it, with `_total` or `_info` if it has such an ending.
    package let name: String
    package let kind: MetricKind
    /// The base unit (`seconds`, `bytes`) if the name ends in it, else nil.
    package let unit: String?
    /// One sentence for the HELP line.
    package let help: String
    /// Names of the labels, in the order in which a series gives their values.
    package let labelNames: [String]
    /// Cells hold multiples of 10^-decimalPlaces of the unit. From 0 to 9.
    package let decimalPlaces: Int

    package init(
        _ name: String, _ kind: MetricKind, unit: String? = nil, decimalPlaces: Int = 0,
        labels: [String] = [], help: String
    ) {
        precondition((0...9).contains(decimalPlaces), "decimalPlaces is from 0 to 9")
        if case .histogram(let bounds) = kind {
            precondition(
                zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds must ascend")
        }
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.labelNames = labels
        self.decimalPlaces = decimalPlaces
    }

    /// Whether this is a counter under a Collector name, which lacks the ending `_total`.
    ///
    /// The Collector's Prometheus reader leaves `_total` away by default, and dashboards count on
    /// those names. Both formats demand the ending of what they call a counter: OpenMetrics by its
    /// grammar, and `promtool check metrics` (2.42, measured) for text 0.0.4, where it also
    /// objects to endings such as `_count` and `_sum` that the Collector uses, unless the type is
    /// `untyped`. So such a family is printed as `untyped`, respectively `unknown`, which is also
    /// what the Go exposition library behind the Collector prints in OpenMetrics. Queries do not
    /// look at the type: `rate()` works as it did.
    package var isCounterWithoutTotal: Bool {
        kind == .counter && !name.hasSuffix("_total")
    }

    /// Number of cells that a series of this family takes.
    package var slotsPerSeries: Int {
        // one per bound, one for what is above the last, one for the sum
        if case .histogram(let bounds) = kind { bounds.count + 2 } else { 1 }
    }
}

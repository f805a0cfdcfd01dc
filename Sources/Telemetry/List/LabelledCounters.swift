/// One counter for each case of an enumeration. For what happens rarely (refusals, losses,
/// closed connections): finding the counter hashes the case's name.
package struct LabelledCounters<Label>: Sendable
where Label: CaseIterable & RawRepresentable & Hashable & Sendable, Label.RawValue == String {
    private let ids: [Label: CounterID]

    /// - Parameter register: registers the series whose last label has the given value.
    init(
        _ register: (String) throws(MetricCatalogError) -> CounterID
    ) throws(MetricCatalogError) {
        var ids: [Label: CounterID] = [:]
        for label in Label.allCases { ids[label] = try register(label.rawValue) }
        self.ids = ids
    }

    /// The counter of one case.
    package subscript(label: Label) -> CounterID {
        guard let id = ids[label] else {
            preconditionFailure("every case has been registered")
        }
        return id
    }
}

/// One counter for each decision, cheap enough to be used per trace.
package struct DecisionCounters: Sendable {
    package let sampled: CounterID
    package let notSampled: CounterID
    package let dropped: CounterID

    /// The counter of one decision.
    @inlinable package subscript(decision: DecisionLabel) -> CounterID {
        switch decision {
        case .sampled: sampled
        case .notSampled: notSampled
        case .dropped: dropped
        }
    }
}

extension MetricCatalog {
    /// One counter per case of an enumeration, which is the family's last label.
    mutating func counters<Label>(
        _ family: MetricFamily, _ leading: String...
    ) throws(MetricCatalogError) -> LabelledCounters<Label> {
        try LabelledCounters { label throws(MetricCatalogError) in
            try counter(family, labels: leading + [label])
        }
    }

    /// One counter per decision, for families whose last labels are `sampled` and `decision`.
    mutating func decisionCounters(
        _ family: MetricFamily, _ leading: String...
    ) throws(MetricCatalogError) -> DecisionCounters {
        let ids = try DecisionLabel.allCases.map { decision throws(MetricCatalogError) in
            let labels = leading + [decision.sampledLabel, decision.rawValue]
            return try counter(family, labels: labels)
        }
        return DecisionCounters(sampled: ids[0], notSampled: ids[1], dropped: ids[2])
    }
}

/// What a node tells about changes of its policies. Written by the scrape into cells of its own.
package struct ReloadMetrics: Sendable {
    package let ok: CounterID
    package let failed: CounterID
    /// Unit: milliseconds since 1970.
    package let lastSuccess: GaugeID
    package let lastOK: GaugeID
    package let version: GaugeID
    package let versionsInUse: GaugeID

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        ok = try catalog.counter(List.policyReloads, "ok")
        failed = try catalog.counter(List.policyReloads, "failed")
        lastSuccess = try catalog.gauge(List.policyReloadSuccess)
        lastOK = try catalog.gauge(List.policyReloadLastOK)
        version = try catalog.gauge(List.policyVersion)
        versionsInUse = try catalog.gauge(List.policyVersionsInUse)
    }
}

/// What a worker counts for a shadow set: pairs of decisions, in force first.
package struct ShadowMetrics: Sendable {
    private let pairs: [CounterID]

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        var pairs: [CounterID] = []
        for live in DecisionLabel.allCases {
            for shadow in DecisionLabel.allCases {
                pairs.append(try catalog.counter(MetricList.shadowTraces, live.rawValue, shadow.rawValue))
            }
        }
        self.pairs = pairs
    }

    package func traces(live: DecisionLabel, shadow: DecisionLabel) -> CounterID {
        func number(_ label: DecisionLabel) -> Int {
            switch label {
            case .sampled: 0
            case .notSampled: 1
            case .dropped: 2
            }
        }
        return pairs[number(live) * 3 + number(shadow)]
    }
}

/// What a worker counts for one shadow policy.
package struct ShadowPolicyMetrics: Sendable {
    package let sampled: CounterID
    package let notSampled: CounterID
    package let dropped: CounterID

    package init(policy: String, in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        sampled = try catalog.counter(MetricList.shadowPolicyTraces, policy, DecisionLabel.sampled.rawValue)
        notSampled = try catalog.counter(MetricList.shadowPolicyTraces, policy, DecisionLabel.notSampled.rawValue)
        dropped = try catalog.counter(MetricList.shadowPolicyTraces, policy, DecisionLabel.dropped.rawValue)
    }

    package subscript(label: DecisionLabel) -> CounterID {
        switch label {
        case .sampled: sampled
        case .notSampled: notSampled
        case .dropped: dropped
        }
    }
}

/// All policies that a node has had since it started, by number: their names and series. A value that only ever grows; every
/// worker adopts the newest one.
///
/// A name keeps its number and its series over all versions, so counters never go back. Bounded: names beyond `maximumNames`
/// share the last number, which is called `other`.
package struct PolicyBook: Sendable {
    /// Names that get a number of their own; what the decision caches can remember.
    package static let maximumNames = 1000
    /// The name of all further ones.
    package static let otherName = "other"

    package private(set) var layout: MetricLayout
    package private(set) var names: [String]
    /// By number.
    package private(set) var policies: [PolicyMetrics]
    package private(set) var shadowNames: [String] = []
    package private(set) var shadowPolicies: [ShadowPolicyMetrics] = []
    /// Nil until there is a shadow set.
    package private(set) var shadow: ShadowMetrics?

    /// The book of a node that starts.
    ///
    /// - Parameters:
    ///   - names: of its policies.
    ///   - metrics: with the series of these policies, in the same order.
    package init(names: [String], metrics: NodeMetrics) {
        layout = metrics.layout
        self.names = names
        policies = metrics.policies
    }

    /// The numbers of these policies; new ones are entered.
    ///
    /// - Parameter label: the name under which a policy's series stand.
    package mutating func numbers(of wanted: [String], label: (String) -> String) -> [UInt16] {
        wanted.map { name in
            if let known = names.firstIndex(of: name) { return UInt16(known) }
            let isOther = names.count >= Self.maximumNames
            if isOther && names.count > Self.maximumNames { return UInt16(Self.maximumNames) }
            var catalog = MetricCatalog(extending: layout)
            let entered = isOther ? Self.otherName : name
            guard let metrics = try? PolicyMetrics(policy: label(entered), in: &catalog) else {
                return UInt16(names.count - 1)
            }
            layout = catalog.layout()
            names.append(entered)
            policies.append(metrics)
            return UInt16(names.count - 1)
        }
    }

    /// The same for shadow policies.
    package mutating func shadowNumbers(of wanted: [String]) -> [UInt16] {
        if shadow == nil {
            var catalog = MetricCatalog(extending: layout)
            if let made = try? ShadowMetrics(in: &catalog) {
                shadow = made
                layout = catalog.layout()
            }
        }
        return wanted.map { name in
            if let known = shadowNames.firstIndex(of: name) { return UInt16(known) }
            let isOther = shadowNames.count >= Self.maximumNames
            if isOther && shadowNames.count > Self.maximumNames { return UInt16(Self.maximumNames) }
            var catalog = MetricCatalog(extending: layout)
            let entered = isOther ? Self.otherName : name
            guard let metrics = try? ShadowPolicyMetrics(policy: entered, in: &catalog) else {
                return UInt16(shadowNames.count - 1)
            }
            layout = catalog.layout()
            shadowNames.append(entered)
            shadowPolicies.append(metrics)
            return UInt16(shadowNames.count - 1)
        }
    }

    /// The layout with a series that says which policies are in force.
    package func layout(version: Int, hash: String) -> MetricLayout {
        var catalog = MetricCatalog(extending: layout)
        try? catalog.info(MetricList.policyInfo, "\(version)", hash)
        return catalog.layout()
    }
}

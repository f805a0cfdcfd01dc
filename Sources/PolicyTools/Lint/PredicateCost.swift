package import Sampling

/// What checking one condition costs per span that arrives. A condition that several policies share is checked once.
package struct PredicateCost: Sendable {
    /// Classes of cost, cheapest first. Nanoseconds are orders of magnitude on one core of today, for a span that has the attribute.
    package enum Class: Int, Sendable, Comparable, CaseIterable {
        /// Looks at what is read of every span anyway.
        case free
        /// Compares one more field or attribute.
        case cheap
        /// Searches a text by a regular expression, or parses a tracestate.
        case moderate
        /// Evaluates a condition of a language.
        case expensive

        package static func < (left: Class, right: Class) -> Bool { left.rawValue < right.rawValue }

        package var word: String {
            switch self {
            case .free: "free"
            case .cheap: "cheap"
            case .moderate: "moderate"
            case .expensive: "expensive"
            }
        }

        package var meaning: String {
            switch self {
            case .free: "read of every span anyway, about 1 ns"
            case .cheap: "one field or attribute compared, about 10 ns"
            case .moderate: "a regular expression or tracestate, about 50 ns"
            case .expensive: "an OTTL condition, 50 ns and more"
            }
        }
    }

    package var condition: String
    package var cost: Class
    /// The policies that look at it.
    package var policies: [String]

    /// The conditions of a compiled set, dearest first.
    package static func all(_ set: PolicySet) -> [PredicateCost] {
        var users: [Int: [String]] = [:]
        for position in set.policies.indices {
            for bit in set.predicates(ofPolicy: position).numbers { users[bit, default: []].append(set.policies[position].name) }
        }
        let costs = (0..<set.predicateCount).compactMap { bit -> PredicateCost? in
            guard let predicate = set.predicate(bit: bit) else { return nil }
            return PredicateCost(
                condition: set.describePredicate(bit: bit), cost: costClass(predicate), policies: users[bit] ?? [])
        }
        return costs.enumerated().sorted { ($1.element.cost, $0.offset) < ($0.element.cost, $1.offset) }.map(\.element)
    }

    private static func costClass(_ predicate: SpanPredicate) -> Class {
        switch predicate {
        case .statusCode, .isRoot, .w3cSampled, .duration: .free
        case .attribute(let attribute): costClass(attribute.test)
        case .name(let test): costClass(test)
        case .kind: .cheap
        case .traceState: .moderate
        case .condition: .expensive
        case .not(let inner): costClass(inner)
        case .all(let parts), .any(let parts): parts.map { costClass($0) }.max() ?? .free
        }
    }

    private static func costClass(_ test: ValueTest) -> Class {
        if case .text(let text) = test { return costClass(text) }
        return .cheap
    }

    private static func costClass(_ test: TextTest) -> Class {
        if case .matches = test { return .moderate }
        return .cheap
    }
}

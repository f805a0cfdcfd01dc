internal import ConfigTree

/// Which spans of a trace a condition is asked of, and how their answers make one.
package enum SpanMatch: String, Sendable, CaseIterable {
    /// Some span passes.
    case anySpan = "any_span"
    /// No span fails.
    case allSpans = "all_spans"
    /// A span without parent passes.
    case root

    static var field: PolicyField {
        PolicyField(
            "match", .text, default: "any_span",
            "Which spans must pass: some span of the trace, all its spans, or a root span.",
            allowed: allCases.map(\.rawValue), isExtension: true)
    }
}

/// A condition on a trace's spans as its summary holds it.
struct MatchedSpans: Sendable {
    var bits: PredicateBits
    var isInverted: Bool

    @inline(__always)
    func holds(_ trace: borrowing TraceSummary, _ context: borrowing DecisionContext) -> Bool {
        bits.intersects(trace, context) != isInverted
    }
}

extension PolicyBuilder {
    /// What must be checked of spans so that `predicate` can be asked of a trace in this way.
    ///
    /// - Parameter isInverted: the opposite is wanted: no span passes, some span fails, or no root passes.
    mutating func match(
        _ predicate: SpanPredicate, _ match: SpanMatch, isInverted: Bool = false, _ block: inout ConfigReader,
        key: String?
    ) -> MatchedSpans {
        switch match {
        case .anySpan: MatchedSpans(bits: bits(predicate, &block, key: key), isInverted: isInverted)
        case .allSpans: MatchedSpans(bits: bits(.not(predicate), &block, key: key), isInverted: !isInverted)
        case .root: MatchedSpans(bits: bits(.all([.isRoot, predicate]), &block, key: key), isInverted: isInverted)
        }
    }
}

package import OTLP

/// What a condition says of one span.
package enum SpanConditionOutcome: UInt8, Hashable, Sendable {
    case isFalse
    case isTrue
    /// It could not be evaluated on this span.
    case failed
}

/// A compiled condition of a language of its own (OTTL), evaluated on arriving spans.
///
/// Immutable, shared by all workers, and pure: the outcome depends on the span, its scope, its resource and the time alone. It is asked at
/// most once per span, and not at all for spans on which the answer can change nothing any more.
package protocol SpanCondition: Sendable {
    /// Two conditions with the same text are the same condition and are evaluated once for both.
    var text: String { get }

    /// As people should read it.
    var description: String { get }

    /// The attributes of spans and resources that it looks at under constant names: what is shown of a span that it held for.
    var spanAttributes: [[UInt8]] { get }
    var resourceAttributes: [[UInt8]] { get }

    /// The outcome on span number `record` of a request.
    ///
    /// - Parameters:
    ///   - body: the message that the index's offsets refer to.
    ///   - index: walked with the `interest` of the policy set that the condition belongs to.
    ///   - hits: the span's part of `index.spanHits`; a hit's `name` is what `PredicateCompiler.spanAttribute` returned.
    ///   - unixNanoseconds: when the span came.
    func evaluate(
        body: Span<UInt8>, index: borrowing RequestIndex, record: Int, hits: Range<Int>, unixNanoseconds: Int64
    ) -> SpanConditionOutcome
}

extension SpanCondition {
    package var spanAttributes: [[UInt8]] { [] }
    package var resourceAttributes: [[UInt8]] { [] }
}

/// The question whether a condition has this outcome.
package struct SpanConditionUse: Hashable, Sendable {
    package let condition: any SpanCondition
    package let outcome: SpanConditionOutcome

    package init(_ condition: any SpanCondition, is outcome: SpanConditionOutcome = .isTrue) {
        self.condition = condition
        self.outcome = outcome
    }

    package static func == (left: SpanConditionUse, right: SpanConditionUse) -> Bool {
        left.outcome == right.outcome && left.condition.text == right.condition.text
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(outcome)
        hasher.combine(condition.text)
    }
}

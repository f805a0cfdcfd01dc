internal import OTLP

/// What the conditions of a policy say of one span.
package struct OTTLListOutcome: Sendable, Equatable {
    package enum Verdict: UInt8, Sendable {
        case notMatched
        case matched
        /// A condition could not be evaluated, and `error_mode` is `propagate`.
        case failed
    }

    package var verdict: Verdict
    /// The first error, whatever became of it: what `error_mode: ignore` logs.
    package var error: OTTLEvaluationError?
    /// Which condition matched, or was the first to fail if none did; span conditions first, then those of events.
    package var condition: Int?
}

/// The `span` and `spanevent` lists of an `ottl_condition` policy with its error mode.
///
/// What the policy as a whole says, from what its spans say, in the order of the trace: with `ignore` and `silent` it samples
/// if any span is `matched`. With `propagate` the Collector stops at the first span that is `matched` or `failed`; which of
/// both comes first depends on the order of arrival, so the gateway decides by this instead: sampled if any span is `matched`,
/// failed if none is and any is `failed`, not sampled otherwise.
package struct OTTLConditionList: Sendable {
    /// The conditions on spans.
    package let span: [OTTLCondition]
    /// The conditions on events.
    package let spanEvent: [OTTLCondition]
    package let errorMode: OTTLErrorMode
    /// All conditions in one, span conditions first.
    private var program: OTTLProgram
    private let roots: [Int]

    /// - Parameters:
    ///   - span: of context `.span`.
    ///   - spanEvent: of context `.spanEvent`. One of both lists must have a condition for the policy to make sense.
    ///   - errorMode: nil for an absent `error_mode`, which means `silent`.
    package init(span: [OTTLCondition], spanEvent: [OTTLCondition], errorMode: OTTLErrorMode?) {
        self.span = span
        self.spanEvent = spanEvent
        self.errorMode = errorMode ?? .silent
        (program, roots) = OTTLProgram.joined((span + spanEvent).map { $0.program }) { _ in throw OTTLNoPatterns() }
    }

    /// The conditions as they were written, in the order of their numbers.
    package var texts: [String] { (span + spanEvent).map(\.text) }

    /// The attributes of spans that any of the conditions looks at, each once.
    package var spanAttributes: [[UInt8]] { Self.unique((span + spanEvent).flatMap { $0.spanAttributes }) }

    /// The attributes of resources that any of the conditions looks at, each once.
    package var resourceAttributes: [[UInt8]] { Self.unique((span + spanEvent).flatMap { $0.resourceAttributes }) }

    private static func unique(_ names: [[UInt8]]) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return names.filter { seen.insert($0).inserted }
    }

    /// Binds every condition; see `OTTLCondition.bind`.
    package mutating func bind(
        spanAttribute: ([UInt8]) -> UInt16?, resourceAttribute: ([UInt8]) -> UInt16?
    ) {
        program = program.renaming { map, name in map == .span ? spanAttribute(name) : resourceAttribute(name) }
    }

    /// The same lists and error mode give the same text: equal texts need one evaluation only.
    package var text: String {
        "\(errorMode.rawValue) span \(span.map { $0.text }) spanevent \(spanEvent.map { $0.text })"
    }

    /// The outcome on one span: the span conditions from the left, then those of events for each event; the first true
    /// one ends it. Every error that is passed over goes to `errors`, with the number of its condition.
    package func evaluate(_ input: inout OTTLSpanInput, errors: ConditionErrors? = nil) -> OTTLListOutcome {
        var result = OTTLListOutcome(verdict: .notMatched, error: nil, condition: nil)
        for index in span.indices where note(index, &input, &result, errors) { return result }
        guard !spanEvent.isEmpty else { return result }
        var events = EventCursor(input.record.range)
        defer { input.event = nil }
        while let event = events.next(input.body) {
            input.event = EventFields(input.body, event)
            for index in span.count..<roots.count where note(index, &input, &result, errors) { return result }
        }
        return result
    }

    /// Evaluates one condition and takes its outcome into account; whether that ends the evaluation.
    @inline(__always)
    private func note(
        _ condition: Int, _ input: inout OTTLSpanInput, _ result: inout OTTLListOutcome, _ errors: ConditionErrors?
    ) -> Bool {
        do throws(OTTLEvaluationError) {
            guard try program.isTrue(roots[condition], &input) else { return false }
            result.verdict = .matched
            result.condition = condition
            return true
        } catch {
            errors?.add(condition, error)
            if result.error == nil {
                result.error = error
                result.condition = condition
            }
            guard errorMode == .propagate else { return false }
            result.verdict = .failed
            return true
        }
    }
}

/// A list without conditions has no patterns.
private struct OTTLNoPatterns: Error {}

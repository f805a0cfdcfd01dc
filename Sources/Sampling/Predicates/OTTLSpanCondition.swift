internal import ConfigTree
internal import OTLP
internal import OTTL

/// Lists of OTTL conditions as one condition on spans.
struct OTTLSpanCondition: SpanCondition {
    private let list: OTTLConditionList
    /// Where errors are counted; nil where the error mode wants none counted.
    private let errors: ConditionErrors?
    let text: String
    let description: String

    init(_ list: OTTLConditionList, errors: ConditionErrors? = nil) {
        self.list = list
        self.errors = errors
        text = list.text
        let parts = list.span.map(\.description) + list.spanEvent.map { "an event has \($0)" }
        description = parts.count == 1 ? parts[0] : parts.map { "(\($0))" }.joined(separator: " or ")
    }

    var spanAttributes: [[UInt8]] { list.spanAttributes }
    var resourceAttributes: [[UInt8]] { list.resourceAttributes }

    func evaluate(
        body: Span<UInt8>, index: borrowing RequestIndex, record: Int, hits: Range<Int>, unixNanoseconds: Int64
    ) -> SpanConditionOutcome {
        let span = index.records[record]
        let group = index.groups[Int(span.group)]
        var input = OTTLSpanInput(
            body: body, headers: index.groupBytes.span, record: span, group: group,
            spanHits: index.spanHits.span.extracting(hits),
            resourceHits: index.resourceHits.span.extracting(group.resourceHitRange), now: unixNanoseconds)
        switch list.evaluate(&input, errors: errors).verdict {
        case .notMatched: return .isFalse
        case .matched: return .isTrue
        case .failed: return .failed
        }
    }
}

extension PolicyBuilder {
    /// Compiles OTTL conditions into one that is true where any of them is; every text that is no condition is an error at its
    /// place, with its column. Nil if there was one.
    mutating func ottl(
        span: [PlacedText], spanEvents: [PlacedText], _ mode: OTTLErrorMode, _ problems: ConfigProblems
    ) -> (any SpanCondition)? {
        let spanConditions = span.compactMap { Self.ottl($0, .span, problems) }
        let eventConditions = spanEvents.compactMap { Self.ottl($0, .spanEvent, problems) }
        guard spanConditions.count == span.count, eventConditions.count == spanEvents.count else { return nil }
        var list = OTTLConditionList(span: spanConditions, spanEvent: eventConditions, errorMode: mode)
        var compiler = predicates
        // A name that is not valid UTF-8 stays without a number, and is searched for on every evaluation.
        list.bind(
            spanAttribute: { String(validating: $0, as: UTF8.self).flatMap { compiler.spanAttribute($0) } },
            resourceAttribute: { String(validating: $0, as: UTF8.self).flatMap { compiler.resourceAttribute($0) } })
        predicates = compiler
        return OTTLSpanCondition(list, errors: mode == .ignore ? conditionErrors(list.texts) : nil)
    }

    private static func ottl(_ text: PlacedText, _ context: OTTLContext, _ problems: ConfigProblems) -> OTTLCondition? {
        do throws(OTTLError) {
            return try OTTLCondition(parsing: text.text, context: context, compilePattern: OTTLPatterns.compile)
        } catch {
            problems.error("\(error)", at: text.position, keyPath: text.keyPath)
            return nil
        }
    }
}

internal import NativeCore
internal import OTLP

/// What can't be read off a table: conditions on fields that the walk does not note, conditions of other languages, and
/// compound predicates. Each part is worked out at most once per span and only when its outcome matters.
struct PredicateSteps: Sendable {
    /// A node of all the expressions; children stand behind one another in `children`.
    private enum Node: Sendable, BitwiseCopyable {
        /// The outcome stands among the bits already.
        case bit(UInt16)
        /// Index into `lazies`; the outcome will stand at the position.
        case lazy(UInt16, UInt16)
        case not(UInt32)
        case all(first: UInt32, count: UInt32)
        case any(first: UInt32, count: UInt32)
    }

    private enum Lazy: Sendable {
        case name(TextSet)
        case pattern(RegularExpression)
        case kind(UInt8)
        case traceState(TraceStateBytes)
        /// Index into `conditions`.
        case condition(Int, SpanConditionOutcome)
    }

    private struct Step: Sendable, BitwiseCopyable {
        var node: UInt32
        var position: UInt16
        var cost: UInt32
    }

    private var steps: [Step] = []
    private var nodes: [Node] = []
    private var children: [UInt32] = []
    private var lazies: [Lazy] = []
    private var conditions: [any SpanCondition] = []

    var isEmpty: Bool { steps.isEmpty }

    init(_ predicates: [SpanPredicate], _ layout: inout PredicateLayout) {
        var places: [SpanPredicate: UInt16] = [:]
        for (leaf, target) in layout.leaves {
            guard let lazy = lazy(leaf) else { continue }
            places[leaf] = UInt16(lazies.count)
            lazies.append(lazy)
            _ = target
        }
        for (number, predicate) in predicates.enumerated() where !predicate.isLeaf || places[predicate] != nil {
            let node = add(predicate, layout, places)
            steps.append(Step(node: node, position: UInt16(number), cost: cost(node)))
        }
        steps.sort { $0.cost < $1.cost }
    }

    private mutating func lazy(_ leaf: SpanPredicate) -> Lazy? {
        switch leaf {
        case .name(.oneOf(let texts)): return .name(TextSet(texts))
        case .name(.matches(let pattern)): return .pattern(pattern.expression)
        case .kind(let mask): return .kind(mask)
        case .traceState(let test): return .traceState(TraceStateBytes(test))
        case .condition(let use):
            if let known = conditions.firstIndex(where: { $0.text == use.condition.text }) {
                return .condition(known, use.outcome)
            }
            conditions.append(use.condition)
            return .condition(conditions.count - 1, use.outcome)
        default: return nil
        }
    }

    private mutating func add(_ predicate: SpanPredicate, _ layout: PredicateLayout, _ places: [SpanPredicate: UInt16]) -> UInt32 {
        let node: Node
        switch predicate {
        case .not(let inner): node = .not(add(inner, layout, places))
        case .all(let parts):
            let list = addAll(parts, layout, places)
            node = .all(first: list.first, count: list.count)
        case .any(let parts):
            let list = addAll(parts, layout, places)
            node = .any(first: list.first, count: list.count)
        default:
            let position = layout.target(of: predicate)?.position ?? 0
            node = places[predicate].map { .lazy($0, position) } ?? .bit(position)
        }
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }

    /// Adds the parts, cheapest first: the first part that settles the outcome ends the work.
    private mutating func addAll(
        _ parts: [SpanPredicate], _ layout: PredicateLayout, _ places: [SpanPredicate: UInt16]
    ) -> (first: UInt32, count: UInt32) {
        let added = parts.map { add($0, layout, places) }.sorted { cost($0) < cost($1) }
        children += added
        return (UInt32(children.count - added.count), UInt32(added.count))
    }

    /// Rough nanoseconds.
    private func cost(_ node: UInt32) -> UInt32 {
        switch nodes[Int(node)] {
        case .bit: return 1
        case .lazy(let lazy, _):
            switch lazies[Int(lazy)] {
            case .kind, .name: return 40
            case .pattern: return 70
            case .traceState: return 100
            case .condition: return 200
            }
        case .not(let inner): return cost(inner)
        case .all(let first, let count), .any(let first, let count):
            return (first..<first + count).reduce(1) { $0 + cost(children[Int($1)]) }
        }
    }

    /// Sets the bits of all steps that hold. The bits of status, flags, durations and attributes are set already.
    func run(
        _ span: SpanAtHand, _ index: borrowing RequestIndex, _ body: Span<UInt8>, known: borrowing SpanBits,
        into bits: inout SpanBits
    ) {
        var work = Work()
        for step in steps {
            if known.contains(step.position) || bits.contains(step.position) { continue }
            if holds(step.node, span, index, body, &work, &bits) { bits.insert(step.position) }
        }
    }

    /// What has been worked out for a span.
    private struct Work {
        /// Lazies that are worked out; their outcomes stand in the second.
        var isDone: [16 of UInt64] = .init(repeating: 0)
        var outcomes: [16 of UInt64] = .init(repeating: 0)
        var fields: SpanFields?
    }

    private func holds(
        _ node: UInt32, _ span: SpanAtHand, _ index: borrowing RequestIndex, _ body: Span<UInt8>, _ work: inout Work,
        _ bits: inout SpanBits
    ) -> Bool {
        switch nodes[Int(node)] {
        case .bit(let position): return bits.contains(position)
        case .lazy(let lazy, _): return outcome(Int(lazy), span, index, body, &work)
        case .not(let inner): return !holds(inner, span, index, body, &work, &bits)
        case .all(let first, let count):
            for child in first..<first &+ count
            where !holds(children[Int(child)], span, index, body, &work, &bits) { return false }
            return true
        case .any(let first, let count):
            for child in first..<first &+ count
            where holds(children[Int(child)], span, index, body, &work, &bits) { return true }
            return false
        }
    }

    private func outcome(
        _ lazy: Int, _ span: SpanAtHand, _ index: borrowing RequestIndex, _ body: Span<UInt8>, _ work: inout Work
    ) -> Bool {
        let word = lazy >> 6
        let mask: UInt64 = 1 << UInt64(lazy & 63)
        if work.isDone[word] & mask != 0 { return work.outcomes[word] & mask != 0 }
        let outcome: Bool
        switch lazies[lazy] {
        case .condition(let number, _):
            let found = conditions[number].evaluate(
                body: body, index: index, record: span.position, hits: span.hits, unixNanoseconds: span.unixNanoseconds)
            // Whoever else asks for this condition gets its answer, too.
            for other in lazies.indices {
                guard case .condition(number, let wanted) = lazies[other] else { continue }
                note(other, wanted == found, &work)
            }
            return work.outcomes[word] & mask != 0
        case .name(let texts): outcome = texts.contains(body.extracting(fields(span, body, &work).name.range))
        case .pattern(let expression): outcome = expression.matches(body.extracting(fields(span, body, &work).name.range))
        case .kind(let kinds):
            let kind = fields(span, body, &work).kind
            outcome = kind >= 0 && kind < 8 && kinds >> UInt8(truncatingIfNeeded: kind) & 1 != 0
        case .traceState(let test):
            outcome = TraceState.holds(body.extracting(fields(span, body, &work).traceState.range), test)
        }
        note(lazy, outcome, &work)
        return outcome
    }

    private func note(_ lazy: Int, _ outcome: Bool, _ work: inout Work) {
        let mask: UInt64 = 1 << UInt64(lazy & 63)
        work.isDone[lazy >> 6] |= mask
        if outcome { work.outcomes[lazy >> 6] |= mask }
    }

    private func fields(_ span: SpanAtHand, _ body: Span<UInt8>, _ work: inout Work) -> SpanFields {
        if let fields = work.fields { return fields }
        let fields = SpanFields(body, span.record.range)
        work.fields = fields
        return fields
    }
}

/// A small set of texts, compared byte by byte.
struct TextSet: Sendable {
    private let texts: [[UInt8]]
    private let lengths: UInt64

    /// The empty text is never in it.
    init(_ texts: Set<String>) {
        self.texts = texts.filter { !$0.isEmpty }.sorted().map { Array($0.utf8) }
        lengths = self.texts.reduce(0) { $0 | 1 << UInt64(min($1.count, 63)) }
    }

    func contains(_ text: Span<UInt8>) -> Bool {
        guard lengths >> UInt64(min(text.count, 63)) & 1 != 0 else { return false }
        return texts.contains { $0.span.equals(text) }
    }
}

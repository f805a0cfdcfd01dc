internal import OTLP

/// Which predicate bits of a trace a policy looks at: "some span of the trace passes one of these".
///
/// The first 64 bits of a set stand in `TraceSummary.predicates`, the others in `DecisionContext.side`.
package struct PredicateBits: Sendable, Equatable {
    /// Bits 0 to 63.
    package private(set) var first: UInt64 = 0
    /// The other bits, as word numbers of `DecisionContext.side` and the bits in that word.
    private(set) var others: [Word] = []

    struct Word: Sendable, Equatable {
        var index: Int
        var bits: UInt64
    }

    package init() {}

    /// Adds the bit number `bit`.
    package mutating func insert(_ bit: Int) {
        if bit < 64 {
            first |= 1 << UInt64(bit)
            return
        }
        let index = bit / 64 - 1
        let mask: UInt64 = 1 << UInt64(bit % 64)
        if let known = others.firstIndex(where: { $0.index == index }) {
            others[known].bits |= mask
        } else {
            others.append(Word(index: index, bits: mask))
        }
    }

    /// Adds all bits of another.
    package mutating func formUnion(_ more: PredicateBits) {
        first |= more.first
        for word in more.others {
            for bit in 0..<64 where word.bits >> UInt64(bit) & 1 != 0 { insert((word.index + 1) * 64 + bit) }
        }
    }

    /// Whether one of the bits is set for the trace.
    @inline(__always)
    func intersects(_ trace: borrowing TraceSummary, _ context: borrowing DecisionContext) -> Bool {
        if trace.predicates & first != 0 { return true }
        return others.isEmpty ? false : intersectsOthers(context.side)
    }

    private func intersectsOthers(_ side: [UInt64]) -> Bool {
        others.contains { $0.index < side.count && side[$0.index] & $0.bits != 0 }
    }

    /// The numbers of the bits, ascending.
    package var numbers: [Int] {
        let words = [(0, first)] + others.map { ($0.index + 1, $0.bits) }
        return words.flatMap { word, bits in (0..<64).filter { bits >> UInt64($0) & 1 != 0 }.map { word * 64 + $0 } }
            .sorted()
    }
}

/// Collects the predicates of all policies of a set, gives each distinct one a bit, and the attributes that they look at.
///
/// The same predicate in ten policies gets one bit and is checked once per span.
package struct PredicateCompiler {
    /// More distinct trace-level predicates than this do not fit.
    package static let maximumPredicates = 512
    /// More conditions that only compound predicates look at do not fit.
    package static let maximumInnerPredicates = 512
    /// More lists of key fields (of `dynamic` policies) do not fit.
    package static let maximumKeys = 8

    private(set) var predicates: [SpanPredicate] = []
    private var numbers: [SpanPredicate: Int] = [:]
    private(set) var spanNames: [String] = []
    private var spanNumbers: [String: UInt16] = [:]
    private(set) var resourceNames: [String] = []
    private var resourceNumbers: [String: UInt16] = [:]
    private(set) var keys: [[TraceKeyField]] = []
    /// By key: who wants to know texts of keys.
    private(set) var keyNames: [[KeyNames]] = []
    /// Some policy asks for `DecisionContext.encodedBytes`.
    var needsEncodedSize = false
    /// The bits that were asked for since this was emptied last.
    var requested = PredicateBits()
    private var innerCount = 0

    package init() {}

    /// With the attributes that another set looks at, under the same numbers, before its own: one walk then serves both sets.
    init(sharing names: AttributeNumbers) {
        for name in names.span { _ = spanAttribute(name) }
        for name in names.resource { _ = resourceAttribute(name) }
    }

    /// The names of all wanted attributes by number.
    var attributeNumbers: AttributeNumbers { AttributeNumbers(span: spanNames, resource: resourceNames) }

    /// The bit that says that the predicate held for some span, or nil when the set has no room for another.
    package mutating func bit(for predicate: SpanPredicate) -> Int? {
        if let known = numbers[predicate] {
            requested.insert(known)
            return known
        }
        guard predicates.count < Self.maximumPredicates else { return nil }
        let inner = predicate.leafCount
        guard innerCount + inner <= Self.maximumInnerPredicates else { return nil }
        if !predicate.isLeaf { innerCount += inner }
        predicates.append(predicate)
        numbers[predicate] = predicates.count - 1
        requested.insert(predicates.count - 1)
        return predicates.count - 1
    }

    /// The number that a span attribute's hits bear in `RequestIndex.spanHits`; makes arriving spans be searched for it.
    /// Nil when there are too many names.
    package mutating func spanAttribute(_ name: String) -> UInt16? {
        Self.number(name, &spanNames, &spanNumbers)
    }

    /// The number that a resource attribute's hits bear in `RequestIndex.resourceHits`.
    package mutating func resourceAttribute(_ name: String) -> UInt16? {
        Self.number(name, &resourceNames, &resourceNumbers)
    }

    private static func number(_ name: String, _ names: inout [String], _ numbers: inout [String: UInt16]) -> UInt16? {
        if let known = numbers[name] { return known }
        guard names.count < Int(UInt16.max) else { return nil }
        let number = UInt16(names.count)
        names.append(name)
        numbers[name] = number
        return number
    }

    /// The number of the trace key with these fields; nil when the set has no room for another. See
    /// `DecisionContext.key`.
    mutating func key(_ fields: [TraceKeyField]) -> Int? {
        if let known = keys.firstIndex(of: fields) { return known }
        guard keys.count < Self.maximumKeys else { return nil }
        keys.append(fields)
        keyNames.append([])
        return keys.count - 1
    }

    /// Texts of keys with this number go to `names`, too, if they are asked for.
    mutating func addNames(_ names: KeyNames, toKey number: Int) { keyNames[number].append(names) }

    /// The finished program.
    func program() -> PredicateProgram { PredicateProgram(self) }

    /// What arriving requests must be searched for. Call after `program()`.
    func interest() -> AttributeInterest {
        AttributeInterest(spanNames: spanNames.map { Array($0.utf8) }, resourceNames: resourceNames.map { Array($0.utf8) })
    }
}

/// Names of wanted attributes; the place is the number that hits bear.
struct AttributeNumbers: Sendable, Equatable {
    var span: [String] = []
    var resource: [String] = []

    /// Whether hits that are numbered by `other` mean the same here, as far as they are known here.
    func isPrefix(of other: AttributeNumbers) -> Bool {
        other.span.starts(with: span) && other.resource.starts(with: resource)
    }
}

extension SpanPredicate {
    /// No `all`, `any` or `not`.
    var isLeaf: Bool {
        switch self {
        case .not, .all, .any: false
        default: true
        }
    }

    /// How many leaves it has.
    var leafCount: Int {
        switch self {
        case .not(let inner): inner.leafCount
        case .all(let parts), .any(let parts): parts.reduce(0) { $0 + $1.leafCount }
        default: 1
        }
    }
}

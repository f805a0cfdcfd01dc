internal import OTLP

/// Gives every condition of a set its place among a span's bits: predicates of the trace first, each at its number, then
/// conditions that only compound predicates look at.
struct PredicateLayout {
    /// Every leaf once, in the order of positions of their first use.
    private(set) var leaves: [(predicate: SpanPredicate, target: LeafTarget)] = []
    private var numbers: [SpanPredicate: Int] = [:]
    private(set) var positionCount: Int

    init(_ predicates: [SpanPredicate]) {
        positionCount = predicates.count
        for (number, predicate) in predicates.enumerated() where predicate.isLeaf {
            numbers[predicate] = leaves.count
            leaves.append((predicate, LeafTarget(position: UInt16(number), isUnionOnly: true)))
        }
        for predicate in predicates where !predicate.isLeaf { addLeaves(of: predicate, underRoot: false) }
    }

    private mutating func addLeaves(of predicate: SpanPredicate, underRoot: Bool) {
        switch predicate {
        case .not(let inner): addLeaves(of: inner, underRoot: underRoot)
        case .any(let parts): for part in parts { addLeaves(of: part, underRoot: underRoot) }
        case .all(let parts):
            let isUnderRoot = underRoot || parts.contains(.isRoot)
            for part in parts { addLeaves(of: part, underRoot: isUnderRoot && part != .isRoot) }
        default:
            if let known = numbers[predicate] {
                leaves[known].target.isUnionOnly = false
                if !underRoot { leaves[known].target.isForRootsOnly = false }
            } else {
                numbers[predicate] = leaves.count
                leaves.append((predicate, LeafTarget(position: UInt16(positionCount), isForRootsOnly: underRoot)))
                positionCount += 1
            }
        }
    }

    /// Where the leaf stands.
    func target(of leaf: SpanPredicate) -> LeafTarget? { numbers[leaf].map { leaves[$0].target } }

    /// Whether a predicate on status and flags alone holds.
    static func holds(_ predicate: SpanPredicate, _ flags: SpanFlags) -> Bool {
        switch predicate {
        case .statusCode(let code): flags.statusCode == code
        case .isRoot: flags.contains(.isRoot)
        case .w3cSampled: flags.contains(.w3cSampled)
        default: false
        }
    }
}

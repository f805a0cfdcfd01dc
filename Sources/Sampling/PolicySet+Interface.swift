internal import ConfigTree
package import OTLP

// What the shard and its surroundings ask of a policy set.

extension PolicySet {
    /// Sets the predicate bits of every span of a request that was walked with this set's `interest`.
    package func evaluatePredicates(_ index: inout RequestIndex, body: Span<UInt8>) { evaluatePredicates(&index) }

    /// A hash of the effective policies, whatever their comments and places.
    package var contentHash: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(nodes.map { Self.text($0) })\(stopsAtFirstMatch)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        let hex = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }

    private static func text(_ node: ConfigNode) -> String {
        switch node.value {
        case .null: "~"
        case .scalar(let scalar): "\(scalar)"
        case .list(let items): "[" + items.map { text($0) }.joined(separator: ",") + "]"
        case .map(let entries): "{" + entries.map { "\($0.key):\(text($0.value))" }.joined(separator: ",") + "}"
        }
    }

    /// The condition behind a predicate bit, for people.
    package func describePredicate(bit: Int) -> String { "predicate \(bit)" }

    /// The bits that a policy looks at.
    package func predicateBits(ofPolicy position: Int) -> UInt64 { .max }
}

extension PolicySet {
    /// What a predicate bit looks at; nil where that is no single thing.
    func predicateSubject(bit: Int) -> PredicateSubject? { nil }
}

/// What a predicate looks at in a span, for showing it.
enum PredicateSubject {
    case status
    case name
    case attribute([UInt8])
    case resourceAttribute([UInt8])

    /// What a span has there, at most 64 bytes.
    func text(span: Span<UInt8>, resource: Span<UInt8>) -> [UInt8]? {
        let limit = EvidenceNotes.maximumText
        return switch self {
        case .status: SpanPeek.statusText(span)
        case .name: SpanPeek.text(tag: 0x2a, ofSpan: span, limit: limit)
        case .attribute(let name): SpanPeek.attribute(name, ofSpan: span, limit: limit)
        case .resourceAttribute(let name): SpanPeek.attribute(name, ofResource: resource, limit: limit)
        }
    }
}

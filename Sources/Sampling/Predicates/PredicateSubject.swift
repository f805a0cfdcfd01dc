internal import OTLP

extension PolicySet {
    /// What a predicate bit looks at; nil where that is no single thing.
    func predicateSubject(bit: Int) -> PredicateSubject? { predicate(bit: bit).flatMap { PredicateSubject($0) } }
}

/// What a predicate looks at in a span, for showing it.
enum PredicateSubject {
    case status
    case name
    case attribute([UInt8])
    /// On the resource, or where it is not there, on the span.
    case eitherAttribute([UInt8])
    case resourceAttribute([UInt8])
    case duration

    /// Nil for compound conditions and those whose sentence says it all.
    init?(_ predicate: SpanPredicate) {
        switch predicate {
        case .statusCode: self = .status
        case .name: self = .name
        case .duration: self = .duration
        case .attribute(let attribute):
            let name = Array(attribute.name.utf8)
            switch attribute.place {
            case .span: self = .attribute(name)
            case .resource: self = .resourceAttribute(name)
            case .either: self = .eitherAttribute(name)
            }
        case .not(let inner): self.init(inner)
        case .isRoot, .w3cSampled, .kind, .traceState, .condition, .all, .any: return nil
        }
    }

    /// What a span has there, at most 64 bytes.
    func text(span: Span<UInt8>, resource: Span<UInt8>) -> [UInt8]? {
        let limit = EvidenceNotes.maximumText
        return switch self {
        case .status: SpanPeek.statusText(span)
        case .name: SpanPeek.text(tag: 0x2a, ofSpan: span, limit: limit)
        case .attribute(let name): SpanPeek.attribute(name, ofSpan: span, limit: limit)
        case .eitherAttribute(let name):
            SpanPeek.attribute(name, ofResource: resource, limit: limit)
                ?? SpanPeek.attribute(name, ofSpan: span, limit: limit)
        case .duration: SpanPeek.durationText(span)
        case .resourceAttribute(let name): SpanPeek.attribute(name, ofResource: resource, limit: limit)
        }
    }
}

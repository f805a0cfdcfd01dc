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
    /// What a condition of another language looks at.
    case attributes(span: [[UInt8]], resource: [[UInt8]])

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
        case .condition(let use):
            let (span, resource) = (use.condition.spanAttributes, use.condition.resourceAttributes)
            if span.isEmpty && resource.isEmpty { return nil }
            self = .attributes(span: span, resource: resource)
        case .isRoot, .w3cSampled, .kind, .traceState, .all, .any: return nil
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
        case .attributes(let names, let resourceNames):
            Self.list(
                names.map { ($0, SpanPeek.attribute($0, ofSpan: span, limit: limit)) }
                    + resourceNames.map { ($0, SpanPeek.attribute($0, ofResource: resource, limit: limit)) })
        }
    }

    /// `http.route=/a, tenant=gold`, without what is not there; nil if nothing is.
    private static func list(_ attributes: [(name: [UInt8], value: [UInt8]?)]) -> [UInt8]? {
        let found = attributes.compactMap { name, value in value.map { name + [UInt8(ascii: "=")] + $0 } }
        return found.isEmpty ? nil : Array(found.joined(separator: Array(", ".utf8)).prefix(EvidenceNotes.maximumText))
    }
}

internal import OTLP

/// One part of the key by which a `dynamic` policy tells traces apart.
package enum TraceKeyField: Hashable, Sendable {
    /// An attribute of the span or, where the span lacks it, of its resource.
    case attribute(String)
    /// The span's name.
    case name
    /// The span's kind.
    case kind
    /// The span's status code.
    case status
}

/// A list of key fields as arriving spans are asked for it.
struct TraceKeyProgram: Sendable {
    enum Part: Sendable {
        case attribute(span: UInt16, resource: UInt16)
        case name, kind, status
    }

    var parts: [Part]
    var needsFields: Bool
    /// Who may ask for texts of keys.
    private let names: [KeyNames]

    init(_ fields: [TraceKeyField], _ names: [KeyNames], _ compiler: inout PredicateCompiler) {
        self.names = names
        parts = []
        needsFields = false
        for field in fields {
            switch field {
            case .attribute(let name):
                guard let span = compiler.spanAttribute(name), let resource = compiler.resourceAttribute(name) else { continue }
                parts.append(.attribute(span: span, resource: resource))
            case .name:
                parts.append(.name)
                needsFields = true
            case .kind:
                parts.append(.kind)
                needsFields = true
            case .status: parts.append(.status)
            }
        }
    }

    /// The keys of hashes that are compared within one process only; values are hashed with their place in the list.
    static let hashKeys = HashKeys(0x5461_696c_6761_7465, 0x6b65_7973)

    /// The key of one span, never 0. Equal values in equal places give equal keys; 64 bits make two of a few thousand keys
    /// meet once in 10^12 nodes, and then they share a rate.
    func key(
        _ body: Span<UInt8>, _ index: borrowing RequestIndex, _ record: SpanRecord, hits: Range<Int>,
        _ fields: SpanFields?
    ) -> UInt64 {
        var key: UInt64 = 0x9e37_79b9_7f4a_7c15
        for part in parts {
            var word: UInt64
            switch part {
            case .attribute(let span, let resource):
                word = Self.word(span, index.spanHits.span, hits, body)
                if word == 0 {
                    let range = index.groups[Int(record.group)].resourceHitRange
                    word = Self.word(resource, index.resourceHits.span, range, body)
                }
            case .name: word = fields.map { hashBytes(body.extracting($0.name.range), key: Self.hashKeys) } ?? 0
            case .kind: word = fields.map { UInt64(UInt32(bitPattern: $0.kind)) } ?? 0
            case .status: word = UInt64(record.flags.statusCode)
            }
            let product = (key ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
            key = product.high ^ product.low ^ 0xe703_7ed1_a0b4_28db
        }
        if key == 0 { key = 1 }
        for names in names where names.isAsking {
            names.learn(key) { text(body, index, record, hits: hits, fields) }
        }
        return key
    }

    /// The parts of a span's key, for people: `shop, GET /`; `-` for what is not there.
    private func text(
        _ body: Span<UInt8>, _ index: borrowing RequestIndex, _ record: SpanRecord, hits: Range<Int>, _ fields: SpanFields?
    ) -> String {
        var texts: [String] = []
        for part in parts {
            switch part {
            case .attribute(let span, let resource):
                let range = index.groups[Int(record.group)].resourceHitRange
                texts.append(
                    Self.text(span, index.spanHits.span, hits, body)
                        ?? Self.text(resource, index.resourceHits.span, range, body) ?? "-")
            case .name: texts.append(fields.map { Self.text(body, $0.name.range) } ?? "-")
            case .kind: texts.append(fields.map { Self.kinds.indices.contains(Int($0.kind)) ? Self.kinds[Int($0.kind)] : "\($0.kind)" } ?? "-")
            case .status: texts.append(["UNSET", "OK", "ERROR", "-"][Int(record.flags.statusCode & 3)])
            }
        }
        return texts.joined(separator: ", ")
    }

    private static let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"]

    private static func text(_ name: UInt16, _ hits: Span<AttributeHit>, _ range: Range<Int>, _ body: Span<UInt8>) -> String? {
        for position in range where hits[position].name == name {
            let hit = hits[position]
            guard hit.valueRange.upperBound <= body.count else { return nil }
            switch hit.valueKind {
            case .string: return text(body, hit.valueRange)
            case .int: return hit.integer(in: body).map { "\($0)" }
            case .bool: return hit.boolean(in: body).map { "\($0)" }
            case .double: return hit.double(in: body).map { "\($0)" }
            case .empty: return ""
            case .array, .kvlist, .bytes: return "(\(hit.valueKind))"
            }
        }
        return nil
    }

    private static func text(_ body: Span<UInt8>, _ range: Range<Int>) -> String {
        var bytes: [UInt8] = []
        bytes.append(copying: body.extracting(range.lowerBound..<min(range.upperBound, range.lowerBound + KeyNames.maximumText)))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The hash of a wanted attribute among the hits, 0 if it is not there.
    private static func word(_ name: UInt16, _ hits: Span<AttributeHit>, _ range: Range<Int>, _ body: Span<UInt8>) -> UInt64 {
        for position in range where hits[position].name == name {
            let hit = hits[position]
            guard hit.valueRange.upperBound <= body.count else { return 0 }
            return hashBytes(body.extracting(hit.valueRange), key: hashKeys) ^ UInt64(hit.valueKind.rawValue) | 1
        }
        return 0
    }
}

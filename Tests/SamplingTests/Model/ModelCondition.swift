import ConfigTree

@testable import Sampling

/// A pattern with what it means said in another way.
struct ModelPattern {
    var pattern: String
    var matches: @Sendable (String) -> Bool

    static let all: [ModelPattern] = [
        ModelPattern(pattern: "^a") { $0.hasPrefix("a") },
        ModelPattern(pattern: "b$") { $0.hasSuffix("b") },
        ModelPattern(pattern: "^$") { $0.isEmpty },
        ModelPattern(pattern: ".*") { _ in true },
        ModelPattern(pattern: "") { _ in true },
        ModelPattern(pattern: "(?i)AB") { $0.lowercased().contains("ab") },
        ModelPattern(pattern: "ba|cc") { $0.contains("ba") || $0.contains("cc") },
        ModelPattern(pattern: "[0-9]{2}") { text in
            zip(text, text.dropFirst()).contains { $0.isNumber && $1.isNumber }
        },
    ]
}

/// A test of one attribute and what it means, written from the reference and not from the engine.
indirect enum ModelTest {
    case exact([String])
    case patterns([ModelPattern])
    /// Bounds as written; integer 0 and nil mean none.
    case number(ConfigNode?, ConfigNode?)
    case bool(Bool)
    case exists

    func holds(_ value: ModelValue, onResource: Bool) -> Bool {
        switch self {
        case .exists: return true
        case .exact(let texts):
            guard case .text(let text) = value, !text.isEmpty else { return false }
            return texts.contains(text)
        case .patterns(let patterns):
            var text = ""
            if case .text(let value) = value { text = value }
            if text.isEmpty && !onResource { return false }
            return patterns.contains { $0.matches(text) }
        case .bool(let wanted):
            if case .bool(let value) = value { return value == wanted }
            return !wanted
        case .number(let low, let high):
            var number = 0.0
            if case .int(let value) = value { number = Double(value) }
            if case .double(let value) = value { number = value }
            return number >= (Self.bound(low) ?? -.infinity) && number <= (Self.bound(high) ?? .infinity)
        }
    }

    private static func bound(_ node: ConfigNode?) -> Double? {
        guard case .scalar(let scalar)? = node?.value else { return nil }
        switch scalar.meaning {
        case .integer(let value): return value == 0 ? nil : Double(value)
        case .number(let value): return value
        default: return nil
        }
    }

    /// Whether a span or its resource passes.
    func holds(_ key: String, _ span: ModelSpan, place: AttributePredicate.Place = .either) -> Bool {
        if place != .span, let value = ModelSpan.first(key, span.resource), holds(value, onResource: true) { return true }
        if place != .resource, let value = ModelSpan.first(key, span.attributes) { return holds(value, onResource: false) }
        return false
    }
}

/// A condition on one span, as `root_span` and `first_match` write it.
indirect enum ModelCondition {
    case service([String])
    case name([String])
    case nameRegex([ModelPattern])
    case kind(Int)
    case status(String)
    case minDuration(Int)
    case maxDuration(Int)
    case root(Bool)
    case sampledFlag(Bool)
    case attribute(String, ModelTest, AttributePredicate.Place)
    case traceState(String, [String])
    case not(ModelCondition)
    case any([ModelCondition])
    case all([ModelCondition])

    func holds(_ span: ModelSpan) -> Bool {
        switch self {
        case .service(let names):
            guard case .text(let name)? = ModelSpan.first("service.name", span.resource), !name.isEmpty else { return false }
            return names.contains(name)
        case .name(let names): return !span.name.isEmpty && names.contains(span.name)
        case .nameRegex(let patterns): return patterns.contains { $0.matches(span.name) }
        case .kind(let kind): return span.kind == kind
        case .status(let name): return ["UNSET", "OK", "ERROR"].firstIndex(of: name) == Int(span.status > 2 ? 0 : span.status)
        case .minDuration(let milliseconds): return span.durationNanoseconds >= UInt64(milliseconds) * 1_000_000
        case .maxDuration(let milliseconds): return span.durationNanoseconds <= UInt64(milliseconds) * 1_000_000
        case .root(let wanted): return span.isRoot == wanted
        case .sampledFlag(let wanted): return (span.flags & 1 == 1) == wanted
        case .attribute(let key, let test, let place): return test.holds(key, span, place: place)
        case .traceState(let key, let values):
            // The generator makes only well-formed and plainly broken states.
            if span.traceState.contains("!") { return false }
            let members = span.traceState.split(separator: ",").map { $0.split(separator: "=").map(String.init) }
            return members.contains { $0[0] == key && values.contains($0[1]) }
        case .not(let inner): return !inner.holds(span)
        case .any(let parts): return parts.contains { $0.holds(span) }
        case .all(let parts): return parts.allSatisfy { $0.holds(span) }
        }
    }

    /// The map that says so.
    var node: ConfigNode {
        switch self {
        case .service(let names): return .map(["service": .texts(names)])
        case .name(let names): return .map(["name": .texts(names)])
        case .nameRegex(let patterns): return .map(["name_regex": .texts(patterns.map(\.pattern))])
        case .kind(let kind): return .map(["kind": .texts([SpanKindName.all[kind]])])
        case .status(let name): return .map(["status": .texts([name])])
        case .minDuration(let value): return .map(["min_duration_ms": ConfigNode(integerLiteral: value)])
        case .maxDuration(let value): return .map(["max_duration_ms": ConfigNode(integerLiteral: value)])
        case .root(let wanted): return .map(["root": ConfigNode(booleanLiteral: wanted)])
        case .sampledFlag(let wanted): return .map(["w3c_sampled": ConfigNode(booleanLiteral: wanted)])
        case .attribute(let key, let test, let place):
            var entries: [(String, ConfigNode)] = [
                ("key", ConfigNode(stringLiteral: key)), ("place", ConfigNode(stringLiteral: "\(place)")),
            ]
            switch test {
            case .exact(let texts): entries.append(("values", .texts(texts)))
            case .patterns(let patterns): entries.append(("regex", .texts(patterns.map(\.pattern))))
            case .number(let low, let high):
                if let low { entries.append(("min_value", low)) }
                if let high { entries.append(("max_value", high)) }
            case .bool(let value): entries.append(("value", ConfigNode(booleanLiteral: value)))
            case .exists: break
            }
            return .map(["attributes": [.entries(entries)]])
        case .traceState(let key, let values):
            return .map(["trace_state": .map(["key": ConfigNode(stringLiteral: key), "values": .texts(values)])])
        case .not(let inner): return .map(["not": inner.node])
        case .any(let parts): return .map(["any": .list(parts.map(\.node))])
        case .all(let parts): return .map(["all": .list(parts.map(\.node))])
        }
    }
}

extension ConfigNode {
    static func list(_ items: [ConfigNode]) -> ConfigNode { ConfigNode(.list(items), at: literalPosition) }
    static func texts(_ texts: [String]) -> ConfigNode { list(texts.map { ConfigNode(stringLiteral: $0) }) }
    static func entries(_ entries: [(String, ConfigNode)]) -> ConfigNode {
        ConfigNode(
            .map(entries.map { ConfigEntry(key: $0.0, keyPosition: literalPosition, value: $0.1) }), at: literalPosition)
    }
}

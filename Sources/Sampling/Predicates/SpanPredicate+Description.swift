internal import NativeCore

extension SpanPredicate: CustomStringConvertible {
    /// As people say it: `http.status_code in 500...599`, `status is ERROR`.
    package var description: String {
        switch self {
        case .statusCode(let code): "status is \(code == 2 ? "ERROR" : code == 1 ? "OK" : "UNSET")"
        case .isRoot: "is a root span"
        case .w3cSampled: "has the W3C sampled flag"
        case .duration(let range): "duration in \(Self.milliseconds(range.lowerBound))...\(range.upperBound == .max ? "" : Self.milliseconds(range.upperBound)) ms"
        case .attribute(let attribute): attribute.description
        case .name(let test): "name \(test.description)"
        case .kind(let mask):
            "kind is "
                + SpanKindName.all.enumerated().filter { mask >> UInt8($0.offset) & 1 != 0 }.map(\.element)
                .joined(separator: " or ")
        case .traceState(let test): "tracestate \(test.key) is \(Self.list(test.values))"
        case .condition(let use):
            switch use.outcome {
            case .isTrue: use.condition.description
            case .isFalse: "not (\(use.condition.description))"
            case .failed: "error in \(use.condition.description)"
            }
        case .not(let inner): "not (\(inner))"
        case .all(let parts): parts.isEmpty ? "any span" : parts.map { $0.inParentheses }.joined(separator: " and ")
        case .any(let parts): parts.isEmpty ? "no span" : parts.map { $0.inParentheses }.joined(separator: " or ")
        }
    }

    private var inParentheses: String {
        switch self {
        case .any(let parts), .all(let parts): parts.count > 1 ? "(\(description))" : description
        default: description
        }
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> String {
        nanoseconds % 1_000_000 == 0 ? "\(nanoseconds / 1_000_000)" : "\(Double(nanoseconds) / 1e6)"
    }

    static func list(_ texts: Set<String>) -> String {
        let shown = texts.sorted().prefix(8).map { "\"\($0)\"" }
        let more = texts.count > shown.count ? ", ... (\(texts.count) values)" : ""
        return shown.count == 1 && more.isEmpty ? shown[0] : "one of " + shown.joined(separator: ", ") + more
    }
}

extension AttributePredicate: CustomStringConvertible {
    package var description: String {
        let place = place == .resource ? "resource " : place == .span ? "span " : ""
        switch test {
        case .exists: return "\(place)\(name) is there"
        case .text(let test): return "\(place)\(name) \(test)"
        case .number(let range): return "\(place)\(name) in \(range)"
        case .bool(let value): return "\(place)\(name) is \(value)"
        }
    }
}

extension TextTest: CustomStringConvertible {
    package var description: String {
        switch self {
        case .oneOf(let texts): "is " + (texts.isEmpty ? "none" : SpanPredicate.list(texts))
        case .matches(let pattern): "matches /\(pattern.expression.pattern)/"
        }
    }
}

extension NumberRange: CustomStringConvertible {
    package var description: String {
        func show(_ value: Double) -> String { Int64(exactly: value).map(String.init) ?? "\(value)" }
        let low = integers.flatMap { Double($0.lowerBound) == minimum ? "\($0.lowerBound)" : nil } ?? show(minimum)
        let high = integers.flatMap { Double($0.upperBound) == maximum ? "\($0.upperBound)" : nil } ?? show(maximum)
        return (minimum == -.infinity ? "" : low) + "..." + (maximum == .infinity ? "" : high)
    }
}

/// Names of span kinds by number.
enum SpanKindName {
    static let all = ["unspecified", "internal", "server", "client", "producer", "consumer"]
}

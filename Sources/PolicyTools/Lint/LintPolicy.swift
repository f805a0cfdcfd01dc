internal import ConfigTree

/// One policy of a file as lint sees it: the tree, not the compiled thing, so that also what can't be compiled is judged.
struct LintPolicy {
    var name: String
    var type: String
    var node: ConfigNode
    /// What stands under the type's key; null if nothing does.
    var block: ConfigNode
    var keyPath: String

    init(_ node: ConfigNode, keyPath: String) {
        self.node = node
        self.keyPath = keyPath
        name = node.text(of: "name") ?? ""
        type = node.text(of: "type") ?? ""
        block = node.child(type) ?? ConfigNode(.null, at: node.position)
    }

    var position: SourcePosition { node.position }

    /// The policies inside it, in order.
    var children: [LintPolicy] {
        switch type {
        case "and", "drop", "any_of", "composite":
            let key = "\(type)_sub_policy"
            let list = block.child(key) ?? ConfigNode(.null, at: block.position)
            // The Collector's own form: the list stands at the policy, `and: {and_sub_policy: [...]}`.
            return list.items.enumerated().map { LintPolicy($1, keyPath: "\(keyPath).\(type).\(key)[\($0)]") }
        case "not":
            return block.child("not_sub_policy").map { [LintPolicy($0, keyPath: "\(keyPath).not.not_sub_policy")] } ?? []
        case "first_match":
            return (block.child("rules")?.items ?? []).enumerated().compactMap { number, rule in
                rule.child("policy").map { LintPolicy($0, keyPath: "\(keyPath).first_match.rules[\(number)].policy") }
            }
        default: return []
        }
    }

    func number(_ key: String) -> Double? { block.child(key)?.number }
    func flag(_ key: String) -> Bool { block.child(key)?.isTrue ?? false }

    /// The texts of a list, or of one text split at commas.
    func texts(_ key: String) -> [(text: String, position: SourcePosition)] {
        guard let node = block.child(key) else { return [] }
        if case .scalar(let scalar) = node.value {
            return scalar.text.split(separator: ",").map { (String($0), node.position) }
        }
        return node.items.compactMap { item in item.scalarText.map { ($0, item.position) } }
    }

    var isInverted: Bool { flag("invert_match") }
    var percentage: Double { number("sampling_percentage") ?? 0 }

    // MARK: what it keeps

    /// Whether it wants every trace, whatever is in it.
    var keepsEverything: Bool {
        switch type {
        case "always_sample": true
        case "latency": (number("threshold_ms") ?? 0) <= 0 && (number("upper_threshold_ms") ?? 0) == 0
        case "probabilistic": percentage >= 100
        case "span_count": (number("min_spans") ?? 0) <= 1 && (number("max_spans") ?? 0) == 0
        case "string_attribute": isInverted && !matchesSomething
        case "status_code": Set(texts("status_codes").map(\.text)).isSuperset(of: ["OK", "ERROR", "UNSET"])
        case "and": children.allSatisfy(\.keepsEverything)
        case "any_of": children.contains(where: \.keepsEverything)
        case "not": children.first?.keepsNothing ?? false
        case "first_match":
            // A rule without conditions ends the list; all before it must keep everything, too.
            firstMatchKeepsEverything
        default: false
        }
    }

    private var firstMatchKeepsEverything: Bool {
        for rule in block.child("rules")?.items ?? [] {
            guard (rule.child("sampling_percentage")?.number ?? 0) >= 100 else { return false }
            if rule.child("span") == nil && rule.child("policy") == nil { return true }
        }
        return false
    }

    /// Whether it can want no trace at all.
    var keepsNothing: Bool {
        switch type {
        case "probabilistic": percentage <= 0
        case "latency": isEmpty("threshold_ms", "upper_threshold_ms", exclusive: true)
        case "span_count": isEmpty("min_spans", "max_spans", exclusive: false)
        case "numeric_attribute": !isInverted && isEmpty("min_value", "max_value", exclusive: false)
        case "string_attribute": !isInverted && !matchesSomething
        case "trace_state": texts("values").allSatisfy { $0.text.isEmpty }
        case "rate_limiting": rate("spans_per_second") <= 0 && (number("burst_capacity") ?? 0) <= 0
        case "bytes_limiting": rate("bytes_per_second") <= 0 && (number("burst_capacity") ?? 0) <= 0
        case "composite":
            (number("max_total_spans_per_second") ?? 0) <= 0 || children.allSatisfy(\.keepsNothing)
        case "and": children.contains(where: \.keepsNothing)
        case "any_of": children.allSatisfy(\.keepsNothing)
        case "not": children.first?.keepsEverything ?? false
        case "first_match":
            (block.child("rules")?.items ?? []).allSatisfy { ($0.child("sampling_percentage")?.number ?? 0) <= 0 }
        default: false
        }
    }

    private var matchesSomething: Bool {
        texts("values").contains { flag("enabled_regex_matching") || !$0.text.isEmpty }
    }

    func rate(_ key: String) -> Double { number(key) ?? 0 }

    private func isEmpty(_ low: String, _ high: String, exclusive: Bool) -> Bool {
        guard let upper = number(high), upper != 0 else { return false }
        let lower = number(low) ?? 0
        if low == "min_value" && lower == 0 { return false }
        return exclusive ? lower >= upper : lower > upper
    }

    // MARK: comparing

    /// Same but for the name.
    func isSame(as other: LintPolicy) -> Bool {
        guard type == other.type else { return false }
        let children = children
        if !children.isEmpty, ["and", "drop", "any_of", "not"].contains(type) {
            let others = other.children
            return children.count == others.count && zip(children, others).allSatisfy { $0.isSame(as: $1) }
        }
        return block.sameContent(as: other.block)
    }

    /// Whether `other` wants every trace that this one wants. False where that can't be told from the settings.
    func isContained(in other: LintPolicy) -> Bool {
        // What counts, or chooses by other traces, is contained in nothing but everything.
        if other.keepsEverything { return true }
        if hasMemory || other.hasMemory { return false }
        if isSame(as: other) { return true }
        if type == "and" { return children.contains { $0.isContained(in: other) } }
        if other.type == "any_of" { return other.children.contains { isContained(in: $0) } }
        if type == "any_of" && !children.isEmpty { return children.allSatisfy { $0.isContained(in: other) } }
        if other.type == "and" { return !other.children.isEmpty && other.children.allSatisfy { isContained(in: $0) } }
        guard type == other.type else { return false }
        return containsByValue(other)
    }

    var hasMemory: Bool {
        ["rate_limiting", "bytes_limiting", "composite", "dynamic"].contains(type) || children.contains(where: \.hasMemory)
    }

    private var match: String { block.text(of: "match") ?? "any_span" }

    private func containsByValue(_ other: LintPolicy) -> Bool {
        switch type {
        case "probabilistic":
            return block.text(of: "hash_salt") ?? "" == other.block.text(of: "hash_salt") ?? ""
                && percentage <= other.percentage
        case "latency":
            guard (other.number("upper_threshold_ms") ?? 0) == 0 else { return false }
            return (number("threshold_ms") ?? 0) >= (other.number("threshold_ms") ?? 0)
        case "span_count": return isInside(other, "min_spans", "max_spans")
        case "status_code":
            return match == "any_span" && other.match == "any_span"
                && Set(texts("status_codes").map(\.text)).isSubset(of: other.texts("status_codes").map(\.text))
        case "string_attribute":
            return sameKeyPlain(other) && !other.flag("enabled_regex_matching") && !flag("enabled_regex_matching")
                && Set(texts("values").map(\.text)).isSubset(of: other.texts("values").map(\.text))
        case "numeric_attribute": return sameKeyPlain(other) && isInside(other, "min_value", "max_value")
        default: return false
        }
    }

    private func sameKeyPlain(_ other: LintPolicy) -> Bool {
        block.text(of: "key") == other.block.text(of: "key") && !isInverted && !other.isInverted
            && match == "any_span" && other.match == "any_span"
    }

    /// Whether one range lies in another; 0 is no bound.
    private func isInside(_ other: LintPolicy, _ low: String, _ high: String) -> Bool {
        func lower(_ policy: LintPolicy) -> Double {
            let value = policy.number(low) ?? 0
            return value == 0 ? -.infinity : value
        }
        func upper(_ policy: LintPolicy) -> Double {
            let value = policy.number(high) ?? 0
            return value == 0 ? .infinity : value
        }
        return lower(self) >= lower(other) && upper(self) <= upper(other)
    }
}

extension LintPolicy {
    /// How a message speaks of it.
    var shown: String { name.isEmpty ? "the `\(type)` policy" : "`\(name)`" }
}

internal import ConfigTree

/// Refinery's rules file, version 2 (`RulesVersion: 2`), as a policy file: one environment's sampler.
///
/// Format: https://docs.honeycomb.io/manage-data-volume/sample/honeycomb-refinery/sampling-methods/. Refinery takes the first rule
/// that matches, so its rules become one `first_match` policy.
struct RefineryImport {
    let file: String
    let environment: String?
    /// All spans that come in, per second, if the user knows.
    let incoming: Double?
    let problems: ConfigProblems

    func read(_ root: ConfigNode) -> PolicyImport? {
        guard let samplers = root.child("Samplers"), case .map(let entries) = samplers.value, !entries.isEmpty else {
            problems.error("there are no `Samplers`; rules of version 2 are read here (`refinery convert` makes them from version 1)", at: root.position, keyPath: "Samplers")
            return nil
        }
        guard let chosen = choose(entries, samplers) else { return nil }
        var result = PolicyImport(origin: "the environment `\(chosen.key)` of Refinery's rules \(file)")
        for entry in entries where entry.key != chosen.key {
            result.note(
                environment == nil ? .missing : .remark,
                "the environment `\(entry.key)` is not in here: Refinery tells environments apart by API key. Import it with --environment, for nodes of its own",
                at: entry.keyPosition)
        }
        result.settings = [("decision_wait", "60s"), ("decision_wait_after_root_received", "2s")].map {
            ConfigEntry(key: $0.0, keyPosition: ConfigNode.literalPosition, value: .text($0.1))
        }
        result.note(.remark, "`decision_wait` and `decision_wait_after_root_received` are Refinery's defaults of `TraceTimeout` and `SendDelay`; its main configuration may say otherwise", at: root.position)
        result.note(.difference, "kept spans carry no sample rate here, so a backend that multiplies by Refinery's `SampleRate` counts fewer events", at: root.position)
        guard case .map(let kinds) = chosen.value.value, let kind = kinds.first else {
            problems.error("there is no sampler in it", at: chosen.keyPosition, keyPath: "Samplers.\(chosen.key)")
            return nil
        }
        if kind.key == "RulesBasedSampler" {
            rules(kind.value, &result)
        } else if let policy = sampler(kind, name: name(of: kind.key), &result, number: 0) {
            result.add(policy)
        }
        return result
    }

    private func choose(_ entries: [ConfigEntry], _ samplers: ConfigNode) -> ConfigEntry? {
        let wanted = environment ?? (entries.count == 1 ? entries[0].key : "__default__")
        if let found = entries.first(where: { $0.key == wanted }) { return found }
        let names = entries.map { "`\($0.key)`" }.joined(separator: ", ")
        problems.error("there is no environment `\(clipped(wanted))`; choose one with --environment: \(names)", at: samplers.position, keyPath: "Samplers")
        return nil
    }

    private func name(of kind: String) -> String {
        switch kind {
        case "DeterministicSampler": "share"
        default: "dynamic"
        }
    }

    // MARK: samplers

    /// A sampler other than rules, as one policy.
    private func sampler(_ kind: ConfigEntry, name: String?, _ result: inout PolicyImport, number: Int) -> ConfigNode? {
        let settings = kind.value
        switch kind.key {
        case "DeterministicSampler":
            result.note(.difference, "the share is the same, the traces are others: Refinery chooses by SHA-1, Tailgate by the Collector's hash", at: kind.keyPosition, policy: number)
            return share(settings.child("SampleRate")?.number ?? 1, name: name)
        case "EMAThroughputSampler", "WindowedThroughputSampler", "TotalThroughputSampler":
            let goal = settings.child("GoalThroughputPerSec")?.number ?? 100
            result.note(.difference, "`\(kind.key)` becomes `dynamic`: the goal holds for each node (Refinery divides it by the cluster's size with `UseClusterSize`), and rates are learned in Tailgate's own way", at: kind.keyPosition, policy: number)
            return dynamic(goal, settings, name: name, &result, number)
        case "DynamicSampler", "EMADynamicSampler":
            let rate = settings.child("GoalSampleRate")?.number ?? settings.child("SampleRate")?.number ?? 10
            if let incoming {
                result.note(.difference, "`\(kind.key)` aims at one event in \(shown(rate)); `dynamic` aims at spans per second: \(shown(incoming)) incoming / \(shown(rate)). It does not grow with the traffic", at: kind.keyPosition, policy: number)
                return dynamic(max(1, incoming / max(1, rate)), settings, name: name, &result, number)
            }
            result.note(.difference, "`\(kind.key)` keeps rare keys more often and frequent ones less; here every trace has the same chance of one in \(shown(rate)). With --incoming-spans-per-second it becomes `dynamic`", at: kind.keyPosition, policy: number)
            return share(rate, name: name)
        default:
            result.note(.missing, "the sampler `\(clipped(kind.key))` is not known here", at: kind.keyPosition)
            return nil
        }
    }

    private func share(_ rate: Double, name: String?) -> ConfigNode {
        if rate <= 1 { return .policy(name, "always_sample") }
        return .policy(name, "probabilistic", .made([("sampling_percentage", .number(100 / rate))]))
    }

    private func dynamic(_ goal: Double, _ settings: ConfigNode, name: String?, _ result: inout PolicyImport, _ number: Int) -> ConfigNode {
        var keys: [String] = []
        for item in settings.child("FieldList")?.items ?? [] {
            guard let field = item.scalarText else { continue }
            let key = RefineryConditions.keyName(field)
            if !field.hasPrefix("root.") && key != "service.name" {
                result.note(.difference, "`\(clipped(field))` is taken from the root span; Refinery joins the values of all spans", at: item.position, policy: number)
            }
            if !keys.contains(key) { keys.append(key) }
        }
        if keys.isEmpty { keys = ["service.name"] }
        if settings.child("UseTraceLength")?.isTrue == true {
            result.note(.difference, "`UseTraceLength` is left out: the number of spans is no key here", at: settings.position, policy: number)
        }
        let initial = settings.child("InitialSampleRate")?.number.map { 100 / max(1, $0) }
        return .policy(
            name, "dynamic",
            .made([
                ("spans_per_second", .number(goal.rounded(.up))), ("keys", .texts(keys)),
                ("adjustment_interval", settings.child("AdjustmentInterval") ?? settings.child("UpdateFrequency") ?? settings.child("ClearFrequency")),
                ("weight", settings.child("Weight")), ("initial_percentage", initial.map { .number($0) }), ("max_keys", settings.child("MaxKeys")),
            ]))
    }

    private func shown(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }

    // MARK: rules

    private func rules(_ block: ConfigNode, _ result: inout PolicyImport) {
        var rules: [ConfigNode] = []
        if block.child("CheckNestedFields")?.isTrue == true {
            result.note(.missing, "`CheckNestedFields` is left out: fields inside attributes that hold JSON text are not seen", at: block.position, policy: 0)
        }
        for (position, rule) in (block.child("Rules")?.items ?? []).enumerated() {
            rules += self.rule(rule, position, &result)
        }
        let catchesAll = rules.last.map { $0.child("span") == nil && $0.child("policy") == nil } ?? false
        if !catchesAll {
            rules.append(.made([("name", .text("no rule matched; Refinery keeps these")), ("sampling_percentage", .number(100))]))
        }
        result.note(.difference, "the shares are the same, the traces are others: Refinery draws lots, Tailgate chooses by trace id", at: block.position, policy: 0)
        result.add(.policy("rules", "first_match", .made([("rules", .made(rules))])))
    }

    /// One rule; two where a sampler of its own decides.
    private func rule(_ rule: ConfigNode, _ position: Int, _ result: inout PolicyImport) -> [ConfigNode] {
        let name = rule.text(of: "Name") ?? "rule \(position + 1)"
        let sameSpan = rule.text(of: "Scope") == "span"
        var parts: [RefineryConditions.Part] = []
        for condition in rule.child("Conditions")?.items ?? [] {
            switch RefineryConditions.part(condition) {
            case .success(let part):
                parts.append(part.0)
                for remark in part.1 { result.note(.difference, "rule `\(name)`: \(remark)", at: condition.position, policy: 0) }
            case .failure(let reason):
                result.note(.missing, "the rule `\(name)` is left out: \(reason.text)", at: condition.position)
                return []
            }
        }
        let conditions = combined(parts, sameSpan: sameSpan)
        guard let nested = rule.child("Sampler")?.entries.first else {
            var percentage = 100 / max(1, rule.child("SampleRate")?.number ?? 1)
            if rule.child("Drop")?.isTrue == true || rule.child("SampleRate")?.number == 0 { percentage = 0 }
            return [.made([("name", .text(name))] + conditions + [("sampling_percentage", .number(percentage))])]
        }
        guard let policy = sampler(nested, name: name, &result, number: 0) else { return [] }
        // What the sampler refuses must not fall to later rules: the same conditions again, with 0 %.
        var both = parts
        both.append(.policy(policy))
        let first = ConfigNode.made([("name", .text(name))] + combined(both, sameSpan: sameSpan) + [("sampling_percentage", .number(100))])
        let rest = ConfigNode.made([("name", .text("\(name): the rest"))] + conditions + [("sampling_percentage", .number(0))])
        return [first, rest]
    }

    /// The parts as the keys of one rule.
    private func combined(_ parts: [RefineryConditions.Part], sameSpan: Bool) -> [(String, ConfigNode?)] {
        var spans: [ConfigNode] = []
        var policies: [ConfigNode] = []
        for part in parts {
            switch part {
            case .span(let node): spans.append(node)
            case .policy(let node): policies.append(node)
            }
        }
        // Without a scope, each condition may hold on another span.
        if spans.count > 1 && !sameSpan {
            policies = spans.dropFirst().map { RefineryConditions.policy(of: $0) } + policies
            spans = Array(spans.prefix(1))
        }
        // Not with `nil`: a tree has a null of its own.
        var keys: [(String, ConfigNode?)] = []
        if let first = spans.first { keys.append(("span", spans.count == 1 ? first : .made([("all", .made(spans))]))) }
        if let first = policies.first {
            let all = ConfigNode.policy(nil, "and", .made([("and_sub_policy", .made(policies))]))
            keys.append(("policy", policies.count == 1 ? first : all))
        }
        return keys
    }
}

internal import ConfigTree
internal import Sampling

/// Tests for imported policies: one trace each that the policy is there for. Only those that pass are handed out, so that a new file
/// begins with tests that are true.
enum ImportTests {
    static func suggested(for policies: [ConfigNode], settings: [ConfigEntry]) -> [ConfigNode] {
        var made: [ConfigNode] = []
        for policy in policies {
            guard let name = policy.text(of: "name"), !name.isEmpty, let spans = spans(for: LintPolicy(policy, keyPath: "")) else { continue }
            let expect = ConfigNode.made([("decision", .text("sampled")), ("policy", .text(name))])
            made.append(
                .made([("name", .text("\(name) keeps what it is there for")), ("trace", .made(spans)), ("expect", expect)]))
        }
        made.append(
            .made([
                ("name", .text("an ordinary trace")), ("trace", .made([span([])])),
                ("expect", .made([("decision", .text("not_sampled"))])),
            ]))
        return made.filter { passes($0, policies, settings) }
    }

    private static func passes(_ test: ConfigNode, _ policies: [ConfigNode], _ settings: [ConfigEntry]) -> Bool {
        let problems = ConfigProblems()
        var document = PolicyDocument(.made(policies), keyPath: "policies", problems: problems)
        document.tests = [test]
        let read = PolicySettings(settings, at: ConfigNode.literalPosition, keyPath: "settings", problems: ConfigProblems())
        let results = PolicyTests.results(PolicySource(document: document, settings: read), problems: problems)
        return results.count == 1 && results[0].passed
    }

    private static func span(_ more: [(String, ConfigNode?)]) -> ConfigNode {
        .made([("service", .text("shop")), ("name", .text("GET /")), ("duration_ms", .number(5))] + more)
    }

    /// A trace that the policy wants, if that can be read off its settings.
    private static func spans(for policy: LintPolicy) -> [ConfigNode]? {
        guard !policy.isInverted else { return nil }
        switch policy.type {
        case "status_code": return policy.texts("status_codes").first.map { [span([("status", .text($0.text))])] }
        case "latency":
            let threshold = policy.number("threshold_ms") ?? 0
            let isWindow = (policy.number("upper_threshold_ms") ?? 0) > 0
            return [.made([("service", .text("shop")), ("name", .text("GET /")), ("duration_ms", .number(isWindow ? threshold + 1 : threshold))])]
        case "string_attribute":
            guard !policy.flag("enabled_regex_matching"), let key = policy.block.text(of: "key"), let value = policy.texts("values").first
            else { return nil }
            return [attributed(key, .text(value.text))]
        case "numeric_attribute":
            guard let key = policy.block.text(of: "key") else { return nil }
            let low = policy.number("min_value") ?? 0
            return [attributed(key, .number(low != 0 ? low : policy.number("max_value") ?? 0))]
        case "boolean_attribute": return policy.block.text(of: "key").map { [attributed($0, .bool(policy.flag("value")))] }
        case "and":
            // One span that satisfies all parts, where each part asks for one attribute or the status.
            var members: [(String, ConfigNode?)] = []
            var attributes: [(String, ConfigNode?)] = []
            for child in policy.children where !child.keepsEverything {
                guard let part = spans(for: child)?.first else { return nil }
                for entry in part.entries {
                    if entry.key == "attributes" {
                        attributes += entry.value.entries.map { ($0.key, $0.value) }
                    } else {
                        members.removeAll { $0.0 == entry.key }
                        members.append((entry.key, entry.value))
                    }
                }
            }
            if !attributes.isEmpty { members.append(("attributes", .made(attributes))) }
            return members.isEmpty ? nil : [.made(members)]
        default: return nil
        }
    }

    private static func attributed(_ key: String, _ value: ConfigNode) -> ConfigNode {
        if key == "service.name" { return .made([("service", value), ("name", .text("GET /")), ("duration_ms", .number(5))]) }
        return span([("attributes", .made([(key, value)]))])
    }
}

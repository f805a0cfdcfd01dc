import ConfigTree
import Foundation
import PolicyTools
import TestSupport
import Testing

/// Imports: the result means what the original meant, and says where it does not.
@Suite struct ImportTests {
    static func imported(_ text: String, environment: String? = nil, incoming: Double? = nil, processor: String? = nil) throws -> PolicyImport {
        let problems = ConfigProblems()
        let root = try #require(tree(text, problems))
        let made = PolicyImport.read(root, file: "f.yaml", processor: processor, environment: environment, incomingSpansPerSecond: incoming, problems: problems)
        return try #require(made, "\(problems.all)")
    }

    /// The fate of traces under an imported file.
    static func passes(_ made: PolicyImport, _ tests: String) throws {
        let text = made.yaml().components(separatedBy: "# One trace for each policy").first ?? ""
        let body = text.components(separatedBy: "\ntests:\n").first ?? text
        let (results, problems) = try run(body + "\ntests:\n" + tests)
        #expect(problems.filter { !$0.contains("warning") } == [], "\(body)")
        #expect(results.flatMap(\.failures) == [], "\(body)")
        #expect(!results.isEmpty)
    }

    static let collector = """
        processors:
          probabilistic_sampler: {sampling_percentage: 50}
          groupbytrace:
          tail_sampling:
            decision_wait: 20s
            num_traces: 100
            policies:
              - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}, latency: {threshold_ms: 5}}
              - {name: slow, type: latency, latency: {threshold_ms: 5000}}
              - {name: codes, type: numeric_attribute, numeric_attribute: {key: http.status_code, min_value: 500, max_value: 599}}
              - {name: team, type: string_attribute, string_attribute: {key: service.name, values: ["${env:TEAM}", "a: b"]}}
              - {name: ours, type: my_extension, my_extension: {a: 1}}
              - name: comp
                type: composite
                composite: {max_total_spans_per_second: 100, policy_order: [], composite_sub_policy: [{name: a, type: always_sample}], rate_allocation: []}
        """

    @Test func collectorConfiguration() throws {
        let made = try Self.imported(Self.collector)
        #expect(made.policies.count == 5)
        #expect(!made.isComplete, "the extension's policy is missing")
        let texts = made.notes.map(\.text)
        for part in ["`probabilistic_sampler`", "`groupbytrace`", "`num_traces` is left out", "the block `latency` is left out", "an extension", "equal part"] {
            #expect(texts.contains { $0.contains(part) }, "\(part) is not in \(texts)")
        }
        let yaml = made.yaml()
        #expect(yaml.contains("'${env:TEAM}'") || yaml.contains("\"${env:TEAM}\""))
        #expect(made.tests.count >= 3)
        let (results, problems) = try run(yaml.replacing("${env:TEAM}", with: "x"))
        #expect(problems.filter { !$0.contains("warning") } == [])
        #expect(results.count == made.tests.count && results.allSatisfy(\.passed))
    }

    @Test func oneOfSeveral() throws {
        let text = "processors: {tail_sampling/a: {policies: [{name: x, type: always_sample}]}, tail_sampling/b: {policies: []}}"
        #expect(try Self.imported(text, processor: "tail_sampling/a").policies.count == 1)
        let problems = ConfigProblems()
        #expect(PolicyImport.read(try #require(tree(text)), file: "f", problems: problems) == nil)
        #expect(problems.all.first?.message.contains("`tail_sampling/a`, `tail_sampling/b`") == true)
    }

    static func rule(_ rule: String) -> String { "{RulesVersion: 2, Samplers: {__default__: {RulesBasedSampler: {Rules: [\(rule), {Name: none, Drop: true}]}}}}" }

    /// One condition, a span that meets it and one that does not.
    @Test(arguments: [
        ("{Field: http.method, Operator: '=', Value: GET}", "{attributes: {http.method: GET}}", "{attributes: {http.method: POST}}"),
        ("{Field: http.method, Operator: '!=', Value: GET}", "{attributes: {http.method: POST}}", "{attributes: {http.method: GET}}"),
        ("{Field: http.method, Operator: '!=', Value: GET}", "{attributes: {http.method: X}}", "{}"),
        ("{Field: code, Operator: '>', Value: 499}", "{attributes: {code: 500}}", "{attributes: {code: 499}}"),
        ("{Field: code, Operator: '>=', Value: 500}", "{attributes: {code: 500}}", "{attributes: {code: 499}}"),
        ("{Field: code, Operator: '<', Value: 500}", "{attributes: {code: 499}}", "{attributes: {code: 500}}"),
        ("{Field: code, Operator: '=', Value: 200}", "{attributes: {code: 200}}", "{attributes: {code: 201}}"),
        ("{Field: code, Operator: '=', Value: '200', Datatype: int}", "{attributes: {code: 200}}", "{attributes: {code: 201}}"),
        ("{Field: code, Operator: in, Value: [200, 201]}", "{attributes: {code: 201}}", "{attributes: {code: 202}}"),
        ("{Field: m, Operator: in, Value: [a, b]}", "{attributes: {m: b}}", "{attributes: {m: c}}"),
        ("{Field: m, Operator: not-in, Value: [a, b]}", "{attributes: {m: c}}", "{attributes: {m: a}}"),
        ("{Field: path, Operator: starts-with, Value: /a.b}", "{attributes: {path: /a.b/c}}", "{attributes: {path: /axb/c}}"),
        ("{Field: path, Operator: contains, Value: admin}", "{attributes: {path: /x/admin/y}}", "{attributes: {path: /x}}"),
        ("{Field: path, Operator: does-not-contain, Value: admin}", "{attributes: {path: /x}}", "{attributes: {path: /x/admin}}"),
        ("{Field: path, Operator: matches, Value: '^/x[0-9]$'}", "{attributes: {path: /x1}}", "{attributes: {path: /x12}}"),
        ("{Field: path, Operator: exists}", "{attributes: {path: /x}}", "{}"),
        ("{Field: path, Operator: not-exists}", "{}", "{attributes: {path: /x}}"),
        ("{Field: root.path, Operator: exists}", "{attributes: {path: /x}}", "{parent: 00f067aa0ba902b7, attributes: {path: /x}}"),
        ("{Fields: [a, b], Operator: '=', Value: x}", "{attributes: {b: x}}", "{attributes: {b: y}}"),
        ("{Field: duration_ms, Operator: '>', Value: 1000}", "{duration_ms: 1000.001}", "{duration_ms: 1000}"),
        ("{Field: duration_ms, Operator: '<=', Value: 1000}", "{duration_ms: 1000}", "{duration_ms: 1000.001}"),
        ("{Field: error, Operator: '=', Value: true}", "{status: ERROR}", "{status: OK}"),
        ("{Field: error, Operator: exists}", "{status: ERROR}", "{}"),
        ("{Field: status_code, Operator: '=', Value: 2}", "{status: ERROR}", "{status: OK}"),
        ("{Field: name, Operator: '=', Value: pay}", "{name: pay}", "{name: pays}"),
        ("{Field: name, Operator: starts-with, Value: pay}", "{name: pays}", "{name: repay}"),
        ("{Field: service.name, Operator: in, Value: [a, b]}", "{service: b}", "{service: c}"),
        ("{Field: span.kind, Operator: '=', Value: client}", "{kind: client}", "{kind: server}"),
        ("{Field: trace.parent_id, Operator: not-exists}", "{}", "{parent: 00f067aa0ba902b7}"),
        ("{Operator: has-root-span, Value: true}", "{}", "{parent: 00f067aa0ba902b7}"),
        ("{Operator: has-root-span, Value: false}", "{parent: 00f067aa0ba902b7}", "{}"),
        ("{Field: '?.NUM_DESCENDANTS', Operator: '>', Value: 2}", "{repeat: 4}", "{repeat: 3}"),
    ])
    func refineryCondition(condition: String, meets: String, fails: String) throws {
        let made = try Self.imported(Self.rule("{Name: r, SampleRate: 1, Conditions: [\(condition)]}"))
        #expect(made.isComplete, "\(made.notes)")
        try Self.passes(made, "  - {name: meets, trace: [\(meets)], expect: {decision: sampled}}\n  - {name: fails, trace: [\(fails)], expect: {decision: not_sampled}}")
    }

    @Test func refineryRules() throws {
        let conditions = "Conditions: [{Field: a, Operator: '=', Value: x}, {Field: b, Operator: '=', Value: y}]"
        let spread = "[{attributes: {a: x}}, {attributes: {b: y}}]"
        let together = "[{attributes: {a: x, b: y}}]"
        try Self.passes(
            Self.imported(Self.rule("{Name: any, SampleRate: 1, \(conditions)}")),
            "  - {name: spread, trace: \(spread), expect: {kept: 1}}\n  - {name: together, trace: \(together), expect: {kept: 1}}")
        try Self.passes(
            Self.imported(Self.rule("{Name: same, SampleRate: 1, Scope: span, \(conditions)}")),
            "  - {name: spread, trace: \(spread), expect: {kept: 0}}\n  - {name: together, trace: \(together), expect: {kept: 1}}")
        try Self.passes(
            Self.imported(Self.rule("{Name: tenth, SampleRate: 10, Conditions: []}")),
            "  - {name: a tenth, repeat: 1000, trace: [{}], expect: {kept: 70...130}}")
        // Refinery keeps what no rule matches.
        let open = "{RulesVersion: 2, Samplers: {a: {RulesBasedSampler: {Rules: [{Name: d, Drop: true, Conditions: [{Field: a, Operator: exists}]}]}}}}"
        try Self.passes(Self.imported(open), "  - {name: rest, trace: [{}], expect: {kept: 1}}\n  - {name: a, trace: \(together), expect: {kept: 0}}")
        // What a rule's own sampler refuses does not fall to the rules below it.
        let nested = "{Name: n, Conditions: [{Field: a, Operator: exists}], Sampler: {EMAThroughputSampler: {GoalThroughputPerSec: 1, FieldList: [root.a]}}}"
        try Self.passes(
            Self.imported("{RulesVersion: 2, Samplers: {a: {RulesBasedSampler: {Rules: [\(nested), {Name: all, SampleRate: 1}]}}}}"),
            "  - {name: thin, repeat: 500, trace: \(together), expect: {kept: 1...200}}\n  - {name: others, repeat: 50, trace: [{}], expect: {kept: 50}}")
    }

    @Test(arguments: [
        ("{DeterministicSampler: {SampleRate: 4}}", "type: probabilistic", "sampling_percentage: 25"),
        ("{DeterministicSampler: {SampleRate: 1}}", "type: always_sample", ""),
        ("{EMADynamicSampler: {GoalSampleRate: 20, FieldList: [a]}}", "type: probabilistic", "sampling_percentage: 5"),
        ("{EMAThroughputSampler: {GoalThroughputPerSec: 300, FieldList: [root.name, b], InitialSampleRate: 10, Weight: 0.5}}", "keys: [span.name, b]", "spans_per_second: 300"),
        ("{TotalThroughputSampler: {GoalThroughputPerSec: 300, FieldList: [b]}}", "type: dynamic", "keys: [b]"),
    ])
    func refinerySamplers(sampler: String, first: String, second: String) throws {
        let made = try Self.imported("{RulesVersion: 2, Samplers: {__default__: \(sampler)}}")
        #expect(made.isComplete, "\(made.notes)")
        #expect(made.yaml().contains(first) && (second.isEmpty || made.yaml().contains(second)), "\(made.yaml())")
    }

    @Test func refineryGoalAsARate() throws {
        let made = try Self.imported("{RulesVersion: 2, Samplers: {__default__: {DynamicSampler: {SampleRate: 20, FieldList: [a]}}}}", incoming: 10_000)
        #expect(made.yaml().contains("spans_per_second: 500"))
    }

    @Test func refineryEnvironments() throws {
        let text = "{RulesVersion: 2, Samplers: {__default__: {DeterministicSampler: {SampleRate: 1}}, prod: {DeterministicSampler: {SampleRate: 2}}}}"
        #expect(try Self.imported(text, environment: "prod").yaml().contains("sampling_percentage: 50"))
        #expect(try !Self.imported(text).isComplete, "the other environment is not in it")
        let problems = ConfigProblems()
        #expect(PolicyImport.read(try #require(tree(text)), file: "f", environment: "dev", problems: problems) == nil)
        #expect(problems.hasErrors)
    }

    @Test(arguments: ["{Field: meta.refinery.reason, Operator: exists}", "{Field: a, Operator: sounds-like, Value: b}", "{Operator: exists}"])
    func whatRefineryAloneKnows(condition: String) throws {
        let made = try Self.imported(Self.rule("{Name: odd, SampleRate: 1, Conditions: [\(condition)]}"))
        #expect(made.notes.contains { $0.weight == .missing && $0.text.contains("the rule `odd` is left out") })
    }

    /// What the writer writes, the reader reads.
    @Test func yamlRoundTrip() throws {
        let texts = ["", "a", "a: b", "- x", "#no", "yes", "1", "1.5", "true", "~", "null", "x #y", "'", "\"", "it's", "a\nb", "\t", "$", "${env:X}", "[a]", "{", "*a", "&a", "!x", "%", "@", "`", "a,b", "ends:", " lead", "trail ", "0x1f", "ä€😀", "\u{7}", "\\d+", "^/a$", "=", "<<", "?", "-", ".5", "1e3", ": "]
        var random = SeededGenerator(3)
        func node(_ depth: Int) -> ConfigNode {
            switch Int.random(in: 0..<(depth > 3 ? 3 : 6), using: &random) {
            case 0, 1: return ConfigNode(stringLiteral: texts.randomElement(using: &random) ?? "")
            case 2: return ConfigNode(integerLiteral: Int.random(in: -5...5000, using: &random))
            case 3: return ConfigNode(.list((0..<Int.random(in: 0...3, using: &random)).map { _ in node(depth + 1) }), at: ConfigNode.literalPosition)
            default:
                let keys = Set((0..<Int.random(in: 0...4, using: &random)).compactMap { _ in texts.randomElement(using: &random) })
                return ConfigNode(.map(keys.filter { !$0.contains("$") && $0 != "<<" }.sorted().map { ConfigEntry(key: $0, keyPosition: ConfigNode.literalPosition, value: node(depth + 1)) }), at: ConfigNode.literalPosition)
            }
        }
        for _ in 0..<500 {
            let made = ConfigNode.map(["top": node(0)])
            var writer = YAMLText()
            let text = writer.text(made)
            let problems = ConfigProblems()
            let read = try #require(tree(text, problems), "\(text) \(problems.all)")
            #expect(problems.all.isEmpty, "\(text)")
            #expect(sameMeaning(read, made), "\(text)")
        }
    }

    /// Same values, however they are quoted.
    private func sameMeaning(_ left: ConfigNode, _ right: ConfigNode) -> Bool {
        switch (left.value, right.value) {
        case (.scalar(let a), .scalar(let b)):
            a.text == b.text && (a.meaning == b.meaning || (a.meaning == .text) == (b.meaning == .text))
        case (.list(let a), .list(let b)): a.count == b.count && zip(a, b).allSatisfy(sameMeaning)
        case (.map(let a), .map(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && sameMeaning($0.value, $1.value) }
        default: left.value == right.value
        }
    }
}

import ConfigTree
import OTLP
import OTTL
import Testing

@testable import Sampling

@Suite struct OTTLConditionPolicyTests {
    static func block(_ conditions: String..., events: [String] = [], mode: String? = nil) -> ConfigNode {
        var entries: [(String, ConfigNode)] = [("span", .texts(conditions)), ("spanevent", .texts(events))]
        if let mode { entries.append(("error_mode", ConfigNode(stringLiteral: mode))) }
        return .entries(entries)
    }

    static func span(_ status: Int64, _ service: String = "shop", isRoot: Bool = false, name: String = "GET /") -> ModelSpan {
        var span = ModelSpan(resource: [ModelAttribute("service.name", .text(service))], isRoot: isRoot, name: name)
        span.attributes = [ModelAttribute("http.response.status_code", .int(status))]
        return span
    }

    @Test(arguments: [
        (#"attributes["http.response.status_code"] >= 500"#, true), (#"attributes["http.response.status_code"] > 500"#, false),
        (#"resource.attributes["service.name"] == "shop" and IsMatch(name, "^GET /")"#, true),
        (#"resource.attributes["service.name"] == "cart" and IsMatch(name, "^GET /")"#, false), (#"IsRootSpan()"#, true),
        (#"IsRootSpan() and attributes["http.response.status_code"] == 500"#, false), (#"attributes["absent"] != nil"#, false),
        (#"attributes["absent"] == nil"#, true), (#"scope.name == "library""#, true),
    ])
    func conditions(text: String, holds: Bool) {
        let spans = [Self.span(200, isRoot: true), Self.span(500)]
        #expect(verdict("ottl_condition", Self.block(text), spans) == (holds ? .sampled : .notSampled), "\(text)")
        #expect(verdict("ottl_condition", Self.block("false", text), spans) == (holds ? .sampled : .notSampled), "\(text)")
        let inRule: ConfigNode = .map(["rules": [.map(["span": .map(["ottl": [ConfigNode(stringLiteral: text)]]), "sampling_percentage": 100])]])
        #expect(verdict("first_match", inRule, spans) == (holds ? .sampled : .notSampled), "\(text)")
    }

    /// Beside policies on the same and on other attributes, whose numbers the conditions share.
    @Test func besideOtherPolicies() throws {
        let nodes = [
            policyNode("numeric_attribute", .map(["key": "other", "min_value": 1]), name: "0"),
            policyNode("string_attribute", .map(["key": "service.name", "values": ["shop"]]), name: "1"),
            policyNode("ottl_condition", Self.block(#"attributes["http.response.status_code"] == 404"#), name: "2"),
            policyNode("ottl_condition", Self.block(#"attributes["other"] == 7"#), name: "3"),
            policyNode("ottl_condition", Self.block(#"resource.attributes["service.name"] == "cart""#), name: "4"),
        ]
        let set = try #require(build(nodes).set)
        var other = Self.span(404)
        #expect(set.judge([other]).verdicts == [.notSampled, .sampled, .sampled, .notSampled, .notSampled])
        other.attributes.append(ModelAttribute("other", .int(7)))
        #expect(set.judge([other]).verdicts == [.sampled, .sampled, .sampled, .sampled, .notSampled])
        #expect(set.judge([Self.span(1, "cart")]).verdicts == [.notSampled, .notSampled, .notSampled, .notSampled, .sampled])
    }

    /// An error on a span: false with `ignore` and `silent` (and when nothing is written), and the policy's failure with
    /// `propagate` unless the condition is true of another span, in whatever order they came.
    @Test func errorModes() {
        let failsOnNames = #"1 / (Len(name) - 1) > 0 and name == "ab""#
        func spans(_ names: String...) -> [ModelSpan] { names.map { ModelSpan(name: $0) } }
        for mode in [nil, "silent", "ignore", "IGNORE"] as [String?] {
            let block = Self.block(failsOnNames, mode: mode)
            #expect(verdict("ottl_condition", block, spans("x", "ab")) == .sampled)
            #expect(verdict("ottl_condition", block, spans("x", "abc")) == .notSampled)
        }
        let propagate = Self.block(failsOnNames, mode: "Propagate")
        #expect(verdict("ottl_condition", propagate, spans("x", "ab")) == .sampled)
        #expect(verdict("ottl_condition", propagate, spans("ab", "x")) == .sampled)
        #expect(verdict("ottl_condition", propagate, spans("x", "abc")) == .failed)
        #expect(verdict("ottl_condition", propagate, spans("abc")) == .notSampled)
        // A failure inside a container makes it fail, and leaves the decision to other policies.
        let failing = policyNode("ottl_condition", propagate)
        #expect(verdict("and", .map(["and_sub_policy": [failing]]), spans("x")) == .failed)
        #expect(verdict("not", .map(["not_sub_policy": failing]), spans("x")) == .failed)
        #expect(verdict("any_of", .map(["any_of_sub_policy": [failing]]), spans("x")) == .failed)
        #expect(verdict("any_of", .map(["any_of_sub_policy": [failing, ContainerPolicyTests.yes]]), spans("x")) == .sampled)
        #expect(verdict("drop", .map(["drop_sub_policy": [failing]]), spans("x")) == .failed)
        #expect(verdict("composite", CompositePolicyTests.block(1000, []), spans("x")) == .sampled)
        let set = build([policyNode("ottl_condition", propagate, name: "a"), policyNode("always_sample", nil, name: "b")]).set
        #expect(set?.judge(spans("x")).decision == Decision(verdict: .sampled, policy: 1))
    }

    @Test func configuration() {
        #expect(problems("ottl_condition", Self.block()) == [": expected at least one OTTL condition to filter on, under `span` or `spanevent`"])
        #expect(problems("ottl_condition", Self.block("true", mode: "")).first?.hasPrefix(".error_mode: unknown error mode ``") == true)
        #expect(problems("ottl_condition", Self.block("true", mode: "propgate")).first?.contains("did you mean `propagate`?") == true)
        let unknown = problems("ottl_condition", Self.block("true", #"nmae == "x""#))
        #expect(unknown.count == 1 && unknown[0].hasPrefix(".span[1]: column 1: "), "\(unknown)")
        let pattern = problems("ottl_condition", Self.block(#"IsMatch(name, "a(b")"#))
        #expect(pattern.count == 1 && pattern[0].contains("missing )"), "\(pattern)")
        #expect(problems("ottl_condition", Self.block("true", mode: "propagate")).count == 1)
    }

    @Test func equalConditionsAreEvaluatedOnce() throws {
        let nodes = (0..<3).map { policyNode("ottl_condition", Self.block(#"name == "a""#), name: "\($0)") }
        let set = try #require(build(nodes).set)
        #expect(set.predicateCount == 1)
        #expect(set.describePredicate(bit: 0) == #"name == "a""#)
    }
}

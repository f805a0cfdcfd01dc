import ConfigTree
import PolicyTools
import ReportText
import Testing

/// Every rule of lint: a file in which it finds something, and one in which it does not.
@Suite struct LintTests {
    static let share = "{name: share, type: probabilistic, probabilistic: {sampling_percentage: 10}}"
    static let errors = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
    static func text(_ name: String, _ block: String) -> String { "{name: \(name), type: string_attribute, string_attribute: {\(block)}}" }

    /// Policies in which the rule finds something, and nearly the same in which it does not.
    static let cases: [(LintRule, found: String, clean: String)] = [
        (.shadowed, "[\(errors), {name: all, type: always_sample}]", "[\(errors), \(share)]"),
        (.identical, "[\(errors), {name: same, type: status_code, status_code: {status_codes: [ERROR]}}]", "[\(errors), {name: ok, type: status_code, status_code: {status_codes: [OK]}}]"),
        (.subsumed, "[{name: a, type: latency, latency: {threshold_ms: 2000}}, {name: b, type: latency, latency: {threshold_ms: 1000}}]", "[{name: a, type: latency, latency: {threshold_ms: 2000, upper_threshold_ms: 3000}}, {name: b, type: latency, latency: {threshold_ms: 2500}}]"),
        (.subsumed, "[\(errors), {name: b, type: and, and: {and_sub_policy: [\(errors), \(share)]}}]", "[{name: b, type: and, and: {and_sub_policy: [\(errors), \(share)]}}]"),
        (.keepsEverything, "[{name: slow, type: latency, latency: {}}]", "[{name: slow, type: latency, latency: {threshold_ms: 1}}]"),
        (.keepsEverything, "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 100}}]", "[{name: all, type: always_sample}]"),
        (.keepsEverything, "[\(text("a", "key: k, values: [], invert_match: true"))]", "[\(text("a", "key: k, values: [v], invert_match: true"))]"),
        (.keepsNothing, "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 0}}]", "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 0.1}}]"),
        (.keepsNothing, "[{name: p, type: numeric_attribute, numeric_attribute: {key: k, min_value: 6, max_value: 5}}]", "[{name: p, type: numeric_attribute, numeric_attribute: {key: k, min_value: 5, max_value: 5}}]"),
        (.dropsEverything, "[{name: d, type: drop, drop: {drop_sub_policy: []}}]", "[{name: d, type: drop, drop: {drop_sub_policy: [\(errors)]}}]"),
        (.dropOrder, "[\(share), {name: d, type: drop, drop: {drop_sub_policy: [\(errors)]}}]", "[{name: d, type: drop, drop: {drop_sub_policy: [\(errors)]}}, \(share)]"),
        (.limitAdds, "[\(share), {name: r, type: rate_limiting, rate_limiting: {spans_per_second: 500}}]", "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 500}}]"),
        (.limitCharged, "[\(share), {name: r, type: rate_limiting, rate_limiting: {spans_per_second: 500}}]", "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 500}}]"),
        (.budgetSmall, "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 49}}]", "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 50}}]"),
        (.budgetSmall, "[{name: r, type: bytes_limiting, bytes_limiting: {bytes_per_second: 24999}}]", "[{name: r, type: bytes_limiting, bytes_limiting: {bytes_per_second: 25000}}]"),
        (.budgetOnce, "[{name: r, type: rate_limiting, rate_limiting: {burst_capacity: 500}}]", "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 1, burst_capacity: 500}}]"),
        (.burst, "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 10, burst_capacity: 601}}]", "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 10, burst_capacity: 600}}]"),
        (.percentageFraction, "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 0.5}}]", "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 1}}]"),
        (.percentageRange, "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 101}}]", "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 100}}]"),
        (.correlatedPercentages, "[{name: a, type: and, and: {and_sub_policy: [\(share), \(share)]}}]", "[{name: a, type: and, and: {and_sub_policy: [\(share), {type: probabilistic, probabilistic: {sampling_percentage: 10, hash_salt: x}}]}}]"),
        (.regexMatchesEverything, "[\(text("a", "key: k, values: ['.*'], enabled_regex_matching: true"))]", "[\(text("a", "key: k, values: ['.*x'], enabled_regex_matching: true"))]"),
        (.regexUnanchored, "[\(text("a", "key: k, values: [/health], enabled_regex_matching: true"))]", "[\(text("a", "key: k, values: [^/health$], enabled_regex_matching: true"))]"),
        (.patternWithoutRegex, "[\(text("a", "key: k, values: ['/api/.*']"))]", "[\(text("a", "key: k, values: ['/api/']"))]"),
        (.invertNoVeto, "[\(text("a", "key: k, values: [v], invert_match: true"))]", "[\(text("a", "key: k, values: [v]"))]"),
        (.invertAnySpan, "[{name: n, type: and, and: {and_sub_policy: [\(text("a", "key: k, values: [v], invert_match: true"))]}}]", "[{name: n, type: and, and: {and_sub_policy: [\(text("a", "key: k, values: [v], invert_match: true, match: root"))]}}]"),
        (.compositeUnallocated, composite("[\(errors), \(share)]", "[{policy: errors, percent: 50}]"), composite("[\(errors), \(share)]", "[{policy: errors, percent: 50}, {policy: share, percent: 50}]")),
        (.compositeSum, composite("[\(errors), \(share)]", "[{policy: errors, percent: 60}, {policy: share, percent: 60}]"), composite("[\(errors), \(share)]", "[{policy: errors, percent: 60}, {policy: share, percent: 40}]")),
        (.compositeUnknown, composite("[\(errors)]", "[{policy: eror, percent: 50}]"), composite("[\(errors)]", "[{policy: errors, percent: 50}]")),
        (.compositeBlocked, composite("[{name: all, type: always_sample}, \(errors)]", "[]"), composite("[\(errors), {name: all, type: always_sample}]", "[]")),
        (.compositeOrder, composite("[\(errors), \(share)]", "[]", order: "[share, errors]"), composite("[\(errors), \(share)]", "[]", order: "[errors, share]")),
        (.numericZero, "[{name: n, type: numeric_attribute, numeric_attribute: {key: k, min_value: 0, max_value: 5}}]", "[{name: n, type: numeric_attribute, numeric_attribute: {key: k, min_value: 0.0, max_value: 5}}]"),
        (.latencyWindow, "[{name: l, type: latency, latency: {threshold_ms: 100, upper_threshold_ms: 200}}]", "[{name: l, type: latency, latency: {threshold_ms: 100}}]"),
        (.latencyBeyondWait, "[{name: l, type: latency, latency: {threshold_ms: 30000}}]", "[{name: l, type: latency, latency: {threshold_ms: 29999}}]"),
        (.errorMode, "[{name: o, type: ottl_condition, ottl_condition: {span: ['kind == 2']}}]", "[{name: o, type: ottl_condition, ottl_condition: {error_mode: ignore, span: ['kind == 2']}}]"),
        (.firstMatchNotAlone, "[\(errors), {name: f, type: first_match, first_match: {rules: [{sampling_percentage: 1}]}}]", "[{name: f, type: first_match, first_match: {rules: [{sampling_percentage: 1}]}}]"),
        (.highCardinalityKey, "[{name: d, type: dynamic, dynamic: {spans_per_second: 10, keys: [url.path]}}]", "[{name: d, type: dynamic, dynamic: {spans_per_second: 10, keys: [http.route]}}]"),
        (.oldAttribute, "[\(text("a", "key: http.method, values: [GET]"))]", "[\(text("a", "key: http.request.method, values: [GET]"))]"),
        (.noBaseline, "[\(errors)]", "[\(errors), \(share)]"),
        (.configuration, "[{name: l, type: latancy}]", "[\(share)]"),
    ]

    static func composite(_ policies: String, _ shares: String, order: String = "[]") -> String {
        "[{name: c, type: composite, composite: {max_total_spans_per_second: 1000, policy_order: \(order), composite_sub_policy: \(policies), rate_allocation: \(shares)}}]"
    }

    static func rules(_ policies: String, head: String = "") throws -> [LintRule] {
        let (found, problems) = source("\(head)\npolicies: \(policies)")
        return PolicyLint(try #require(found, "\(problems.all)"), problems: problems).findings.map(\.rule)
    }

    @Test(arguments: cases.indices)
    func rule(number: Int) throws {
        let (rule, found, clean) = Self.cases[number]
        #expect(try Self.rules(found).contains(rule), "\(rule) finds nothing in \(found)")
        #expect(try !Self.rules(clean).contains(rule), "\(rule) finds something in \(clean)")
    }

    @Test func rulesOfTheSettingsAndTheFile() throws {
        let limiters = "[{name: r, type: rate_limiting, rate_limiting: {spans_per_second: 500}}, \(Self.share)]"
        #expect(try Self.rules(limiters, head: "settings: {sample_on_first_match: true}").contains(.firstMatchOrder))
        #expect(try !Self.rules(limiters).contains(.firstMatchOrder))
        #expect(try Self.rules("[]").contains(.noTests))
        #expect(try !Self.rules("[\(Self.share)]", head: "tests: [{name: a, trace: [{}], expect: {kept: 0}}]").contains(.noTests))
    }

    @Test func everyRuleIsTested() {
        let tested = Set(Self.cases.map(\.0)).union([.firstMatchOrder, .noTests])
        #expect(Set(LintRule.allCases).subtracting(tested) == [])
    }

    @Test func aDefaultSetIsClean() throws {
        let slow = "{name: slow, type: latency, latency: {threshold_ms: 1000}}"
        #expect(try Self.rules("[\(Self.errors), \(slow), \(Self.share)]", head: "tests: [{name: a, trace: [{}], expect: {kept: 0}}]") == [])
    }

    @Test func findingsHavePlaces() throws {
        let (found, problems) = source("policies:\n  - name: p\n    type: probabilistic\n    probabilistic:\n      sampling_percentage: 0.5\n")
        let lint = PolicyLint(try #require(found), problems: problems)
        let finding = try #require(lint.findings.first { $0.rule == .percentageFraction })
        #expect(finding.position.description == "p.yaml:5:28")
        #expect(finding.keyPath == "policies[0].probabilistic.sampling_percentage")
        #expect(finding.message.contains("one trace in 200"))
        let text = LintReport(files: [LintReport.File(path: "p.yaml", findings: lint.findings, costs: [])]).text(.plain, hidesNotes: false, showsCosts: true)
        #expect(text.contains("p.yaml:5:28: note: 0.5 is a percentage") && text.contains("[percentage-fraction]"))
    }

    @Test func costs() throws {
        let found = try policies(
            """
            - \(Self.errors)
            - \(Self.text("exact", "key: k, values: [v]"))
            - \(Self.text("again", "key: k, values: [v]"))
            - \(Self.text("regex", "key: k, values: [^v$], enabled_regex_matching: true"))
            """)
        let set = try #require(found.compiled(problems: ConfigProblems()))
        let costs = PredicateCost.all(set)
        #expect(costs.map(\.cost) == [.moderate, .cheap, .free])
        #expect(costs[1].policies == ["exact", "again"], "the same condition is checked once")
    }
}

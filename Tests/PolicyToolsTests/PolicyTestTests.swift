import ConfigTree
import Foundation
import PolicyTools
import ReportText
import Sampling
import Testing

/// The tests of policy files: what they can say, what they find, and how mistakes in them are reported.
@Suite struct PolicyTestTests {
    static let three = """
        policies:
          - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
          - {name: slow, type: latency, latency: {threshold_ms: 1000}}
          - {name: probes, type: drop, drop: {drop_sub_policy: [{type: string_attribute, string_attribute: {key: http.route, values: [/healthz]}}]}}
        tests:
        """

    @Test(arguments: [
        // trace, expectation, passes
        ("[{status: ERROR}]", "{decision: sampled, policy: errors}", true),
        ("[{status: error}]", "{decision: sampled}", true),
        ("[{status: ERROR}]", "{decision: sampled, policy: slow}", false),
        ("[{status: OK}]", "{decision: not_sampled}", true),
        ("[{status: OK}]", "{decision: sampled}", false),
        ("[{duration_ms: 999.999999}]", "{decision: not_sampled}", true),
        ("[{duration_ms: 1000}]", "{policy: slow}", true),
        ("[{}, {start_ms: 999, duration_ms: 1}]", "{policy: slow}", true),
        ("[{attributes: {http.route: /healthz}, status: ERROR}]", "{decision: dropped, policy: probes}", true),
        ("[{resource: {http.route: /healthz}}]", "{decision: dropped}", true),
        ("[{attributes: {http.route: /healthz2}}]", "{decision: dropped}", false),
        ("[{attributes: {http.route: /healthz}}]", "{policies: {probes: dropped, errors: not_asked}}", true),
        ("[{status: ERROR, duration_ms: 5000}]", "{policies: {errors: sampled, slow: sampled, probes: not_sampled}}", true),
        ("[{status: ERROR}]", "{policies: {slow: sampled}}", false),
        ("[{status: ERROR}]", "{kept: 1, dropped: 0}", true),
        ("[{status: ERROR}]", "{kept: 0}", false),
        // A span that comes after the decision changes nothing.
        ("[{}, {status: ERROR, arrives_ms: 29000}]", "{decision: sampled}", true),
        ("[{}, {status: ERROR, arrives_ms: 31000}]", "{decision: sampled}", false),
    ])
    func expectation(trace: String, expect: String, passes: Bool) throws {
        let (results, problems) = try run(Self.three + "\n  - {name: t, trace: \(trace), expect: \(expect)}")
        #expect(problems == [])
        #expect(results.map(\.passed) == [passes], "\(results.flatMap(\.failures))")
    }

    @Test(arguments: [
        ("10", 10, 10, nil), ("8...12", 8, 12, nil), ("8..12", 8, 12, nil), ("8...12 of 100", 8, 12, 100), (">= 5", 5, Int.max, nil),
        ("> 5", 6, Int.max, nil), ("< 5", 0, 4, nil), ("<=5", 0, 5, nil), ("0 of 7", 0, 0, 7),
    ] as [(String, Int, Int, Int?)])
    func count(text: String, low: Int, high: Int, total: Int?) throws {
        let count = try #require(CountRange(text))
        #expect(count.range == low...high)
        #expect(count.total == total)
    }

    @Test(arguments: ["", "x", "12...8", "-1", "< 0", "5 of", "5 of x", "...", "1...", "≥ 5"])
    func noCount(text: String) { #expect(CountRange(text) == nil) }

    /// What is wrong in a test is reported with its place.
    @Test(arguments: [
        ("{trace: [{}], expect: {decision: sampled}}", "6:5: tests[0]: a test needs a `name`"),
        ("{name: a, expect: {decision: sampled}}", "6:5: tests[0]: a test needs a `trace`"),
        ("{name: a, trace: [], expect: {decision: sampled}}", "6:22: tests[0].trace: the trace has no spans"),
        ("{name: a, trace: [{}]}", "6:5: tests[0].expect: a test needs `expect`"),
        ("{name: a, trace: [{}], expect: {}}", "nothing is expected"),
        ("{name: a, trace: [{}], expect: {decison: sampled}}", "6:37: tests[0].expect.decison: unknown key `decison`; did you mean `decision`?"),
        ("{name: a, trace: [{}], expect: {decision: kept}}", "`kept` is not known here"),
        ("{name: a, trace: [{}], expect: {policy: eror}}", "there is no policy `eror`"),
        ("{name: a, trace: [{}], expect: {policy: error}}", "did you mean `errors`?"),
        ("{name: a, trace: [{}], expect: {decision: not_sampled, policy: slow}}", "has no deciding policy"),
        ("{name: a, trace: [{}], expect: {kept: many}}", "a number of traces is expected"),
        ("{name: a, trace: [{}], expect: {kept: 1 of 2}}", "the test has 1 traces, not 2"),
        ("{name: a, trace: [{}], expect: {kept: 5}}", "the test has 1 traces only"),
        ("{name: a, trace: [{statsu: ERROR}], expect: {kept: 1}}", "tests[0].trace[0].statsu: unknown key"),
        ("{name: a, trace: [{status: EROR}], expect: {kept: 1}}", "did you mean `ERROR`?"),
        ("{name: a, trace: [{kind: sever}], expect: {kept: 1}}", "is not known here; did you mean"),
        ("{name: a, trace: [{parent: nobody}], expect: {kept: 1}}", "no span of this trace has the id or name `nobody`"),
        ("{name: a, trace: [{root: true, parent: x}], expect: {kept: 1}}", "a root span has no `parent`"),
        ("{name: a, trace: [{trace_id: abc}], expect: {kept: 1}}", "a trace id has 32 hexadecimal digits"),
        ("{name: a, repeat: 2, trace: [{trace_id: d8708f1ddd91c74626e5c01ef15334d3}], expect: {kept: 1}}", "traces that repeat need ids of their own"),
        ("{name: a, repeat: 0, trace: [{}], expect: {kept: 1}}", "is out of range"),
        ("{name: a, repeat: 2000000, trace: [{repeat: 2}], expect: {kept: 1}}", "more than 2000000 spans"),
        ("{name: a, trace: [{}], traces: [{trace: [{}]}], expect: {kept: 1}}", "not both"),
        ("{name: a, trace: [{duration_ms: long}], expect: {kept: 1}}", "a number is expected"),
    ])
    func mistakes(test: String, message: String) throws {
        let (results, problems) = try run(Self.three + "\n  - \(test)")
        #expect(problems.contains { $0.contains(message) }, "\(problems)")
        #expect(results.isEmpty, "nothing is run while there are mistakes")
    }

    @Test func namesDiffer() throws {
        let (_, problems) = try run(
            Self.three + "\n  - {name: a, trace: [{}], expect: {kept: 0}}\n  - {name: a, trace: [{}], expect: {kept: 0}}")
        #expect(problems.contains { $0.contains("p.yaml:7:12") && $0.contains("same name") }, "\(problems)")
    }

    @Test func aFailureSaysWhatEveryPolicySaid() throws {
        let (results, _) = try run(Self.three + "\n  - {name: t, trace: [{name: pay, status: ERROR}], expect: {decision: not_sampled}}")
        let failure = try #require(results.first?.failures.first)
        #expect(failure.expected == "not sampled")
        #expect(failure.actual == "sampled by `errors`")
        #expect(failure.policies.map(\.name) == ["errors", "slow", "probes"])
        #expect(failure.policies.map(\.verdict) == [.sampled, .notSampled, .notSampled])
        #expect(failure.policies[0].conditions.map(\.spans) == [["pay"]])
        let file = PolicyTestReport.File(path: "p.yaml", results: results, problems: [], isUnreadable: false, seconds: 0)
        let report = PolicyTestReport(files: [file])
        let text = report.text(.plain)
        #expect(text.contains("✗ t") && text.contains("expected  not sampled") && text.contains("on `pay`"))
        #expect(report.junit().contains(#"<testsuites tests="1" failures="1" errors="0">"#))
        #expect(report.junit().contains("expected not sampled, was sampled by `errors`"))
        #expect(report.json().rendered().contains("\"failed\": 1"))
    }

    /// Percentages choose the same traces in every run, and budgets see the time of the test.
    @Test func repeatedTraces() throws {
        let (results, problems) = try run(
            """
            policies:
              - {name: share, type: and, and: {and_sub_policy: [{type: root_span, root_span: {service: [a]}}, {type: probabilistic, probabilistic: {sampling_percentage: 10}}]}}
              - {name: rate, type: and, and: {and_sub_policy: [{type: root_span, root_span: {service: [b]}}, {type: rate_limiting, rate_limiting: {spans_per_second: 10, burst_capacity: 20}}]}}
            tests:
              - {name: share, repeat: 1000, trace: [{service: a}], expect: {kept: 70...130 of 1000}}
              - {name: at once, repeat: 100, trace: [{service: b}], expect: {kept: 20}}
              - {name: within the rate, repeat: 100, every_ms: 100, trace: [{service: b}], expect: {kept: 100}}
              - {name: twice the rate, repeat: 400, every_ms: 50, trace: [{service: b}], expect: {kept: 215...225}}
              - name: groups
                traces:
                  - {name: first, repeat: 20, trace: [{service: b}], expect: {decision: sampled}}
                  - {name: then, start_ms: 100, repeat: 5, trace: [{service: b}], expect: {kept: 1}}
                expect: {kept: 21 of 25}
            """)
        #expect(problems.filter { !$0.contains("warning") } == [])
        #expect(results.flatMap(\.failures) == [])
    }

    /// Each test begins anew: what one spends, the next has.
    @Test func testsDoNotShareBudgets() throws {
        let test = "trace: [{repeat: 20}], expect: {decision: sampled}}"
        let (results, _) = try run(
            """
            policies: [{name: rate, type: rate_limiting, rate_limiting: {spans_per_second: 10}}]
            tests: [{name: a, \(test), {name: b, \(test)]
            """)
        #expect(results.map(\.passed) == [true, true])
    }

    @Test func settingsOfTheFileCount() throws {
        let text = """
            settings: {decision_wait: 100ms}
            policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]
            tests: [{name: late, trace: [{}, {status: ERROR, arrives_ms: 500}], expect: {decision: not_sampled}}]
            """
        #expect(try run(text).results.map(\.passed) == [true])
    }

    // MARK: where policies stand

    @Test func policiesInAConfiguration() throws {
        let (found, problems) = source(
            """
            processors:
              batch:
              tail_sampling/a: {decision_wait: 5s, sample_on_first_match: true, policies: [{name: x, type: always_sample}]}
            """)
        #expect(problems.all.isEmpty)
        #expect(found?.policyNames == ["x"])
        #expect(found?.settings.decisionWait == 5_000_000_000)
        #expect(found?.settings.sampleOnFirstMatch == true)
    }

    @Test(arguments: [
        ("[{name: x, type: always_sample}]", nil),
        ("policies: [{name: x, type: always_sample}]", nil),
        ("{processors: {tail_sampling: {policies: {policies: [{name: x, type: always_sample}], settings: {decision_wait: 1s}}}}}", nil),
        ("{receivers: {}}", "no policies are to be found here"),
        ("{processors: {batch: {}}}", "has no `tail_sampling` processor"),
        ("{processors: {tail_sampling: {}, tail_sampling/b: {}}}", "choose one with --processor: `tail_sampling`, `tail_sampling/b`"),
        ("{policies: [], settings: {decision_wiat: 1s}}", "did you mean `decision_wait`?"),
        ("{policies: [], tsets: []}", "did you mean `tests`?"),
    ] as [(String, String?)])
    func places(text: String, message: String?) {
        let (found, problems) = source(text)
        if let message {
            #expect(problems.all.contains { $0.message.contains(message) }, "\(problems.all)")
        } else {
            #expect(problems.all.isEmpty, "\(problems.all)")
            #expect(found?.policyNames == ["x"])
        }
    }
}

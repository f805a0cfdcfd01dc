package import ConfigTree
internal import OTLP
package import Sampling

/// What one test came to.
package struct PolicyTestResult: Sendable {
    package var test: PolicyTest
    /// Empty if the test passed.
    package var failures: [Failure] = []
    package var traces = 0
    package var spans = 0

    package var passed: Bool { failures.isEmpty }

    /// One expectation that was not met.
    package struct Failure: Sendable, Equatable {
        package var test: String
        /// Where the expectation stands.
        package var position: SourcePosition
        /// Which traces of the test: empty if it has only one.
        package var subject: String
        package var expected: String
        package var actual: String
        /// What each policy said, in the order of the file; empty where many traces are counted.
        package var policies: [PolicyAccount] = []
    }
}

/// What one policy said of one trace, and why.
package struct PolicyAccount: Sendable, Equatable {
    package var name: String
    package var type: String
    /// Nil: it was not asked, since an earlier policy had settled it.
    package var verdict: PolicyVerdict?
    /// The conditions on spans that it looks at.
    package var conditions: [Condition] = []

    package struct Condition: Sendable, Equatable {
        package var text: String
        /// The spans for which it held, by name; empty: none.
        package var spans: [String]
    }
}

/// Runs the tests of a policy file through the engine that production uses.
package enum PolicyTests {
    /// Bytes of spans that one test may hold at a time.
    static let maximumBytes = 1 << 30

    /// The expectations that were not met. Reads and compiles the document first; what is wrong with it goes to `problems`, and
    /// then nothing is run.
    package static func run(_ source: PolicySource, problems: ConfigProblems) -> [PolicyTestResult.Failure] {
        results(source, problems: problems).flatMap(\.failures)
    }

    /// Runs the tests of a document that is about to be put in force; those that fail are errors at the place of their expectation.
    ///
    /// - Returns: how many tests there are.
    @discardableResult
    package static func check(_ document: ConfigNode, problems: ConfigProblems) -> Int {
        let found = ConfigProblems()
        guard let source = PolicySource(document, problems: found) else { return 0 }
        let results = results(source, problems: found)
        let failures = results.flatMap(\.failures)
        // Its policies were read already, so warnings would come twice.
        for problem in found.errors { problems.add(problem) }
        for failure in failures {
            let subject = failure.subject.isEmpty ? "" : " (\(failure.subject))"
            problems.error(
                "the test `\(clipped(failure.test))` fails\(subject): expected \(failure.expected), was \(failure.actual)",
                at: failure.position, keyPath: "tests")
        }
        return results.count
    }

    /// The outcome of every test. Each test begins with policies that remember nothing.
    package static func results(_ source: PolicySource, problems: ConfigProblems) -> [PolicyTestResult] {
        guard source.compiled(problems: problems) != nil else { return [] }
        let reader = PolicyTestReader(problems: problems, policyNames: source.policyNames)
        let tests = reader.read(source.document.tests, keyPath: source.document.testsKeyPath)
        guard !problems.hasErrors else { return [] }
        return tests.compactMap { test in
            source.compiled(problems: ConfigProblems()).map { PolicyTestRun(test, source, $0).run() }
        }
    }
}

/// One test under way.
private struct PolicyTestRun {
    private let test: PolicyTest
    private let source: PolicySource
    private let policies: PolicySet

    /// One trace of the test, and what became of it.
    private struct Trace {
        var group: Int
        var decision: Decision?
        var verdicts: [PolicyVerdict?] = []
        var conditions: TraceConditions
    }

    init(_ test: PolicyTest, _ source: PolicySource, _ policies: PolicySet) {
        self.test = test
        self.source = source
        self.policies = policies
    }

    func run() -> PolicyTestResult {
        var result = PolicyTestResult(test: test)
        var traces: [Trace] = []
        var numbers: [TraceID: Int] = [:]
        var arrivals: [(arrival: TestTraceBuilder.Arrival, trace: Int)] = []
        for (position, group) in test.groups.enumerated() {
            for number in 0..<group.repeats {
                let id =
                    group.traceID ?? TestTraceBuilder.traceID(test: test.name, group: position, number: number)
                if numbers[id] == nil { numbers[id] = traces.count }
                for arrival in TestTraceBuilder.arrivals(of: group, number: number, traceID: id) {
                    arrivals.append((arrival, traces.count))
                }
                traces.append(Trace(group: position, conditions: TraceConditions()))
                result.spans += group.spans.reduce(0) { $0 + $1.repeats }
            }
        }
        result.traces = traces.count
        let start = Int64(bitPattern: TestTraceBuilder.epoch)
        arrivals.sort { ($0.arrival.time, $0.trace) < ($1.arrival.time, $1.trace) }
        var engine = ReplayEngine(
            policies, source.settings, start: start, maximumBytes: PolicyTests.maximumBytes, keepsVerdicts: true)
        func note(_ decided: DecidedTrace, _ verdicts: [PolicyVerdict?], _ traces: inout [Trace]) {
            guard let number = numbers[decided.traceID], traces[number].decision == nil else { return }
            traces[number].decision = decided.decision
            traces[number].verdicts = verdicts
        }
        for (arrival, trace) in arrivals {
            engine.advance(to: start + arrival.time) { decided, verdicts in note(decided, verdicts, &traces) }
            do throws(WalkError) {
                try engine.walk(arrival.body.span)
            } catch {
                continue
            }
            traces[trace].conditions.note(engine.index, arrival.body.span, policies)
            engine.ingest(arrival.body.span) { decided, verdicts in note(decided, verdicts, &traces) }
        }
        engine.finish { decided, verdicts in note(decided, verdicts, &traces) }
        check(traces, &result)
        return result
    }

    private func check(_ traces: [Trace], _ result: inout PolicyTestResult) {
        if let expect = test.expect { check(expect, traces, traces.count == 1 ? "" : "all traces", &result) }
        for (position, group) in test.groups.enumerated() {
            guard let expect = group.expect else { continue }
            let subject = group.name.map { "the traces `\($0)`" } ?? "the traces of group \(position + 1)"
            check(expect, traces.filter { $0.group == position }, subject, &result)
        }
    }

    private func check(
        _ expect: Expectation, _ traces: [Trace], _ subject: String, _ result: inout PolicyTestResult
    ) {
        func fail(_ expected: String, _ actual: String, _ accounts: [PolicyAccount], _ subject: String) {
            result.failures.append(
                PolicyTestResult.Failure(
                    test: test.name, position: expect.position, subject: subject, expected: expected, actual: actual,
                    policies: accounts))
        }
        if let kept = expect.kept {
            let count = traces.count { $0.decision?.verdict == .sampled }
            if !kept.range.contains(count) {
                fail("\(kept) of \(traces.count) sampled", "\(count) of \(traces.count)", [], subject)
            }
        }
        if let dropped = expect.dropped {
            let count = traces.count { $0.decision?.verdict == .dropped }
            if !dropped.range.contains(count) {
                fail("\(dropped) of \(traces.count) dropped", "\(count) of \(traces.count)", [], subject)
            }
        }
        // One trace stands for all that went wrong in the same way.
        let wrong = traces.enumerated().filter { !meets(expect, $0.element) }
        guard let (number, trace) = wrong.first else { return }
        var which = subject
        if traces.count > 1 { which += ": \(wrong.count) of \(traces.count), first number \(number + 1)" }
        fail(wanted(expect), shown(trace, expect), accounts(trace), which)
    }

    private func meets(_ expect: Expectation, _ trace: Trace) -> Bool {
        if let fate = expect.decision, fate.verdict != trace.decision?.verdict { return false }
        if let policy = expect.policy, decider(of: trace) != policy { return false }
        return expect.policies.allSatisfy { actual($0.name, trace) == $0.verdict }
    }

    /// What a policy said of a trace, under the name that a test uses.
    private func actual(_ name: String, _ trace: Trace) -> Expectation.Answer {
        guard let position = policies.policies.firstIndex(where: { $0.name == name }),
            position < trace.verdicts.count, let verdict = trace.verdicts[position]
        else { return .notAsked }
        switch verdict {
        case .sampled: return .sampled
        case .notSampled: return .notSampled
        case .dropped: return .dropped
        case .failed: return .failed
        }
    }

    private func decider(of trace: Trace) -> String? {
        guard let policy = trace.decision?.policy, Int(policy) < policies.policies.count else { return nil }
        return policies.policies[Int(policy)].name
    }

    private func wanted(_ expect: Expectation) -> String {
        var parts: [String] = []
        if let decision = expect.decision { parts.append(decision.phrase) }
        if let policy = expect.policy {
            parts.append(parts.isEmpty ? "decided by `\(policy)`" : "by `\(policy)`")
        }
        let verdicts = expect.policies.map { "`\($0.name)` says \($0.verdict.phrase)" }
        return ([parts.joined(separator: " ")] + verdicts).filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private func shown(_ trace: Trace, _ expect: Expectation) -> String {
        guard let decision = trace.decision else { return "no decision" }
        let fate = Expectation.Fate(decision.verdict).phrase
        let main = decider(of: trace).map { "\(fate) by `\($0)`" } ?? fate
        let others = expect.policies.filter { actual($0.name, trace) != $0.verdict }
            .map { "`\($0.name)` says \(actual($0.name, trace).phrase)" }
        return ([main] + others).joined(separator: ", ")
    }

    private func accounts(_ trace: Trace) -> [PolicyAccount] {
        policies.policies.enumerated().map { position, named in
            PolicyAccount(
                name: named.name, type: type(of: named.policy).typeName,
                verdict: position < trace.verdicts.count ? trace.verdicts[position] : nil,
                conditions: trace.conditions.account(ofPolicy: position, policies))
        }
    }
}

extension Expectation.Fate {
    init(_ verdict: Verdict) {
        switch verdict {
        case .sampled: self = .sampled
        case .notSampled: self = .notSampled
        case .dropped: self = .dropped
        }
    }

    var verdict: Verdict {
        switch self {
        case .sampled: .sampled
        case .notSampled: .notSampled
        case .dropped: .dropped
        }
    }

    /// In the middle of a sentence.
    var phrase: String { self == .notSampled ? "not sampled" : rawValue }
}

extension Expectation.Answer {
    var phrase: String {
        switch self {
        case .notSampled: "not sampled"
        case .notAsked: "nothing (not asked)"
        case .sampled, .dropped, .failed: rawValue
        }
    }
}

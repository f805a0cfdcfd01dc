package import ConfigTree
internal import OTLP

/// Reads `tests:` of a policy file. Problems carry the file, line and column at which they stand.
package struct PolicyTestReader {
    /// All traces of one test together have at most this many spans: a test is a specification, not a load test.
    package static let maximumSpans = 2_000_000

    private let problems: ConfigProblems
    /// The names of the policies, so that a misspelt one is found before the test runs. Nil: any name is taken.
    private let policyNames: [String]?

    package init(problems: ConfigProblems, policyNames: [String]?) {
        self.problems = problems
        self.policyNames = policyNames
    }

    /// The tests that can be understood.
    package func read(_ nodes: [ConfigNode], keyPath: String) -> [PolicyTest] {
        var names: [String: SourcePosition] = [:]
        return nodes.enumerated().compactMap { number, node in
            var reader = ConfigReader(node, keyPath: "\(keyPath)[\(number)]", problems: problems)
            guard case .map = node.value else { return nil }
            let test = readTest(&reader, number)
            if let test {
                if let earlier = names[test.name] {
                    reader.error("the test at \(earlier) has the same name; names must differ", key: "name")
                }
                names[test.name] = test.position
            }
            return test
        }
    }

    private func readTest(_ reader: inout ConfigReader, _ number: Int) -> PolicyTest? {
        let name = reader.string("name", default: "")
        if name.isEmpty {
            reader.error("a test needs a `name` that says what is expected: `name: a failed payment is kept`")
        }
        let position = reader.position
        _ = reader.node("description")
        var groups: [TraceGroup] = []
        if reader.has("trace") && reader.has("traces") {
            reader.error("write `trace` (one trace) or `traces` (groups of traces), not both", key: "traces")
        }
        if reader.has("traces") {
            _ = reader.node("trace")
            for var inner in reader.maps("traces") {
                let group = readGroup(&inner, isWhole: false)
                inner.finish()
                if let group { groups.append(group) }
            }
            if groups.isEmpty { reader.error("there is no trace in it", key: "traces") }
        } else {
            _ = reader.node("traces")
            if let group = readGroup(&reader, isWhole: true) { groups.append(group) }
        }
        let expect = readExpectation(&reader, traces: groups.reduce(0) { $0 &+ $1.repeats })
        if expect == nil && !groups.contains(where: { $0.expect != nil }) {
            reader.error("a test needs `expect`, such as `expect: {decision: sampled, policy: errors}`", key: "expect")
        }
        reader.finish()
        let spans = groups.reduce(0.0) { sum, group in
            sum + Double(group.repeats) * group.spans.reduce(0.0) { $0 + Double($1.repeats) }
        }
        if spans > Double(Self.maximumSpans) {
            reader.error("the traces of this test have more than \(Self.maximumSpans) spans; that is the limit")
            return nil
        }
        guard !groups.isEmpty else { return nil }
        return PolicyTest(
            name: name.isEmpty ? "test \(number + 1)" : name, position: position, groups: groups, expect: expect)
    }

    /// One group: of `traces:`, or the test itself.
    private func readGroup(_ reader: inout ConfigReader, isWhole: Bool) -> TraceGroup? {
        var group = TraceGroup(position: reader.position, spans: [])
        if !isWhole { group.name = reader.stringIfPresent("name") }
        group.repeats = reader.integer("repeat", default: 1, in: 1...Self.maximumSpans)
        group.every = milliseconds(&reader, "every_ms", default: 0, in: 0...86_400_000)
        if !isWhole { group.start = milliseconds(&reader, "start_ms", default: 0, in: 0...86_400_000) }
        if !isWhole { group.expect = readExpectation(&reader, traces: group.repeats) }
        var spans = SpanSpecReader(problems: problems)
        guard reader.has("trace") else {
            _ = reader.node("trace")
            reader.error("a test needs a `trace`: a list of spans such as `- {service: shop, name: GET /}`")
            return nil
        }
        let nodes = reader.list("trace")
        guard !nodes.isEmpty else {
            reader.error("the trace has no spans", key: "trace")
            return nil
        }
        group.spans = spans.read(nodes, keyPath: reader.path(of: "trace"))
        group.traceID = spans.traceID
        if group.traceID != nil && group.repeats > 1 {
            reader.error("traces that repeat need ids of their own; leave `trace_id` out", key: "repeat")
        }
        return group.spans.count == nodes.count ? group : nil
    }

    private func readExpectation(_ reader: inout ConfigReader, traces: Int) -> Expectation? {
        guard let node = reader.node("expect"), node.value != .null else { return nil }
        var inner = ConfigReader(node, keyPath: reader.path(of: "expect"), problems: problems)
        var expect = Expectation(position: node.position)
        if inner.has("decision") {
            expect.decision = inner.oneOf("decision", default: Expectation.Fate.sampled)
        } else {
            _ = inner.node("decision")
        }
        if let name = inner.stringIfPresent("policy") {
            expect.policy = name
            check(name, &inner, "policy")
            if expect.decision == .notSampled {
                inner.error("a trace that is not sampled has no deciding policy; leave `policy` out", key: "policy")
            }
        }
        if var verdicts = inner.map("policies") {
            for entry in verdicts.keys {
                check(entry.key, &verdicts, entry.key)
                expect.policies.append(
                    (entry.key, verdicts.oneOf(entry.key, default: Expectation.Answer.sampled)))
            }
        }
        expect.kept = readCount(&inner, "kept", traces: traces)
        expect.dropped = readCount(&inner, "dropped", traces: traces)
        inner.finish()
        if node.value == .map([]) || inner.keys.isEmpty {
            inner.error("nothing is expected; write `decision`, `policy`, `policies`, `kept` or `dropped`")
        }
        return expect
    }

    private func check(_ name: String, _ reader: inout ConfigReader, _ key: String) {
        guard let policyNames, !policyNames.contains(name) else { return }
        // A policy inside another one is named with its outer one: `budget.errors`.
        if let dot = name.firstIndex(of: "."), policyNames.contains(String(name[..<dot])) { return }
        let hint = nearestName(to: name, among: policyNames).map { "; did you mean `\($0)`?" } ?? ";"
        reader.error(
            "there is no policy `\(clipped(name))`\(hint) there are: \(clipped(policyNames.joined(separator: ", "), to: 300))",
            key: key)
    }

    private func readCount(_ reader: inout ConfigReader, _ key: String, traces: Int) -> CountRange? {
        guard let node = reader.node(key), node.value != .null else { return nil }
        guard case .scalar(let scalar) = node.value, let count = CountRange(scalar.text) else {
            reader.error("a number of traces is expected: `10`, `8...12`, `>= 5` or `8...12 of 100`", key: key)
            return nil
        }
        if let total = count.total, total != traces {
            reader.error("the test has \(traces) traces, not \(total)", key: key)
        } else if count.range.lowerBound > traces {
            reader.error("the test has \(traces) traces only", key: key)
        }
        return count
    }
}

/// Milliseconds, also fractions of them, as nanoseconds.
func milliseconds(
    _ reader: inout ConfigReader, _ key: String, default fallback: Double, in range: ClosedRange<Double>
) -> Int64 {
    Int64((reader.double(key, default: fallback, in: range) * 1e6).rounded())
}

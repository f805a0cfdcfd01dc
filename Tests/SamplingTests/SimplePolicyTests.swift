import ConfigTree
import OTLP
import Testing

@testable import Sampling

@Suite struct SpanCountPolicyTests {
    @Test(arguments: [
        (1, 2, 0, false), (2, 2, 0, true), (9, 2, 0, true), (2, 3, 5, false), (3, 3, 5, true), (5, 3, 5, true), (6, 3, 5, false),
        (1, 0, 0, true), (1, -5, 0, true), (1, 0, -1, false),
    ])
    func bounds(count: Int, low: Int, high: Int, isSampled: Bool) {
        let block: ConfigNode = .map(["min_spans": ConfigNode(integerLiteral: low), "max_spans": ConfigNode(integerLiteral: high)])
        // Duplicates count.
        let spans = Array(repeating: ModelSpan(), count: count)
        #expect(verdict("span_count", block, spans) == (isSampled ? .sampled : .notSampled))
    }

    @Test func configuration() {
        #expect(problems("span_count", .map(["min_spans": 3, "max_spans": 2])) == [
            ".max_spans: warning: no trace has at least 3 and at most 2 spans"
        ])
        #expect(build([policyNode("span_count", .map(["min_spans": 2_147_483_648]))]).set == nil)
        #expect(build([policyNode("span_count", .map(["min_spans": 2_147_483_647]))]).set != nil)
    }
}

@Suite struct TraceFlagsPolicyTests {
    @Test(arguments: [(0, false), (1, true), (0x0000_0301, true), (0x0000_0300, false), (0xffff_ff00, false), (3, true), (2, false)])
    func lowBit(flags: Int, isSampled: Bool) {
        let spans = [ModelSpan(), ModelSpan(flags: UInt64(flags))]
        #expect(verdict("trace_flags", nil, spans) == (isSampled ? .sampled : .notSampled))
    }
}

@Suite struct TraceStatePolicyTests {
    static func isSampled(_ state: String, key: String = "k", values: [String] = ["v", "w"]) -> Bool {
        let block: ConfigNode = .map(["key": ConfigNode(stringLiteral: key), "values": .texts(values)])
        return verdict("trace_state", block, [ModelSpan(), ModelSpan(traceState: state)]) == .sampled
    }

    @Test(arguments: [
        ("k=v", true), ("k=w", true), ("k=x", false), ("j=v", false), ("", false), ("a=1,k=v", true), ("k=v,a=1", true),
        // White space around members and empty members are skipped.
        (" k=v ", true), ("a=1,\tk=v", true), (",,k=v,", true), ("a=1, ,k=v", false),
        // Anything bad makes all of it hold nothing.
        ("k=v,bad", false), ("k=v,=x", false), ("k=v,x=", false), ("k=v,K=1", false), ("k=v,k=w", false), ("k=v,a=b=c", false),
        ("k=v,1a=b", false), ("k=v,a=\u{7f}", false), ("k =v", false), ("k=vv", false),
        ("k=v,t@s=1", true), ("k=v,1t@s=1", true), ("k=v,t@1s=1", false), ("k=v,t@s@u=1", false), ("k=v,@s=1", false),
        ("k=v,a_-*/9=1", true), ("k=v,a b=1", false),
    ])
    func states(state: String, isSampled: Bool) {
        #expect(Self.isSampled(state) == isSampled, "\(state)")
    }

    @Test func limits() {
        let members = (0..<31).map { "a\($0)=1" }
        #expect(Self.isSampled((members + ["k=v"]).joined(separator: ",")))
        #expect(!Self.isSampled((members + ["b=1", "k=v"]).joined(separator: ",")))
        let key = String(repeating: "a", count: 256)
        #expect(Self.isSampled("\(key)=1,k=v"))
        #expect(!Self.isSampled("\(key)a=1,k=v"))
        let tenant = String(repeating: "t", count: 241)
        let system = String(repeating: "s", count: 14)
        #expect(Self.isSampled("\(tenant)@\(system)=1,k=v"))
        #expect(!Self.isSampled("\(tenant)t@\(system)=1,k=v"))
        #expect(!Self.isSampled("\(tenant)@\(system)s=1,k=v"))
        let value = String(repeating: "x", count: 256)
        #expect(Self.isSampled("a=\(value),k=v"))
        #expect(!Self.isSampled("a=\(value)x,k=v"))
    }

    /// Values that are empty or too long with their key are as if they were not there.
    @Test func unusableValues() {
        let long = String(repeating: "x", count: 254)
        #expect(Self.isSampled("k=\(long)", values: [long]))
        let longer = long + "x"
        #expect(!Self.isSampled("k=\(longer)", values: [longer, "v"]))
        #expect(Self.isSampled("k=v", values: [longer, "v"]))
        #expect(problems("trace_state", .map(["key": "k", "values": [""]])).count == 1)
        #expect(verdict("trace_state", .map(["key": "k", "values": [""]]), [ModelSpan(traceState: "k=v")]) == .notSampled)
        #expect(problems("trace_state", .map(["key": "K", "values": ["v"]])).count == 1)
    }
}

@Suite struct RootSpanPolicyTests {
    @Test func onlyTheRootCounts() {
        let block: ConfigNode = .map(["name": ["GET /"], "status": "ERROR"])
        let root = ModelSpan(isRoot: true, status: 2, name: "GET /")
        let child = ModelSpan(id: 2, status: 2, name: "GET /")
        #expect(verdict("root_span", block, [root, child]) == .sampled)
        #expect(verdict("root_span", block, [child]) == .notSampled)
        #expect(verdict("root_span", block, [ModelSpan(isRoot: true, status: 2, name: "x"), child]) == .notSampled)
        #expect(verdict("root_span", block, [ModelSpan(isRoot: true, name: "GET /"), child]) == .notSampled)
    }

    @Test(arguments: [(99_999_999, false), (100_000_000, true), (250_000_000, true), (250_000_001, false)])
    func durations(nanoseconds: Int, isSampled: Bool) {
        let span = ModelSpan(isRoot: true, start: 5, end: 5 + UInt64(nanoseconds))
        let block: ConfigNode = .map(["min_duration_ms": 100, "max_duration_ms": 250])
        #expect(verdict("root_span", block, [span]) == (isSampled ? .sampled : .notSampled))
    }

    @Test func configuration() {
        #expect(problems("root_span", .map([:])).count == 1)
        #expect(problems("root_span", .map(["kind": ["serve"]])) == [
            ".kind[0]: unknown span kind `serve`; did you mean `server`? there are unspecified, internal, server, client, producer, consumer"
        ])
        #expect(problems("root_span", .map(["statuss": "ERROR"])).contains { $0.contains("did you mean `status`?") })
        #expect(problems("root_span", .map(["min_duration_ms": 5, "max_duration_ms": 4])).count == 1)
        #expect(problems("root_span", .map(["attributes": [.map(["values": ["x"]])]])).count == 1)
        #expect(problems("root_span", .map(["not": .map(["any": [.map(["service": "a"]), .map(["name_regex": "("])]])])).count == 1)
    }
}

@Suite struct ContainerPolicyTests {
    static let yes = policyNode("always_sample", nil, name: "yes")
    static let no = policyNode("not", .map(["not_sub_policy": yes]), name: "no")
    static let veto = policyNode("drop", .map(["drop_sub_policy": [yes]]), name: "veto")

    /// (sub-policies, and, drop, any_of, composite)
    @Test func tables() {
        let rows: [([ConfigNode], PolicyVerdict, PolicyVerdict, PolicyVerdict)] = [
            ([Self.yes], .sampled, .dropped, .sampled), ([Self.no], .notSampled, .notSampled, .notSampled),
            ([Self.yes, Self.no], .notSampled, .notSampled, .sampled), ([Self.no, Self.yes], .notSampled, .notSampled, .sampled),
            ([Self.yes, Self.yes], .sampled, .dropped, .sampled), ([Self.veto], .sampled, .dropped, .dropped),
            ([Self.no, Self.veto], .notSampled, .notSampled, .dropped), ([Self.yes, Self.veto], .sampled, .dropped, .sampled),
        ]
        for (subs, and, drop, anyOf) in rows {
            #expect(verdict("and", .map(["and_sub_policy": .list(subs)]), [ModelSpan()]) == and)
            #expect(verdict("drop", .map(["drop_sub_policy": .list(subs)]), [ModelSpan()]) == drop)
            #expect(verdict("any_of", .map(["any_of_sub_policy": .list(subs)]), [ModelSpan()]) == anyOf)
        }
        #expect(verdict("and", .map([:]), [ModelSpan()]) == .sampled)
        #expect(verdict("drop", .map([:]), [ModelSpan()]) == .dropped)
        #expect(verdict("not", .map(["not_sub_policy": Self.veto]), [ModelSpan()]) == .dropped)
        #expect(build([policyNode("any_of", .map([:]))]).set == nil)
        #expect(build([policyNode("not", .map([:]))]).set == nil)
    }

    @Test func failures() {
        var context = DecisionContext(now: 0)
        let trace = summary([TestSpan(trace: TraceID(high: 1, low: 1))], PolicySet(version: 1, policies: [], predicates: PredicateCompiler()))
        let failed = FixedPolicy(.failed)
        #expect(AndPolicy.all([failed], trace, &context) == .failed)
        #expect(AndPolicy.all([FixedPolicy(.notSampled), failed], trace, &context) == .notSampled)
        #expect(AndPolicy.all([FixedPolicy(.sampled), FixedPolicy(.dropped)], trace, &context) == nil)
    }

    /// Sub-policies are trace-level: different spans may satisfy them.
    @Test func differentSpansSatisfyAnAnd() {
        let block: ConfigNode = .map([
            "and_sub_policy": [
                policyNode("status_code", .map(["status_codes": ["ERROR"]])),
                policyNode("string_attribute", .map(["key": "k", "values": ["a"]])),
            ]
        ])
        let spans = [ModelSpan(status: 2), ModelSpan(attributes: [ModelAttribute("k", .text("a"))])]
        #expect(verdict("and", block, spans) == .sampled)
    }

    @Test func nestingHasALimit() {
        func nested(_ depth: Int) -> ConfigNode {
            depth == 1 ? Self.yes : policyNode("and", .map(["and_sub_policy": [nested(depth - 1)]]))
        }
        #expect(build([nested(16)]).set != nil)
        let deep = build([nested(17)])
        #expect(deep.set == nil && deep.problems.count == 1)
        #expect(deep.problems[0].contains("policies are nested deeper than 16 levels"))
    }

    /// Drop policies are asked first, wherever they stand.
    @Test func dropsComeFirst() {
        let limiter = policyNode("rate_limiting", .map(["spans_per_second": 0, "burst_capacity": 100]), name: "limiter")
        let drop = policyNode("drop", .map(["drop_sub_policy": [policyNode("status_code", .map(["status_codes": ["ERROR"]]))]]), name: "drop")
        guard let set = build([limiter, drop]).set else { return }
        let dropped = set.judge([ModelSpan(status: 2)])
        #expect(dropped.decision == Decision(verdict: .dropped, policy: 1))
        #expect(dropped.verdicts == [nil, .dropped])
        let kept = set.judge([ModelSpan()])
        #expect(kept.decision == Decision(verdict: .sampled, policy: 0))
        #expect(kept.verdicts == [.sampled, .notSampled])
    }
}

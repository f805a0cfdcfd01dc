import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

@Suite struct TokenBucketTests {
    /// Go's `golang.org/x/time/rate`, step by step: (time in ms, spans, allowed).
    @Test func refillsAndRefusesAsGoDoes() {
        let bucket = TokenBucket(rate: 10, capacity: 20)
        let steps: [(Int64, UInt64, Bool)] = [
            (0, 20, true), (0, 1, false), (100, 2, false), (100, 1, true), (100, 1, false), (199, 1, false), (200, 1, true),
            // Full again after two seconds, and not fuller.
            (60_000, 20, true), (60_000, 1, false), (61_000, 10, true), (61_500, 6, false), (61_600, 6, true),
        ]
        for (number, (time, spans, isAllowed)) in steps.enumerated() {
            #expect(bucket.take(spans, now: time * millisecond) == isAllowed, "step \(number)")
        }
    }

    /// Refusing does not take the refill away: it counts from the last time something was taken.
    @Test func refusalsCostNothing() {
        let bucket = TokenBucket(rate: 1, capacity: 2)
        #expect(bucket.take(2, now: 0))
        for tenth in 1..<20 as Range<Int64> { #expect(!bucket.take(2, now: tenth * 100 * millisecond)) }
        #expect(bucket.take(2, now: 2 * second))
    }

    /// A deficit that less than a nanosecond refills is forgiven.
    @Test func lessThanANanosecondIsForgiven() {
        let bucket = TokenBucket(rate: 3, capacity: 3)
        #expect(bucket.take(3, now: 0))
        // 333,333,333 ns bring 0.999999999 tokens.
        #expect(bucket.take(1, now: 333_333_333))
        let slow = TokenBucket(rate: 1, capacity: 1)
        #expect(slow.take(1, now: 0))
        #expect(!slow.take(1, now: second - 2))
        #expect(slow.take(1, now: second))
    }

    @Test func rateZeroIsASumForEver() {
        let bucket = TokenBucket(rate: 0, capacity: 5)
        #expect(bucket.take(3, now: 0))
        #expect(!bucket.take(3, now: 1000 * second))
        #expect(bucket.take(2, now: 1000 * second))
        #expect(!bucket.take(1, now: 2000 * second))
        let none = TokenBucket(rate: 0, capacity: 0)
        #expect(!none.take(1, now: 0))
        // No credit from a bucket that is never filled.
        #expect(!TokenBucket(rate: 0, capacity: 5).take(6, now: 0))
    }

    /// A trace larger than the bucket passes when it is full; the long-term rate stays.
    @Test func aLargeTraceIsPaidForLater() {
        let bucket = TokenBucket(rate: 10, capacity: 20)
        #expect(bucket.take(100, now: 0))
        #expect(!bucket.take(1, now: 8 * second))
        #expect(!bucket.take(1, now: 8 * second + 99 * millisecond))
        #expect(bucket.take(1, now: 8 * second + 100 * millisecond))
        // Not full: refused, at no cost.
        #expect(!bucket.take(21, now: 9 * second))
        #expect(bucket.take(9, now: 9 * second))
        var passed = 0
        for tenth in 0..<10_000 as Range<Int64> where bucket.take(50, now: 100 * second + tenth * 100 * millisecond) { passed += 50 }
        #expect(abs(passed - 10_000) <= 100)
    }

    @Test func shares() {
        let bucket = TokenBucket(rate: 10, capacity: 20)
        #expect(bucket.take(20, now: 0))
        bucket.setShare(0.5, now: 0)
        #expect(!bucket.take(6, now: second))
        #expect(bucket.take(5, now: second))
        #expect(bucket.consumed == 25)
        #expect(!bucket.take(20, now: second + 500 * millisecond))
    }

    @Test func timeThatRunsBackwardsBringsNothing() {
        let bucket = TokenBucket(rate: 10, capacity: 10)
        #expect(bucket.take(10, now: 100 * second))
        #expect(!bucket.take(1, now: 50 * second))
        #expect(bucket.take(1, now: 100 * second + 100 * millisecond))
        // Two workers whose times lie a millisecond apart, by turns.
        var passed = 0
        for step in 0..<1000 as Range<Int64> {
            for now in [step * millisecond, (step - 1) * millisecond] where bucket.take(1, now: 200 * second + now) { passed += 1 }
        }
        #expect(passed == 19)
    }
}

@Suite struct LimitingPolicyTests {
    static func set(_ type: String, _ block: ConfigNode, _ states: PolicyStates = PolicyStates()) -> PolicySet? {
        PolicySet(version: 1, nodes: [policyNode(type, block)], keyPath: "p", problems: ConfigProblems(), states: states)
    }

    @Test func burstIsTwiceTheRateUnlessWritten() throws {
        for (block, spans) in [
            (ConfigNode.map(["spans_per_second": 5]), 10), (.map(["spans_per_second": 5, "burst_capacity": 7]), 7),
            (.map(["spans_per_second": 5, "burst_capacity": -1]), 10), (.map(["burst_capacity": 3]), 3),
        ] {
            let set = try #require(Self.set("rate_limiting", block))
            let full = Array(repeating: ModelSpan(), count: spans)
            #expect(set.judge(full).decision.verdict == .sampled)
            #expect(set.judge([ModelSpan()]).decision.verdict == .notSampled)
        }
        let none = try #require(Self.set("rate_limiting", .map([:])))
        #expect(none.judge([ModelSpan()]).decision.verdict == .notSampled)
    }

    /// What passes is paid for even if another policy keeps the trace; not with `sample_on_first_match`, and not behind
    /// an `and` that has failed already.
    @Test func sideEffects() throws {
        let limiter = policyNode("rate_limiting", .map(["burst_capacity": 1]), name: "limit")
        let all = policyNode("always_sample", nil, name: "all")
        for stops in [false, true] {
            var set = try #require(PolicySet(version: 1, nodes: [all, limiter], keyPath: "p", problems: ConfigProblems()))
            set.stopsAtFirstMatch = stops
            #expect(set.judge([ModelSpan()]).verdicts == [.sampled, stops ? nil : .sampled])
            set.stopsAtFirstMatch = false
            #expect(set.judge([ModelSpan()]).verdicts[1] == (stops ? .sampled : .notSampled))
        }
        let guarded = policyNode(
            "and", .map(["and_sub_policy": [policyNode("status_code", .map(["status_codes": ["ERROR"]])), limiter]]))
        let set = try #require(build([guarded]).set)
        #expect(set.judge([ModelSpan()]).decision.verdict == .notSampled)
        #expect(set.judge([ModelSpan(status: 2)]).decision.verdict == .sampled)
        #expect(set.judge([ModelSpan(status: 2)]).decision.verdict == .notSampled)
    }

    /// The size of a trace as the Collector stores it, computed from real messages.
    @Test(arguments: 0..<30 as Range<UInt64>)
    func bytesAreThoseOfTheTraceAsStored(seed: UInt64) throws {
        var generator = ModelGenerator(seed: seed)
        let traces = (0..<3).map { number in
            var trace = generator.trace(spans: 1 + generator.random.below(30))
            for index in trace.indices {
                trace[index].resource = [ModelAttribute("service.name", .text(String(repeating: "s", count: 100)))]
                trace[index].name = String(repeating: "n", count: generator.random.below(300))
            }
            return trace
        }
        // The spans of all traces stand mixed under one resource and scope.
        var mixed = traces.flatMap { $0 }
        mixed.shuffle(using: &generator.random)
        let resource = Encode.bytes(1, traces[0][0].resource.flatMap { $0.encoded(1) })
        let scope = Encode.bytes(1, Encode.text(1, "library"))
        func message(_ spans: [ModelSpan]) -> [UInt8] {
            Encode.bytes(1, resource + Encode.bytes(2, scope + spans.flatMap { Encode.bytes(2, $0.encoded) }))
        }
        let set = try #require(Self.set("bytes_limiting", .map(["bytes_per_second": 1000])))
        for trace in traces {
            var size: UInt64 = 0
            var words = [UInt64](repeating: 0, count: set.sideLayout.count)
            var bytes: UInt64 = 0
            for request in 1...2 as ClosedRange<UInt16> {
                let walked = index(message(mixed), set)
                for (position, record) in walked.records.enumerated() where record.traceID == trace[0].trace {
                    var span = words.mutableSpan
                    set.sideLayout.add(position, record, of: walked, request: request, hadRoot: false, to: &span)
                    bytes += UInt64(record.length)
                }
                size += UInt64(message(trace).count)
            }
            let counted = bytes + ContextBytes(word: words[0]).bytes
            #expect(counted.distance(to: size).magnitude <= 8, "\(counted) \(size)")
        }
    }

    @Test func bytesLimiting() throws {
        let set = try #require(Self.set("bytes_limiting", .map(["bytes_per_second": 0, "burst_capacity": 300])))
        let span = ModelSpan(name: String(repeating: "n", count: 100))
        #expect(set.judge([span]).decision.verdict == .sampled)
        #expect(set.judge([span, span]).decision.verdict == .notSampled)
        #expect(set.judge([span]).decision.verdict == .notSampled)
    }

    /// A reload with the same policy carries on; another rate, name or place starts anew.
    @Test func stateOutlivesASet() throws {
        let states = PolicyStates()
        func judged(_ nodes: [ConfigNode]) throws -> [PolicyVerdict?] {
            let set = try #require(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states))
            held.append(set)
            return set.judge([ModelSpan()]).verdicts
        }
        var held: [PolicySet] = []
        let limiter: (Int, String) -> ConfigNode = {
            policyNode("rate_limiting", .map(["burst_capacity": ConfigNode(integerLiteral: $0)]), name: $1)
        }
        let other = policyNode("always_sample", nil, name: "all")
        #expect(try judged([limiter(1, "a")]) == [.sampled])
        #expect(try judged([other, limiter(1, "a")]) == [.sampled, .notSampled])
        #expect(try judged([limiter(2, "a")]) == [.sampled])
        #expect(try judged([limiter(1, "b")]) == [.sampled])
        #expect(try judged([policyNode("and", .map(["and_sub_policy": [limiter(1, "a")]]), name: "x")]) == [.sampled])
        #expect(states.all.map(\.path) == ["a", "a", "b", "x/a"])
        #expect(states.all.allSatisfy { $0.state.consumed == 1 })
        // Sets that are gone take their states with them.
        held = []
        #expect(states.all.isEmpty)
        #expect(try judged([limiter(1, "a")]) == [.sampled])
    }

    /// Nested policies may have equal names; each has a bucket of its own, and finds it again.
    @Test func equalNames() throws {
        let states = PolicyStates()
        let limiter = policyNode("rate_limiting", .map(["burst_capacity": 1]), name: "")
        let nodes = [policyNode("any_of", .map(["any_of_sub_policy": [limiter, limiter]]))]
        let set = try #require(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states))
        #expect(set.judge([ModelSpan()]).decision.verdict == .sampled)
        let again = try #require(PolicySet(version: 2, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states))
        #expect(again.judge([ModelSpan()]).decision.verdict == .sampled)
        #expect(again.judge([ModelSpan()]).decision.verdict == .notSampled)
    }

    @Test func warnings() {
        #expect(problems("rate_limiting", .map(["spans_per_second": 100])) == [])
        #expect(problems("rate_limiting", .map(["spans_per_second": 10])).first?.contains("A trace larger than the burst capacity passes") == true)
        #expect(problems("rate_limiting", .map([:])) == [": warning: with a rate of 0 and no burst capacity nothing passes"])
        #expect(problems("bytes_limiting", .map(["burst_capacity": 1000])).count == 1)
    }
}

@Suite struct CompositePolicyTests {
    static func block(_ total: Int, _ shares: [(String, Int)], order: [String] = []) -> ConfigNode {
        .map([
            "max_total_spans_per_second": ConfigNode(integerLiteral: total), "policy_order": .texts(order),
            "composite_sub_policy": [
                policyNode("status_code", .map(["status_codes": ["ERROR"]]), name: "errors"),
                policyNode("always_sample", nil, name: "rest"),
            ],
            "rate_allocation": .list(shares.map { .map(["policy": ConfigNode(stringLiteral: $0.0), "percent": ConfigNode(integerLiteral: $0.1)]) }),
        ])
    }

    static func spans(_ count: Int, status: UInt64 = 0) -> [ModelSpan] { Array(repeating: ModelSpan(status: status), count: count) }

    @Test func allocationsPerSecond() throws {
        let set = try #require(build([policyNode("composite", Self.block(10, [("errors", 55), ("rest", 0)]))]).set)
        func keeps(_ count: Int, status: UInt64, at milliseconds: Int64) -> Bool {
            set.judge(Self.spans(count, status: status), now: milliseconds * millisecond).decision.verdict == .sampled
        }
        // 55 % of 10 is 5 (cut off); the rest has an equal share, 5.
        #expect(keeps(3, status: 2, at: 0))
        #expect(!keeps(3, status: 2, at: 100))
        #expect(keeps(2, status: 2, at: 999))
        #expect(!keeps(1, status: 2, at: 999))
        #expect(keeps(5, status: 0, at: 999))
        #expect(keeps(5, status: 2, at: 1000))
        // A sub-policy's counter is its own: together they may exceed the total when the shares do.
        let over = try #require(build([policyNode("composite", Self.block(10, [("errors", 100), ("rest", 100)]))]).set)
        #expect(over.judge(Self.spans(10, status: 2)).decision.verdict == .sampled)
        #expect(over.judge(Self.spans(10)).decision.verdict == .sampled)
        #expect(over.judge(Self.spans(1)).decision.verdict == .notSampled)
    }

    /// Larger than a whole second's allocation: kept when nothing else was, and paid for.
    @Test func largeTraces() throws {
        let set = try #require(build([policyNode("composite", Self.block(10, [("errors", 50), ("rest", 50)]))]).set)
        func keeps(_ count: Int, at second: Int64) -> Bool {
            set.judge(Self.spans(count, status: 2), now: second * SamplingTests.second).decision.verdict == .sampled
        }
        #expect(keeps(1, at: 0))
        #expect(!keeps(17, at: 0))
        #expect(keeps(17, at: 1))
        #expect(!keeps(1, at: 2))
        #expect(!keeps(4, at: 3))
        #expect(keeps(3, at: 4))
        #expect(keeps(5, at: 5))
    }

    @Test func aSubPolicyWithoutAllocationGetsAnEqualShare() throws {
        let built = build([policyNode("composite", Self.block(200, [("errors", 50)]))])
        let set = try #require(built.set)
        #expect(set.judge(Self.spans(100)).decision.verdict == .sampled)
        #expect(set.judge(Self.spans(1)).decision.verdict == .notSampled)
        #expect(built.problems.count == 1 && built.problems[0].contains("`rest`: A sub-policy without an entry"))
    }

    /// The first sub-policy that samples decides, even if it has no room; the list's order counts, `policy_order` does not.
    @Test func laterSubPoliciesAreNotAsked() throws {
        let built = build([policyNode("composite", Self.block(10, [("errors", 10), ("rest", 90)], order: ["rest", "errors"]))])
        let set = try #require(built.set)
        #expect(built.problems.contains { $0.contains("policy_order is ignored") })
        #expect(set.judge(Self.spans(1, status: 2)).decision.verdict == .sampled)
        #expect(set.judge(Self.spans(1, status: 2)).decision.verdict == .notSampled)
        #expect(set.judge(Self.spans(9)).decision.verdict == .sampled)
    }

    @Test func saysWhichSubPolicy() throws {
        let set = try #require(build([policyNode("composite", Self.block(1000, [("errors", 50), ("rest", 50)]))]).set)
        var context = DecisionContext(now: 0)
        var tally = PolicyTally(policies: 1)
        let errors = summary([TestSpan(trace: TraceID(high: 1, low: 1), status: 2)], set)
        _ = set.decide(errors, &context, verdicts: &tally)
        #expect(context.compositeSubPolicy.map { set.compositeSubPolicies[$0] } == "errors")
        _ = set.decide(summary([TestSpan(trace: TraceID(high: 1, low: 1))], set), &context, verdicts: &tally)
        #expect(context.compositeSubPolicy.map { set.compositeSubPolicies[$0] } == "rest")
    }

    @Test func warnings() {
        #expect(problems("composite", Self.block(1000, [("errors", 50), ("rest", 50)])) == [])
        #expect(problems("composite", Self.block(1000, [("errors", 60), ("rest", 50)])).first?.contains("add up to 110 %") == true)
        #expect(problems("composite", Self.block(1000, [("errors", 50), ("rest", 50), ("rst", 1)])).contains { $0.contains("did you mean `rest`?") })
        #expect(problems("composite", Self.block(20, [("errors", 50), ("rest", 50)])).count == 1)
        #expect(problems("composite", .map([:])).count == 2)
    }
}

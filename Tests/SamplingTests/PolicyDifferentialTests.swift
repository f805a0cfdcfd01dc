import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// The engine, which looks at spans as they arrive and at summaries afterwards, decides like a plain evaluator over complete traces.
@Suite struct PolicyDifferentialTests {
    /// Random policy trees on random traces that arrive in pieces, in any order, mixed with each other.
    @Test(arguments: 0..<250 as Range<UInt64>)
    func engineDecidesAsThePlainEvaluator(seed: UInt64) throws {
        var generator = ModelGenerator(seed: seed)
        let model = generator.policySet()
        let problems = ConfigProblems()
        let nodes = model.enumerated().map { $1.node("p\($0)") }
        let built = PolicySet(version: 1, nodes: nodes, keyPath: "policies", problems: problems)
        var policies = try #require(built, "\(problems.errors)")
        policies.stopsAtFirstMatch = generator.random.chance(20)
        let memory = ModelMemory()
        let traces = (0..<24).map { _ in generator.trace(spans: 1 + generator.random.below(7)) }

        // Trace i begins in second i; its other spans come with later requests.
        var arriving = [[ModelSpan]](repeating: [], count: traces.count + 4)
        for (number, trace) in traces.enumerated() {
            for (position, span) in trace.enumerated() {
                arriving[position == 0 ? number : number + generator.random.below(4)].append(span)
            }
        }
        var settings = ShardSettings()
        settings.decisionWait = 100 * second
        settings.maximumBytes = 1 << 22
        var shard = Shard(settings: settings, policies: policies, now: 0)
        for (number, spans) in arriving.enumerated() where !spans.isEmpty {
            // The trace that begins now comes first, so that due traces come in the order of their numbers.
            let isFirst = { (span: ModelSpan) in number < traces.count && span.trace == traces[number][0].trace }
            let first = spans.filter(isFirst)
            var rest = spans.filter { !isFirst($0) }
            rest.shuffle(using: &generator.random)
            let body = ModelSpan.request(first + rest)
            _ = shard.take(body, policies, now: Int64(number) * second)
        }
        for (number, trace) in traces.enumerated() {
            let now = Int64(number + 100) * second + second / 2
            let next = shard.nextDecision(now: now)
            let decided = try #require(next)
            #expect(decided.spanCount == trace.count)
            if decided.decision.verdict == .sampled { shard.finish(decided) }
            let expected = Self.judge(model, trace, memory, now: now, stops: policies.stopsAtFirstMatch)
            let text = "seed \(seed), trace \(number): \(model), \(trace)"
            #expect(decided.decision.verdict == expected.verdict, "\(text)")
            #expect(decided.decision.policy == expected.policy, "\(text)")
        }
        #expect(shard.traceCount == 0)
    }

    /// Reference §4: drop policies first, any of them vetoes; otherwise the first that samples.
    static func judge(
        _ policies: [ModelPolicy], _ trace: [ModelSpan], _ memory: ModelMemory, now: Int64, stops: Bool
    ) -> Decision {
        func isDrop(_ policy: ModelPolicy) -> Bool {
            if case .drop = policy { true } else { false }
        }
        let order = policies.indices.filter { isDrop(policies[$0]) } + policies.indices.filter { !isDrop(policies[$0]) }
        var sampledBy: Int?
        for position in order {
            switch policies[position].judge(trace, memory, now: now, path: "p\(position)") {
            case .dropped: return Decision(verdict: .dropped, policy: UInt16(position))
            case .sampled:
                sampledBy = sampledBy ?? position
                if stops { return Decision(verdict: .sampled, policy: UInt16(position)) }
            default: break
            }
        }
        return Decision(verdict: sampledBy == nil ? .notSampled : .sampled, policy: sampledBy.map(UInt16.init))
    }

    /// The comparison means something: every kind of policy says yes and no often enough in this world.
    @Test func theWorldIsVaried() {
        var counts: [String: [PolicyVerdict: Int]] = [:]
        for seed in 0..<400 as Range<UInt64> {
            var generator = ModelGenerator(seed: seed)
            for policy in generator.policySet() {
                guard case .map(let entries) = policy.node("x").value, entries.count > 2 else { continue }
                for _ in 0..<40 {
                    let trace = generator.trace(spans: 1 + generator.random.below(7))
                    let verdict = policy.judge(trace, ModelMemory(), now: 0, path: "x")
                    counts[entries[2].key, default: [:]][verdict, default: 0] += 1
                }
            }
        }
        let expected = Set(PolicyCatalog.types.map { $0.typeName }).subtracting(["bytes_limiting", "ottl_condition", "dynamic"])
        #expect(Set(counts.keys) == expected)
        for (type, verdicts) in counts where type != "always_sample" {
            #expect(verdicts[.notSampled, default: 0] > 20, "\(type): \(verdicts)")
            #expect(verdicts[type == "drop" ? .dropped : .sampled, default: 0] > 20, "\(type): \(verdicts)")
        }
    }

    /// The order of arrival, and how spans are spread over requests, make no difference.
    @Test(arguments: 1000..<1040 as Range<UInt64>)
    func orderOfArrivalMakesNoDifference(seed: UInt64) throws {
        var generator = ModelGenerator(seed: seed)
        let nodes = generator.policySet().enumerated().map { $1.node("p\($0)") }
        for _ in 0..<10 {
            var spans = generator.trace(spans: 1 + generator.random.below(8))
            func judged(_ requests: [[ModelSpan]]) throws -> [PolicyVerdict?] {
                // A set of its own, so that limiters are full.
                let set = try #require(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems()))
                return set.judge(requests: requests).verdicts
            }
            let expected = try judged(spans.map { [$0] })
            #expect(try judged([spans]) == expected)
            for _ in 0..<4 {
                spans.shuffle(using: &generator.random)
                let cut = generator.random.below(spans.count)
                #expect(try judged([Array(spans[..<cut]), Array(spans[cut...])].filter { !$0.isEmpty }) == expected)
            }
        }
    }

    /// More predicates than the 64 bits of a summary: as many policies as bits, each with a value of its own.
    @Test(arguments: [63, 64, 65, 128, 129, 511, 512])
    func manyPredicates(count: Int) throws {
        let nodes = (0..<count).map { number in
            ConfigNode.map([
                "name": ConfigNode(stringLiteral: "p\(number)"), "type": "string_attribute",
                "string_attribute": .map(["key": "k", "values": [ConfigNode(stringLiteral: "v\(number)")]]),
            ])
        }
        let problems = ConfigProblems()
        let policies = try #require(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: problems))
        #expect(policies.sideLayout.predicateWords == (count - 1) / 64)
        var settings = ShardSettings()
        settings.decisionWait = second
        settings.maximumBytes = 1 << 24
        var shard = Shard(settings: settings, policies: policies, now: 0)
        // One trace per predicate, and its second span has the predicate of another.
        var spans: [ModelSpan] = []
        for number in 0..<count {
            for value in [number, (number + 70) % count] {
                var span = ModelSpan(trace: TraceID(high: 1, low: UInt64(number + 1)))
                span.attributes = [ModelAttribute("k", .text("v\(value)"))]
                spans.append(span)
            }
        }
        _ = shard.take(ModelSpan.request(spans), policies, now: 0)
        for number in 0..<count {
            let next = shard.nextDecision(now: 2 * second)
            let decided = try #require(next)
            let expected = [number, (number + 70) % count].min() ?? 0
            #expect(decided.decision == Decision(verdict: .sampled, policy: UInt16(expected)))
            shard.finish(decided)
        }
        #expect(policies.predicates(ofPolicy: count - 1).numbers == [count - 1])
        #expect(policies.describePredicate(bit: count - 1) == "k is \"v\(count - 1)\"")
    }

    @Test func thereIsALimitOfPredicates() {
        let nodes = (0..<513).map { number in
            ConfigNode.map([
                "name": ConfigNode(stringLiteral: "p\(number)"), "type": "string_attribute",
                "string_attribute": .map(["key": "k", "values": [ConfigNode(stringLiteral: "v\(number)")]]),
            ])
        }
        let problems = ConfigProblems()
        #expect(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: problems) == nil)
        #expect(problems.errors.count == 1)
        #expect(problems.errors.first?.message == "the policies use more than 512 different conditions on spans")
    }
}

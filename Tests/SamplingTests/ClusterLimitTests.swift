import ConfigTree
import OTLP
import Testing

@testable import Sampling

extension ConfigNode {
    /// The map with one more entry.
    fileprivate func with(_ key: String, _ value: ConfigNode) -> ConfigNode {
        guard case .map(let entries) = self.value else { return self }
        return ConfigNode(.map(entries + [ConfigEntry(key: key, keyPosition: position, value: value)]), at: position)
    }
}

/// Buckets whose rates the nodes of a cluster share.
@Suite struct SharedBucketTests {
    /// Up to the moment at which the share changes the old one holds, and no tokens come of it.
    @Test func sharesChangeFromNowOn() {
        let bucket = TokenBucket(rate: 100, capacity: 200, scope: .cluster)
        #expect(bucket.take(200, now: 0))
        bucket.setShare(0.1, now: second)
        // 100 came in by the whole rate; a tenth of the bucket holds 20.
        #expect(bucket.figures(now: second).tokens == 20)
        #expect(bucket.take(20, now: second))
        bucket.setShare(1, now: 2 * second)
        #expect(!bucket.take(11, now: 2 * second))
        #expect(bucket.take(10, now: 2 * second))
        #expect(bucket.take(50, now: 2 * second + 500 * millisecond))
    }

    /// The share may be set before anything is asked, and more often than anything is asked.
    @Test func sharesBeforeAnythingIsAsked() {
        let bucket = TokenBucket(rate: 100, capacity: 200, scope: .cluster)
        for tenth in 0..<10 as Range<Int64> { bucket.setShare(0.25, now: tenth * 100 * millisecond) }
        #expect(bucket.figures(now: second).tokens == 50)
        #expect(bucket.take(50, now: second))
        // A share out of bounds is the nearest one; time that runs backwards brings nothing.
        bucket.setShare(7, now: 0)
        #expect(bucket.share == 1 && !bucket.take(1, now: second))
        bucket.setShare(-1, now: second)
        #expect(bucket.share == 0 && !bucket.take(1, now: 100 * second))
    }

    /// Demand is what was asked for, whether it passed or not; looking is not asking. Who shares nothing does not count it.
    @Test(arguments: LimitScope.allCases)
    func demand(scope: LimitScope) {
        let bucket = TokenBucket(rate: 10, capacity: 20, scope: scope)
        #expect(bucket.take(15, now: 0) && !bucket.take(15, now: 0))
        #expect(bucket.take(5, now: 0, isPreview: true) && !bucket.take(15, now: 0, isPreview: true))
        #expect(bucket.meter == LimitMeter(offered: scope == .cluster ? 30 : 0, consumed: 15))
        #expect(bucket.shared.count == (scope == .cluster ? 1 : 0))
    }

    /// Workers ask while shares are set: nothing is lost or counted twice, and no more passes than there was.
    @Test func workersAndSharesAtOnce() async {
        let bucket = TokenBucket(rate: 1_000_000, capacity: 1000, scope: .cluster)
        let steps: Int64 = 20_000
        let passed = await withTaskGroup(of: UInt64.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var passed: UInt64 = 0
                    for step in 0..<steps where bucket.take(3, now: step * 10_000) { passed += 3 }
                    return passed
                }
            }
            group.addTask {
                for step in 0..<steps {
                    bucket.setShare(Double(step % 100) / 100, now: step * 10_000)
                    if step % 100 == 0 { _ = bucket.figures(now: step * 10_000) }
                }
                return 0
            }
            return await group.reduce(0, +)
        }
        #expect(bucket.meter == LimitMeter(offered: UInt64(steps) * 4 * 3, consumed: passed))
        // A fifth of a second's tokens, and what was there at first.
        #expect(passed > 0 && passed <= 201_000)
    }
}

/// Policies with `scope: cluster`.
@Suite struct ClusterLimitTests {
    static func limiter(_ rate: Int, _ scope: String, _ name: String) -> ConfigNode {
        policyNode(
            "rate_limiting",
            .map(["spans_per_second": ConfigNode(integerLiteral: rate), "scope": ConfigNode(stringLiteral: scope)]), name: name)
    }

    static func set(_ nodes: [ConfigNode], _ states: PolicyStates) -> PolicySet? {
        PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states)
    }

    static let nodes = [
        limiter(100, "cluster", "b"), limiter(100, "node", "n"), limiter(100, "cluster", "a"),
        policyNode("and", .map(["and_sub_policy": [limiter(100, "cluster", "a")]]), name: "x"),
        policyNode("bytes_limiting", .map(["bytes_per_second": 100, "scope": "cluster"]), name: "bytes"),
        policyNode("dynamic", .map(["spans_per_second": 7, "keys": ["service.name"], "scope": "cluster"]), name: "d"),
    ]

    @Test func everySharedRateIsALimit() throws {
        let states = PolicyStates()
        states.setFirstShare(0.25)
        let set = try #require(Self.set(Self.nodes, states))
        let limits = states.clusterLimits
        #expect(limits.map(\.path) == ["d", "bytes", "x/a", "a", "b"])
        #expect(limits.map(\.limiter.goal) == [7, 100, 100, 100, 100])
        #expect(Set(limits.map(\.key)).count == 5)
        #expect(set.clusterScopes.map(\.keyPath).prefix(2) == ["p[0].rate_limiting.scope", "p[2].rate_limiting.scope"])
        // A quarter of a bucket that holds twice the rate.
        #expect(limits.allSatisfy { $0.limiter.share == 0.25 })
        let trace = Array(repeating: ModelSpan(), count: 50)
        #expect(set.judge(trace).verdicts[2] == .sampled)
        #expect(set.judge([ModelSpan()]).verdicts[2] == .notSampled)
        #expect(limits[3].limiter.meter == LimitMeter(offered: 51, consumed: 50))
    }

    /// Equal policies have equal keys on all nodes, and shadow policies others; a policy that stays goes on after a reload.
    @Test func limitsAreFoundAgain() throws {
        let states = PolicyStates()
        let elsewhere = PolicyStates()
        let shadow = PolicyStates(.shadow)
        var held = [Self.set(Self.nodes, states), Self.set(Self.nodes, elsewhere), Self.set(Self.nodes, shadow)]
        var first = states.clusterLimits
        #expect(elsewhere.clusterLimits.map(\.key) == first.map(\.key))
        #expect(Set(shadow.clusterLimits.map(\.key)).isDisjoint(with: first.map(\.key)))
        #expect(first.allSatisfy { $0.role == .inForce } && shadow.clusterLimits.allSatisfy { $0.role == .shadow })
        held.append(Self.set([Self.limiter(200, "cluster", "b"), Self.limiter(100, "cluster", "a")], states))
        var second = states.clusterLimits
        // What the newest set has comes first.
        #expect(second.map(\.path) == ["a", "b", "d", "bytes", "x/a", "b"])
        #expect(second[0].key == first[3].key && second[0].limiter === first[3].limiter && second[1].key != first[4].key)
        #expect(held.allSatisfy { $0 != nil })
        (held, first, second) = ([], [], [])
        #expect(states.clusterLimits.isEmpty)
    }

    /// While nodes have different lists of policies, what is the same in both is one limit, wherever it stands and whatever stands
    /// beside it; with other settings, in another place or of another type it is another.
    @Test func limitsOfDifferentLists() throws {
        let here = PolicyStates()
        let there = PolicyStates()
        func keys(_ states: PolicyStates) -> [String: UInt64] {
            Dictionary(uniqueKeysWithValues: states.clusterLimits.map { ($0.path, $0.key) })
        }
        let composite = CompositePolicyTests.block(1000, [("errors", 50), ("rest", 50)]).with("scope", "cluster")
        let raised = CompositePolicyTests.block(1200, [("errors", 50), ("rest", 50)]).with("scope", "cluster")
        func bytes(_ burst: ConfigNode) -> ConfigNode {
            let block: ConfigNode = .map(["bytes_per_second": 100, "burst_capacity": burst, "scope": "cluster"])
            return policyNode("bytes_limiting", block, name: "bytes")
        }
        func nested(_ kind: String, beside: [ConfigNode]) -> ConfigNode {
            policyNode(kind, .map(["\(kind)_sub_policy": .list(beside + [Self.limiter(100, "cluster", "a")])]), name: kind)
        }
        let held = [
            Self.set(
                [
                    Self.limiter(100, "cluster", "same"), Self.limiter(100, "cluster", "raised"),
                    Self.limiter(100, "cluster", "moved"), bytes(200), nested("and", beside: []),
                    policyNode("composite", composite, name: "same-parts"), policyNode("composite", composite, name: "parts"),
                ], here),
            Self.set(
                [
                    nested("and", beside: [policyNode("latency", .map(["threshold_ms": 5]), name: "slow")]),
                    policyNode("composite", raised, name: "parts"), policyNode("composite", composite, name: "same-parts"),
                    bytes(300), Self.limiter(200, "cluster", "raised"),
                    policyNode("and", .map(["and_sub_policy": [Self.limiter(100, "cluster", "moved")]]), name: "x"),
                    Self.limiter(100, "cluster", "new"), Self.limiter(100, "cluster", "same"),
                ], there),
        ]
        #expect(held.allSatisfy { $0 != nil })
        let (first, second) = (keys(here), keys(there))
        #expect(first.count == 9 && second.count == 10)
        let shared = first.filter { second[$0.key] == $0.value }.map(\.key).sorted()
        #expect(shared == ["and/a", "same", "same-parts/errors", "same-parts/rest"])
        // By key, whatever it is called: nothing else is shared.
        #expect(Set(first.values).intersection(second.values).count == shared.count)
    }

    /// Workers decide, reloads make sets, the cluster sets shares, people look: all at once.
    @Test func statesAtOnce() async throws {
        let states = PolicyStates()
        let set = try #require(Self.set(Self.nodes, states))
        let trace = summary([TestSpan(trace: TraceID(high: 1, low: 1))], set)
        let rounds = 2000
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    var tally = PolicyTally(policies: set.policies.count)
                    var context = DecisionContext(now: 0, side: [UInt64](repeating: 0, count: set.sideLayout.count))
                    for round in 0..<rounds {
                        context.now = Int64(round) * millisecond
                        _ = set.decide(trace, &context, verdicts: &tally)
                    }
                }
            }
            group.addTask { for _ in 0..<rounds / 20 { #expect(Self.set(Self.nodes, states) != nil) } }
            group.addTask {
                for round in 0..<rounds {
                    for limit in states.clusterLimits {
                        limit.limiter.setShare(Double(round % 10) / 10, now: Int64(round) * millisecond)
                        _ = limit.limiter.meter
                    }
                    states.setFirstShare(0.5)
                }
            }
            group.addTask {
                for round in 0..<rounds / 20 { for (_, state) in states.all { _ = state.figures(now: Int64(round) * 20 * millisecond) } }
            }
        }
        let limits = states.clusterLimits
        #expect(limits.count == 5)
        // Every decision asked each limiter once; the one inside `and`, too.
        #expect(limits.filter { $0.path != "bytes" }.allSatisfy { $0.limiter.meter.offered == UInt64(3 * rounds) })
    }

    @Test func scopes() {
        for (type, block) in [
            ("rate_limiting", .map(["spans_per_second": 100])), ("bytes_limiting", .map(["bytes_per_second": 100_000])),
            ("dynamic", .map(["spans_per_second": 100, "keys": ["a"]])),
            ("composite", CompositePolicyTests.block(1000, [("errors", 50), ("rest", 50)])),
        ] as [(String, ConfigNode)] {
            for scope in ["node", "cluster"] {
                #expect(problems(type, block.with("scope", ConfigNode(stringLiteral: scope))) == [])
            }
            #expect(
                problems(type, block.with("scope", "clutser"))
                    == [".scope: \"clutser\" is not known here; did you mean `cluster`? allowed: node, cluster"])
            #expect(problems(type, block.with("scope", 1)).count == 1)
        }
        #expect(
            problems("rate_limiting", .map(["burst_capacity": 1000, "scope": "cluster"])).contains {
                $0 == ".scope: `scope: cluster` shares a rate among the nodes, and there is none: write `spans_per_second`"
            })
        #expect(problems("probabilistic", .map(["sampling_percentage": 1, "scope": "cluster"])).count == 1)
    }

    @Test func aSetSharesSoManyRates() {
        let nodes = (0...ClusterLimit.maximumPerSet).map { Self.limiter(100, "cluster", "p\($0)") }
        #expect(build(nodes).problems.count { $0.contains("share more than 64 rates") } == 1)
        #expect(build(Array(nodes.dropLast())).set?.clusterScopes.count == ClusterLimit.maximumPerSet)
    }

    /// Each sub-policy's rate is shared by itself; what a second leaves of a share is saved, so the long-term rate is exact.
    @Test func composite() throws {
        let states = PolicyStates()
        let block = CompositePolicyTests.block(100, [("errors", 60), ("rest", 40)]).with("scope", "cluster")
        let set = try #require(Self.set([policyNode("composite", block)], states))
        let limits = states.clusterLimits
        #expect(limits.map(\.path) == ["p/errors", "p/rest"] && limits.map(\.limiter.goal) == [60, 40])
        func kept(_ trace: [ModelSpan], seconds: Range<Int64>) -> Int {
            var kept = 0
            for tenth in seconds.lowerBound * 10..<seconds.upperBound * 10
            where set.judge(trace, now: tenth * 100 * millisecond).decision.verdict == .sampled {
                kept += trace.count
            }
            return kept
        }
        limits[0].limiter.setShare(0.1, now: 0)
        // 6 spans a second, in traces of 4: a counter would keep 4 of them. Then in traces of more than a second's.
        #expect(abs(kept(CompositePolicyTests.spans(4, status: 2), seconds: 0..<100) - 600) <= 6)
        #expect(abs(kept(CompositePolicyTests.spans(9, status: 2), seconds: 100..<200) - 600) <= 9)
        #expect(abs(kept(CompositePolicyTests.spans(10), seconds: 200..<300) - 4000) <= 40)
        limits[1].limiter.setShare(0.5, now: 300 * second)
        #expect(abs(kept(CompositePolicyTests.spans(10), seconds: 300..<400) - 2000) <= 40)
        #expect(limits[1].limiter.meter.offered == 20_000)
        #expect(states.all.first?.state.consumed == limits.reduce(0) { $0 + $1.limiter.meter.consumed })
    }
}

import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

@Suite struct DynamicRatesTests {
    /// Feeds traces of one span for a number of seconds; returns spans kept, by key, in the last `measured` seconds.
    static func run(
        _ rates: DynamicRates, _ traffic: [(key: UInt64, perSecond: Int)], seconds: Int, measured: Int, from start: Int = 0, seed: UInt64 = 1
    ) -> [UInt64: Int] {
        var random = SeededGenerator(seed)
        var kept: [UInt64: Int] = [:]
        for second in start..<start + seconds {
            for (key, perSecond) in traffic {
                for number in 0..<perSecond {
                    let now = Int64(second) * 1_000_000_000 + Int64(number) * 1_000_000_000 / Int64(perSecond)
                    if rates.decide(key: key, hash: random.next(), spans: 1, now: now) && second >= start + seconds - measured {
                        kept[key, default: 0] += 1
                    }
                }
            }
        }
        return kept
    }

    static func settings(_ goal: Double) -> DynamicRates.Settings {
        var settings = DynamicRates.Settings()
        settings.goalPerSecond = goal
        return settings
    }

    @Test func keepsNearTheGoalAndRareKeysWhole() {
        let rates = DynamicRates(Self.settings(50))
        let traffic: [(UInt64, Int)] = [(1, 1000), (2, 100), (3, 10), (4, 1)]
        let kept = Self.run(rates, traffic, seconds: 300, measured: 150)
        let total = Double(kept.values.reduce(0, +)) / 150
        #expect(abs(total - 50) < 5, "\(total)")
        #expect(kept[4] == 150)
        #expect(Double(kept[3] ?? 0) / 150 > 8)
        #expect((kept[1] ?? 0) > (kept[2] ?? 0))
        #expect((kept[1] ?? 0) < 4 * (kept[2] ?? 1))
    }

    @Test func everythingIsKeptBelowTheGoal() {
        let rates = DynamicRates(Self.settings(1000))
        let kept = Self.run(rates, [(1, 100), (2, 5)], seconds: 60, measured: 20)
        #expect(kept == [1: 2000, 2: 100])
    }

    @Test func adaptsToATenfoldLoadSmoothly() {
        let rates = DynamicRates(Self.settings(50))
        _ = Self.run(rates, [(1, 100)], seconds: 150, measured: 1)
        let before = rates.share(of: 1) ?? 0
        #expect(abs(before - 0.5) < 0.02)
        // Half of the way after one interval of the new load, near the goal after six.
        _ = Self.run(rates, [(1, 1000)], seconds: 17, measured: 1, from: 150)
        let after = rates.share(of: 1) ?? 0
        #expect(after < 0.15 && after > 0.05, "\(after)")
        let kept = Self.run(rates, [(1, 1000)], seconds: 90, measured: 15, from: 167)
        #expect(abs(Double(kept[1] ?? 0) / 15 - 50) < 10)
    }

    @Test func oneTraceOfARareKeyInEveryPeriod() {
        var settings = Self.settings(1)
        settings.initialShare = 0
        settings.rareInterval = 10_000_000_000
        settings.interval = 3600 * second
        let rates = DynamicRates(settings)
        // No hash is small enough to be chosen by its share.
        func decide(_ key: UInt64, _ seconds: Int64) -> Bool { rates.decide(key: key, hash: .max, spans: 1, now: seconds * second) }
        #expect(decide(1, 0))
        #expect(!decide(1, 1))
        #expect(!decide(1, 9))
        #expect(decide(2, 9))
        #expect(decide(1, 10))
        #expect(!decide(1, 19))
        #expect(decide(1, 20))
        settings.rareInterval = 0
        let without = DynamicRates(settings)
        #expect(!without.decide(key: 1, hash: .max, spans: 1, now: 0))
    }

    @Test func keysAreBounded() {
        var settings = Self.settings(10)
        settings.keyLimit = 5
        let rates = DynamicRates(settings)
        for key in 1...1000 as ClosedRange<UInt64> { _ = rates.decide(key: key, hash: .max, spans: 1, now: 0) }
        #expect(rates.keyCount == 6)
        // Keys that are not seen any more make room.
        for interval in 1...20 as ClosedRange<Int64> { _ = rates.decide(key: 1, hash: .max, spans: 10, now: interval * 16 * second) }
        #expect(rates.keyCount == 1)
    }

    @Test func hashesBelowTheShareAreKept() {
        var settings = Self.settings(1)
        settings.initialShare = 0.25
        settings.rareInterval = 0
        let rates = DynamicRates(settings)
        #expect(rates.decide(key: 1, hash: 0, spans: 1, now: 0))
        #expect(rates.decide(key: 1, hash: 1 << 62, spans: 1, now: 0))
        #expect(!rates.decide(key: 1, hash: 1 << 62 + 1, spans: 1, now: 0))
    }

    @Test func logarithms() {
        for (value, expected) in [(1.0, 0.0), (2, 1), (3, 1.584_962_5), (10, 3.321_928_1), (1000, 9.965_784_3), (1e12, 39.863_137)] {
            #expect(abs(DynamicRates.logarithm(value) - expected) < 1e-4)
        }
    }

    @Test func sharesOfACluster() {
        let rates = DynamicRates(Self.settings(100))
        rates.setShare(0.5, now: 0)
        let kept = Self.run(rates, [(1, 1000)], seconds: 100, measured: 30)
        #expect(abs(Double(kept[1] ?? 0) / 30 - 50) < 8)
    }

    /// A share that changes much is followed at once; kinds that are not known yet wait for the end of their interval.
    @Test func aShareIsFollowedAtOnce() throws {
        var settings = Self.settings(100)
        settings.scope = .cluster
        let rates = DynamicRates(settings)
        _ = Self.run(rates, [(1, 1000)], seconds: 100, measured: 1)
        let before = try #require(rates.share(of: 1))
        _ = rates.decide(key: 2, hash: 0, spans: 1, now: 101 * second)
        rates.setShare(0.99, now: 101 * second)
        #expect(rates.share(of: 1) == before && rates.share == 1)
        rates.setShare(0.5, now: 101 * second)
        #expect(abs((rates.share(of: 1) ?? 0) / before - 0.5) < 0.01 && rates.share(of: 2) == nil)
        #expect(rates.meter.offered >= 100_000 && rates.meter.consumed < rates.meter.offered)
        #expect(rates.shared.count == 1 && DynamicRates(Self.settings(100)).shared.isEmpty)
    }
}

@Suite struct DynamicPolicyTests {
    static let block: ConfigNode = .map([
        "spans_per_second": 100, "keys": ["service.name", "http.route", "span.kind"], "initial_percentage": 0, "rare_interval": "1m",
    ])

    /// The first trace of each key is kept, further ones of the same key are not: so it shows which traces share a key.
    static func kept(_ traces: [[ModelSpan]]) throws -> [Bool] {
        let set = try #require(build([policyNode("dynamic", block)]).set)
        return traces.map { set.judge($0).decision.verdict == .sampled }
    }

    static func span(_ service: String, _ route: String?, isRoot: Bool = true, kind: UInt64 = 2) -> ModelSpan {
        var span = ModelSpan(resource: [ModelAttribute("service.name", .text(service))], isRoot: isRoot, kind: kind)
        if let route { span.attributes = [ModelAttribute("http.route", .text(route))] }
        return span
    }

    @Test func keysAreThoseOfTheRoot() throws {
        let kept = try Self.kept([
            [Self.span("a", "/x")], [Self.span("a", "/x")], [Self.span("a", "/y")], [Self.span("b", "/x")], [Self.span("a", nil)],
            [Self.span("a", nil)], [Self.span("a", "/x", kind: 3)],
            // The root decides wherever it stands among the spans.
            [Self.span("z", "/z", isRoot: false), Self.span("a", "/x")], [Self.span("a", "/x"), Self.span("q", "/q", isRoot: false)],
            // Without a root the first span does.
            [Self.span("c", "/x", isRoot: false), Self.span("d", "/x", isRoot: false)], [Self.span("c", "/x")],
        ])
        #expect(kept == [true, false, true, true, true, false, true, false, false, true, false])
    }

    /// The value's place and type count; an attribute of the span goes before one of its resource.
    @Test func keysAreNotConfused() throws {
        var number = Self.span("a", nil)
        number.attributes = [ModelAttribute("http.route", .int(47))]
        var onResource = Self.span("a", nil)
        onResource.resource.append(ModelAttribute("http.route", .text("/x")))
        let kept = try Self.kept([
            [Self.span("a", "b")], [Self.span("b", "a")], [Self.span("ab", "")], [Self.span("", "ab")], [number], [Self.span("a", "/")],
            [Self.span("a", "/x")], [onResource],
        ])
        #expect(kept == [true, true, true, true, true, true, true, false])
    }

    /// Keys stand beside traces in the shard's table, also when requests mix traces.
    @Test func throughAShard() throws {
        let set = try #require(build([policyNode("dynamic", Self.block)]).set)
        #expect(set.sideLayout == SideLayout(predicateWords: 0, keyWords: 1, countsContextBytes: false))
        var settings = ShardSettings()
        settings.decisionWait = second
        settings.maximumBytes = 1 << 22
        var shard = Shard(settings: settings, policies: set, now: 0)
        func spans(_ isRoot: Bool) -> [ModelSpan] {
            (0..<50).map { number in
                var span = Self.span("service-\(isRoot ? number % 10 : 99)", "/x", isRoot: isRoot)
                span.trace = TraceID(high: 7, low: UInt64(number + 1))
                return span
            }
        }
        // Children first, then the roots, whose keys count.
        _ = shard.take(ModelSpan.request(spans(false)), set, now: 0)
        _ = shard.take(ModelSpan.request(spans(true)), set, now: 1)
        let decided = shard.decideAll(now: 3 * second)
        #expect(decided.count == 50)
        #expect(decided.map { $0.decision.verdict == .sampled } == (0..<50).map { $0 < 10 })
    }

    @Test func configuration() {
        #expect(problems("dynamic", Self.block) == [])
        #expect(problems("dynamic", .map(["keys": ["a"]])) == [".spans_per_second: the goal `spans_per_second` is missing"])
        #expect(problems("dynamic", .map(["spans_per_second": 5])) == [".keys: at least one key is needed, such as service.name"])
        #expect(problems("dynamic", .map(["spans_per_second": 0, "keys": ["a"]])).count == 1)
        #expect(problems("dynamic", .map(["spans_per_second": 5, "keys": .texts((0..<17).map { "k\($0)" })])).count == 1)
        let many = (0..<9).map {
            policyNode("dynamic", .map(["spans_per_second": 5, "keys": [ConfigNode(stringLiteral: "k\($0)")]]), name: "p\($0)")
        }
        #expect(build(many).set == nil)
        #expect(build(Array(many.dropLast())).set?.sideLayout.keyWords == 8)
    }

    /// Learned rates outlive a reload.
    @Test func stateOutlivesASet() throws {
        let states = PolicyStates()
        func set() -> PolicySet? {
            PolicySet(version: 1, nodes: [policyNode("dynamic", Self.block)], keyPath: "p", problems: ConfigProblems(), states: states)
        }
        let first = try #require(set())
        #expect(first.judge([Self.span("a", "/x")]).decision.verdict == .sampled)
        let second = try #require(set())
        #expect(second.judge([Self.span("a", "/x")]).decision.verdict == .notSampled)
    }
}

@Suite struct FirstMatchPolicyTests {
    static func rules(_ rules: [ConfigNode]) -> ConfigNode { .map(["rules": .list(rules)]) }

    @Test func theFirstRuleThatMatchesDecides() {
        let block = Self.rules([
            .map(["name": "health checks", "span": .map(["name": ["GET /health"]]), "sampling_percentage": 0]),
            .map(["name": "errors", "span": .map(["status": ["ERROR"]]), "sampling_percentage": 100]),
            .map(["name": "slow", "policy": policyNode("latency", .map(["threshold_ms": 1000])), "sampling_percentage": 100]),
            .map(["name": "rest", "sampling_percentage": 0]),
        ])
        #expect(problems("first_match", block) == [])
        #expect(verdict("first_match", block, [ModelSpan(status: 2, name: "GET /health")]) == .notSampled)
        #expect(verdict("first_match", block, [ModelSpan(status: 2)]) == .sampled)
        #expect(verdict("first_match", block, [ModelSpan(end: 3_000_000_000)]) == .sampled)
        #expect(verdict("first_match", block, [ModelSpan()]) == .notSampled)
        #expect(verdict("first_match", Self.rules([.map(["span": .map(["status": "ERROR"]), "sampling_percentage": 100])]), [ModelSpan()]) == .notSampled)
    }

    /// All conditions of a rule hold on one and the same span.
    @Test func conditionsAreOfOneSpan() {
        let block = Self.rules([.map(["span": .map(["status": "ERROR", "name": "a"]), "sampling_percentage": 100])])
        #expect(verdict("first_match", block, [ModelSpan(status: 2), ModelSpan(name: "a")]) == .notSampled)
        #expect(verdict("first_match", block, [ModelSpan(status: 2, name: "a")]) == .sampled)
    }

    /// The percentage is `probabilistic`'s, trace by trace.
    @Test func percentagesAreThoseOfProbabilistic() throws {
        var random = SeededGenerator(5)
        let rules: ConfigNode = .map([
            "rules": [.map(["sampling_percentage": 33.3])], "hash_salt": "my-salt",
        ])
        let share: ConfigNode = .map(["sampling_percentage": 33.3, "hash_salt": "my-salt"])
        let set = try #require(build([policyNode("first_match", rules, name: "a"), policyNode("probabilistic", share, name: "b")]).set)
        for _ in 0..<500 {
            let verdicts = set.judge([ModelSpan(trace: TraceID(high: random.next(), low: random.next()))]).verdicts
            #expect(verdicts[0] == verdicts[1])
        }
    }

    @Test func configuration() {
        #expect(problems("first_match", .map([:])) == [".rules: at least one rule is needed"])
        #expect(problems("first_match", Self.rules([.map(["span": .map(["status": "ERROR"])])])) == [
            ".rules[0].sampling_percentage: the rule's `sampling_percentage` is missing"
        ])
        #expect(problems("first_match", Self.rules([.map(["sampling_percentage": 101])])).count == 1)
        #expect(problems("first_match", Self.rules([.map(["sampling_percentage": 1]), .map(["sampling_percentage": 1])])) == [
            ".rules[0]: warning: this rule matches every trace, so the rules after it are never asked"
        ])
        #expect(problems("first_match", Self.rules([.map(["match": "root", "sampling_percentage": 1])])).count == 1)
        #expect(problems("first_match", Self.rules([.map(["spann": .map([:]), "sampling_percentage": 1])])).contains { $0.contains("did you mean `span`?") })
    }
}

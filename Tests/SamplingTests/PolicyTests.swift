import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// Builds a set from literals; nil with the problems' texts when there are errors.
func build(_ nodes: [ConfigNode], sharing other: PolicySet? = nil) -> (set: PolicySet?, problems: [String]) {
    let problems = ConfigProblems()
    let set = PolicySet(version: 1, nodes: nodes, keyPath: "policies", problems: problems, sharing: other)
    return (set, problems.all.map(\.description))
}

/// A summary made from spans, as ingest makes it.
func summary(_ spans: [TestSpan], _ policies: PolicySet) -> TraceSummary {
    let walked = index(makeRequest([(TestGroup(0), spans)]), policies)
    var summary = TraceSummary(walked.records[0], deadline: 0, policyVersion: 1, firstSeenMilliseconds: 0)
    for record in walked.records { summary.add(record) }
    return summary
}

/// The combined decision and each policy's verdict on a trace of these spans.
func decide(_ spans: [TestSpan], _ policies: PolicySet) -> (decision: Decision, verdicts: [PolicyVerdict?]) {
    var context = DecisionContext(now: 0)
    var tally = PolicyTally(policies: policies.policies.count)
    let decision = policies.decide(summary(spans, policies), &context, verdicts: &tally)
    let verdicts = policies.policies.indices.map { position in
        PolicyVerdict.allCases.first { tally[position, $0].traces > 0 }
    }
    return (decision, verdicts)
}

/// Always says the same.
struct FixedPolicy: SamplingPolicy {
    static let typeName = "fixed"
    let verdict: PolicyVerdict

    init(_ verdict: PolicyVerdict) { self.verdict = verdict }

    init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) { return nil }

    func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict { verdict }
}

private let someTrace = TraceID(high: 0x0102, low: 0x0304)

@Suite struct LatencyPolicyTests {
    /// A trace of one span of this many nanoseconds.
    static func isSampled(_ nanoseconds: Int64, over threshold: Int64, upTo upper: Int64 = 0) -> Bool {
        let start: UInt64 = 1_700_000_000_000_000_000
        let span = TestSpan(trace: someTrace, start: start, end: UInt64(Int64(start) + nanoseconds))
        return isSampled([span], over: threshold, upTo: upper)
    }

    static func isSampled(_ spans: [TestSpan], over threshold: Int64, upTo upper: Int64 = 0) -> Bool {
        let policy = LatencyPolicy(threshold: threshold, upperThreshold: upper)
        let set = PolicySet(version: 1, policies: named(("slow", policy)), predicates: PredicateCompiler())
        return decide(spans, set).decision.verdict == .sampled
    }

    @Test(arguments: [
        (5_000_000_000, true), (5_000_999_999, true), (4_999_999_999, false), (0, false), (-1_000_000, false),
        (3_600_000_000_000, true),
    ])
    func lowerBoundIsInclusiveWithoutUpper(nanoseconds: Int64, sampled: Bool) {
        #expect(Self.isSampled(nanoseconds, over: 5000) == sampled)
    }

    @Test(arguments: [
        (5_000_000_000, false), (5_000_999_999, false), (5_001_000_000, true), (10_000_000_000, true),
        (10_000_999_999, true), (10_001_000_000, false), (0, false),
    ])
    func withUpperTheLowerBoundIsExclusiveAndTheUpperInclusive(nanoseconds: Int64, sampled: Bool) {
        #expect(Self.isSampled(nanoseconds, over: 5000, upTo: 10_000) == sampled)
    }

    /// -0.999999 ms is truncated to 0, which is not below 0.
    @Test(arguments: [(0, true), (-999_999, true), (-1_000_000, false), (1, true)])
    func extentIsTruncatedTowardZero(nanoseconds: Int64, sampled: Bool) {
        #expect(Self.isSampled(nanoseconds, over: 0) == sampled)
    }

    @Test func extentIsWallClockOverAllSpansInAnyOrder() {
        var spans: [TestSpan] = []
        for number in 0..<5 as Range<UInt64> {
            let start = 1_000_000_000 * (number + 1)
            spans.append(TestSpan(trace: someTrace, id: number + 1, start: start, end: start + 1_000_000))
        }
        // 4.001 s with gaps; the sum of durations is 5 ms.
        for seed in 0..<10 as Range<UInt64> {
            var random = SeededGenerator(seed)
            spans.shuffle(using: &random)
            #expect(Self.isSampled(spans, over: 4001))
            #expect(!Self.isSampled(spans, over: 4002))
            #expect(Self.isSampled(spans, over: 4000, upTo: 4001))
            #expect(!Self.isSampled(spans, over: 1, upTo: 4000))
        }
    }

    @Test func zeroTimesAreUnknown() {
        let known = TestSpan(trace: someTrace, start: 1_000_000_000, end: 1_500_000_000)
        // Its end would make the trace 4 s long.
        let noStart = TestSpan(trace: someTrace, id: 2, start: 0, end: 5_000_000_000)
        let noEnd = TestSpan(trace: someTrace, id: 3, start: 1_100_000_000, end: 0)
        for spans in [[known, noStart, noEnd], [noStart, noEnd, known], [noEnd, known, noStart]] {
            #expect(Self.isSampled(spans, over: 500))
            #expect(!Self.isSampled(spans, over: 501))
        }
        // No start anywhere: no extent, though the Collector counts from 1970.
        #expect(!Self.isSampled([noStart], over: 1))
        #expect(Self.isSampled([noStart], over: 0))
        let none = TestSpan(trace: someTrace, start: 0, end: 0)
        #expect(Self.isSampled([none], over: 0))
        #expect(!Self.isSampled([none], over: 1))
    }

    @Test func configuration() {
        let good = build([.map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": 5000, "upper_threshold_ms": 10000])])])
        let policy = good.set?.policies.first?.policy as? LatencyPolicy
        #expect(good.problems.count == 1 && good.problems[0].contains("upper_threshold_ms: warning: With `upper_threshold_ms` the whole trace is judged"))
        #expect(policy?.threshold == 5000 && policy?.upperThreshold == 10000)

        let bare = build([.map(["name": "all", "type": "latency"])])
        let defaults = bare.set?.policies.first?.policy as? LatencyPolicy
        #expect(bare.problems == [] && defaults?.threshold == 0 && defaults?.upperThreshold == 0)

        let text = build([.map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": "10"])])])
        #expect(text.set == nil && text.problems.count == 1)
        #expect(text.problems.first?.contains("policies[0].latency.threshold_ms: ") == true)

        let unknown = build([.map(["name": "slow", "type": "latency", "latency": .map(["threshold_sec": 5])])])
        #expect(unknown.set == nil)
        #expect(
            unknown.problems == [
                "(literal):1:1: policies[0].latency.threshold_sec: unknown key `threshold_sec`; did you mean `threshold_ms`? known keys: threshold_ms, upper_threshold_ms"
            ])

        let empty = build([.map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": 10, "upper_threshold_ms": 10])])])
        #expect(empty.set != nil)
        #expect(
            empty.problems == [
                "(literal):1:1: policies[0].latency.upper_threshold_ms: warning: no trace can be over 10 ms and at most 10 ms; make it larger than threshold_ms"
            ])
    }
}

@Suite struct StatusCodePolicyTests {
    static func set(_ codes: [ConfigNode]) -> PolicySet? {
        build([.map(["name": "s", "type": "status_code", "status_code": .map(["status_codes": ConfigNode(.list(codes), at: ConfigNode.literalPosition)])])]).set
    }

    /// Every subset of codes against every set of spans' codes.
    @Test func samplesWhenAnySpanHasOneOfTheCodes() throws {
        let names: [ConfigNode] = ["UNSET", "OK", "ERROR"]
        for subset in 1..<8 {
            let wanted = (0..<3).filter { subset >> $0 & 1 == 1 }
            let policies = try #require(Self.set(wanted.map { names[$0] }))
            for present in 1..<8 {
                let spans = (0..<3).filter { present >> $0 & 1 == 1 }
                    .map { TestSpan(trace: someTrace, id: UInt64($0) + 1, status: UInt64($0)) }
                let expected: Verdict = subset & present != 0 ? .sampled : .notSampled
                #expect(decide(spans, policies).decision.verdict == expected)
                #expect(decide(spans.reversed(), policies).decision.verdict == expected)
            }
        }
    }

    @Test func unknownCodesCountAsUnset() throws {
        let unset = try #require(Self.set(["UNSET"]))
        let error = try #require(Self.set(["ERROR", "OK"]))
        let span = TestSpan(trace: someTrace, status: 6)
        #expect(decide([span], unset).decision.verdict == .sampled)
        #expect(decide([span], error).decision.verdict == .notSampled)
    }

    @Test func configurationErrors() {
        let place = "(literal):1:1: policies[0].status_code.status_codes"
        func problems(_ block: ConfigNode) -> [String] {
            let built = build([.map(["name": "s", "type": "status_code", "status_code": block])])
            #expect(built.set == nil)
            return built.problems
        }
        let expected = "expected at least one status code to filter on; supported: OK, ERROR, UNSET"
        #expect(problems(.map(["status_codes": []])) == ["\(place): \(expected)"])
        #expect(problems(nil) == ["(literal):1:1: policies[0].status_code.status_codes: \(expected)"])
        #expect(problems(.map(["status_codes": ["ERROR", "BAD"]])) == ["\(place): unknown status code `BAD`; supported: OK, ERROR, UNSET"])
        #expect(problems(.map(["status_codes": ["error"]])) == ["\(place): unknown status code `error`; supported: OK, ERROR, UNSET"])
        #expect(problems(.map(["status_codes": [500]])).count >= 1)
    }

    @Test func oneTextIsSplitAtCommas() throws {
        let built = build([.map(["name": "s", "type": "status_code", "status_code": .map(["status_codes": "ERROR,OK"])])])
        let policies = try #require(built.set)
        #expect(built.problems == [])
        for status in 0..<3 as Range<UInt64> {
            let verdict = decide([TestSpan(trace: someTrace, status: status)], policies).decision.verdict
            #expect(verdict == (status == 0 ? .notSampled : .sampled))
        }
    }
}

@Suite struct ProbabilisticPolicyTests {
    @Test(arguments: [
        (0.001, 184_467_440_737_095), (0.1, 18_446_744_073_709_551), (0.5, 92_233_720_368_547_759),
        (1, 184_467_440_737_095_519), (5, 922_337_203_685_477_631), (10, 1_844_674_407_370_955_263),
        (12.5, 2_305_843_009_213_693_951), (20, 3_689_348_814_741_910_527), (25, 4_611_686_018_427_387_903),
        (33.3, 6_142_765_776_545_279_999), (33.333333, 6_148_914_629_747_371_007),
        (50, 9_223_372_036_854_775_807), (66.67, 12_298_444_273_942_159_359),
        (75, 13_835_058_055_282_163_711), (90, 16_602_069_666_338_596_863),
        (99, 18_262_276_632_972_455_935), (99.9, 18_428_297_329_635_844_095),
        (99.99999, 18_446_742_229_035_143_167), (0, 0), (-1, 0), (.nan, 0), (100, .max), (101, .max), (.infinity, .max),
        (.leastNonzeroMagnitude, 0), (1e-300, 0),
    ] as [(Double, UInt64)])
    func thresholds(percentage: Double, threshold: UInt64) {
        #expect(ProbabilisticPolicy.threshold(percentage: percentage) == threshold)
    }

    @Test func thresholdsInHex() {
        let vectors: [(Double, UInt64)] = [
            (0.001, 0xa7c5_ac47_1b47), (0.1, 0x41_8937_4bc6_a7ef), (0.5, 0x147_ae14_7ae1_47af),
            (1, 0x28f_5c28_f5c2_8f5f), (5, 0xccc_cccc_cccc_ccff), (10, 0x1999_9999_9999_99ff),
            (12.5, 0x1fff_ffff_ffff_ffff), (20, 0x3333_3333_3333_33ff), (25, 0x3fff_ffff_ffff_ffff),
            (33.3, 0x553f_7ced_9168_6fff), (33.333333, 0x5555_5547_044b_6bff), (50, 0x7fff_ffff_ffff_ffff),
            (66.67, 0xaaac_d9e8_3e42_5fff), (75, 0xbfff_ffff_ffff_ffff), (90, 0xe666_6666_6666_67ff),
            (99, 0xfd70_a3d7_0a3d_6fff), (99.9, 0xffbe_76c8_b439_5fff), (99.99999, 0xffff_fe52_80d6_4fff),
        ]
        for (percentage, threshold) in vectors { #expect(ProbabilisticPolicy.threshold(percentage: percentage) == threshold) }
    }

    struct Vector: Sendable, CustomStringConvertible {
        var salt: String
        var trace: String
        var hash: UInt64
        /// At 1, 10, 25, 50, 75, 90 %.
        var sampled: String
        var description: String { "\(salt) \(trace)" }
    }

    static let vectors: [Vector] = [
        Vector(salt: "", trace: "00000000000000000000000000000000", hash: 0xe195_36ee_d1bb_ac3d, sampled: "NNNNNY"),
        Vector(salt: "", trace: "00000000000000000000000000000001", hash: 0xe195_35ee_d1bb_aa8a, sampled: "NNNNNY"),
        Vector(salt: "", trace: "0102030405060708090a0b0c0d0e0f10", hash: 0xdbcf_64d5_420f_4cad, sampled: "NNNNNY"),
        Vector(salt: "", trace: "4bf92f3577b34da6a3ce929d0e0e4736", hash: 0xa545_33ba_2e49_70b5, sampled: "NNNNYY"),
        Vector(salt: "", trace: "0af7651916cd43dd8448eb211c80319c", hash: 0x33bf_83d4_5f51_634c, sampled: "NNYYYY"),
        Vector(salt: "", trace: "000000000000000052969a8955571a3f", hash: 0x7728_3e41_55b1_a1f3, sampled: "NNNYYY"),
        Vector(salt: "", trace: "ffffffffffffffffffffffffffffffff", hash: 0x17be_c373_9634_fe2d, sampled: "NYYYYY"),
        Vector(salt: "", trace: "80f198ee56343ba864fe8b2a57d3eff7", hash: 0xe3ca_3016_8209_a196, sampled: "NNNNNY"),
        Vector(salt: "", trace: "5b8efff798038103d269b633813fc60c", hash: 0x95f1_76d2_91b1_d3f7, sampled: "NNNNYY"),
        Vector(salt: "", trace: "7bba9f33312b3dbb8b2c2c62bb7abe2d", hash: 0x916c_9940_2448_3ea3, sampled: "NNNNYY"),
        Vector(salt: "my-salt", trace: "00000000000000000000000000000001", hash: 0x6e76_3d73_c506_6ff9, sampled: "NNNYYY"),
        Vector(salt: "my-salt", trace: "0102030405060708090a0b0c0d0e0f10", hash: 0x59bd_5945_c0a2_7676, sampled: "NNNYYY"),
        Vector(salt: "my-salt", trace: "4bf92f3577b34da6a3ce929d0e0e4736", hash: 0xdd37_f93e_fa3a_e13a, sampled: "NNNNNY"),
        Vector(salt: "my-salt", trace: "80f198ee56343ba864fe8b2a57d3eff7", hash: 0x054f_27b7_903f_dda1, sampled: "NYYYYY"),
        Vector(salt: "my-salt", trace: "5b8efff798038103d269b633813fc60c", hash: 0xff14_0f00_181f_d424, sampled: "NNNNNN"),
        Vector(salt: "my-salt", trace: "7bba9f33312b3dbb8b2c2c62bb7abe2d", hash: 0x15c6_24e3_7c8d_3e30, sampled: "NYYYYY"),
        Vector(salt: "ab", trace: "0102030405060708090a0b0c0d0e0f10", hash: 0x8162_a310_54b7_4d3a, sampled: "NNNNYY"),
    ]

    static func verdict(_ policy: ProbabilisticPolicy, _ id: TraceID) -> PolicyVerdict {
        let record = SpanRecord(
            traceID: id, hash: 0, startTimeUnixNano: 0, endTimeUnixNano: 0, offset: 0, length: 0, group: 0, flags: [])
        var context = DecisionContext(now: 0)
        return policy.decide(
            TraceSummary(record, deadline: 0, policyVersion: 1, firstSeenMilliseconds: 0), &context)
    }

    @Test(arguments: vectors)
    func hashesAndVerdicts(vector: Vector) throws {
        let id = try #require(TraceID(hex: vector.trace))
        for (percentage, expected) in zip([1, 10, 25, 50, 75, 90] as [Double], vector.sampled) {
            let policy = ProbabilisticPolicy(percentage: percentage, salt: Array(vector.salt.utf8))
            #expect(policy.hash(id) == vector.hash)
            #expect(Self.verdict(policy, id) == (expected == "Y" ? .sampled : .notSampled))
        }
    }

    @Test(arguments: [
        (1, "d9abc3c5016183540fe4c783d991d87f", 0x028e_f742_58e0_9d66, true),
        (1, "f940fff6952038193848657dd38f5c0f", 0x028f_a6c6_1ade_296a, false),
        (10, "d8708f1ddd91c74626e5c01ef15334d3", 0x1999_7794_3e2c_3388, true),
        (10, "f9686b08a9f7db56866bd980eeca7d8e", 0x1999_a49f_8c51_19e3, false),
        (50, "d4f38dd68cea7c720f9fb72ea1651687", 0x7fff_fc1f_44e2_1f6d, true),
        (50, "0b335518bab6f129db5d267791164408", 0x8000_7926_9a6a_29e0, false),
    ] as [(Double, String, UInt64, Bool)])
    func nearTheThreshold(percentage: Double, trace: String, hash: UInt64, sampled: Bool) throws {
        let id = try #require(TraceID(hex: trace))
        let policy = ProbabilisticPolicy(percentage: percentage)
        #expect(policy.hash(id) == hash)
        #expect(Self.verdict(policy, id) == (sampled ? .sampled : .notSampled))
    }

    @Test func percentagesOfRandomIds() {
        var random = SeededGenerator(1)
        for percentage in [1.0, 10, 50] {
            let policy = ProbabilisticPolicy(percentage: percentage)
            var kept = 0
            for _ in 0..<50_000 where Self.verdict(policy, TraceID(high: random.next(), low: random.next())) == .sampled { kept += 1 }
            let expected = 500 * percentage
            // Four standard deviations.
            #expect(abs(Double(kept) - expected) < 4 * (expected * (1 - percentage / 100)).squareRoot())
        }
    }

    @Test func configuration() throws {
        let built = build([
            .map(["name": "p", "type": "probabilistic", "probabilistic": .map(["sampling_percentage": 33.3, "hash_salt": "my-salt"])])
        ])
        let policy = try #require(built.set?.policies.first?.policy as? ProbabilisticPolicy)
        let id = try #require(TraceID(hex: "0102030405060708090a0b0c0d0e0f10"))
        #expect(policy.threshold == 6_142_765_776_545_279_999 && policy.hash(id) == 0x59bd_5945_c0a2_7676)
        #expect(built.problems == [])

        let bare = build([.map(["name": "p", "type": "probabilistic"])])
        #expect((bare.set?.policies.first?.policy as? ProbabilisticPolicy)?.threshold == 0)
        #expect(bare.problems == [])

        let outside = build([.map(["name": "p", "type": "probabilistic", "probabilistic": .map(["sampling_percentage": 120])])])
        #expect((outside.set?.policies.first?.policy as? ProbabilisticPolicy)?.threshold == .max)
        #expect(
            outside.problems == [
                "(literal):1:1: policies[0].probabilistic.sampling_percentage: warning: 120.0 is outside 0...100 and works as the nearer of the two"
            ])

        let salt = build([.map(["name": "p", "type": "probabilistic", "probabilistic": .map(["hash_salt": 7])])])
        #expect(salt.set == nil && salt.problems.count == 1)
        #expect(salt.problems.first?.hasPrefix("(literal):1:1: policies[0].probabilistic.hash_salt: ") == true)
    }
}

@Suite struct PolicySetTests {
    @Test func catalogueHasTheTypesInOrderAndNoneTwice() {
        let names = PolicyCatalog.types.map { $0.typeName }
        let collectors = [
            "always_sample", "latency", "numeric_attribute", "probabilistic", "status_code", "string_attribute",
            "boolean_attribute", "rate_limiting", "bytes_limiting", "span_count", "trace_state", "trace_flags",
            "ottl_condition", "and", "not", "drop", "composite",
        ]
        #expect(names == collectors + ["any_of", "root_span", "first_match", "dynamic"])
        for type in PolicyCatalog.types {
            #expect((type.schema.origin == .collector) == collectors.contains(type.typeName))
            #expect(!type.schema.summary.isEmpty)
        }
    }

    @Test func alwaysSample() {
        let built = build([.map(["name": "all", "type": "always_sample"])])
        #expect(built.problems == [])
        guard let set = built.set else { return }
        #expect(decide([TestSpan(trace: someTrace)], set).decision == Decision(verdict: .sampled, policy: 0))
        let block = build([.map(["name": "all", "type": "always_sample", "always_sample": .map(["x": 1])])])
        #expect(block.set == nil)
        #expect(block.problems == ["(literal):1:1: policies[0].always_sample.x: unknown key `x`; no keys are known here"])
    }

    /// Every combination of three verdicts, with and without `sample_on_first_match`.
    @Test func combination() {
        for first in PolicyVerdict.allCases {
            for second in PolicyVerdict.allCases {
                for third in PolicyVerdict.allCases {
                    for stops in [false, true] {
                        let all = [first, second, third]
                        var set = PolicySet(
                            version: 1,
                            policies: all.enumerated().map { .init(name: "\($0)", policy: FixedPolicy($1)) },
                            predicates: PredicateCompiler())
                        set.stopsAtFirstMatch = stops
                        // Reference §4, straightforwardly: walk until a stop, then the strongest of what was said.
                        var said: [PolicyVerdict] = []
                        for verdict in all {
                            said.append(verdict)
                            if verdict == .dropped || (stops && verdict == .sampled) { break }
                        }
                        let expected: Decision =
                            if let drop = said.firstIndex(of: .dropped) {
                                Decision(verdict: .dropped, policy: UInt16(drop))
                            } else if let keep = said.firstIndex(of: .sampled) {
                                Decision(verdict: .sampled, policy: UInt16(keep))
                            } else {
                                Decision(verdict: .notSampled, policy: nil)
                            }
                        let result = decide([TestSpan(trace: someTrace)], set)
                        #expect(result.decision == expected, "\(all) stops: \(stops)")
                        let tallied = said.map { Optional($0) } + Array(repeating: nil, count: 3 - said.count)
                        #expect(result.verdicts == tallied)
                    }
                }
            }
        }
    }

    @Test func noPolicyKeepsNothing() {
        let built = build([])
        #expect(built.problems == [])
        guard let set = built.set else { return }
        #expect(decide([TestSpan(trace: someTrace)], set).decision == Decision(verdict: .notSampled, policy: nil))
    }

    @Test func tallyCountsTracesSpansAndBytesOfEveryVerdict() {
        let set = build([.map(["name": "p", "type": "always_sample"])]).set
        guard let set else { return }
        let trace = summary([TestSpan(trace: someTrace), TestSpan(trace: someTrace)], set)
        let bytes = Int(trace.spanBytes)
        var tally = PolicyTally(policies: 2)
        for _ in 0..<3 { tally.count(0, .sampled, trace) }
        tally.count(1, .failed, trace)
        #expect(tally[0, .sampled] == PolicyTally.Sum(traces: 3, spans: 6, bytes: 3 * bytes))
        #expect(bytes > 0)
        #expect(tally[0, .notSampled].traces == 0 && tally[0, .dropped].traces == 0)
        #expect(tally[1, .failed].traces == 1 && tally[1, .sampled].traces == 0)
    }

    /// Policies that want the same condition share a bit, and each still gets its own.
    @Test func predicatesAreShared() throws {
        let built = build([
            .map(["name": "a", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])]),
            .map(["name": "b", "type": "status_code", "status_code": .map(["status_codes": ["OK", "ERROR"]])]),
            .map(["name": "c", "type": "status_code", "status_code": .map(["status_codes": ["UNSET"]])]),
        ])
        let set = try #require(built.set)
        func verdicts(_ status: UInt64) -> [PolicyVerdict?] { decide([TestSpan(trace: someTrace, status: status)], set).verdicts }
        #expect(verdicts(0) == [.notSampled, .notSampled, .sampled])
        #expect(verdicts(1) == [.notSampled, .sampled, .notSampled])
        #expect(verdicts(2) == [.sampled, .sampled, .notSampled])
        var compiler = PredicateCompiler()
        let bits = (0..<600 as Range<UInt32>).map { compiler.bit(for: .statusCode($0)) }
        #expect(bits[..<512].map { $0 ?? -1 } == Array(0..<512))
        #expect(bits[512...].allSatisfy { $0 == nil })
        #expect(compiler.bit(for: .statusCode(3)) == bits[3])
    }

    @Test func names() {
        let place = "(literal):1:1: policies"
        let unnamed = build([.map(["type": "always_sample"])])
        #expect(unnamed.set == nil)
        #expect(unnamed.problems == ["\(place)[0].name: policy name cannot be empty; give the policy a `name`"])
        let empty = build([.map(["name": "", "type": "always_sample"])])
        #expect(empty.problems == ["\(place)[0].name: policy name cannot be empty; give the policy a `name`"])
        let twice = build([
            .map(["name": "x", "type": "always_sample"]), .map(["name": "y", "type": "always_sample"]),
            .map(["name": "x", "type": "always_sample"]),
        ])
        #expect(twice.set == nil)
        #expect(twice.problems == ["\(place)[2].name: duplicate policy name `x`; names must differ"])
    }

    @Test func types() {
        let known = PolicyCatalog.types.map { $0.typeName }.joined(separator: ", ")
        let place = "(literal):1:1: policies[0].type"
        func problems(_ type: ConfigNode) -> [String] {
            let built = build([.map(["name": "x", "type": type])])
            #expect(built.set == nil)
            return built.problems
        }
        #expect(problems("") == ["\(place): a policy needs a `type`: one of \(known)"])
        #expect(build([.map(["name": "x"])]).problems == ["\(place): a policy needs a `type`: one of \(known)"])
        #expect(problems("latencie") == ["\(place): unknown sampling policy type `latencie`; did you mean `latency`? known types: \(known)"])
        #expect(problems("zzz") == ["\(place): unknown sampling policy type `zzz`; known types: \(known)"])
    }

    @Test func allErrorsComeAtOnceAndWarningsDoNotStop() {
        let broken = build([
            .map(["type": "nope"]),
            .map(["name": "a", "type": "latency", "latency": .map(["threshold_ms": true])]),
            .map(["name": "a", "type": "status_code"]),
        ])
        #expect(broken.set == nil && broken.problems.count == 5)
        let foreign = build([
            .map(["name": "a", "type": "always_sample", "latency": .map(["threshold_ms": 1]), "drop": .map([:])])
        ])
        #expect(foreign.set?.policies.count == 1)
        #expect(
            foreign.problems == [
                "(literal):1:1: policies[0].latency: warning: this block is ignored, since the policy's type is `always_sample`",
                "(literal):1:1: policies[0].drop: warning: this block is ignored, since the policy's type is `always_sample`",
            ])
    }
}

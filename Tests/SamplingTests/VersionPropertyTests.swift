import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// Random reloads between and beneath random requests, against a model that keeps every trace whole with the policies of its first
/// span and evaluates them straightforwardly.
@Suite struct VersionPropertyTests {
    /// A policy as a value, with an evaluation of its own.
    enum Rule {
        case errors
        case slow(Int)
        case attribute(String, String)
        case spans(Int)
        case share(Int)

        func node(_ name: String) -> ConfigNode {
            switch self {
            case .errors:
                .map(["name": .init(stringLiteral: name), "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])])
            case .slow(let threshold):
                .map(["name": .init(stringLiteral: name), "type": "latency", "latency": .map(["threshold_ms": .init(integerLiteral: threshold)])])
            case .attribute(let key, let value):
                .map([
                    "name": .init(stringLiteral: name), "type": "string_attribute",
                    "string_attribute": .map(["key": .init(stringLiteral: key), "values": [.init(stringLiteral: value)]]),
                ])
            case .spans(let count):
                .map(["name": .init(stringLiteral: name), "type": "span_count", "span_count": .map(["min_spans": .init(integerLiteral: count)])])
            case .share(let percent):
                .map([
                    "name": .init(stringLiteral: name), "type": "probabilistic",
                    "probabilistic": .map(["sampling_percentage": .init(integerLiteral: percent)]),
                ])
            }
        }

        func samples(_ spans: [TestSpan]) -> Bool {
            switch self {
            case .errors: spans.contains { $0.status == 2 }
            case .slow(let threshold):
                Int64(spans.map(\.end).max() ?? 0) - Int64(spans.map(\.start).min() ?? 0) >= Int64(threshold) * 1_000_000
            case .attribute(let key, let value): spans.contains { $0.attributes[key] == value }
            case .spans(let count): spans.count >= count
            case .share(let percent): percent == 100
            }
        }

        static func random(_ random: inout SeededGenerator) -> Rule {
            switch random.below(8) {
            case 0: .errors
            case 1: .slow(random.below(1200))
            case 2: .spans(2 + random.below(6))
            case 3: .share(random.chance(10) ? 100 : 0)
            default: .attribute("k\(random.below(90))", "v\(random.below(2))")
            }
        }
    }

    /// A version with the rules that it stands for.
    struct Known {
        var rules: [Rule]
        var shadow: [Rule]
        var version: PolicyVersion

        /// Many policies now and then, so that there are more than 64 predicates.
        init?(_ number: Int, _ random: inout SeededGenerator) {
            let count = random.chance(15) ? 70 : 1 + random.below(4)
            rules = (0..<count).map { _ in Rule.random(&random) }
            shadow = random.chance(40) ? (0..<1 + random.below(80)).map { _ in Rule.random(&random) } : []
            func set(_ rules: [Rule], sharing other: PolicySet? = nil) -> PolicySet? {
                build(rules.enumerated().map { $1.node("p\($0)") }, sharing: other).set
            }
            guard let live = set(rules) else { return nil }
            version = PolicyVersion(
                number: UInt16(truncatingIfNeeded: number), policies: live, shadow: shadow.isEmpty ? nil : set(shadow, sharing: live))
        }

        static func decide(_ rules: [Rule], _ spans: [TestSpan]) -> Decision {
            guard let first = rules.firstIndex(where: { $0.samples(spans) }) else {
                return Decision(verdict: .notSampled, policy: nil)
            }
            return Decision(verdict: .sampled, policy: UInt16(first))
        }
    }

    struct Waiting {
        var spans: [TestSpan] = []
        var version: Int
    }

    @Test(arguments: 0..<32 as Range<UInt64>)
    func everyTraceIsJudgedByTheVersionOfItsFirstSpan(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        // Numbers wrap in the middle of some runs.
        var number = seed % 3 == 0 ? 65_530 : 1
        var known = [try #require(Known(number, &random))]
        var installed = 0
        var settings = ShardSettings()
        settings.decisionWait = second
        settings.maximumBytes = 64 << 20
        settings.decisionRecords = seed % 2 == 0 ? 500 : 0
        var shard = Shard(settings: settings, version: known[0].version, keys: testKeys, now: 0)
        var now: Int64 = 0
        var waiting: [TraceID: Waiting] = [:]
        var pairs: [Bool: Int] = [:]
        var decidedTraces = 0
        var problems: [String] = []
        for step in 0..<400 {
            now += Int64(random.below(12)) * millisecond
            if random.chance(12) {
                number += 1
                known.append(try #require(Known(number, &random)))
            }
            // Some requests come with bits of a version that this shard does not have in force yet, or no longer.
            var chosen = installed
            if random.chance(20) { chosen = max(0, installed - random.below(4)) }
            if random.chance(10) { chosen = known.count - 1 }
            if random.chance(30) {
                installed = known.count - 1
                shard.install(known[installed].version)
            }
            installed = max(installed, chosen)
            let spans = (0..<random.below(10)).map { _ in
                var span = TestSpan(trace: TraceID(high: 9, low: UInt64(1 + step / 12 * 6 + random.below(12))), id: random.next() | 1)
                span.start = 1_000_000_000_000 + UInt64(random.below(800)) * 1_000_000
                span.end = span.start + UInt64(random.below(500)) * 1_000_000
                span.status = random.chance(4) ? 2 : 0
                for _ in 0..<random.below(4) { span.attributes["k\(random.below(90))"] = "v\(random.below(2))" }
                return span
            }
            let body = makeRequest([(TestGroup(step % 5), spans)])
            let version = known[chosen].version
            var walked = RequestIndex()
            try RequestWalker(keys: testKeys, interest: version.interest).walk(body.span, into: &walked)
            let shadow = version.evaluatePredicates(&walked, body: body.span)
            let result = shard.ingest(
                body: body.span, index: walked, shard: 0, of: 1, now: now, version: version, shadow: shadow)
            let late = result.lateNotSampled + result.lateSampled.count
            if result.bufferedSpans + late != spans.count { problems.append("\(step): spans are missing") }
            if late == 0 {
                for span in spans { waiting[span.trace, default: Waiting(version: chosen)].spans.append(span) }
            } else {
                for (position, span) in spans.enumerated()
                where waiting[span.trace] != nil || shard.isWaiting(walked.records[position]) {
                    waiting[span.trace, default: Waiting(version: chosen)].spans.append(span)
                }
            }
            while let trace = shard.nextDecision(now: now) {
                let id = trace.traceID
                if trace.isReadable { shard.finish(trace) }
                guard let judged = waiting.removeValue(forKey: id) else {
                    problems.append("\(step): nobody waits for \(id)")
                    continue
                }
                decidedTraces += 1
                let expected = Known.decide(known[judged.version].rules, judged.spans)
                if trace.decision != expected { problems.append("\(step): \(trace.decision) for \(expected)") }
                if known[judged.version].version.shadow != nil {
                    let other = Known.decide(known[judged.version].shadow, judged.spans)
                    pairs[other.verdict == expected.verdict, default: 0] += 1
                }
            }
            shard.freeDecided()
            let used = shard.versionsInUse
            let sum = used.reduce(0) { $0 + $1.traces }
            if sum != waiting.count { problems.append("\(step): \(sum) traces by version, \(waiting.count) wait") }
            if used.dropFirst().contains(where: { $0.traces == 0 }) && chosen == installed {
                problems.append("\(step): a version without traces stays")
            }
        }
        #expect(problems.prefix(3) == [])
        #expect(decidedTraces > 50)
        var same = 0
        var other = 0
        for live in Verdict.allCases {
            for shadow in Verdict.allCases {
                let traces = shard.shadowComparison.traces(live: live, shadow: shadow)
                if live == shadow { same += traces } else { other += traces }
            }
        }
        #expect(same == pairs[true, default: 0] && other == pairs[false, default: 0])
        // What was counted is the sum over all versions, retired ones too.
        var counted = 0
        for verdicts in shard.takeVerdicts() {
            counted += verdicts.live[0, .sampled].traces + verdicts.live[0, .notSampled].traces
        }
        #expect(counted == decidedTraces)
    }
}

extension Shard {
    /// Whether the span's trace waits for its decision.
    func isWaiting(_ record: SpanRecord) -> Bool { table.find(record.traceID, hash: record.hash) != nil }
}

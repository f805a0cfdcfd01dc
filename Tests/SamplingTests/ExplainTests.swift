import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

private func trace(_ number: UInt64) -> TraceID { TraceID(high: 0xfeed, low: number) }

private func policies() throws -> PolicySet {
    try #require(
        build([
            .map(["name": "errors", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])]),
            .map([
                "name": "tenant", "type": "string_attribute",
                "string_attribute": .map(["key": "tenant", "values": ["gold"]]),
            ]), .map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": 1000])]),
        ]).set)
}

private func settings(records: Int) -> ShardSettings {
    var settings = ShardSettings()
    settings.decisionWait = 10 * second
    settings.maximumBytes = 64 << 20
    settings.decisionRecords = records
    return settings
}

@Suite struct ExplainTests {
    @Test func saysWhyWithSpanServiceAndValue() throws {
        let policies = try policies()
        var shard = Shard(settings: settings(records: 100), policies: policies, now: 0)
        var gold = TestSpan(trace: trace(1), id: 0xabc)
        gold.attributes = ["tenant": "gold"]
        var error = TestSpan(trace: trace(1), id: 0xdef, isRoot: true)
        error.status = 2
        _ = shard.take([TestSpan(trace: trace(1), id: 1), gold], policies, group: 4, now: second)
        _ = shard.take([error, TestSpan(trace: trace(2), id: 2)], policies, group: 5, now: 3 * second)
        let beforeFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: 4 * second)
        let before = try #require(beforeFound)
        #expect(before.state == .undecided && before.deadline == 11 * second && before.decidedBy == 0)
        _ = shard.decideAll(now: 14 * second)
        let keptFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: 20 * second)
        let kept = try #require(keptFound)
        for explanation in [before, kept] {
            #expect(explanation.firstSeen == second && explanation.lastSeen == 3 * second)
            #expect(explanation.spans == 3 && explanation.hasRoot == true && explanation.lateSpans == 0)
            #expect(explanation.policies.map(\.name) == ["errors", "tenant", "slow"])
            #expect(explanation.policies.map(\.verdict) == [.sampled, .sampled, .notSampled])
            let reasons = explanation.policies.map(\.because)
            #expect(reasons[0].map(\.spanID?.value) == [0xdef] && reasons[0].map(\.value) == ["ERROR"])
            #expect(reasons[0].map(\.service) == ["service-5"])
            #expect(reasons[1].map(\.spanID?.value) == [0xabc] && reasons[1].map(\.value) == ["gold"])
            #expect(reasons[1].map(\.service) == ["service-4"] && reasons[2].isEmpty)
            #expect(reasons[0][0].condition.contains("ERROR"))
        }
        #expect(kept.state == .decided(.sampled) && kept.decidedAt == 14 * second && kept.decidedBy == 0)
        let droppedFound = shard.explain(trace(2), hash: testKeys.hash(trace(2)), now: 20 * second)
        let dropped = try #require(droppedFound)
        #expect(dropped.state == .decided(.notSampled) && dropped.decidedBy == nil && dropped.spans == 1)
        #expect(dropped.policies.map(\.verdict) == [.notSampled, .notSampled, .notSampled])
        _ = shard.take([TestSpan(trace: trace(1), id: 77), TestSpan(trace: trace(1), id: 78)], policies, now: 21 * second)
        let lateFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: 22 * second)
        let late = try #require(lateFound)
        #expect(late.lateSpans == 2)
        let unknown = shard.explain(trace(3), hash: testKeys.hash(trace(3)), now: 22 * second)
        #expect(unknown == nil)
    }

    /// A set with more than 64 conditions: the spans behind all of them are noted, and the verdicts of all policies.
    @Test func conditionsBeyondTheFirstWord() throws {
        let nodes = (0..<70).map { number in
            ConfigNode.map([
                "name": .init(stringLiteral: "p\(number)"), "type": "string_attribute",
                "string_attribute": .map(["key": .init(stringLiteral: "k\(number)"), "values": ["a", "b"]]),
            ])
        }
        let all: [ConfigNode] = [
            .map(["name": "any", "type": "any_of", "any_of": .map(["any_of_sub_policy": .init(.list(nodes), at: ConfigNode.literalPosition)])]),
            .map(["name": "slow", "type": "latency", "latency": .map(["threshold_ms": 1000])]),
        ]
        for (nodes, position) in [(nodes, 68), (all, 0)] {
            let policies = try #require(build(nodes).set)
            var shard = Shard(settings: settings(records: 100), policies: policies, now: 0)
            var (first, other) = (TestSpan(trace: trace(1), id: 0xa1), TestSpan(trace: trace(1), id: 0xa2))
            first.attributes = ["k68": "b"]
            other.attributes = ["k68": "a", "k3": "a", "k69": "b"]
            other.end += 1_500_000_000
            _ = shard.take([TestSpan(trace: trace(1), id: 7), first, other], policies, now: 0)
            let beforeFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: second)
            let decided = shard.decideAll(now: 11 * second)
            #expect(decided.map(\.decision.verdict) == [.sampled])
            let afterFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: 12 * second)
            for explanation in [try #require(beforeFound), try #require(afterFound)] {
                let policy = explanation.policies[position]
                let reason = try #require(policy.because.first { $0.condition.contains("k68") })
                #expect(reason.spanID?.value == 0xa1 && reason.value == "b" && reason.service == "service-0")
                #expect(!policy.isPartial && explanation.extentMilliseconds == 1500)
                if position == 0 { #expect(policy.because.map(\.spanID?.value) == [0xa2, 0xa1, 0xa2] && policy.verdict == .sampled) }
            }
            let after = try #require(afterFound)
            #expect(after.policies.allSatisfy { !$0.isUnrecorded })
            let wanted = [3, 68, 69]
            let expected: [PolicyVerdict] = position == 0 ? [.sampled, .sampled] : (0..<70).map { wanted.contains($0) ? .sampled : .notSampled }
            #expect(after.policies.map(\.verdict) == expected)
        }
    }

    /// What an OTTL condition looked at is shown with the span that it was true of.
    @Test func conditionsOfOTTLShowTheirAttributes() throws {
        let text = #"attributes["tenant"] == "gold" and resource.attributes["service.name"] != nil"#
        let policies = try #require(
            build([.map(["name": "o", "type": "ottl_condition", "ottl_condition": .map(["span": [.init(stringLiteral: text)]])])]).set)
        var shard = Shard(settings: settings(records: 100), policies: policies, now: 0)
        var gold = TestSpan(trace: trace(1), id: 0xabc)
        gold.attributes = ["tenant": "gold"]
        _ = shard.take([TestSpan(trace: trace(1), id: 1), gold], policies, now: 0)
        let found = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: second)
        let reason = try #require(found?.policies.first?.because.first)
        #expect(reason.spanID?.value == 0xabc && reason.value == "tenant=gold, service.name=service-0")
    }

    /// Without records the caches still know the decision, and nothing is noted on the way.
    @Test func withoutRecordsOnlyTheDecisionIsKnown() throws {
        let policies = try policies()
        var shard = Shard(settings: settings(records: 0), policies: policies, now: 0)
        var error = TestSpan(trace: trace(1))
        error.status = 2
        _ = shard.take([error], policies, now: 0)
        let noted = shard.table[0].lastEvidence.isNone
        #expect(noted)
        _ = shard.decideAll(now: 11 * second)
        let knownFound = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: 13 * second)
        let known = try #require(knownFound)
        #expect(known.state == .decided(.sampled) && known.decidedBy == 0 && known.spans == nil)
    }

    /// Shown is not asked: a limit is not charged for a look at an undecided trace.
    @Test func lookingChargesNoLimit() throws {
        let limited = try #require(
            build([
                .map([
                    "name": "budget", "type": "rate_limiting",
                    "rate_limiting": .map(["spans_per_second": 1, "burst_capacity": 1]),
                ])
            ]).set)
        var shard = Shard(settings: settings(records: 10), policies: limited, now: 0)
        _ = shard.take([TestSpan(trace: trace(1))], limited, now: 0)
        for _ in 0..<5 {
            let look = shard.explain(trace(1), hash: testKeys.hash(trace(1)), now: second)
            #expect(look?.policies.map(\.verdict) == [.sampled])
        }
        let decided = shard.decideAll(now: 11 * second)
        #expect(decided.map(\.decision.verdict) == [.sampled])
    }
}

@Suite struct DecisionLogTests {
    static func record(_ id: TraceID, spans: UInt32) -> DecisionRecord {
        DecisionRecord(
            traceID: id, hash: testKeys.hash(id), firstSeen: 0, lastSeen: 0, decidedAt: 0, extent: 0, spanBytes: 0, spanCount: spans,
            lateSpans: 0, predicates: 0, verdicts: [0, 0, 0, 0], evidenceStart: 0, evidenceLength: 0, version: 1, policy: 0,
            verdict: 0, flags: [])
    }

    /// Against a dictionary and a list: the last records are found, each with its own evidence, older ones are not.
    @Test(arguments: [1, 2, 7, 100]) func keepsTheLastOnes(capacity: Int) throws {
        guard var log = DecisionLog(capacity: capacity) else {
            Issue.record("no log")
            return
        }
        let version = PolicyVersion(
            number: 1, policies: PolicySet(version: 1, policies: [], predicates: PredicateCompiler()))
        var random = SeededGenerator(UInt64(capacity))
        var order: [TraceID] = []
        var newest: [TraceID: (spans: UInt32, evidence: [UInt8])] = [:]
        for step in 0..<2000 as Range<UInt32> {
            let id = trace(UInt64(random.below(capacity * 3 + 1)))
            let evidence = (0..<random.below(40)).map { _ in UInt8(random.below(256)) }
            log.append(Self.record(id, spans: step), evidence: evidence, version: version)
            order.append(id)
            newest[id] = (step, evidence)
            if order.count > capacity {
                let gone = order.removeFirst()
                if !order.contains(gone) { newest[gone] = nil }
            }
            guard step % 13 == 0 else { continue }
            for number in 0...UInt64(capacity * 3) {
                let found = log.find(trace(number), hash: testKeys.hash(trace(number)))
                #expect(found?.spanCount == newest[trace(number)]?.spans)
                guard let found, let bytes = log.evidence(of: found) else { continue }
                #expect(bytes == newest[trace(number)]?.evidence)
            }
        }
        let last = try #require(order.last)
        log.noteLate(last, hash: testKeys.hash(last))
        let late = log.find(last, hash: testKeys.hash(last))?.lateSpans
        #expect(late == 1)
    }

    @Test func verdictsOfSixtyFourPolicies() {
        var record = Self.record(trace(1), spans: 1)
        for position in 0..<70 { record.set(PolicyVerdict.allCases[position % 4], ofPolicy: position) }
        for position in 0..<64 { #expect(record.verdict(ofPolicy: position) == PolicyVerdict.allCases[position % 4]) }
        #expect(record.verdict(ofPolicy: 64) == nil)
        #expect(Self.record(trace(1), spans: 1).verdict(ofPolicy: 3) == nil)
    }

    /// Verdicts beyond the first 64 share the room of the evidence: what newer decisions took is said to be missing.
    @Test func verdictsThatMadeRoomAreMissing() throws {
        let nodes = (0..<300).map { number in
            ConfigNode.map([
                "name": .init(stringLiteral: "p\(number)"), "type": "latency",
                "latency": .map(["threshold_ms": number % 2 == 0 ? 1 : 100_000]),
            ])
        }
        let policies = try #require(build(nodes).set)
        var shard = Shard(settings: settings(records: 400), policies: policies, now: 0)
        for number in 1...400 as ClosedRange<UInt64> {
            var span = TestSpan(trace: trace(number))
            span.end += 1_000_000_000
            _ = shard.take([span], policies, now: 0)
        }
        _ = shard.decideAll(now: 11 * second)
        var complete = 0
        for number in 1...400 as ClosedRange<UInt64> {
            let found = shard.explain(trace(number), hash: testKeys.hash(trace(number)), now: 12 * second)
            let explanation = try #require(found)
            let expected = (0..<300).map { $0 % 2 == 0 ? PolicyVerdict.sampled : .notSampled }
            #expect(explanation.policies.prefix(64).map(\.verdict) == expected.prefix(64).map { $0 })
            let unrecorded = explanation.policies.map(\.isUnrecorded)
            if unrecorded == Array(repeating: false, count: 300) {
                complete += 1
                #expect(explanation.policies.map(\.verdict) == expected)
            } else {
                #expect(unrecorded == (0..<300).map { $0 >= 64 })
            }
        }
        // Two bytes and 236 halves of one each, of 112 a record.
        #expect(complete == 400 * 112 / 120)
    }

    @Test(arguments: [0, 1, 2, 3, 65, 600]) func moreVerdictsAreReadAsWritten(count: Int) throws {
        let verdicts = (0..<count).map { $0 % 5 == 0 ? nil : PolicyVerdict.allCases[$0 % 4] }
        var bytes: [UInt8] = []
        MoreVerdicts.append(verdicts[...], to: &bytes)
        let read = try #require(MoreVerdicts.read(bytes + [9]))
        #expect(read.verdicts == verdicts && read.next == bytes.count)
        for end in 0..<bytes.count { #expect(MoreVerdicts.read(Array(bytes[..<end])) == nil) }
    }

    @Test func notesAreReadAsWritten() {
        var bytes: [UInt8] = []
        let long = [UInt8](repeating: 65, count: 100)
        let values: [(bit: UInt8, text: [UInt8])] = [(0, long), (2, [])]
        EvidenceNotes.append(
            .init(bits: 5, spanID: 9, service: Array("shop".utf8), values: values),
            to: &bytes)
        EvidenceNotes.append(.init(word: 7, bits: 8, spanID: .max, service: [], values: []), to: &bytes)
        let read = EvidenceNotes.read(bytes)
        #expect(read.map(\.word) == [0, 7] && read.map(\.bits) == [5, 8] && read.map(\.spanID) == [9, .max])
        #expect(read[0].values.map(\.text.count) == [64, 0] && read[0].service == Array("shop".utf8))
        for end in 0..<bytes.count { _ = EvidenceNotes.read(Array(bytes[..<end])) }
    }
}

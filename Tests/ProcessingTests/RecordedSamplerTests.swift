import ConfigTree
import Foundation
import OTLP
import TestSupport
import Testing

@testable import Processing

/// `probabilistic_sampler` against what the Collector gave out: which spans stay, and the tracestate of each, bit for bit.
@Suite struct RecordedSamplerTests {
    struct Input {
        var traceID: String
        var traceState = ""
        var attributes: [String: Any]?
    }

    static let ids: [String] = {
        let inputs = RecordedCase.file("probabilistic_sampler")["inputs"] as? [String: Any] ?? [:]
        return inputs["ids60"] as? [String] ?? []
    }()

    @Test func allCasesAreThere() {
        #expect(RecordedCase.cases("probabilistic_sampler").count == 57)
        #expect(Self.ids.count == 60)
    }

    @Test(arguments: RecordedCase.cases("probabilistic_sampler"))
    func recorded(_ recorded: RecordedCase) throws {
        let problems = ConfigProblems()
        let chain = Made.chain([("probabilistic_sampler", recorded.settings)], ProcessorBuilder(), problems)
        if recorded.isConfigError {
            #expect(problems.hasErrors, "the Collector does not start with this")
            return
        }
        let errors = problems.errors.map(\.description)
        #expect(errors == [], "the Collector starts with this")
        var rig = Rig(try #require(chain))
        let inputs = Self.inputs(recorded)
        let kept = try run(inputs, &rig)
        if let digits = recorded.output["kept"] as? String {
            #expect(String(kept.map { $0 == nil ? "0" : "1" }) == digits)
            let states = recorded.output["tracestates"] as? [String] ?? []
            let actual = kept.compactMap { $0 }
            #expect(actual == (states.count == 1 ? Array(repeating: states[0], count: actual.count) : states))
            return
        }
        let spans = try #require(recorded.output["spans"] as? [Any])
        #expect(spans.count == inputs.count)
        for (place, span) in spans.enumerated() {
            let input = inputs[place]
            if input.traceID.allSatisfy({ $0 == "0" }) {
                // Deviation zeroTraceIDs: such a span does not come so far; the rule knows the answer all the same.
                let rule = SamplerRule(mode: Self.mode(recorded), failsClosed: true)
                let decision = rule.decide(TraceID(high: 0, low: 0), traceState: Array(input.traceState.utf8), .none)
                let state = decision.isKept ? String(decoding: decision.traceState ?? [], as: UTF8.self) : nil
                #expect(state == (span as? [Any])?.first as? String, "\(input)")
            } else {
                #expect(kept[place] == (span as? [Any])?.first as? String, "\(input)")
            }
        }
    }

    private static func mode(_ recorded: RecordedCase) -> SamplerRule.Mode {
        guard let half = SamplingThreshold(probability: 0.5, precision: 4) else { return .never }
        return recorded.settings.contains("equalizing") ? .equalizing(half) : .proportional(0.5, precision: 4)
    }

    static func inputs(_ recorded: RecordedCase) -> [Input] {
        if recorded.input as? String == "ids60" { return ids.map { Input(traceID: $0) } }
        return (recorded.input as? [[Any]] ?? []).map { span in
            Input(
                traceID: span[0] as? String ?? "", traceState: span[1] as? String ?? "", attributes: span[2] as? [String: Any])
        }
    }

    /// By input, the tracestate of the span that stayed.
    private func run(_ inputs: [Input], _ rig: inout Rig) throws -> [String?] {
        let spans = inputs.enumerated().filter { !$0.element.traceID.allSatisfy { $0 == "0" } }.map { place, input in
            [
                "traceId": input.traceID, "spanId": String(format: "%016x", place + 1), "name": "x",
                "traceState": input.traceState,
                "attributes": (input.attributes ?? [:]).map { ["key": $0.key, "value": $0.value] },
            ] as [String: Any]
        }
        let request: [String: Any] = ["resourceSpans": [["scopeSpans": [["spans": spans]]]]]
        let json = try JSONSerialization.data(withJSONObject: request)
        _ = try rig.run(OTLPJSONTranscoder.transcode(Array(json).span))
        var kept = [String?](repeating: nil, count: inputs.count)
        let whole = rig.whole
        for record in rig.index.records {
            let fields = SpanFields(whole.span, record.range)
            let place = Int(fields.spanID.value) - 1
            kept[place] = String(decoding: whole[fields.traceState.range], as: UTF8.self)
        }
        return kept
    }

    /// The published table of thresholds.
    @Test(arguments: [
        (0.1, 1, "e"), (0.1, 2, "e6"), (0.1, 3, "e66"), (0.1, 4, "e666"), (0.1, 6, "e66666"), (0.1, 14, "e6666666666666"),
        (1.0 / 3, 4, "aaab"), (0.01, 1, "fd"), (0.01, 4, "fd70a"), (0.001, 1, "ffc"), (0.001, 2, "ffbe"), (0.9, 4, "199a"),
        (0.99, 1, "03"), (0.99, 4, "028f6"), (0.5, 4, "8"), (0.75, 4, "4"), (0.05, 4, "f3333"), (1.0, 4, "0"),
        (1 / 72057594037927936.0, 4, "ffffffffffffff"),
    ])
    func thresholds(probability: Double, precision: Int, text: String) throws {
        let threshold = try #require(SamplingThreshold(probability: probability, precision: precision))
        #expect(String(decoding: threshold.text, as: UTF8.self) == text)
        #expect(SamplingThreshold(text: threshold.text[...]) == threshold)
    }

    @Test func countsByPolicy() throws {
        let chain = try #require(Made.chain([("probabilistic_sampler", "sampling_percentage: 50")]))
        var rig = Rig(chain)
        let inputs =
            Self.ids.map { Input(traceID: $0) } + [
                Input(traceID: Self.ids[0], attributes: ["sampling.priority": ["intValue": "0"]]),
                Input(traceID: Self.ids[0], attributes: ["sampling.priority": ["intValue": "1"]]),
            ]
        let kept = try run(inputs, &rig).compactMap { $0 }.count
        let counts = rig.runner.takeCounts()
        func count(_ policy: String, _ sampled: String) -> Int {
            zip(chain.counters, counts).filter { $0.0.labels.map(\.value) == [policy, sampled] }.map(\.1).reduce(0, +)
        }
        #expect(count("trace_id_hash", "true") == kept - 1)
        #expect(count("trace_id_hash", "false") == 60 - (kept - 1))
        #expect(count("sampling_priority", "false") == 1)
        #expect(count("sampling_priority", "true") == 1)
        #expect(rig.runner.takeDropped() == [62 - kept])
        #expect(rig.result.dropped == 62 - kept)
        #expect(rig.runner.takeCounts().allSatisfy { $0 == 0 })
    }
}

import OTLP
import TestSupport

@testable import Sampling

/// An attribute's value as a test sees it.
enum ModelValue: Hashable {
    case text(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case bytes([UInt8])
    case list
    case map
    case none

    /// An AnyValue message.
    var encoded: [UInt8] {
        switch self {
        case .text(let text): Encode.text(1, text)
        case .bool(let value): Encode.varint(2, value ? 1 : 0)
        case .int(let value): Encode.varint(3, UInt64(bitPattern: value))
        case .double(let value): Encode.fixed64(4, value.bitPattern)
        case .list: Encode.bytes(5, Encode.bytes(1, Encode.bytes(1, [97])))
        case .map: Encode.bytes(6, [])
        case .bytes(let bytes): Encode.bytes(7, bytes)
        case .none: []
        }
    }
}

struct ModelAttribute: Hashable {
    var key: String
    var value: ModelValue

    init(_ key: String, _ value: ModelValue) {
        self.key = key
        self.value = value
    }

    func encoded(_ field: Int) -> [UInt8] {
        Encode.attribute(field, key, value.encoded)
    }
}

/// A span, its resource and its scope as plain values.
struct ModelSpan {
    var resource: [ModelAttribute] = []
    var trace = TraceID(high: 1, low: 2)
    var id: UInt64 = 1
    var isRoot = false
    var start: UInt64 = 1_000_000_000
    var end: UInt64 = 1_000_000_000
    var status: UInt64 = 0
    var name = ""
    var kind: UInt64 = 0
    var traceState = ""
    var flags: UInt64 = 0
    var attributes: [ModelAttribute] = []

    var encoded: [UInt8] {
        var bytes = Encode.bytes(1, trace.bytes)
        bytes += Encode.bytes(2, Encode.bigEndian(id))
        if !traceState.isEmpty { bytes += Encode.text(3, traceState) }
        if !isRoot { bytes += Encode.bytes(4, [1, 2, 3, 4, 5, 6, 7, 8]) }
        if !name.isEmpty { bytes += Encode.text(5, name) }
        if kind != 0 { bytes += Encode.varint(6, kind) }
        if start != 0 { bytes += Encode.fixed64(7, start) }
        if end != 0 { bytes += Encode.fixed64(8, end) }
        for attribute in attributes { bytes += attribute.encoded(9) }
        if status != 0 { bytes += Encode.bytes(15, Encode.varint(3, status)) }
        if flags != 0 {
            bytes += Encode.varint(16 * 8 + 5) + (0..<4).map { UInt8(truncatingIfNeeded: flags >> (8 * UInt64($0))) }
        }
        return bytes
    }

    static func request(_ spans: [ModelSpan]) -> [UInt8] {
        spans.flatMap { span in
            let resource = Encode.bytes(1, span.resource.flatMap { $0.encoded(1) })
            let scope = Encode.bytes(1, Encode.text(1, "library"))
            return Encode.bytes(1, resource + Encode.bytes(2, scope + Encode.bytes(2, span.encoded)))
        }
    }

    /// The first attribute of that name.
    static func first(_ key: String, _ attributes: [ModelAttribute]) -> ModelValue? {
        attributes.first { $0.key == key }?.value
    }

    var durationNanoseconds: UInt64 { start != 0 && end > start ? end - start : 0 }
}

extension PolicySet {
    /// The verdicts on a trace whose spans come one request at a time, each in its own resource, through a shard.
    func judge(_ spans: [ModelSpan], now: Int64 = 0) -> (decision: Decision, verdicts: [PolicyVerdict?]) {
        judge(requests: spans.map { [$0] }, now: now)
    }

    /// The same, with several spans in a request.
    func judge(requests: [[ModelSpan]], now: Int64 = 0) -> (decision: Decision, verdicts: [PolicyVerdict?]) {
        var summary: TraceSummary?
        var words = [UInt64](repeating: 0, count: sideLayout.count)
        for (number, spans) in requests.enumerated() {
            let walked = index(ModelSpan.request(spans), self)
            for (position, record) in walked.records.enumerated() {
                if summary == nil {
                    summary = TraceSummary(record, deadline: 0, policyVersion: 1, firstSeenMilliseconds: 0)
                }
                let hadRoot = summary?.flags.contains(.hasRoot) ?? false
                var span = words.mutableSpan
                sideLayout.add(
                    position, record, of: walked, request: UInt16(number + 1), hadRoot: hadRoot, to: &span)
                summary?.add(record)
            }
        }
        var context = DecisionContext(now: now, side: words)
        var tally = PolicyTally(policies: policies.count)
        guard let summary else { return (Decision(verdict: .notSampled, policy: nil), []) }
        let decision = decide(summary, &context, verdicts: &tally)
        return (decision, context.verdicts)
    }
}

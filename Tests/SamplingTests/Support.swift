import NativeCore
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// A span as values; `bytes` is its message.
struct TestSpan {
    var trace: TraceID
    var id: UInt64 = 1
    var isRoot = false
    var start: UInt64 = 1_000_000_000
    var end: UInt64 = 1_000_000_000
    var status: UInt64 = 0
    var filler = 0
    var attributes: [String: String] = [:]

    var bytes: [UInt8] {
        var bytes = Encode.bytes(1, trace.bytes)
        bytes += Encode.bytes(2, Encode.bigEndian(id))
        if !isRoot { bytes += Encode.bytes(4, [1, 2, 3, 4, 5, 6, 7, 8]) }
        if start != 0 { bytes += Encode.fixed64(7, start) }
        if end != 0 { bytes += Encode.fixed64(8, end) }
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
            let text = Encode.text(1, value)
            bytes += Encode.attribute(9, key, text)
        }
        if status != 0 { bytes += Encode.bytes(15, Encode.varint(3, status)) }
        if filler > 0 {
            bytes += Encode.bytes(5, (0..<filler).map { 97 + UInt8((UInt64($0) &+ id) % 26) })
        }
        return bytes
    }
}

/// Spans under one resource and scope.
struct TestGroup: Hashable {
    var resource: [UInt8]
    var scope: [UInt8]

    /// A group that differs from those of other numbers.
    init(_ number: Int, filler: Int = 0) {
        let name = Array("service-\(number)".utf8) + [UInt8](repeating: 120, count: filler)
        resource = Encode.bytes(1, Encode.bytes(1, Encode.text(1, "service.name") + Encode.bytes(2, Encode.bytes(1, name))))
        scope = Encode.bytes(1, Encode.bytes(1, Array("library-\(number % 3)".utf8)))
    }
}

func makeRequest(_ groups: [(TestGroup, [TestSpan])]) -> [UInt8] {
    groups.flatMap { group, spans in
        Encode.bytes(
            1, group.resource + Encode.bytes(2, group.scope + spans.flatMap { Encode.bytes(2, $0.bytes) }))
    }
}

let testKeys = HashKeys(7, 11)

/// Walks a request; a test's own requests are well-formed.
func index(_ body: [UInt8], _ policies: PolicySet) -> RequestIndex {
    var index = RequestIndex()
    let walker = RequestWalker(keys: testKeys, interest: policies.interest)
    do {
        try walker.walk(body.span, into: &index)
    } catch {
        Issue.record("the request is malformed: \(error)")
    }
    policies.evaluatePredicates(&index, body: body.span)
    return index
}

extension Shard {
    mutating func take(
        _ body: [UInt8], _ policies: PolicySet, shard: UInt64 = 0, of shards: UInt64 = 1, now: Int64
    ) -> IngestResult {
        ingest(body: body.span, index: SamplingTests.index(body, policies), shard: shard, of: shards, now: now)
    }

    /// One request with spans under one group.
    mutating func take(_ spans: [TestSpan], _ policies: PolicySet, group: Int = 0, now: Int64) -> IngestResult {
        take(makeRequest([(TestGroup(group), spans)]), policies, now: now)
    }

    mutating func decideAll(now: Int64, early: Bool = false) -> [Decided] {
        var all: [Decided] = []
        var run: [DecidedTrace] = []
        while true {
            decideRun(&run, now: now, early: early)
            if run.isEmpty { break }
            for trace in run {
                var spans: [KeptSpan] = []
                if trace.isReadable {
                    beginReading(trace)
                    spans = read(trace)
                    finish(trace)
                }
                all.append(
                    Decided(
                        decision: trace.decision, spanCount: trace.spanCount, spanBytes: trace.spanBytes,
                        deadline: trace.deadline, hasRoot: trace.hasRoot, spans: spans))
            }
        }
        freeDecided()
        return all
    }
}

extension Shard {
    /// The spans of the trace that was decided last, or of which reading has begun.
    func read(_ trace: DecidedTrace) -> [KeptSpan] {
        var spans: [KeptSpan] = []
        for position in 0..<trace.spanCount {
            withSpan(position) { hash, resource, scope, span in
                spans.append(KeptSpan(groupHash: hash, resource: array(resource), scope: array(scope), span: array(span)))
            }
        }
        return spans
    }
}

func array(_ span: Span<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(span.count)
    for index in span.indices { bytes.append(span[index]) }
    return bytes
}

struct KeptSpan: Hashable {
    var groupHash: UInt64
    var resource: [UInt8]
    var scope: [UInt8]
    var span: [UInt8]
}

struct Decided {
    var decision: Decision
    var spanCount: Int
    var spanBytes: Int
    var deadline: Int64
    var hasRoot: Bool
    var spans: [KeptSpan]
}

func named(_ policies: (String, any SamplingPolicy)...) -> [PolicySet.Named] {
    policies.map { PolicySet.Named(name: $0.0, policy: $0.1) }
}

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000
/// Width of one of the wheel's buckets.
let bucketWidth: Int64 = 1 << DecisionWheel.widthBits

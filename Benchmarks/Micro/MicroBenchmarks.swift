import Delivery
import LoadTools
import OTLP
import Sampling

/// Times single steps of a span's path on the reference work, in one thread, with a clock that is set by hand.
///
/// Prints nanoseconds per span (median of the rounds, one round a decision window) and bytes per span. Use it to see which step a
/// change moved; whole-node figures come from `Benchmarks/run`.
@main
struct MicroBenchmarks {
    static let requestsPerRound = 400
    static let rounds = 15
    /// Rounds in which OTLP JSON is read too.
    static let jsonRounds = 3
    static let second: Int64 = 1_000_000_000

    static func main() {
        if CommandLine.arguments.contains("--replay") { return ReplayBenchmark.run() }
        var source = TrafficSource(catalog: TrafficCatalog(settings: TrafficSettings()))
        let policies = referencePolicies()
        var settings = ShardSettings()
        settings.decisionWait = 10 * second
        settings.maximumBytes = 1 << 30
        // With `--records`, decisions are remembered with their reasons, as a node does by default.
        if CommandLine.arguments.contains("--records") { settings.decisionRecords = 20_000 }
        var shard = Shard(settings: settings, policies: policies, now: 0)
        var generator = SystemRandomNumberGenerator()
        let walker = RequestWalker(keys: HashKeys(using: &generator), interest: policies.interest)
        var assembler = BatchAssembler(settings: BatchSettings())
        var index = RequestIndex()
        var times = Steps()
        var heldPerSpan = 0.0

        for round in 0..<rounds {
            let now = Int64(round) * 20 * second
            var step = Steps()
            var spans = 0
            var spanBytes = 0
            for _ in 0..<requestsPerRound {
                let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000 + now)
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                step.walk += time { try? walker.walk(body, into: &index) }
                step.predicates += time { policies.evaluatePredicates(&index, body: body) }
                step.ingest += time { _ = shard.ingest(body: body, index: index, shard: 0, of: 1, now: now) }
                if round < jsonRounds { step.json += jsonTime(body, &step.jsonBytes) }
                spans += index.records.count
                spanBytes += index.spanBytes
            }
            heldPerSpan = Double(shard.heldBytes) / Double(spanBytes)
            var traces = 0
            var kept = 0
            while true {
                var decided: DecidedTrace? = nil
                step.decide += time { decided = shard.nextDecision(now: now + 11 * second) }
                guard let trace = decided else { break }
                traces += 1
                guard trace.decision.verdict == .sampled else { continue }
                kept += trace.spanCount
                step.assemble += time { assemble(trace, &shard, &assembler, now) }
            }
            shard.freeDecided()
            _ = assembler.flush()
            times.take(step, spans: spans, traces: traces, kept: kept)
        }
        report(times, heldPerSpan)
        print("OTTL conditions, ns per span")
        ConditionBenchmark.run(&source)
        print("OTTL statements, ns per span")
        TransformBenchmark.run(&source)
        PolicyBenchmarks.run()
        print("processors, ns per span")
        ProcessorBenchmark.run(&source)
    }

    /// Writes a request as OTLP JSON, and times only how it is read back.
    static func jsonTime(_ body: Span<UInt8>, _ bytes: inout Int) -> Double {
        var text: [UInt8] = []
        guard (try? OTLPJSONWriter.append(body, to: &text)) != nil else { return 0 }
        bytes += text.count
        return time { _ = try? OTLPJSONTranscoder.transcode(text.span) }
    }

    static func assemble(
        _ trace: DecidedTrace, _ shard: inout Shard, _ assembler: inout BatchAssembler, _ now: Int64
    ) {
        if !assembler.beginTrace(spans: trace.spanCount, bytes: trace.spanBytes + 4096, now: now) {
            _ = assembler.flush()
            _ = assembler.beginTrace(spans: trace.spanCount, bytes: trace.spanBytes + 4096, now: now)
        }
        for position in 0..<trace.spanCount {
            shard.withSpan(position) { group, resource, scope, span in
                _ = SpanSanitizer.isValid(span)
                while assembler.add(groupHash: group, resource: resource, scope: scope, span: span) == .flushFirst {
                    _ = assembler.flush()
                }
            }
        }
        assembler.endTrace(now: now)
        shard.finish(trace)
    }

    /// Errors, over 1 s, 10 %.
    static func referencePolicies() -> PolicySet {
        var compiler = PredicateCompiler()
        guard let errors = StatusCodePolicy(codes: [2], predicates: &compiler) else {
            preconditionFailure("one predicate fits")
        }
        return PolicySet(
            version: 1,
            policies: [
                .init(name: "errors", policy: errors), .init(name: "slow", policy: LatencyPolicy(threshold: 1000)),
                .init(name: "rest", policy: ProbabilisticPolicy(percentage: 10)),
            ], predicates: compiler)
    }

    static func time(_ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        let elapsed = clock.measure(body).components
        return Double(elapsed.seconds) * 1e9 + Double(elapsed.attoseconds) / 1e9
    }

    static func median(_ values: [Double]) -> String {
        let sorted = values.sorted()
        let tenths = Int((sorted[sorted.count / 2] * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    static func report(_ times: Steps, _ heldPerSpan: Double) {
        print("step                 ns, median of \(rounds) rounds")
        print("walk, per span       \(median(times.walks))")
        let speed = times.jsonSpeeds.sorted()[times.jsonSpeeds.count / 2]
        print("OTLP JSON to protobuf, per span  \(median(times.jsonReads))  (\(Int(speed)) MB/s)")
        print("predicates, per span \(median(times.predicateRuns))")
        print("ingest, per span     \(median(times.ingests))")
        print("decide, per trace    \(median(times.decisions))  (with about 40 ns of clock)")
        print("assemble, per kept span  \(median(times.assemblies))")
        print("memory held, bytes per byte of spans: \((heldPerSpan * 1000).rounded() / 1000)")
    }
}

/// What the steps of one round took, and the rounds so far.
struct Steps {
    var walk = 0.0
    var predicates = 0.0
    var ingest = 0.0
    var decide = 0.0
    var assemble = 0.0
    var json = 0.0
    var jsonBytes = 0
    private(set) var jsonReads: [Double] = []
    /// Megabytes of JSON a second.
    private(set) var jsonSpeeds: [Double] = []
    private(set) var walks: [Double] = []
    private(set) var predicateRuns: [Double] = []
    private(set) var ingests: [Double] = []
    private(set) var decisions: [Double] = []
    private(set) var assemblies: [Double] = []

    mutating func take(_ round: Steps, spans: Int, traces: Int, kept: Int) {
        if round.jsonBytes > 0 {
            jsonReads.append(round.json / Double(spans))
            jsonSpeeds.append(Double(round.jsonBytes) * 1000 / round.json)
        }
        walks.append(round.walk / Double(spans))
        predicateRuns.append(round.predicates / Double(spans))
        ingests.append(round.ingest / Double(spans))
        decisions.append(round.decide / Double(max(1, traces)))
        assemblies.append(round.assemble / Double(max(1, kept)))
    }
}

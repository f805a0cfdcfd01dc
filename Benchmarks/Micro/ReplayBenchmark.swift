import Delivery
import LoadTools
import OTLP
import Sampling

/// The same spans with the same keys in every run: what is counted in instructions (`valgrind --tool=callgrind`) to see whether a
/// change costs anything.
///
///     valgrind --tool=callgrind .build/release/MicroBenchmarks --replay
///
/// A round is a decision window: requests are walked, judged and ingested, then all traces are decided, and kept ones are read and
/// assembled. Prints the spans, for instructions per span.
enum ReplayBenchmark {
    static let rounds = 4
    static let requests = 100

    static func run() {
        var source = TrafficSource(catalog: TrafficCatalog(settings: TrafficSettings()))
        let policies = MicroBenchmarks.referencePolicies()
        var settings = ShardSettings()
        settings.decisionWait = 10 * MicroBenchmarks.second
        settings.maximumBytes = 1 << 30
        if CommandLine.arguments.contains("--records") { settings.decisionRecords = 20_000 }
        let keys = HashKeys(7, 11)
        var shard = Shard(settings: settings, version: PolicyVersion(number: 1, policies: policies), keys: keys, now: 0)
        let walker = RequestWalker(keys: keys, interest: policies.interest)
        var assembler = BatchAssembler(settings: BatchSettings())
        var index = RequestIndex()
        var run: [DecidedTrace] = []
        var spans = 0
        var kept = 0
        for round in 0..<rounds {
            let now = Int64(round) * 20 * MicroBenchmarks.second
            for _ in 0..<requests {
                let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000 + now)
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                guard (try? walker.walk(body, into: &index)) != nil else { continue }
                policies.evaluatePredicates(&index, body: body)
                let result = shard.ingest(body: body, index: index, shard: 0, of: 1, now: now)
                spans += result.bufferedSpans
            }
            while true {
                shard.decideRun(&run, now: now + 11 * MicroBenchmarks.second)
                if run.isEmpty { break }
                for trace in run where trace.isReadable {
                    shard.beginReading(trace)
                    kept += trace.spanCount
                    MicroBenchmarks.assemble(trace, &shard, &assembler, now)
                }
            }
            shard.freeDecided()
            _ = assembler.flush()
        }
        print("\(spans) spans, of which \(kept) kept")
    }
}

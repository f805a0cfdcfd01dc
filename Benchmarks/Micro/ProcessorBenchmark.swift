import ConfigTree
import LoadTools
import OTLP
import Processing

/// Times chains of processors on the reference work: what an edit of every span costs, and what it costs to have nothing to do.
enum ProcessorBenchmark {
    static let rounds = 9
    static let requestsPerRound = 100

    static let chains: [(name: String, processors: [(String, ConfigNode)])] = [
        ("no hit: attributes update, delete", [("attributes", actions([action("nope", "delete"), action("gone", "update", "x")]))]),
        ("other service: include services", [("attributes", included)]),
        ("resource alone", [("resource", .map(["attributes": [action("env", "insert", "prod")]]))]),
        ("attributes insert", [("attributes", actions([action("env", "insert", "prod")]))]),
        (
            "attributes insert, delete + resource",
            [
                ("attributes", actions([action("env", "insert", "prod"), action("http.request.method", "delete")])),
                ("resource", .map(["attributes": [action("region", "insert", "eu")]])),
            ]
        ),
        ("redaction, nothing found", [("redaction", .map(["allow_all_keys": true, "blocked_key_patterns": ["password"]]))]),
        ("probabilistic_sampler 10 %", [("probabilistic_sampler", .map(["sampling_percentage": 10]))]),
    ]

    private static func action(_ key: String, _ name: String, _ value: String? = nil) -> ConfigNode {
        guard let value else { return .map(["key": ConfigNode(stringLiteral: key), "action": ConfigNode(stringLiteral: name)]) }
        return .map([
            "key": ConfigNode(stringLiteral: key), "action": ConfigNode(stringLiteral: name), "value": ConfigNode(stringLiteral: value),
        ])
    }

    private static func actions(_ list: [ConfigNode]) -> ConfigNode {
        .map(["actions": ConfigNode(.list(list), at: ConfigNode.literalPosition)])
    }

    private static var included: ConfigNode {
        .map([
            "actions": [action("env", "insert", "prod")], "include": .map(["match_type": "strict", "services": ["no-such-service"]]),
        ])
    }

    /// Prints nanoseconds per span, beside those of the walk alone.
    static func run(_ source: inout TrafficSource) {
        var requests: [[UInt8]] = []
        for number in 0..<requestsPerRound {
            let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000 + Int64(number))
            requests.append(Array(request.bytes[GRPCFraming.prefixLength...]))
        }
        var generator = SystemRandomNumberGenerator()
        let keys = HashKeys(using: &generator)
        for (name, processors) in chains {
            let problems = ConfigProblems()
            var builder = ProcessorBuilder()
            let built = processors.compactMap { ProcessorCatalog.build($0.0, $0.1, &builder, problems) }
            guard built.count == processors.count, let chain = ProcessorChain(built, builder) else {
                print("  \(name): \(problems.all.map(\.description))")
                continue
            }
            measure(name, chain, keys, requests)
        }
    }

    private static func measure(_ name: String, _ chain: ProcessorChain, _ keys: HashKeys, _ requests: [[UInt8]]) {
        let joined = chain.interest(beside: [])
        let walker = RequestWalker(keys: keys, interest: AttributeInterest(spanNames: joined.names, resourceNames: []))
        let afterwards = RequestWalker(keys: keys)
        var runner = ProcessorRunner(chain, joined.binding)
        var index = RequestIndex()
        var edits: [UInt8] = []
        var plain: [Double] = []
        var walks: [Double] = []
        var runs: [Double] = []
        for _ in 0..<rounds {
            var (spans, bare, walk, run) = (0, 0.0, 0.0, 0.0)
            for request in requests {
                let body = request.span
                bare += MicroBenchmarks.time { try? afterwards.walk(body, into: &index) }
                walk += MicroBenchmarks.time { try? walker.walk(body, into: &index) }
                spans += index.records.count
                edits.removeAll(keepingCapacity: true)
                run += MicroBenchmarks.time {
                    _ = try? runner.run(&index, body: body, edits: &edits, walker: afterwards, facts: RequestFacts())
                }
            }
            plain.append(bare / Double(spans))
            walks.append(walk / Double(spans))
            runs.append(run / Double(spans))
        }
        print(
            "  \(name): chain \(MicroBenchmarks.median(runs)), walk for it \(MicroBenchmarks.median(walks)), walk alone \(MicroBenchmarks.median(plain))")
    }
}

import ConfigTree
import LoadTools
import OTLP
import Sampling

/// What many policies cost: walk and predicates per span, and a decision per trace, beside the three basic policies.
enum PolicyBenchmarks {
    static let rounds = 15
    static let requestsPerRound = 200

    static func run() {
        print("")
        print("policies                       walk, per span   predicates, per span   decide, per trace (ns)")
        measure("3 basic", basic)
        measure("20 attributes, 6 of them regex", attributes)
        measure("the same and 2 OTTL conditions", attributes + ottl)
        measure("100 exact values of 10 names", exactValues)
        measure("20 of all kinds", mixed)
        measureShadow("3 basic, shadowed by 20 and OTTL", basic, attributes + ottl)
        measureShadow("20 and OTTL, shadowed by the same", attributes + ottl, attributes + ottl)
    }

    /// Walk and predicates of a live and a shadow set, by a walk for each and by one for both.
    static func measureShadow(_ name: String, _ live: [ConfigNode], _ shadow: [ConfigNode]) {
        let problems = ConfigProblems()
        guard let first = PolicySet(version: 1, nodes: live, keyPath: "policies", problems: problems),
            let second = PolicySet(version: 1, nodes: shadow, keyPath: "shadow", problems: problems, sharing: first)
        else { preconditionFailure("\(problems.all.map(\.description))") }
        let version = PolicyVersion(number: 1, policies: first, shadow: second)
        var source = TrafficSource(catalog: TrafficCatalog(settings: TrafficSettings()))
        var generator = SystemRandomNumberGenerator()
        let keys = HashKeys(using: &generator)
        let walkers = [first.interest, second.interest].map { RequestWalker(keys: keys, interest: $0) }
        var (index, other) = (RequestIndex(), RequestIndex())
        var alone: [Double] = []
        var apart: [Double] = []
        var together: [Double] = []
        for _ in 0..<rounds {
            var (spans, one, two, both) = (0, 0.0, 0.0, 0.0)
            for _ in 0..<requestsPerRound {
                let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000)
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                one += MicroBenchmarks.time {
                    _ = try? walkers[0].walk(body, into: &index)
                    first.evaluatePredicates(&index, body: body)
                }
                two += MicroBenchmarks.time {
                    _ = try? walkers[1].walk(body, into: &other)
                    second.evaluatePredicates(&other, body: body)
                }
                both += MicroBenchmarks.time {
                    _ = try? walkers[1].walk(body, into: &index)
                    _ = version.evaluatePredicates(&index, body: body)
                }
                spans += index.records.count
            }
            alone.append(one / Double(spans))
            apart.append((one + two) / Double(spans))
            together.append(both / Double(spans))
        }
        let columns = [alone, apart, together].map { MicroBenchmarks.padded(MicroBenchmarks.median($0), 12) }
        print("\(name): live alone \(columns[0]), two walks \(columns[1]), one walk \(columns[2]) ns per span")
    }

    static func measure(_ name: String, _ nodes: [ConfigNode]) {
        let problems = ConfigProblems()
        guard let policies = PolicySet(version: 1, nodes: nodes, keyPath: "policies", problems: problems) else {
            preconditionFailure("\(problems.all.map(\.description))")
        }
        var source = TrafficSource(catalog: TrafficCatalog(settings: TrafficSettings()))
        var generator = SystemRandomNumberGenerator()
        let walker = RequestWalker(keys: HashKeys(using: &generator), interest: policies.interest)
        var index = RequestIndex()
        var settings = ShardSettings()
        settings.decisionWait = 10 * MicroBenchmarks.second
        settings.maximumBytes = 1 << 30
        var shard = Shard(settings: settings, policies: policies, now: 0)
        var walks: [Double] = []
        var runs: [Double] = []
        var decisions: [Double] = []
        for round in 0..<rounds {
            let now = Int64(round) * 20 * MicroBenchmarks.second
            var spans = 0
            var walk = 0.0
            var run = 0.0
            for _ in 0..<requestsPerRound {
                let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000 + now)
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                walk += MicroBenchmarks.time { try? walker.walk(body, into: &index) }
                run += MicroBenchmarks.time { policies.evaluatePredicates(&index, body: body) }
                spans += index.records.count
                _ = shard.ingest(body: body, index: index, shard: 0, of: 1, now: now)
            }
            walks.append(walk / Double(spans))
            runs.append(run / Double(spans))
            decisions.append(decide(&shard, now + 11 * MicroBenchmarks.second))
        }
        let columns = [walks, runs, decisions].map { MicroBenchmarks.padded(MicroBenchmarks.median($0), 16) }
        print(name + String(repeating: " ", count: max(1, 31 - name.count)) + columns.joined(separator: "  "))
    }

    /// Nanoseconds per trace; the clock is read once for all.
    static func decide(_ shard: inout Shard, _ now: Int64) -> Double {
        var traces = 0
        let clock = ContinuousClock()
        let started = clock.now
        while let trace = shard.nextDecision(now: now) {
            traces += 1
            if trace.decision.verdict == .sampled { shard.finish(trace) }
        }
        let elapsed = (clock.now - started).components
        shard.freeDecided()
        return (Double(elapsed.seconds) * 1e9 + Double(elapsed.attoseconds) / 1e9) / Double(max(1, traces))
    }

    // MARK: sets

    static func policy(_ type: String, _ number: Int, _ block: ConfigNode) -> ConfigNode {
        .map(["name": text("\(type)-\(number)"), "type": text(type), "BLOCK": block]).renaming("BLOCK", type)
    }

    static func text(_ value: String) -> ConfigNode { ConfigNode(stringLiteral: value) }

    static let basic: [ConfigNode] = [
        policy("status_code", 0, .map(["status_codes": ["ERROR"]])), policy("latency", 0, .map(["threshold_ms": 1000])),
        policy("probabilistic", 0, .map(["sampling_percentage": 10])),
    ]

    static var attributes: [ConfigNode] {
        let exact: [(String, [String])] = [
            ("http.request.method", ["DELETE", "PATCH"]), ("http.route", ["/checkout", "/admin"]),
            ("url.scheme", ["https"]), ("rpc.system.name", ["thrift"]), ("db.system.name", ["oracle"]),
            ("service.name", ["billing", "ledger"]), ("app.user.id", ["u-1", "u-2", "u-3"]),
            ("error.type", ["INTERNAL"]), ("db.namespace", ["secrets"]), ("messaging.system", ["nats"]),
        ]
        let patterns = [
            ("http.route", "^/(admin|internal)/"), ("url.path", "\\.(php|cgi)$"), ("user_agent.original", "(?i)bot|crawler"),
            ("db.query.summary", "^(DROP|TRUNCATE) "), ("server.address", "\\.internal$"), ("rpc.method", "Refund|Void"),
        ]
        let numbers = ["http.response.status_code", "server.port", "db.response.returned_rows", "network.peer.port"]
        var nodes: [ConfigNode] = []
        for (number, (key, values)) in exact.enumerated() {
            let list = ConfigNode(.list(values.map(text)), at: ConfigNode.literalPosition)
            nodes.append(policy("string_attribute", number, .map(["key": text(key), "values": list])))
        }
        for (number, (key, pattern)) in patterns.enumerated() {
            nodes.append(
                policy(
                    "string_attribute", 100 + number,
                    .map(["key": text(key), "values": [text(pattern)], "enabled_regex_matching": true])))
        }
        for (number, key) in numbers.enumerated() {
            nodes.append(policy("numeric_attribute", number, .map(["key": text(key), "min_value": 60_001, "max_value": 60_002])))
        }
        return nodes
    }

    static var ottl: [ConfigNode] {
        [
            #"attributes["http.response.status_code"] >= 600 and resource.attributes["service.name"] == "checkout""#,
            #"kind == SPAN_KIND_SERVER and HasPrefix(name, "DELETE /")"#,
        ].enumerated().map { policy("ottl_condition", $0, .map(["span": [text($1)]])) }
    }

    static var exactValues: [ConfigNode] {
        let keys = [
            "http.request.method", "http.route", "url.scheme", "db.system.name", "service.name", "app.user.id", "error.type",
            "rpc.method", "server.address", "url.path",
        ]
        return (0..<100).map { number in
            policy(
                "string_attribute", number,
                .map(["key": text(keys[number % 10]), "values": [text("value-\(number)"), "/cart", "GET"]]))
        }
    }

    static var mixed: [ConfigNode] {
        let limited: ConfigNode = .map([
            "max_total_spans_per_second": 1000,
            "composite_sub_policy": [
                policy("status_code", 7, .map(["status_codes": ["ERROR"]])), policy("always_sample", 8, .map([:])),
            ],
            "rate_allocation": [
                .map(["policy": "status_code-7", "percent": 50]), .map(["policy": "always_sample-8", "percent": 50]),
            ],
        ])
        return basic + attributes.prefix(10) + [
            policy("rate_limiting", 0, .map(["spans_per_second": 1000])),
            policy("composite", 0, limited),
            policy("dynamic", 0, .map(["spans_per_second": 1000, "keys": ["service.name", "http.route"]])),
            policy("and", 0, .map(["and_sub_policy": [attributes[0], attributes[1]]])),
            policy("span_count", 0, .map(["min_spans": 100])),
            policy("root_span", 0, .map(["service": ["frontend"], "min_duration_ms": 100])),
            policy("trace_flags", 0, .map([:])),
        ]
    }
}

extension ConfigNode {
    /// A map with a key under another name.
    func renaming(_ key: String, _ name: String) -> ConfigNode {
        guard case .map(var entries) = value else { return self }
        for index in entries.indices where entries[index].key == key { entries[index].key = name }
        return ConfigNode(.map(entries), at: position)
    }
}

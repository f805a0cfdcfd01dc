import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

@Suite struct PolicySchemaTests {
    /// The keys that a reader says it knows, from the message about one that it does not.
    static func knownKeys(_ problems: [String], at path: String) -> Set<String>? {
        for problem in problems where problem.contains("\(path).zzz: unknown key") {
            guard let list = problem.split(separator: "known keys: ", maxSplits: 1).last, problem.contains("known keys: ") else { return [] }
            return Set(list.split(separator: ", ").map(String.init))
        }
        return nil
    }

    /// Every type's reader knows exactly the keys of its schema.
    @Test func readersKnowTheKeysOfTheirSchemas() {
        for type in PolicyCatalog.types {
            // Where a reader gives up early, some values are needed to get it to its end.
            let needed: [String: ConfigNode] = [
                "status_code": .map(["status_codes": ["ERROR"], "zzz": 1]), "ottl_condition": .map(["span": ["true"], "zzz": 1]),
                "dynamic": .map(["keys": ["a"], "zzz": 1]), "not": .map(["not_sub_policy": ContainerPolicyTests.yes, "zzz": 1]),
            ]
            let block = needed[type.typeName] ?? .map(["zzz": 1])
            let found = problems(type.typeName, block)
            #expect(Self.knownKeys(found, at: "") == Set(type.schema.fields.map(\.name)), "\(type.typeName): \(found)")
        }
    }

    @Test func nestedMapsKnowTheKeysOfTheirSchemas() {
        func fields(_ type: any SamplingPolicy.Type, _ name: String) -> Set<String> {
            guard let field = type.schema.fields.first(where: { $0.name == name }) else { return [] }
            switch field.kind {
            case .mapList(let fields), .map(let fields): return Set(fields.map(\.name))
            default: return []
            }
        }
        let unknown: ConfigNode = [.map(["zzz": 1])]
        #expect(
            Self.knownKeys(problems("composite", .map(["rate_allocation": unknown])), at: ".rate_allocation[0]")
                == fields(CompositePolicy.self, "rate_allocation"))
        #expect(Self.knownKeys(problems("first_match", .map(["rules": unknown])), at: ".rules[0]") == fields(FirstMatchPolicy.self, "rules"))
        #expect(Self.knownKeys(problems("root_span", .map(["attributes": unknown])), at: ".attributes[0]") == fields(RootSpanPolicy.self, "attributes"))
        #expect(Self.knownKeys(problems("root_span", .map(["trace_state": .map(["zzz": 1])])), at: ".trace_state") == fields(RootSpanPolicy.self, "trace_state"))
        #expect(
            Self.knownKeys(problems("root_span", .map(["not": .map(["zzz": 1])])), at: ".not")
                == Set(SpanConditionReader.fields.map(\.name)))
    }

    @Test func fieldsAreDescribed() {
        func check(_ fields: [PolicyField], _ path: String) {
            #expect(Set(fields.map(\.name)).count == fields.count)
            for field in fields {
                #expect(!field.doc.isEmpty && field.doc.hasSuffix("."), "\(path).\(field.name)")
                switch field.kind {
                case .map(let inner), .mapList(let inner): check(inner, "\(path).\(field.name)")
                default: break
                }
            }
        }
        for type in PolicyCatalog.types { check(type.schema.fields, type.typeName) }
    }

    @Test func deviationsAreListedOnce() {
        #expect(Set(PolicyDeviations.all.map(\.id)) == Set(PolicyDeviation.ID.allCases))
        #expect(PolicyDeviations.all.count == PolicyDeviation.ID.allCases.count)
        for deviation in PolicyDeviations.all {
            #expect(deviation.text.hasSuffix(".") && deviation.reason.hasSuffix("."))
            for type in deviation.types { #expect(PolicyCatalog.type(named: type) != nil) }
        }
    }
}

@Suite struct PolicyKeysTests {
    /// At policy level unknown keys with a map or nothing are ignored with a warning, as other types' blocks are; with anything
    /// else they are errors. Inside a block every unknown key is one.
    @Test func unknownKeys() {
        func result(_ key: String, _ value: ConfigNode) -> (isBuilt: Bool, problems: [String]) {
            let node = ConfigNode.entries([("name", "p"), ("type", "always_sample"), (key, value)])
            let built = build([node])
            return (built.set != nil, built.problems.map { $0.replacing("(literal):1:1: policies[0].", with: "") })
        }
        let misspelt = "latenci: warning: unknown key `latenci`; did you mean `latency`? it is ignored, as in the Collector"
        #expect(result("latenci", .map(["threshold_ms": 1])) == (true, [misspelt]))
        #expect(result("latenci", nil) == (true, [misspelt]))
        #expect(result("latenci", 5).isBuilt == false)
        #expect(result("latenci", [5]).isBuilt == false)
        let foreign = "latency: warning: this block is ignored, since the policy's type is `always_sample`"
        #expect(result("latency", .map(["nonsense": 1])) == (true, [foreign]))
        #expect(result("zzzzzz", nil).problems == ["zzzzzz: warning: unknown key `zzzzzz`; it is ignored, as in the Collector"])
    }

    /// The same holds for policies inside policies, whose names may be absent or equal.
    @Test func nestedPolicies() {
        let built = build([
            policyNode("and", .map(["and_sub_policy": [.map(["type": "always_sample", "drop": .map([:])]), .map(["type": "always_sample"])]]))
        ])
        #expect(built.set != nil)
        #expect(built.problems == [
            "(literal):1:1: policies[0].and.and_sub_policy[0].drop: warning: this block is ignored, since the policy's type is `always_sample`"
        ])
        let wrong = build([policyNode("and", .map(["and_sub_policy": [.map(["name": "x", "type": "latencie"])]]))])
        #expect(wrong.set == nil && wrong.problems.count == 1)
        #expect(wrong.problems[0].contains("policies[0].and.and_sub_policy[0].type: unknown sampling policy type `latencie`; did you mean `latency`?"))
        #expect(build([policyNode("and", .map(["and_sub_policy": 5]))]).set == nil)
    }

    @Test func contentHash() throws {
        func hash(_ nodes: [ConfigNode], stops: Bool = false) throws -> String {
            var set = try #require(build(nodes).set)
            set.stopsAtFirstMatch = stops
            return set.contentHash
        }
        let a = ConfigNode.map(["name": "a", "type": "latency", "latency": .map(["threshold_ms": 5, "upper_threshold_ms": 9])])
        let moved = ConfigNode.map(["latency": .map(["upper_threshold_ms": 9, "threshold_ms": 5]), "type": "latency", "name": "a"])
        var elsewhere = a
        elsewhere.position = SourcePosition(file: "x", line: 7, column: 7)
        let other = ConfigNode.map(["name": "a", "type": "latency", "latency": .map(["threshold_ms": 6, "upper_threshold_ms": 9])])
        let all = policyNode("always_sample", nil, name: "b")
        #expect(try hash([a]) == hash([moved]))
        #expect(try hash([a]) == hash([elsewhere]))
        let hashes = try [hash([a]), hash([other]), hash([a, all]), hash([all, a]), hash([]), hash([a], stops: true)]
        #expect(Set(hashes).count == hashes.count)
        #expect(hashes.allSatisfy { $0.count == 16 })
        // The same in every process and version.
        #expect(try hash([all]) == hash([all]))
    }

    @Test func descriptions() throws {
        let set = try #require(
            build([
                policyNode("status_code", .map(["status_codes": ["ERROR"]]), name: "0"),
                policyNode("numeric_attribute", .map(["key": "http.status_code", "min_value": 500, "max_value": 599]), name: "1"),
                policyNode("string_attribute", .map(["key": "k", "values": ["b", "a"]]), name: "2"),
                policyNode("string_attribute", .map(["key": "k", "values": ["^x"], "enabled_regex_matching": true, "match": "root"]), name: "3"),
                policyNode("numeric_attribute", .map(["key": "d", "min_value": 0.5, "match": "all_spans"]), name: "4"),
                policyNode("root_span", .map(["service": "shop", "any": [.map(["kind": ["server", "client"]]), .map(["min_duration_ms": 2])]]), name: "5"),
            ]).set)
        #expect((0..<set.predicateCount).map { set.describePredicate(bit: $0) } == [
            "status is ERROR", "http.status_code in 500...599", "k is one of \"a\", \"b\"", "is a root span and k matches /^x/",
            "not (d in 0.5...)",
            "is a root span and (resource service.name is \"shop\" and (kind is server or client or duration in 2... ms))",
        ])
        #expect(set.describePredicate(bit: 99) == "" && set.describePredicate(bit: -1) == "")
        #expect((0..<6).map { set.predicateBits(ofPolicy: $0) } == [1, 2, 4, 8, 16, 32])
        #expect(set.predicateBits(ofPolicy: 99) == 0)
    }

    @Test func statefulPolicies() throws {
        let nodes = [
            policyNode("latency", .map(["threshold_ms": 5]), name: "0"), policyNode("latency", .map(["upper_threshold_ms": 5]), name: "1"),
            policyNode("rate_limiting", nil, name: "2"), policyNode("span_count", .map(["max_spans": 5]), name: "3"),
            policyNode("span_count", .map(["min_spans": 5]), name: "4"),
            policyNode("and", .map(["and_sub_policy": [policyNode("bytes_limiting", nil)]]), name: "5"),
            policyNode("not", .map(["not_sub_policy": ContainerPolicyTests.yes]), name: "6"),
        ]
        #expect(try #require(build(nodes).set).statefulPolicies == ["1", "2", "3", "5"])
    }
}

/// Whatever stands in a policy file, reading it ends with problems or a set, and the set decides.
@Suite struct PolicyFuzzTests {
    struct Garbler {
        var random: SeededGenerator

        mutating func scalar() -> ConfigNode {
            switch random.below(9) {
            case 0: nil
            case 1: ConfigNode(booleanLiteral: random.chance(50))
            case 2: ConfigNode(integerLiteral: [0, 1, -1, 100, .max, .min, 1 << 40][random.below(7)])
            case 3: ConfigNode(floatLiteral: [0.5, -0.0, 1e300, -1e300, 1e-300][random.below(5)])
            case 4: ConfigNode(.scalar(ConfigScalar(text: [".inf", "-.inf", ".nan", "1e999", "0x7fffffffffffffffff"][random.below(5)], isPlain: true)), at: ConfigNode.literalPosition)
            case 5: ConfigNode(stringLiteral: ["(", "[a", "*", "a{1000}{1000}", "\\C", "(?i)", "", "true", "10s", "🙂\u{0}"][random.below(10)])
            case 6: []
            case 7: .map([:])
            default: ConfigNode(stringLiteral: String(repeating: "x", count: random.below(300)))
            }
        }

        /// Changes some values, drops, doubles and renames some entries.
        mutating func garble(_ node: ConfigNode, rate: Int, types: [String]) -> ConfigNode {
            if random.chance(rate) { return scalar() }
            switch node.value {
            case .list(var items):
                if !items.isEmpty && random.chance(rate) { items.append(items[random.below(items.count)]) }
                return .list(items.map { garble($0, rate: rate, types: types) })
            case .map(var entries):
                if !entries.isEmpty && random.chance(rate) { entries.remove(at: random.below(entries.count)) }
                for index in entries.indices {
                    if random.chance(rate / 2) { entries[index].key = types[random.below(types.count)] }
                    if entries[index].key == "type" && random.chance(rate) {
                        entries[index].value = ConfigNode(stringLiteral: types[random.below(types.count)])
                    } else {
                        entries[index].value = garble(entries[index].value, rate: rate, types: types)
                    }
                }
                return ConfigNode(.map(entries), at: node.position)
            default: return node
            }
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func garbledPolicies(seed: UInt64) {
        var garbler = Garbler(random: SeededGenerator(seed))
        var generator = ModelGenerator(seed: seed)
        let types = PolicyCatalog.types.map { $0.typeName } + ["name", "type", "nonsense", "keys", "spans_per_second"]
        var built = 0
        for _ in 0..<40 {
            var nodes = generator.policySet().enumerated().map { $1.node("p\($0)") }
            nodes.append(policyNode("dynamic", DynamicPolicyTests.block, name: "dynamic"))
            nodes.append(policyNode("bytes_limiting", .map(["bytes_per_second": 10]), name: "bytes"))
            let rate = [1, 3, 10][garbler.random.below(3)]
            let problems = ConfigProblems()
            let set = PolicySet(
                version: 1, nodes: nodes.map { garbler.garble($0, rate: rate, types: types) }, keyPath: "p", problems: problems)
            #expect((set == nil) == problems.hasErrors)
            guard let set else { continue }
            built += 1
            for second in 0..<3 as Range<Int64> {
                _ = set.judge(generator.trace(spans: 1 + generator.random.below(5)), now: second * SamplingTests.second)
            }
            _ = set.contentHash
            for bit in 0..<set.predicateCount { _ = set.describePredicate(bit: bit) }
        }
        #expect(built > 0)
    }

    /// Requests with bytes changed at random: what the walker takes, the predicates can look at.
    @Test(arguments: 0..<30 as Range<UInt64>)
    func damagedRequests(seed: UInt64) {
        var generator = ModelGenerator(seed: seed)
        let nodes = generator.policySet().enumerated().map { $1.node("p\($0)") }
        guard let set = build(nodes + [policyNode("dynamic", DynamicPolicyTests.block, name: "dynamic")]).set else { return }
        let walker = RequestWalker(keys: testKeys, interest: set.interest)
        var walked = 0
        for _ in 0..<200 {
            var body = ModelSpan.request(generator.trace(spans: 3))
            for _ in 0..<generator.random.below(4) { body[generator.random.below(body.count)] = UInt8(truncatingIfNeeded: generator.random.next()) }
            var index = RequestIndex()
            guard (try? walker.walk(body.span, into: &index)) != nil else { continue }
            walked += 1
            set.evaluatePredicates(&index, body: body.span)
        }
        #expect(walked > 0)
    }
}

import ConfigTree
import OTLP
import Testing

@testable import Processing

/// Settings that are wrong, or touch something that needs a word: each with what is said of it and where.
@Suite struct BrokenConfigurationTests {
    static let errors: [(id: String, yaml: String, at: String, says: String)] = [
        ("attributes", "{}", "1:1", "there is no action"),
        ("attributes", "actions:\n  - {key: a, action: insert}", "2:5", "needs a `value`"),
        ("attributes", "actions:\n  - {key: a, action: isnert, value: 1}", "2:22", "did you mean `insert`"),
        ("attributes", "actions:\n  - {key: a, value: 1}", "2:5", "needs an `action`"),
        ("attributes", "actions:\n  - {value: 1, action: upsert}", "2:5", "needs a `key`"),
        ("attributes", "actions:\n  - {key: 5, value: 1, action: upsert}", "2:11", "is a number; text is expected"),
        ("attributes", "actions:\n  - {key: a, value: 1, from_attribute: b, action: update}", "2:5", "only one of"),
        ("attributes", "actions:\n  - {key: a, from_context: x, action: delete}", "2:28", "does not use `from_context`"),
        ("attributes", "actions:\n  - {key: a, pattern: '(', action: delete}", "2:23", "missing )"),
        ("attributes", "actions:\n  - {key: a, pattern: '(x)', action: extract}", "2:23", "needs a name"),
        ("attributes", "actions:\n  - {key: a, pattern: 'x', action: extract}", "2:23", "no named group"),
        ("attributes", "actions:\n  - {key: a, action: convert, converted_type: bool}", "2:47", "string, int or double"),
        ("attributes", "actions:\n  - {key: a, value: 2024-01-02, action: insert}", "2:21", "timestamp"),
        ("attributes", "actions:\n  - {key: a, value: 1, action: insert, vaule: 2}", "2:40", "did you mean `value`"),
        ("attributes", "actions: 5", "1:10", "a list is expected"),
        ("attributes", "include: {services: [x]}\nactions: [{key: a, action: delete}]", "1:10", "match_type"),
        (
            "attributes", "include: {match_type: glob, services: [x]}\nactions: [{key: a, action: delete}]", "1:23",
            "unknown match_type"
        ),
        ("attributes", "include: {match_type: strict}\nactions: [{key: a, action: delete}]", "1:10", "nothing to match"),
        (
            "attributes", "exclude: {match_type: strict, span_kinds: [server]}\nactions: [{key: a, action: delete}]", "1:44",
            "not a kind of span"
        ),
        (
            "attributes",
            "exclude: {match_type: regexp, attributes: [{key: a, value: 5}]}\nactions: [{key: a, action: delete}]", "1:60",
            "has to be text"
        ),
        (
            "attributes", "exclude: {match_type: strict, log_bodies: [x]}\nactions: [{key: a, action: delete}]", "1:43",
            "no meaning for spans"
        ),
        ("resource", "actions: [{key: a, action: delete}]", "1:1", "unknown key `actions`"),
        ("resource", "attributes: []", "1:13", "there is no action"),
        ("span", "{}", "1:1", "nothing to do"),
        ("span", "name: {to_attributes: {rules: []}}", "1:31", "there is no rule"),
        ("span", "name: {to_attributes: {rules: ['(']}}", "1:32", "missing )"),
        ("span", "status: {code: error}", "1:16", "did you mean `Error`"),
        ("span", "status: {code: Ok, description: x}", "1:33", "only `code: Error`"),
        ("span", "status: {description: x}", "1:9", "needs a `code`"),
        ("probabilistic_sampler", "sampling_percentage: '10'", "1:22", "without quotes"),
        ("probabilistic_sampler", "sampling_percentage: -1", "1:22", "negative"),
        ("probabilistic_sampler", "sampling_percentage: 1e-20", "1:22", "too small"),
        ("probabilistic_sampler", "mode: magic", "1:7", "allowed:"),
        ("probabilistic_sampler", "hash_seed: -4", "1:12", "out of range"),
        ("probabilistic_sampler", "sampling_precision: 15", "1:21", "1 to 14"),
        ("probabilistic_sampler", "sampling_precision: 0", "1:21", "1 to 14"),
        ("resourcedetection", "detectors: [evn]", "1:13", "did you mean `env`"),
        (
            "resourcedetection", "detectors: [env, ec2]", "1:18",
            "not in Tailgate: write what it would find into OTEL_RESOURCE_ATTRIBUTES"
        ),
        ("resourcedetection", "detectors: []", "1:12", "the list is empty"),
        ("resourcedetection", "detectors: [system]\nsystem: {hostname_sources: [dsn]}", "2:29", "unknown source"),
        (
            "resourcedetection", "detectors: [system]\nsystem: {resource_attributes: {host.nam: {enabled: true}}}", "2:32",
            "did you mean `host.name`"
        ),
        ("redaction", "blocked_values: ['[']", "1:18", "missing ]"),
        ("redaction", "allow_all_keys: yes", "1:17", "`true` or `false`"),
        ("redaction", "hash_function: sha512", "1:16", "allowed:"),
        ("redaction", "url_sanitizer: {enabled: true}", "1:1", "not in Tailgate yet"),
        ("redaction", "summary: loud", "1:10", "allowed:"),
        ("groupbytrace", "store_on_disk: true", "1:16", "does not start"),
        ("groupbytrace", "num_traces: 0", "1:13", "out of range"),
        ("groupbytrace", "wait: 1s", "1:1", "did you mean `wait_duration`"),
        ("atributes", "{}", "1:1", "did you mean `attributes`"),
    ]

    @Test(arguments: BrokenConfigurationTests.errors.indices) func error(number: Int) {
        let (id, yaml, at, says) = Self.errors[number]
        let problems = Made.problems(id, yaml)
        let found = problems.filter { $0.severity == .error && $0.message.contains(says) }
        #expect(found.contains { $0.position.description == "test.yaml:\(at)" }, "\(problems.map(\.description))")
        #expect(found.allSatisfy { $0.keyPath.hasPrefix("processors.\(id)") })
    }

    @Test(
        arguments: ["attributes", "span", "probabilistic_sampler", "redaction", "groupbytrace"], [OTLPSignal.metrics, .logs])
    func onlySpansHaveThese(id: String, signal: OTLPSignal) {
        let problems = Made.problems(id, "{}", ProcessorBuilder(signal: signal))
        #expect(problems.count == 1)
        #expect(problems.first?.message.contains("not on \(signal)") == true)
    }

    static let warnings: [(id: String, yaml: String, says: String)] = [
        ("attributes", "actions: [{key: a, from_context: tenant, action: upsert}]", "forgotten the request"),
        (
            "attributes",
            "include: {match_type: regexp, services: [x], regexp: {cacheenabled: true}}\nactions: [{key: a, action: delete}]",
            "without effect"
        ),
        (
            "attributes",
            "include: {match_type: strict, libraries: [{name: a}, {name: b}]}\nactions: [{key: a, action: delete}]",
            "all of the libraries"
        ),
        ("span", "name: {to_attributes: {rules: ['(a)']}}", "group without a name"),
        ("probabilistic_sampler", "sampling_percentage: 250", "works as 100"),
        ("probabilistic_sampler", "sampling_percentage: 0.001", "rounds to nothing"),
        ("probabilistic_sampler", "sampling_percentage: 5\nattribute_source: record", "for logs only"),
        ("probabilistic_sampler", "sampling_percentage: 5\nmode: equalizing\nhash_seed: 3", "no effect"),
        ("resourcedetection", "refresh_interval: 1m", "no effect"),
        ("resourcedetection", "system: {hostname_sources: [os]}", "not in `detectors`"),
        ("resourcedetection", "ec2: {tags: [x]}", "no effect"),
        ("redaction", "{}", "every attribute is removed"),
        ("groupbytrace", "wait_duration: 10s", "has no effect"),
    ]

    @Test(arguments: BrokenConfigurationTests.warnings.indices) func warning(number: Int) {
        let (id, yaml, says) = Self.warnings[number]
        let problems = Made.problems(id, yaml, ProcessorBuilder(isBehindBuffer: true))
        #expect(problems.contains { $0.severity == .warning && $0.message.contains(says) }, "\(problems.map(\.description))")
        #expect(!problems.contains { $0.severity == .error }, "\(problems.map(\.description))")
    }

    @Test func groupByTraceNamesTheSampler() {
        let before = Made.problems("groupbytrace", "{}", ProcessorBuilder(isBeforeTailSampling: true))
        #expect(before.map(\.message).contains { $0.contains("for `decision_wait`") })
    }

    /// Every key of every schema is known to the reader of that type: a schema can't promise what nobody reads.
    @Test(arguments: ProcessorCatalog.types.map { $0.typeName }) func everyKeyIsRead(name: String) throws {
        let type = try #require(ProcessorCatalog.type(named: name))
        for field in type.schema.fields {
            let problems = Made.problems(name, "\(field.name): 1")
            #expect(!problems.contains { $0.message.contains("unknown key `\(field.name)`") }, "\(field.name)")
        }
        let nonsense = Made.problems(name, "no_such_key: 1")
        #expect(nonsense.contains { $0.message.contains("unknown key `no_such_key`") })
    }

    @Test func oldNamesWork() {
        for (old, new) in [("resourcedetection", "resource_detection"), ("groupbytrace", "groupbytrace")] {
            #expect(ProcessorCatalog.type(named: old)?.typeName == new)
        }
        #expect(ProcessorCatalog.type(named: "nope") == nil)
        let names = ProcessorCatalog.types.flatMap { $0.typeNames }
        #expect(Set(names).count == names.count)
    }
}

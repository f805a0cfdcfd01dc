internal import Sampling

/// One key of a policy file, as the JSON Schema and the reference in `Policies/README.md` describe it.
struct FormatField: Sendable {
    indirect enum Kind: Sendable {
        case integer, number, boolean, text, textList, duration
        case policy, policyList
        case map([FormatField])
        case mapList([FormatField])
        case condition, conditionList
        /// A map with any keys and values.
        case anyMap
        /// Trace ids, counts: text, or what YAML takes for a number.
        case textOrNumber
        /// A map with any keys, all values of one kind.
        case mapOf(Kind)
        /// A schema of its own under `definitions`.
        case reference(String)
        case listOf(String)
    }

    var name: String
    var kind: Kind
    var defaultValue: String?
    var doc: String
    var isRequired = false
    var allowed: [String] = []
    var minimum: Double?
    var maximum: Double?
    /// The Collector has the policy type, but not this key.
    var isExtension = false

    init(
        _ name: String, _ kind: Kind, default defaultValue: String? = nil, _ doc: String, isRequired: Bool = false,
        allowed: [String] = [], minimum: Double? = nil, maximum: Double? = nil
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.doc = doc
        self.isRequired = isRequired
        self.allowed = allowed
        self.minimum = minimum
        self.maximum = maximum
    }

    /// From the catalogue of policies.
    init(_ field: PolicyField) {
        self.init(
            field.name, Kind(field.kind), default: field.defaultValue, field.doc, isRequired: field.isRequired,
            allowed: field.allowed, minimum: field.minimum, maximum: field.maximum)
        isExtension = field.isExtension
    }
}

extension FormatField.Kind {
    init(_ kind: PolicyField.Kind) {
        switch kind {
        case .integer: self = .integer
        case .number: self = .number
        case .boolean: self = .boolean
        case .text: self = .text
        case .textList: self = .textList
        case .duration: self = .duration
        case .policy: self = .policy
        case .policyList: self = .policyList
        case .map(let fields): self = .map(fields.map { FormatField($0) })
        case .mapList(let fields): self = .mapList(fields.map { FormatField($0) })
        case .condition: self = .condition
        case .conditionList: self = .conditionList
        }
    }

    /// As a table says it.
    var word: String {
        switch self {
        case .integer: "integer"
        case .number: "number"
        case .boolean: "boolean"
        case .text: "text"
        case .textList: "list of texts"
        case .duration: "duration"
        case .policy: "policy"
        case .policyList: "list of policies"
        case .map: "map"
        case .mapList: "list of maps"
        case .condition: "conditions"
        case .conditionList: "list of conditions"
        case .anyMap: "map"
        case .textOrNumber: "text or number"
        case .mapOf: "map"
        case .reference(let name): name
        case .listOf(let name): "list: \(name)"
        }
    }
}

/// The keys of a policy file beside those that the policy types bring.
enum PolicyFileFormat {
    static let statuses = ["UNSET", "OK", "ERROR"]
    static let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"]

    static let file: [FormatField] = [
        FormatField("name", .text, "What the file is called, for people."),
        FormatField("description", .text, "What it is for, for people."),
        FormatField("version", .textOrNumber, "Which version it is, for people."),
        FormatField("settings", .reference("settings"), "Keys of the `tail_sampling` block that the policies need; what the block itself says wins."),
        FormatField("policies", .policyList, "The policies. A trace is kept as soon as one of them wants it, unless a `drop` policy vetoes.", isRequired: true),
        FormatField("tests", .listOf("test"), "What the policies are to do, as traces with the decision that is expected."),
    ]

    static let settings: [FormatField] = [
        FormatField("decision_wait", .duration, default: "30s", "From a trace's first span to its decision."),
        FormatField("decision_wait_after_root_received", .duration, default: "0s", "A root span moves the decision to this long after itself, never later; 0 is off."),
        FormatField("sample_on_first_match", .boolean, default: "false", "Ask no further policy once one wants the trace; matters to limiters only."),
        FormatField(
            "decision_cache",
            .map([
                FormatField("sampled_cache_size", .integer, "Decisions to keep a trace that are remembered for late spans; 0 is none.", minimum: 0),
                FormatField("non_sampled_cache_size", .integer, "The same for traces that are not kept.", minimum: 0),
            ]), "How many decisions are remembered for spans that come late."),
    ]

    static let test: [FormatField] = [
        FormatField("name", .text, "What is expected, as a sentence.", isRequired: true),
        FormatField("description", .text, "More of it, for people."),
        FormatField("trace", .listOf("span"), "The spans of one trace."),
        FormatField("traces", .listOf("traceGroup"), "Several kinds of traces at once, instead of `trace`."),
        FormatField("repeat", .integer, default: "1", "How often the trace comes, each time with an id of its own.", minimum: 1),
        FormatField("every_ms", .number, default: "0", "From one of these traces to the next, milliseconds.", minimum: 0),
        FormatField("expect", .reference("expectation"), "What the policies are to make of all these traces."),
    ]

    static let traceGroup: [FormatField] = [
        FormatField("name", .text, "What these traces are, for messages."),
        FormatField("trace", .listOf("span"), "The spans of one trace.", isRequired: true),
        FormatField("repeat", .integer, default: "1", "How often the trace comes.", minimum: 1),
        FormatField("every_ms", .number, default: "0", "From one of these traces to the next, milliseconds.", minimum: 0),
        FormatField("start_ms", .number, default: "0", "When the first of them comes, milliseconds after the test begins.", minimum: 0),
        FormatField("expect", .reference("expectation"), "What the policies are to make of these traces."),
    ]

    static let span: [FormatField] = [
        FormatField("service", .text, default: "service", "The resource's `service.name`."),
        FormatField("name", .text, default: "span N", "The span's name."),
        FormatField("id", .text, "A name for this span in the test, for `parent`."),
        FormatField("parent", .text, "The `id` or `name` of the parent; 16 hexadecimal digits stand for a parent that is missing. Default: the first span is the root, the others are its children."),
        FormatField("root", .boolean, default: "false", "Another root span."),
        FormatField("trace_id", .textOrNumber, "The trace's id, 32 hexadecimal digits; one span may say it for all. Matters to percentages."),
        FormatField("kind", .text, default: "server for the root, else internal", "The span's kind.", allowed: kinds),
        FormatField("start_ms", .number, default: "0", "When it starts, milliseconds after the trace begins.", minimum: 0),
        FormatField("duration_ms", .number, default: "1", "How long it takes; fractions count."),
        FormatField("arrives_ms", .number, default: "0", "When it reaches the gateway, milliseconds after the trace begins. Spans that arrive after the decision are late.", minimum: 0),
        FormatField("status", .text, default: "UNSET", "The status code.", allowed: statuses),
        FormatField("status_message", .text, "The status message."),
        FormatField("attributes", .anyMap, "Attributes. The type is what YAML says: `500` is an int, `500.0` a double, `\"500\"` text, a list or a map what it is."),
        FormatField("resource", .anyMap, "More attributes of the resource."),
        FormatField("scope", .text, "The name of the instrumentation scope."),
        FormatField(
            "events",
            .mapList([
                FormatField("name", .text, default: "event", "The event's name, such as `exception`."),
                FormatField("at_ms", .number, "When, milliseconds after the trace begins; default: when the span starts.", minimum: 0),
                FormatField("attributes", .anyMap, "The event's attributes."),
            ]), "Span events."),
        FormatField("trace_state", .text, "The W3C tracestate, such as `vendor=debug`."),
        FormatField("sampled_flag", .boolean, default: "false", "The W3C sampled flag."),
        FormatField("flags", .integer, default: "0", "All 32 bits of the flags, if the sampled flag is not enough.", minimum: 0),
        FormatField("repeat", .integer, default: "1", "How often the span comes, each time with a span id of its own.", minimum: 1),
    ]

    static let expectation: [FormatField] = [
        FormatField("decision", .text, "What becomes of every trace.", allowed: Expectation.Fate.allCases.map(\.rawValue)),
        FormatField("policy", .text, "The policy that decides: the first that wants the trace, or that vetoes it."),
        FormatField("policies", .mapOf(.text), "What single policies say: `sampled`, `not_sampled`, `dropped`, `failed`, or `not_asked` (an earlier one had settled it)."),
        FormatField("kept", .textOrNumber, "How many of the traces are kept: `10`, `8...12`, `8...12 of 100`, `>= 5`, `< 20`."),
        FormatField("dropped", .textOrNumber, "How many of the traces a drop policy throws away."),
    ]
}

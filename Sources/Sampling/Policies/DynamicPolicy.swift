package import ConfigTree

/// `dynamic`: keeps about a number of spans per second, spread over the kinds of traces that there are, so that rare kinds are kept
/// whole and frequent ones thinly. See `DynamicRates` for the algorithm.
///
/// Kinds are told apart by `keys`: attributes of the trace's root span (or its resource), until a root comes of the first span
/// seen. The key is worked out as the span arrives and stands in the trace's side words. Which traces of a kind are kept is
/// decided by the trace id, as `probabilistic` does it.
package struct DynamicPolicy: SamplingPolicy {
    package static let typeName = "dynamic"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps about so many spans per second, frequent kinds of traces thinly and rare ones whole.", origin: .tailgate,
            fields: [
                PolicyField("spans_per_second", .integer, "The goal, over all workers of a node.", isRequired: true, minimum: 1),
                PolicyField(
                    "keys", .textList,
                    "What tells kinds of traces apart: names of attributes of the root span or its resource; `span.name`, `span.kind` and `span.status` are the span's own fields.",
                    isRequired: true),
                PolicyField("adjustment_interval", .duration, default: "15s", "How often the percentages are worked out anew."),
                PolicyField(
                    "weight", .number, default: "0.5", "What the newest interval counts against all before it: near 1 follows quickly, near 0 smoothly.",
                    minimum: 0.01, maximum: 1),
                PolicyField("initial_percentage", .number, default: "10", "For a kind that no percentage is known for yet.", minimum: 0, maximum: 100),
                PolicyField(
                    "rare_interval", .duration, default: "1m",
                    "Of every kind at least one trace is kept in this time, whatever its percentage; 0 turns it off."),
                PolicyField(
                    "max_keys", .integer, default: "500", "Kinds told apart; all others together count as one.", minimum: 1,
                    maximum: Double(DynamicRates.maximumKeys)),
                PolicyField("hash_salt", .text, default: "\"\"", "As of `probabilistic`."),
                .scope,
            ])
    }

    private let keyNumber: Int
    private let rates: DynamicRates
    /// Hashes the trace id.
    private let hash: ProbabilisticPolicy

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        var settings = DynamicRates.Settings()
        if !block.has("spans_per_second") { block.error("the goal `spans_per_second` is missing", key: "spans_per_second") }
        settings.goalPerSecond = Double(block.integer("spans_per_second", default: 1, in: 1...Int(UInt32.max)))
        settings.interval = block.duration(
            "adjustment_interval", default: settings.interval, in: 100_000_000...3_600_000_000_000)
        settings.weight = block.double("weight", default: settings.weight, in: 0.01...1)
        settings.initialShare = block.double("initial_percentage", default: 10, in: 0...100) / 100
        settings.rareInterval = block.duration("rare_interval", default: settings.rareInterval, in: 0...86_400_000_000_000)
        settings.keyLimit = block.integer("max_keys", default: settings.keyLimit, in: 1...DynamicRates.maximumKeys)
        settings.scope = builder.scope(&block, rate: (Int64(settings.goalPerSecond), "spans_per_second"))
        let salt = block.string("hash_salt", default: "")
        let names = block.strings("keys")
        let fields = names.map(Self.field)
        if fields.isEmpty {
            block.error("at least one key is needed, such as service.name", key: "keys")
            return nil
        }
        guard fields.count <= 16, let number = builder.predicates.key(fields) else {
            block.error(
                "at most 16 keys in a policy, and \(PredicateCompiler.maximumKeys) different lists of keys in all policies",
                key: "keys")
            return nil
        }
        keyNumber = number
        hash = ProbabilisticPolicy(percentage: 100, salt: Array(salt.utf8))
        rates = builder.state(Self.typeName, settings: "\(settings.words);\(names.joined(separator: "\u{0}"))") {
            DynamicRates(settings)
        }
        builder.predicates.addNames(rates.names, toKey: number)
    }

    private static func field(_ name: String) -> TraceKeyField {
        switch name {
        case "span.name": .name
        case "span.kind": .kind
        case "span.status": .status
        default: .attribute(name)
        }
    }

    package var isStateful: Bool { true }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        let isKept = rates.decide(
            key: context.key(keyNumber), hash: hash.hash(trace.traceID), spans: Double(trace.spanCount), now: context.now,
            isPreview: context.isPreview)
        return isKept ? .sampled : .notSampled
    }
}

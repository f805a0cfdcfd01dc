package import ConfigTree
internal import NativeCore
internal import OTLP

/// `redaction`: removes attributes that are not allowed and masks values that are blocked.
package struct RedactionProcessor: ProcessorType {
    package static let typeNames = ["redaction"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Removes attributes that are not allowed and masks values that must not be seen, on resources, scopes, spans and events.",
            stability: .beta,
            fields: [
                ProcessorField(
                    "allow_all_keys", .boolean, default: "false", "Whether keys that are not in `allowed_keys` stay, too."),
                ProcessorField(
                    "allowed_keys", .textList, default: "[]",
                    "The attributes that stay; without `allow_all_keys` all others are removed."),
                ProcessorField("ignored_keys", .textList, default: "[]", "Attributes that nothing is done to."),
                ProcessorField("ignored_key_patterns", .textList, default: "[]", "The same by regular expressions on keys."),
                ProcessorField(
                    "redact_all_types", .boolean, default: "false", "Whether numbers, lists and maps are looked at as text."),
                ProcessorField(
                    "blocked_key_patterns", .textList, default: "[]", "Values of keys that one of these matches are masked."),
                ProcessorField(
                    "blocked_values", .textList, default: "[]", "Regular expressions: what they match in a value is masked."),
                ProcessorField("allowed_values", .textList, default: "[]", "Values that one of these matches are not masked."),
                ProcessorField(
                    "hash_function", .text, default: "\"\"", "A digest instead of `****`.",
                    allowed: MaskFunction.allCases.map(\.rawValue).filter { !$0.isEmpty }),
                ProcessorField(
                    "summary", .text, default: "silent",
                    "What attributes tell of it: `info` counts (`redaction.masked.count`), `debug` counts and keys.",
                    allowed: RedactionRules.Summary.allCases.map(\.rawValue).filter { !$0.isEmpty }),
            ])
    }

    private let rules: RedactionRules

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        func patterns(_ key: String) -> [RegularExpression] {
            block.placedStrings(key).compactMap { builder.expression($0, block.problems) }
        }
        let allowsAll = block.bool("allow_all_keys", default: false)
        let allowed = block.strings("allowed_keys").map { Array($0.utf8) }
        let ignored = block.strings("ignored_keys").map { Array($0.utf8) }
        let rules = RedactionRules(
            allowsAllKeys: allowsAll, allowedKeys: Set(allowed + RedactionRules.reportKeys), ignoredKeys: Set(ignored),
            ignoredKeyPatterns: patterns("ignored_key_patterns"), blockedKeyPatterns: patterns("blocked_key_patterns"),
            blockedValues: patterns("blocked_values"), allowedValues: patterns("allowed_values"),
            redactsAllTypes: block.bool("redact_all_types", default: false),
            mask: block.oneOf("hash_function", default: MaskFunction.none),
            summary: block.oneOf("summary", default: RedactionRules.Summary.unset))
        block.notSupported(
            ["url_sanitizer", "db_sanitizer", "hmac_key"],
            because: "use `transform` with replace_pattern for URLs and queries, and `hash_function` md5, sha1 or sha3")
        if !allowsAll, allowed.isEmpty, !block.problems.hasErrors {
            block.warning(
                "without `allowed_keys` every attribute is removed, `service.name` too; write `allow_all_keys: true` to mask values alone"
            )
        }
        guard !block.problems.hasErrors else { return nil }
        self.rules = rules
    }

    package var stages: [ProcessorStage] {
        [.groups(RedactionGroupStage(rules: rules)), .spans(RedactionSpanStage(rules: rules))]
    }
}

/// Redaction of resources and scopes.
struct RedactionGroupStage: GroupStage {
    let rules: RedactionRules
    var editsResources: Bool { true }
    var editsScopes: Bool { true }

    func edit(resource: inout MessageDraft, _ run: inout StageRun) -> StageVerdict {
        rules.apply(&resource)
        return .keep
    }

    func edit(scope: inout MessageDraft, resource: MessageView, _ run: inout StageRun) -> StageVerdict {
        rules.apply(&scope)
        return .keep
    }
}

/// Redaction of spans and their events.
struct RedactionSpanStage: SpanStage {
    let rules: RedactionRules

    func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook {
        if rules.wouldChange(span.body, span.range, tag: 0x4a) { return .open }
        var events = EventCursor(span.record.range)
        while let event = events.next(span.body) {
            if rules.wouldChange(span.body, event, tag: 0x1a) { return .open }
        }
        return .pass
    }

    func edit(_ span: inout MessageDraft, _ group: GroupView, _ run: inout StageRun) -> StageVerdict {
        rules.apply(&span)
        for place in span.events {
            run.inner.open(.event, span.event(at: place).bytes(in: span.content))
            rules.apply(&run.inner)
            if run.inner.isEdited { span.setEvent(at: place, run.inner) }
        }
        return .keep
    }
}

internal import ConfigTree
internal import OTLP

/// `include` and `exclude` of a processor: which spans it works on.
struct SpanMatcher: Sendable {
    let include: MatchProperties?
    let exclude: MatchProperties?

    /// The schema of one of the two keys.
    static func field(_ name: String, _ doc: String) -> ProcessorField {
        ProcessorField(name, .map(MatchProperties.fields), doc)
    }

    /// Reads both keys; nil if one of them is wrong, which is reported.
    init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        var isGood = true
        func read(_ key: String, _ block: inout ConfigReader, _ builder: inout ProcessorBuilder) -> MatchProperties? {
            guard var map = block.map(key), block.keys.contains(where: { $0.key == key && $0.value.value != .null })
            else { return nil }
            let properties = MatchProperties(&map, &builder)
            map.finish()
            if properties == nil { isGood = false }
            return properties
        }
        include = read("include", &block, &builder)
        exclude = read("exclude", &block, &builder)
        guard isGood else { return nil }
    }

    /// Whether any span of the group may be one to work on.
    func mayMatch(_ group: GroupView) -> Bool {
        if let include, !include.matches(group) { return false }
        guard let exclude, !exclude.looksAtSpans else { return true }
        return !exclude.matches(group)
    }

    /// Whether a span of a group that may match is one to work on.
    func matches(_ span: SpanView, _ group: GroupView) -> Bool {
        guard include?.looksAtSpans ?? false || exclude?.looksAtSpans ?? false else { return true }
        var fields: SpanFields?
        if include?.needsFields ?? false || exclude?.needsFields ?? false { fields = span.fields }
        let (name, kind) = (fields?.name ?? .empty, fields?.kind ?? 0)
        return decide(group) { properties in
            properties.matchesSpan(span.body, name: name, kind: kind) { span.value($0) }
        }
    }

    /// The same for a span that is being edited.
    func matches(_ span: MessageDraft, _ group: GroupView) -> Bool {
        guard include?.looksAtSpans ?? false || exclude?.looksAtSpans ?? false else { return true }
        let (name, kind) = (span.name, span.spanKind)
        if let include, include.looksAtSpans {
            guard include.matchesSpan(span.content, name: name, kind: kind, { span.value($0.bytes) }) else { return false }
        }
        guard let exclude, exclude.looksAtSpans else { return true }
        let isOut = exclude.matchesSpan(span.content, name: name, kind: kind) { span.value($0.bytes) }
        return !(isOut && exclude.matches(group))
    }

    private func decide(_ group: GroupView, _ test: (MatchProperties) -> Bool) -> Bool {
        if let include, include.looksAtSpans, !test(include) { return false }
        guard let exclude, exclude.looksAtSpans else { return true }
        return !(test(exclude) && exclude.matches(group))
    }
}

/// One of the two lists of conditions; all that are written have to hold.
struct MatchProperties: Sendable {
    private struct Library: Sendable {
        let name: TextMatcher
        let version: TextMatcher?
    }

    static let fields: [ProcessorField] = [
        ProcessorField(
            "match_type", .text,
            "How texts are compared: as a whole, or as regular expressions that are found anywhere in them.",
            isRequired: true, allowed: MatchType.allCases.map(\.rawValue)),
        ProcessorField(
            "regexp",
            .map([
                ProcessorField("cacheenabled", .boolean, default: "false", "Without effect: matching is faster than a cache."),
                ProcessorField("cachemaxnumentries", .integer, default: "0", "Without effect, as above."),
            ]), "Accepted for the Collector's sake."),
        ProcessorField("services", .textList, "Values of the resource's `service.name`, one of which has to match."),
        ProcessorField("span_names", .textList, "Names of spans, one of which has to match."),
        ProcessorField("span_kinds", .textList, "Kinds of spans such as `SPAN_KIND_SERVER`, one of which has to match."),
        ProcessorField(
            "attributes", .mapList(attributeFields),
            "Attributes of the span, all of which have to match. Without a value, any will do."),
        ProcessorField("resources", .mapList(attributeFields), "Attributes of the resource, all of which have to match."),
        ProcessorField(
            "libraries",
            .mapList([
                ProcessorField("name", .text, "The scope's name.", isRequired: true),
                ProcessorField("version", .text, "The scope's version; any, if it is not written."),
            ]), "Instrumentation scopes, all of which have to match."),
    ]

    private static let attributeFields: [ProcessorField] = [
        ProcessorField("key", .text, "The attribute.", isRequired: true),
        ProcessorField("value", .anyValue, "Its value; with `match_type: regexp` a pattern."),
    ]

    private static let spanKinds: [(name: String, kind: Int32)] = [
        ("SPAN_KIND_INTERNAL", 1), ("SPAN_KIND_SERVER", 2), ("SPAN_KIND_CLIENT", 3), ("SPAN_KIND_PRODUCER", 4),
        ("SPAN_KIND_CONSUMER", 5),
    ]

    private let services: TextMatcher?
    private let names: TextMatcher?
    /// By kind from 0 on, whether it matches; nil if kinds do not matter.
    private let kinds: [Bool]?
    private let attributes: [AttributeMatcher]
    private let resources: [AttributeMatcher]
    private let libraries: [Library]

    /// Whether a span can match and another of the same group not.
    var looksAtSpans: Bool { names != nil || kinds != nil || !attributes.isEmpty }
    /// Whether the span itself has to be read, beyond what the walker found.
    var needsFields: Bool { names != nil || kinds != nil }

    init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let problems = block.problems
        let errorsBefore = problems.errors.count
        let written = block.string("match_type", default: "")
        let type = MatchType(rawValue: written)
        if type == nil {
            block.error(
                written.isEmpty
                    ? "write `match_type: strict` or `match_type: regexp`"
                    : "unknown match_type `\(clipped(written))`; known: strict, regexp", key: "match_type")
        }
        if var cache = block.map("regexp") {
            _ = cache.bool("cacheenabled", default: false)
            _ = cache.integer("cachemaxnumentries", default: 0)
            cache.finish()
            block.warning("without effect: matching needs no cache here", key: "regexp")
        }
        let matchType = type ?? .strict
        services = TextMatcher(&block, "services", matchType, &builder)
        names = TextMatcher(&block, "span_names", matchType, &builder)
        let kindTexts = block.placedStrings("span_kinds")
        if let matcher = TextMatcher(kindTexts, matchType, &builder, problems) {
            let known = Self.spanKinds.map(\.name)
            if matchType == .strict {
                for text in kindTexts where !known.contains(text.text) {
                    problems.error(
                        "`\(clipped(text.text))` is not a kind of span that can be matched; known: \(known.joined(separator: ", "))",
                        at: text.position, keyPath: text.keyPath)
                }
            }
            kinds =
                ["SPAN_KIND_UNSPECIFIED"].map { matcher.matches(Array($0.utf8).span) }
                + known.map { matcher.matches(Array($0.utf8).span) }
        } else {
            kinds = nil
        }
        attributes = Self.attributes(&block, "attributes", matchType, &builder) { builder, key in builder.spanAttribute(key) }
        resources = Self.attributes(&block, "resources", matchType, &builder) { _, key in
            AttributeName(bytes: Array(key.utf8), number: .max)
        }
        libraries = Self.libraries(&block, matchType, &builder)
        for key in ["log_bodies", "log_severity_texts", "log_severity_number", "metric_names"] where block.has(key) {
            _ = block.node(key)
            block.error("`\(key)` has no meaning for spans", key: key)
        }
        guard problems.errors.count == errorsBefore, type != nil else { return nil }
        guard services != nil || looksAtSpans || !resources.isEmpty || !libraries.isEmpty else {
            block.error(
                "nothing to match: write at least one of services, span_names, span_kinds, attributes, resources, libraries")
            return nil
        }
    }

    private static func attributes(
        _ block: inout ConfigReader, _ key: String, _ type: MatchType, _ builder: inout ProcessorBuilder,
        _ name: (inout ProcessorBuilder, String) -> AttributeName
    ) -> [AttributeMatcher] {
        var matchers: [AttributeMatcher] = []
        for var item in block.maps(key) {
            let own = item.string("key", default: "")
            if own.isEmpty { item.error("an attribute needs a `key`", key: "key") }
            let value = AttributeValueReader.value(&item, "value")
            var test = AttributeMatcher.Test.exists
            if let value {
                test = .equals(value)
                if type == .regexp {
                    if case .scalar = item.node("value")?.value, value.first == 0x0a || value.isEmpty {
                        if let expression = builder.expression(&item, "value") { test = .matches(expression) }
                    } else {
                        item.error("with `match_type: regexp` a value has to be text", key: "value")
                    }
                }
            }
            item.finish()
            matchers.append(AttributeMatcher(name: name(&builder, own), test: test))
        }
        return matchers
    }

    private static func libraries(
        _ block: inout ConfigReader, _ type: MatchType, _ builder: inout ProcessorBuilder
    ) -> [Library] {
        var libraries: [Library] = []
        for var item in block.maps("libraries") {
            func matcher(_ key: String, _ text: String) -> TextMatcher? {
                let position = item.keys.first { $0.key == key }?.value.position ?? item.position
                let placed = PlacedText(text: text, position: position, keyPath: item.path(of: key))
                return TextMatcher([placed], type, &builder, block.problems)
            }
            let name = item.string("name", default: "")
            let version = item.stringIfPresent("version")
            let names = matcher("name", name)
            let versions = version.flatMap { matcher("version", $0) }
            item.finish()
            if let names { libraries.append(Library(name: names, version: versions)) }
        }
        if libraries.count > 1, type == .strict {
            block.warning("a scope has to match all of the libraries, as in the Collector, not one of them", key: "libraries")
        }
        return libraries
    }

    // MARK: matching

    /// The conditions on what a group's spans share.
    func matches(_ group: GroupView) -> Bool {
        if let services, !services.matches(Self.serviceName(group.resource).span) { return false }
        for resource in resources {
            guard resource.matches(group.resource.value(resource.name.bytes), in: group.headers) else { return false }
        }
        guard !libraries.isEmpty else { return true }
        let scope = group.scopeFields
        for library in libraries {
            guard library.name.matches(scope.name.bytes(in: group.headers)) else { return false }
            if let version = library.version, !version.matches(scope.version.bytes(in: group.headers)) { return false }
        }
        return true
    }

    /// The conditions on a span itself.
    ///
    /// - Parameters:
    ///   - bytes: what the ranges refer to.
    ///   - value: the value of an attribute of the span.
    func matchesSpan(
        _ bytes: Span<UInt8>, name: ByteRange, kind: Int32, _ value: (AttributeName) -> AttributeValueRange?
    ) -> Bool {
        if let names, !names.matches(name.bytes(in: bytes)) { return false }
        if let kinds {
            guard kind >= 0, Int(kind) < kinds.count, kinds[Int(kind)] else { return false }
        }
        for attribute in attributes {
            guard attribute.matches(value(attribute.name), in: bytes) else { return false }
        }
        return true
    }

    /// The service's name as text; for a resource without one a text that no service has, as in the Collector.
    private static func serviceName(_ resource: MessageView) -> [UInt8] {
        guard let value = resource.value(Array("service.name".utf8)) else { return Array("<nil-service-name>".utf8) }
        return AnyValueText.text(of: value, in: resource.bytes)
    }
}

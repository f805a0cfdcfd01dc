internal import ConfigTree
internal import OTTL

/// Reads a map of conditions on one span: what `root_span` and the rules of `first_match` are made of. All keys must hold on
/// the same span; a list under a key means one of its items.
package enum SpanConditionReader {
    /// The keys of such a map.
    package static var fields: [PolicyField] {
        [
            PolicyField("service", .textList, "The resource's `service.name` is one of these."),
            PolicyField("name", .textList, "The span's name is one of these."),
            PolicyField("name_regex", .textList, "The span's name matches one of these (RE2 syntax, anywhere in the name)."),
            PolicyField("kind", .textList, "The span's kind is one of these.", allowed: SpanKindName.all),
            PolicyField("status", .textList, "The span's status code is one of these.", allowed: StatusCodePolicy.codeNames),
            PolicyField("min_duration_ms", .number, "The span took at least this long, in milliseconds.", minimum: 0),
            PolicyField("max_duration_ms", .number, "The span took at most this long, in milliseconds.", minimum: 0),
            PolicyField("root", .boolean, "Whether the span has no parent."),
            PolicyField("w3c_sampled", .boolean, "Whether the span bears the W3C sampled flag."),
            PolicyField("attributes", .mapList(attributeFields), "Attributes of the span or its resource; all must pass."),
            PolicyField("trace_state", .map(TraceStatePolicy.fields), "A key of the span's tracestate with one of the values."),
            PolicyField("ottl", .textList, "OTTL conditions on the span; one must be true. An error counts as false."),
            PolicyField("any", .conditionList, "One of these conditions holds."),
            PolicyField("all", .conditionList, "All of these conditions hold."),
            PolicyField("not", .condition, "This condition does not hold."),
        ]
    }

    static var attributeFields: [PolicyField] {
        [
            PolicyField("key", .text, "The attribute's name.", isRequired: true),
            PolicyField("values", .textList, "It is one of these texts."),
            PolicyField("regex", .textList, "It matches one of these (RE2 syntax, anywhere in the text)."),
            PolicyField("min_value", .number, "It is a number of at least this."),
            PolicyField("max_value", .number, "It is a number of at most this."),
            PolicyField("value", .boolean, "It is this boolean."),
            PolicyField(
                "place", .text, default: "either", "Where it is looked for: on the span, its resource, or both.",
                allowed: Place.allCases.map(\.rawValue)),
        ]
    }

    private enum Place: String, CaseIterable { case either, span, resource }

    /// The conditions of a block, as one; nil if a problem leaves none. Does not call `finish()`.
    static func read(_ block: inout ConfigReader, _ builder: inout PolicyBuilder, depth: Int = 0) -> SpanPredicate? {
        guard depth < PolicyBuilder.maximumDepth else {
            block.error("conditions are nested deeper than \(PolicyBuilder.maximumDepth) levels")
            return nil
        }
        var parts: [SpanPredicate] = []
        let isWritten = fields.contains { block.has($0.name) }
        readService(&block, &parts)
        readName(&block, &builder, &parts)
        readKindAndStatus(&block, &parts)
        readDuration(&block, &parts)
        for (key, predicate) in [("root", SpanPredicate.isRoot), ("w3c_sampled", .w3cSampled)] {
            let isWanted = block.bool(key, default: true)
            if block.has(key) { parts.append(isWanted ? predicate : .not(predicate)) }
        }
        for var attribute in block.maps("attributes") {
            if let predicate = readAttribute(&attribute, &builder) { parts.append(predicate) }
            attribute.finish()
        }
        if var state = block.map("trace_state") {
            if let test = TraceStatePolicy.test(&state) { parts.append(.traceState(test)) }
            state.finish()
        }
        let texts = block.placedStrings("ottl")
        if !texts.isEmpty,
            let condition = builder.ottl(span: texts, spanEvents: [], .silent, block.problems)
        {
            parts.append(.condition(SpanConditionUse(condition)))
        }
        for (key, isAll) in [("any", false), ("all", true)] {
            let inner = block.maps(key).compactMap { reader in
                var reader = reader
                return whole(&reader, &builder, depth)
            }
            if block.has(key) { parts.append(isAll ? .all(inner) : .any(inner)) }
        }
        if var inner = block.map("not"), let predicate = whole(&inner, &builder, depth) { parts.append(.not(predicate)) }
        guard isWritten else {
            block.error("no condition is written here; there are \(fields.map(\.name).joined(separator: ", "))")
            return nil
        }
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private static func whole(_ reader: inout ConfigReader, _ builder: inout PolicyBuilder, _ depth: Int) -> SpanPredicate? {
        let predicate = read(&reader, &builder, depth: depth + 1)
        reader.finish()
        return predicate
    }

    private static func readService(_ block: inout ConfigReader, _ parts: inout [SpanPredicate]) {
        let services = Set(block.strings("service"))
        guard block.has("service") else { return }
        parts.append(.attribute(AttributePredicate("service.name", .text(.oneOf(services)), place: .resource)))
    }

    private static func readName(_ block: inout ConfigReader, _ builder: inout PolicyBuilder, _ parts: inout [SpanPredicate]) {
        let names = block.strings("name")
        if !names.isEmpty { parts.append(.name(.oneOf(Set(names)))) }
        let patterns = block.placedStrings("name_regex")
        if let pattern = builder.expression(patterns, block.problems) { parts.append(.name(.matches(pattern))) }
    }

    private static func readKindAndStatus(_ block: inout ConfigReader, _ parts: inout [SpanPredicate]) {
        var kinds: UInt8 = 0
        for text in block.placedStrings("kind") {
            if let kind = SpanKindName.all.firstIndex(of: text.text) {
                kinds |= 1 << UInt8(kind)
            } else {
                unknown(text, "span kind", SpanKindName.all, block.problems)
            }
        }
        if kinds != 0 { parts.append(.kind(kinds)) }
        var codes: [SpanPredicate] = []
        for text in block.placedStrings("status") {
            if let code = StatusCodePolicy.codes[text.text] {
                codes.append(.statusCode(code))
            } else {
                unknown(text, "status code", StatusCodePolicy.codeNames, block.problems)
            }
        }
        if !codes.isEmpty { parts.append(codes.count == 1 ? codes[0] : .any(codes)) }
    }

    private static func unknown(_ text: PlacedText, _ what: String, _ known: [String], _ problems: ConfigProblems) {
        let hint = nearestName(to: text.text, among: known).map { "did you mean `\($0)`? " } ?? ""
        problems.error(
            "unknown \(what) `\(clipped(text.text))`; \(hint)there are \(known.joined(separator: ", "))",
            at: text.position, keyPath: text.keyPath)
    }

    private static func readDuration(_ block: inout ConfigReader, _ parts: inout [SpanPredicate]) {
        let isWritten = block.has("min_duration_ms") || block.has("max_duration_ms")
        // Nine million seconds and more make no difference, and fit into 64 bits of nanoseconds.
        let low = block.double("min_duration_ms", default: 0, in: 0...9e12)
        let high = block.double("max_duration_ms", default: .infinity, in: 0...(.infinity))
        guard isWritten else { return }
        let from = UInt64((low * 1e6).rounded(.up))
        let to = high >= 9e12 ? UInt64.max : UInt64((high * 1e6).rounded(.down))
        guard from <= to else {
            block.error("no span takes at least \(low) ms and at most \(high) ms", key: "max_duration_ms")
            return
        }
        parts.append(.duration(from...to))
    }

    private static func readAttribute(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) -> SpanPredicate? {
        let key = block.string("key", default: "")
        if key.isEmpty { block.error("the attribute's name is missing", key: "key") }
        let place: AttributePredicate.Place =
            switch block.oneOf("place", default: Place.either) {
            case .either: .either
            case .span: .span
            case .resource: .resource
            }
        var tests: [ValueTest] = []
        let values = Set(block.strings("values"))
        if block.has("values") { tests.append(.text(.oneOf(values))) }
        let patterns = block.placedStrings("regex")
        if let pattern = builder.expression(patterns, block.problems) { tests.append(.text(.matches(pattern))) }
        let minimum = block.bound("min_value")
        let maximum = block.bound("max_value")
        if minimum != nil || maximum != nil { tests.append(.number(NumberRange(minimum, maximum))) }
        let value = block.bool("value", default: true)
        if block.has("value") { tests.append(.bool(value)) }
        if tests.isEmpty { tests.append(.exists) }
        let parts = tests.map { SpanPredicate.attribute(AttributePredicate(key, $0, place: place)) }
        return parts.count == 1 ? parts[0] : .all(parts)
    }
}

extension ConfigReader {
    /// A number as a bound: an integer exactly, a fraction as it is. Nil if the key is absent or null.
    mutating func bound(_ key: String) -> NumberBound? {
        guard case .scalar(let scalar)? = node(key)?.value, scalar.meaning != .null else {
            // A list or a map is reported by whoever reads a number.
            _ = integer(key, default: 0)
            return nil
        }
        if case .number = scalar.meaning { return .double(double(key, default: 0)) }
        return .integer(Int64(integer(key, default: 0)))
    }
}

internal import ConfigTree
internal import OTLP

/// Reads the spans of one trace of a test.
struct SpanSpecReader {
    let problems: ConfigProblems
    /// The id that some span gave to the trace.
    private(set) var traceID: TraceID?

    private static let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
    private static let statuses = ["UNSET", "OK", "ERROR"]
    /// Ten days: more than any trace, and far from what 64 bits of nanoseconds hold.
    private static let longest = 864_000_000.0

    init(problems: ConfigProblems) { self.problems = problems }

    /// A span whose parent is still a name.
    private struct Draft {
        var spec: SpanSpec
        var parent: (text: String, position: SourcePosition, keyPath: String)?
    }

    mutating func read(_ nodes: [ConfigNode], keyPath: String) -> [SpanSpec] {
        var drafts: [Draft] = []
        for (number, node) in nodes.enumerated() {
            var reader = ConfigReader(node, keyPath: "\(keyPath)[\(number)]", problems: problems)
            guard case .map = node.value else { continue }
            drafts.append(readSpan(&reader, number))
            reader.finish()
        }
        return drafts.indices.map { number in
            var spec = drafts[number].spec
            if let parent = drafts[number].parent { spec.parent = resolve(parent, number, drafts) }
            return spec
        }
    }

    private mutating func readSpan(_ reader: inout ConfigReader, _ number: Int) -> Draft {
        let isRoot = reader.bool("root", default: false)
        let start = milliseconds(&reader, "start_ms", default: 0, in: 0...Self.longest)
        let parentPath = reader.path(of: "parent")
        let parentText = reader.stringIfPresent("parent")
        let parentPosition = reader.keys.first { $0.key == "parent" }?.value.position ?? reader.position
        if isRoot && parentText != nil { reader.error("a root span has no `parent`", key: "parent") }
        let startsTrace = parentText == nil && (isRoot || number == 0)
        readTraceID(&reader)
        var spec = SpanSpec(
            position: reader.position, label: reader.stringIfPresent("id"),
            name: reader.string("name", default: "span \(number + 1)"),
            service: reader.string("service", default: "service"),
            parent: startsTrace ? .root : .span(0),
            kind: named(&reader, "kind", Self.kinds, prefix: "SPAN_KIND_", default: startsTrace ? 2 : 1),
            start: start,
            duration: milliseconds(&reader, "duration_ms", default: 1, in: -Self.longest...Self.longest),
            arrives: 0,
            statusCode: named(&reader, "status", Self.statuses, prefix: "STATUS_CODE_", default: 0),
            statusMessage: reader.string("status_message", default: ""),
            traceState: reader.string("trace_state", default: ""), flags: 0,
            attributes: attributes(&reader, "attributes"), resource: attributes(&reader, "resource"),
            scope: reader.string("scope", default: ""), events: [], repeats: 1)
        spec.arrives = milliseconds(&reader, "arrives_ms", default: 0, in: 0...Self.longest)
        spec.flags = UInt32(reader.integer("flags", default: 0, in: 0...Int(UInt32.max)))
        if reader.bool("sampled_flag", default: false) { spec.flags |= 1 }
        spec.repeats = reader.integer("repeat", default: 1, in: 1...PolicyTestReader.maximumSpans)
        for var event in reader.maps("events") {
            spec.events.append(
                EventSpec(
                    name: event.string("name", default: "event"),
                    time: milliseconds(&event, "at_ms", default: Double(start) / 1e6, in: 0...Self.longest),
                    attributes: attributes(&event, "attributes")))
            event.finish()
        }
        return Draft(spec: spec, parent: parentText.map { ($0, parentPosition, parentPath) })
    }

    private mutating func readTraceID(_ reader: inout ConfigReader) {
        // 32 decimal digits look like a number to YAML; an id is meant all the same.
        guard let node = reader.node("trace_id"), node.value != .null else { return }
        guard case .scalar(let scalar) = node.value, let id = TraceID(hex: scalar.text) else {
            reader.error("a trace id has 32 hexadecimal digits", key: "trace_id")
            return
        }
        if let traceID, traceID != id {
            reader.error("the spans of one trace have one id; use `traces:` for several traces", key: "trace_id")
        }
        traceID = id
    }

    /// A name of a list, as its number; in any case, with or without OTLP's prefix.
    private func named(
        _ reader: inout ConfigReader, _ key: String, _ names: [String], prefix: String, default fallback: Int
    ) -> UInt64 {
        guard let text = reader.stringIfPresent(key) else { return UInt64(fallback) }
        var name = text.uppercased()
        if name.hasPrefix(prefix) { name = String(name.dropFirst(prefix.count)) }
        if let number = names.firstIndex(of: name) { return UInt64(number) }
        let hint = nearestName(to: name, among: names).map { "; did you mean `\($0)`?" } ?? ";"
        reader.error("`\(clipped(text))` is not known here\(hint) allowed: \(names.joined(separator: ", "))", key: key)
        return UInt64(fallback)
    }

    private func attributes(
        _ reader: inout ConfigReader, _ key: String
    ) -> [(key: String, value: AttributeSpec)] {
        guard let map = reader.map(key) else { return [] }
        return map.keys.map { ($0.key, AttributeSpec($0.value)) }
    }

    private func resolve(
        _ parent: (text: String, position: SourcePosition, keyPath: String), _ number: Int, _ drafts: [Draft]
    ) -> SpanSpec.Parent {
        let text = parent.text
        if let found = drafts.firstIndex(where: { $0.spec.label == text }) { return .span(found) }
        // A span may bear its parent's name, as a client and its server do.
        let others = drafts.indices.filter { $0 != number && drafts[$0].spec.name == text }
        if let found = others.last(where: { $0 < number }) ?? others.first { return .span(found) }
        if let outside = SpanID(hex: text) { return outside.isZero ? .root : .outside(outside.value) }
        let names = drafts.flatMap { [$0.spec.label, $0.spec.name].compactMap { $0 } }
        let hint = nearestName(to: text, among: names).map { "did you mean `\($0)`? " } ?? ""
        problems.error(
            "no span of this trace has the id or name `\(clipped(text))`; \(hint)16 hexadecimal digits stand for a span that is missing",
            at: parent.position, keyPath: parent.keyPath)
        return .root
    }
}

extension AttributeSpec {
    /// What YAML takes the value for.
    init(_ node: ConfigNode) {
        switch node.value {
        case .null: self = .empty
        case .scalar(let scalar):
            switch scalar.meaning {
            case .text: self = .text(scalar.text)
            case .boolean(let value): self = .bool(value)
            case .integer(let value): self = .int(Int64(value))
            case .number(let value): self = .double(value)
            case .null: self = .empty
            }
        case .list(let items): self = .list(items.map { AttributeSpec($0) })
        case .map(let entries): self = .map(entries.map { Pair(key: $0.key, value: AttributeSpec($0.value)) })
        }
    }
}

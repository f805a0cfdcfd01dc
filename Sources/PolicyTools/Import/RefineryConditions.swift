internal import ConfigTree

/// One condition of a Refinery rule as conditions on a span, or as a policy where it speaks of the trace.
enum RefineryConditions {
    enum Part {
        case span(ConfigNode)
        case policy(ConfigNode)
    }

    struct Unknown: Error {
        var text: String
    }

    /// The attribute (or span field) that a name in a field list means.
    static func keyName(_ field: String) -> String {
        let name = field.hasPrefix("root.") ? String(field.dropFirst(5)) : field
        switch name {
        case "name": return "span.name"
        case "kind", "span.kind", "type": return "span.kind"
        case "status_code", "error": return "span.status"
        case "service_name": return "service.name"
        default: return name
        }
    }

    /// "Some span of the trace passes this" as a policy.
    static func policy(of span: ConfigNode) -> ConfigNode {
        .policy(nil, "first_match", .made([("rules", .made([.made([("span", span), ("sampling_percentage", .number(100))])]))]))
    }

    static func part(_ condition: ConfigNode) -> Result<(Part, [String]), Unknown> {
        let op = condition.text(of: "Operator") ?? ""
        let value = condition.child("Value") ?? ConfigNode(.null, at: condition.position)
        var fields = (condition.child("Fields")?.items ?? []).compactMap(\.scalarText)
        if let field = condition.text(of: "Field") { fields.insert(field, at: 0) }
        if op == "has-root-span" {
            let hasRoot = ConfigNode.made([("root", .bool(true))])
            if value.isTrue { return .success((.span(hasRoot), [])) }
            return .success((.policy(.policy(nil, "not", .made([("not_sub_policy", policy(of: hasRoot))]))), []))
        }
        guard !fields.isEmpty else { return .failure(Unknown(text: "a condition names no field")) }
        if fields.contains("?.NUM_DESCENDANTS") { return descendants(op, value) }
        var remarks: [String] = []
        var made: [ConfigNode] = []
        for field in fields {
            if field.hasPrefix("meta.") || field.hasPrefix("?.") { return .failure(Unknown(text: "`\(clipped(field))` is known to Refinery only")) }
            switch self.span(field, op, value, datatype: condition.text(of: "Datatype")) {
            case .success(let node): made.append(node)
            case .failure(let unknown): return .failure(unknown)
            }
        }
        if made.count > 1 { remarks.append("one of several fields has to match; Refinery takes the first field that a span has") }
        if op == "not-exists" && !fields[0].hasSuffix("trace.parent_id") {
            remarks.append("a span without the field is enough, as in Refinery with the scope `span`")
        }
        return .success((.span(made.count == 1 ? made[0] : .made([("any", .made(made))])), remarks))
    }

    private static func descendants(_ op: String, _ value: ConfigNode) -> Result<(Part, [String]), Unknown> {
        guard let number = value.number else { return .failure(Unknown(text: "`?.NUM_DESCENDANTS` needs a number")) }
        let remark = "the number of spans with the root counts; Refinery counts spans, events and links below it"
        func count(_ low: Double?, _ high: Double?) -> Result<(Part, [String]), Unknown> {
            let block = ConfigNode.made([("min_spans", low.map { .number($0) }), ("max_spans", high.map { .number($0) })])
            return .success((.policy(.policy(nil, "span_count", block)), [remark]))
        }
        switch op {
        case ">": return count(number + 2, nil)
        case ">=": return count(number + 1, nil)
        case "<": return count(nil, max(1, number))
        case "<=": return count(nil, number + 1)
        case "=": return count(number + 1, number + 1)
        default: return .failure(Unknown(text: "`?.NUM_DESCENDANTS` with the operator `\(clipped(op))`"))
        }
    }

    // MARK: one field

    private static func span(_ field: String, _ op: String, _ value: ConfigNode, datatype: String?) -> Result<ConfigNode, Unknown> {
        let isRoot = field.hasPrefix("root.")
        let name = isRoot ? String(field.dropFirst(5)) : field
        let found: Result<ConfigNode, Unknown> =
            switch name {
            case "duration_ms": duration(op, value)
            case "trace.parent_id": parent(op)
            case "error": flag(op, value)
            case "status_code": status(op, value)
            case "name": named("name", "name_regex", op, value)
            case "kind", "span.kind": named("kind", nil, op, lowercased(value))
            case "service.name", "service_name": service(op, value)
            default: attribute(name, op, value, datatype: datatype)
            }
        guard isRoot, case .success(let node) = found else { return found }
        return .success(.made([("root", .bool(true))] + node.entries.map { ($0.key, $0.value) }))
    }

    private static func not(_ node: ConfigNode) -> ConfigNode { .made([("not", node)]) }

    private static func duration(_ op: String, _ value: ConfigNode) -> Result<ConfigNode, Unknown> {
        guard let number = value.number ?? value.scalarText.flatMap(Double.init) else { return .failure(Unknown(text: "`duration_ms` needs a number")) }
        // Spans are timed to the nanosecond: a millionth of a millisecond is the next one.
        switch op {
        case ">": return .success(.made([("min_duration_ms", .number(number + 1e-6))]))
        case ">=": return .success(.made([("min_duration_ms", .number(number))]))
        case "<": return .success(.made([("max_duration_ms", .number(max(0, number - 1e-6)))]))
        case "<=": return .success(.made([("max_duration_ms", .number(number))]))
        case "=": return .success(.made([("min_duration_ms", .number(number)), ("max_duration_ms", .number(number))]))
        case "exists": return .success(.made([("min_duration_ms", .number(0))]))
        default: return .failure(Unknown(text: "`duration_ms` with the operator `\(clipped(op))`"))
        }
    }

    private static func parent(_ op: String) -> Result<ConfigNode, Unknown> {
        switch op {
        case "exists": .success(.made([("root", .bool(false))]))
        case "not-exists": .success(.made([("root", .bool(true))]))
        default: .failure(Unknown(text: "`trace.parent_id` with the operator `\(clipped(op))`"))
        }
    }

    private static func flag(_ op: String, _ value: ConfigNode) -> Result<ConfigNode, Unknown> {
        let isError = ConfigNode.made([("status", .texts(["ERROR"]))])
        let wanted = value.isTrue || value.scalarText == "true"
        switch op {
        case "=": return .success(wanted ? isError : not(isError))
        case "!=": return .success(wanted ? not(isError) : isError)
        case "exists": return .success(isError)
        case "not-exists": return .success(not(isError))
        default: return .failure(Unknown(text: "`error` with the operator `\(clipped(op))`"))
        }
    }

    private static func status(_ op: String, _ value: ConfigNode) -> Result<ConfigNode, Unknown> {
        let names = ["UNSET", "OK", "ERROR"]
        let items = value.items.isEmpty ? [value] : value.items
        let codes = items.compactMap { item -> String? in
            guard let number = item.number ?? item.scalarText.flatMap(Double.init), let code = Int(exactly: number), names.indices.contains(code) else { return nil }
            return names[code]
        }
        // In traces that did not come by OTLP `status_code` is an HTTP status.
        guard codes.count == items.count, !codes.isEmpty else { return attribute("status_code", op, value, datatype: nil) }
        let node = ConfigNode.made([("status", .texts(codes))])
        switch op {
        case "=", "in": return .success(node)
        case "!=", "not-in": return .success(not(node))
        default: return .failure(Unknown(text: "`status_code` with the operator `\(clipped(op))`"))
        }
    }

    private static func lowercased(_ value: ConfigNode) -> ConfigNode {
        if value.items.isEmpty { return .text((value.scalarText ?? "").lowercased()) }
        return .texts(value.items.compactMap { $0.scalarText?.lowercased() })
    }

    private static func texts(_ value: ConfigNode) -> [String] {
        value.items.isEmpty ? [value.scalarText ?? ""] : value.items.compactMap(\.scalarText)
    }

    /// A field of the span with a list of texts, and perhaps a key for patterns.
    private static func named(_ key: String, _ patternKey: String?, _ op: String, _ value: ConfigNode) -> Result<ConfigNode, Unknown> {
        let exact = ConfigNode.made([(key, .texts(texts(value)))])
        switch op {
        case "=", "in": return .success(exact)
        case "!=", "not-in": return .success(not(exact))
        default:
            guard let patternKey, let pattern = pattern(op, value) else {
                return .failure(Unknown(text: "`\(key)` with the operator `\(clipped(op))`"))
            }
            let node = ConfigNode.made([(patternKey, .texts([pattern]))])
            return .success(op == "does-not-contain" ? not(node) : node)
        }
    }

    private static func service(_ op: String, _ value: ConfigNode) -> Result<ConfigNode, Unknown> {
        switch op {
        case "=", "in": .success(.made([("service", .texts(texts(value)))]))
        case "!=", "not-in": .success(not(.made([("service", .texts(texts(value)))])))
        default: attribute("service.name", op, value, datatype: "string")
        }
    }

    /// The regular expression for an operator on texts.
    private static func pattern(_ op: String, _ value: ConfigNode) -> String? {
        let text = value.scalarText ?? ""
        switch op {
        case "matches": return text
        case "starts-with": return "^" + escaped(text)
        case "contains", "does-not-contain": return escaped(text)
        default: return nil
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            if "\\.+*?()|[]{}^$".contains(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }

    private static func attribute(_ name: String, _ op: String, _ value: ConfigNode, datatype: String?) -> Result<ConfigNode, Unknown> {
        func with(_ test: [(String, ConfigNode?)]) -> ConfigNode {
            .made([("attributes", .made([.made([("key", .text(name))] + test)]))])
        }
        let exists = with([])
        /// Has it, but not so: Refinery's negative operators want the field to be there.
        func without(_ node: ConfigNode) -> ConfigNode { .made([("all", .made([exists, not(node)]))]) }
        let equal = { (item: ConfigNode) -> ConfigNode in with(test(item, datatype)) }
        switch op {
        case "exists": return .success(exists)
        case "not-exists": return .success(not(exists))
        case "=": return .success(equal(value))
        case "!=": return .success(without(equal(value)))
        case "in", "not-in":
            let items = value.items.isEmpty ? [value] : value.items
            let isText = items.allSatisfy { $0.number == nil } || datatype == "string"
            let node = isText ? with([("values", .texts(items.compactMap(\.scalarText)))]) : .made([("any", .made(items.map(equal)))])
            return .success(op == "in" ? node : without(node))
        case ">", ">=", "<", "<=":
            guard let number = value.number ?? value.scalarText.flatMap(Double.init) else {
                return .failure(Unknown(text: "`\(clipped(name))` is compared with a text by `\(op)`"))
            }
            let bound = ConfigNode.made([.number(number)]).items[0]
            let node = with([(op.hasPrefix(">") ? "min_value" : "max_value", bound)])
            if op.hasSuffix("=") { return .success(node) }
            return .success(.made([("all", .made([node, not(with([("min_value", bound), ("max_value", bound)]))]))]))
        default:
            guard let pattern = pattern(op, value) else { return .failure(Unknown(text: "the operator `\(clipped(op))` is not known here")) }
            let node = with([("regex", .texts([pattern]))])
            return .success(op == "does-not-contain" ? without(node) : node)
        }
    }

    private static func test(_ value: ConfigNode, _ datatype: String?) -> [(String, ConfigNode?)] {
        let text = value.scalarText ?? ""
        switch datatype {
        case "string": return [("values", .texts([text]))]
        case "int", "float":
            if let number = Double(text) { return [("min_value", .number(number)), ("max_value", .number(number))] }
        case "bool": return [("value", .bool(text == "true"))]
        default: break
        }
        guard case .scalar(let scalar) = value.value else { return [("values", .texts([text]))] }
        switch scalar.meaning {
        case .integer, .number:
            let number = value.number ?? 0
            return [("min_value", .number(number)), ("max_value", .number(number))]
        case .boolean(let flag): return [("value", .bool(flag))]
        case .text, .null: return [("values", .texts([text]))]
        }
    }
}

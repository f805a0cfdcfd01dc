package import ReportText
internal import Sampling

/// The JSON Schema of policy files, for editors (`# yaml-language-server: $schema=policy.schema.json`). Made from the catalogue of
/// policies; `Policies/policy.schema.json` is a copy of it.
///
/// Draft 7, which editors know best. It is as strict as the reader about names, and does not know what the reader knows about
/// combinations of values.
package enum PolicyJSONSchema {
    /// The whole document.
    package static func document() -> JSONText {
        .object([
            ("$schema", .text("http://json-schema.org/draft-07/schema#")),
            ("title", .text("Tailgate policy file")),
            ("description", .text("Sampling policies of Tailgate, with their tests. See Policies/README.md.")),
            (
                "anyOf",
                .array([
                    reference("file"),
                    .object([("type", .text("array")), ("items", reference("namedPolicy"))]),
                ])
            ),
            ("definitions", .object(definitions())),
        ])
    }

    private static func definitions() -> [(String, JSONText)] {
        [
            ("file", object(PolicyFileFormat.file)), ("settings", object(PolicyFileFormat.settings)),
            ("namedPolicy", .object([("allOf", .array([reference("policy"), .object([("required", .array([.text("name")]))])]))])),
            ("policy", policy()), ("condition", object(SpanConditionReader.fields.map { FormatField($0) })),
            ("test", test()), ("traceGroup", object(PolicyFileFormat.traceGroup)), ("span", object(PolicyFileFormat.span)),
            ("expectation", object(PolicyFileFormat.expectation, atLeastOne: true)),
        ]
    }

    private static func reference(_ name: String) -> JSONText {
        .object([("$ref", .text("#/definitions/\(name)"))])
    }

    private static func policy() -> JSONText {
        var properties: [(String, JSONText)] = [
            ("name", .object([("type", .text("string")), ("description", .text("The policy's name in metrics, tests and explanations."))])),
            (
                "type",
                .object([
                    ("type", .text("string")), ("description", .text("What kind of policy it is; its settings stand under the key of the same name.")),
                    ("enum", .array(PolicyCatalog.types.map { .text($0.typeName) })),
                ])
            ),
        ]
        var conditions: [JSONText] = []
        for type in PolicyCatalog.types {
            let schema = type.schema
            let described = schema.notes.isEmpty ? schema.summary : "\(schema.summary) \(schema.notes)"
            properties.append((type.typeName, object(schema.fields.map { FormatField($0) }, description: described, allowsNull: schema.fields.isEmpty)))
            guard schema.fields.contains(where: \.isRequired) else { continue }
            conditions.append(
                .object([
                    ("if", .object([("properties", .object([("type", .object([("const", .text(type.typeName))]))])), ("required", .array([.text("type")]))])),
                    ("then", .object([("required", .array([.text(type.typeName)]))])),
                ]))
        }
        return .object([
            ("type", .text("object")), ("properties", .object(properties)), ("required", .array([.text("type")])),
            ("additionalProperties", .bool(false)), ("allOf", .array(conditions)),
        ])
    }

    private static func test() -> JSONText {
        guard case .object(var members) = object(PolicyFileFormat.test) else { return .null }
        members.append(
            (
                "oneOf",
                .array([
                    .object([("required", .array([.text("trace"), .text("expect")]))]),
                    .object([("required", .array([.text("traces")]))]),
                ])
            ))
        return .object(members)
    }

    private static func object(
        _ fields: [FormatField], description: String? = nil, allowsNull: Bool = false, atLeastOne: Bool = false
    ) -> JSONText {
        var members: [(String, JSONText)] = []
        members.append(("type", allowsNull ? .array([.text("object"), .text("null")]) : .text("object")))
        if let description { members.append(("description", .text(description))) }
        members.append(("properties", .object(fields.map { ($0.name, property($0)) })))
        let required = fields.filter(\.isRequired).map { JSONText.text($0.name) }
        if !required.isEmpty { members.append(("required", .array(required))) }
        members.append(("additionalProperties", .bool(false)))
        if atLeastOne { members.append(("minProperties", .count(1))) }
        return .object(members)
    }

    private static func property(_ field: FormatField) -> JSONText {
        var members = schema(field.kind, field)
        // Beside a reference, draft 7 ignores everything: the description goes around it.
        if case .reference = field.kind { members = [("allOf", .array([.object(members)]))] }
        if case .policy = field.kind { members = [("allOf", .array([.object(members)]))] }
        if case .condition = field.kind { members = [("allOf", .array([.object(members)]))] }
        members.append(("description", .text(field.doc)))
        if let value = field.defaultValue.flatMap({ Self.value($0, field.kind) }) { members.append(("default", value)) }
        return .object(members)
    }

    private static func schema(_ kind: FormatField.Kind, _ field: FormatField) -> [(String, JSONText)] {
        func type(_ name: String) -> [(String, JSONText)] { [("type", .text(name))] }
        func list(_ items: JSONText) -> [(String, JSONText)] { [("type", .text("array")), ("items", items)] }
        var limits: [(String, JSONText)] = []
        if let minimum = field.minimum { limits.append(("minimum", number(minimum))) }
        if let maximum = field.maximum { limits.append(("maximum", number(maximum))) }
        let allowed: [(String, JSONText)] = field.allowed.isEmpty ? [] : [("enum", .array(field.allowed.map { .text($0) }))]
        switch kind {
        case .integer: return type("integer") + limits
        case .number: return type("number") + limits
        case .boolean: return type("boolean")
        case .text: return type("string") + allowed
        case .textList:
            // One text stands for a list.
            let item = JSONText.object(type("string") + allowed)
            return [("anyOf", .array([.object(list(item)), .object(type("string"))]))]
        case .duration: return [("type", .array([.text("string"), .text("integer")])), ("pattern", .text(#"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$"#))]
        case .policy: return [("$ref", .text("#/definitions/policy"))]
        case .policyList: return list(reference(field.name == "policies" ? "namedPolicy" : "policy"))
        case .map(let fields):
            guard case .object(let members) = object(fields) else { return [] }
            return members
        case .mapList(let fields): return list(object(fields))
        case .condition: return [("$ref", .text("#/definitions/condition"))]
        case .conditionList: return list(reference("condition"))
        case .anyMap: return type("object")
        case .textOrNumber: return [("type", .array([.text("string"), .text("number")]))]
        case .mapOf(let inner):
            return type("object") + [("additionalProperties", .object(schema(inner, FormatField("", inner, ""))))]
        case .reference(let name): return [("$ref", .text("#/definitions/\(name)"))]
        case .listOf(let name): return list(reference(name))
        }
    }

    private static func number(_ value: Double) -> JSONText {
        Int64(exactly: value).map { .integer($0) } ?? .number(value)
    }

    private static func value(_ text: String, _ kind: FormatField.Kind) -> JSONText? {
        switch kind {
        case .integer, .number: return Double(text).map { number($0) }
        case .boolean: return .bool(text == "true")
        case .textList, .policyList, .mapList, .conditionList: return text == "[]" ? .array([]) : nil
        case .text:
            if text.contains(" ") { return nil }
            return .text(text == "\"\"" ? "" : text)
        case .duration: return .text(text)
        default: return nil
        }
    }
}

package import ReportText

/// What the processors' schemas say, in the forms that other tools want: a JSON Schema for editors, and rows for a reference
/// page.
package enum ProcessorReference {
    /// One key, with the path to it: `include.match_type`, `actions[].key`.
    package struct Row: Sendable, Equatable {
        package var key: String
        package var kind: String
        package var defaultValue: String?
        package var isRequired: Bool
        package var doc: String
    }

    /// The keys of a processor, depth first, each map before what is in it.
    package static func rows(_ type: any ProcessorType.Type) -> [Row] { rows(type.schema.fields, under: "") }

    private static func rows(_ fields: [ProcessorField], under path: String) -> [Row] {
        fields.flatMap { field in
            let key = path + field.name
            var doc = field.doc
            let allowed = field.allowed.filter { !$0.isEmpty }
            if !allowed.isEmpty { doc += " One of " + allowed.map { "`\($0)`" }.joined(separator: ", ") + "." }
            let row = Row(
                key: key, kind: name(field.kind), defaultValue: field.defaultValue, isRequired: field.isRequired, doc: doc)
            switch field.kind {
            case .map(let inner): return [row] + rows(inner, under: key + ".")
            case .mapList(let inner): return [row] + rows(inner, under: key + "[].")
            default: return [row]
            }
        }
    }

    private static func name(_ kind: ProcessorField.Kind) -> String {
        switch kind {
        case .integer: "integer"
        case .number: "number"
        case .boolean: "boolean"
        case .text: "text"
        case .textList: "list of texts"
        case .duration: "duration"
        case .anyValue: "any value"
        case .map: "map"
        case .mapList: "list of maps"
        case .mapOf(let inner): "map of \(name(inner))"
        }
    }

    /// The JSON Schema (draft 7) of everything under `processors`: a map of ids, each checked by the type that it begins with.
    package static func jsonSchema() -> JSONText {
        var patterns: [(String, JSONText)] = []
        for type in ProcessorCatalog.types {
            for name in type.typeNames { patterns.append(("^\(name)(/.*)?$", jsonSchema(type))) }
        }
        return .object([
            ("type", .text("object")), ("patternProperties", .object(patterns)),
        ])
    }

    /// The JSON Schema of one processor's block.
    package static func jsonSchema(_ type: any ProcessorType.Type) -> JSONText {
        let schema = type.schema
        let described = schema.notes.isEmpty ? schema.summary : "\(schema.summary) \(schema.notes)"
        guard case .object(var members) = object(schema.fields) else { return .null }
        if !schema.fields.contains(where: \.isRequired) { members[0] = ("type", .array([.text("object"), .text("null")])) }
        members.insert(("description", .text(described)), at: 1)
        return .object(members)
    }

    private static func object(_ fields: [ProcessorField]) -> JSONText {
        var members: [(String, JSONText)] = [
            ("type", .text("object")), ("properties", .object(fields.map { ($0.name, property($0)) })),
        ]
        let required = fields.filter(\.isRequired).map { JSONText.text($0.name) }
        if !required.isEmpty { members.append(("required", .array(required))) }
        members.append(("additionalProperties", .bool(false)))
        return .object(members)
    }

    private static func property(_ field: ProcessorField) -> JSONText {
        var members = schema(field.kind, field)
        members.append(("description", .text(field.doc)))
        return .object(members)
    }

    private static func schema(_ kind: ProcessorField.Kind, _ field: ProcessorField) -> [(String, JSONText)] {
        func type(_ name: String) -> [(String, JSONText)] { [("type", .text(name))] }
        let allowed: [(String, JSONText)] = field.allowed.isEmpty ? [] : [("enum", .array(field.allowed.map { .text($0) }))]
        var limits: [(String, JSONText)] = []
        if let minimum = field.minimum { limits.append(("minimum", .number(minimum))) }
        if let maximum = field.maximum { limits.append(("maximum", .number(maximum))) }
        switch kind {
        case .integer: return type("integer") + limits
        case .number: return type("number") + limits
        case .boolean: return type("boolean")
        // Actions may be written in capital letters.
        case .text: return field.name == "action" ? type("string") : type("string") + allowed
        case .textList:
            return [
                (
                    "anyOf",
                    .array([
                        .object(type("array") + [("items", .object(type("string") + allowed))]), .object(type("string")),
                    ])
                )
            ]
        case .duration:
            return [
                ("type", .array([.text("string"), .text("integer")])),
                ("pattern", .text(#"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$"#)),
            ]
        case .anyValue: return []
        case .map(let inner):
            guard case .object(let members) = object(inner) else { return [] }
            return members
        case .mapList(let inner): return type("array") + [("items", object(inner))]
        case .mapOf(let inner):
            return type("object") + [("additionalProperties", .object(schema(inner, ProcessorField("", inner, ""))))]
        }
    }
}

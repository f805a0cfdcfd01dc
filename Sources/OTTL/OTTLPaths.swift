internal import ConfigTree

/// What a list of conditions or statements is evaluated on.
package enum OTTLContext: String, Sendable, CaseIterable {
    /// Once per resource of a request.
    case resource
    /// Once per instrumentation scope of a resource.
    case scope
    /// `span` conditions: once per span.
    case span
    /// `spanevent` conditions: once per event of a span.
    case spanEvent = "spanevent"
}

/// Everything that a path can lead to.
enum OTTLPath: UInt8, Sendable {
    case traceID, traceIDText, spanID, spanIDText, parentSpanID, parentSpanIDText, traceState
    case name, kind, kindText, kindOldText
    case startTimeUnixNano, endTimeUnixNano, startTime, endTime
    case attributes, droppedAttributes, events, droppedEvents, links, droppedLinks
    case status, statusCode, statusMessage, flags
    case resourceAttributes, resourceDroppedAttributes
    case scopeName, scopeVersion, scopeAttributes, scopeDroppedAttributes
    case eventName, eventTime, eventTimeUnixNano, eventAttributes, eventDroppedAttributes, eventIndex
    /// `resource.schema_url` and `scope.schema_url`. Tail sampling has no such: the Collector's processor has dropped them by
    /// then.
    case resourceSchemaURL, scopeSchemaURL
    /// `cache`: a map that lives as long as the statements of a list run on one item. Conditions find it empty.
    case cache
    /// `otelcol.client....`: a decision has no client.
    case clientMap, clientValue

    /// What the brackets behind the path mean.
    enum Indexing {
        /// None are allowed.
        case none
        /// A map, whose entries may be maps and lists.
        case map
        /// `trace_state["k"]`: exactly one text.
        case traceState
        /// A map that is always empty.
        case emptyMap
    }

    var indexing: Indexing {
        switch self {
        case .attributes, .resourceAttributes, .scopeAttributes, .eventAttributes: .map
        case .traceState: .traceState
        case .cache, .clientMap: .emptyMap
        default: .none
        }
    }
}

/// The names of paths.
enum OTTLPathTable {
    private static let span: [(String, OTTLPath)] = [
        ("trace_id", .traceID), ("trace_id.string", .traceIDText), ("span_id", .spanID),
        ("span_id.string", .spanIDText), ("parent_span_id", .parentSpanID),
        ("parent_span_id.string", .parentSpanIDText), ("trace_state", .traceState), ("name", .name), ("kind", .kind),
        ("kind.string", .kindText), ("kind.deprecated_string", .kindOldText),
        ("start_time_unix_nano", .startTimeUnixNano), ("end_time_unix_nano", .endTimeUnixNano),
        ("start_time", .startTime), ("end_time", .endTime), ("attributes", .attributes),
        ("dropped_attributes_count", .droppedAttributes), ("events", .events),
        ("dropped_events_count", .droppedEvents), ("links", .links), ("dropped_links_count", .droppedLinks),
        ("status", .status), ("status.code", .statusCode), ("status.message", .statusMessage), ("flags", .flags),
        ("cache", .cache),
    ]

    private static let event: [(String, OTTLPath)] = [
        ("name", .eventName), ("time", .eventTime), ("time_unix_nano", .eventTimeUnixNano),
        ("attributes", .eventAttributes), ("dropped_attributes_count", .eventDroppedAttributes),
        ("event_index", .eventIndex), ("cache", .cache),
    ]

    private static let resource: [(String, OTTLPath)] = [
        ("attributes", .resourceAttributes), ("dropped_attributes_count", .resourceDroppedAttributes),
        ("schema_url", .resourceSchemaURL), ("cache", .cache),
    ]

    private static let scope: [(String, OTTLPath)] = [
        ("name", .scopeName), ("version", .scopeVersion), ("attributes", .scopeAttributes),
        ("dropped_attributes_count", .scopeDroppedAttributes), ("schema_url", .scopeSchemaURL), ("cache", .cache),
    ]

    private static let collector: [(String, OTTLPath)] = [
        ("client.addr", .clientValue), ("client.metadata", .clientMap), ("client.auth.attributes", .clientMap),
        ("grpc.metadata", .clientMap),
    ]

    private static func prefixes(_ context: OTTLContext) -> [(String, [(String, OTTLPath)])] {
        let scopes = [("scope", scope), ("instrumentation_scope", scope)]
        let outer = [("resource", resource)]
        let inner = [("otelcol", collector)]
        return switch context {
        case .resource: outer + inner
        case .scope: outer + scopes + inner
        case .span: [("span", span)] + outer + scopes + inner
        case .spanEvent: [("span", span)] + outer + scopes + inner + [("spanevent", event)]
        }
    }

    /// The paths that need no prefix.
    private static func own(_ context: OTTLContext) -> [(String, OTTLPath)] {
        switch context {
        case .resource: resource
        case .scope: scope
        case .span: span
        case .spanEvent: event
        }
    }

    /// Every path of a context, for hints and documents; those without prefix first.
    static func all(_ context: OTTLContext) -> [String] {
        own(context).map { $0.0 }
            + prefixes(context).flatMap { prefix, paths in paths.map { "\(prefix).\($0.0)" } }
    }

    /// What a path leads to, and the brackets behind its last field.
    ///
    /// Brackets in front of the last field (`attributes["a"].b`) are errors.
    ///
    /// - Parameter needsPrefix: whether each path must begin with what it belongs to (`span.name`), as it must where nobody
    ///   has said what the context is.
    static func resolve(
        _ path: OTTLPathSyntax, in context: OTTLContext, needsPrefix: Bool = false
    ) throws(OTTLError) -> (path: OTTLPath, keys: [OTTLKeySyntax]) {
        let names = path.fields.map { $0.name }
        let table = prefixes(context)
        var found: OTTLPath?
        if names.count > 1, let paths = table.first(where: { $0.0 == names[0] })?.1 {
            let rest = names.dropFirst().joined(separator: ".")
            found = paths.first { $0.0 == rest }?.1
        } else {
            let whole = names.joined(separator: ".")
            found = own(context).first { $0.0 == whole }?.1
            if needsPrefix, found != nil {
                throw OTTLError(
                    column: path.column, message: "a path must say what it belongs to here: write `\(context.rawValue).\(whole)`")
            }
        }
        guard let found else { throw unknown(path, names.joined(separator: "."), context) }
        for field in path.fields.dropLast() where !field.keys.isEmpty {
            throw OTTLError(
                column: field.keys[0].column.value, message: "only the last part of a path can be indexed")
        }
        let keys = path.fields.last?.keys ?? []
        if let first = keys.first {
            if found.indexing == .none {
                throw OTTLError(
                    column: first.column.value, message: "`\(names.joined(separator: "."))` can't be indexed")
            }
            if found.indexing == .traceState, keys.count > 1 {
                throw OTTLError(column: keys[1].column.value, message: "`trace_state` takes one key")
            }
        }
        return (found, keys)
    }

    private static func unknown(
        _ path: OTTLPathSyntax, _ name: String, _ context: OTTLContext
    ) -> OTTLError {
        let known = all(context)
        var message = "unknown path `\(name)`"
        let firstName = path.fields.first?.name ?? ""
        let inQuotes = name.split(separator: ".").dropFirst().joined(separator: ".")
        if context == .spanEvent, span.contains(where: { $0.0 == name }) {
            message += " in a spanevent condition; the span's is `span.\(name)`"
        } else if context == .resource || context == .scope, firstName == "span" || firstName == "spanevent" {
            message += "; the context `\(context.rawValue)` has no span"
        } else if context == .span, firstName == "spanevent" || event.contains(where: { $0.0 == name }) {
            message += " in a span condition; events are looked at by `spanevent` conditions"
        } else if firstName == "attributes" || ["resource.attributes.", "span.attributes.", "scope.attributes."]
            .contains(where: { name.hasPrefix($0) })
        {
            let key = firstName == "attributes" ? inQuotes : inQuotes.split(separator: ".").dropFirst().joined(separator: ".")
            let base = firstName == "attributes" ? "attributes" : "\(firstName).attributes"
            message += "; an attribute is written `\(base)[\"\(key)\"]`"
        } else if let near = nearestName(to: name, among: known) {
            message += "; did you mean `\(near)`?"
        } else if let prefix = prefixes(context).first(where: { $0.0 == firstName }) {
            message += "; `\(firstName)` has " + prefix.1.map { $0.0 }.joined(separator: ", ")
        } else {
            message += "; there are " + own(context).map { $0.0 }.joined(separator: ", ")
                + ", and those that begin with " + prefixes(context).map { "`\($0.0).`" }.joined(separator: ", ")
        }
        return OTTLError(column: path.column, message: message)
    }
}

/// Names for numbers.
enum OTTLSymbols {
    static let all: [(String, Int64)] = [
        ("SPAN_KIND_UNSPECIFIED", 0), ("SPAN_KIND_INTERNAL", 1), ("SPAN_KIND_SERVER", 2), ("SPAN_KIND_CLIENT", 3),
        ("SPAN_KIND_PRODUCER", 4), ("SPAN_KIND_CONSUMER", 5), ("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1),
        ("STATUS_CODE_ERROR", 2),
    ]

    static func value(_ name: String, _ column: OTTLColumn, in context: OTTLContext) throws(OTTLError) -> Int64 {
        if context == .resource || context == .scope {
            throw OTTLError(column: column.value, message: "unknown enum `\(name)`; the context `\(context.rawValue)` has none")
        }
        if let value = all.first(where: { $0.0 == name })?.1 { return value }
        let names = all.map { $0.0 }
        var message = "unknown enum `\(name)`; "
        if let near = nearestName(to: name, among: names) ?? names.first(where: { $0.hasSuffix("_" + name) }) {
            message += "did you mean `\(near)`?"
        } else {
            message += "there are " + names.joined(separator: ", ")
        }
        throw OTTLError(column: column.value, message: message)
    }
}

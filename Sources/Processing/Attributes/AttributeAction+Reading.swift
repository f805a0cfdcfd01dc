internal import ConfigTree
internal import NativeCore

/// Actions as they stand in a configuration.
extension AttributeAction {
    static let fields: [ProcessorField] = [
        ProcessorField("key", .text, "The attribute. Needed, but for `delete` and `hash` with a `pattern`."),
        ProcessorField(
            "action", .text, "What to do; capital letters work, too.", isRequired: true, allowed: Name.allCases.map(\.rawValue)),
        ProcessorField("value", .anyValue, "The new value, for `insert`, `update` and `upsert`; its YAML type is kept."),
        ProcessorField("from_attribute", .text, "Takes the value from this attribute instead."),
        ProcessorField(
            "from_context", .text,
            "Takes the value from the client's request: `metadata.NAME` (a header), `auth.NAME`, `client.address`. Only before `tail_sampling` and `batch`."
        ),
        ProcessorField("default_value", .anyValue, "Used where `from_attribute` or `from_context` has nothing."),
        ProcessorField(
            "pattern", .text,
            "A regular expression: on keys for `delete` and `hash`; on the value, with named groups, for `extract`."),
        ProcessorField(
            "converted_type", .text, "The type that `convert` makes.", allowed: Target.allCases.map(\.rawValue)),
    ]

    /// Whose attributes actions edit.
    enum Owner {
        case spans
        case resources

        /// The walker has to find only attributes of spans.
        func name(_ key: String, _ builder: inout ProcessorBuilder) -> AttributeName {
            self == .spans && !key.isEmpty
                ? builder.spanAttribute(key) : AttributeName(bytes: Array(key.utf8), number: .max)
        }
    }

    private enum Name: String, CaseIterable {
        case insert, update, upsert, delete, hash, extract, convert

        var takesValue: Bool { self == .insert || self == .update || self == .upsert }
        var takesPattern: Bool { self == .delete || self == .hash || self == .extract }
    }

    /// Reads the list of actions under a key; what is wrong is reported.
    ///
    /// - Parameter owner: whose attributes they edit.
    static func read(
        _ block: inout ConfigReader, _ key: String, _ builder: inout ProcessorBuilder, of owner: Owner
    ) -> [AttributeAction] {
        var readers = block.maps(key)
        if readers.isEmpty { block.error("there is no action: write at least one under `\(key)`", key: key) }
        var actions: [AttributeAction] = []
        for place in readers.indices {
            if let action = read(&readers[place], &builder, owner) { actions.append(action) }
            readers[place].finish()
        }
        return actions
    }

    private static func read(
        _ block: inout ConfigReader, _ builder: inout ProcessorBuilder, _ owner: Owner
    ) -> AttributeAction? {
        let key = block.string("key", default: "")
        let written = block.string("action", default: "")
        let value = AttributeValueReader.value(&block, "value")
        let fromAttribute = block.stringIfPresent("from_attribute").flatMap { $0.isEmpty ? nil : $0 }
        let fromContext = block.stringIfPresent("from_context").flatMap { $0.isEmpty ? nil : $0 }
        let fallback = AttributeValueReader.value(&block, "default_value")
        let hasPattern = block.stringIfPresent("pattern").map { !$0.isEmpty } ?? false
        let convertedType = block.stringIfPresent("converted_type").flatMap { $0.isEmpty ? nil : $0 }
        guard let name = Name(rawValue: written.lowercased()) else {
            let names = Name.allCases.map(\.rawValue)
            let hint = nearestName(to: written, among: names).map { "did you mean `\($0)`? " } ?? ""
            block.error(
                written.isEmpty
                    ? "an action needs an `action`: one of \(names.joined(separator: ", "))"
                    : "unknown action `\(clipped(written))`; \(hint)known: \(names.joined(separator: ", "))", key: "action")
            return nil
        }
        for (other, isWritten) in [
            ("value", block.has("value") && !name.takesValue), ("from_attribute", fromAttribute != nil && !name.takesValue),
            ("from_context", fromContext != nil && !name.takesValue), ("default_value", fallback != nil && !name.takesValue),
            ("pattern", hasPattern && !name.takesPattern), ("converted_type", convertedType != nil && name != .convert),
        ] where isWritten {
            block.error("`\(name.rawValue)` does not use `\(other)`", key: other)
            return nil
        }
        let pattern = builder.expression(&block, "pattern")
        if hasPattern && pattern == nil { return nil }
        guard !key.isEmpty || ((name == .delete || name == .hash) && pattern != nil) else {
            block.error(
                name == .delete || name == .hash
                    ? "`\(name.rawValue)` needs a `key`, a `pattern`, or both" : "`\(name.rawValue)` needs a `key`")
            return nil
        }
        let operation: Operation
        switch name {
        case .insert, .update, .upsert:
            guard
                let source = source(
                    &block, &builder, owner, name, value: value, attribute: fromAttribute, context: fromContext,
                    fallback: fallback)
            else { return nil }
            operation = name == .insert ? .insert(source) : name == .update ? .update(source) : .upsert(source)
        case .delete: operation = .delete(pattern)
        case .hash: operation = .hash(pattern)
        case .extract:
            guard let pattern else {
                block.error("`extract` needs a `pattern` with named groups: `(?P<name>...)`")
                return nil
            }
            let names = pattern.groupNames
            guard !names.isEmpty, !names.contains("") else {
                block.error(
                    names.isEmpty
                        ? "the pattern has no named group: `(?P<name>...)` makes the attribute `name`"
                        : "every group of the pattern needs a name: `(?P<name>...)`, or `(?:...)` for a group that is not extracted",
                    key: "pattern")
                return nil
            }
            operation = .extract(pattern, names: names.map { Array($0.utf8) })
        case .convert:
            guard let target = Target(rawValue: convertedType ?? "") else {
                block.error("`convert` needs a `converted_type`: string, int or double", key: "converted_type")
                return nil
            }
            operation = .convert(target)
        }
        return AttributeAction(key: owner.name(key, &builder), operation: operation)
    }

    /// Whether a key is not written, or has nothing under it.
    private static func isEmpty(_ node: ConfigNode?) -> Bool {
        switch node?.value {
        case nil, .null: true
        case .scalar(let scalar): scalar.meaning == .null
        case .list, .map: false
        }
    }

    private static func source(
        _ block: inout ConfigReader, _ builder: inout ProcessorBuilder, _ owner: Owner, _ name: Name, value: [UInt8]?,
        attribute: String?,
        context: String?, fallback: [UInt8]?
    ) -> Source? {
        let count = (value == nil ? 0 : 1) + (attribute == nil ? 0 : 1) + (context == nil ? 0 : 1)
        guard count <= 1 else {
            block.error("only one of `value`, `from_attribute` and `from_context` can be the source")
            return nil
        }
        if let value { return Source(origin: .constant(value), fallback: nil) }
        if let attribute {
            return Source(origin: .attribute(owner.name(attribute, &builder)), fallback: fallback)
        }
        if let context {
            builder.contextKey(context)
            if builder.isBehindBuffer {
                block.warning(
                    "behind `tail_sampling` or `batch` spans have forgotten the request they came in, so this finds nothing; put the processor before them",
                    key: "from_context")
            }
            return Source(origin: .context(context), fallback: fallback)
        }
        if let fallback { return Source(origin: .constant(fallback), fallback: nil) }
        // A value that was wrong is reported already.
        if isEmpty(block.keys.first { $0.key == "value" }?.value) {
            block.error("`\(name.rawValue)` needs a `value`, `from_attribute` or `from_context`")
        }
        return nil
    }
}

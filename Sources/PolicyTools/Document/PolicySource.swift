package import ConfigTree
package import Sampling

/// Policies with their settings and tests, wherever they stand: in a policy file, as a bare list, or in the `tail_sampling` block of a
/// whole configuration of Tailgate or the Collector.
package struct PolicySource: Sendable {
    package var document: PolicyDocument
    package var settings: PolicySettings

    /// Policies that were found already.
    package init(document: PolicyDocument, settings: PolicySettings) {
        self.document = document
        self.settings = settings
    }

    /// Finds the policies in a file's tree. Nil if there are none to find; `problems` then says why.
    ///
    /// - Parameter processor: which `tail_sampling` block of a configuration, by its id; nil if there is only one.
    package init?(_ root: ConfigNode, processor: String? = nil, problems: ConfigProblems) {
        switch root.value {
        case .list:
            self.init(document: PolicyDocument(root, keyPath: "", problems: problems), settings: PolicySettings())
        case .map(let entries) where entries.contains { $0.key == "policies" }:
            let document = PolicyDocument(root, keyPath: "", problems: problems)
            self.init(document: document, settings: Self.settings(of: document, problems))
        case .map(let entries) where entries.contains { $0.key == "processors" }:
            guard let (block, keyPath) = Self.block(entries, root, processor, problems) else { return nil }
            self.init(block: block, keyPath: keyPath, problems: problems)
        default:
            problems.error(
                "no policies are to be found here: a policy file has a list under `policies:`, a configuration has it under `processors: tail_sampling:`",
                at: root.position, keyPath: "")
            return nil
        }
    }

    /// The policies of one `tail_sampling` block.
    private init?(block: ConfigNode, keyPath: String, problems: ConfigProblems) {
        var reader = ConfigReader(block, keyPath: keyPath, problems: problems)
        let listPath = reader.path(of: "policies")
        guard let node = reader.node("policies") else {
            reader.error("there are no `policies`", key: "policies")
            return nil
        }
        let document = PolicyDocument(node, keyPath: listPath, problems: problems)
        let added = document.settings.filter { !reader.has($0.key) }
        let settings = PolicySettings(reader.keys + added, at: block.position, keyPath: keyPath, problems: problems)
        self.init(document: document, settings: settings)
    }

    private static func settings(of document: PolicyDocument, _ problems: ConfigProblems) -> PolicySettings {
        PolicySettings(
            document.settings, at: document.position, keyPath: document.settingsKeyPath, problems: problems)
    }

    private static func block(
        _ entries: [ConfigEntry], _ root: ConfigNode, _ wanted: String?, _ problems: ConfigProblems
    ) -> (ConfigNode, String)? {
        guard let processors = entries.first(where: { $0.key == "processors" }),
            case .map(let all) = processors.value.value
        else { return nil }
        let blocks = all.filter { $0.key == "tail_sampling" || $0.key.hasPrefix("tail_sampling/") }
        let names = blocks.map { "`\($0.key)`" }.joined(separator: ", ")
        if let wanted {
            if let found = blocks.first(where: { $0.key == wanted }) { return (found.value, "processors.\(wanted)") }
            let others = blocks.isEmpty ? "" : "; there are \(names)"
            problems.error(
                "there is no processor `\(clipped(wanted))`\(others)", at: processors.keyPosition, keyPath: "processors")
            return nil
        }
        switch blocks.count {
        case 1: return (blocks[0].value, "processors.\(blocks[0].key)")
        case 0:
            problems.error(
                "this configuration has no `tail_sampling` processor, so no policies", at: processors.keyPosition,
                keyPath: "processors")
        default:
            problems.error(
                "this configuration has several `tail_sampling` processors; choose one with --processor: \(names)",
                at: blocks[1].keyPosition, keyPath: "processors.\(blocks[1].key)")
        }
        return nil
    }

    /// The compiled policies with memories of their own. Nil if one of them is wrong.
    ///
    /// - Parameter other: the set that will be asked about the same requests; see `PolicySet.init`.
    package func compiled(
        version: UInt16 = 0, problems: ConfigProblems, sharing other: PolicySet? = nil
    ) -> PolicySet? {
        var set = PolicySet(
            version: version, nodes: document.policies, keyPath: document.policiesKeyPath, problems: problems,
            sharing: other)
        set?.stopsAtFirstMatch = settings.sampleOnFirstMatch
        return set
    }

    /// The names of the policies in order; "" for one without a name.
    package var policyNames: [String] { document.policies.map { $0.text(of: "name") ?? "" } }
}

extension ConfigNode {
    /// The value under a key, if this is a map that has it.
    package func child(_ key: String) -> ConfigNode? {
        guard case .map(let entries) = value else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// The text of the scalar under a key.
    package func text(of key: String) -> String? { child(key)?.scalarText }

    /// The scalar's text, if this is one.
    package var scalarText: String? {
        guard case .scalar(let scalar) = value else { return nil }
        return scalar.text
    }

    /// The list's items; empty if this is none.
    package var items: [ConfigNode] {
        guard case .list(let items) = value else { return [] }
        return items
    }

    /// The map's entries; empty if this is none.
    package var entries: [ConfigEntry] {
        guard case .map(let entries) = value else { return [] }
        return entries
    }

    /// The number that the scalar is; nil if it is none.
    package var number: Double? {
        guard case .scalar(let scalar) = value else { return nil }
        switch scalar.meaning {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        case .text, .boolean, .null: return nil
        }
    }

    /// Whether this is the boolean `true`.
    package var isTrue: Bool {
        guard case .scalar(let scalar) = value else { return false }
        return scalar.meaning == .boolean(true)
    }
}

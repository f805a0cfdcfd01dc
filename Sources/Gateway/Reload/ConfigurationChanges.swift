internal import ConfigTree

/// What differs between two configurations.
enum ConfigurationChanges {
    /// Keys below a `tail_sampling` processor that a running node takes over.
    static let reloadable: Set<String> = [
        "policies", "shadow_policies", "decision_wait", "decision_wait_after_root_received", "sample_on_first_match",
        "record_policy", "maximum_trace_size_bytes",
    ]

    /// Paths of the keys that differ and need a restart, in the order of the files.
    ///
    /// - Parameter sampling: the processor whose policies are in use.
    static func needingRestart(_ old: ConfigNode, _ new: ConfigNode, sampling: ComponentID) -> [String] {
        let prefix = "processors.\(sampling)."
        return differences(old, new, "", depth: 0).filter { path in
            guard path.hasPrefix(prefix) else { return true }
            let key = path.dropFirst(prefix.count).prefix { $0 != "." && $0 != "[" }
            return !reloadable.contains(String(key))
        }
    }

    /// Paths at which two trees differ, at most six keys deep.
    private static func differences(_ old: ConfigNode, _ new: ConfigNode, _ path: String, depth: Int) -> [String] {
        if old.sameContent(as: new) { return [] }
        guard depth < 6, case .map(let before) = old.value, case .map(let after) = new.value else { return [path] }
        var found: [String] = []
        for entry in after {
            let inner = path.isEmpty ? entry.key : "\(path).\(entry.key)"
            if let known = before.first(where: { $0.key == entry.key }) {
                found += differences(known.value, entry.value, inner, depth: depth + 1)
            } else {
                found.append(inner)
            }
        }
        for entry in before where !after.contains(where: { $0.key == entry.key }) {
            found.append(path.isEmpty ? entry.key : "\(path).\(entry.key)")
        }
        return found
    }
}

package import ConfigTree

/// A policy file as written: the policies, the settings they were made for, and the tests that say what they are to do.
///
/// The document is a map with `policies:` and optionally `tests:`, `settings:`, `name:`, `description:` and `version:`, or a bare
/// list of policies. It stands in a file of its own (`policies: ${file:Policies/default.yaml}`) or in the place of the list.
/// Nothing is compiled here: `PolicySet` does that with `policies`, and the policy tools read `tests`.
package struct PolicyDocument: Sendable {
    /// The policies as written.
    package var policies: [ConfigNode] = []
    /// Where `policies` stands, as the start of the policies' own key paths.
    package var policiesKeyPath: String
    /// Keys of the `tail_sampling` block that the policies need, such as `decision_wait`; what the block itself says wins.
    package var settings: [ConfigEntry] = []
    package var settingsKeyPath: String
    /// The tests as written; whoever runs them reads them.
    package var tests: [ConfigNode] = []
    package var testsKeyPath: String
    package var name: String?
    /// Where the document begins.
    package var position: SourcePosition

    /// Keys that a policy file may have at its top.
    package static let keys = ["policies", "tests", "settings", "name", "description", "version"]

    /// Reads a document. Problems go to `problems`; what is wrong is then empty.
    package init(_ node: ConfigNode, keyPath: String, problems: ConfigProblems) {
        position = node.position
        if case .list(let items) = node.value {
            policies = items
            policiesKeyPath = keyPath.isEmpty ? "policies" : keyPath
            settingsKeyPath = ""
            testsKeyPath = ""
            return
        }
        var reader = ConfigReader(node, keyPath: keyPath, problems: problems)
        policiesKeyPath = reader.path(of: "policies")
        settingsKeyPath = reader.path(of: "settings")
        testsKeyPath = reader.path(of: "tests")
        if !reader.has("policies") {
            reader.error("a list of policies is expected, or a policy file with a `policies:` list")
        }
        policies = reader.list("policies")
        tests = reader.list("tests")
        if let block = reader.map("settings") {
            settings = block.keys
            if let entry = settings.first(where: { $0.key == "policies" }) {
                problems.error(
                    "policies stand beside `settings`, not in it", at: entry.keyPosition, keyPath: settingsKeyPath)
                settings.removeAll { $0.key == "policies" }
            }
        }
        name = reader.stringIfPresent("name")
        for key in ["description", "version"] { _ = reader.node(key) }
        reader.finish()
    }
}

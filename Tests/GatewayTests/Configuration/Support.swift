import ConfigTree
import Gateway

/// Files and variables without a disk.
func environment(_ variables: [String: String] = [:], files: [String: String] = [:]) -> ConfigurationEnvironment {
    ConfigurationEnvironment(
        variable: { variables[$0] },
        readFile: { (path, _) throws(ConfigurationEnvironment.Unreadable) in
            guard let text = files[path] else { throw .init(reason: "there is no such file") }
            return Array(text.utf8)
        })
}

/// The tree of a text, and what was wrong with it.
func tree(
    _ text: String, _ variables: [String: String] = [:], files: [String: String] = [:]
) -> (node: ConfigNode?, problems: [String]) {
    let problems = ConfigProblems()
    var loader = YAMLTreeLoader(environment: environment(variables, files: files), problems: problems)
    let node = loader.load(text: text, file: "t.yaml")
    return (node, problems.all.map(\.description))
}

func load(
    _ text: String, _ variables: [String: String] = [:], files: [String: String] = [:]
) -> (config: GatewayConfig?, problems: ConfigProblems) {
    ConfigurationLoader.load(text: text, file: "t.yaml", environment: environment(variables, files: files))
}

extension ConfigNode {
    subscript(_ key: String) -> ConfigNode? {
        guard case .map(let entries) = value else { return nil }
        return entries.first { $0.key == key }?.value
    }

    subscript(_ index: Int) -> ConfigNode? {
        guard case .list(let items) = value, items.indices.contains(index) else { return nil }
        return items[index]
    }

    var keys: [String] {
        guard case .map(let entries) = value else { return [] }
        return entries.map(\.key)
    }

    var scalar: ConfigScalar? {
        guard case .scalar(let scalar) = value else { return nil }
        return scalar
    }

    var text: String? { scalar?.text }
    var place: String { position.description }
}

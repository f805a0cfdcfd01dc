package import ConfigTree

extension ConfigurationLoader {
    /// Reads `extensions.cluster` of a file alone, for commands about the ring. Of the rest only its YAML is checked.
    package static func loadCluster(
        path: String, environment: ConfigurationEnvironment = .process
    ) -> (config: ClusterConfig?, problems: ConfigProblems) {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        return (loader.load(path: path).flatMap { cluster($0, problems) }, problems)
    }

    /// Reads `extensions.cluster` of a text that calls itself `file` in messages.
    package static func loadCluster(
        text: String, file: String, environment: ConfigurationEnvironment = .process
    ) -> (config: ClusterConfig?, problems: ConfigProblems) {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        return (loader.load(text: text, file: file).flatMap { cluster($0, problems) }, problems)
    }

    private static func cluster(_ root: ConfigNode, _ problems: ConfigProblems) -> ClusterConfig? {
        var reader = ConfigReader(root, keyPath: "", problems: problems)
        guard var extensions = reader.map("extensions") else {
            reader.error("there is no `extensions.cluster`, and without it a node is alone", key: "extensions")
            return nil
        }
        var found: [ClusterConfig?] = []
        for entry in extensions.keys {
            guard let id = ComponentID(parsing: entry.key), id.type == ClusterConfig.type, var settings = extensions.map(entry.key)
            else { continue }
            found.append(ClusterConfig(id, &settings))
            if found.count == 2 {
                problems.error(
                    "a node is in one cluster; keep one of them", at: entry.keyPosition, keyPath: extensions.path(of: entry.key))
            }
        }
        if found.isEmpty {
            extensions.error("there is no `cluster` in `extensions`, and without it a node is alone")
        }
        return problems.hasErrors ? nil : found.first ?? nil
    }
}

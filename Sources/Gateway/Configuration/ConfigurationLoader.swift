package import ConfigTree

/// Reads a configuration file into a checked `GatewayConfig`.
///
/// Opens no port and starts nothing. Every problem of the file is found in one pass; the configuration is nil if one of
/// them is an error.
package enum ConfigurationLoader {
    /// A file as read, checked, and with all that a later look at it is compared with.
    package struct Loaded {
        /// Nil if there is an error.
        package var config: GatewayConfig?
        package var problems: ConfigProblems
        /// The tree with all files and variables in place; nil if there is none.
        package var root: ConfigNode?
        /// The file itself and all that it takes in.
        package var files: [String]
    }

    /// Reads a file, for a node that will watch it.
    package static func read(path: String, environment: ConfigurationEnvironment = .process) -> Loaded {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        let root = loader.load(path: path)
        return Loaded(
            config: root.flatMap { typed($0, problems) }, problems: problems, root: root, files: loader.files)
    }

    /// Reads a file.
    package static func load(
        path: String, environment: ConfigurationEnvironment = .process
    ) -> (config: GatewayConfig?, problems: ConfigProblems) {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        return (loader.load(path: path).flatMap { typed($0, problems) }, problems)
    }

    /// Reads a text that calls itself `file` in messages.
    package static func load(
        text: String, file: String, environment: ConfigurationEnvironment = .process
    ) -> (config: GatewayConfig?, problems: ConfigProblems) {
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        return (loader.load(text: text, file: file).flatMap { typed($0, problems) }, problems)
    }

    /// Types and checks a tree.
    package static func typed(_ root: ConfigNode, _ problems: ConfigProblems) -> GatewayConfig? {
        var reader = ConfigReader(root, keyPath: "", problems: problems)
        if reader.keys.isEmpty, !problems.hasErrors {
            reader.error("the configuration is empty; `tailgate config --default` prints one to begin with")
            return nil
        }
        let components = Components(&reader)
        reader.notSupported(["connectors"], because: "pipelines can't be connected; leave the key out")
        guard var service = reader.map("service") else {
            reader.error(
                "`service` is missing; it names what runs: `service: {pipelines: {traces: {...}}}`", key: "service")
            reader.finish()
            return nil
        }
        reader.finish()
        let config = ServiceReader(components, problems).read(&service)
        return problems.hasErrors ? nil : config
    }
}

/// A component as defined, and whether a pipeline uses it.
struct Defined<Config> {
    var id: ComponentID
    /// Nil if it is so wrong that there is nothing to use.
    var config: Config?
    var keyPosition: SourcePosition
    var keyPath: String
}

/// Everything that the sections `receivers`, `processors`, `exporters` and `extensions` define.
struct Components {
    enum Processor {
        case tailSampling(TailSamplingConfig)
        case batch(BatchConfig)
        case memoryLimiter(MemoryLimiterConfig)
        /// One of `ProcessorCatalog`. It is read once more for each pipeline that names it.
        case ofCatalog(ProcessorConfig)
    }

    var receivers: [Defined<OTLPReceiverConfig>] = []
    var processors: [Defined<Processor>] = []
    var exporters: [Defined<ExporterConfig>] = []
    enum Extension {
        case healthCheck(HealthCheckConfig)
        case auth(AuthExtensionConfig)
        case cluster(ClusterConfig)
    }

    var extensions: [Defined<Extension>] = []

    init(_ reader: inout ConfigReader) {
        receivers = Self.section(.receiver, &reader) { OTLPReceiverConfig($0, &$1) }
        processors = Self.section(.processor, &reader) { id, settings in
            switch id.type {
            case "batch": .batch(BatchConfig(id, &settings))
            case "memory_limiter": MemoryLimiterConfig(id, &settings).map { .memoryLimiter($0) }
            case "tail_sampling": .tailSampling(TailSamplingConfig(id, &settings))
            default: .ofCatalog(ProcessorConfig(id: id, node: settings.node))
            }
        }
        exporters = Self.section(.exporter, &reader) { ExporterConfig($0, &$1) }
        extensions = Self.section(.extension, &reader) { id, settings in
            switch id.type {
            case "health_check": .healthCheck(HealthCheckConfig(id, &settings))
            case ClusterConfig.type: ClusterConfig(id, &settings).map { .cluster($0) }
            default: .auth(AuthExtensionConfig(id, &settings))
            }
        }
    }

    /// The components of one section. One of an unknown type stays known by name, so that a pipeline that uses it is not
    /// reported too.
    private static func section<Config>(
        _ kind: ComponentKind, _ reader: inout ConfigReader, _ read: (ComponentID, inout ConfigReader) -> Config?
    ) -> [Defined<Config>] {
        guard var section = reader.map(kind.section) else { return [] }
        var defined: [Defined<Config>] = []
        for entry in section.keys {
            let path = section.path(of: entry.key)
            guard let id = ComponentID(parsing: entry.key) else {
                section.problems.error(
                    "\"\(clipped(entry.key))\" is no component; write `type` or `type/name`", at: entry.keyPosition,
                    keyPath: section.keyPath)
                continue
            }
            if defined.contains(where: { $0.id == id }) {
                section.problems.error("`\(id)` is defined twice", at: entry.keyPosition, keyPath: path)
                continue
            }
            guard kind.supported.contains(id.type) else {
                section.problems.error(kind.explain(unsupported: id.type), at: entry.keyPosition, keyPath: path)
                defined.append(Defined(id: id, config: nil, keyPosition: entry.keyPosition, keyPath: path))
                continue
            }
            guard var settings = section.map(entry.key) else { continue }
            let config = read(id, &settings)
            defined.append(Defined(id: id, config: config, keyPosition: entry.keyPosition, keyPath: path))
        }
        return defined
    }
}

package import ConfigTree

/// What a node is told besides its configuration.
package struct GatewayOptions: Sendable {
    /// Event loops, each with a shard of its own; nil: one per processor that the process may use.
    package var workers: Int?
    package var version: String
    /// Tells nodes of one service apart in `target_info`.
    package var instanceID: String
    /// The configuration as read from its file, for a node that takes changes of it over while it runs. Nil: it does not.
    package var source: ConfigurationSource?
    /// Has a new policy document (a map with `policies:` and `tests:`) checked beyond its form, such as by running its tests.
    /// Errors among the problems keep it from being taken over while the node runs.
    package var policyCheck: (@Sendable (_ document: ConfigNode, _ problems: ConfigProblems) -> Void)?

    package init(workers: Int? = nil, version: String, instanceID: String) {
        self.workers = workers
        self.version = version
        self.instanceID = instanceID
    }
}

/// Why a node can't start. The text says what is wrong and what would be right.
package struct GatewayError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// Where a node is in its life. It only moves forward.
package enum GatewayState: Int, Sendable {
    case starting = 0
    case serving = 1
    case draining = 2
    case stopped = 3
}

/// Where a configuration came from: what a later look at the file is compared with.
package struct ConfigurationSource: Sendable {
    /// The configuration file.
    package var path: String
    /// The tree that the node starts with.
    package var root: ConfigNode
    /// The file itself and all that it takes in.
    package var files: [String]
    /// How often the files are looked at; nil: only when somebody asks for a reload.
    package var watchInterval: Duration? = .seconds(1)

    package init(path: String, root: ConfigNode, files: [String]) {
        self.path = path
        self.root = root
        self.files = files
    }
}

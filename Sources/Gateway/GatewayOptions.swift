/// What a node is told besides its configuration.
package struct GatewayOptions: Sendable {
    /// Event loops, each with a shard of its own; nil: one per processor that the process may use.
    package var workers: Int?
    package var version: String
    /// Tells nodes of one service apart in `target_info`.
    package var instanceID: String

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

internal import Transport

/// How a process's file descriptors are divided, so that clients who take theirs leave enough for everything else: exporters, peers,
/// files, the admin endpoint. Worked out once, at start.
package struct DescriptorBudget: Sendable, Equatable {
    /// One holder of descriptors.
    package struct Part: Sendable, Equatable {
        package let name: String
        package let count: Int
    }

    /// What is taken before clients get theirs.
    package let parts: [Part]
    /// Connections of clients, all receivers together; nil: as many as are configured.
    package let clients: Int?
    /// Connections that peers may open to this node, and that it opens to them.
    package let peers: Int
    /// Connections of the admin endpoint, and as many again of `health_check`.
    package let admin: Int
    private let limit: Int?

    /// Clients get at least this many, whatever the limit is.
    private static let leastClients = 16

    /// - Parameters:
    ///   - limit: descriptors that the process may have; nil: no limit is known.
    ///   - workers: event loops that receive.
    ///   - listeners: sockets that clients and peers connect to.
    ///   - exporters: destinations, those of other signals among them.
    package init(limit: Int?, workers: Int, listeners: Int, exporters: Int, isClustered: Bool, hasHealthCheck: Bool) {
        let share = limit ?? 1 << 20
        admin = min(AdminLimits().connections, max(4, share / 32))
        peers = isClustered ? min(4096, max(8, share / 8)) : 0
        let adminListeners = hasHealthCheck ? 2 : 1
        parts = [
            // Standard streams and the system's own; three for each event loop (workers, admin, one for names and the like).
            Part(name: "program", count: 8 + 3 * (workers + adminListeners + 1)),
            Part(name: "listeners", count: listeners + adminListeners),
            Part(name: "admin", count: admin * adminListeners),
            // A new connection is opened while the old one ends.
            Part(name: "exporters", count: 4 * exporters),
            Part(name: "peers", count: 2 * peers),
            Part(name: "files", count: 16),
        ]
        self.limit = limit
        let taken = parts.reduce(0) { $0 + $1.count }
        clients = limit.map { max(Self.leastClients, $0 - taken) }
    }

    init(_ config: GatewayConfig, limit: Int?, workers: Int) {
        self.init(
            limit: limit, workers: workers, listeners: ListenerConfig.all(of: config).count,
            exporters: config.exporters(of: .traces).count + SignalBuilder.destinations(config).count,
            isClustered: config.cluster != nil, hasHealthCheck: config.healthCheck != nil)
    }

    /// All parts in one line, for the log.
    package var summary: String {
        let shown = parts.map { "\($0.name) \($0.count)" } + ["clients \(clients.map { "\($0)" } ?? "unbounded")"]
        return shown.joined(separator: ", ")
    }

    /// What an operator should know, nil if nothing: few connections of clients fit.
    package var warning: String? {
        guard let clients, let limit, clients < 512 else { return nil }
        return "only \(clients) connections of clients fit into the limit of \(limit) file descriptors (\(summary)); raise it "
            + "(`ulimit -n`, LimitNOFILE)"
    }
}

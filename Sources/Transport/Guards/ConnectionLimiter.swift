internal import Synchronization
package import Telemetry

/// Counts the open connections of a node, in all and by address, and says which new ones are too many.
///
/// Shared by all workers; asked once when a connection comes and once when it goes.
package final class ConnectionLimiter: Sendable {
    private struct Counts {
        var total = 0
        var byAddress: [PeerAddress: Int] = [:]
    }

    /// Of the whole node.
    package let maximumConnections: Int
    private let counts = Mutex(Counts())

    package init(maximumConnections: Int) { self.maximumConnections = maximumConnections }

    /// Counts a connection that has come; nil, or why it must go again (and then it is not counted).
    package func admit(_ address: PeerAddress, maximumPerAddress: Int) -> ConnectionRefusalReason? {
        counts.withLock { counts in
            if counts.total >= maximumConnections { return .total }
            let present = counts.byAddress[address, default: 0]
            // Whoever can open the socket's file is trusted as far as the total goes.
            if present >= maximumPerAddress, address != .local { return .address }
            counts.total += 1
            counts.byAddress[address] = present + 1
            return nil
        }
    }

    /// A counted connection has gone.
    package func release(_ address: PeerAddress) {
        counts.withLock { counts in
            guard let present = counts.byAddress[address] else { return }
            counts.total -= 1
            counts.byAddress[address] = present == 1 ? nil : present - 1
        }
    }

    /// Open now.
    package var count: Int { counts.withLock { $0.total } }
}

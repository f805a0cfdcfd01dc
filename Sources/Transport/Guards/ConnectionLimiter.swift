internal import Synchronization
internal import Telemetry

/// Counts the open connections of a node, in all and by address, and says which new ones are too many.
///
/// Shared by all workers; asked once when a connection comes and once when it goes.
package final class ConnectionLimiter: Sendable {
    private struct Counts {
        var total = 0
        var byAddress: [PeerAddress: (connections: Int, account: AddressAccount)] = [:]
        var strikes = StrikeBook()
        var lastConnection: UInt64 = 0
    }

    /// A connection that was let in.
    package struct Admission: Sendable {
        /// Unlike that of any other connection of the node.
        package var connection: UInt64
        package var account: AddressAccount
        /// Connections of this address were closed for abuse lately.
        package var isSuspect: Bool
    }

    /// Of the whole node.
    package let maximumConnections: Int
    private let counts = Mutex(Counts())

    package init(maximumConnections: Int) { self.maximumConnections = maximumConnections }

    /// Counts a connection that has come, or says why it must go again (and then it is not counted).
    /// - Parameter now: monotonic nanoseconds, here and below.
    package func admit(
        _ address: PeerAddress, maximumPerAddress: Int, now: Int64
    ) -> Result<Admission, ConnectionRefused> {
        counts.withLock { counts in
            if counts.total >= maximumConnections { return .failure(ConnectionRefused(reason: .total)) }
            let present = counts.byAddress[address] ?? (connections: 0, account: AddressAccount(address))
            // Whoever can open the socket's file is trusted as far as the total goes.
            if present.connections >= maximumPerAddress, address != .local {
                return .failure(ConnectionRefused(reason: .address))
            }
            if !counts.strikes.admits(address, now: now) { return .failure(ConnectionRefused(reason: .abuse)) }
            counts.total += 1
            counts.lastConnection += 1
            counts.byAddress[address] = (connections: present.connections + 1, account: present.account)
            return .success(
                Admission(
                    connection: counts.lastConnection, account: present.account,
                    isSuspect: counts.strikes.isSuspect(address)))
        }
    }

    /// A counted connection has gone.
    package func release(_ address: PeerAddress) {
        counts.withLock { counts in
            guard let present = counts.byAddress[address] else { return }
            counts.total -= 1
            if present.connections == 1 {
                counts.byAddress[address] = nil
            } else {
                counts.byAddress[address] = (connections: present.connections - 1, account: present.account)
            }
        }
    }

    /// A connection of this address was closed for abuse.
    package func strike(_ address: PeerAddress, now: Int64) { counts.withLock { $0.strikes.strike(address, now: now) } }

    /// Open now.
    package var count: Int { counts.withLock { $0.total } }
}

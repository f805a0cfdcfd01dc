internal import Synchronization
internal import Telemetry

/// What all connections of an address have in common. Shared by all workers; goes with the address's last connection.
package final class AddressAccount: Sendable {
    package let address: PeerAddress
    private let work = Mutex<WorkFlood?>(nil)

    package init(_ address: PeerAddress) { self.address = address }

    /// Counts what a connection cost beyond its need; true if the address's connections together cost too much.
    fileprivate func spend(_ excess: Int, _ allowance: WorkAllowance, _ now: Int64) -> Bool {
        work.withLock { work in
            var flood = work ?? WorkFlood(allowance.ofAddress, now: now)
            defer { work = flood }
            return flood.spend(excess, 0, now).isFlood
        }
    }
}

/// `ClientShares` for all workers of a node. A lock, which is taken once for 64 KiB of a client's bodies, and when memory is short.
package final class SharedClientShares: Sendable {
    private let shares: Mutex<ClientShares>

    /// - Parameter halfLife: about as long as spans stay in memory, nanoseconds.
    package init(halfLife: Int64) { shares = Mutex(ClientShares(halfLife: max(halfLife, 5_000_000_000))) }

    fileprivate func note(_ bytes: Int, _ address: PeerAddress, _ connection: UInt64, _ now: Int64) {
        shares.withLock { $0.note(bytes, address: address, connection: connection, now: now) }
    }

    fileprivate func standing(_ address: PeerAddress, _ connection: UInt64, _ now: Int64) -> ClientStanding {
        shares.withLock { $0.standing(address: address, connection: connection, now: now) }
    }
}

/// What one client's connection holds and costs: bodies that are coming in, its share of the memory, work that its requests do
/// not need. Confined to its worker's loop.
final class ClientAccount {
    /// Between two entries into the node's shares, bytes.
    private static let noteBytes = 64 << 10

    private let server: WorkerServer
    private let limiter: ConnectionLimiter
    private let address: AddressAccount
    private let connection: UInt64
    private let allowance: WorkAllowance
    /// Peers bring what other nodes have let in: nothing is kept from them.
    private let isPeer: Bool
    private var work: WorkFlood
    private var unnoted = 0
    /// Reserved in the memory budget for bodies that are coming in.
    private(set) var heldBytes = 0
    private var cost = 0
    private var requests = 0
    /// Of the cost, since the connection began.
    private var headerCost = 0
    private var refusalCost = 0

    init(_ server: WorkerServer, _ admission: ConnectionLimiter.Admission, receiver: Int, now: Int64) {
        self.server = server
        limiter = server.plan.limiter(receiver)
        address = admission.account
        connection = admission.connection
        isPeer = server.plan.listener(receiver).isForPeers
        allowance = server.plan.limits[receiver].work
        work = WorkFlood(allowance, now: now, isSuspect: admission.isSuspect)
    }

    private var memory: MemoryBudget { server.plan.memory }

    // MARK: memory

    /// Whether so much more could be taken from this client now.
    func admits(_ bytes: Int) -> Bool {
        let isAdmitted = memory.roomBytes - bytes > roomToLeave(bytes)
        if !isAdmitted { countRefusal() }
        return isAdmitted
    }

    /// Reserves memory for a body, all of which is or may soon be on the heap; false if there is none for this client.
    func hold(_ bytes: Int) -> Bool {
        guard memory.tryReserve(bytes, leaving: roomToLeave(bytes)) else {
            countRefusal()
            return false
        }
        memory.allocated(bytes)
        heldBytes += bytes
        return true
    }

    /// What was held is no longer.
    func letGo(_ bytes: Int) {
        guard bytes > 0 else { return }
        heldBytes -= bytes
        memory.allocated(-bytes)
        memory.release(bytes)
    }

    /// Enters into the client's share what it brought.
    func took(_ bytes: Int) {
        unnoted += bytes
        guard unnoted >= Self.noteBytes, !isPeer else { return }
        server.plan.shares.note(unnoted, address.address, connection, server.worker.now)
        unnoted = 0
    }

    /// Memory is short, and this client has more than its share of it.
    var mustYield: Bool { memory.isShort(0) && standing == .greedy }

    private func roomToLeave(_ bytes: Int) -> Int {
        // Most requests come while there is room for all.
        guard memory.isShort(bytes) else { return 0 }
        return memory.keptFrom(standing)
    }

    private var standing: ClientStanding {
        if isPeer { return .modest }
        return server.plan.shares.standing(address.address, connection, server.worker.now)
    }

    private func countRefusal() { server.cells.add(server.metrics.memoryRefusals[standing.label]) }

    // MARK: work

    /// Header fields were decoded.
    func noteHeaders(_ bytes: Int) {
        cost += bytes
        headerCost += bytes
    }

    /// A request was answered. `refusal`: why not with OK.
    func noteAnswer(_ refusal: RefusalReason?) {
        if let refusal, refusal.isForWhatItIs {
            cost += WorkAllowance.refusalCost
            refusalCost += WorkAllowance.refusalCost
        } else {
            requests += 1
        }
    }

    /// Whether this connection must end, for what came since the last call.
    func isFlood(now: Int64) -> FloodKind? {
        if cost == 0 && requests == 0 { return nil }
        let (excess, isOver) = work.spend(cost, requests, now)
        cost = 0
        requests = 0
        guard excess > 0 else { return nil }
        let isAddressOver = address.spend(excess, allowance, now)
        guard isOver || (isAddressOver && work.isCostly) else { return nil }
        return headerCost >= refusalCost ? .headers : .refusals
    }

    /// The connection is closed for abuse: what comes from its address is let in slowly.
    func strike(_ kind: FloodKind) {
        server.cells.add(server.metrics.floods[kind])
        limiter.strike(address.address, now: server.worker.now)
    }
}

extension ClientStanding {
    fileprivate var label: MemoryRefusal {
        switch self {
        case .modest: .full
        case .modestConnection: .address
        case .greedy: .share
        }
    }
}

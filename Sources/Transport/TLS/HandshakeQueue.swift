/// Decides whose TLS handshake is next. A handshake costs a worker about a millisecond, which a client gets for one packet;
/// so handshakes get a bounded share of a worker's time, and every address its turn.
///
/// A value without clock and sockets.
package struct HandshakeQueue: ~Copyable {
    /// Names a connection; never used again, as the name of one that left must not hit another.
    package typealias Ticket = UInt64

    package struct Limits: Sendable, Equatable {
        /// Connections that wait for their turn or are in the middle of a handshake, of one worker.
        package var open = 4096
        /// The same for one address.
        package var openPerAddress = 1024

        package init() {}
    }

    package enum Admission: Sendable, Equatable {
        /// It waits until `next` hands it out.
        case waiting
        /// Too many are open, in all or from this address.
        case refused
    }

    private struct Line {
        var waiting: [Ticket] = []
        /// Where the first waiting one stands; those before it are gone.
        var head = 0
        /// Waiting or under way.
        var open = 0
    }

    private let limits: Limits
    private var lines: [PeerAddress: Line] = [:]
    /// Addresses with somebody waiting, in the order of their turns.
    private var turns: [PeerAddress] = []
    private var turn = 0
    private var addresses: [Ticket: PeerAddress] = [:]
    /// Tickets that wait for their turn.
    package private(set) var waitingCount = 0

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Waiting or under way.
    package var openCount: Int { addresses.count }

    /// Puts a connection at the end of its address's line.
    package mutating func add(_ ticket: Ticket, from address: PeerAddress) -> Admission {
        var line = lines[address] ?? Line()
        guard addresses.count < limits.open, line.open < limits.openPerAddress, addresses[ticket] == nil else {
            return .refused
        }
        line.open += 1
        if line.head == line.waiting.count { turns.append(address) }
        line.waiting.append(ticket)
        lines[address] = line
        addresses[ticket] = address
        waitingCount += 1
        return .waiting
    }

    /// The next one whose turn it is; addresses take turns, each address in the order of arrival.
    /// - Complexity: amortized O(1).
    package mutating func next() -> Ticket? {
        while turn < turns.count {
            let address = turns[turn]
            turn += 1
            compactTurns()
            guard var line = lines[address] else { continue }
            var found: Ticket?
            while found == nil, line.head < line.waiting.count {
                let ticket = line.waiting[line.head]
                line.head += 1
                // Those that left are passed over.
                if addresses[ticket] != nil { found = ticket }
            }
            if line.head == line.waiting.count {
                line.waiting.removeAll()
                line.head = 0
            } else {
                turns.append(address)
            }
            lines[address] = line.open == 0 ? nil : line
            if let found {
                waitingCount -= 1
                return found
            }
        }
        return nil
    }

    /// The connection is through with its handshake, or gone. Also for one that still waits.
    /// - Parameter isWaiting: whether `next` has not handed it out yet.
    package mutating func remove(_ ticket: Ticket, isWaiting: Bool) {
        guard let address = addresses.removeValue(forKey: ticket) else { return }
        if isWaiting { waitingCount -= 1 }
        guard var line = lines[address] else { return }
        line.open -= 1
        lines[address] = line.open == 0 && line.head == line.waiting.count ? nil : line
    }

    private mutating func compactTurns() {
        guard turn > 256, turn * 2 > turns.count else { return }
        turns.removeFirst(turn)
        turn = 0
    }
}

/// How much of a worker's time handshakes may take: a bucket that fills with what they cost and leaks at a fixed share of time.
package struct HandshakeBudget: Sendable, Equatable {
    /// Handshakes get `share` of every `window` of time in the long run, and `share` at once; nanoseconds.
    private let window: Int64
    private let share: Int64
    private var filled: Int64 = 0
    private var lookedAt: Int64?

    /// The default is 30 % of a worker, in steps that delay nothing by more than three milliseconds.
    package init(window: Int64 = 10_000_000, share: Int64 = 3_000_000) {
        self.window = window
        self.share = share
    }

    /// How long the next handshake has to wait, nanoseconds; 0 if it may begin.
    package mutating func wait(now: Int64) -> Int64 {
        let since = lookedAt ?? now
        let (elapsed, overflows) = now.subtractingReportingOverflow(since)
        // The bucket is empty long before the product below could overflow.
        if overflows || elapsed > 1000 * window {
            filled = 0
            lookedAt = now
        } else if elapsed > 0 {
            let leaked = elapsed * share / window
            filled = max(0, filled - leaked)
            // What is less than one unit goes on counting.
            lookedAt = filled == 0 ? now : since + leaked * window / share
        } else {
            lookedAt = since
        }
        return filled < share ? 0 : ((filled - share + 1) * window + share - 1) / share
    }

    /// A handshake's step took so long.
    package mutating func spend(_ time: Int64) { filled = min(filled + max(0, time), 100 * share) }
}

/// What a lane's hand-off did, in spans. Spans of chunks that are not acknowledged count as held.
package struct HandoffLedger: Sendable, Equatable {
    package var handedOff = 0
    /// Came back into the shard since their peer was gone.
    package var returned = 0
    /// Spans that came back, or were sent to a peer that was away, though they may have been taken before.
    package var possiblyDuplicated = 0

    package init() {}
}

/// Brings the buffered traces and the decisions that moved to another owner there. One per lane (worker).
///
/// The driver sweeps over its shard in order of deadlines (`Shard.beginSweep`, `sweep...`) as long as `allowance` is above
/// zero, puts what moved into a chunk builder for each peer, and gives finished chunks to `enqueue`; first all decisions, then
/// the traces. A chunk is held here until its receiver has acknowledged it, and repeated under the same identity
/// (`RecentBatches`) until then. If the peer leaves the ring unreachable, its chunks come back (`.takeBack`), and the next
/// sweep finds their traces in the shard again. When the sweep is complete and everything acknowledged, every member hears that
/// it was the last.
///
/// While a sweep is going on, the shard decides nothing beyond `frontier`: traces that moved are decided by their new owner.
/// Bounds: `handoffWindowBytes` of chunks held (and one chunk), `handoffBandwidth`.
package struct HandoffSender: Sendable {
    package enum Action: Sendable, Equatable {
        /// Send a message; report with `completed`.
        case send(to: String, id: UInt64, message: [UInt8])
        /// Adopt the chunk in this node's own shards, as if a peer had sent it.
        case takeBack(HandoffChunk, spans: Int)
    }

    private struct Chunk: Sendable {
        var peer: String
        /// Empty for the announcement that a lane is done.
        var chunk: HandoffChunk
        var body: [UInt8]
        var spans: Int
        var earliestDeadline: Int64
        var isLast: Bool
        var createdAt: Int64
        var deadline: Int64?
        var nextAttempt: Int64
        var attempts = 0
        var isUncertain = false
    }

    private let address: String
    private let incarnation: UInt64
    private let lane: UInt32
    private let laneCount: UInt32
    private let settings: ClusterSettings
    private var ring: HashRing?
    private var ringEpoch: UInt64 = 0
    private var nextSequence: UInt64 = 1
    private var chunks: [UInt64: Chunk] = [:]
    private var unreachable: Set<String> = []
    private var tokens: Double
    private var tokensAt: Int64
    /// Bytes of chunks held.
    package private(set) var heldBytes = 0
    /// Spans of chunks held.
    package private(set) var heldSpans = 0
    package private(set) var ledger = HandoffLedger()
    /// Counts up with every slice of a sweep that saw something or waited for its pace, and with every chunk that was acknowledged
    /// or came back: peers wait for this lane while it grows.
    package private(set) var progress: UInt64 = 0
    /// Whether the driver has to go on with its sweep.
    package private(set) var isSweeping = false
    /// Whether the members still have to hear that this lane is done.
    private var owesLast = false
    private var isSweptDecisions = false
    /// Whether chunks say how far this lane has come.
    private var promises = false
    /// How far the sweep has come: every moved trace due earlier is in a chunk.
    private var sweptUpTo: Int64 = .min

    package init(
        address: String, incarnation: UInt64, lane: UInt32, laneCount: UInt32, settings: ClusterSettings, now: Int64
    ) {
        self.address = address
        self.incarnation = incarnation
        self.lane = lane
        self.laneCount = laneCount
        self.settings = settings
        tokens = Double(settings.handoffBandwidth) / 50
        tokensAt = now
    }

    /// Nothing is swept, held or owed: this lane's part of the hand-off is over.
    package var isIdle: Bool { !isSweeping && chunks.isEmpty && !owesLast }

    /// Traces of the shard due up to this time may be decided here; `.max` when no sweep is going on.
    package var decisionLimit: Int64 { isSweeping ? sweptUpTo : .max }

    /// The same, but no trace is held for longer than `ClusterSettings.maximumHold`.
    package func decisionLimit(now: Int64) -> Int64 {
        max(decisionLimit, saturatingAdd(now, -settings.maximumHold))
    }

    /// Bytes that go at once: 20 ms worth, and at least a chunk. Whatever goes at once, clients' requests wait for.
    private static func burst(_ settings: ClusterSettings) -> Double {
        max(Double(settings.handoffBandwidth) / 50, Double(settings.handoffChunkBytes))
    }

    /// Bytes that may be put into chunks now; 0: wait. - Complexity: O(1).
    package mutating func allowance(now: Int64) -> Int {
        let rate = Double(max(1, settings.handoffBandwidth))
        let most = Self.burst(settings)
        tokens = min(most, tokens + Double(max(0, now - tokensAt)) * rate / 1e9)
        tokensAt = max(now, tokensAt)
        guard isSweeping else { return 0 }
        guard tokens > 0 else {
            // Waiting for its turn, a sweep gets on: a large trace may take longer than peers have patience.
            progress &+= 1
            return 0
        }
        return max(0, min(settings.handoffWindowBytes - heldBytes, Int(tokens)))
    }

    // MARK: the sweep

    /// Another ring (or the same with a higher epoch) is in force: the driver begins its sweep anew.
    ///
    /// Chunks for peers that are still members, or still answer, stay on their way: who receives one that is not his hands it on.
    ///
    /// - Parameter isOrdered: `ClusterCore.isHandoffOrdered`. Without it, or if the last hand-off of this lane is not over, this
    ///   node may hold parts of traces whose older parts are elsewhere. Those are due before what it sees as their time, so
    ///   that no frontier holds for them: receivers wait until everything has been handed over.
    package mutating func ringChanged(
        _ ring: HashRing, epoch: UInt64, isOrdered: Bool = false, now: Int64
    ) -> [Action] {
        promises = isOrdered && isIdle
        self.ring = ring
        ringEpoch = epoch
        isSweeping = true
        isSweptDecisions = false
        owesLast = true
        sweptUpTo = .min
        var actions: [Action] = []
        for number in chunks.keys.sorted() {
            guard let chunk = chunks[number] else { continue }
            if chunk.isLast {
                drop(number)
            } else if chunk.deadline == nil && unreachable.contains(chunk.peer) && !ring.contains(chunk.peer) {
                takeBack(number, now, &actions)
            }
        }
        return actions
    }

    /// Takes a finished chunk over for sending.
    package mutating func enqueue(_ builder: inout HandoffChunkBuilder, to peer: String, now: Int64) -> [Action] {
        guard !builder.isEmpty else { return [] }
        let earliest = builder.earliestDeadline
        let spans = builder.spanCount
        let number = add(builder.finish(), spans: spans, earliest: earliest, isLast: false, to: peer, now: now)
        var actions: [Action] = []
        attempt(number, now, &actions)
        return actions
    }

    /// The driver's sweep got so far: all moved decisions, and all moved traces due before `frontier`, are in chunks.
    ///
    /// - Complexity: O(1).
    package mutating func swept(frontier: Int64) {
        isSweptDecisions = true
        sweptUpTo = max(sweptUpTo, frontier)
    }

    /// The driver's sweep looked at something more, whether it had moved or not.
    package mutating func sweptSlice() { progress &+= 1 }

    /// The driver's sweep has seen everything.
    package mutating func sweepEnded(now: Int64) -> [Action] {
        isSweeping = false
        return tick(now: now)
    }

    // MARK: events

    /// A chunk's attempt ended; see `ForwardOutcome`.
    package mutating func completed(_ id: UInt64, _ outcome: ForwardOutcome, now: Int64) -> [Action] {
        var actions: [Action] = []
        complete(id, outcome, now, &actions)
        announceLast(now, &actions)
        return actions
    }

    private mutating func complete(_ id: UInt64, _ outcome: ForwardOutcome, _ now: Int64, _ actions: inout [Action]) {
        guard var chunk = chunks[id], chunk.deadline != nil else { return }
        chunk.deadline = nil
        var wish: Int64 = 0
        switch outcome {
        case .taken:
            progress &+= 1
            chunks[id] = chunk
            drop(id)
            ledger.handedOff += chunk.spans
            return
        case .refused(let retryAfter): wish = min(retryAfter, settings.retryMaximum)
        case .unknown: chunk.isUncertain = true
        case .notSent: break
        }
        let backoff = min(settings.retryMaximum, settings.retryInitial << Int64(min(max(chunk.attempts - 1, 0), 16)))
        chunk.nextAttempt = now + max(wish, backoff)
        chunks[id] = chunk
        if unreachable.contains(chunk.peer), !(ring?.contains(chunk.peer) ?? false) { takeBack(id, now, &actions) }
    }

    /// A peer answers no status messages any more, or again.
    package mutating func reachable(_ peer: String, _ isReachable: Bool, now: Int64) -> [Action] {
        var actions: [Action] = []
        if isReachable {
            guard unreachable.remove(peer) != nil else { return [] }
            for number in chunks.keys.sorted() where chunks[number]?.peer == peer {
                // It may be a new process, which does not know what the one before it took.
                guard let chunk = chunks[number], chunk.isUncertain else { continue }
                ledger.possiblyDuplicated += chunk.spans
                chunks[number]?.isUncertain = false
            }
            // It has missed the last word, and would wait for it.
            if isIdle, ring?.contains(peer) == true { sendLast(to: peer, now, &actions) }
        } else {
            unreachable.insert(peer)
            for number in chunks.keys.sorted() where chunks[number]?.peer == peer {
                if chunks[number]?.deadline != nil { complete(number, .unknown, now, &actions) }
                guard let chunk = chunks[number] else { continue }
                if chunk.isLast { drop(number) } else if !(ring?.contains(peer) ?? false) { takeBack(number, now, &actions) }
            }
        }
        actions += tick(now: now)
        return actions
    }

    /// Repeats and gives up. Every 50 ms while not idle.
    package mutating func tick(now: Int64) -> [Action] {
        var actions: [Action] = []
        for number in chunks.keys.sorted() {
            guard let chunk = chunks[number] else { continue }
            if let deadline = chunk.deadline {
                if deadline <= now { complete(number, .unknown, now, &actions) }
            } else if now - chunk.createdAt >= settings.handoffTimeout {
                takeBack(number, now, &actions)
            } else if chunk.nextAttempt <= now {
                attempt(number, now, &actions)
            }
        }
        announceLast(now, &actions)
        return actions
    }

    /// The node leaves and can wait no longer: everything comes back to be decided here.
    package mutating func takeBackAll(now: Int64) -> [Action] {
        var actions: [Action] = []
        isSweeping = false
        owesLast = false
        for number in chunks.keys.sorted() { takeBack(number, now, &actions) }
        return actions
    }

    // MARK: chunks

    private mutating func add(
        _ chunk: HandoffChunk, spans: Int, earliest: Int64, isLast: Bool, to peer: String, now: Int64
    ) -> UInt64 {
        let number = nextSequence
        nextSequence += 1
        let body = chunk.encodedBody
        chunks[number] = Chunk(
            peer: peer, chunk: chunk, body: body, spans: spans, earliestDeadline: earliest, isLast: isLast,
            createdAt: now, nextAttempt: now)
        heldBytes += body.count
        heldSpans += spans
        tokens -= Double(body.count)
        return number
    }

    private mutating func drop(_ number: UInt64) {
        guard let chunk = chunks.removeValue(forKey: number) else { return }
        heldBytes -= chunk.body.count
        heldSpans -= chunk.spans
    }

    private mutating func takeBack(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard let chunk = chunks[number] else { return }
        drop(number)
        if chunk.isLast { return }
        progress &+= 1
        ledger.returned += chunk.spans
        if chunk.isUncertain || chunk.deadline != nil { ledger.possiblyDuplicated += chunk.spans }
        actions.append(.takeBack(chunk.chunk.aged(by: now - chunk.createdAt), spans: chunk.spans))
    }

    private mutating func attempt(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard var chunk = chunks[number], chunk.deadline == nil, !unreachable.contains(chunk.peer) else { return }
        chunk.deadline = now + settings.handoffChunkTimeout
        chunk.attempts += 1
        chunks[number] = chunk
        let header = HandoffHeader(
            sender: address, incarnation: incarnation, lane: lane, laneCount: laneCount, sequence: number,
            ringVersion: ring?.version ?? 0, ringEpoch: ringEpoch, frontier: frontier(except: number, now: now),
            isLast: chunk.isLast, heldFor: now - chunk.createdAt)
        actions.append(.send(to: chunk.peer, id: number, message: HandoffChunk.message(header, body: chunk.body)))
    }

    /// Relative to now: all that is due earlier has been acknowledged. While decisions are not all over, nothing is promised.
    private func frontier(except number: UInt64, now: Int64) -> Int64 {
        let day: Int64 = 86_400_000_000_000
        guard promises else { return -day }
        var frontier = isSweeping ? sweptUpTo : Int64.max
        for (other, chunk) in chunks where other != number {
            // Decisions stand before everything.
            frontier = min(frontier, chunk.chunk.decisions.isEmpty ? chunk.earliestDeadline : .min)
        }
        if frontier == .min || !isSweptDecisions && isSweeping { return -day }
        return min(max(frontier == .max ? day : frontier - now, -day), day)
    }

    /// When nothing is left to hand off, every other member hears so.
    private mutating func announceLast(_ now: Int64, _ actions: inout [Action]) {
        guard owesLast, !isSweeping, chunks.isEmpty, let ring else { return }
        owesLast = false
        for member in ring.members where member.address != address && !unreachable.contains(member.address) {
            sendLast(to: member.address, now, &actions)
        }
    }

    private mutating func sendLast(to peer: String, _ now: Int64, _ actions: inout [Action]) {
        let number = add(HandoffChunk(), spans: 0, earliest: .max, isLast: true, to: peer, now: now)
        attempt(number, now, &actions)
    }
}

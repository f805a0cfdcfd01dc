internal import OTLP

/// What became of an attempt to hand a batch to a peer.
package enum ForwardOutcome: Sendable, Equatable {
    /// The peer holds the spans.
    case taken
    /// The peer said no; it holds none of the spans. It wants to be left alone for so long, nanoseconds (0: no wish).
    case refused(retryAfter: Int64)
    /// No answer: the peer may hold the spans.
    case unknown
    /// The batch was not sent: there is no connection.
    case notSent
}

/// Spans of a lane that went through the forwarder and were answered with OK (or will be, since a part of them is held
/// somewhere). At every instant: accepted = forwarded + kept + in custody.
package struct ForwardingLedger: Sendable, Equatable {
    package var accepted = 0
    /// Taken by another node.
    package var forwarded = 0
    /// Given back to this node's shards (`Forwarder.Action.keep`).
    package var kept = 0
    /// Batches sent to a new owner, or to a peer that was away, though an earlier one may hold them: spans that may be there twice.
    package var possiblyDuplicated = 0

    package init() {}
}

/// Takes the spans of other owners to them, and answers for them until they are there. One per lane (worker).
///
/// **A request is answered when every part of it is held by somebody.**
/// - All owners took theirs: OK.
/// - Nothing of it is held anywhere (no local spans, every owner refused): it is refused, and nothing is kept.
/// - Otherwise a refusal would make the client repeat spans that are held, and an OK would be false for the rest. So the rest
///   stays here *in custody*: the answer is OK, since this node holds the spans, in memory that was set aside before anything
///   was sent (`hasRoom`), and takes them to their owner as soon as it takes them, to a new owner when the ring changes, or
///   keeps them itself after `custodyTimeout`.
///
/// **No span is taken twice by a node**: a batch keeps its id through all attempts, and receivers know the ids they took
/// (`RecentBatches`). An attempt without an answer is repeated to the same peer as long as that answers status messages; only
/// when it is unreachable the batch goes to another owner. If it was not dead but cut off, the spans are there twice
/// (`ForwardingLedger.possiblyDuplicated`): losing them would be worse.
///
/// **Requests share batches.** Of what clients send, one batch goes at once; what comes within `forwardDelay` after it is gathered
/// by owner and goes when that time is over, or a batch would become larger than `forwardBytes`, or the ring changes. So a lane sends 1 / `forwardDelay`
/// batches a second to a peer however small its clients' requests are, and a node with little to do does not wait at all.
/// Requests put one behind the other are one request (protobuf's merging), so gathering copies and nothing more.
///
/// Bounds: `custodyBytes` and `custodyBatches` for all batches, under way or waiting; `maximumInFlight` under way to a peer.
package struct Forwarder: Sendable {
    package enum Action: Sendable, Equatable {
        /// Send a batch; report with `completed`.
        case send(to: String, ForwardHeaders, payload: [UInt8], attempt: Int)
        /// A request is settled: nil means OK, otherwise it is refused, with this delay for the client.
        case answer(token: UInt64, refusedFor: Int64?)
        /// Take these spans into this node's own shards now. They are counted here as `kept`; they may belong to another
        /// node (`ClusterCore.foundForeignTraces`).
        case keep(RequestPart)
    }

    struct Batch: Sendable {
        var peer: String
        var hop: UInt8
        var part: RequestPart
        /// What `part` consists of, in this order.
        var pieces: [Piece]
        var createdAt: Int64
        /// While it is under way.
        var deadline: Int64?
        var nextAttempt: Int64
        var attempts = 0
        /// An attempt had no answer: its peer may hold the spans.
        var isUncertain = false

        /// Spans that no request waits for any more.
        var custodySpans: Int { pieces.reduce(0) { $0 + ($1.token == nil ? $1.spans : 0) } }
        /// The requests that wait for it.
        var tokens: [UInt64] { pieces.compactMap(\.token) }
    }

    /// One request's share of a batch.
    struct Piece: Sendable {
        /// The request that waits for it; nil: in custody.
        var token: UInt64?
        var spans: Int
        var bytes: Int
    }

    struct Request: Sendable {
        /// Batches that are neither taken nor given up so far.
        var open: Set<UInt64>
        /// Something of the request is held somewhere, so that it can't be refused any more.
        var isHeld: Bool
        var retryAfter: Int64 = 0
    }

    let address: String
    private let incarnation: UInt64
    private let lane: UInt32
    private let settings: ClusterSettings
    private(set) var ring: HashRing?
    var batches: [UInt64: Batch] = [:]
    /// Ascending numbers of all batches.
    private var order: [UInt64] = []
    private var inFlight: [String: Int] = [:]
    var requests: [UInt64: Request] = [:]
    private(set) var unreachable: Set<String> = []
    private var nextSequence: UInt64 = 1
    /// By peer: the batch that is not sent yet and takes more.
    private var gathering: [String: UInt64] = [:]
    /// What clients send is gathered until then.
    private var gatherUntil: Int64 = .min
    var parter = RequestParter()

    package internal(set) var ledger = ForwardingLedger()
    /// Bytes of all batches held.
    package private(set) var heldBytes = 0
    /// Spans in custody: accepted, and held here until their owner takes them.
    package internal(set) var custodySpans = 0

    package init(address: String, incarnation: UInt64, lane: UInt32, settings: ClusterSettings) {
        self.address = address
        self.incarnation = incarnation
        self.lane = lane
        self.settings = settings
    }

    package var batchCount: Int { batches.count }
    package var isEmpty: Bool { batches.isEmpty }

    /// Whether a request with these parts may be submitted. Ask before anything of it is committed anywhere.
    package func hasRoom(batches count: Int, bytes: Int) -> Bool {
        // The oldest batch must stay within what receivers remember.
        let span = order.first.map { nextSequence - $0 } ?? 0
        return heldBytes + bytes <= settings.custodyBytes && batches.count + count <= settings.custodyBatches
            && span + UInt64(count) < RecentBatches.window / 2
    }

    /// When `tick` should be called next, or nil while nothing is held.
    package var nextDeadline: Int64? {
        batches.values.reduce(nil as Int64?) { earliest, batch in
            let due = batch.deadline ?? min(batch.nextAttempt, batch.createdAt + settings.custodyTimeout)
            return min(earliest ?? .max, due)
        }
    }

    /// When `sendGathered` should be called next, or nil. To be asked after `submit`.
    package func nextGathered(after now: Int64) -> Int64? {
        var earliest: Int64?
        for number in gathering.values {
            guard let due = batches[number]?.nextAttempt, due > now else { continue }
            earliest = min(earliest ?? .max, due)
        }
        return earliest
    }

    // MARK: events

    /// Sends the parts of a request off. Room was seen by `hasRoom`.
    ///
    /// - Parameters:
    ///   - token: names the request in `.answer`. Unique among those that are open.
    ///   - parts: by owner's address.
    ///   - localSpansHeld: this node has taken spans of the same request into its own shards.
    ///   - hop: how often these spans were forwarded so far.
    package mutating func submit(
        token: UInt64, parts: [(owner: String, part: RequestPart)], localSpansHeld: Bool, hop: UInt8, now: Int64
    ) -> [Action] {
        var actions: [Action] = []
        var request = Request(open: [], isHeld: localSpansHeld)
        for (owner, part) in parts {
            request.open.insert(gather(part, to: owner, hop: hop &+ 1, token: token, now: now, &actions))
        }
        requests[token] = request
        for number in request.open.sorted() where isReady(number, now) { attempt(number, now, &actions) }
        settle(token, &actions)
        return actions
    }

    /// Sends what was gathered long enough.
    package mutating func sendGathered(now: Int64) -> [Action] {
        var actions: [Action] = []
        for number in gathering.values.sorted() where isReady(number, now) { attempt(number, now, &actions) }
        return actions
    }

    /// An attempt ended.
    ///
    /// Of an attempt that was given up only that the spans were taken still counts: what was sent since then may be taken yet.
    package mutating func completed(_ id: BatchID, attempt: Int, _ outcome: ForwardOutcome, now: Int64) -> [Action] {
        var actions: [Action] = []
        guard id.incarnation == incarnation, id.lane == lane, let batch = batches[id.sequence], batch.deadline != nil,
            outcome == .taken || attempt == batch.attempts
        else { return [] }
        complete(id.sequence, outcome, now, &actions)
        return actions
    }

    /// A peer answers no status messages any more, or again. The driver ends what is under way to an unreachable one without
    /// reporting it.
    package mutating func reachable(_ peer: String, _ isReachable: Bool, now: Int64) -> [Action] {
        var actions: [Action] = []
        if isReachable {
            guard unreachable.remove(peer) != nil else { return [] }
            for number in order where batches[number]?.peer == peer {
                batches[number]?.nextAttempt = now
                // It may be a new process, which does not know what the one before it took.
                guard let batch = batches[number], batch.isUncertain else { continue }
                ledger.possiblyDuplicated += batch.part.spans
                batches[number]?.isUncertain = false
            }
        } else {
            unreachable.insert(peer)
            for number in order where batches[number]?.peer == peer && batches[number]?.deadline != nil {
                complete(number, .unknown, now, &actions)
            }
            for number in order where batches[number]?.peer == peer { reroute(number, now, &actions) }
        }
        pump(now, &actions)
        return actions
    }

    /// Another ring is in force: what waits goes to its new owner.
    package mutating func ringChanged(_ ring: HashRing, now: Int64) -> [Action] {
        var actions: [Action] = []
        // They were cut by the ring that was, and say so.
        for number in gathering.values.sorted() { attempt(number, now, &actions) }
        self.ring = ring
        for number in order where batches[number]?.deadline == nil { reroute(number, now, &actions) }
        pump(now, &actions)
        return actions
    }

    /// Repeats, gives up, keeps. Call at `nextDeadline`, or every 50 ms.
    package mutating func tick(now: Int64) -> [Action] {
        var actions: [Action] = []
        for number in order {
            guard let batch = batches[number] else { continue }
            if let deadline = batch.deadline {
                if deadline <= now { complete(number, .unknown, now, &actions) }
            } else if now - batch.createdAt >= settings.custodyTimeout {
                keep(number, &actions)
            }
        }
        pump(now, &actions)
        return actions
    }

    /// The node leaves and can wait no longer: whatever is held is kept here and decided.
    package mutating func keepAll() -> [Action] {
        var actions: [Action] = []
        for number in order where batches[number] != nil { keep(number, &actions) }
        return actions
    }

    // MARK: batches

    /// Puts a part of a request into a batch that has not left, if that does not become too large, or into a new one.
    private mutating func gather(
        _ part: RequestPart, to peer: String, hop: UInt8, token: UInt64, now: Int64, _ actions: inout [Action]
    ) -> UInt64 {
        let gathers = settings.forwardDelay > 0 && hop == 1
        if gathers, let number = gathering[peer], let held = batches[number]?.part.payload.count {
            guard held + part.payload.count <= settings.forwardBytes else {
                close(number, now)
                attempt(number, now, &actions)
                return gather(part, to: peer, hop: hop, token: token, now: now, &actions)
            }
            batches[number]?.part.payload += part.payload
            batches[number]?.part.spans += part.spans
            batches[number]?.pieces.append(Piece(token: token, spans: part.spans, bytes: part.payload.count))
            heldBytes += part.payload.count
            return number
        }
        let number = add(part, to: peer, hop: hop, token: token, now: now)
        if gathers {
            batches[number]?.nextAttempt = max(now, gatherUntil)
            gathering[peer] = number
            if part.payload.count >= settings.forwardBytes { close(number, now) }
        }
        return number
    }

    /// A batch takes no more, and need not wait.
    private mutating func close(_ number: UInt64, _ now: Int64) {
        if let peer = batches[number]?.peer, gathering[peer] == number { gathering[peer] = nil }
        batches[number]?.nextAttempt = now
    }

    /// Whether nothing is won by waiting any longer.
    private func isReady(_ number: UInt64, _ now: Int64) -> Bool {
        guard let batch = batches[number] else { return false }
        return batch.nextAttempt <= now || unreachable.contains(batch.peer)
    }

    mutating func add(_ part: RequestPart, to peer: String, hop: UInt8, token: UInt64?, now: Int64) -> UInt64 {
        let number = nextSequence
        nextSequence += 1
        let piece = Piece(token: token, spans: part.spans, bytes: part.payload.count)
        batches[number] = Batch(
            peer: peer, hop: hop, part: part, pieces: [piece], createdAt: now, nextAttempt: now)
        order.append(number)
        heldBytes += part.payload.count
        return number
    }

    mutating func remove(_ number: UInt64) -> Batch? {
        guard let batch = batches.removeValue(forKey: number) else { return nil }
        if gathering[batch.peer] == number { gathering[batch.peer] = nil }
        heldBytes -= batch.part.payload.count
        if batch.deadline != nil { land(batch.peer) }
        if let position = order.firstIndex(of: number) { order.remove(at: position) }
        return batch
    }

    /// Takes a refused request's share out of a batch. Nobody can hold it (`Batch.isUncertain`), so what is left may keep its id.
    private mutating func drop(_ token: UInt64, from number: UInt64) {
        guard var batch = batches[number] else { return }
        guard batch.pieces.contains(where: { $0.token != token }) else {
            _ = remove(number)
            return
        }
        let whole = batch.part
        let pieces = batch.pieces
        batch.part = RequestPart(payload: [], spans: 0)
        batch.pieces = []
        var start = 0
        for piece in pieces {
            if piece.token != token {
                batch.part.payload += whole.payload[start..<start + piece.bytes]
                batch.part.spans += piece.spans
                batch.pieces.append(piece)
            }
            start += piece.bytes
        }
        heldBytes -= whole.payload.count - batch.part.payload.count
        batches[number] = batch
    }

    private mutating func land(_ peer: String) {
        let count = (inFlight[peer] ?? 0) - 1
        inFlight[peer] = count > 0 ? count : nil
    }

    /// Sends what may be sent, oldest first.
    private mutating func pump(_ now: Int64, _ actions: inout [Action]) {
        for number in order {
            guard let batch = batches[number], batch.deadline == nil, batch.nextAttempt <= now else { continue }
            attempt(number, now, &actions)
        }
    }

    mutating func attempt(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard var batch = batches[number], batch.deadline == nil else { return }
        if unreachable.contains(batch.peer) {
            if gathering[batch.peer] == number { gathering[batch.peer] = nil }
            complete(number, .notSent, now, &actions)
            return
        }
        guard inFlight[batch.peer] ?? 0 < settings.maximumInFlight else { return }
        inFlight[batch.peer, default: 0] += 1
        if gathering[batch.peer] == number { gathering[batch.peer] = nil }
        if batch.attempts == 0 && batch.hop == 1 { gatherUntil = max(gatherUntil, now + settings.forwardDelay) }
        batch.deadline = now + settings.forwardTimeout
        batch.attempts += 1
        batches[number] = batch
        let headers = ForwardHeaders(
            batch: BatchID(incarnation: incarnation, lane: lane, sequence: number), hop: batch.hop,
            ringVersion: ring?.version ?? 0)
        actions.append(.send(to: batch.peer, headers, payload: batch.part.payload, attempt: batch.attempts))
    }

    private mutating func complete(_ number: UInt64, _ outcome: ForwardOutcome, _ now: Int64, _ actions: inout [Action]) {
        guard var batch = batches[number] else { return }
        if batch.deadline != nil {
            batch.deadline = nil
            land(batch.peer)
        }
        switch outcome {
        case .taken:
            batches[number] = batch
            _ = remove(number)
            let inCustody = batch.custodySpans
            custodySpans -= inCustody
            ledger.accepted += batch.part.spans - inCustody
            ledger.forwarded += batch.part.spans
            for token in batch.tokens { finish(number, of: token, isHeld: true, &actions) }
        case .refused(let retryAfter):
            batch.nextAttempt = now + max(min(retryAfter, settings.retryMaximum), backoff(batch.attempts))
            batches[number] = batch
            for token in batch.tokens {
                if let wish = requests[token]?.retryAfter { requests[token]?.retryAfter = max(wish, retryAfter) }
            }
            giveUp(number, &actions)
            reroute(number, now, &actions)
        case .unknown:
            batch.isUncertain = true
            batch.nextAttempt = now + backoff(batch.attempts)
            batches[number] = batch
            giveUp(number, &actions)
            reroute(number, now, &actions)
        case .notSent:
            batch.nextAttempt = now + backoff(max(1, batch.attempts))
            batches[number] = batch
            giveUp(number, &actions)
        }
        pumpPeer(batch.peer, now, &actions)
    }

    private mutating func pumpPeer(_ peer: String, _ now: Int64, _ actions: inout [Action]) {
        guard !unreachable.contains(peer) else { return }
        for number in order {
            guard inFlight[peer] ?? 0 < settings.maximumInFlight else { return }
            guard let batch = batches[number], batch.peer == peer, batch.deadline == nil, batch.nextAttempt <= now
            else { continue }
            attempt(number, now, &actions)
        }
    }

    private func backoff(_ attempts: Int) -> Int64 {
        min(settings.retryMaximum, settings.retryInitial << Int64(min(max(attempts - 1, 0), 16)))
    }

    /// The first attempt failed: the requests do not wait for this batch any longer.
    private mutating func giveUp(_ number: UInt64, _ actions: inout [Action]) {
        guard let batch = batches[number] else { return }
        for token in batch.tokens {
            if batch.isUncertain { requests[token]?.isHeld = true }
            settle(token, &actions)
        }
    }

    mutating func finish(_ number: UInt64, of token: UInt64, isHeld: Bool, _ actions: inout [Action]) {
        requests[token]?.open.remove(number)
        if isHeld { requests[token]?.isHeld = true }
        settle(token, &actions)
    }

    /// Answers a request of which no batch is on its first way any more.
    mutating func settle(_ token: UInt64, _ actions: inout [Action]) {
        guard let request = requests[token] else { return }
        for number in request.open {
            guard let batch = batches[number] else { continue }
            // Under way, or waiting for a place on the way.
            if batch.deadline != nil || (batch.attempts == 0 && !unreachable.contains(batch.peer)) { return }
        }
        requests[token] = nil
        if request.isHeld || request.open.isEmpty {
            for number in request.open { takeCustody(of: token, in: number) }
            actions.append(.answer(token: token, refusedFor: nil))
        } else {
            for number in request.open { drop(token, from: number) }
            actions.append(.answer(token: token, refusedFor: request.retryAfter))
        }
    }

    private mutating func takeCustody(of token: UInt64, in number: UInt64) {
        guard let pieces = batches[number]?.pieces else { return }
        for (position, piece) in pieces.enumerated() where piece.token == token {
            batches[number]?.pieces[position].token = nil
            custodySpans += piece.spans
            ledger.accepted += piece.spans
        }
    }
}

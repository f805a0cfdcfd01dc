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
/// Bounds: `custodyBytes` and `custodyBatches` for all batches, under way or waiting; `maximumInFlight` under way to a peer.
package struct Forwarder: Sendable {
    package enum Action: Sendable, Equatable {
        /// Send a batch; report with `completed`.
        case send(to: String, ForwardHeaders, payload: [UInt8], spans: Int)
        /// A request is settled: nil means OK, otherwise it is refused, with this delay for the client.
        case answer(token: UInt64, refusedFor: Int64?)
        /// Take these spans into this node's own shards now. They are counted here as `kept`; they may belong to another
        /// node (`ClusterCore.foundForeignTraces`).
        case keep(RequestPart)
    }

    private struct Batch: Sendable {
        var peer: String
        var hop: UInt8
        var part: RequestPart
        /// The request that waits for it; nil: in custody.
        var token: UInt64?
        var createdAt: Int64
        /// While it is under way.
        var deadline: Int64?
        var nextAttempt: Int64
        var attempts = 0
        /// An attempt had no answer: its peer may hold the spans.
        var isUncertain = false
    }

    private struct Request: Sendable {
        /// Batches that are neither taken nor given up so far.
        var open: Set<UInt64>
        /// Something of the request is held somewhere, so that it can't be refused any more.
        var isHeld: Bool
        var retryAfter: Int64 = 0
    }

    private let address: String
    private let incarnation: UInt64
    private let lane: UInt32
    private let settings: ClusterSettings
    private var ring: HashRing?
    private var batches: [UInt64: Batch] = [:]
    /// Ascending numbers of all batches.
    private var order: [UInt64] = []
    private var inFlight: [String: Int] = [:]
    private var requests: [UInt64: Request] = [:]
    private var unreachable: Set<String> = []
    private var nextSequence: UInt64 = 1
    private var parter = RequestParter()

    package private(set) var ledger = ForwardingLedger()
    /// Bytes of all batches held.
    package private(set) var heldBytes = 0
    /// Spans in custody: accepted, and held here until their owner takes them.
    package private(set) var custodySpans = 0

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
            let number = add(part, to: owner, hop: hop &+ 1, token: token, now: now)
            request.open.insert(number)
        }
        requests[token] = request
        for number in request.open.sorted() { attempt(number, now, &actions) }
        settle(token, &actions)
        return actions
    }

    /// An attempt ended.
    package mutating func completed(_ id: BatchID, _ outcome: ForwardOutcome, now: Int64) -> [Action] {
        var actions: [Action] = []
        // An answer to an attempt that was given up: its batch was repeated, or is gone.
        guard id.incarnation == incarnation, id.lane == lane, batches[id.sequence]?.deadline != nil else { return [] }
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
        self.ring = ring
        var actions: [Action] = []
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

    private mutating func add(_ part: RequestPart, to peer: String, hop: UInt8, token: UInt64?, now: Int64) -> UInt64 {
        let number = nextSequence
        nextSequence += 1
        batches[number] = Batch(
            peer: peer, hop: hop, part: part, token: token, createdAt: now, nextAttempt: now)
        order.append(number)
        heldBytes += part.payload.count
        return number
    }

    private mutating func remove(_ number: UInt64) -> Batch? {
        guard let batch = batches.removeValue(forKey: number) else { return nil }
        heldBytes -= batch.part.payload.count
        if batch.deadline != nil { land(batch.peer) }
        if let position = order.firstIndex(of: number) { order.remove(at: position) }
        return batch
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

    private mutating func attempt(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard var batch = batches[number], batch.deadline == nil else { return }
        if unreachable.contains(batch.peer) {
            complete(number, .notSent, now, &actions)
            return
        }
        guard inFlight[batch.peer] ?? 0 < settings.maximumInFlight else { return }
        inFlight[batch.peer, default: 0] += 1
        batch.deadline = now + settings.forwardTimeout
        batch.attempts += 1
        batches[number] = batch
        let headers = ForwardHeaders(
            batch: BatchID(incarnation: incarnation, lane: lane, sequence: number), hop: batch.hop,
            ringVersion: ring?.version ?? 0)
        actions.append(.send(to: batch.peer, headers, payload: batch.part.payload, spans: batch.part.spans))
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
            if batch.token == nil {
                custodySpans -= batch.part.spans
            } else {
                ledger.accepted += batch.part.spans
            }
            ledger.forwarded += batch.part.spans
            if let token = batch.token { finish(number, of: token, isHeld: true, &actions) }
        case .refused(let retryAfter):
            batch.nextAttempt = now + max(min(retryAfter, settings.retryMaximum), backoff(batch.attempts))
            batches[number] = batch
            if let token = batch.token, let wish = requests[token]?.retryAfter {
                requests[token]?.retryAfter = max(wish, retryAfter)
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

    /// The first attempt failed: the request does not wait for this batch any longer.
    private mutating func giveUp(_ number: UInt64, _ actions: inout [Action]) {
        guard let batch = batches[number], let token = batch.token else { return }
        if batch.isUncertain { requests[token]?.isHeld = true }
        settle(token, &actions)
    }

    private mutating func finish(_ number: UInt64, of token: UInt64, isHeld: Bool, _ actions: inout [Action]) {
        requests[token]?.open.remove(number)
        if isHeld { requests[token]?.isHeld = true }
        settle(token, &actions)
    }

    /// Answers a request of which no batch is on its first way any more.
    private mutating func settle(_ token: UInt64, _ actions: inout [Action]) {
        guard let request = requests[token] else { return }
        for number in request.open {
            guard let batch = batches[number] else { continue }
            // Under way, or waiting for a place on the way.
            if batch.deadline != nil || (batch.attempts == 0 && !unreachable.contains(batch.peer)) { return }
        }
        requests[token] = nil
        if request.isHeld || request.open.isEmpty {
            for number in request.open.sorted() {
                guard let spans = batches[number]?.part.spans else { continue }
                batches[number]?.token = nil
                custodySpans += spans
                ledger.accepted += spans
            }
            actions.append(.answer(token: token, refusedFor: nil))
        } else {
            for number in request.open.sorted() { _ = remove(number) }
            actions.append(.answer(token: token, refusedFor: request.retryAfter))
        }
    }

    // MARK: another owner

    /// Sends a waiting batch to whom the ring in force says, unless its peer may hold it and can still be asked.
    private mutating func reroute(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard let ring, let batch = batches[number], batch.deadline == nil else { return }
        // A request that still waits is answered by its own rules first.
        if let token = batch.token, requests[token]?.isHeld != true { return }
        if batch.isUncertain && !unreachable.contains(batch.peer) { return }
        var index = RequestIndex()
        let walker = RequestWalker(keys: HashKeys(0, 0), checksNested: false)
        guard (try? walker.walk(batch.part.payload.span, into: &index)) != nil else {
            preconditionFailure("a part was made of a request that had been walked")
        }
        let own = ring.index(of: address) ?? -1
        let all = index
        let cut = parter.cut(body: batch.part.payload.span, index: &index, ring: ring, own: own)
        if cut.localSpans == 0 && cut.parts.count == 1 && ring.members[cut.parts[0].member].address == batch.peer { return }
        if batch.isUncertain { ledger.possiblyDuplicated += batch.part.spans }
        _ = remove(number)
        if cut.localSpans > 0 {
            let part: RequestPart
            if cut.parts.isEmpty {
                part = batch.part
            } else {
                let positions = all.records.indices.lazy.filter { ring.owner(of: all.records[$0].traceID) == own }
                    .map { UInt32(truncatingIfNeeded: $0) }
                var stitcher = RequestStitcher()
                let payload = stitcher.stitch(batch.part.payload.span, all, Array(positions), 0..<cut.localSpans)
                part = RequestPart(payload: payload, spans: cut.localSpans)
            }
            keep(part, inCustody: batch.token == nil, &actions)
        }
        var added: [UInt64] = []
        for (member, part) in cut.parts {
            let next = add(part, to: ring.members[member].address, hop: batch.hop, token: batch.token, now: now)
            batches[next]?.createdAt = batch.createdAt
            added.append(next)
        }
        if let token = batch.token {
            requests[token]?.open.remove(number)
            for next in added { requests[token]?.open.insert(next) }
            if cut.localSpans > 0 { requests[token]?.isHeld = true }
        }
        for next in added { attempt(next, now, &actions) }
        if let token = batch.token { settle(token, &actions) }
    }

    /// This node decides on the spans itself.
    private mutating func keep(_ number: UInt64, _ actions: inout [Action]) {
        guard let batch = remove(number) else { return }
        if batch.isUncertain || batch.deadline != nil { ledger.possiblyDuplicated += batch.part.spans }
        keep(batch.part, inCustody: batch.token == nil, &actions)
        if let token = batch.token { finish(number, of: token, isHeld: true, &actions) }
    }

    private mutating func keep(_ part: RequestPart, inCustody: Bool, _ actions: inout [Action]) {
        if inCustody {
            custodySpans -= part.spans
        } else {
            ledger.accepted += part.spans
        }
        ledger.kept += part.spans
        actions.append(.keep(part))
    }
}

internal import OTLP

// Batches whose way changes: to another owner, apart, or into this node's own shards.

extension Forwarder {
    /// Sends a waiting batch to whom the ring in force says, unless its peer may hold it and can still be asked.
    mutating func reroute(_ number: UInt64, _ now: Int64, _ actions: inout [Action]) {
        guard let ring, let batch = batches[number], batch.deadline == nil else { return }
        // A request that still waits is answered by its own rules first.
        if batch.tokens.contains(where: { requests[$0]?.isHeld != true }) { return }
        if batch.isUncertain && !unreachable.contains(batch.peer) { return }
        var index = RequestIndex()
        let walker = RequestWalker(keys: HashKeys(0, 0), checksNested: false)
        // A part is made of a request that was walked, so this walk succeeds. If it ever did not, the batch keeps its way.
        guard (try? walker.walk(batch.part.payload.span, into: &index)) != nil else { return }
        let own = ring.index(of: address) ?? -1
        let all = index
        let cut = parter.cut(body: batch.part.payload.span, index: &index, ring: ring, own: own)
        if cut.localSpans == 0 && cut.parts.count == 1 && ring.members[cut.parts[0].member].address == batch.peer { return }
        guard batch.pieces.count == 1 else {
            for single in split(number) { reroute(single, now, &actions) }
            return
        }
        let token = batch.pieces[0].token
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
            keep(part, inCustody: token == nil ? part.spans : 0, &actions)
        }
        var added: [UInt64] = []
        for (member, part) in cut.parts {
            let next = add(part, to: ring.members[member].address, hop: batch.hop, token: token, now: now)
            batches[next]?.createdAt = batch.createdAt
            added.append(next)
        }
        if let token {
            requests[token]?.open.remove(number)
            for next in added { requests[token]?.open.insert(next) }
            if cut.localSpans > 0 { requests[token]?.isHeld = true }
        }
        for next in added { attempt(next, now, &actions) }
        if let token { settle(token, &actions) }
    }

    /// Makes a batch of each request's share, since their ways part. Returns their numbers.
    private mutating func split(_ number: UInt64) -> [UInt64] {
        guard let batch = remove(number) else { return [] }
        if batch.isUncertain { ledger.possiblyDuplicated += batch.part.spans }
        var singles: [UInt64] = []
        var start = 0
        for piece in batch.pieces {
            let payload = Array(batch.part.payload[start..<start + piece.bytes])
            start += piece.bytes
            let part = RequestPart(payload: payload, spans: piece.spans)
            let single = add(part, to: batch.peer, hop: batch.hop, token: piece.token, now: batch.createdAt)
            batches[single]?.nextAttempt = batch.nextAttempt
            batches[single]?.attempts = batch.attempts
            if let token = piece.token {
                requests[token]?.open.remove(number)
                requests[token]?.open.insert(single)
            }
            singles.append(single)
        }
        return singles
    }

    /// This node decides on the spans itself.
    mutating func keep(_ number: UInt64, _ actions: inout [Action]) {
        guard let batch = remove(number) else { return }
        if batch.isUncertain || batch.deadline != nil { ledger.possiblyDuplicated += batch.part.spans }
        keep(batch.part, inCustody: batch.custodySpans, &actions)
        for token in batch.tokens { finish(number, of: token, isHeld: true, &actions) }
    }

    /// - Parameter inCustody: spans of it that no request waits for.
    private mutating func keep(_ part: RequestPart, inCustody: Int, _ actions: inout [Action]) {
        custodySpans -= inCustody
        ledger.accepted += part.spans - inCustody
        ledger.kept += part.spans
        // Before the answers that say that it is held.
        actions.insert(.keep(part), at: 0)
    }
}

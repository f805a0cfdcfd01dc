internal import Cluster
internal import NIOCore
internal import OTLP
internal import Sampling
internal import Telemetry

/// A chunk of traces and decisions on its way into the shards of a node, shared by all its workers and never changed.
struct AdoptedChunk: Sendable {
    var traces: [HandoffTrace]
    var decisions: [HandoffDecision]
    /// Names of their policies, by the sender's numbers.
    var policyNames: [UInt16: String]
    /// The traces' spans; nil if there are none.
    var request: ReceivedRequest?
}

/// A chunk that other workers are taking in.
struct Adoption {
    var waiting: Int
    var lateSpans: Int
    var done: (_ lateSpans: Int) -> Void
}

/// Handing traces over, and taking them.
extension ClusterLane {
    // MARK: the sweep

    /// All lanes cut requests by the ring in force: what moved with it goes to its new owners. Nothing that was cut by an older
    /// ring comes any more once the mailbox is empty.
    func beginSweep(_ ring: HashRing, epoch: UInt64, isOrdered: Bool) {
        worker.emptyMailbox()
        perform(handoff.ringChanged(ring, epoch: epoch, isOrdered: isOrdered, now: now))
        sweep.begin(worker.shard)
        self.epoch = epoch
        sweepOn()
        report()
    }

    /// Goes on with the sweep for a slice of well under a millisecond, and comes again.
    func sweepOn() {
        guard handoff.isSweeping, let ring else { return }
        let now = now
        let before = worker.shard.bufferedSpans
        let names = worker.policies.book.names
        let actions = sweep.advance(
            &worker.shard, &handoff, ring: ring, limit: Self.slice, now: now,
            policyName: { Int($0) < names.count ? names[Int($0)] : nil })
        worker.ledger.buffered -= before - worker.shard.bufferedSpans
        perform(actions)
        worker.reportMemory()
        guard handoff.isSweeping, !isSweepScheduled else { return }
        isSweepScheduled = true
        // Without an allowance there is nothing to do for a while.
        let pause: Int64 = handoff.allowance(now: now) > 0 ? 500_000 : 10_000_000
        worker.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(pause)) { [weak self] in
            self?.isSweepScheduled = false
            self?.sweepOn()
        }
    }

    /// See `HandoffSweep.advance`: a slice takes out 64 traces at most.
    private static var slice: Int { 4096 }

    func perform(_ actions: [HandoffSender.Action]) {
        for action in actions {
            switch action {
            case .send(let peer, let id, let message):
                clients.call(peer, .handoff, message, timeout: settings.handoffChunkTimeout) { [weak self] answer in
                    self?.handedOff(id, answer.outcome, bytes: message.count)
                }
            case .takeBack(let chunk, let spans):
                // It was made of this worker's shard.
                do throws(WalkError) {
                    let adopted = try unpack(chunk)
                    worker.ledger.lose(max(0, spans - (adopted.request?.index.records.count ?? 0)), .tooLarge)
                    _ = take(adopted)
                } catch {
                    worker.ledger.lose(spans, .malformed)
                }
                shared.noteForeignTraces()
            }
        }
    }

    private func handedOff(_ id: UInt64, _ outcome: ForwardOutcome, bytes: Int) {
        if let metrics {
            worker.cells.add(metrics.chunks[outcome.label])
            if outcome == .taken { worker.cells.add(metrics.handedOffBytes, bytes) }
        }
        perform(handoff.completed(id, outcome, now: now))
        sweepOn()
        report()
    }

    // MARK: chunks of peers

    /// Takes a chunk that a peer hands over. `reply` is called once, with nil for OK; maybe at once.
    func take(chunk message: [UInt8], _ reply: @escaping (RequestRefusal?) -> Void) {
        let header: HandoffHeader
        let chunk: HandoffChunk
        do throws(PeerMessageError) {
            (header, chunk) = try HandoffChunk.parse(message)
        } catch {
            return reply(RequestRefusal(.badPeerMessage, .invalidArgument, "no chunk of a hand-off: \(error)"))
        }
        guard takesFromPeers(now) else { return reply(notNow) }
        guard worker.plan.memory.admits(bytes: 2 * chunk.payload.count) else {
            return reply(worker.refuseForMemory(0))
        }
        switch shared.begin(header.batch) {
        case .pending: return reply(Self.repeated)
        case .tooOld: return reply(Self.tooOld)
        case .taken:
            received(header, lateSpans: 0)
            reply(nil)
        case .new:
            let adopted: AdoptedChunk
            do throws(WalkError) {
                adopted = try unpack(chunk)
            } catch {
                shared.finish(header.batch, taken: false)
                return reply(RequestRefusal(.badPeerMessage, .invalidArgument, "the spans of a hand-off: \(error)"))
            }
            adopt(adopted) { [self] lateSpans in
                shared.finish(header.batch, taken: true)
                received(header, lateSpans: lateSpans)
                reply(nil)
            }
        }
    }

    /// After the chunk is in its shards: decisions are held back by what this says.
    private func received(_ header: HandoffHeader, lateSpans: Int) {
        driver?.run { $0.received(header, lateSpans: lateSpans) }
    }

    private func unpack(_ chunk: HandoffChunk) throws(WalkError) -> AdoptedChunk {
        let request = chunk.payload.isEmpty ? nil : try worker.received(chunk.payload)
        return AdoptedChunk(
            traces: chunk.traces, decisions: chunk.decisions, policyNames: chunk.policyNames, request: request)
    }

    /// Brings a peer's chunk into the shards of this node. `done` is called when all of it is there.
    private func adopt(_ adopted: AdoptedChunk, _ done: @escaping (_ lateSpans: Int) -> Void) {
        let spans = adopted.request?.index.records.count ?? 0
        // They were in the peer's books: here they are in the ledger, and counted by reason.
        let leftOut = adopted.request?.index.rejected.total ?? 0
        worker.ledger.accepted += spans + leftOut
        worker.ledger.fromPeers += spans + leftOut
        if let rejected = adopted.request?.index.rejected { worker.countRejected(rejected) }
        worker.ledger.lose(leftOut, .tooLarge)
        if lanes.count <= 1 { return done(take(adopted).late) }
        nextAdoption += 1
        let number = nextAdoption
        let origin = lanes[worker.number]
        adoptions[number] = Adoption(waiting: lanes.count, lateSpans: 0, done: done)
        worker.ledger.handedToOtherWorkers += spans
        for lane in lanes {
            lane.run { lane in
                let (spans, late) = lane.take(adopted)
                lane.worker.ledger.takenFromOtherWorkers += spans
                origin.run { $0.adopted(number, late) }
            }
        }
    }

    private func adopted(_ number: UInt64, _ lateSpans: Int) {
        guard var adoption = adoptions[number] else { return }
        adoption.waiting -= 1
        adoption.lateSpans += lateSpans
        adoptions[number] = adoption.waiting == 0 ? nil : adoption
        if adoption.waiting == 0 { adoption.done(adoption.lateSpans) }
    }

    /// Takes this shard's part of a chunk. Returns its spans, and how many of them came after the decision on their trace.
    private func take(_ chunk: AdoptedChunk) -> (spans: Int, late: Int) {
        worker.adopt(
            chunk.decisions, names: chunk.policyNames, maximumAge: Int(settings.handoffDecisionAge / 1_000_000_000))
        guard let request = chunk.request else { return (0, 0) }
        let result = worker.adopt(chunk.traces, request, grace: settings.handoffGrace)
        if hasForeign(request.index.records) { shared.noteForeignTraces() }
        return result
    }
}

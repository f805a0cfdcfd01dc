internal import Cluster
internal import OTLP
internal import Sampling
internal import Telemetry

// Traces and decisions of other nodes, and spans that come back from the way to them.

extension Worker {
    /// Whether no span is here: neither in the shard nor in the mailbox.
    var holdsNothing: Bool { ledger.buffered == 0 && mailboxes[number].isEmpty && !shard.hasLarge }

    /// Takes everything out of the mailbox that is in it now.
    func emptyMailbox() {
        while mailboxes[number].drain(limit: 64, { ledger.takenFromOtherWorkers += takeOver($0).spans }) {}
        reportMemory()
    }

    /// Takes spans in that this node has accepted before. Their owners are the workers of this node, whatever the ring says; they
    /// are not asked for room, since they have been answered for.
    ///
    /// - Parameter spans: how many there are. Those that can't be taken are counted as lost, with a reason.
    func takeIn(_ payload: [UInt8], spans: Int) {
        let request: ReceivedRequest
        do throws(WalkError) {
            request = try received(payload)
        } catch {
            return ledger.lose(spans, .malformed)
        }
        ledger.lose(max(0, spans - request.index.records.count), .tooLarge)
        guard let lane, lane.lanes.count > 1 else {
            takeOver(request)
            return
        }
        ledger.handedToOtherWorkers += request.index.records.count
        for other in lane.lanes {
            other.run { lane in
                let worker = lane.worker
                worker.ledger.takenFromOtherWorkers += worker.takeOver(request).spans
                worker.reportMemory()
            }
        }
    }

    /// Adopts the decisions of this shard's traces.
    ///
    /// - Parameter names: of the policies, by the numbers that they have on the node that decided. A policy that this node has never
    ///   had is forgotten; the decision holds.
    func adopt(_ decisions: [HandoffDecision], names: [UInt16: String], maximumAge: Int) {
        let known = policies.book.names
        let numbers = names.compactMapValues { name in known.firstIndex(of: name).map { UInt16(truncatingIfNeeded: $0) } }
        let workers = UInt64(plan.workerCount)
        let now = now
        for handed in decisions where Int(handed.age) <= maximumAge {
            let hash = plan.hashKeys.hash(handed.traceID)
            guard Shard.number(of: hash, among: workers) == UInt64(number), let verdict = Verdict(rawValue: handed.verdict)
            else { continue }
            let decision = Decision(verdict: verdict, policy: handed.policy.flatMap { numbers[$0] })
            let metrics = plan.metrics.lanes
            switch shard.adopt(decision, of: handed.traceID, hash: hash, age: Int(handed.age), now: now) {
            case .remembered: if let metrics { cells.add(metrics.adoptedDecisions) }
            case .known: break
            case .conflicting: if let metrics { cells.add(metrics.conflictingDecisions) }
            case .settled(let trace):
                if let metrics { cells.add(metrics.adoptedDecisions) }
                conclude(trace)
            }
        }
    }

    /// Adopts this shard's traces of a request that holds all their spans. Returns its spans here, and how many of them came after
    /// the decision on their trace.
    func adopt(_ traces: [HandoffTrace], _ request: ReceivedRequest, grace: Int64) -> (spans: Int, late: Int) {
        let workers = UInt64(plan.workerCount)
        let now = now
        var known: [TraceID: HandoffTrace] = [:]
        for trace in traces { known[trace.traceID] = trace }
        var adopted = 0
        for record in request.index.records where Shard.number(of: record.hash, among: workers) == UInt64(number) {
            guard let trace = known.removeValue(forKey: record.traceID) else { continue }
            let version = shard.number(ofVersionWithHash: trace.policyHash) ?? policies.version.number
            let isNew = shard.adopt(
                record, age: trace.age, remaining: trace.remaining, grace: grace, policyVersion: version, now: now)
            if isNew { adopted += 1 }
        }
        if adopted > 0, let metrics = plan.metrics.lanes { cells.add(metrics.adoptedTraces, adopted) }
        let result = takeOver(request)
        reportMemory()
        return result
    }
}

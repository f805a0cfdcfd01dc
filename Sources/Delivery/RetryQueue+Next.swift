import DequeModule

extension RetryQueue {
    /// What to do now. `.send` starts the attempt: the driver must report its outcome.
    ///
    /// - Complexity: O(requests set aside for retry), about `num_consumers`.
    package mutating func next(now: Int64) -> Next {
        guard let at = nextSend() else { return .idle }
        if at > now { return .wait(until: at) }
        guard var entry = take(now: now) else { return .idle }
        queuedDepth.remove(entry.request)
        inFlightDepth.add(entry.request)
        if entry.attempts == 0 { entry.firstAttemptAt = now }
        entry.attempts += 1
        let id = nextAttemptID
        nextAttemptID += 1
        if case .open = circuit {
            circuit = .halfOpen(probe: id)
            lastProbeOrder = entry.order
        }
        flights.append(Flight(id: id, epoch: epoch, entry: entry))
        return .send(Attempt(id: id, request: entry.request, number: entry.attempts))
    }

    /// When `expire(now:)` and `next(now:)` have something to do next by the clock alone; nil if
    /// only an offer or a completed attempt can change anything. Never in the past: `now` if
    /// something is due.
    ///
    /// - Complexity: O(requests set aside for retry).
    package func nextWake(now: Int64) -> Int64? {
        var wake = nextSend() ?? .max
        if let drainDeadline {
            if !isEmpty { wake = min(wake, drainDeadline) }
        } else {
            if let first = waiting.first { wake = min(wake, first.until) }
            if retry.maxElapsedTime > 0 {
                for entry in retries { wake = min(wake, saturatingAdd(elapsedLimit(entry), 1)) }
            }
        }
        return wake == .max ? nil : max(now, wake)
    }

    /// When the next attempt may start (possibly in the past); nil if none can by the clock alone.
    private func nextSend() -> Int64? {
        guard flights.count < queue.numConsumers else { return nil }
        var at = holdUntil
        switch circuit {
        case .closed: break
        case .open(let until): at = max(at, until)
        case .halfOpen: return nil
        }
        if !ready.isEmpty { return at }
        guard let earliest = retries.lazy.map(\.notBefore).min() else { return nil }
        return max(at, earliest)
    }

    /// Takes the request for an attempt that may start now: of those set aside the one with the
    /// fewest attempts, then the oldest; else the first that is ready. A probe does not take the
    /// request of the last probe again if there is any other: its failure may be its own fault.
    private mutating func take(now: Int64) -> Entry? {
        var best: Int?
        var lastProbe: Int?
        for (index, entry) in retries.enumerated() where entry.notBefore <= now {
            if case .open = circuit, entry.order == lastProbeOrder {
                lastProbe = index
                continue
            }
            // Sorted by order: the first with the fewest attempts is the oldest of them.
            if let known = best, retries[known].attempts <= entry.attempts { continue }
            best = index
        }
        if let best { return retries.remove(at: best) }
        if let first = ready.popFirst() { return first }
        if let lastProbe { return retries.remove(at: lastProbe) }
        return nil
    }

    /// The time after which a request is not tried again; none before its first attempt.
    func elapsedLimit(_ entry: Entry) -> Int64 {
        entry.attempts == 0 ? .max : saturatingAdd(entry.firstAttemptAt, retry.maxElapsedTime)
    }
}

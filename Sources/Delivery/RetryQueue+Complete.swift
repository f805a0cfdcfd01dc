internal import Telemetry

extension RetryQueue {
    /// Reports the outcome of an attempt.
    ///
    /// - Parameters:
    ///   - id: of the attempt; one that is unknown (abandoned in the meantime) changes nothing.
    ///   - random: 64 random bits for the jitter.
    /// - Returns: what became of the request's spans.
    /// - Complexity: O(1) but for `.split`, which is O(bytes).
    package mutating func complete(
        _ id: UInt64, outcome: ExportOutcome, now: Int64, random: UInt64
    ) -> [DeliveryEvent] {
        guard let index = flights.firstIndex(where: { $0.id == id }) else { return [] }
        let flight = flights.remove(at: index)
        let request = flight.entry.request
        inFlightDepth.remove(request)
        var events: [DeliveryEvent] = []
        switch outcome {
        case .delivered(let rejectedSpans):
            noteAnswer(flight)
            let rejected = min(max(0, rejectedSpans), request.spanCount)
            sentSpans += request.spanCount - rejected
            events.append(.sent(spans: request.spanCount - rejected))
            if rejected > 0 {
                lostByReason[LossReason.rejectedByPeer.index] += rejected
                events.append(.rejectedByPeer(spans: rejected))
            }
            usedCapacity -= flight.entry.cost
            request.release(by: charge)
        case .permanent(let reason):
            noteAnswer(flight)
            events.append(lose(flight.entry, reason))
        case .split:
            noteAnswer(flight)
            events.append(split(flight.entry, now: now))
        case .retry(let after):
            events.append(fail(flight, after: after, now: now, random: random))
        }
        admitWaiting()
        return events
    }

    /// An answer to an attempt of the current epoch: the destination is alive.
    private mutating func noteAnswer(_ flight: Flight) {
        guard flight.epoch == epoch else { return }
        circuit = .closed
        consecutiveFailures = 0
    }

    /// A retryable failure.
    private mutating func fail(
        _ flight: Flight, after: Int64?, now: Int64, random: UInt64
    ) -> DeliveryEvent {
        var entry = flight.entry
        guard retry.enabled else {
            consecutiveFailures += 1
            return lose(entry, .retryDisabled)
        }
        if after != nil {
            holdUntil = max(holdUntil, saturatingAdd(now, Backoff.bounded(after)))
        }
        if flight.epoch == epoch {
            epoch += 1
            consecutiveFailures += 1
            let delay = pause(failures: consecutiveFailures, random: random)
            circuit = .open(until: max(saturatingAdd(now, delay), holdUntil))
        } else if case .open(let until) = circuit, holdUntil > until {
            circuit = .open(until: holdUntil)
        }
        let ownDelay = pause(failures: entry.attempts, random: random)
        entry.notBefore = max(saturatingAdd(now, ownDelay), holdUntil)
        if case .open(let until) = circuit { entry.notBefore = max(entry.notBefore, until) }
        if isPastLimit(entry, at: entry.notBefore) { return lose(entry, .retriesExhausted) }
        setAside(entry)
        return .retrying(at: entry.notBefore)
    }

    private func pause(failures: Int, random: UInt64) -> Int64 {
        let delay = backoff.delay(failures: failures, random: random)
        return drainDeadline == nil ? delay : min(delay, Self.drainMaximumInterval)
    }

    /// Whether `max_elapsed_time` is over at `time`. While draining only the deadline counts.
    func isPastLimit(_ entry: Entry, at time: Int64) -> Bool {
        drainDeadline == nil && retry.maxElapsedTime > 0 && time > elapsedLimit(entry)
    }

    /// Cuts a request into two that take its place and together its share of the capacity, so
    /// that splitting never needs room. They are new requests: no attempts, a new time limit.
    private mutating func split(_ entry: Entry, now: Int64) -> DeliveryEvent {
        let whole = entry.request
        // A request of another signal counts as one span, and is none.
        guard whole.spanCount >= 2, let halves = RequestSplitter.split(whole.identity) else {
            return lose(entry, .tooLarge)
        }
        // The ledger counts what was offered, so the halves' spans add up to it by construction.
        var second = halves.second
        second.spans = whole.spanCount - halves.first.spans
        let cost: Int
        switch queue.sizer {
        case .requests: cost = entry.cost
        case .items: cost = halves.first.spans
        case .bytes: cost = entry.cost / 2
        }
        for (batch, share) in [(halves.first, cost), (second, entry.cost - cost)] {
            let part = ExportRequest(
                batch, sequence: whole.sequence, createdAt: whole.createdAt)
            part.hold(by: charge)
            setAside(Entry(request: part, cost: share, notBefore: now, order: entry.order))
        }
        whole.release(by: charge)
        return .split(spans: whole.spanCount)
    }

    /// Puts a request among the retries, which are sorted by the order of offers.
    private mutating func setAside(_ entry: Entry) {
        var index = retries.count
        while index > 0, retries[index - 1].order > entry.order { index -= 1 }
        retries.insert(entry, at: index)
        queuedDepth.add(entry.request)
    }

    /// Counts a request that is in no collection any more as lost.
    mutating func lose(_ entry: Entry, _ reason: LossReason) -> DeliveryEvent {
        usedCapacity -= entry.cost
        entry.request.release(by: charge)
        lostByReason[reason.index] += entry.request.spanCount
        return .lost(spans: entry.request.spanCount, reason: reason)
    }
}

internal import Telemetry
import DequeModule

extension RetryQueue {
    /// Lets go of what has waited too long: requests in the overflow past their time
    /// (`.queueFull`), requests set aside past `max_elapsed_time` (`.retriesExhausted`), and
    /// everything once the drain deadline is reached (`.shutdown`).
    ///
    /// - Complexity: O(requests set aside + requests lost).
    package mutating func expire(now: Int64) -> [DeliveryEvent] {
        if let drainDeadline {
            return now >= drainDeadline ? abandonAll() : []
        }
        var events: [DeliveryEvent] = []
        while let first = waiting.first, first.until <= now {
            waiting.removeFirst()
            waitingBytes -= first.bytes
            waitingDepth.remove(first.request)
            first.request.release(by: charge)
            lostByReason[LossReason.queueFull.index] += first.request.spanCount
            events.append(.lost(spans: first.request.spanCount, reason: .queueFull))
        }
        var index = 0
        while index < retries.count {
            // At the limit itself it may still be sent: its last attempt can be due just then.
            let entry = retries[index]
            if isPastLimit(entry, at: now) {
                retries.remove(at: index)
                queuedDepth.remove(entry.request)
                events.append(lose(entry, .retriesExhausted))
            } else {
                index += 1
            }
        }
        admitWaiting()
        return events
    }

    /// Begins the end: everything is tried until `deadline`, then what is left is lost for
    /// `.shutdown`. A running backoff is cut short so that a probe can go out at once (a delay
    /// that the destination asked for is kept), later ones are at most `drainMaximumInterval`;
    /// the overflow's and the requests' own time limits don't count any more. Offers are still
    /// taken. A second call only moves the deadline.
    ///
    /// - Complexity: O(requests set aside + waiting).
    package mutating func beginDrain(deadline: Int64, now: Int64) {
        drainDeadline = deadline
        for index in waiting.indices { waiting[index].until = deadline }
        for index in retries.indices {
            retries[index].notBefore = min(retries[index].notBefore, max(now, holdUntil))
        }
        if case .open(let until) = circuit {
            circuit = .open(until: min(until, max(now, holdUntil)))
        }
    }

    /// Whether `beginDrain` was called.
    package var isDraining: Bool { drainDeadline != nil }

    /// Gives up everything now, attempts in flight included (their outcome will be ignored), and
    /// refuses what is offered later.
    ///
    /// - Returns: at most one event, with the sum of the spans.
    package mutating func abandonAll() -> [DeliveryEvent] {
        let spans = depth.spans
        let had = !isEmpty
        for entry in ready { entry.request.release(by: charge) }
        for entry in retries { entry.request.release(by: charge) }
        for waiter in waiting { waiter.request.release(by: charge) }
        for flight in flights { flight.entry.request.release(by: charge) }
        ready.removeAll()
        retries.removeAll()
        waiting.removeAll()
        waitingBytes = 0
        flights.removeAll()
        queuedDepth = QueueDepth()
        waitingDepth = QueueDepth()
        inFlightDepth = QueueDepth()
        usedCapacity = 0
        circuit = .closed
        isClosed = true
        lostByReason[LossReason.shutdown.index] += spans
        return had ? [.lost(spans: spans, reason: .shutdown)] : []
    }
}

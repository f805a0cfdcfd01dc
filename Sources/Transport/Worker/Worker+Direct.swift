internal import Delivery
internal import OTLP
internal import Telemetry

/// Spans of traces pipelines without sampling: nothing waits, what comes is batched and sent.
extension Worker {
    /// Takes the spans of a request whose listener feeds no pipeline that samples, or says why not.
    ///
    /// It is refused only if every pipeline's queues are full, so that one that stands still does not stop the others.
    func passTraces(_ message: Span<UInt8>, _ index: RequestIndex, _ receiver: Int) throws(RequestRefusal) {
        let outboxes = directOutboxes[receiver]
        let spans = index.records.count
        if spans > 0 && outboxes.allSatisfy(\.isBlocked) {
            noteRefused(spans, .queueFull, receiver)
            throw RequestRefusal(
                .queueFull, .unavailable, "the queues of all exporters are full", retryAfter: plan.retryAfter)
        }
        ledger.accepted += spans
        ledger.passed += spans
        emit(message, index, receiver)
    }

    /// Sends the spans of a request to the pipelines without sampling that its listener feeds.
    func emit(_ message: Span<UInt8>, _ index: RequestIndex, _ receiver: Int) {
        let now = now
        for outbox in directOutboxes[receiver] {
            ledger.passedOn[outbox.number] += index.records.count
            noteOffered(index.records.count, by: outbox)
            outbox.add(index, body: message, now: now)
        }
    }
}

internal import Delivery
internal import NativeCore
internal import OTLP
internal import Telemetry

/// Metrics and logs, whose items are passed on as they came: no shard, no ledger, queues of their own.
extension Worker {
    /// Says where requests of metrics and logs go. Once, before serving.
    ///
    /// - Parameter routes: to the destinations of `SignalPipelinePlan.destinations`.
    package func connectSignals(_ routes: [DestinationRoute]) {
        for outbox in signalOutboxes { outbox.connect(routes) }
    }

    /// Hands a whole request to every pipeline of its signal that the listener feeds, or says why not. Items go out as the bytes
    /// that they came in, without their compression and, if they were JSON, as protobuf.
    ///
    /// It is refused only if every exporter's queue is full, so that one that stands still does not stop the others.
    func passOn(
        _ signal: OTLPSignal, _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, _ receiver: Int
    ) throws(RequestRefusal) {
        guard isAccepting else {
            throw RequestRefusal(
                .notServing, .unavailable, "the node is shutting down or starting", retryAfter: plan.retryAfter)
        }
        guard plan.memory.admits(bytes: body.count) else { throw refuseForMemory(receiver) }
        let message = try plainMessage(body, payloadStart, form, signal, receiver)
        let outboxes = signalOutboxes.filter { $0.plan.signal == signal && $0.plan.listeners.contains(receiver) }
        // An empty request is a sign of life.
        if !message.isEmpty && outboxes.allSatisfy(\.isBlocked) {
            throw RequestRefusal(
                .queueFull, .unavailable, "the queues of all exporters are full", retryAfter: plan.retryAfter)
        }
        let contents: SignalContents
        do throws(WalkError) {
            try OpaqueRequest.check(message.span)
            contents = outboxes.contains(where: \.isBatched) ? try SignalContents(message.span, keys: plan.hashKeys) : SignalContents()
        } catch {
            throw RequestRefusal(.malformed, .invalidArgument, "not an export request: \(error)")
        }
        cells.add(plan.metrics.receivers[receiver].acceptedRequests)
        if message.isEmpty { return }
        let now = now
        let clock = SystemClocks.unixNanoseconds()
        for outbox in outboxes { outbox.take(message, contents, now: now, unixNanoseconds: clock) }
    }
}

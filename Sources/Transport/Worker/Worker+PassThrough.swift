internal import Delivery
package import OTLP
internal import Telemetry

/// Metrics and logs, which are passed on as they came: no shard, no ledger, queues of their own.
extension Worker {
    /// Says where requests of a signal go. Once, before serving.
    package func connectPassThrough(_ routes: [OTLPSignal: [DestinationRoute]]) { passThroughRoutes = routes }

    /// Hands a whole request to the exporters of its signal, or says why not. Only the outermost structure of the message is
    /// looked at; the bytes go out as they came in, without their compression and, if they were JSON, as protobuf.
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
        do {
            try OpaqueRequest.check(message.span)
        } catch {
            throw RequestRefusal(.malformed, .invalidArgument, "not an export request: \(error)")
        }
        cells.add(plan.metrics.receivers[receiver].acceptedRequests)
        // An empty request is a sign of life.
        if message.isEmpty { return }
        let routes = passThroughRoutes[signal] ?? []
        if routes.allSatisfy(\.isFull) {
            throw RequestRefusal(
                .queueFull, .unavailable, "the queues of all exporters are full", retryAfter: plan.retryAfter)
        }
        nextSequence += 1
        let request = ExportRequest(
            identity: message, spanCount: 1, traceCount: 1, sequence: nextSequence, createdAt: now)
        for route in routes { route.deliver(request, from: self) }
    }
}

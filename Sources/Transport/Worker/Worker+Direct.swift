internal import Delivery
internal import NativeCore
internal import OTLP
internal import Processing
internal import Telemetry

/// Spans of traces pipelines without sampling: nothing waits, what comes is batched and sent. And what processors make of requests.
extension Worker {
    /// Hands the spans of a request to the pipelines without sampling that its listener feeds, or says why not. Where no pipeline of
    /// the listener samples, the request is in the ledger afterwards, and `index` is that of the request.
    ///
    /// It is refused only if every pipeline's queues are full, so that one that stands still does not stop the others. Beside
    /// a pipeline that samples and then refuses the request, the client sends it again, and these pipelines get it twice.
    func passTraces(_ body: [UInt8], _ payloadStart: Int, _ receiver: Int) throws(RequestRefusal) {
        let outboxes = directOutboxes[receiver]
        walker.checksNested = true
        let bytes = try reserveIndex(body.span.extracting(payloadStart...), receiver, from: nil)
        defer { plan.memory.release(bytes) }
        do throws(WalkError) {
            try walker.walk(body.span.extracting(payloadStart...), into: &index)
        } catch {
            throw .notSpans(error)
        }
        let spans = index.records.count
        if spans > 0 && !isSampled[receiver] && outboxes.allSatisfy(\.isBlocked) {
            noteRefused(spans, .queueFull, receiver)
            throw RequestRefusal(
                .queueFull, .unavailable, "the queues of all exporters are full", retryAfter: plan.retryAfter)
        }
        let rejected = index.rejected
        let now = now
        // Spans of the pipeline that keeps most; what it drops is gone for the node.
        var passed = 0
        for outbox in outboxes {
            if chains[outbox.number] == nil {
                emit(index, body.span.extracting(payloadStart...), outbox, now)
                passed = max(passed, spans)
            } else {
                let edited = try runChain(outbox.number, payloadStart == 0 ? body : Array(body[payloadStart...]), receiver)
                var inner = RequestIndex()
                // A message of our own is well-formed.
                try? walker.walk(edited.message.span, into: &inner)
                emit(inner, edited.message.span, outbox, now)
                passed = max(passed, inner.records.count)
            }
        }
        guard !isSampled[receiver] else { return }
        ledger.accepted += spans
        ledger.passed += passed
        ledger.filtered += spans - passed
        if rejected.total > 0 { countRejected(rejected) }
        countTaken(spans, hop: 0, receiver: receiver)
    }

    private func emit(_ index: RequestIndex, _ message: Span<UInt8>, _ outbox: Outbox, _ now: Int64) {
        ledger.passedOn[outbox.number] += index.records.count
        noteOffered(index.records.count, by: outbox)
        outbox.add(index, body: message, now: now)
    }

    /// What the processors of a pipeline make of a request, or why it is refused.
    func runChain(_ pipeline: Int, _ message: [UInt8], _ receiver: Int) throws(RequestRefusal) -> ChainRunner.Outcome {
        // The chain makes an index of its own.
        let bytes = try reserveIndex(message.span, receiver, from: nil)
        defer { plan.memory.release(bytes) }
        do throws(ChainRunner.Failure) {
            guard let outcome = try chains[pipeline]?.run(message, unixNanoseconds: SystemClocks.unixNanoseconds()) else {
                throw .tooLarge(limit: 0)
            }
            return outcome
        } catch {
            switch error {
            case .malformed(let why): throw .notSpans(why)
            case .tooLarge(let limit):
                throw RequestRefusal(
                    .exceedsMemory, .resourceExhausted,
                    "what processors make of the request is larger than \(limit) bytes; send it in parts")
            }
        }
    }
}

extension RequestRefusal {
    /// The body is no request for traces.
    static func notSpans(_ error: WalkError) -> RequestRefusal {
        RequestRefusal(.malformed, .invalidArgument, "not an ExportTraceServiceRequest: \(error)")
    }
}

internal import NativeCore
internal import OTLP
internal import Telemetry

/// From a request's bytes to its protobuf message, where that takes more than reading.
extension Worker {
    /// The protobuf message in a body that is compressed, or JSON, or both.
    func plainMessage(
        _ body: consuming [UInt8], _ payloadStart: Int, _ form: BodyForm, _ signal: OTLPSignal, _ receiver: Int
    ) throws(RequestRefusal) -> [UInt8] {
        var payloadStart = payloadStart
        if form.coding == .identity {
            cells.add(plan.metrics.ingress.receivedIdentityBytes, body.count)
        } else {
            body = try inflate(body, payloadStart, form.coding, receiver)
            payloadStart = 0
        }
        guard form.isJSON else { return payloadStart == 0 ? body : Array(body[payloadStart...]) }
        // Its protobuf is about as long at worst.
        guard plan.memory.admits(bytes: body.count) else { throw refuseForMemory(receiver) }
        do {
            return try OTLPJSONTranscoder.transcode(body.span.extracting(payloadStart...), signal)
        } catch {
            throw RequestRefusal(.malformed, .invalidArgument, "\(error)")
        }
    }

    private func inflate(
        _ body: [UInt8], _ payloadStart: Int, _ coding: ContentCoding, _ receiver: Int
    ) throws(RequestRefusal) -> [UInt8] {
        let ingress = plan.metrics.ingress
        cells.add(coding == .gzip ? ingress.receivedGzipBytes : ingress.receivedDeflateBytes, body.count)
        let limits = plan.limits[receiver]
        let bomb = max(limits.inflationFloor, (body.count - payloadStart) * limits.maximumInflationRatio)
        let allowed = min(limits.maximumMessageBytes, bomb)
        // Memory is a bound too, and one that passes: whoever meets it may come again.
        let room = plan.memory.roomBytes
        let limit = min(allowed, room)
        do {
            let inflated = try inflater.inflate(
                body.span.extracting(payloadStart...), as: coding == .gzip ? .gzip : .deflate, limit: limit)
            cells.add(ingress.inflatedBodyBytes, inflated.count)
            guard plan.memory.admits(bytes: inflated.count) else { throw refuseForMemory(receiver) }
            return inflated
        } catch let error as InflateError {
            switch error {
            case .tooLarge where room < allowed: throw refuseForMemory(receiver)
            case .tooLarge:
                let isBomb = bomb < limits.maximumMessageBytes
                var refusal = RequestRefusal(
                    .inflatedTooLarge, .resourceExhausted,
                    isBomb
                        ? "the message inflates to more than \(bomb) bytes, which is over \(limits.maximumInflationRatio) times its size (`limits.max_inflation_ratio`)"
                        : "the message is larger than \(limit) bytes when inflated")
                refusal.endsConnection = isBomb
                throw refusal
            case .corrupt, .truncated:
                throw RequestRefusal(.corruptEncoding, .internal, "the message is not valid \(coding)")
            }
        } catch let refusal as RequestRefusal {
            throw refusal
        } catch {
            throw RequestRefusal(.internalError, .internal, "\(error)")
        }
    }
}

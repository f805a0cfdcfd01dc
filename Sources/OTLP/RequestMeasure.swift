/// How much a request holds, before anything of it is kept: what its cost is calculated from.
package struct RequestMeasure: Sendable, Equatable {
    /// The spans that a walk would accept, and that are not oversized.
    package var spans = 0
    /// The sum of their lengths, in bytes.
    package var spanBytes = 0
    /// Scopes with at least one such span.
    package var groups = 0
    /// Headers of these groups, those of a resource once, in bytes: what `RequestIndex.groupBytes` would have.
    package var groupBytes = 0
    /// The spans that a walk would leave out, by reason; oversized ones among them.
    package var rejected = SpanRejectionCounts()

    package init() {}
}

extension RequestWalker {
    /// Spans that are looked at before they are added up: bounds the memory of a measurement (64 bytes each).
    private static var measuredAtOnce: Int { 1024 }

    /// Reads a whole request as `walk` does, with the same checks and the same errors, and keeps nothing but sums.
    ///
    /// - Parameters:
    ///   - maximumSpanBytes: longer spans count as rejected.
    ///   - maximumGroupBytes: spans under a longer resource and scope count as rejected.
    /// - Complexity: O(n) time; at most 64 KiB of memory, whatever the request.
    package func measure(
        _ body: Span<UInt8>, maximumSpanBytes: Int = .max, maximumGroupBytes: Int = .max
    ) throws(WalkError) -> RequestMeasure {
        guard body.count <= Int(UInt32.max) else { throw WalkError(.bodyTooLarge, at: 0) }
        var measuring = Measuring(maximumSpanBytes: maximumSpanBytes, maximumGroupBytes: maximumGroupBytes)
        // Names are not looked for.
        var walker = self
        walker.interest = .none
        walker.maximumSpans = .max
        var offset = 0
        while offset < body.count {
            let tag = try Wire.tag(body, offset, body.count)
            if tag.value == 0x0a {
                let payload = try Wire.payload(body, tag.next, body.count)
                try walker.measureResourceSpans(body, payload, &measuring)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, body.count)
            }
        }
        measuring.sum.rejected.add(measuring.index.rejected)
        return measuring.sum
    }

    private struct Measuring {
        let maximumSpanBytes: Int
        let maximumGroupBytes: Int
        var sum = RequestMeasure()
        /// Takes the spans, a few at a time.
        var index = RequestIndex()

        /// The spans of the present scope so far.
        var spans = 0
        var spanBytes = 0
        var oversized = 0

        /// Adds up what the index holds, and empties it.
        mutating func fold() {
            spans += index.records.count
            spanBytes += index.spanBytes
            if index.spanBytes > maximumSpanBytes {
                for record in index.records where Int(record.length) > maximumSpanBytes {
                    spans -= 1
                    spanBytes -= Int(record.length)
                    oversized += 1
                }
            }
            index.records.removeAll(keepingCapacity: true)
            index.spanBytes = 0
        }
    }

    /// Resource and scopes of one ResourceSpans; fields may come in any order.
    private func measureResourceSpans(
        _ body: Span<UInt8>, _ message: Range<Int>, _ measuring: inout Measuring
    ) throws(WalkError) {
        let end = message.upperBound
        let groupsBefore = measuring.sum.groups
        var headerBytes = 0
        var isTooDeep = false
        var offset = message.lowerBound
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            var next: Int
            switch tag.value {
            case 0x12:
                offset = try Wire.payload(body, tag.next, end).upperBound
                continue
            case Self.instrumentationLibrarySpansTag:
                let payload = try Wire.payload(body, tag.next, end)
                measuring.sum.rejected.add(.unsupportedField, spans: try countChildren(body, payload))
                offset = payload.upperBound
                continue
            case 0x0a:
                let payload = try Wire.payload(body, tag.next, end)
                next = payload.upperBound
                if checksNested {
                    let fits = try MessageSchema.resource.check(
                        body, payload.lowerBound, next, depth: MessageSchema.resourceHeaderDepth + 1)
                    isTooDeep = isTooDeep || !fits
                }
            default:
                next = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
            headerBytes += next - offset
            offset = next
        }
        offset = message.lowerBound
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                try measureScopeSpans(body, payload, resourceBytes: headerBytes, isTooDeep: isTooDeep, &measuring)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
        if measuring.sum.groups > groupsBefore { measuring.sum.groupBytes += headerBytes }
    }

    private func measureScopeSpans(
        _ body: Span<UInt8>, _ message: Range<Int>, resourceBytes: Int, isTooDeep: Bool, _ measuring: inout Measuring
    ) throws(WalkError) {
        measuring.spans = 0
        measuring.spanBytes = 0
        measuring.oversized = 0
        let end = message.upperBound
        var isTooDeep = isTooDeep
        var headerBytes = 0
        var offset = message.lowerBound
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                try walkSpan(body, payload.lowerBound, payload.upperBound, group: 0, into: &measuring.index)
                if measuring.index.records.count >= Self.measuredAtOnce { measuring.fold() }
                offset = payload.upperBound
                continue
            }
            let next: Int
            if tag.value == 0x0a {
                let payload = try Wire.payload(body, tag.next, end)
                next = payload.upperBound
                if checksNested {
                    let fits = try MessageSchema.scope.check(
                        body, payload.lowerBound, next, depth: MessageSchema.scopeHeaderDepth + 1)
                    isTooDeep = isTooDeep || !fits
                }
            } else {
                next = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
            headerBytes += next - offset
            offset = next
        }
        measuring.fold()
        if isTooDeep {
            measuring.sum.rejected.add(.nestingTooDeep, spans: measuring.spans + measuring.oversized)
        } else if resourceBytes + headerBytes > measuring.maximumGroupBytes {
            measuring.sum.rejected.add(.tooLarge, spans: measuring.spans + measuring.oversized)
        } else {
            measuring.sum.rejected.add(.tooLarge, spans: measuring.oversized)
            guard measuring.spans > 0 else { return }
            measuring.sum.spans += measuring.spans
            measuring.sum.spanBytes += measuring.spanBytes
            measuring.sum.groups += 1
            measuring.sum.groupBytes += headerBytes
        }
    }
}

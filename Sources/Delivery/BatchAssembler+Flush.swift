internal import OTLP

/// One finished export request, before it gets a number and is shared.
package struct AssembledBatch: Sendable, Equatable {
    /// `ExportTraceServiceRequest`, uncompressed protobuf.
    package var message: [UInt8]
    /// Spans in the message.
    package var spans: Int
    /// Traces with at least one span in the message.
    package var traces: Int

    /// A message and what is in it.
    package init(message: [UInt8], spans: Int, traces: Int) {
        self.message = message
        self.spans = spans
        self.traces = traces
    }
}

extension BatchAssembler {
    /// Writes the message and empties the batch; nil when there is nothing in it.
    ///
    /// May be called while a trace is open: the trace then continues in the next request and
    /// counts in `splitTraces`. The message is allocated once, at its exact size.
    /// - Complexity: O(bytes).
    package mutating func flush() -> AssembledBatch? {
        guard spanCount > 0 else { return nil }
        let size = measure()
        var message: [UInt8] = []
        message.reserveCapacity(size)
        for resource in resources { write(resource, to: &message) }
        precondition(message.count == size, "measured and written sizes differ")
        let batch = AssembledBatch(message: message, spans: spanCount, traces: traceCount)
        reset()
        return batch
    }

    /// Computes the nested lengths; returns the bytes of the whole message.
    private mutating func measure() -> Int {
        for index in resources.indices {
            resources[index].bodyBytes = resources[index].end - resources[index].start
        }
        for group in groups {
            resources[Int(group.resource)].bodyBytes += fieldSize(payload: Self.bodyBytes(group))
        }
        var total = 0
        for resource in resources { total += fieldSize(payload: resource.bodyBytes) }
        return total
    }

    private static func bodyBytes(_ group: Group) -> Int {
        group.scopeEnd - group.scopeStart + group.spanBytes
    }

    private func write(_ resource: Resource, to message: inout [UInt8]) {
        let headers = headerArena.span
        let spans = spanArena.span
        message.appendPrefix(OTLPField.resourceSpans, count: resource.bodyBytes)
        message.append(copying: headers.extracting(resource.start..<resource.end))
        var next = resource.firstGroup
        while next >= 0 {
            let group = groups[Int(next)]
            message.appendPrefix(OTLPField.scopeSpans, count: Self.bodyBytes(group))
            message.append(copying: headers.extracting(group.scopeStart..<group.scopeEnd))
            var run = group.firstRun
            while run >= 0 {
                let piece = runs[Int(run)]
                message.append(copying: spans.extracting(piece.start..<piece.end))
                run = piece.next
            }
            next = group.next
        }
    }

    private mutating func reset() {
        // One giant span must not pin its memory for ever.
        let keep = spanArena.capacity <= 2 * max(settings.maximumRequestBytes, 1 << 16)
        spanArena.removeAll(keepingCapacity: keep)
        headerArena.removeAll(keepingCapacity: keep)
        runs.removeAll(keepingCapacity: true)
        groups.removeAll(keepingCapacity: true)
        resources.removeAll(keepingCapacity: true)
        groupTable.removeAll()
        resourceTable.removeAll()
        lastGroup = -1
        spanCount = 0
        messageBytes = 0
        traceCount = 0
        batchStart = nil
        if traceIsOpen, traceIsInBatch { traceWasCut = true }
        traceIsInBatch = false
    }
}

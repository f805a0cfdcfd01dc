/// Cuts an `ExportTraceServiceRequest` into two of about half its bytes. Pure.
package enum RequestSplitter {
    /// Two requests that hold every span of `message` once, or nil if it has fewer than two spans
    /// or is not a well-formed message.
    ///
    /// Whole traces stay together if the message has at least two; otherwise the one trace is cut
    /// between spans. Resource and scope headers are repeated where both halves need them, byte
    /// for byte.
    /// - Complexity: O(bytes + spans).
    package static func split(_ message: [UInt8]) -> (
        first: AssembledBatch, second: AssembledBatch
    )? {
        var contents = RequestContents()
        guard (try? contents.read(message.span)) != nil, contents.spans.count >= 2 else { return nil }
        let inFirst = contents.traceSizes.count >= 2 ? wholeTraces(contents) : byPosition(contents)
        guard let first = assemble(contents, message, inFirst, true),
            let second = assemble(contents, message, inFirst, false)
        else { return nil }
        return (first, second)
    }

    /// Greedy in order of first appearance: a trace goes to the first half while it fits there.
    private static func wholeTraces(_ contents: RequestContents) -> [Bool] {
        let half = contents.traceSizes.reduce(0, +) / 2
        var filled = 0
        var traceInFirst = [Bool](repeating: false, count: contents.traceSizes.count)
        for (trace, size) in contents.traceSizes.enumerated()
        where trace == 0 || filled + size <= half {
            traceInFirst[trace] = true
            filled += size
        }
        return contents.spans.map { traceInFirst[$0.trace] }
    }

    private static func byPosition(_ contents: RequestContents) -> [Bool] {
        let half = contents.traceSizes.reduce(0, +) / 2
        var filled = 0
        var inFirst = [Bool](repeating: false, count: contents.spans.count)
        for (index, span) in contents.spans.enumerated() {
            if index > 0, filled + span.bytes.count > half { break }
            inFirst[index] = true
            filled += span.bytes.count
        }
        // Equal to the count only if sizes are 0: the second half needs a span as well.
        inFirst[inFirst.count - 1] = false
        return inFirst
    }

    private static func assemble(
        _ contents: RequestContents, _ message: [UInt8], _ inFirst: [Bool], _ half: Bool
    ) -> AssembledBatch? {
        let unlimited = BatchSettings(
            sendBatchSize: .max, sendBatchMaxSize: 0, timeout: 1, maximumRequestBytes: Int.max / 4)
        var assembler = BatchAssembler(settings: unlimited)
        var traceSeen = [Bool](repeating: false, count: contents.traceSizes.count)
        var traces = 0
        _ = assembler.beginTrace(spans: 0, bytes: 0, now: 0)
        for (index, span) in contents.spans.enumerated() where inFirst[index] == half {
            if !traceSeen[span.trace] {
                traceSeen[span.trace] = true
                traces += 1
            }
            let scope = contents.scopes[span.scope]
            let resource = contents.resources[scope.resource]
            let header = scope.header
            _ = assembler.add(
                groupHash: UInt64(span.scope), resource: resource.span, scope: header.span,
                span: message.span.extracting(span.bytes))
        }
        assembler.endTrace(now: 0)
        guard var batch = assembler.flush() else { return nil }
        batch.traces = traces
        return batch
    }
}

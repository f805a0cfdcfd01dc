package import OTLP

/// Runs the resources of metrics and logs through a chain. All else of such a request stays closed.
///
/// An ExportMetricsServiceRequest and an ExportLogsServiceRequest have the shape of one for traces: field 1 holds
/// ResourceMetrics (or ResourceLogs), whose field 1 is the Resource and whose field 2 is not looked at.
package struct ResourceRewriter: Sendable {
    private let stages: [any GroupStage]
    private var state: StageRun
    private var draft = MessageDraft()
    private var header: [UInt8] = []

    /// - Parameter chain: of processors that were built for metrics or logs.
    package init(_ chain: ProcessorChain) {
        stages = chain.steps.compactMap { step in
            guard case .groups(let stage) = step.stage, stage.editsResources else { return nil }
            return stage
        }
        state = StageRun(counters: chain.counters.count)
    }

    /// The request with edited resources, or nil if nothing has changed.
    ///
    /// - Throws: where the body is malformed.
    /// - Complexity: O(number of fields of the ResourceMetrics), and O(bytes) if anything is edited.
    package mutating func rewrite(_ body: Span<UInt8>, facts: RequestFacts) throws(WalkError) -> [UInt8]? {
        guard !stages.isEmpty else { return nil }
        state.facts = facts
        var output: [UInt8] = []
        // Up to here the output holds the body as it was.
        var copied = 0
        var isChanged = false
        var reader = FieldReader(body, 0..<body.count)
        while let field = try reader.next() {
            guard field.tag == 0x0a else { continue }
            let verdict = try edit(body, field.payload)
            guard verdict == .drop || draft.isEdited else { continue }
            isChanged = true
            output.append(copying: body.extracting(copied..<field.whole.lowerBound))
            copied = field.whole.upperBound
            if verdict == .keep { try append(body, field.payload, to: &output) }
        }
        guard isChanged else { return nil }
        output.append(copying: body.extracting(copied..<body.count))
        return output
    }

    /// Runs the stages over the resource of one ResourceMetrics.
    private mutating func edit(_ body: Span<UInt8>, _ message: Range<Int>) throws(WalkError) -> StageVerdict {
        header.removeAll(keepingCapacity: true)
        var reader = FieldReader(body, message)
        while let field = try reader.next() {
            if field.tag == 0x12 { continue }
            header.append(copying: body.extracting(field.whole))
        }
        let source = header
        draft.open(.resource, source.span)
        for stage in stages {
            if stage.edit(resource: &draft, &state) == .drop { return .drop }
        }
        return .keep
    }

    /// Appends a ResourceMetrics: the edited header, then what is not looked at.
    private mutating func append(
        _ body: Span<UInt8>, _ message: Range<Int>, to output: inout [UInt8]
    ) throws(WalkError) {
        header.removeAll(keepingCapacity: true)
        draft.append(to: &header)
        var reader = FieldReader(body, message)
        while let field = try reader.next() {
            guard field.tag == 0x12 else { continue }
            header.append(copying: body.extracting(field.whole))
        }
        output.appendPrefix(1, count: header.count)
        output += header
    }
}

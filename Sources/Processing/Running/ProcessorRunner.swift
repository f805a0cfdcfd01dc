package import OTLP

/// Why a request could not be processed.
package enum ProcessingError: Error, Sendable, Equatable {
    /// The edited spans and headers together are larger than the runner allows. Sending the request again does not help;
    /// sending it in parts does.
    case tooLarge(limit: Int)
}

/// What a chain did with a request.
package struct ProcessedRequest: Sendable, Equatable {
    /// Spans that have new bytes.
    package var edited = 0
    /// Spans that have left the request.
    package var dropped = 0
}

/// Runs requests through a chain. One for each worker and pipeline; reuses its memory.
///
/// A request comes as the walker has indexed it and leaves as an index again: edited spans point behind the body, edited
/// headers behind the old ones in `groupBytes`, dropped spans are gone. What no stage wants to touch costs one look at its
/// group, or one look at its record where a stage depends on the span; nothing is copied.
package struct ProcessorRunner: Sendable {
    /// What all edits of one request may take, bytes, unless told otherwise.
    package static let editLimit = 256 << 20

    package let chain: ProcessorChain
    private let binding: AttributeBinding
    private let editLimit: Int
    private var state: StageRun
    /// Spans dropped since `takeDropped`, by processor.
    private var dropped: [Int]
    private var draft = MessageDraft()
    private var groupPlans = GroupPlans()
    /// Spans with new bytes, ascending, and where these are in `edits`.
    private var editedSpans: [EditedSpan] = []
    private var keptPositions: [UInt32] = []
    private var walked = RequestIndex()
    private var newHits: [AttributeHit] = []

    private struct EditedSpan: BitwiseCopyable {
        /// Its place among the kept ones.
        var place: UInt32
        var range: ByteRange
    }

    /// - Parameter binding: of the walk with which requests come.
    package init(_ chain: ProcessorChain, _ binding: AttributeBinding, editLimit: Int = editLimit) {
        self.chain = chain
        self.binding = binding
        self.editLimit = editLimit
        state = StageRun(counters: chain.counters.count)
        dropped = Array(repeating: 0, count: chain.processors.count)
    }

    /// What the processors have counted since the last call, by counter.
    package mutating func takeCounts() -> [Int] { state.takeCounts() }

    /// The spans that each processor has dropped since the last call.
    package mutating func takeDropped() -> [Int] {
        let taken = dropped
        for index in dropped.indices { dropped[index] = 0 }
        return taken
    }

    /// Applies the chain to a request.
    ///
    /// Call between the walk and the evaluation of predicates. Hits that only the chain wanted are gone afterwards.
    /// - Parameters:
    ///   - index: what a walk with the joined interest found.
    ///   - body: what the walk has read.
    ///   - edits: empty; afterwards what is to follow the body at once: offsets of the index refer to `body + edits`.
    ///   - walker: with the interest of those who come after, to read edited spans again.
    /// - Complexity: O(groups), O(spans) where a stage works on spans, and O(bytes) of what is edited.
    package mutating func run(
        _ index: inout RequestIndex, body: Span<UInt8>, edits: inout [UInt8], walker: RequestWalker, facts: RequestFacts
    ) throws(ProcessingError) -> ProcessedRequest {
        var result = ProcessedRequest()
        guard !chain.isEmpty, !index.records.isEmpty else {
            stripHits(&index)
            return result
        }
        state.facts = facts
        groupPlans.make(chain, &index, &state, &draft, &edits, bodyCount: body.count, walker)
        guard index.groupBytes.count + edits.count <= editLimit else { throw .tooLarge(limit: editLimit) }
        guard groupPlans.hasSpanWork else {
            stripHits(&index)
            return result
        }
        editedSpans.removeAll(keepingCapacity: true)
        keptPositions.removeAll(keepingCapacity: true)
        try runSpans(index, body, &edits)
        result.dropped = index.records.count - keptPositions.count
        if result.dropped > 0 { index.keep(keptPositions.span) }
        result.edited = editedSpans.count
        if editedSpans.isEmpty {
            stripHits(&index)
        } else {
            result.dropped += readAgain(&index, edits.span, base: body.count, walker)
        }
        return result
    }

    /// Asks the span stages about every span.
    private mutating func runSpans(
        _ index: RequestIndex, _ body: Span<UInt8>, _ edits: inout [UInt8]
    ) throws(ProcessingError) {
        let headers = index.groupBytes.span
        let hits = index.spanHits.span
        let numbers = binding.numbers
        var nextHit = 0
        for position in index.records.indices {
            let record = index.records[position]
            let firstHit = nextHit
            while nextHit < hits.count && Int(hits[nextHit].record) == position { nextHit += 1 }
            let group = Int(record.group)
            if let processor = groupPlans.dropper(group) {
                dropped[processor] += 1
                continue
            }
            var waiting = groupPlans.mask(group)
            guard waiting != 0 else {
                keptPositions.append(UInt32(truncatingIfNeeded: position))
                continue
            }
            let view = SpanView(
                body, record, hits: hits.extracting(firstHit..<nextHit), numbers: numbers.span)
            var isOpen = false
            var dropper: Int?
            while waiting != 0 {
                let number = waiting.trailingZeroBitCount
                waiting &= waiting &- 1
                guard case .spans(let stage) = chain.spanStages[number].stage else { continue }
                let shared = groupPlans.view(group, number, headers)
                if !isOpen {
                    let look = stage.look(view, shared, &state)
                    if look == .pass { continue }
                    if look == .drop {
                        dropper = chain.spanStages[number].processor
                        break
                    }
                    draft.open(.span, body.extracting(record.range))
                    draft.traceID = record.traceID
                    isOpen = true
                }
                if stage.edit(&draft, shared, &state) == .drop {
                    dropper = chain.spanStages[number].processor
                    break
                }
            }
            if let dropper {
                dropped[dropper] += 1
                continue
            }
            keptPositions.append(UInt32(truncatingIfNeeded: position))
            guard isOpen && draft.isEdited else { continue }
            let start = edits.count
            draft.append(to: &edits)
            guard index.groupBytes.count + edits.count <= editLimit else { throw .tooLarge(limit: editLimit) }
            editedSpans.append(
                EditedSpan(
                    place: UInt32(truncatingIfNeeded: keptPositions.count - 1), range: ByteRange(start..<edits.count)))
        }
    }

    /// Reads the edited spans again. One that can't be read any more is dropped and counted for the last processor: no edit
    /// here makes such a span, but a span that no backend takes must not go on.
    /// - Returns: how many were dropped.
    private mutating func readAgain(
        _ index: inout RequestIndex, _ edits: Span<UInt8>, base: Int, _ walker: RequestWalker
    ) -> Int {
        walked.reset()
        newHits.removeAll(keepingCapacity: true)
        var unreadable: [UInt32] = []
        var oldHit = 0
        var next = 0
        let shift = UInt32(truncatingIfNeeded: base)
        for place in editedSpans.indices {
            let edited = editedSpans[place]
            // Hits of the spans before it stay as they are.
            while oldHit < index.spanHits.count && index.spanHits[oldHit].record < edited.place {
                let hit = index.spanHits[oldHit]
                if Int(hit.name) < binding.others { newHits.append(hit) }
                oldHit += 1
            }
            while oldHit < index.spanHits.count && index.spanHits[oldHit].record == edited.place { oldHit += 1 }
            let group = index.records[Int(edited.place)].group
            next = walked.spanHits.count
            guard walker.walkAgain(edits, edited.range.range, group: group, into: &walked), var record = walked.records.last
            else {
                unreadable.append(edited.place)
                continue
            }
            record.offset &+= shift
            index.spanBytes += Int(record.length) - Int(index.records[Int(edited.place)].length)
            index.records[Int(edited.place)] = record
            while next < walked.spanHits.count {
                var hit = walked.spanHits[next]
                hit.record = edited.place
                hit.valueOffset &+= shift
                newHits.append(hit)
                next += 1
            }
        }
        while oldHit < index.spanHits.count {
            let hit = index.spanHits[oldHit]
            if Int(hit.name) < binding.others { newHits.append(hit) }
            oldHit += 1
        }
        swap(&index.spanHits, &newHits)
        guard !unreadable.isEmpty else { return 0 }
        dropped[dropped.count - 1] += unreadable.count
        let gone = Set(unreadable)
        index.keep { !gone.contains(UInt32(truncatingIfNeeded: $0)) }
        return unreadable.count
    }

    /// Removes the hits that nobody else knows.
    private func stripHits(_ index: inout RequestIndex) {
        guard binding.hasOwn, !index.spanHits.isEmpty else { return }
        index.spanHits.removeAll { Int($0.name) >= binding.others }
    }
}

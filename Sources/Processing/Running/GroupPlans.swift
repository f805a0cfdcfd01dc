internal import OTLP

/// What a chain has to do with each group of a request, after the groups' own stages have run.
struct GroupPlans: Sendable {
    /// By group: the span stages that apply, by number.
    private var masks: [UInt64] = []
    /// By group: the processor that has dropped it, or -1.
    private var droppers: [Int] = []
    /// By group and span stage: the headers as they are at that stage.
    private var resources: [ByteRange] = []
    private var scopes: [ByteRange] = []
    private var stageCount = 0
    /// Whether any span has to be asked about, or dropped.
    private(set) var hasSpanWork = false

    /// The resource of the groups that are looked at, after each step; one more for the end.
    private var steps: [ByteRange] = []
    private var resourceDropper = -1

    func mask(_ group: Int) -> UInt64 { masks[group] }

    func dropper(_ group: Int) -> Int? { droppers[group] < 0 ? nil : droppers[group] }

    @_lifetime(copy headers)
    func view(_ group: Int, _ stage: Int, _ headers: Span<UInt8>) -> GroupView {
        let place = group &* stageCount &+ stage
        return GroupView(headers, resource: resources[place], scope: scopes[place])
    }

    /// Runs the groups' stages and asks the span stages which groups they apply to.
    ///
    /// Edited headers are appended to `groupBytes`, and groups point there.
    mutating func make(
        _ chain: ProcessorChain, _ index: inout RequestIndex, _ run: inout StageRun, _ draft: inout MessageDraft,
        _ edits: inout [UInt8], bodyCount: Int, _ walker: RequestWalker
    ) {
        masks.removeAll(keepingCapacity: true)
        droppers.removeAll(keepingCapacity: true)
        resources.removeAll(keepingCapacity: true)
        scopes.removeAll(keepingCapacity: true)
        stageCount = chain.spanStages.count
        hasSpanWork = false
        var lastResource: Range<Int>?
        var hits = 0..<0
        for number in index.groups.indices {
            let old = index.groups[number]
            if old.resourceRange != lastResource {
                lastResource = old.resourceRange
                runResource(chain, &index, ByteRange(old.resourceRange), &run, &draft)
                hits = old.resourceHitRange
                if steps[chain.steps.count].range != old.resourceRange {
                    hits = findHits(&index, steps[chain.steps.count].range, group: number, &edits, bodyCount, walker)
                }
            }
            runGroup(chain, &index, number, &run, &draft)
            let resource = steps[chain.steps.count]
            if resource.range != old.resourceRange {
                index.groups[number].resourceOffset = resource.start
                index.groups[number].resourceLength = resource.count
                index.groups[number].resourceHitStart = UInt32(truncatingIfNeeded: hits.lowerBound)
                index.groups[number].resourceHitCount = UInt32(truncatingIfNeeded: hits.count)
            }
            if resource.range != old.resourceRange || index.groups[number].scopeRange != old.scopeRange {
                var group = index.groups[number]
                walker.rehash(&group, index.groupBytes.span)
                index.groups[number] = group
            }
        }
    }

    /// The stages that edit resources, once for all groups of a resource.
    private mutating func runResource(
        _ chain: ProcessorChain, _ index: inout RequestIndex, _ header: ByteRange, _ run: inout StageRun,
        _ draft: inout MessageDraft
    ) {
        steps.removeAll(keepingCapacity: true)
        resourceDropper = -1
        var range = header
        var isOpen = false
        for step in chain.steps {
            steps.append(range)
            guard chain.editsResources, resourceDropper < 0, case .groups(let stage) = step.stage, stage.editsResources
            else { continue }
            if !isOpen {
                draft.open(.resource, header.bytes(in: index.groupBytes.span))
                isOpen = true
            }
            if stage.edit(resource: &draft, &run) == .drop { resourceDropper = step.processor }
            if draft.isEdited { range = Self.write(draft, over: range, &index) }
        }
        steps.append(range)
    }

    /// The stages that edit scopes, and which span stages apply to the group.
    private mutating func runGroup(
        _ chain: ProcessorChain, _ index: inout RequestIndex, _ number: Int, _ run: inout StageRun,
        _ draft: inout MessageDraft
    ) {
        var mask: UInt64 = 0
        var dropper = resourceDropper
        var spanStage = 0
        let header = ByteRange(index.groups[number].scopeRange)
        var range = header
        var isOpen = false
        for (place, step) in chain.steps.enumerated() {
            switch step.stage {
            case .spans(let stage):
                resources.append(steps[place])
                scopes.append(range)
                let view = GroupView(index.groupBytes.span, resource: steps[place], scope: range)
                if dropper < 0, stage.applies(to: view, &run) { mask |= 1 << UInt64(spanStage) }
                spanStage += 1
            case .groups(let stage):
                guard dropper < 0, stage.editsScopes else { continue }
                if !isOpen {
                    draft.open(.scope, header.bytes(in: index.groupBytes.span))
                    isOpen = true
                }
                // After this stage's own edit of the resource, which comes first.
                let verdict = stage.edit(
                    scope: &draft, resource: MessageView(index.groupBytes.span, steps[place + 1], .resource), &run)
                if verdict == .drop { dropper = step.processor }
                if draft.isEdited { range = Self.write(draft, over: range, &index) }
            }
        }
        index.groups[number].scopeOffset = range.start
        index.groups[number].scopeLength = range.count
        masks.append(mask)
        droppers.append(dropper)
        if mask != 0 || dropper >= 0 { hasSpanWork = true }
    }

    /// Appends an edited header; where it reads as before, the old one serves.
    private static func write(_ draft: MessageDraft, over old: ByteRange, _ index: inout RequestIndex) -> ByteRange {
        let start = index.groupBytes.count
        draft.append(to: &index.groupBytes)
        let range = start..<index.groupBytes.count
        if ByteSpans.equal(index.groupBytes.span.extracting(range), old.bytes(in: index.groupBytes.span)) {
            index.groupBytes.removeLast(range.count)
            return old
        }
        return ByteRange(range)
    }

    /// Finds the wanted attributes of an edited resource. Hits refer to the body, so the header goes behind it.
    private func findHits(
        _ index: inout RequestIndex, _ header: Range<Int>, group: Int, _ edits: inout [UInt8], _ bodyCount: Int,
        _ walker: RequestWalker
    ) -> Range<Int> {
        let first = index.resourceHits.count
        let start = edits.count
        edits.append(copying: index.groupBytes.span.extracting(header))
        walker.findResourceAttributes(edits.span, header: start..<edits.count, record: group, into: &index)
        guard index.resourceHits.count > first else {
            edits.removeLast(edits.count - start)
            return first..<first
        }
        for place in first..<index.resourceHits.count {
            index.resourceHits[place].valueOffset &+= UInt32(truncatingIfNeeded: bodyCount)
        }
        return first..<index.resourceHits.count
    }
}

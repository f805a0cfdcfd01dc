/// Visits an ExportTraceServiceRequest once and indexes it: the first thing that happens to every span.
///
/// Nothing is decoded that isn't needed: per span the identifiers, times, status, flags and the
/// attributes that `interest` names. The structure is checked down to the last nested attribute,
/// because a message that a backend's parser refuses would take its whole batch down.
///
/// The rules are protobuf's: fields in any order, the last occurrence of a scalar counts, repeated
/// messages merge, a known number with a wrong wire type is an unknown field. An error refuses the
/// whole request; a span that is bad on its own is left out and counted.
package struct RequestWalker: Sendable {
    /// The keys of every hash in the index.
    package var keys: HashKeys
    /// The attributes to report.
    package var interest: AttributeInterest
    /// Whether attributes, events and links are walked to the bottom.
    ///
    /// Off, only lengths are checked:
    /// for requests that were checked before, such as those of peers.
    package var checksNested: Bool
    /// A request with more accepted spans is refused.
    package var maximumSpans: Int

    /// Creates a walker.
    package init(
        keys: HashKeys, interest: AttributeInterest = .none, checksNested: Bool = true,
        maximumSpans: Int = 4 << 20
    ) {
        self.keys = keys
        self.interest = interest
        self.checksNested = checksNested
        self.maximumSpans = maximumSpans
    }

    /// Replaces the contents of `index` with what `body` holds; leaves it empty on error.
    ///
    /// - Complexity: O(n). Allocates only where `index` has less capacity than the request needs.
    package func walk(
        _ body: Span<UInt8>, into index: inout RequestIndex
    ) throws(WalkError) {
        index.reset()
        do throws(WalkError) {
            try walkRequest(body, into: &index)
        } catch {
            index.reset()
            throw error
        }
    }

    private func walkRequest(
        _ body: Span<UInt8>, into index: inout RequestIndex
    ) throws(WalkError) {
        let end = body.count
        guard end <= Int(UInt32.max) else { throw WalkError(.bodyTooLarge, at: 0) }
        var offset = 0
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x0a {
                let payload = try Wire.payload(body, tag.next, end)
                try walkResourceSpans(body, payload, into: &index)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
    }

    /// What the scopes of one ResourceSpans share.
    private struct Resource {
        var offset: UInt32
        var length: UInt32
        var hash: UInt64
        var hits: Range<Int>
        var isTooDeep: Bool
    }

    /// ResourceSpans: first everything but the children, since the resource may come after them.
    private func walkResourceSpans(
        _ body: Span<UInt8>, _ message: Range<Int>, into index: inout RequestIndex
    ) throws(WalkError) {
        let headerStart = index.groupBytes.count
        let hitStart = index.resourceHits.count
        let groupStart = index.groups.count
        let end = message.upperBound
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
                index.rejected.add(
                    .unsupportedField, spans: try countChildren(body, payload))
                offset = payload.upperBound
                continue
            case 0x0a:
                let payload = try Wire.payload(body, tag.next, end)
                next = payload.upperBound
                if checksNested {
                    let fits = try MessageSchema.resource.check(
                        body, payload.lowerBound, next,
                        depth: MessageSchema.resourceHeaderDepth + 1)
                    isTooDeep = isTooDeep || !fits
                }
                if !interest.resource.isEmpty {
                    try findResourceAttributes(
                        body, payload, hitStart: hitStart, record: groupStart, into: &index)
                }
            default:
                next = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
            index.groupBytes.append(copying: body.extracting(offset..<next))
            offset = next
        }

        let headerEnd = index.groupBytes.count
        let resource = Resource(
            offset: UInt32(truncatingIfNeeded: headerStart),
            length: UInt32(truncatingIfNeeded: headerEnd - headerStart),
            hash: hashBytes(index.groupBytes.span.extracting(headerStart..<headerEnd), key: keys),
            hits: hitStart..<index.resourceHits.count, isTooDeep: isTooDeep)
        offset = message.lowerBound
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                try walkScopeSpans(body, payload, of: resource, into: &index)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
        if index.groups.count == groupStart {
            // No span was accepted: nobody will ask for the header.
            index.groupBytes.removeLast(index.groupBytes.count - headerStart)
            index.resourceHits.removeLast(index.resourceHits.count - hitStart)
        }
    }

    /// ScopeSpans: the spans, and the header collected beside them.
    private func walkScopeSpans(
        _ body: Span<UInt8>, _ message: Range<Int>, of resource: Resource,
        into index: inout RequestIndex
    ) throws(WalkError) {
        let headerStart = index.groupBytes.count
        let recordStart = index.records.count
        let hitStart = index.spanHits.count
        let bytesBefore = index.spanBytes
        let group = UInt32(truncatingIfNeeded: index.groups.count)
        let end = message.upperBound
        var isTooDeep = resource.isTooDeep
        var offset = message.lowerBound
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                try walkSpan(
                    body, payload.lowerBound, payload.upperBound, group: group, into: &index)
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
            index.groupBytes.append(copying: body.extracting(offset..<next))
            offset = next
        }

        let accepted = index.records.count - recordStart
        if isTooDeep && accepted > 0 {
            index.rejected.add(.nestingTooDeep, spans: accepted)
            index.records.removeLast(accepted)
            index.spanHits.removeLast(index.spanHits.count - hitStart)
            index.spanBytes = bytesBefore
        }
        let headerEnd = index.groupBytes.count
        if isTooDeep || accepted == 0 {
            index.groupBytes.removeLast(headerEnd - headerStart)
            return
        }
        let scopeHash = hashBytes(
            index.groupBytes.span.extracting(headerStart..<headerEnd), key: keys)
        index.groups.append(
            GroupRecord(
                resourceOffset: resource.offset, resourceLength: resource.length,
                scopeOffset: UInt32(truncatingIfNeeded: headerStart),
                scopeLength: UInt32(truncatingIfNeeded: headerEnd - headerStart),
                resourceHitStart: UInt32(truncatingIfNeeded: resource.hits.lowerBound),
                resourceHitCount: UInt32(truncatingIfNeeded: resource.hits.count),
                resourceHash: resource.hash, scopeHash: scopeHash,
                groupHash: HashKeys.mix(resource.hash ^ keys.second, scopeHash ^ keys.first),
                spanCount: UInt32(truncatingIfNeeded: accepted)))
    }

    /// ResourceSpans' field 1000, length-delimited.
    static let instrumentationLibrarySpansTag: UInt64 = 1000 << 3 | 2

    /// How many length-delimited fields 2 a message has: the spans of an outdated container.
    func countChildren(
        _ body: Span<UInt8>, _ message: Range<Int>
    ) throws(WalkError) -> Int {
        var count = 0
        var offset = message.lowerBound
        while offset < message.upperBound {
            let tag = try Wire.tag(body, offset, message.upperBound)
            if tag.value == 0x12 { count += 1 }
            offset = try Wire.skip(tag: tag.value, body, tag.next, message.upperBound)
        }
        return count
    }

    /// Reports the wanted attributes of a Resource.
    func findResourceAttributes(
        _ body: Span<UInt8>, _ message: Range<Int>, hitStart: Int, record: Int,
        into index: inout RequestIndex
    ) throws(WalkError) {
        var offset = message.lowerBound
        while offset < message.upperBound {
            let tag = try Wire.tag(body, offset, message.upperBound)
            if tag.value == 0x0a {
                let payload = try Wire.payload(body, tag.next, message.upperBound)
                try interest.resource.match(
                    body, payload.lowerBound, payload.upperBound,
                    record: UInt32(truncatingIfNeeded: record), hitStart: hitStart,
                    into: &index.resourceHits)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, message.upperBound)
            }
        }
    }
}

/// Reading again what an editor has rewritten.
extension RequestWalker {
    /// Walks one span that lies in `bytes` and appends its record and hits to `index`, as `walk` does for a span of a request.
    ///
    /// - Returns: false if the span is malformed or would be left out of a request; the index may hold hits of it then.
    /// - Complexity: O(length).
    package func walkAgain(
        _ bytes: Span<UInt8>, _ range: Range<Int>, group: UInt32, into index: inout RequestIndex
    ) -> Bool {
        guard range.upperBound <= bytes.count else { return false }
        let before = index.records.count
        do throws(WalkError) {
            try walkSpan(bytes, range.lowerBound, range.upperBound, group: group, into: &index)
        } catch {
            return false
        }
        return index.records.count > before
    }

    /// Finds the wanted attributes of a resource in its header.
    ///
    /// - Parameters:
    ///   - bytes: hold the header at `range`; the hits' offsets refer to them.
    ///   - record: what `AttributeHit.record` is to be.
    package func findResourceAttributes(
        _ bytes: Span<UInt8>, header range: Range<Int>, record: Int, into index: inout RequestIndex
    ) {
        guard !interest.resource.isEmpty else { return }
        let hitStart = index.resourceHits.count
        var reader = FieldReader(bytes, range)
        while let field = try? reader.next() {
            guard field.tag == 0x0a else { continue }
            try? findResourceAttributes(bytes, field.payload, hitStart: hitStart, record: record, into: &index)
        }
    }

    /// Sets the hashes of a group after its headers have changed.
    ///
    /// - Parameter headers: `RequestIndex.groupBytes`, into which the group's ranges point.
    package func rehash(_ group: inout GroupRecord, _ headers: Span<UInt8>) {
        group.resourceHash = hashBytes(headers.extracting(group.resourceRange), key: keys)
        group.scopeHash = hashBytes(headers.extracting(group.scopeRange), key: keys)
        group.groupHash = HashKeys.mix(group.resourceHash ^ keys.second, group.scopeHash ^ keys.first)
    }
}

internal import OTLP

extension BatchAssembler {
    /// Index of the group with this hash and these bytes, or -1.
    func findGroup(
        _ hash: UInt64, resource: Span<UInt8>, scope: Span<UInt8>
    ) -> Int32 {
        // Spans of one scope mostly arrive together: look at the last group before the table.
        if lastGroup >= 0, groups[Int(lastGroup)].hash == hash,
            isGroup(Int(lastGroup), resource: resource, scope: scope)
        {
            return lastGroup
        }
        var cursor = groupTable.start(hash)
        while let index = groupTable.next(hash, cursor: &cursor) {
            if isGroup(Int(index), resource: resource, scope: scope) { return index }
        }
        return -1
    }

    private func isGroup(_ index: Int, resource: Span<UInt8>, scope: Span<UInt8>) -> Bool {
        let group = groups[index]
        let known = resources[Int(group.resource)]
        let headers = headerArena.span
        return bytesEqual(headers.extracting(group.scopeStart..<group.scopeEnd), scope)
            && bytesEqual(headers.extracting(known.start..<known.end), resource)
    }

    func findResource(_ hash: UInt64, _ resource: Span<UInt8>) -> Int32 {
        let headers = headerArena.span
        var cursor = resourceTable.start(hash)
        while let index = resourceTable.next(hash, cursor: &cursor) {
            let known = resources[Int(index)]
            if bytesEqual(headers.extracting(known.start..<known.end), resource) { return index }
        }
        return -1
    }

    mutating func makeResource(_ hash: UInt64, _ resource: Span<UInt8>) -> Int32 {
        let index = Int32(resources.count)
        let start = headerArena.count
        headerArena.append(copying: resource)
        resources.append(
            Resource(
                start: start, end: headerArena.count, firstGroup: -1, lastGroup: -1, bodyBytes: 0))
        resourceTable.insert(hash, index: index)
        return index
    }

    mutating func makeGroup(
        _ hash: UInt64, scope: Span<UInt8>, resource: Int32
    ) -> Int32 {
        let index = Int32(groups.count)
        let start = headerArena.count
        headerArena.append(copying: scope)
        groups.append(
            Group(
                hash: hash, resource: resource, scopeStart: start, scopeEnd: headerArena.count,
                firstRun: -1, lastRun: -1, spanBytes: 0, next: -1))
        let last = resources[Int(resource)].lastGroup
        if last >= 0 {
            groups[Int(last)].next = index
        } else {
            resources[Int(resource)].firstGroup = index
        }
        resources[Int(resource)].lastGroup = index
        groupTable.insert(hash, index: index)
        return index
    }

    /// Copies the span with its tag and length, and extends the group's last run or starts one.
    mutating func append(_ span: Span<UInt8>, spanBytes: Int, to group: Int) {
        let start = spanArena.count
        spanArena.appendPrefix(OTLPField.spans, count: span.count)
        spanArena.append(copying: span)
        groups[group].spanBytes += spanBytes
        let last = groups[group].lastRun
        if last >= 0, runs[Int(last)].end == start {
            runs[Int(last)].end = spanArena.count
            return
        }
        let index = Int32(runs.count)
        runs.append(Run(start: start, end: spanArena.count, next: -1))
        if last >= 0 { runs[Int(last)].next = index } else { groups[group].firstRun = index }
        groups[group].lastRun = index
    }
}

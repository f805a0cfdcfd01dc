/// Collects the spans of kept traces into one OTLP `ExportTraceServiceRequest`.
///
/// Owned by one worker, used for every kept span: a span costs one copy into an arena and no
/// allocation. Spans under equal (resource, scope) headers become one `ScopeSpans`, equal
/// resources one `ResourceSpans`, in the order of first appearance; spans of a group keep the order
/// in which they were added. Memory: about twice `maximumRequestBytes` while `flush()` runs.
///
/// Use:
/// ```
/// if !assembler.beginTrace(spans: n, bytes: b, now: now) { send(assembler.flush()); ...begin again }
/// for each span { while assembler.add(...) == .flushFirst { send(assembler.flush()) } }
/// assembler.endTrace(now: now)
/// if assembler.isFull { send(assembler.flush()) }
/// ```
package struct BatchAssembler: ~Copyable {
    /// What `add` did.
    package enum AddResult: Sendable, Equatable {
        /// The span is in the batch.
        case added
        /// Nothing was added: the request is at its limit. `flush()`, then add the span again.
        /// Only a trace that is larger than a request by itself, or one announced smaller than
        /// it is, meets this.
        case flushFirst
    }

    /// A contiguous piece of the span arena that belongs to one group.
    struct Run {
        var start: Int
        var end: Int
        var next: Int32
    }

    /// A (resource, scope) pair of the batch.
    struct Group {
        var hash: UInt64
        var resource: Int32
        var scopeStart: Int
        var scopeEnd: Int
        var firstRun: Int32
        var lastRun: Int32
        /// Bytes of the group's span fields, tags and lengths included.
        var spanBytes: Int
        var next: Int32
    }

    /// A resource of the batch, with the chain of its groups.
    struct Resource {
        var start: Int
        var end: Int
        var firstGroup: Int32
        var lastGroup: Int32
        /// Bytes of the `ResourceSpans` message; computed by `flush()`.
        var bodyBytes: Int
    }

    /// At most this many bytes for a nested message's or span's tag and length.
    static let framing = 6

    package let settings: BatchSettings
    let hashSeed: UInt64

    var spanArena: [UInt8] = []
    var headerArena: [UInt8] = []
    var runs: [Run] = []
    var groups: [Group] = []
    var resources: [Resource] = []
    var groupTable = HashIndex()
    var resourceTable = HashIndex()
    var lastGroup: Int32 = -1

    var traceCount = 0
    var batchStart: Int64?
    var traceStart: Int64 = 0
    var traceIsOpen = false
    var traceIsInBatch = false
    var traceWasCut = false
    var traceIsSplit = false

    /// Spans in the batch.
    package internal(set) var spanCount = 0
    /// Upper bound of the message's bytes.
    package internal(set) var messageBytes = 0
    /// Traces that had to be spread over several requests since the start.
    package internal(set) var splitTraces = 0

    /// - Parameter hashSeed: any random number; keeps peers from choosing resources that collide.
    package init(settings: BatchSettings, hashSeed: UInt64 = 0) {
        self.settings = settings
        self.hashSeed = hashSeed
    }

    /// Whether nothing is waiting to be flushed.
    package var isEmpty: Bool { spanCount == 0 }

    /// Whether the batch should be flushed before the next trace.
    package var isFull: Bool {
        guard spanCount > 0 else { return false }
        return spanCount >= settings.sendBatchSize || settings.timeout <= 0
            || messageBytes >= settings.maximumRequestBytes
            || (settings.sendBatchMaxSize > 0 && spanCount >= settings.sendBatchMaxSize)
    }

    /// When the batch has to be flushed at the latest (`timeout` after its first trace began), or
    /// nil while it is empty.
    package var deadline: Int64? {
        guard let batchStart, spanCount > 0 else { return nil }
        return saturatingAdd(batchStart, settings.timeout)
    }

    /// Announces a trace.
    ///
    /// - Parameters:
    ///   - spans: number of its spans.
    ///   - bytes: bytes of its spans plus the header bytes of its groups; an upper bound is fine,
    ///     counting less may split the trace. Protobuf framing is added here.
    ///   - now: nanoseconds.
    /// - Returns: false if the batch has to be flushed first, since the trace does not fit beside
    ///   what is there; nothing is changed then. Always true on an empty batch.
    /// - Complexity: O(1).
    package mutating func beginTrace(spans: Int, bytes: Int, now: Int64) -> Bool {
        precondition(!traceIsOpen, "a trace is already open")
        if spanCount > 0 {
            if isFull { return false }
            let limit = settings.sendBatchMaxSize
            if limit > 0, spanCount + spans > limit { return false }
            let needed = bytes + spans * Self.framing + 2 * Self.framing
            if messageBytes + needed > settings.maximumRequestBytes { return false }
        }
        traceIsOpen = true
        traceIsInBatch = false
        traceWasCut = false
        traceIsSplit = false
        traceStart = now
        return true
    }

    /// Adds one span of the open trace.
    ///
    /// - Parameters:
    ///   - groupHash: hash of (resource, scope); groups are equal if hash and bytes are equal.
    ///   - resource: all fields of the `ResourceSpans` message except its `scope_spans`.
    ///   - scope: all fields of the `ScopeSpans` message except its `spans`.
    ///   - span: the `Span` message, without tag and length.
    /// - Returns: `.flushFirst` if the request would exceed `maximumRequestBytes` or
    ///   `sendBatchMaxSize`. An empty batch takes any span, however large.
    /// - Complexity: O(bytes).
    package mutating func add(
        groupHash: UInt64, resource: Span<UInt8>, scope: Span<UInt8>, span: Span<UInt8>
    ) -> AddResult {
        precondition(traceIsOpen, "no trace is open")
        let spanBytes = fieldSize(payload: span.count)
        var group = findGroup(groupHash, resource: resource, scope: scope)
        var growth = spanBytes
        var resourceHash: UInt64 = 0
        var knownResource: Int32 = -1
        if group < 0 {
            growth += scope.count + Self.framing
            resourceHash = hashBytes(resource, seed: hashSeed)
            knownResource = findResource(resourceHash, resource)
            if knownResource < 0 { growth += resource.count + Self.framing }
        }
        if spanCount > 0, exceedsLimits(adding: growth) { return .flushFirst }
        if group < 0 {
            if knownResource < 0 { knownResource = makeResource(resourceHash, resource) }
            group = makeGroup(groupHash, scope: scope, resource: knownResource)
        }
        lastGroup = group
        append(span, spanBytes: spanBytes, to: Int(group))
        messageBytes += growth
        noteSpanOfTrace()
        return .added
    }

    /// Ends the open trace.
    ///
    /// - Parameter now: nanoseconds; the rest of a trace that was split waits `timeout` from here.
    package mutating func endTrace(now: Int64) {
        precondition(traceIsOpen, "no trace is open")
        if traceIsSplit, traceCount == 1, traceIsInBatch { batchStart = now }
        traceIsOpen = false
    }

    private func exceedsLimits(adding growth: Int) -> Bool {
        messageBytes + growth > settings.maximumRequestBytes
            || (settings.sendBatchMaxSize > 0 && spanCount >= settings.sendBatchMaxSize)
    }

    private mutating func noteSpanOfTrace() {
        spanCount += 1
        guard !traceIsInBatch else { return }
        traceIsInBatch = true
        traceCount += 1
        if batchStart == nil { batchStart = traceStart }
        if traceWasCut, !traceIsSplit {
            traceIsSplit = true
            splitTraces += 1
        }
    }

    /// Index of the group with this hash and these bytes, or -1.
    private func findGroup(
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

    private func findResource(_ hash: UInt64, _ resource: Span<UInt8>) -> Int32 {
        let headers = headerArena.span
        var cursor = resourceTable.start(hash)
        while let index = resourceTable.next(hash, cursor: &cursor) {
            let known = resources[Int(index)]
            if bytesEqual(headers.extracting(known.start..<known.end), resource) { return index }
        }
        return -1
    }

    private mutating func makeResource(_ hash: UInt64, _ resource: Span<UInt8>) -> Int32 {
        let index = Int32(resources.count)
        let start = headerArena.count
        appendBytes(resource, to: &headerArena)
        resources.append(
            Resource(
                start: start, end: headerArena.count, firstGroup: -1, lastGroup: -1, bodyBytes: 0))
        resourceTable.insert(hash, index: index)
        return index
    }

    private mutating func makeGroup(
        _ hash: UInt64, scope: Span<UInt8>, resource: Int32
    ) -> Int32 {
        let index = Int32(groups.count)
        let start = headerArena.count
        appendBytes(scope, to: &headerArena)
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
    private mutating func append(_ span: Span<UInt8>, spanBytes: Int, to group: Int) {
        let start = spanArena.count
        appendFieldPrefix(tag: OTLPTag.spans, payload: span.count, to: &spanArena)
        appendBytes(span, to: &spanArena)
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

/// Tags of the fields that this module writes and reads (all length-delimited).
enum OTLPTag {
    /// `ExportTraceServiceRequest.resource_spans = 1`.
    static let resourceSpans: UInt8 = 0x0a
    /// `ResourceSpans.scope_spans = 2`.
    static let scopeSpans: UInt8 = 0x12
    /// `ScopeSpans.spans = 2`.
    static let spans: UInt8 = 0x12
}

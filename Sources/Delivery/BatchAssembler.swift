/// Collects the spans of kept traces into one OTLP `ExportTraceServiceRequest`.
///
/// Owned by one worker, used for every kept span: a span costs one copy into an arena and no
/// allocation. Spans under equal (resource, scope) headers become one `ScopeSpans`, equal
/// resources one `ResourceSpans`, in the order of first appearance; spans of a group keep the order
/// in which they were added. Memory: about twice `maximumRequestBytes` while `flush()` runs.
///
/// Use:
/// ```
/// while !assembler.beginTrace(spans: n, bytes: b, now: now) { send(assembler.flush()) }
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
            // Every span may need a tag of its own, of its scope and of its resource.
            let needed = bytes + spans * 3 * Self.framing
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
}

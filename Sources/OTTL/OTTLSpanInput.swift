package import OTLP

/// One span as conditions see it: where its bytes are, what the request walker found, and what was read lazily since.
///
/// Make one per span, in the order of the request, and hand it to every condition: the fields that the walker does not
/// keep are read in one pass when the first condition asks for them, and remembered.
package struct OTTLSpanInput: ~Escapable {
    /// The message that the index was made from.
    let body: Span<UInt8>
    /// `RequestIndex.groupBytes`.
    let headers: Span<UInt8>
    /// The hits of this span alone.
    let spanHits: Span<AttributeHit>
    /// The hits of this span's resource.
    let resourceHits: Span<AttributeHit>
    let record: SpanRecord
    /// The header of the span's resource, in `headers`.
    let resource: ByteRange
    /// The header of the span's scope, in `headers`.
    let scope: ByteRange
    /// Wall-clock time, nanoseconds since 1970.
    let now: Int64
    /// The event that is looked at.
    var event: EventFields?
    /// What the event's ranges refer to: `body`, unless the event has been edited.
    var eventBytes: Span<UInt8>
    /// The event's place among those of its span; nil where paths to it have no value.
    var eventIndex: Int64?
    /// What statements have put into `cache`. Owned values only.
    var cache: [OTTLEntry] = []
    /// The text that an editor hands to its function.
    var argument: [UInt8] = []
    /// Whether the schemas of groups are known, as they are to processors but not to policies.
    var isForProcessors = false
    private var fields: SpanFields?

    /// Creates the view of one span.
    ///
    /// - Parameters:
    ///   - body: the message bytes that the index's offsets refer to.
    ///   - headers: `RequestIndex.groupBytes.span`.
    ///   - record: the span's record.
    ///   - group: `RequestIndex.groups[record.group]`.
    ///   - spanHits: the part of `RequestIndex.spanHits` whose `record` is this span's number.
    ///   - resourceHits: `RequestIndex.resourceHits` at `group.resourceHitRange`.
    ///   - now: for `Now()`: wall-clock nanoseconds since 1970.
    @inline(__always)
    @_lifetime(copy body, copy headers, copy spanHits, copy resourceHits)
    package init(
        body: Span<UInt8>, headers: Span<UInt8>, record: SpanRecord, group: GroupRecord, spanHits: Span<AttributeHit>,
        resourceHits: Span<AttributeHit>, now: Int64
    ) {
        self.body = body
        eventBytes = body
        self.headers = headers
        self.spanHits = spanHits
        self.resourceHits = resourceHits
        self.record = record
        resource = ByteRange(group.resourceRange)
        scope = ByteRange(group.scopeRange)
        self.now = now
    }

    /// Creates the view of one span, or of a resource or scope without one, for processors.
    @_lifetime(copy body, copy headers, copy eventBytes)
    init(
        body: Span<UInt8>, headers: Span<UInt8>, eventBytes: Span<UInt8>, record: SpanRecord, resource: ByteRange,
        scope: ByteRange, now: Int64
    ) {
        self.body = body
        self.eventBytes = eventBytes
        self.headers = headers
        spanHits = Span()
        resourceHits = Span()
        self.record = record
        self.resource = resource
        self.scope = scope
        self.now = now
        isForProcessors = true
    }

    /// Creates the view of no span, for evaluating constants.
    @_lifetime(copy nothing, copy noHits)
    init(nothing: Span<UInt8>, noHits: Span<AttributeHit>) {
        body = nothing
        eventBytes = nothing
        headers = nothing
        spanHits = noHits
        resourceHits = noHits
        record = SpanRecord(
            traceID: TraceID(high: 0, low: 0), hash: 0, startTimeUnixNano: 0, endTimeUnixNano: 0, offset: 0, length: 0,
            group: 0, flags: [])
        resource = .empty
        scope = .empty
        now = 0
    }

    /// The fields that the walker does not keep; read once.
    var spanFields: SpanFields {
        mutating get {
            if let fields { return fields }
            let read = SpanFields(body, record.range)
            fields = read
            return read
        }
    }
}

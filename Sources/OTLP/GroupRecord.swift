/// The resource and scope that a run of spans in a request belongs to.
///
/// A *header* is what ResourceSpans (or ScopeSpans) says apart from its children: all its fields except
/// number 2, byte for byte, concatenated in the order of the wire. Resource, schema_url and unknown
/// fields therefore survive, and a message `header + children` means what the original meant.
/// ResourceSpans' field 1000 (instrumentation_library_spans, gone since 2022) holds spans: it isn't
/// part of the header, and its spans are counted as `SpanRejection.unsupportedField`.
///
/// Groups aren't deduplicated: equal headers have equal hashes, whoever merges compares the bytes.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
public struct GroupRecord: Sendable, BitwiseCopyable {
    /// Where the ResourceSpans header begins in `RequestIndex.groupBytes`.
    public var resourceOffset: UInt32
    /// The length of the ResourceSpans header in bytes; groups of one resource share it.
    public var resourceLength: UInt32
    /// Where the ScopeSpans header begins in `RequestIndex.groupBytes`.
    public var scopeOffset: UInt32
    /// The length of the ScopeSpans header in bytes.
    public var scopeLength: UInt32
    /// The first of this resource's entries in `RequestIndex.resourceHits`.
    public var resourceHitStart: UInt32
    /// How many entries of `RequestIndex.resourceHits` are this resource's; groups share them.
    public var resourceHitCount: UInt32
    /// The keyed hash of the ResourceSpans header.
    public var resourceHash: UInt64
    /// The keyed hash of the ScopeSpans header.
    public var scopeHash: UInt64
    /// Both hashes mixed: what to look a group up by.
    public var groupHash: UInt64
    /// How many spans the walk accepted under this scope. Stays as it is when spans are left out afterwards.
    public var spanCount: UInt32

    /// The ResourceSpans header as a range of `RequestIndex.groupBytes`.
    @inlinable public var resourceRange: Range<Int> {
        Int(resourceOffset)..<(Int(resourceOffset) + Int(resourceLength))
    }
    /// The ScopeSpans header as a range of `RequestIndex.groupBytes`.
    @inlinable public var scopeRange: Range<Int> {
        Int(scopeOffset)..<(Int(scopeOffset) + Int(scopeLength))
    }
    /// This resource's entries in `RequestIndex.resourceHits`.
    @inlinable public var resourceHitRange: Range<Int> {
        Int(resourceHitStart)..<(Int(resourceHitStart) + Int(resourceHitCount))
    }
}

/// What the gateway keeps about one accepted span of a request: 64 bytes, no references.
///
/// The span itself stays where it is: `offset` and `length` give the Span message's payload (without
/// tag and length) inside the request body. `RequestWalker` fills everything but `predicates`.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
public struct SpanRecord: Sendable, BitwiseCopyable {
    /// The trace the span belongs to; never zero.
    public var traceID: TraceID
    /// `HashKeys.hash(traceID)`: high bits choose the shard, low bits the table slot.
    public var hash: UInt64
    /// When the span began, in nanoseconds since 1970; 0 if not given.
    public var startTimeUnixNano: UInt64
    /// When the span ended, in nanoseconds since 1970; not necessarily after the start.
    public var endTimeUnixNano: UInt64
    /// One bit per span predicate that holds; 0 until Sampling sets it.
    public var predicates: UInt64
    /// Where the span's payload begins in the body, in bytes.
    public var offset: UInt32
    /// The length of the span's payload in bytes.
    public var length: UInt32
    /// The index of the span's resource and scope in `RequestIndex.groups`.
    public var group: UInt32
    /// Status code, root and sampled bits.
    public var flags: SpanFlags

    /// Creates a record from all its fields.
    @inlinable @inline(__always)
    public init(
        traceID: TraceID, hash: UInt64, startTimeUnixNano: UInt64, endTimeUnixNano: UInt64,
        predicates: UInt64 = 0, offset: UInt32, length: UInt32, group: UInt32, flags: SpanFlags
    ) {
        self.traceID = traceID
        self.hash = hash
        self.startTimeUnixNano = startTimeUnixNano
        self.endTimeUnixNano = endTimeUnixNano
        self.predicates = predicates
        self.offset = offset
        self.length = length
        self.group = group
        self.flags = flags
    }

    /// The span's payload as a range of the body.
    @inlinable public var range: Range<Int> { Int(offset)..<(Int(offset) + Int(length)) }

    /// End minus start in nanoseconds; 0 where the end lies before the start, or the start is unknown.
    @inlinable public var durationNanoseconds: UInt64 {
        startTimeUnixNano != 0 && endTimeUnixNano > startTimeUnixNano ? endTimeUnixNano - startTimeUnixNano : 0
    }
}

/// A span's status code (bits 0-1) and single-bit facts, in 32 bits.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
public struct SpanFlags: OptionSet, Sendable, BitwiseCopyable {
    /// The bits.
    public var rawValue: UInt32

    /// Creates flags from their bits.
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The span has no parent: the field is absent, empty or eight zero bytes.
    @inlinable public static var isRoot: SpanFlags { SpanFlags(rawValue: 1 << 2) }
    /// The W3C `sampled` trace flag is set in the span's `flags` field.
    @inlinable public static var w3cSampled: SpanFlags { SpanFlags(rawValue: 1 << 3) }
    /// Reserved: the span's strings hold bytes above 0x7f.
    ///
    /// The walker doesn't set it.
    @inlinable public static var hasNonASCII: SpanFlags { SpanFlags(rawValue: 1 << 4) }

    /// 0 UNSET, 1 OK, 2 ERROR; a code that OTLP doesn't know counts as UNSET.
    @inlinable public var statusCode: UInt32 { rawValue & 3 }
    /// Whether the status code is ERROR.
    @inlinable public var isError: Bool { rawValue & 3 == 2 }
}

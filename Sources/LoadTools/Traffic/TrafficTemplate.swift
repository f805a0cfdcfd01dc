/// Where the bytes that differ from use to use stand in a template. 40 bytes a span.
struct SpanPatch: Sendable {
    /// Offset of the Span message's first byte: the tag of trace_id. span_id stands 18 bytes later, parent 28.
    var span: UInt32
    /// Offset of the tag of start_time_unix_nano; end_time_unix_nano stands 9 bytes later.
    var times: UInt32
    /// The trace, counted within the instance.
    var trace: UInt32
    /// The span, counted within its trace; 0 is the root.
    var index: UInt32
    /// The parent's index; ``noParent`` for a root, which has no parent field at all.
    var parent: UInt32
    /// From the instance's time to the span's start, in nanoseconds; negative.
    var start: Int64
    /// In nanoseconds.
    var duration: Int64

    static let noParent = UInt32.max
    static let spanIDOffset = 20
    static let traceIDOffset = 2
    static let parentIDOffset = 30
}

/// One prepared OTLP export request as a gRPC message (5-byte prefix, then an ExportTraceServiceRequest), whose ids and
/// times are overwritten in place for every use.
///
/// Owner: one lane of a load generator. The bytes are a plain array: a transport that still holds the previous use
/// makes the next ``stamp(ids:unixNanoseconds:)`` copy them once, so a use that is under way never changes.
struct TrafficTemplate: Sendable {
    /// Length of the gRPC prefix before the protobuf message.
    static let prefixLength = 5

    private(set) var bytes: [UInt8]
    private let patches: [SpanPatch]

    var spans: Int { patches.count }
    /// Length of all Span messages, without tag and length.
    let spanBytes: Int

    init(message: [UInt8], patches: [SpanPatch], spanBytes: Int) {
        self.spanBytes = spanBytes
        let length = UInt32(message.count)
        bytes = [0]
        bytes.reserveCapacity(Self.prefixLength + message.count)
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: length >> shift))
        }
        bytes += message
        self.patches = patches.map { patch in
            var moved = patch
            moved.span += UInt32(Self.prefixLength)
            moved.times += UInt32(Self.prefixLength)
            return moved
        }
    }

    /// Writes the ids of an instance's traces, and times before `unixNanoseconds`.
    ///
    /// - Complexity: five stores of 8 bytes a span.
    mutating func stamp(ids: [TraceWords], unixNanoseconds: Int64) {
        let patches = patches
        var target = bytes.mutableSpan
        for index in patches.indices {
            let patch = patches[index]
            let id = ids[Int(patch.trace)]
            let span = Int(patch.span)
            Self.store(id.high, in: &target, at: span &+ SpanPatch.traceIDOffset)
            Self.store(id.low, in: &target, at: span &+ SpanPatch.traceIDOffset &+ 8)
            Self.store(
                TraceIdentity.spanID(index: Int(patch.index), traceLow: id.low), in: &target,
                at: span &+ SpanPatch.spanIDOffset)
            if patch.parent != SpanPatch.noParent {
                Self.store(
                    TraceIdentity.spanID(index: Int(patch.parent), traceLow: id.low), in: &target,
                    at: span &+ SpanPatch.parentIDOffset)
            }
            let start = unixNanoseconds &+ patch.start
            let times = Int(patch.times)
            Self.store(UInt64(bitPattern: start), in: &target, at: times &+ 1)
            Self.store(UInt64(bitPattern: start &+ patch.duration), in: &target, at: times &+ 10)
        }
    }

    /// Little-endian, as fixed64 is on the wire.
    @inline(__always)
    private static func store(_ value: UInt64, in target: inout MutableSpan<UInt8>, at offset: Int) {
        precondition(offset >= 0 && offset &+ 8 <= target.count)
        target[offset] = UInt8(truncatingIfNeeded: value)
        target[offset &+ 1] = UInt8(truncatingIfNeeded: value >> 8)
        target[offset &+ 2] = UInt8(truncatingIfNeeded: value >> 16)
        target[offset &+ 3] = UInt8(truncatingIfNeeded: value >> 24)
        target[offset &+ 4] = UInt8(truncatingIfNeeded: value >> 32)
        target[offset &+ 5] = UInt8(truncatingIfNeeded: value >> 40)
        target[offset &+ 6] = UInt8(truncatingIfNeeded: value >> 48)
        target[offset &+ 7] = UInt8(truncatingIfNeeded: value >> 56)
    }
}

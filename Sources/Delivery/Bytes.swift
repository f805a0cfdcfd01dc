internal import OTLP

// Small byte helpers of this module: everything here is bounds-checked and free of allocation
// except where an array grows.

/// Bytes of a length-delimited protobuf field with a one-byte tag (field numbers 1...15).
@inline(__always)
func fieldSize(payload: Int) -> Int { ProtobufSize.field(1, count: payload) }

/// Field numbers of the messages that this module writes and reads.
enum OTLPField {
    /// `ExportTraceServiceRequest.resource_spans`.
    static let resourceSpans: UInt8 = 1
    /// `ResourceSpans.scope_spans`.
    static let scopeSpans: UInt8 = 2
    /// `ScopeSpans.spans`.
    static let spans: UInt8 = 2
}

/// Whether two byte ranges are equal. No early exit, so that the loop is vectorized: it is nearly
/// always called on equal bytes.
///
/// - Complexity: O(n).
func bytesEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    let count = left.count
    guard right.count == count else { return false }
    var difference: UInt8 = 0
    for index in 0..<count { difference |= left[index] ^ right[index] }
    return difference == 0
}

/// FNV-1a with a seed and a final mix. Only asked for headers that are new in a batch.
func hashBytes(_ bytes: Span<UInt8>, seed: UInt64) -> UInt64 {
    var hash = 0xcbf2_9ce4_8422_2325 ^ seed
    for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
    hash ^= hash >> 32
    return hash &* 0x9e37_79b9_7f4a_7c15
}

/// Sum that stops at the ends of `Int64` instead of trapping: times and delays may come from
/// settings or peers.
@inline(__always)
func saturatingAdd(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (right < 0 ? .min : .max) : sum
}

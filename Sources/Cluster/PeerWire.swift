/// Why a peer's message was refused. Peers may be of another release, or no peers at all.
package enum PeerMessageError: Error, Equatable, Sendable {
    /// It ends in the middle of a field.
    case truncated
    /// A varint of more than 64 bits, or a wire type that peer messages do not use.
    case malformed
    /// Longer, or with more entries, than is ever sent.
    case tooLarge
    /// A field that must be there is not, or is out of range.
    case invalid
    /// Of a format that this release does not read.
    case unsupportedFormat
}

/// Peer messages are written in protobuf's wire format, with varints (0) and byte strings (2) only; unknown fields are skipped,
/// so that a later release can add some.
struct PeerFieldReader {
    enum Value {
        case number(UInt64)
        case bytes(Range<Int>)
    }

    let bytes: [UInt8]
    private var offset: Int
    private let end: Int

    init(_ bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
    }

    var isAtEnd: Bool { offset >= end }

    /// What has not been read.
    var rest: Range<Int> { offset..<end }

    /// The next field's number and value, or nil at the end.
    mutating func next() throws(PeerMessageError) -> (number: UInt64, value: Value)? {
        guard offset < end else { return nil }
        let tag = try varint()
        switch tag & 7 {
        case 0: return (tag >> 3, .number(try varint()))
        case 2:
            let length = try varint()
            return (tag >> 3, .bytes(try take(length)))
        default: throw .malformed
        }
    }

    mutating func varint() throws(PeerMessageError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < end {
            let byte = bytes[offset]
            offset += 1
            if shift == 63 && byte > 1 { throw .malformed }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { throw .malformed }
        }
        throw .truncated
    }

    /// Takes so many bytes.
    mutating func take(_ count: UInt64) throws(PeerMessageError) -> Range<Int> {
        // `offset <= end`, so the difference is not negative.
        guard count <= UInt64(end - offset) else { throw .truncated }
        let start = offset
        offset += Int(count)
        return start..<offset
    }

    /// Eight bytes, most significant first.
    mutating func word() throws(PeerMessageError) -> UInt64 {
        let range = try take(8)
        return bytes[range].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// UTF-8 text of at most `ClusterLimits.maximumAddressBytes`.
    func address(_ range: Range<Int>) throws(PeerMessageError) -> String {
        try text(range, limit: ClusterLimits.maximumAddressBytes)
    }

    /// UTF-8 text of 1 to `limit` bytes.
    func text(_ range: Range<Int>, limit: Int) throws(PeerMessageError) -> String {
        guard !range.isEmpty, range.count <= limit,
            let text = String(validating: bytes[range], as: UTF8.self)
        else { throw .invalid }
        return text
    }
}

extension [UInt8] {
    /// Appends a word, most significant byte first.
    mutating func appendWord(_ word: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

/// Sum that stops at the ends of `Int64`: times may come from peers or settings.
@inline(__always)
func saturatingAdd(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (right < 0 ? .min : .max) : sum
}

/// Nanoseconds as whole milliseconds, rounded up for positive times.
func milliseconds(_ nanoseconds: Int64) -> Int64 { nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0) }

/// A peer's milliseconds as nanoseconds, at most a day.
func nanoseconds(_ milliseconds: UInt64) -> Int64 { Int64(min(milliseconds, 86_400_000)) * 1_000_000 }

internal import OTLP

/// What stands beside a forwarded OTLP request, as gRPC metadata:
///
///     tailgate-batch: INCARNATION-LANE-SEQUENCE      three hexadecimal numbers
///     tailgate-hop:   1                              decimal, 1...`maximumHops`
///     tailgate-ring:  VERSION                        16 hexadecimal digits, of the sender's ring
///
/// The request itself is `opentelemetry.proto.collector.trace.v1.TraceService/Export`, so any OTLP tool can read it.
package struct ForwardHeaders: Sendable, Equatable {
    package static let batchName: StaticString = "tailgate-batch"
    package static let hopName: StaticString = "tailgate-hop"
    package static let ringName: StaticString = "tailgate-ring"

    package var batch: BatchID
    package var hop: UInt8
    package var ringVersion: UInt64

    package init(batch: BatchID, hop: UInt8, ringVersion: UInt64) {
        self.batch = batch
        self.hop = hop
        self.ringVersion = ringVersion
    }

    /// Hands out the fields, one after the other. Without text in between: every batch has them.
    package func write(_ field: (_ name: StaticString, _ value: [UInt8]) -> Void) {
        var id: [UInt8] = []
        id.reserveCapacity(40)
        id.appendHexadecimal(batch.incarnation)
        id.append(UInt8(ascii: "-"))
        id.appendHexadecimal(UInt64(batch.lane))
        id.append(UInt8(ascii: "-"))
        id.appendHexadecimal(batch.sequence)
        field(Self.batchName, id)
        field(Self.hopName, hop < 10 ? [UInt8(ascii: "0") + hop] : Array(String(hop).utf8))
        var version: [UInt8] = []
        version.reserveCapacity(16)
        version.appendHexadecimal(ringVersion)
        field(Self.ringName, version)
    }

    /// The same as text: for simulations and tests.
    package var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        write { fields.append(($0.description, String(decoding: $1, as: UTF8.self))) }
        return fields
    }

    /// Reads the values; missing or malformed ones are an error, since without them a batch could circle or be taken twice.
    package init(
        batch: ArraySlice<UInt8>?, hop: ArraySlice<UInt8>?, ring: ArraySlice<UInt8>?
    ) throws(PeerMessageError) {
        guard let batch, let hop, let hops = Self.decimal(hop), hops > 0, let ring, let version = Self.hexadecimal(ring),
            let first = batch.firstIndex(of: UInt8(ascii: "-")), let last = batch.lastIndex(of: UInt8(ascii: "-")), first < last,
            let incarnation = Self.hexadecimal(batch[..<first]), incarnation != 0,
            let lane = Self.hexadecimal(batch[(first + 1)..<last]).flatMap(UInt32.init(exactly:)),
            let sequence = Self.hexadecimal(batch[(last + 1)...]), sequence > 0
        else { throw .invalid }
        self.init(
            batch: BatchID(incarnation: incarnation, lane: lane, sequence: sequence), hop: hops, ringVersion: version)
    }

    /// The same from text.
    package init(batch: String?, hop: String?, ring: String?) throws(PeerMessageError) {
        func bytes(_ text: String?) -> ArraySlice<UInt8>? { text.map { Array($0.utf8)[...] } }
        try self.init(batch: bytes(batch), hop: bytes(hop), ring: bytes(ring))
    }

    private static func decimal(_ text: ArraySlice<UInt8>) -> UInt8? {
        var value = 0
        for byte in text.prefix(4) {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int(byte) - 48
        }
        return text.isEmpty ? nil : UInt8(exactly: value)
    }

    /// 1 to 16 digits.
    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard (1...16).contains(text.count) else { return nil }
        var value: UInt64 = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte - 48
            case 97...102: digit = byte - 87
            case 65...70: digit = byte - 55
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}

extension [UInt8] {
    /// Without leading zeros, in lower case.
    fileprivate mutating func appendHexadecimal(_ value: UInt64) {
        var shift = Swift.max(4, 64 - value.leadingZeroBitCount)
        shift = (shift + 3) / 4 * 4
        while shift > 0 {
            shift -= 4
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
            append(digit < 10 ? 48 + digit : 87 + digit)
        }
    }
}

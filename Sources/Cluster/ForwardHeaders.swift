internal import OTLP

/// What stands beside a forwarded OTLP request, as gRPC metadata:
///
///     tailgate-batch: INCARNATION-LANE-SEQUENCE      three hexadecimal numbers
///     tailgate-hop:   1                              decimal, 1...`maximumHops`
///     tailgate-ring:  VERSION                        16 hexadecimal digits, of the sender's ring
///
/// The request itself is `opentelemetry.proto.collector.trace.v1.TraceService/Export`, so any OTLP tool can read it.
package struct ForwardHeaders: Sendable, Equatable {
    package static let batchName = "tailgate-batch"
    package static let hopName = "tailgate-hop"
    package static let ringName = "tailgate-ring"

    package var batch: BatchID
    package var hop: UInt8
    package var ringVersion: UInt64

    package init(batch: BatchID, hop: UInt8, ringVersion: UInt64) {
        self.batch = batch
        self.hop = hop
        self.ringVersion = ringVersion
    }

    /// Hands out the fields, one after the other. Without text in between: every batch has them.
    package func write(_ field: (_ name: String, _ value: [UInt8]) -> Void) {
        var id: [UInt8] = []
        id.reserveCapacity(40)
        id.appendHexadecimal(batch.incarnation)
        id.append(UInt8(ascii: "-"))
        id.appendHexadecimal(UInt64(batch.lane))
        id.append(UInt8(ascii: "-"))
        id.appendHexadecimal(batch.sequence)
        field(Self.batchName, id)
        field(Self.hopName, Array(String(hop).utf8))
        var version: [UInt8] = []
        version.appendHexadecimal(ringVersion)
        field(Self.ringName, version)
    }

    /// The same as text: for simulations and tests.
    package var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        write { fields.append(($0, String(decoding: $1, as: UTF8.self))) }
        return fields
    }

    /// Reads the values; missing or malformed ones are an error, since without them a batch could circle or be taken twice.
    package init(batch: String?, hop: String?, ring: String?) throws(PeerMessageError) {
        guard let batch, batch.utf8.count <= 48, let hop, let hops = UInt8(hop), hops > 0, let ring, ring.utf8.count <= 16,
            let version = UInt64(ring, radix: 16)
        else { throw .invalid }
        let parts = batch.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let incarnation = UInt64(parts[0], radix: 16), incarnation != 0,
            let lane = UInt32(parts[1], radix: 16), let sequence = UInt64(parts[2], radix: 16), sequence > 0
        else { throw .invalid }
        self.init(
            batch: BatchID(incarnation: incarnation, lane: lane, sequence: sequence), hop: hops, ringVersion: version)
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

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

    package var fields: [(name: String, value: String)] {
        let id = [batch.incarnation, UInt64(batch.lane), batch.sequence].map { String($0, radix: 16) }
        return [
            (Self.batchName, id.joined(separator: "-")), (Self.hopName, String(hop)),
            (Self.ringName, String(ringVersion, radix: 16)),
        ]
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

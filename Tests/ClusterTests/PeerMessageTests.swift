import OTLP
import TestSupport
import Testing

@testable import Cluster

@Suite struct PeerMessageTests {
    static func status() -> PeerStatus {
        var status = PeerStatus(address: "10.0.0.1:4319", incarnation: .max, sequence: 9, lifecycle: .draining)
        status.weight = 3
        status.ringVersion = 1
        status.ringEpoch = 2
        status.wantedVersion = .max
        status.phase = .ready
        status.knowsPeers = true
        status.policyHash = 77
        status.handoffProgress = .max
        status.demands = [BudgetDemand(id: 5, perSecond: 1234.5), BudgetDemand(id: .max, perSecond: 0)]
        return status
    }

    static func chunk() -> (HandoffHeader, HandoffChunk) {
        let header = HandoffHeader(
            sender: "10.0.0.1:4319", incarnation: 4, lane: 1, laneCount: 2, sequence: 3, ringVersion: 8, ringEpoch: 2,
            frontier: -3_000_000, isLast: true, heldFor: 5_000_000)
        var chunk = HandoffChunk()
        chunk.traces = [HandoffTrace(traceID: TraceID(high: 1, low: 2), age: 7_000_000, remaining: -9_000_000, policyHash: 6)]
        chunk.decisions = [
            HandoffDecision(traceID: TraceID(high: 3, low: 4), verdict: 2, policy: nil, age: 60),
            HandoffDecision(traceID: TraceID(high: 3, low: 5), verdict: 1, policy: 0, age: 0),
        ]
        chunk.payload = [1, 2, 3]
        return (header, chunk)
    }

    @Test func aStatusSurvivesTheWire() throws {
        #expect(try PeerStatus(parsing: Self.status().encoded) == Self.status())
        let plain = PeerStatus(address: "a:1", incarnation: 1, sequence: 0, lifecycle: .starting)
        #expect(try PeerStatus(parsing: plain.encoded) == plain)
    }

    @Test func aChunkSurvivesTheWireAndAgesOnTheWay() throws {
        let (header, chunk) = Self.chunk()
        let read = try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody))
        #expect(read.header == header)
        #expect(read.chunk == chunk.aged(by: 5_000_000))
        #expect(read.chunk.traces[0].age == 12_000_000 && read.chunk.traces[0].remaining == -14_000_000)
    }

    @Test func unknownFieldsAreSkipped() throws {
        var bytes = Self.status().encoded
        bytes.appendField(90, varint: 1)
        bytes.appendField(91, bytes: [1, 2, 3])
        #expect(try PeerStatus(parsing: bytes) == Self.status())
    }

    @Test func whatIsMissingOrForeignIsRefused() {
        #expect(throws: PeerMessageError.unsupportedFormat) { try PeerStatus(parsing: []) }
        #expect(throws: PeerMessageError.unsupportedFormat) { try PeerStatus(parsing: [0x08, 2]) }
        #expect(throws: PeerMessageError.invalid) { try PeerStatus(parsing: [0x08, 1]) }
        #expect(throws: PeerMessageError.malformed) { try PeerStatus(parsing: [0x09, 1]) }
        #expect(throws: PeerMessageError.tooLarge) { try PeerStatus(parsing: [UInt8](repeating: 0, count: 20_000)) }
        #expect(throws: PeerMessageError.truncated) { try PeerStatus(parsing: [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]) }
        #expect(throws: PeerMessageError.malformed) {
            try PeerStatus(parsing: [0x08] + [UInt8](repeating: 0xff, count: 11))
        }
        var (header, chunk) = Self.chunk()
        header.lane = 2
        #expect(throws: PeerMessageError.invalid) {
            try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody))
        }
        (header, chunk) = Self.chunk()
        chunk.decisions[0].verdict = 3
        #expect(throws: PeerMessageError.invalid) {
            try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody))
        }
    }

    /// No bytes trap: every prefix, and messages with some bytes changed.
    @Test func brokenMessagesNeverTrap() {
        let (header, chunk) = Self.chunk()
        var random = SeededGenerator(3)
        for message in [Self.status().encoded, HandoffChunk.message(header, body: chunk.encodedBody)] {
            for end in message.indices {
                _ = try? PeerStatus(parsing: Array(message[..<end]))
                _ = try? HandoffChunk.parse(Array(message[..<end]))
            }
            for _ in 0..<5000 {
                var bytes = message
                for _ in 0..<1 + random.below(4) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
                _ = try? PeerStatus(parsing: bytes)
                if let read = try? HandoffChunk.parse(bytes) {
                    let day: Int64 = 86_400_000_000_000
                    #expect(abs(read.header.frontier) <= day)
                    for trace in read.chunk.traces { #expect(trace.age <= 2 * day && abs(trace.remaining) <= 2 * day) }
                }
            }
        }
    }

    @Test func headersSurvive() throws {
        let headers = ForwardHeaders(batch: BatchID(incarnation: .max, lane: 7, sequence: 4096), hop: 2, ringVersion: .max)
        let fields = headers.fields
        #expect(fields.map(\.name) == ["tailgate-batch", "tailgate-hop", "tailgate-ring"])
        #expect(fields[0].value == "ffffffffffffffff-7-1000")
        #expect(try ForwardHeaders(batch: fields[0].value, hop: fields[1].value, ring: fields[2].value) == headers)
        for number in [0, 1, 15, 16, 0xabc_def0, 1 << 63] as [UInt64] {
            let fields = ForwardHeaders(batch: BatchID(incarnation: number, lane: 0, sequence: 9), hop: 1, ringVersion: number).fields
            #expect(fields[0].value == "\(String(number, radix: 16))-0-9")
            #expect(fields[2].value == String(number, radix: 16))
        }
    }

    @Test(arguments: [
        (nil, "1", "1"), ("1-0-1", nil, "1"), ("1-0-1", "1", nil), ("1-0", "1", "1"), ("1-0-1-1", "1", "1"), ("0-0-1", "1", "1"),
        ("1-0-0", "1", "1"), ("1--1", "1", "1"), ("x-0-1", "1", "1"), ("1-100000000-1", "1", "1"), ("1-0-1", "0", "1"),
        ("1-0-1", "256", "1"), ("1-0-1", "1", "g"), ("1-0-1", "1", "11111111111111111"), ("", "", ""),
    ] as [(String?, String?, String?)])
    func malformedHeadersAreRefused(batch: String?, hop: String?, ring: String?) {
        #expect(throws: PeerMessageError.invalid) { try ForwardHeaders(batch: batch, hop: hop, ring: ring) }
    }
}

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
        status.demands = [BudgetDemand(id: 5, perSecond: 1234.5), BudgetDemand(id: .max, perSecond: 0, passedPerSecond: 7.25)]
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
        chunk.policyNames = [0: "errors", 7: String(repeating: "ä", count: 512)]
        chunk.payload = [1, 2, 3]
        return (header, chunk)
    }

    @Test func aStatusSurvivesTheWire() throws {
        #expect(try PeerStatus(parsing: Self.status().encoded) == Self.status())
        let plain = PeerStatus(address: "a:1", incarnation: 1, sequence: 0, lifecycle: .starting)
        #expect(try PeerStatus(parsing: plain.encoded) == plain)
    }

    /// A message with reports of shared limits as given.
    static func message(limits: [[UInt8]]) -> [UInt8] {
        var bytes = PeerStatus(address: "a:1", incarnation: 1, sequence: 1, lifecycle: .serving).encoded
        for limit in limits { bytes.appendField(13, bytes: limit) }
        return bytes
    }

    static func limit(_ id: UInt64, _ rates: UInt64...) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendWord(id)
        for rate in rates { bytes.appendVarint(rate) }
        return bytes
    }

    /// What older and later releases write of a limit, and what nobody does.
    @Test func reportsOfLimits() throws {
        let read = try PeerStatus(
            parsing: Self.message(limits: [Self.limit(1, 1500), Self.limit(2, 1500, 250), Self.limit(3, 0, 0, 9, 9), Self.limit(4, .max, .max)]))
        #expect(read.demands.map(\.perSecond) == [1.5, 1.5, 0, 1e12])
        #expect(read.demands.map(\.passedPerSecond) == [nil, 0.25, 0, 1e12])
        for limit in [[], [1], Self.limit(1), Self.limit(1, 5) + [0x80]] {
            #expect(throws: PeerMessageError.truncated) { try PeerStatus(parsing: Self.message(limits: [limit])) }
        }
        #expect(throws: PeerMessageError.malformed) {
            try PeerStatus(parsing: Self.message(limits: [Self.limit(1) + [UInt8](repeating: 0xff, count: 10)]))
        }
        let many = (0...UInt64(ClusterLimits.maximumBudgets)).map { Self.limit($0, 1) }
        #expect(throws: PeerMessageError.tooLarge) { try PeerStatus(parsing: Self.message(limits: many)) }
        #expect(try PeerStatus(parsing: Self.message(limits: many.dropLast())).demands.count == ClusterLimits.maximumBudgets)
    }

    /// Rates are written in thousandths, from 0 to 10^12, and never more limits than are read.
    @Test func reportsAreWrittenWithinBounds() throws {
        var status = Self.status()
        status.demands = (0..<100 as Range<UInt64>).map { BudgetDemand(id: $0, perSecond: -5, passedPerSecond: 1e40) }
        let read = try PeerStatus(parsing: status.encoded)
        #expect(read.demands.count == ClusterLimits.maximumBudgets)
        #expect(read.demands.allSatisfy { $0.perSecond == 0 && $0.passedPerSecond == 1e12 })
        #expect(status.encoded.count < ClusterLimits.maximumStatusBytes)
    }

    @Test func aChunkSurvivesTheWireAndAgesOnTheWay() throws {
        let (header, chunk) = Self.chunk()
        let read = try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody))
        #expect(read.header == header)
        #expect(read.chunk == chunk.aged(by: 5_000_000))
        #expect(read.chunk.traces[0].age == 12_000_000 && read.chunk.traces[0].remaining == -14_000_000)
    }

    /// Names of policies: what is too long is not sent; a message of a node that sends none is good; what nobody sends is refused.
    @Test func namesOfPolicies() throws {
        var (header, chunk) = Self.chunk()
        header.heldFor = 0
        let names = chunk.policyNames
        chunk.policyNames = [1: "", 2: String(repeating: "a", count: 1025)]
        #expect(try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody)).chunk.policyNames == [:])
        chunk.policyNames = Dictionary(uniqueKeysWithValues: (0..<2000).map { (UInt16($0), "p\($0)") })
        let read = try HandoffChunk.parse(HandoffChunk.message(header, body: chunk.encodedBody)).chunk.policyNames
        #expect(read.count == ClusterLimits.maximumPolicyNames && read[5] == "p5")
        chunk.policyNames = names
        let good = HandoffChunk.message(header, body: chunk.encodedBody)
        let long = [UInt8](repeating: 97, count: 1025)
        for entry in [[], [0, 97], [1], [1, 0xff], [0x80, 0x80, 0x80, 1, 97], [1] + long] as [[UInt8]] {
            var message = good
            message.appendField(19, bytes: entry)
            #expect(throws: PeerMessageError.self, "\(entry.count)") { try HandoffChunk.parse(message) }
        }
        var message = good
        for number in 0..<2000 as Range<UInt64> {
            var entry: [UInt8] = []
            entry.appendVarint(number + 1)
            message.appendField(19, bytes: entry + [97])
        }
        #expect(throws: PeerMessageError.tooLarge) { try HandoffChunk.parse(message) }
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

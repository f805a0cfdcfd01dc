import OTLP
import Testing

@testable import Cluster

func ringMembers(_ range: Range<Int>) -> [RingMember] { range.map { RingMember("10.4.\($0 / 7).\($0):4319") } }

@Suite struct HashRingTests {
    /// Rings of 0...51 members, built once: the largest part of these tests' time.
    static let rings: [HashRing?] = (0...51).map { HashRing(ringMembers(0..<$0)) }

    static func imbalance(_ ring: HashRing) -> Double {
        let mean = Double(ring.slotCount) / Double(ring.members.count)
        return Double(ring.slotsOwned.max() ?? 0) / mean
    }

    @Test func theWholeKeySpaceIsSharedEvenly() throws {
        for size in 1...50 {
            let ring = try #require(Self.rings[size])
            #expect(ring.slotsOwned.reduce(0, +) == 1 << 17)
            #expect(Self.imbalance(ring) <= 1.041, "\(size) members")
            #expect(ring.slotsOwned.min() ?? 0 > Int(0.85 * Double(1 << 17) / Double(size)), "\(size) members")
        }
    }

    /// Everything a join must move is what the new member gets; at most 0.2 % of the space moves besides. A leave is the same
    /// backwards.
    @Test func joinsAndLeavesMoveOnlyWhatTheyMust() throws {
        let epsilon = 0.002 * Double(1 << 17)
        for size in 1...50 {
            let smaller = try #require(Self.rings[size])
            let larger = try #require(Self.rings[size + 1])
            let newcomer = try #require(larger.members.first { !smaller.contains($0.address) })
            let must = larger.slotsOwned[try #require(larger.index(of: newcomer.address))]
            let moved = smaller.slotsMoved(to: larger)
            #expect(moved == larger.slotsMoved(to: smaller))
            #expect(moved >= must && Double(moved - must) <= epsilon, "\(size) -> \(size + 1): \(moved - must) too many")
            // Without full members, which up to 30 there are none of, it is exactly what must move.
            if size < 20 { #expect(moved == must, "\(size) -> \(size + 1)") }
        }
    }

    @Test func orderAndRepetitionOfMembersMakeNoDifference() throws {
        let members = ringMembers(0..<7)
        let ring = try #require(HashRing(members, slotBits: 10))
        for seed in 0..<20 {
            var shuffled = members + [members[seed % 7]]
            var state = UInt64(seed)
            for index in shuffled.indices.reversed() {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                shuffled.swapAt(index, Int(state >> 33) % (index + 1))
            }
            let other = try #require(HashRing(shuffled, slotBits: 10))
            #expect(other.version == ring.version && other.members == ring.members && other.table == ring.table)
        }
    }

    @Test func theVersionTellsRingsApart() throws {
        var versions: Set<UInt64> = []
        for size in 1...50 { versions.insert(HashRing.version(ringMembers(0..<size))) }
        #expect(versions.count == 50 && !versions.contains(0))
        let one = HashRing.version([RingMember("a:1")])
        #expect(HashRing.version([RingMember("a:1", weight: 2)]) != one)
        #expect(HashRing.version([RingMember("a:1")], slotBits: 10) != one)
        let ring = try #require(HashRing([RingMember("a:1")], slotBits: 10))
        #expect(ring.version == HashRing.version([RingMember("a:1")], slotBits: 10))
    }

    /// Nodes of different releases and machines must agree: this may only change together with the format's version.
    @Test func theFunctionIsFixed() throws {
        let ring = try #require(HashRing(ringMembers(0..<4), slotBits: 10))
        let owners = (1...16 as ClosedRange<UInt64>).map { ring.owner(of: TraceID(high: $0 << 40, low: $0)) }
        #expect(HashRing.hash(TraceID(high: 0x4bf9_2f35_77b3_4da6, low: 0xa3ce_929d_0e0e_4736)) == Self.fixedHash)
        #expect(owners == Self.fixedOwners)
        #expect(ring.version == Self.fixedVersion)
    }

    /// Computed by a program in another language from the description alone.
    static let fixedHash: UInt64 = 9202809683717286996
    static let fixedOwners = [3, 1, 0, 3, 3, 1, 0, 1, 2, 1, 2, 1, 0, 1, 2, 0]
    static let fixedVersion: UInt64 = 7891976612842499990

    @Test func weightsGiveShares() throws {
        let ring = try #require(HashRing([RingMember("a:1", weight: 1), RingMember("b:1", weight: 2), RingMember("c:1", weight: 5)]))
        let owned = ring.slotsOwned.map { Double($0) / Double(ring.slotCount) }
        for (share, wanted) in zip(owned, [0.125, 0.25, 0.625]) { #expect(abs(share / wanted - 1) < 0.045) }
        #expect(RingMember("a:1", weight: 0).weight == 1 && RingMember("a:1", weight: 200).weight == 16)
    }

    @Test func listsWithoutARing() {
        #expect(HashRing([]) == nil)
        #expect(HashRing(ringMembers(0..<250), slotBits: 8) != nil)
        #expect(HashRing(ringMembers(0..<251), slotBits: 8) == nil)
    }

    /// Consecutive ids, ids with one random half, and ids that share their ends are spread as evenly as random ones.
    @Test func weakTraceIDsAreSpread() throws {
        let ring = try #require(HashRing(ringMembers(0..<5), slotBits: 12))
        let patterns: [(UInt64) -> TraceID] = [
            { TraceID(high: 0, low: $0) }, { TraceID(high: $0, low: 0) }, { TraceID(high: 7, low: $0 << 48) },
            { TraceID(high: $0 &* 0x9e37_79b9_7f4a_7c15, low: $0 &* 0x9e37_79b9_7f4a_7c15) },
        ]
        for (number, pattern) in patterns.enumerated() {
            var counts = [Int](repeating: 0, count: 5)
            for value in 1...20_000 as ClosedRange<UInt64> { counts[ring.owner(of: pattern(value))] += 1 }
            #expect(counts.allSatisfy { abs($0 - 4000) < 500 }, "pattern \(number): \(counts)")
        }
    }

    /// Which worker of a node has a trace says nothing about which node has it.
    @Test func workersAndOwnersAreIndependent() throws {
        let ring = try #require(HashRing(ringMembers(0..<4), slotBits: 12))
        let keys = HashKeys(3, 5)
        var counts = [[Int]](repeating: [0, 0], count: 4)
        for value in 1...40_000 as ClosedRange<UInt64> {
            let id = TraceID(high: value &* 0x9e37_79b9_7f4a_7c15, low: value)
            counts[ring.owner(of: id)][Int(keys.hash(id) >> 63)] += 1
        }
        for pair in counts { #expect(abs(pair[0] - pair[1]) < 600) }
    }
}

import TestSupport
import Testing

@testable import Transport

@Suite struct ClientSharesTests {
    static let second: Int64 = 1_000_000_000

    @Test func theFairShareLeavesOneMore() {
        #expect(UsageTable<Int>.fairShare(of: []) == 0)
        #expect(UsageTable<Int>.fairShare(of: [100]) == 50)
        #expect(UsageTable<Int>.fairShare(of: [100, 100, 100]) == 75)
        // 50 of the large one are for who comes anew; the small ones have all they want.
        #expect(UsageTable<Int>.fairShare(of: [5, 100, 10]) == 50)
        #expect(UsageTable<Int>.fairShare(of: [900, 300, 50]) == 450)
    }

    /// What larger clients have beyond the share is one share.
    @Test func fairShareIsMaxMinFair() {
        var random = SeededGenerator(7)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                Int.random(in: 0...(Bool.random(using: &random) ? 1000 : 1_000_000), using: &random)
            }
            let share = UsageTable<Int>.fairShare(of: bytes)
            let beyond = bytes.reduce(0) { $0 + max(0, $1 - share) }
            #expect(abs(beyond - share) <= bytes.count + 1, "\(bytes) \(share)")
        }
    }

    @Test func nobodyAloneIsModestAndTheSmallAre() {
        var table = UsageTable<Int>(halfLife: Self.second)
        let unknown = table.isModest(1, now: 0)
        #expect(unknown)
        table.note(1000, by: 1, now: 0)
        let alone = table.isModest(1, now: 60_000_000)
        #expect(!alone)
        let absent = table.isModest(2, now: 60_000_000)
        #expect(absent)
        table.note(100, by: 2, now: 70_000_000)
        let (one, two) = (table.isModest(1, now: 200_000_000), table.isModest(2, now: 200_000_000))
        #expect(!one && two)
    }

    @Test func usageIsForgotten() {
        var table = UsageTable<Int>(halfLife: Self.second)
        table.note(1 << 20, by: 1, now: 0)
        table.note(1, by: 2, now: 10 * Self.second)
        #expect(table.bytes(of: 1) == 1 << 10)
        table.note(1, by: 2, now: 31 * Self.second)
        #expect(table.bytes(of: 1) == 0 && table.count == 1)
        // Clocks may stand for a day.
        table.note(5, by: 3, now: 100_000 * Self.second)
        #expect(table.bytes(of: 2) == 0 && table.bytes(of: 3) == 5)
    }

    /// However many small clients come, the table stays as it is and the large one in it.
    @Test func smallClientsDoNotDisplaceALargeOne() {
        var table = UsageTable<Int>(capacity: 8, halfLife: 1000 * Self.second)
        for number in 0..<10_000 {
            table.note(1000, by: -1, now: 0)
            table.note(1000, by: number, now: 0)
        }
        #expect(table.count == 8 && table.bytes(of: -1) == 10_000_000)
    }

    /// A greedy client on one connection, and one on many connections of one address, against a small one.
    @Test func standings() {
        let (mine, other) = (PeerAddress(high: 0, low: 1), PeerAddress(high: 0, low: 2))
        var shares = ClientShares(halfLife: 10 * Self.second)
        for _ in 0..<100 {
            shares.note(1_000_000, address: mine, connection: 1, now: 0)
            shares.note(100_000, address: mine, connection: 2, now: 0)
        }
        func standing(_ address: PeerAddress, _ connection: UInt64, _ now: Int64) -> ClientStanding {
            shares.standing(address: address, connection: connection, now: now)
        }
        #expect(standing(mine, 1, 1) == .greedy)
        #expect(standing(mine, 2, 1) == .modestConnection)
        #expect(standing(mine, 99, 1) == .modestConnection)
        #expect(standing(other, 3, 1) == .modest)
        // By address: a hundred connections have no more than one.
        for connection in 100..<200 { shares.note(1_000_000, address: other, connection: UInt64(connection), now: 2) }
        let third = PeerAddress(high: 0, low: 3)
        shares.note(1_000_000, address: third, connection: 7, now: 2)
        #expect(standing(third, 7, Self.second) == .modest)
        #expect(standing(other, 100, Self.second) != .modest)
    }
}

import Testing

@testable import Gateway

struct QueueSharesTests {
    private static let mebi = 1 << 20

    private func shares(_ queues: [QueueShares.Queue], room: Int = 200) -> QueueShares {
        QueueShares(queues, roomBytes: room * Self.mebi, requestBytes: Self.mebi)
    }

    @Test func equalQueuesGetTheSame() {
        let made = shares([.init(name: "a", needBytes: nil), .init(name: "b", needBytes: 9000 * Self.mebi)])
        #expect(made.bytes == [50 * Self.mebi, 50 * Self.mebi] && made.warnings == [])
    }

    @Test func whatOneCantUseIsForTheOthers() {
        let made = shares([
            .init(name: "a", needBytes: nil), .init(name: "small", needBytes: 10 * Self.mebi), .init(name: "c", needBytes: nil),
        ])
        #expect(made.bytes == [45 * Self.mebi, 10 * Self.mebi, 45 * Self.mebi])
    }

    @Test func ownSizesComeFirst() {
        let made = shares([.init(name: "a", needBytes: nil, ownBytes: 70 * Self.mebi), .init(name: "b", needBytes: nil)])
        #expect(made.bytes == [70 * Self.mebi, 30 * Self.mebi] && made.warnings == [])
        let large = shares([.init(name: "a", needBytes: nil, ownBytes: 150 * Self.mebi), .init(name: "b", needBytes: nil)])
        #expect(large.bytes == [150 * Self.mebi, 2 * Self.mebi])
        #expect(large.warnings.count == 1 && large.warnings[0].contains("152 MiB, more than half (100 MiB)"))
    }

    /// Two requests of the largest size, whatever the limit.
    @Test func everyQueueCanWork() {
        let made = shares([.init(name: "a", needBytes: nil), .init(name: "b", needBytes: 1)], room: 0)
        #expect(made.bytes == [2 * Self.mebi, 2 * Self.mebi])
    }

    @Test func aWrittenSizeThatCantBeHeldIsSaid() {
        let made = shares([
            .init(name: "a", needBytes: nil, writtenBytes: 51 * Self.mebi), .init(name: "b", needBytes: nil, writtenBytes: 50 * Self.mebi),
        ])
        #expect(made.warnings.count == 1)
        #expect(made.warnings.first?.contains("the queue of a holds 50 MiB at most, its share of the memory limit") == true)
        #expect(made.warnings.first?.contains("would need 51 MiB") == true)
    }
}

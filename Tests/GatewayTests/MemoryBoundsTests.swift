import TestSupport
import Testing

@testable import Gateway

struct MemoryBoundsTests {
    private func bounds(
        _ parts: [MemoryBounds.Part], shares: QueueShares? = nil, soft: Int = 400 << 20
    ) -> MemoryBounds {
        MemoryBounds(parts: parts, shares: shares, limitBytes: 512 << 20, softLimitBytes: soft)
    }

    private func fixed(_ name: String, _ bytes: Int) -> MemoryBounds.Part { .init(name: name, bytes: bytes, isFixed: true) }

    /// All numbers of a line, and what they add up to.
    private func sum(_ summary: String) -> Int {
        summary.split(separator: ", ").compactMap { part in
            part.split(separator: " ").dropLast().last.flatMap { Int($0) }
        }.reduce(0, +)
    }

    @Test func thePartsAddUpToTheLimit() {
        let shares = QueueShares(
            [.init(name: "otlp", needBytes: 3500 << 20), .init(name: "spans", needBytes: nil)], roomBytes: 366 << 20,
            requestBytes: 1 << 20)
        let made = bounds([fixed("program", 28 << 20), fixed("caches", 6 << 20)], shares: shares)
        #expect(made.fixedBytes == 34 << 20 && made.roomBytes == 366 << 20 && made.spanBytes == 183 << 20)
        #expect(made.warnings == [])
        // Two shares of 91.5 MiB are shown as 92.
        #expect(
            made.summary
                == "program 28 MiB, caches 6 MiB, queue of otlp 92 MiB, queue of spans 92 MiB, spans 182 MiB")
        #expect(sum(made.summary) == 400)
    }

    @Test(arguments: 0..<50 as Range<UInt64>) func theyAlwaysDo(seed: UInt64) {
        var random = SeededGenerator(seed)
        let soft = Int.random(in: 64 << 20...8 << 30, using: &random)
        let parts = (0..<3).map { fixed("part\($0)", Int.random(in: 0...soft / 10, using: &random)) }
        let room = soft - parts.reduce(0) { $0 + $1.bytes }
        let queues = (0..<Int.random(in: 1...6, using: &random)).map { number in
            QueueShares.Queue(
                name: "q\(number)", needBytes: Bool.random(using: &random) ? nil : Int.random(in: 1...8 << 30, using: &random))
        }
        let shares = QueueShares(queues, roomBytes: room, requestBytes: 1 << 18)
        let made = bounds(parts, shares: shares, soft: soft)
        #expect(shares.totalBytes <= room / 2 || shares.bytes.contains(2 << 18))
        #expect(made.fixedBytes + shares.totalBytes + made.spanBytes == soft)
        #expect(sum(made.summary) == soft >> 20)
    }

    @Test func saysWhenNothingIsLeft() {
        // A quarter of 400 MiB left is enough, a byte less is not.
        #expect(bounds([fixed("caches", 300 << 20)]).warnings == [])
        let warning = bounds([fixed("caches", 300 << 20 + 1)]).warnings.first
        #expect(warning?.contains("caches 301 MiB are taken") == true)
        #expect(bounds([fixed("caches", 4 << 30)]).roomBytes == 0)
    }

    @Test func hugeBoundsDoNotOverflow() {
        let made = bounds([fixed("caches", .max), fixed("more", .max)])
        #expect(made.fixedBytes == .max && made.spanBytes == 0 && made.summary.contains("spans 0 MiB"))
    }
}

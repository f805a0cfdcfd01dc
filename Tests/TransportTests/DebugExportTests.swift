import Testing

@testable import Transport

struct DebugExportTests {
    private static func written(_ sampler: DebugSampler, _ count: Int, at now: Int64 = 0) -> [Int] {
        var sampler = sampler
        return (1...count).filter { _ in sampler.writes(now: now) }
    }

    @Test func byDefaultAllAreWritten() {
        #expect(Self.written(DebugSampler(), 20) == Array(1...20))
    }

    /// As the Collector's logger: the first five of a second, then every tenth.
    @Test func firstFewThenEverySoMany() {
        #expect(Self.written(DebugSampler(initial: 5, thereafter: 10), 40) == [1, 2, 3, 4, 5, 15, 25, 35])
        #expect(Self.written(DebugSampler(initial: 3, thereafter: 0), 10) == [1, 2, 3])
        #expect(Self.written(DebugSampler(initial: 0, thereafter: 4), 9) == [4, 8])
    }

    @Test func everySecondAnew() {
        var sampler = DebugSampler(initial: 1, thereafter: 0)
        var written: [Int64] = []
        for now in stride(from: Int64(0), to: 3_000_000_000, by: 250_000_000) where sampler.writes(now: now) { written.append(now) }
        #expect(written == [0, 1_000_000_000, 2_000_000_000])
    }
}

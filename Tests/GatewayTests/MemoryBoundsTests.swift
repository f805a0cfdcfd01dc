import Testing

@testable import Gateway

struct MemoryBoundsTests {
    private func bounds(_ parts: [MemoryBounds.Part], soft: Int = 400 << 20) -> MemoryBounds {
        MemoryBounds(parts: parts, limitBytes: 512 << 20, softLimitBytes: soft)
    }

    @Test func sumsFixedAndElasticParts() {
        let made = bounds([
            .init(name: "program", bytes: 28 << 20, isFixed: true), .init(name: "caches", bytes: 6 << 20, isFixed: true),
            .init(name: "queue of otlp", bytes: 3500 << 20, isFixed: false),
            .init(name: "queue of spans", bytes: nil, isFixed: false),
        ])
        #expect(made.fixedBytes == 34 << 20)
        #expect(made.worstCaseBytes == 3534 << 20)
        #expect(made.roomBytes == 366 << 20)
        #expect(made.warning == nil)
        #expect(
            made.summary
                == "program 28 MiB, caches 6 MiB, queue of otlp 3500 MiB, queue of spans unbounded in bytes")
    }

    @Test func saysWhenNothingIsLeft() {
        // A quarter of 400 MiB left is enough, a byte less is not.
        #expect(bounds([.init(name: "caches", bytes: 300 << 20, isFixed: true)]).warning == nil)
        let warning = bounds([.init(name: "caches", bytes: 300 << 20 + 1, isFixed: true)]).warning
        #expect(warning?.contains("caches 301 MiB are taken") == true)
        #expect(bounds([.init(name: "caches", bytes: 4 << 30, isFixed: true)]).roomBytes == 0)
    }

    @Test func hugeBoundsDoNotOverflow() {
        let part = MemoryBounds.Part(name: "queue", bytes: .max, isFixed: false)
        #expect(bounds([part, part]).worstCaseBytes == .max)
    }
}

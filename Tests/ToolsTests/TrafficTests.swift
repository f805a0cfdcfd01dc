import Testing

@testable import LoadTools

@Suite struct TrafficTests {
    @Test func mixingCanBeUndone() {
        for value: UInt64 in [0, 1, 0xdead_beef, .max, 0x8000_0000_0000_0000] {
            #expect(unmix64(mix64(value)) == value)
        }
        #expect(goldenStep &* goldenStepInverse == 1)
    }

    @Test func idsLeadBackToTheirNumbers() {
        let identity = TraceIdentity(seed: 7)
        for number: UInt64 in [0, 1, 255, 1 << 40] {
            let id = identity.traceID(number: number)
            #expect(identity.number(of: id) == number)
            #expect(TraceIdentity(seed: 8).number(of: id) == nil)
            for index in [0, 1, 7, 63] {
                let span = TraceIdentity.spanID(index: index, traceLow: id.low)
                #expect(TraceIdentity.spanIndex(of: span, traceLow: id.low, limit: 64) == index)
            }
            #expect(
                TraceIdentity.spanIndex(
                    of: TraceIdentity.spanID(index: 64, traceLow: id.low), traceLow: id.low, limit: 64) == nil)
        }
    }

    @Test(arguments: [120, 200, 445, 900, 3000])
    func spansHaveTheWantedMeanLength(bytes: Int) {
        var settings = TrafficSettings()
        settings.spanBytes = bytes
        settings.templates = 4
        let templates = TrafficCatalog(settings: settings).templates.joined()
        let mean =
            Double(templates.reduce(0) { $0 + $1.spanBytes }) / Double(templates.reduce(0) { $0 + $1.spans })
        let tolerance = bytes < 300 ? 0.25 : 0.02
        #expect(abs(mean / Double(bytes) - 1) < tolerance, "\(mean)")
    }

    @Test func referenceWorkHasItsShape() {
        let catalog = TrafficCatalog(settings: TrafficSettings())
        #expect(catalog.templates.count == 16)
        #expect(catalog.templates.allSatisfy { $0.count == 2 })
        #expect(catalog.templates.joined().allSatisfy { $0.spans == 1024 })
        #expect(Set(catalog.templates.joined().map(\.bytes)).count == 32)
        let outcomes = (0..<UInt64(16 * 256)).map { catalog.outcome(ofTrace: $0) }
        #expect(outcomes.filter { $0 == .failed }.count == 41)
        #expect(outcomes.filter { $0 == .slow }.count == 41)
    }

    /// A trace of more spans than 16 bits can count: every span has its own id, and only the first has no parent.
    @Test func aTraceMayBeHuge() throws {
        var settings = TrafficSettings()
        settings.spansPerTrace = 66_000
        settings.requestsPerTrace = 33
        settings.spanBytes = 120
        settings.templates = 1
        #expect(settings.problems.isEmpty)
        var source = TrafficSource(catalog: TrafficCatalog(settings: settings))
        var traces: Set<TraceWords> = []
        var indexes: Set<Int> = []
        for _ in 0..<33 {
            let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000)
            #expect(request.spans == 2000 && request.traces == 1)
            let message = Array(request.bytes[TrafficTemplate.prefixLength...])
            var skimmer = RequestSkimmer(count: message.count)
            while let found = try skimmer.next(in: message.span) {
                traces.insert(found.id)
                indexes.insert(try #require(TraceIdentity.spanIndex(of: found.spanID, traceLow: found.id.low, limit: 66_000)))
            }
        }
        #expect(traces.count == 1 && indexes.count == 66_000 && !source.isMidInstance)
        settings.spansPerTrace = 1_000_001
        #expect(!settings.problems.isEmpty)
    }

    @Test func aSeedMakesTheSameBytes() {
        var settings = TrafficSettings()
        settings.templates = 4
        var one = TrafficSource(catalog: TrafficCatalog(settings: settings))
        var two = TrafficSource(catalog: TrafficCatalog(settings: settings))
        for _ in 0..<6 { #expect(one.next(unixNanoseconds: 99).bytes == two.next(unixNanoseconds: 99).bytes) }
        settings.seed = 2
        var three = TrafficSource(catalog: TrafficCatalog(settings: settings))
        settings.seed = 1
        var four = TrafficSource(catalog: TrafficCatalog(settings: settings))
        #expect(three.next(unixNanoseconds: 99).bytes != four.next(unixNanoseconds: 99).bytes)
    }

    @Test func aUseThatIsHeldDoesNotChange() {
        var settings = TrafficSettings()
        settings.templates = 1
        settings.requestsPerTrace = 1
        var source = TrafficSource(catalog: TrafficCatalog(settings: settings))
        let first = source.next(unixNanoseconds: 1)
        let copy = first.bytes.map { $0 }
        let second = source.next(unixNanoseconds: 2)
        #expect(first.bytes == copy)
        #expect(second.bytes != copy)
    }

    @Test(arguments: [(8, 2), (8, 1), (8, 8), (3, 2), (1, 1), (20, 3), (500, 2)])
    func aTraceIsATreeSpreadOverItsRequests(spans: Int, requests: Int) throws {
        var settings = TrafficSettings()
        settings.spansPerTrace = spans
        settings.requestsPerTrace = requests
        settings.spansPerRequest = 256
        settings.templates = 2 * requests
        #expect(settings.problems.isEmpty)
        let catalog = TrafficCatalog(settings: settings)
        var source = TrafficSource(catalog: catalog, lane: 1, lanes: 3)
        for instance in [1, 4] {
            var seen: [TraceWords: Set<UInt64>] = [:]
            for part in 0..<requests {
                let request = source.next(unixNanoseconds: 1_700_000_000_000_000_000)
                #expect(request.part == part && request.instance == UInt64(instance))
                var skimmer = RequestSkimmer(count: request.bytes.count - 5)
                let message = request.bytes.span.extracting(droppingFirst: 5)
                while let found = try skimmer.next(in: message) {
                    #expect(seen[found.id, default: []].insert(found.spanID).inserted)
                    let number = try #require(catalog.identity.number(of: found.id))
                    #expect(number / UInt64(settings.tracesPerInstance) == UInt64(instance))
                    let (root, end) = try RequestSkimmer.rootAndEnd(of: found, in: message)
                    #expect(
                        root
                            == (TraceIdentity.spanIndex(of: found.spanID, traceLow: found.id.low, limit: 1) == 0))
                    #expect(end < 1_700_000_000_000_000_000 && end > 1_699_999_990_000_000_000)
                }
            }
            #expect(seen.count == settings.tracesPerInstance)
            #expect(seen.values.allSatisfy { $0.count == spans })
        }
    }

    @Test func probabilisticThresholdsAreTheCollectors() {
        let vectors: [(Double, UInt64)] = [
            (0, 0), (0.001, 184_467_440_737_095), (0.1, 18_446_744_073_709_551), (1, 184_467_440_737_095_519),
            (10, 1_844_674_407_370_955_263), (12.5, 2_305_843_009_213_693_951), (33.3, 6_142_765_776_545_279_999),
            (50, 9_223_372_036_854_775_807), (66.67, 12_298_444_273_942_159_359),
            (99.99999, 18_446_742_229_035_143_167), (100, .max),
        ]
        for (percent, threshold) in vectors {
            #expect(ProbabilisticCheck(percent: percent).threshold == threshold)
        }
    }

    @Test func aboutTwelveInAHundredAreKept() {
        var settings = TrafficSettings()
        settings.spanBytes = 100
        let catalog = TrafficCatalog(settings: settings)
        let check = ProbabilisticCheck(percent: 10)
        let kept = (0..<UInt64(100_000)).filter {
            catalog.outcome(ofTrace: $0) != .ordinary || check.samples(catalog.identity.traceID(number: $0))
        }
        #expect((11_500...12_100).contains(kept.count))
    }

    @Test func settingsOutOfRangeAreNamed() {
        var settings = TrafficSettings()
        settings.spansPerTrace = 0
        settings.requestsPerTrace = 1
        settings.errorPercent = 60
        settings.slowPercent = 60
        #expect(settings.problems.count == 2)
    }
}

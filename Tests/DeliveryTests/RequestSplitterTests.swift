import Delivery
import Telemetry
import TestSupport
import Testing

@Suite struct RequestSplitterTests {
    func request(_ groups: [(String, [[UInt8]])]) -> [UInt8] {
        groups.flatMap { name, spans in
            // The header stands behind the spans on purpose: field order is free.
            Encode.bytes(
                1,
                Encode.bytes(2, spans.flatMap { Encode.bytes(2, $0) } + Encode.text(3, "s"))
                    + makeResource(name))
        }
    }

    func splits(_ message: [UInt8]) -> Bool { RequestSplitter.split(message) != nil }

    @Test func wholeTracesStayTogether() throws {
        var spans: [[UInt8]] = []
        for number in 0..<4 as Range<UInt64> {
            for trace in 0..<10 as Range<UInt64> {
                spans.append(makeSpan(trace: trace, number: number))
            }
        }
        let message = request([("a", Array(spans[..<25])), ("b", Array(spans[25...]))])
        let halves = try #require(RequestSplitter.split(message))
        let first = try DecodedRequest(halves.first.message)
        let second = try DecodedRequest(halves.second.message)
        #expect(
            (first.spans + second.spans).multiset()
                == (try DecodedRequest(message)).spans.multiset())
        #expect(halves.first.spans == 20 && halves.second.spans == 20)
        #expect(halves.first.traces == 5 && halves.second.traces == 5)
        let traces = { (request: DecodedRequest) in
            Set(request.spans.map { DecodedRequest.trace($0.span) })
        }
        #expect(traces(first).isDisjoint(with: traces(second)))
    }

    @Test func oneTraceIsCutBetweenSpans() throws {
        let spans = (0..<9).map { makeSpan(trace: 1, number: $0, filler: 50) }
        let halves = try #require(RequestSplitter.split(request([("a", spans)])))
        let first = try DecodedRequest(halves.first.message).spans.map(\.span)
        let second = try DecodedRequest(halves.second.message).spans.map(\.span)
        #expect(first + second == spans)
        #expect(first.count == 4)
    }

    @Test func aGiantStandsAlone() throws {
        for giant in 0..<3 {
            let spans = (0..<3).map {
                makeSpan(trace: UInt64($0), number: 0, filler: $0 == giant ? 10_000 : 10)
            }
            let halves = try #require(RequestSplitter.split(request([("a", spans)])))
            #expect(halves.first.spans + halves.second.spans == 3)
        }
        let two = [makeSpan(trace: 1, number: 0), makeSpan(trace: 1, number: 1, filler: 9_000)]
        let halves = try #require(RequestSplitter.split(request([("a", two)])))
        #expect(halves.first.spans == 1 && halves.second.spans == 1)
    }

    @Test func whatCanNotBeSplit() {
        #expect(!splits([]))
        #expect(!splits(request([("a", [makeSpan(trace: 1, number: 1)])])))
        let good = request([("a", (0..<4).map { makeSpan(trace: $0, number: 1) })])
        for length in 1..<good.count { #expect(!splits(Array(good[..<length]))) }
    }

    @Test func splittingGoesDownToSingleSpans() throws {
        let spans = (0..<7).map { makeSpan(trace: $0 / 3, number: $0) }
        var open = [request([("a", spans)])]
        var single: [[UInt8]] = []
        while let message = open.popLast() {
            guard let halves = RequestSplitter.split(message) else {
                single += try DecodedRequest(message).spans.map(\.span)
                continue
            }
            open += [halves.first.message, halves.second.message]
        }
        #expect(single.multiset() == spans.multiset())
    }

    /// Garbage never traps.
    @Test func noise() {
        var random = SeededGenerator(3)
        for _ in 0..<3000 {
            var bytes = request([("a", (0..<3).map { makeSpan(trace: $0, number: 1) })])
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            if let halves = RequestSplitter.split(bytes) {
                #expect(halves.first.spans > 0 && halves.second.spans > 0)
            }
        }
    }
}

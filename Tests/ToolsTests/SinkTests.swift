import Histogram
import OTLP
import Testing

@testable import LoadTools

@Suite struct SinkTests {
    /// A request with these spans, one (trace number, span index) each.
    private func request(_ spans: [(UInt64, Int)], identity: TraceIdentity = TraceIdentity(seed: 1)) -> [UInt8] {
        var message = MessageWriter()
        message.message(1) { resource in
            resource.text(3, "schema")
            resource.message(2) { scope in
                for (trace, index) in spans {
                    let id = identity.traceID(number: trace)
                    scope.message(2) { span in
                        span.data(1, bytes(id.high) + bytes(id.low))
                        span.data(2, bytes(TraceIdentity.spanID(index: index, traceLow: id.low)))
                        span.fixed64(7, 1)
                        span.fixed64(8, 2)
                    }
                }
            }
        }
        return message.bytes
    }

    private func bytes(_ word: UInt64) -> [UInt8] {
        stride(from: UInt64(0), to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
    }

    private func whole(_ trace: UInt64, _ range: Range<Int> = 0..<4) -> [(UInt64, Int)] {
        range.map { (trace, $0) }
    }

    @Test func wholeSplitLateAndDuplicateTracesAreToldApart() throws {
        var ledger = SinkLedger(spansPerTrace: 4, lateAfterNanoseconds: 5_000_000_000)
        func receive(_ spans: [(UInt64, Int)], _ seconds: Double = 0) throws {
            try ledger.receive(request(spans).span, now: Int64(seconds * 1e9), unixNow: 0)
        }
        try receive(whole(1) + whole(2))
        #expect(ledger.totals.wholeTraces == 2 && ledger.totals.splitTraces == 0)
        // in two requests: split
        try receive(whole(3, 0..<2))
        #expect(ledger.totals.incompleteTraces == 1)
        try receive(whole(3, 2..<4))
        #expect(ledger.totals.splitTraces == 1 && ledger.totals.wholeTraces == 3)
        // the rest much later: late
        try receive(whole(4, 0..<3))
        try receive(whole(4, 3..<4), 6)
        #expect(ledger.totals.lateTraces == 1 && ledger.totals.splitTraces == 1)
        // the same request again: duplicates, neither split nor more traces
        try receive(whole(1), 7)
        #expect(ledger.totals.duplicateSpans == 4 && ledger.totals.splitTraces == 1)
        // twice within one request
        try receive(whole(5) + whole(5, 1..<2), 7)
        #expect(ledger.totals.duplicateSpans == 5)
        #expect(ledger.totals.traces == 5 && ledger.totals.wholeTraces == 5)
        // and some of each kind are named
        try receive(whole(6, 0..<3), 8)
        let identity = TraceIdentity(seed: 1)
        #expect(ledger.examples.split == [identity.traceID(number: 3)])
        #expect(ledger.examples.late == [identity.traceID(number: 4)])
        #expect(ledger.examples.duplicated == [identity.traceID(number: 1), identity.traceID(number: 5)])
        #expect(ledger.examples.incomplete == [identity.traceID(number: 6)])
        for trace in UInt64(100)..<150 { try receive(whole(trace, 0..<1), 8) }
        #expect(ledger.examples.incomplete.count == SinkExamples.limit)
    }

    @Test func aTraceIDIsWrittenAsItsBytesStand() {
        #expect(TraceWords(high: 0x0807_0605_0403_0201, low: 0x100f_0e0d_0c0b_0a09).hexadecimal == "0102030405060708090a0b0c0d0e0f10")
        #expect(TraceWords(high: 1 << 56, low: 0).hexadecimal == "00000000000000010000000000000000")
    }

    @Test func foreignIdsAreCountedByNumber() throws {
        var ledger = SinkLedger(spansPerTrace: 2)
        var message = MessageWriter()
        message.message(1) { resource in
            resource.message(2) { scope in
                for number in 0..<3 {
                    scope.message(2) { span in
                        // ids neither first nor in order
                        span.text(5, "name")
                        span.data(2, [UInt8](repeating: UInt8(number + 1), count: 8))
                        span.data(1, [UInt8](repeating: 9, count: 16))
                    }
                }
            }
        }
        try ledger.receive(message.bytes.span, now: 0, unixNow: 0)
        #expect(ledger.totals.wholeTraces == 1 && ledger.totals.duplicateSpans == 1 && ledger.totals.spans == 3)
    }

    @Test func memoryStaysBoundedAndTheLatestAreKnown() throws {
        var ledger = SinkLedger(spansPerTrace: 2, traceLimit: 2048)
        for start in stride(from: UInt64(0), to: 20_000, by: 100) {
            try ledger.receive(request((start..<start + 100).map { ($0, 0) }).span, now: 0, unixNow: 0)
        }
        #expect(ledger.totals.traces == 20_000)
        #expect(ledger.totals.forgottenTraces > 10_000)
        try ledger.receive(request((19_000..<20_000).map { ($0, 1) }).span, now: 0, unixNow: 0)
        #expect(ledger.totals.wholeTraces == 1000 && ledger.totals.splitTraces == 1000)
    }

    @Test func anyBytesEndInAnError() {
        var random = SplitMix64(seed: 5)
        let good = request(whole(1) + whole(2))
        var ledger = SinkLedger()
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = good
            switch random.below(3) {
            case 0: bytes.removeLast(random.below(bytes.count))
            case 1: bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            default: bytes = (0..<random.below(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            do throws(MalformedRequest) {
                try ledger.receive(bytes.span, now: 0, unixNow: 1)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1000 && ledger.totals.malformedRequests == UInt64(refused))
    }

    @Test func aSinkFailsAsItWasTold() {
        var behaviour = SinkBehaviour()
        #expect(behaviour.answer(request: 0, now: 0) == .accept(afterNanoseconds: 0))
        behaviour.delayNanoseconds = 5
        behaviour.failWith = .resourceExhausted
        behaviour.failPercent = 25
        let failures = (0..<400).filter { number in
            let answer = behaviour.answer(request: UInt64(number), now: 0)
            return answer == .refuse(status: .resourceExhausted, retryNanoseconds: nil, afterNanoseconds: 5)
        }
        #expect(failures.count == 100)
        behaviour.failWith = nil
        behaviour.unavailableAfterNanoseconds = 100
        behaviour.unavailableForNanoseconds = 10
        behaviour.retryNanoseconds = 3
        #expect(behaviour.answer(request: 0, now: 99) == .accept(afterNanoseconds: 5))
        #expect(
            behaviour.answer(request: 0, now: 100)
                == .refuse(status: .unavailable, retryNanoseconds: 3, afterNanoseconds: 5))
        #expect(behaviour.answer(request: 0, now: 110) == .accept(afterNanoseconds: 5))
        behaviour.outage = .hang
        #expect(behaviour.answer(request: 0, now: 105) == .hang)
    }

    @Test func whatIsSentArrivesWhole() throws {
        var settings = TrafficSettings()
        settings.templates = 4
        var source = TrafficSource(catalog: TrafficCatalog(settings: settings))
        var ledger = SinkLedger(spansPerTrace: 8)
        for _ in 0..<8 {
            let request = source.next(unixNanoseconds: 1_000_000_000_000)
            try ledger.receive(
                request.bytes.span.extracting(droppingFirst: 5), now: 0, unixNow: 1_000_000_500_000)
        }
        #expect(ledger.totals.spans == 8192 && ledger.totals.duplicateSpans == 0)
        #expect(ledger.totals.traces == 1024 && ledger.totals.wholeTraces == 1024)
        #expect(ledger.totals.splitTraces == 1024)
        #expect(ledger.ages.totalCount > 0)
    }
}

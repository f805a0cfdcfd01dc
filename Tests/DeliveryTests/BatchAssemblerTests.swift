import Delivery
import Telemetry
import TestSupport
import Testing

@Suite struct BatchAssemblerTests {
    let scope = Encode.bytes(1, Encode.text(1, "lib"))

    func addAll(
        _ assembler: inout BatchAssembler, _ spans: [[UInt8]], hash: UInt64 = 1,
        resource: [UInt8] = makeResource("a"), now: Int64 = 0
    ) -> [AssembledBatch] {
        var batches: [AssembledBatch] = []
        let bytes = spans.map(\.count).reduce(0, +) + resource.count + scope.count
        while !assembler.beginTrace(spans: spans.count, bytes: bytes, now: now) {
            if let batch = assembler.flush() { batches.append(batch) }
        }
        for span in spans {
            while assembler.add(
                groupHash: hash, resource: resource.span, scope: scope.span, span: span.span)
                == .flushFirst
            {
                if let batch = assembler.flush() { batches.append(batch) }
            }
        }
        assembler.endTrace(now: now)
        return batches
    }

    @Test func aMessageMatchesHandWrittenBytes() throws {
        var assembler = BatchAssembler(settings: BatchSettings())
        let span = makeSpan(trace: 1, number: 1, filler: 200)
        _ = addAll(&assembler, [span, span])
        let batch = assembler.flush()
        let expected = Encode.bytes(
            1, makeResource("a") + Encode.bytes(2, scope + Encode.bytes(2, span) + Encode.bytes(2, span)))
        #expect(batch == AssembledBatch(message: expected, spans: 2, traces: 1))
        let nothing = assembler.flush()
        #expect(nothing == nil)
        // One allocation of that size; the allocator rounds up.
        #expect(batch?.message.capacity ?? 0 < expected.count * 5 / 4 + 64)
    }

    @Test func equalResourcesAndScopesAreMergedAcrossTraces() throws {
        var assembler = BatchAssembler(settings: BatchSettings())
        for trace in 0..<10 as Range<UInt64> {
            _ = addAll(&assembler, [makeSpan(trace: trace, number: 1)], hash: 1)
            _ = addAll(
                &assembler, [makeSpan(trace: trace, number: 2)], hash: 2,
                resource: makeResource("b"))
        }
        let batch = try assembler.flushed()
        let decoded = try DecodedRequest(batch.message)
        #expect(decoded.resourceSpans == 2)
        #expect(decoded.scopeSpans == 2)
        #expect(decoded.spans.count == 20)
        #expect(batch.traces == 20)
    }

    @Test func oneResourceWithTwoScopesIsWrittenOnce() throws {
        var assembler = BatchAssembler(settings: BatchSettings())
        let resource = makeResource("a", schema: "https://x")
        _ = assembler.beginTrace(spans: 3, bytes: 300, now: 0)
        for (hash, name) in [(1, "x"), (2, "y"), (1, "x")] as [(UInt64, String)] {
            let header = Encode.bytes(1, Encode.text(1, name))
            let span = makeSpan(trace: 1, number: hash)
            _ = assembler.add(
                groupHash: hash, resource: resource.span, scope: header.span, span: span.span)
        }
        assembler.endTrace(now: 0)
        let batch = try assembler.flushed()
        let decoded = try DecodedRequest(batch.message)
        #expect(decoded.resourceSpans == 1)
        #expect(decoded.scopeSpans == 2)
        #expect(decoded.spans.count == 3)
    }

    @Test func equalHashesOfDifferentBytesStayApart() throws {
        var assembler = BatchAssembler(settings: BatchSettings())
        var expected: [DecodedSpan] = []
        for number in 0..<50 as Range<UInt64> {
            let resource = makeResource("r\(number % 5)")
            let span = makeSpan(trace: number, number: number)
            _ = addAll(&assembler, [span], hash: 42, resource: resource)
            expected.append(DecodedSpan(resource: resource, scope: scope, span: span))
        }
        let decoded = try DecodedRequest(assembler.flushed().message)
        #expect(decoded.resourceSpans == 5)
        #expect(decoded.spans.multiset() == expected.multiset())
    }

    @Test func emptyHeadersAndEmptySpansAreKept() throws {
        var assembler = BatchAssembler(settings: BatchSettings())
        let none: [UInt8] = []
        _ = assembler.beginTrace(spans: 1, bytes: 0, now: 0)
        let result = assembler.add(
            groupHash: 0, resource: none.span, scope: none.span, span: none.span)
        assembler.endTrace(now: 0)
        #expect(result == .added)
        let batch = assembler.flush()
        #expect(batch?.message == [0x0a, 0x04, 0x12, 0x02, 0x12, 0x00])
    }

    @Test func isFullAtBatchSize() {
        var assembler = BatchAssembler(settings: BatchSettings(sendBatchSize: 4))
        _ = addAll(&assembler, [makeSpan(trace: 1, number: 1)])
        var full = assembler.isFull
        #expect(!full)
        let three = (0..<3).map { makeSpan(trace: 2, number: $0) }
        _ = addAll(&assembler, three)
        full = assembler.isFull
        #expect(full)
        let begun = assembler.beginTrace(spans: 1, bytes: 1, now: 0)
        #expect(!begun)
    }

    @Test(arguments: [(0, 200), (8192, 0)] as [(Int, Int64)])
    func zeroSizeOrTimeoutSendsEveryTrace(size: Int, timeout: Int64) {
        var assembler = BatchAssembler(
            settings: BatchSettings(sendBatchSize: size, timeout: timeout))
        var full = assembler.isFull
        #expect(!full)
        _ = addAll(&assembler, [makeSpan(trace: 1, number: 1)])
        full = assembler.isFull
        #expect(full)
    }

    @Test func maxSizeKeepsTracesWholeAndCutsLargeOnes() {
        var assembler = BatchAssembler(
            settings: BatchSettings(sendBatchSize: 8, sendBatchMaxSize: 8))
        func trace(_ id: UInt64, _ count: UInt64) -> [[UInt8]] {
            (0..<count).map { makeSpan(trace: id, number: $0) }
        }
        var batches = addAll(&assembler, trace(1, 6))
        batches += addAll(&assembler, trace(2, 6))
        batches += addAll(&assembler, trace(3, 20))
        if let rest = assembler.flush() { batches.append(rest) }
        #expect(batches.map(\.spans) == [6, 6, 8, 8, 4])
        let split = assembler.splitTraces
        #expect(split == 1)
    }

    @Test func bytesLimitIsHeldForManyTraces() throws {
        let limit = 20_000
        var assembler = BatchAssembler(settings: BatchSettings(maximumRequestBytes: limit))
        var batches: [AssembledBatch] = []
        for trace in 0..<200 as Range<UInt64> {
            batches += addAll(
                &assembler, (0..<8).map { makeSpan(trace: trace, number: $0, filler: 300) })
        }
        if let rest = assembler.flush() { batches.append(rest) }
        #expect(batches.allSatisfy { $0.message.count <= limit })
        #expect(batches.map(\.traces).reduce(0, +) == 200)
        let split = assembler.splitTraces
        #expect(split == 0)
        for batch in batches {
            let traces = try DecodedRequest(batch.message).spans.map {
                DecodedRequest.trace($0.span)
            }
            #expect(traces.multiset().values.allSatisfy { $0 == 8 })
        }
    }

    @Test func aSpanLargerThanTheLimitTravelsAlone() throws {
        var assembler = BatchAssembler(settings: BatchSettings(maximumRequestBytes: 1000))
        let giant = makeSpan(trace: 1, number: 2, filler: 5000)
        var batches = addAll(
            &assembler, [makeSpan(trace: 1, number: 1), giant, makeSpan(trace: 1, number: 3)])
        if let rest = assembler.flush() { batches.append(rest) }
        #expect(batches.map(\.spans) == [1, 1, 1])
        #expect(try DecodedRequest(batches[1].message).spans[0].span == giant)
    }

    @Test func theTimeoutCountsFromTheFirstTrace() {
        var assembler = BatchAssembler(settings: BatchSettings(timeout: 200))
        var deadline = assembler.deadline
        #expect(deadline == nil)
        _ = addAll(&assembler, [makeSpan(trace: 1, number: 1)], now: 1000)
        _ = addAll(&assembler, [makeSpan(trace: 2, number: 1)], now: 1100)
        deadline = assembler.deadline
        #expect(deadline == 1200)
        _ = assembler.flush()
        deadline = assembler.deadline
        #expect(deadline == nil)
        _ = addAll(&assembler, [makeSpan(trace: 3, number: 1)], now: 2000)
        deadline = assembler.deadline
        #expect(deadline == 2200)
    }

    /// Random traces over random groups, hashes that collide on purpose, random limits: nothing is
    /// lost, nothing is changed, traces keep their order, limits hold.
    @Test(arguments: 0..<60 as Range<UInt64>)
    func whatGoesInComesOut(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let settings = BatchSettings(
            sendBatchSize: Int.random(in: 1...400, using: &random),
            sendBatchMaxSize: Bool.random(using: &random) ? 0 : 500,
            maximumRequestBytes: Int.random(in: 2_000...60_000, using: &random))
        var assembler = BatchAssembler(settings: settings, hashSeed: seed)
        let hashes = UInt64.random(in: 1...40, using: &random)
        let names = Int.random(in: 1...30, using: &random)
        var batches: [AssembledBatch] = []
        var expected: [DecodedSpan] = []
        var whole = 0
        for trace in 0..<150 as Range<UInt64> {
            let count = Int.random(in: 1...12, using: &random)
            var parts: [DecodedSpan] = []
            for number in 0..<count {
                let resource = Int.random(in: 0..<names, using: &random)
                let library = Int.random(in: 0..<3, using: &random)
                parts.append(
                    DecodedSpan(
                        resource: makeResource("service-\(resource)"),
                        scope: Encode.bytes(1, Array("lib\(library)".utf8)),
                        span: makeSpan(
                            trace: trace, number: UInt64(number),
                            filler: Int.random(in: 0...400, using: &random))))
            }
            let bytes = parts.map { $0.resource.count + $0.scope.count + $0.span.count }
                .reduce(0, +)
            if !assembler.beginTrace(spans: count, bytes: bytes, now: 0) {
                batches.append(try assembler.flushed())
                let begun = assembler.beginTrace(spans: count, bytes: bytes, now: 0)
                #expect(begun)
            }
            for part in parts {
                let hash = UInt64(truncatingIfNeeded: part.resource.hashValue) % hashes
                let (resource, scope, span) = (part.resource, part.scope, part.span)
                while assembler.add(
                    groupHash: hash, resource: resource.span, scope: scope.span, span: span.span)
                    == .flushFirst
                {
                    batches.append(try assembler.flushed())
                }
            }
            assembler.endTrace(now: 0)
            expected += parts
            whole += 1
            if assembler.isFull { batches.append(try assembler.flushed()) }
        }
        if let rest = assembler.flush() { batches.append(rest) }

        var seen: [DecodedSpan] = []
        for batch in batches {
            let decoded = try DecodedRequest(batch.message)
            #expect(decoded.spans.count == batch.spans)
            #expect(batch.spans == 1 || batch.message.count <= settings.maximumRequestBytes)
            #expect(settings.sendBatchMaxSize == 0 || batch.spans <= settings.sendBatchMaxSize)
            #expect(Set(decoded.spans.map(\.resource)).count == decoded.resourceSpans)
            #expect(
                Set(decoded.spans.map { [$0.resource, $0.scope] }).count == decoded.scopeSpans)
            seen += decoded.spans
        }
        #expect(seen.multiset() == expected.multiset())
        // Within one trace and group the order of adding is kept.
        struct Place: Hashable {
            var trace: UInt64
            var group: [[UInt8]]
        }
        var last: [Place: UInt64] = [:]
        for span in seen {
            let place = Place(
                trace: DecodedRequest.trace(span.span), group: [span.resource, span.scope])
            let number = DecodedRequest.number(span.span)
            if let before = last[place] { #expect(before < number) }
            last[place] = number
        }
        let split = assembler.splitTraces
        #expect(batches.map(\.traces).reduce(0, +) >= whole + split)
    }
}

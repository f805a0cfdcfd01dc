import TestSupport
import Testing

@testable import OTLP

/// Mutated requests: nothing may trap, and what is accepted lies inside the body.
@Suite struct FuzzTests {
    @Test(arguments: [UInt64(1), 2, 3, 4]) func mutatedRequests(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let names = RequestWalkerPropertyTests.wanted.map { Array($0.utf8) }
        let walker = RequestWalker(
            keys: HashKeys(using: &random),
            interest: AttributeInterest(spanNames: names, resourceNames: names),
            checksNested: seed != 4)
        var corpus = [referenceRequest]
        while corpus.count < 40 {
            let model = ModelRequest(&random)
            if model.bytes.count > 40 && model.bytes.count < 600 { corpus.append(model.bytes) }
        }
        var index = RequestIndex()
        var accepted = 0
        var refused = 0
        var json: [UInt8] = []
        for round in 0..<50_000 {
            let body = Self.mutate(corpus, &random)
            do throws(WalkError) {
                try walker.walk(body.span, into: &index)
                accepted += 1
                try check(index, body)
                if walker.checksNested && round % 4 == 0 {
                    #expect(throws: Never.self) { try checkOutputs(index, body, walker) }
                }
            } catch {
                refused += 1
                #expect(index.records.isEmpty && index.groups.isEmpty && index.spanHits.isEmpty)
                guard error.offset >= 0 && error.offset <= body.count else {
                    Issue.record("offset outside: \(error)")
                    return
                }
            }
            if round % 8 == 0 {
                json.removeAll(keepingCapacity: true)
                _ = try? OTLPJSONWriter.append(body.span, to: &json)
                _ = SpanSanitizer.isValid(body.span)
                let repaired = SpanSanitizer.repaired(body.span)
                _ = SpanSanitizer.isValid(repaired.span)
                _ = try? RPCStatus(parsing: body.span)
                _ = try? ExportTraceServiceResponse(parsing: body.span)
            }
        }
        #expect(accepted > 1000)
        #expect(refused > 1000)
    }

    /// Every accepted span lies inside the body and is a message of its own; headers are, too.
    private func check(_ index: RequestIndex, _ body: [UInt8]) throws(WalkError) {
        var isFine = true
        var end = 0
        for record in index.records {
            isFine =
                isFine && record.range.lowerBound > end && record.range.upperBound <= body.count
            end = record.range.upperBound
            isFine = isFine && Int(record.group) < index.groups.count && !record.traceID.isZero
        }
        for group in index.groups {
            isFine = isFine && group.resourceRange.upperBound <= index.groupBytes.count
            isFine = isFine && group.scopeRange.upperBound <= index.groupBytes.count
            isFine = isFine && group.resourceHitRange.upperBound <= index.resourceHits.count
        }
        for hit in index.spanHits {
            isFine = isFine && hit.valueRange.upperBound <= body.count
            isFine = isFine && Int(hit.record) < index.records.count
        }
        #expect(isFine)
    }

    /// What the walker accepted can be repaired, walked again and written as JSON.
    private func checkOutputs(
        _ index: RequestIndex, _ body: [UInt8], _ walker: RequestWalker
    ) throws(WalkError) {
        if index.rejected.total == 0 {
            var json: [UInt8] = []
            try OTLPJSONWriter.append(body.span, to: &json)
        }
        for record in index.records {
            let span = Array(body[record.range])
            let repaired = repairedText(span)
            #expect(isValidText(repaired))
            #expect((repaired == span) == isValidText(span))
            let group = index.groups[Int(record.group)]
            let resource = repairedText(
                Array(index.groupBytes[group.resourceRange]), as: .resourceHeader)
            let scope = repairedText(Array(index.groupBytes[group.scopeRange]), as: .scopeHeader)
            #expect(isValidText(resource, as: .resourceHeader))
            #expect(isValidText(scope, as: .scopeHeader))
            // Stitched together they are a request again, with the same span in it.
            let again = try walk(
                Encode.request(resource: resource, scope: scope, spans: [repaired]), walker)
            #expect(again.records.count == 1 && again.rejected.total == 0)
            #expect(again.records.first?.traceID == record.traceID)
            #expect(again.records.first?.flags == record.flags)
        }
    }

    static func mutate(_ corpus: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        var body = corpus[random.below(corpus.count)]
        for _ in 0..<(1 + random.below(3)) {
            guard !body.isEmpty else { break }
            let position = random.below(body.count)
            switch random.below(7) {
            case 0: body.removeLast(body.count - position)
            case 1: body[position] ^= 1 << UInt8(random.below(8))
            case 2: body[position] = UInt8(truncatingIfNeeded: random.next())
            case 3: body.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
            case 4: body.remove(at: position)
            case 5:
                let other = corpus[random.below(corpus.count)]
                let start = random.below(other.count)
                let length = min(random.below(40), other.count - start)
                body.insert(contentsOf: other[start..<(start + length)], at: position)
            default:
                body[position] = [0xff, 0x80, 0x7f, 0x00, 0x0a, 0x12][random.below(6)]
            }
        }
        return body
    }
}

import TestSupport
import Testing

@testable import OTLP

@Suite struct RequestWalkerTests {
    @Test func emptyRequestsSucceed() throws {
        for body in [[], Encode.bytes(1, []), Encode.bytes(1, Encode.bytes(2, []))] {
            let index = try walk(body)
            #expect(index.records.isEmpty && index.groups.isEmpty && index.groupBytes.isEmpty)
        }
    }

    @Test func headersComeInAnyOrderAndKeepUnknownFields() throws {
        let resource = Encode.bytes(1, Encode.attribute(1, "service.name", Encode.text(1, "a")))
        let unknown = Encode.group(77, Encode.varint(1, 300)) + Encode.fixed32(78, 9)
        let scope = Encode.bytes(1, Encode.text(1, "lib"))
        let schema = Encode.text(3, "https://x")
        let spans = Encode.bytes(2, Encode.span())
        let body = Encode.bytes(
            1,
            Encode.bytes(2, spans + scope + spans + schema) + unknown + resource
                + Encode.bytes(2, scope))
        let index = try walk(body)
        #expect(index.records.count == 2)
        #expect(index.groups.count == 1)  // the second scope has no spans
        #expect(Array(index.groupBytes[index.groups[0].resourceRange]) == unknown + resource)
        #expect(Array(index.groupBytes[index.groups[0].scopeRange]) == scope + schema)
        #expect(index.groupBytes.count == (unknown + resource + scope + schema).count)
    }

    @Test func lastScalarWinsAndStatusMerges() throws {
        let more =
            Encode.fixed64(7, 1) + Encode.fixed64(7, 5) + Encode.fixed64(8, 2)
            + Encode.fixed64(8, 9) + Encode.bytes(15, Encode.varint(3, 2))
            + Encode.bytes(15, Encode.text(2, "later, without a code"))
            + Encode.bytes(4, [1, 2, 3, 4, 5, 6, 7, 8]) + Encode.bytes(4, [])
            + Encode.fixed32(16, 1) + Encode.fixed32(16, 0)
        let index = try walk(
            Encode.request(spans: [Encode.bytes(1, [1, 2]) + Encode.span(trace: 7, more)]))
        let record = try #require(index.records.first)
        #expect(record.startTimeUnixNano == 5)
        #expect(record.endTimeUnixNano == 9)
        #expect(record.durationNanoseconds == 4)
        #expect(record.flags.statusCode == 2)
        #expect(record.flags.contains(.isRoot))
        #expect(!record.flags.contains(.w3cSampled))
        #expect(record.traceID.high == 0x0707_0707_0707_0707)
    }

    @Test func unknownStatusCodesCountAsUnset() throws {
        for code: UInt64 in [3, 4, 1 << 33, .max] {
            let span = Encode.span(Encode.bytes(15, Encode.varint(3, code)))
            #expect(try walk(Encode.request(spans: [span])).records[0].flags.statusCode == 0)
        }
    }

    @Test func wrongWireTypesAreUnknownFields() throws {
        let odd =
            Encode.varint(1, 5) + Encode.fixed64(2, 5) + Encode.varint(7, 99)
            + Encode.bytes(8, [1]) + Encode.varint(9, 3) + Encode.fixed32(15, 2)
            + Encode.varint(16, 1) + Encode.group(5, [])
        let index = try walk(
            Encode.varint(1, 7) + Encode.request(spans: [Encode.span(odd)])
                + Encode.bytes(1, Encode.varint(2, 6) + Encode.fixed64(1, 1)))
        let record = try #require(index.records.first)
        #expect(record.startTimeUnixNano == 0 && record.endTimeUnixNano == 0)
        #expect(record.flags == [.isRoot])
    }

    @Test func longFormsOfTagsAndLengthsAreRead() throws {
        // 0x8a 0x00 is field 1, length-delimited; 0x90 0x80 0x00 the length 16.
        let id = [UInt8](repeating: 3, count: 16)
        let span = [0x8a, 0x00, 0x90, 0x80, 0x00] + id + Encode.bytes(2, [1, 2, 3, 4, 5, 6, 7, 8])
        let index = try walk(Encode.request(spans: [span]))
        #expect(index.records[0].traceID.bytes == id)
    }

    @Test func spansThatAreBadOnTheirOwnAreCounted() throws {
        let eight = [UInt8](repeating: 1, count: 8)
        let cases: [(SpanRejection, [UInt8])] = [
            (.traceIDLength, []),
            (.traceIDLength, Encode.bytes(1, eight) + Encode.bytes(2, eight)),
            (.traceIDLength, Encode.span() + Encode.bytes(1, [])),
            (.traceIDZero, Encode.span(trace: 0)),
            (.spanIDLength, Encode.bytes(1, eight + eight)),
            (.spanIDLength, Encode.bytes(1, eight + eight) + Encode.bytes(2, [1])),
            (.spanIDZero, Encode.span(span: 0)),
            (.parentSpanIDLength, Encode.span(Encode.bytes(4, [1, 2, 3]))),
            (.linkIDLength, Encode.span(Encode.bytes(13, Encode.bytes(1, eight)))),
            (.linkIDLength, Encode.span(Encode.bytes(13, Encode.bytes(2, [1])))),
        ]
        for (reason, span) in cases {
            let index = try walk(Encode.request(spans: [Encode.span(), span, Encode.span()]))
            #expect(index.records.count == 2, "\(reason)")
            #expect(index.rejected[reason] == 1, "\(reason)")
            #expect(index.rejected.total == 1, "\(reason)")
            #expect(index.spanBytes == 56)
        }
        // Only bad spans: no group, no header.
        let index = try walk(
            Encode.request(resource: Encode.bytes(1, []), spans: [Encode.span(trace: 0)]))
        #expect(index.groups.isEmpty && index.groupBytes.isEmpty && index.rejected.total == 1)
    }

    @Test func spansOfInstrumentationLibrariesAreCounted() throws {
        let old = Encode.bytes(1000, Encode.text(3, "x") + Encode.bytes(2, Encode.span()))
        let index = try walk(
            Encode.bytes(1, old + Encode.bytes(2, Encode.bytes(2, Encode.span())) + old))
        #expect(index.records.count == 1)
        #expect(index.rejected[.unsupportedField] == 2)
        #expect(index.groupBytes.isEmpty)
    }

    /// An AnyValue of arrays nested `levels` deep.
    static func nested(_ levels: Int) -> [UInt8] {
        var value = Encode.varint(3, 1)
        for _ in 0..<levels { value = Encode.bytes(5, Encode.bytes(1, value)) }
        return value
    }

    @Test func nestingIsBoundedSpanBySpan() throws {
        // Span 4, KeyValue 5, AnyValue 6, then two a level: 45 levels end at 96.
        let fine = Encode.span(Encode.attribute(9, "k", Self.nested(45)))
        let deep = Encode.span(Encode.attribute(9, "k", Self.nested(46)))
        let deepEvent = Encode.span(
            Encode.bytes(11, Encode.attribute(3, "k", Self.nested(100))))
        let deepLink = Encode.span(Encode.bytes(13, Encode.attribute(4, "k", Self.nested(1000))))
        let index = try walk(Encode.request(spans: [fine, deep, deepEvent, deepLink, fine]))
        #expect(index.records.count == 2)
        #expect(index.rejected[.nestingTooDeep] == 3)
    }

    @Test func deepHeadersTakeTheirSpansAlong() throws {
        let deep = Encode.attribute(1, "k", Self.nested(60))
        let resource = Encode.bytes(1, deep)
        let scope = Encode.bytes(1, Encode.attribute(3, "k", Self.nested(60)))
        let spans = Encode.bytes(2, Encode.span()) + Encode.bytes(2, Encode.span())
        // The scope comes after its spans; a good sibling stays.
        let body = Encode.bytes(1, Encode.bytes(2, spans + scope) + Encode.bytes(2, spans))
        var index = try walk(body)
        #expect(index.records.count == 2 && index.rejected[.nestingTooDeep] == 2)
        #expect(index.groups.count == 1 && index.records.allSatisfy { $0.group == 0 })
        #expect(index.spanBytes == 56 && index.groupBytes.isEmpty)
        index = try walk(Encode.bytes(1, Encode.bytes(2, spans) + resource))
        #expect(index.records.isEmpty && index.rejected[.nestingTooDeep] == 2)
        #expect(index.groups.isEmpty && index.groupBytes.isEmpty)
    }

    @Test func malformedRequestsAreRefusedAsAWhole() {
        let span = Encode.span()
        let cases: [(WalkError.Reason, [UInt8])] = [
            (.truncated, [0x0a]),
            (.truncated, [0x0a, 0x05]),
            (.truncated, [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (.truncated, [0x80]),
            (.truncated, Encode.request(spans: [span + [0x39, 1, 2, 3]])),
            (.truncated, Encode.request(spans: [span + [0x85]])),
            (.truncated, Encode.request(spans: [span + [0x85, 0x01, 0, 0]])),
            (.truncated, Encode.request(spans: [span + [0x4a, 0x7f]])),
            (.truncated, Encode.request(spans: [span + Encode.bytes(9, [0x0a, 9, 1])])),
            (.truncated, Encode.request(spans: [span + Encode.attribute(9, "k", [0x18])])),
            (.truncated, Encode.request(spans: [span + Encode.attribute(9, "k", [0x0a, 4, 1])])),
            (.truncated, Encode.request(spans: [span + Encode.attribute(9, "k", [0x21, 4, 1])])),
            (.truncated, Encode.request(spans: [span + Encode.attribute(9, "k", [0x18, 0x80])])),
            (.truncated, Encode.request(spans: [span + Encode.bytes(15, [0x18])])),
            (.truncated, Encode.request(resource: Encode.bytes(1, [0x0a, 1]), spans: [span])),
            (.truncated, Encode.request(scope: Encode.bytes(1, [0x0a, 1]), spans: [span])),
            (
                .malformedVarint,
                Encode.request(spans: [span + [0x30] + [UInt8](repeating: 0xff, count: 11)])
            ),
            (.malformedVarint, [UInt8](repeating: 0x80, count: 10) + [1]),
            (.malformedVarint, [UInt8](repeating: 0xff, count: 9) + [2]),
            (.badFieldNumber, [0x00, 0x00]),
            (.badFieldNumber, [0x02, 0x00]),
            (.badFieldNumber, Encode.request(spans: [span + [0x01]])),
            (.badFieldNumber, [0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00]),
            (.badWireType, [0x0e]),
            (.badWireType, Encode.request(spans: [span + [0x0f]])),
            (.unbalancedGroup, [0x0c]),
            (.unbalancedGroup, [0x0b]),
            (.unbalancedGroup, [0x0b, 0x14]),
            (.groupTooDeep, [UInt8](repeating: 0x0b, count: 1000)),
        ]
        for (reason, body) in cases {
            #expect(walkError(body)?.reason == reason, "\(body)")
        }
    }

    @Test func aFailedWalkLeavesNothingBehind() throws {
        var index = try walk(Encode.request(spans: [Encode.span()]))
        let walker = RequestWalker(keys: HashKeys(3, 4))
        let bad = Encode.request(spans: [Encode.span(), [0x0e]])
        #expect(throws: WalkError.self) { try walker.walk(bad.span, into: &index) }
        #expect(index.records.isEmpty && index.spanBytes == 0 && index.groupBytes.isEmpty)
    }

    @Test func tooManySpans() throws {
        let walker = RequestWalker(keys: HashKeys(3, 4), maximumSpans: 2)
        #expect(
            try walk(Encode.request(spans: [Encode.span(), Encode.span()]), walker)
                .records.count == 2)
        #expect(throws: WalkError.self) {
            try walk(
                Encode.request(spans: [Encode.span(), Encode.span(), Encode.span()]), walker)
        }
    }

    @Test func uncheckedNestingLooksAtLengthsAlone() throws {
        let walker = RequestWalker(keys: HashKeys(3, 4), checksNested: false)
        let body = Encode.request(spans: [Encode.span(Encode.bytes(9, [0x0e, 0xff]))])
        #expect(try walk(body, walker).records.count == 1)
        #expect(walkError(body)?.reason == .badWireType)
    }

    @Test func hitsTakeTheFirstKeyAndTheLastMemberOfTheOneof() throws {
        let walker = RequestWalker(
            keys: HashKeys(3, 4),
            interest: AttributeInterest(
                spanNames: [Array("key".utf8), [], Array("kez".utf8)], resourceNames: []))
        let merged =
            Encode.text(1, "no") + Encode.bytes(2, Encode.varint(3, 1))
            + Encode.bytes(2, Encode.text(1, "yes") + Encode.varint(2, 1)) + Encode.bytes(2, [])
            + Encode.text(1, "key")
        let rejected = Encode.span(trace: 0, Encode.attribute(9, "key", Encode.text(1, "gone")))
        let span = Encode.span(
            Encode.bytes(9, merged) + Encode.attribute(9, "key", Encode.text(1, "second"))
                + Encode.attribute(9, "", Encode.fixed64(4, 1.5.bitPattern))
                + Encode.attribute(9, "key2", []) + Encode.text(9, "") + Encode.bytes(9, []))
        let body = Encode.request(spans: [rejected, Encode.span(), span])
        let index = try walk(body, walker)
        #expect(index.spanHits.map(\.name) == [0, 1])
        #expect(index.spanHits.map(\.record) == [1, 1])
        #expect(index.spanHits.map(\.valueKind) == [.bool, .double])
        let flag = index.spanHits[0].boolean(in: body.span)
        let number = index.spanHits[1].double(in: body.span)
        #expect(flag == true && number == 1.5)
    }

    /// What is left of a request when others' spans are gone: records, bytes and hits agree.
    @Test func keepingSomeRecordsKeepsTheirHits() throws {
        let walker = RequestWalker(
            keys: HashKeys(3, 4), interest: AttributeInterest(spanNames: [Array("n".utf8)], resourceNames: []))
        let spans = (1...5).map { number in
            Encode.span(
                trace: UInt8(number), number % 2 == 0 ? [] : Encode.attribute(9, "n", Encode.varint(3, UInt64(number))))
        }
        let body = Encode.request(spans: spans)
        let whole = try walk(body, walker)
        #expect(whole.spanHits.map(\.record) == [0, 2, 4])
        var part = whole
        part.keep { $0 >= 2 }
        #expect(part.records.map(\.traceID) == whole.records[2...].map(\.traceID))
        #expect(part.spanHits.map(\.record) == [0, 2])
        #expect(part.spanBytes == part.records.reduce(0) { $0 + Int($1.length) })
        #expect(part.rejected.total == 0)
        // Another walk of the same body, brought down to the same records.
        var again = whole
        again.keepThose(of: part.records)
        #expect(again.records.map(\.range) == part.records.map(\.range) && again.spanHits.map(\.record) == [0, 2])
        again.keepThose(of: part.records)
        #expect(again.records.count == 3)
        again.keepThose(of: [])
        #expect(again.records.isEmpty && again.spanHits.isEmpty && again.spanBytes == 0)
    }

    @Test func negativeIntegers() throws {
        let walker = RequestWalker(
            keys: HashKeys(3, 4),
            interest: AttributeInterest(spanNames: [Array("n".utf8)], resourceNames: []))
        let value = Encode.varint(3, UInt64(bitPattern: -1))
        let body = Encode.request(spans: [Encode.span(Encode.attribute(9, "n", value))])
        let hit = try #require(try walk(body, walker).spanHits.first)
        let integer = hit.integer(in: body.span)
        #expect(hit.valueKind == .int && hit.valueLength == 10 && integer == -1)
    }
}

import TestSupport
import Testing

@testable import OTLP

@Suite struct RequestWalkerPropertyTests {
    /// Names in an order that differs from the generator's, so that indices matter.
    static let wanted = ["error", "http.route", "db.system", ModelRequest.keys[8], "service.name"]

    @Test(arguments: [true, false]) func randomRequestsComeBackFieldByField(nested: Bool) throws {
        var random = SeededGenerator(nested ? 11 : 12)
        let keys = HashKeys(using: &random)
        let names = Self.wanted.map { Array($0.utf8) }
        let walker = RequestWalker(
            keys: keys, interest: AttributeInterest(spanNames: names, resourceNames: names),
            checksNested: nested)
        var index = RequestIndex()
        var spanCount = 0
        for _ in 0..<1500 {
            let model = ModelRequest(&random)
            try walker.walk(model.bytes.span, into: &index)
            try compare(index, model, keys)
            spanCount += index.records.count
        }
        #expect(spanCount > 4000)
    }

    private func compare(_ index: RequestIndex, _ model: ModelRequest, _ keys: HashKeys) throws {
        for reason in SpanRejection.allCases {
            #expect(index.rejected[reason] == 0, "\(reason)")
        }
        try #require(index.groups.count == model.groups.count)
        try #require(index.records.count == model.groups.reduce(0) { $0 + $1.spans.count })
        #expect(index.rejected.total == 0)
        var position = 0
        var hits = index.spanHits[...]
        for (groupIndex, group) in model.groups.enumerated() {
            let record = index.groups[groupIndex]
            #expect(Array(index.groupBytes[record.resourceRange]) == group.resourceHeader)
            #expect(Array(index.groupBytes[record.scopeRange]) == group.scopeHeader)
            #expect(record.resourceHash == hashOf(group.resourceHeader, keys))
            #expect(record.scopeHash == hashOf(group.scopeHeader, keys))
            compare(
                index.resourceHits[record.resourceHitRange], group.resourceAttributes, model.bytes)
            for span in group.spans {
                let found = index.records[position]
                #expect(Array(model.bytes[found.range]) == span.payload)
                #expect(found.traceID.bytes == span.traceID)
                #expect(found.hash == keys.hash(found.traceID))
                #expect(found.startTimeUnixNano == span.start)
                #expect(found.endTimeUnixNano == span.end)
                #expect(found.flags.statusCode == span.statusCode)
                #expect(found.flags.contains(.isRoot) == span.isRoot)
                #expect(found.flags.contains(.w3cSampled) == span.isSampled)
                #expect(Int(found.group) == groupIndex)
                let own = hits.prefix { Int($0.record) == position }
                hits = hits.dropFirst(own.count)
                compare(own, span.attributes, model.bytes)
                #expect(isValidText(span.payload))
                position += 1
            }
        }
        #expect(hits.isEmpty)
        #expect(index.spanBytes == index.records.reduce(0) { $0 + Int($1.length) })
    }

    private func compare(
        _ hits: ArraySlice<AttributeHit>, _ attributes: [(key: String, value: [UInt8])],
        _ body: [UInt8]
    ) {
        var seen: Set<String> = []
        let expected = attributes.filter {
            Self.wanted.contains($0.key) && seen.insert($0.key).inserted
        }
        #expect(hits.count == expected.count)
        for (hit, attribute) in zip(hits, expected) {
            #expect(Self.wanted[Int(hit.name)] == attribute.key)
            #expect(attribute.value.isEmpty == (hit.valueKind == .empty))
            let content = Array(body[hit.valueRange])
            #expect(attribute.value.suffix(content.count) == content[...])
            switch hit.valueKind {
            case .int:
                let value = hit.integer(in: body.span)
                #expect(attribute.value == Encode.varint(3, UInt64(bitPattern: value ?? 0)))
            case .bool:
                let value = hit.boolean(in: body.span)
                #expect(attribute.value == Encode.varint(2, value == true ? 1 : 0))
            case .double:
                let value = hit.double(in: body.span)
                #expect(attribute.value == Encode.fixed64(4, value?.bitPattern ?? 0))
            case .string: #expect(attribute.value == Encode.bytes(1, content))
            case .array: #expect(attribute.value == Encode.bytes(5, content))
            case .kvlist: #expect(attribute.value == Encode.bytes(6, content))
            case .bytes: #expect(attribute.value == Encode.bytes(7, content))
            case .empty: break
            }
        }
    }
}

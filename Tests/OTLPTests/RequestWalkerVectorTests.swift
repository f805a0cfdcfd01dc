import Testing

@testable import OTLP

/// Bytes from hex digits.
func hex(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { HexDigits.value($0) }
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

/// One span of a service, as the protocol reference gives it (produced by Google's library).
let referenceRequest = hex(
    "0a610a150a130a0c736572766963652e6e616d6512030a0161124812460a10"
        + "0102030405060708090a0b0c0d0e0f10120801020304050607081a076f743d74683a38"
        + "2a016e30023901000000000000004102000000000000007a021802850101030000")

@Suite struct RequestWalkerVectorTests {
    @Test func layout() {
        #expect(MemoryLayout<SpanRecord>.size == 64)
        #expect(MemoryLayout<SpanRecord>.stride == 64)
        #expect(MemoryLayout<AttributeHit>.stride == 16)
        #expect(MemoryLayout<GroupRecord>.stride == 56)
    }

    @Test func referenceVector() throws {
        let keys = HashKeys(1, 2)
        let walker = RequestWalker(
            keys: keys,
            interest: AttributeInterest(
                spanNames: [], resourceNames: [Array("x".utf8), Array("service.name".utf8)]))
        var index = RequestIndex()
        try walker.walk(referenceRequest.span, into: &index)
        #expect(index.records.count == 1)
        let record = try #require(index.records.first)
        #expect(record.traceID == TraceID(hex: "0102030405060708090a0b0c0d0e0f10"))
        #expect(record.hash == keys.hash(record.traceID))
        #expect(record.startTimeUnixNano == 1)
        #expect(record.endTimeUnixNano == 2)
        #expect(record.predicates == 0)
        #expect(record.flags.statusCode == 2 && record.flags.isError)
        #expect(record.flags.contains(.isRoot))
        #expect(record.flags.contains(.w3cSampled))
        #expect(record.length == 0x46)
        #expect(record.range.upperBound == referenceRequest.count)
        #expect(index.spanBytes == 0x46)
        #expect(index.rejected.total == 0)
        let group = try #require(index.groups.first)
        #expect(index.groups.count == 1)
        #expect(
            Array(index.groupBytes[group.resourceRange])
                == hex("0a150a130a0c736572766963652e6e616d6512030a0161"))
        #expect(group.scopeLength == 0)
        let hit = try #require(index.resourceHits.first)
        #expect(group.resourceHitRange == 0..<1)
        #expect(hit.name == 1)
        #expect(hit.valueKind == .string)
        #expect(Array(referenceRequest[hit.valueRange]) == Array("a".utf8))
    }
}

import OTLP
import Testing

@testable import Cluster

@Suite struct RequestPartsTests {
    @Test func aRequestIsCutByOwner() {
        let ring = ring("a:1", "b:1", "c:1")
        let ids = (1...60 as ClosedRange<UInt64>).map { TraceID(high: $0, low: $0) }
        let body = request(ids)
        var index = walk(body)
        let before = index
        var parter = RequestParter()
        let cut = parter.cut(body: body.span, index: &index, ring: ring, own: 1)
        #expect(cut.parts.map(\.member) == [0, 2])
        #expect(index.records.count == cut.localSpans)
        #expect(index.spanBytes == index.records.reduce(0) { $0 + Int($1.length) })
        #expect(cut.localSpans + cut.parts.reduce(0) { $0 + $1.part.spans } == 60)
        #expect(index.records.allSatisfy { ring.owner(of: $0.traceID) == 1 })
        var seen = Set(index.records.map(\.traceID))
        for (member, part) in cut.parts {
            let read = walk(part.payload)
            #expect(read.records.count == part.spans && read.groups.count == 2)
            for record in read.records {
                #expect(ring.owner(of: record.traceID) == member)
                seen.insert(record.traceID)
                // Group and bytes are those of the original.
                guard let original = before.records.first(where: { $0.traceID == record.traceID }) else { continue }
                #expect(part.payload[record.range] == body[original.range])
                let (group, old) = (read.groups[Int(record.group)], before.groups[Int(original.group)])
                #expect(read.groupBytes[group.resourceRange] == before.groupBytes[old.resourceRange])
                #expect(read.groupBytes[group.scopeRange] == before.groupBytes[old.scopeRange])
            }
        }
        #expect(seen.count == 60)
    }

    @Test func whatIsAllOwnIsLeftAlone() {
        let ring = ring("a:1")
        let body = request([TraceID(high: 1, low: 1), TraceID(high: 2, low: 1)])
        var index = walk(body)
        var parter = RequestParter()
        #expect(parter.cut(body: body.span, index: &index, ring: ring, own: 0).parts.isEmpty)
        #expect(index.records.count == 2)
        // A node that is no member owns nothing.
        let cut = parter.cut(body: body.span, index: &index, ring: ring, own: -1)
        #expect(cut.localSpans == 0 && cut.parts.count == 1 && index.records.isEmpty)
        #expect(cut.parts[0].part.spans == 2)
    }

    @Test func anEmptyRequestHasNoParts() {
        var index = RequestIndex()
        var parter = RequestParter()
        let body: [UInt8] = []
        #expect(parter.cut(body: body.span, index: &index, ring: ring("a:1", "b:1"), own: 0) == PartedRequest())
    }

    @Test func chunksHoldGroupsOnce() throws {
        var builder = HandoffChunkBuilder()
        let ids = [TraceID(high: 1, low: 1), TraceID(high: 2, low: 2), TraceID(high: 3, low: 3)]
        let body = request(ids, filler: 30)
        let index = walk(body)
        let headers = index.groupBytes.span
        for record in index.records {
            builder.begin(HandoffTrace(traceID: record.traceID, age: 0, remaining: 5, policyHash: 1), deadline: Int64(record.traceID.high))
            let group = index.groups[Int(record.group)]
            builder.add(
                groupHash: group.groupHash, resource: headers.extracting(group.resourceRange),
                scope: headers.extracting(group.scopeRange), span: body.span.extracting(record.range))
        }
        #expect(builder.spanCount == 3 && builder.earliestDeadline == 1 && !builder.isEmpty)
        #expect(builder.byteCount > 90)
        let chunk = builder.finish()
        #expect(builder.isEmpty && builder.byteCount == 0)
        #expect(Set(chunk.traces.map(\.traceID)) == Set(ids))
        let read = walk(chunk.payload)
        #expect(read.groups.count == 2 && Set(read.records.map(\.traceID)) == Set(ids))
        #expect(read.groupBytes == index.groupBytes)
    }
}

import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Processing

/// How processors of a chain work together.
@Suite struct ChainTests {
    static func span(_ number: UInt64, _ attributes: [UInt8] = [], name: String = "op") -> [UInt8] {
        Encode.bytes(1, Encode.bigEndian(number) + Encode.bigEndian(7)) + Encode.bytes(2, Encode.bigEndian(number))
            + Encode.text(5, name) + attributes
    }

    static func message(_ resource: [UInt8], _ spans: [[UInt8]]) -> [UInt8] {
        Encode.bytes(1, Encode.bytes(1, resource) + Encode.bytes(2, spans.flatMap { Encode.bytes(2, $0) }))
    }

    static func text(_ number: Int, _ key: String, _ value: String) -> [UInt8] {
        Encode.attribute(number, key, Encode.text(1, value))
    }

    static let request = message(
        text(1, "service.name", "cart"),
        [span(1, text(9, "user", "tom")), span(2, text(9, "user", "ann"), name: "GET /"), span(3)])

    func texts(_ rig: Rig, _ key: String) -> [String?] {
        rig.index.records.map { record in
            AttributeCursor.find(Array(key.utf8).span, in: rig.whole.span, ByteRange(record.range), tag: 0x4a)
                .map { String(decoding: rig.whole[$0.range.range], as: UTF8.self) }
        }
    }

    @Test func withoutProcessorsNothingHappens() throws {
        let chain = try #require(Made.chain([("groupbytrace", "{}")]))
        #expect(chain.isEmpty)
        var rig = Rig(chain, names: ["user"])
        #expect(try rig.run(Self.request) == Self.request)
        #expect(rig.edits.isEmpty && rig.index.spanHits.count == 2)
    }

    @Test func aProcessorThatHasNothingToDoCopiesNothing() throws {
        let chain = try #require(
            Made.chain([
                (
                    "attributes",
                    "actions: [{key: nope, action: delete}, {key: user, value: tom, action: update}, {key: zz, value: 1, action: update}]\ninclude: {match_type: strict, services: [other]}"
                )
            ]))
        var rig = Rig(chain, names: ["user"])
        #expect(try rig.run(Self.request) == Self.request)
        #expect(rig.edits.isEmpty)
        // The chain's own finding is gone, that of the others is there.
        #expect(rig.index.spanHits.map(\.name) == [0, 0])
    }

    @Test func stagesRunInTheirOrder() throws {
        // A resource that is renamed before, and after, the processor that asks for it.
        let rename = "attributes: [{key: service.name, value: shop, action: update}]"
        let mark = "include: {match_type: strict, services: [shop]}\nactions: [{key: mark, value: x, action: insert}]"
        var before = Rig(try #require(Made.chain([("resource", rename), ("attributes", mark)])))
        _ = try before.run(Self.request)
        #expect(texts(before, "mark") == ["x", "x", "x"])
        var after = Rig(try #require(Made.chain([("attributes", mark), ("resource", rename)])))
        _ = try after.run(Self.request)
        #expect(texts(after, "mark") == [nil, nil, nil])
        #expect(after.index.groupBytes[after.index.groups[0].resourceRange].contains(UInt8(ascii: "p")))
    }

    @Test func aLaterProcessorSeesWhatAnEarlierOneWrote() throws {
        let chain = try #require(
            Made.chain([
                ("attributes", "actions: [{key: user, action: hash}, {key: copy, from_attribute: user, action: insert}]"),
                ("span", "name: {from_attributes: [copy]}"),
                (
                    "attributes/2",
                    "include: {match_type: regexp, span_names: ['^[0-9a-f]{64}$']}\nactions: [{key: seen, value: x, action: insert}]"
                ),
            ]))
        var rig = Rig(chain, names: ["copy"])
        _ = try rig.run(Self.request)
        #expect(texts(rig, "seen") == ["x", "x", nil])
        #expect(rig.index.spanHits.map(\.record) == [0, 1])
        #expect(rig.result == ProcessedRequest(edited: 2, dropped: 0))
    }

    @Test func droppedSpansLeaveAndHitsFollow() throws {
        let chain = try #require(
            Made.chain([
                (
                    "attributes",
                    "include: {match_type: strict, span_names: ['GET /']}\nactions: [{key: sampling.priority, value: 0, action: insert}]"
                ),
                ("probabilistic_sampler", "sampling_percentage: 100"),
            ]))
        var rig = Rig(chain, names: ["user"])
        _ = try rig.run(Self.request)
        #expect(rig.index.records.map(\.traceID.high) == [1, 3])
        #expect(rig.index.spanHits.map(\.record) == [0])
        #expect(rig.runner.takeDropped() == [0, 1])
        #expect(rig.result.dropped == 1)
    }

    @Test func contextOfTheRequest() throws {
        let yaml = """
            actions:
              - {key: tenant, from_context: metadata.X-Tenant, action: upsert}
              - {key: bare, from_context: x-tenant, action: upsert}
              - {key: who, from_context: auth.subject, action: upsert}
              - {key: where, from_context: client.address, action: upsert}
              - {key: none, from_context: metadata.missing, default_value: d, action: upsert}
              - {key: nothing, from_context: metadata.missing, action: upsert}
            """
        let chain = try #require(Made.chain([("attributes", yaml)]))
        #expect(chain.contextKeys == ["metadata.X-Tenant", "x-tenant", "auth.subject", "client.address", "metadata.missing"])
        var rig = Rig(chain)
        rig.facts = RequestFacts(
            clientAddress: "10.1.2.3", metadata: ["x-tenant": ["a", "b"]], authentication: ["subject": ["tom"]])
        _ = try rig.run(Self.request)
        let values = ["tenant", "bare", "who", "where", "none", "nothing"].map { texts(rig, $0)[2] }
        #expect(values == ["a;b", "a;b", "tom", "10.1.2.3", "d", nil])
    }

    @Test func editsAreBounded() throws {
        let chain = try #require(
            Made.chain([("attributes", "actions: [{key: long, value: \(String(repeating: "x", count: 1000)), action: insert}]")]
            ))
        var rig = Rig(chain, editLimit: 2000)
        #expect(throws: ProcessingError.tooLarge(limit: 2000)) { try rig.run(Self.request) }
        var wide = Rig(chain, editLimit: 10_000)
        _ = try wide.run(Self.request)
        #expect(wide.result.edited == 3)
    }

    @Test func aRunnerIsUsedAgain() throws {
        let chain = try #require(
            Made.chain([
                ("attributes", "actions: [{key: user, action: delete}]"),
                ("resource", "attributes: [{key: r, value: 1, action: insert}]"),
            ]))
        var rig = Rig(chain, names: ["service.name"])
        let first = try rig.run(Self.request)
        let small = Self.message([], [Self.span(9)])
        _ = try rig.run(small)
        #expect(rig.index.records.count == 1 && rig.edits.isEmpty)
        #expect(try rig.run(Self.request) == first)
    }

    /// A stage of groups that drops, as `filter` will have it.
    struct DropsCart: GroupStage {
        var editsResources: Bool { true }
        func edit(resource: inout MessageDraft, _ run: inout StageRun) -> StageVerdict {
            resource.value(Array("service.name".utf8)) == nil ? .keep : .drop
        }
    }

    @Test func aGroupCanBeDropped() throws {
        let processor = BuiltProcessor(
            id: "filter", stages: [.groups(DropsCart())], counters: [], contextKeys: [], needs: DetectionNeeds())
        var rig = Rig(try #require(ProcessorChain([processor], ProcessorBuilder())))
        let request = Self.request + Self.message([], [Self.span(9)])
        #expect(try rig.run(request) == Self.message([], [Self.span(9)]))
        #expect(rig.runner.takeDropped() == [3])
        var rewriter = ResourceRewriter(rig.runner.chain)
        #expect(try rewriter.rewrite(request.span, facts: RequestFacts()) == Self.message([], [Self.span(9)]))
    }

    @Test func tooManyStages() {
        let stages = Array(repeating: ProcessorStage.spans(RedactionSpanStage(rules: RedactionTests.rules())), count: 65)
        let processor = BuiltProcessor(id: "x", stages: stages, counters: [], contextKeys: [], needs: DetectionNeeds())
        #expect(ProcessorChain([processor], ProcessorBuilder()) == nil)
    }
}

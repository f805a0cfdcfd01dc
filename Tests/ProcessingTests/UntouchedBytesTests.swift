import OTLP
import TestSupport
import Testing

@testable import Processing

/// The law of editing: what no processor was told to edit is what it was, byte for byte, unknown fields included; and what
/// comes out is a request like any other.
@Suite struct UntouchedBytesTests {
    /// Processors that edit much, with the keys that they may change.
    static let chains: [(processors: [(id: String, yaml: String)], keys: Set<String>)] = [
        ([("attributes", "actions: [{key: new, value: 1, action: insert}]")], ["new"]),
        ([("attributes", "actions: [{key: a, action: delete}, {key: b, value: {x: [1, z]}, action: upsert}]")], ["a", "b"]),
        (
            [
                ("attributes", "actions: [{key: n, action: convert, converted_type: string}, {key: user.email, action: hash}]"),
                (
                    "attributes/2",
                    "include: {match_type: regexp, attributes: [{key: env, value: p}]}\nactions: [{pattern: '^list$', action: delete}]"
                ),
            ], ["n", "user.email", "list"]
        ),
        ([("resource", "attributes: [{key: env, value: x, action: upsert}, {key: b, action: delete}]")], []),
        (
            [
                (
                    "span",
                    "name: {to_attributes: {rules: ['/(?P<route>[^/]*)$', 'user/(?P<user>[a-z]+)']}}\nstatus: {code: Error, description: d}"
                ),
                ("probabilistic_sampler", "sampling_percentage: 60\nfail_closed: false"),
            ], ["route", "user"]
        ),
        (
            [
                (
                    "redaction",
                    "allow_all_keys: true\nblocked_key_patterns: [pass]\nblocked_values: ['4[0-9]{12,15}']\nsummary: debug"
                ),
                (
                    "resource/2",
                    "attributes: [{pattern: '^(a|n)$', action: delete}, {key: c, from_attribute: env, action: insert}]"
                ),
            ], Set(RandomRequest.keys + RedactionRules.reportKeys.map { String(decoding: $0, as: UTF8.self) })
        ),
    ]

    static let names = ["a", "b", "env", "new", "http.route", "service.name"]

    @Test(arguments: 0..<6) func randomRequests(number: Int) throws {
        let (processors, keys) = Self.chains[number]
        let chain = try #require(Made.chain(processors))
        var rig = Rig(chain, names: Self.names)
        var random = SeededGenerator(UInt64(100 + number))
        var edited = 0
        var untouched = 0
        for _ in 0..<1500 {
            let request = RandomRequest.make(&random)
            var before = RequestIndex()
            try rig.walker.walk(request.span, into: &before)
            let output = try rig.run(request)
            try compareWithFreshWalk(rig, output)
            var next = 0
            for record in rig.index.records {
                // The same span of the request that came in: its id says which.
                let id = SpanFields(rig.whole.span, record.range).spanID
                while SpanFields(request.span, before.records[next].range).spanID != id { next += 1 }
                let old = before.records[next]
                let oldBytes = Array(request[old.range])
                if Int(record.offset) < request.count {
                    #expect(record.range == old.range)
                    untouched += 1
                } else {
                    edited += 1
                    try compare(oldBytes, Array(rig.whole[record.range]), keys)
                }
                next += 1
            }
        }
        #expect(number == 3 || edited > 500, "the test has nothing to look at")
        #expect([0, 1, 4].contains(number) || untouched > 100, "the test has nothing to look at")
    }

    /// Fields that no processor edits come in the same order with the same bytes; so do attributes with other keys.
    private func compare(_ old: [UInt8], _ new: [UInt8], _ keys: Set<String>) throws {
        func rest(_ span: [UInt8]) throws -> [[UInt8]] {
            var fields: [[UInt8]] = []
            var reader = FieldReader(span.span, 0..<span.count)
            while let field = try reader.next() {
                let isEdited: Bool
                switch field.tag {
                case 0x1a, 0x2a, 0x7a: isEdited = true
                case 0x4a:
                    let key = AttributeRange(keyValue: span.span, ByteRange(field.payload)).key
                    isEdited = keys.contains(String(decoding: span[key.range], as: UTF8.self))
                case 0x5a: isEdited = !keys.isDisjoint(with: ["password"])
                default: isEdited = false
                }
                if !isEdited { fields.append(Array(span[field.whole])) }
            }
            return fields
        }
        #expect(try rest(old) == rest(new))
    }

    /// The index says of the edited request what a walk of it says.
    private func compareWithFreshWalk(_ rig: Rig, _ output: [UInt8]) throws {
        var fresh = RequestIndex()
        try rig.afterwards.walk(output.span, into: &fresh)
        let index = rig.index
        let whole = rig.whole
        try #require(fresh.records.count == index.records.count)
        #expect(fresh.rejected.total == 0)
        #expect(index.spanBytes == fresh.spanBytes)
        // Spans of one group follow each other in both; the groups of the index may have gaps.
        let order = index.records.indices.sorted { (index.records[$0].group, $0) < (index.records[$1].group, $1) }
        func hits(_ index: RequestIndex, _ record: Int, _ bytes: [UInt8]) -> [String] {
            index.spanHits.filter { Int($0.record) == record }.map {
                "\($0.name) \($0.valueKind) \(bytes[$0.valueRange].map { $0 })"
            }
        }
        for (place, position) in order.enumerated() {
            let mine = index.records[position]
            let other = fresh.records[place]
            #expect(mine.traceID == other.traceID && mine.hash == other.hash && mine.flags == other.flags)
            #expect(mine.startTimeUnixNano == other.startTimeUnixNano && mine.endTimeUnixNano == other.endTimeUnixNano)
            #expect(whole[mine.range].elementsEqual(output[other.range]))
            #expect(hits(index, position, whole) == hits(fresh, place, output))
            let (group, freshGroup) = (index.groups[Int(mine.group)], fresh.groups[Int(other.group)])
            #expect(index.groupBytes[group.resourceRange].elementsEqual(fresh.groupBytes[freshGroup.resourceRange]))
            #expect(index.groupBytes[group.scopeRange].elementsEqual(fresh.groupBytes[freshGroup.scopeRange]))
            #expect(group.resourceHash == freshGroup.resourceHash && group.scopeHash == freshGroup.scopeHash)
            #expect(group.groupHash == freshGroup.groupHash)
            let resource = index.resourceHits[group.resourceHitRange].map { "\($0.name) \(whole[$0.valueRange].map { $0 })" }
            let freshResource = fresh.resourceHits[freshGroup.resourceHitRange].map {
                "\($0.name) \(output[$0.valueRange].map { $0 })"
            }
            #expect(resource == freshResource)
        }
        #expect(index.spanHits.map(\.record) == index.spanHits.map(\.record).sorted())
    }

    /// Resources of metrics and logs: what is under them is not looked at, and stays.
    @Test func opaqueRequests() throws {
        let chain = try #require(
            Made.chain(
                [("resource", "attributes: [{key: env, value: x, action: upsert}, {key: a, action: delete}]")],
                ProcessorBuilder(signal: .metrics)))
        var rewriter = ResourceRewriter(chain)
        var random = SeededGenerator(77)
        var edited = 0
        var compared = 0
        for _ in 0..<1000 {
            let request = RandomRequest.make(&random)
            let output = try rewriter.rewrite(request.span, facts: RequestFacts())
            edited += output == nil ? 0 : 1
            // The same editor over an indexed request is the model.
            var rig = Rig(
                try #require(
                    Made.chain([("resource", "attributes: [{key: env, value: x, action: upsert}, {key: a, action: delete}]")])))
            let expected = try rig.run(request)
            // Neighbours without any header are one resource to an index, and two to the rewriter.
            if !hasBareNeighbours(request, rig.walker) {
                var walked = Rig(try #require(ProcessorChain([], ProcessorBuilder())))
                let actual = try walked.run(output ?? request)
                #expect(try Canonical.value(protobuf: actual) == Canonical.value(protobuf: expected))
                compared += 1
            }
            func children(_ bytes: [UInt8]) throws -> [[UInt8]] {
                var found: [[UInt8]] = []
                var outer = FieldReader(bytes.span, 0..<bytes.count)
                while let message = try outer.next() {
                    if message.tag != 0x0a { found.append(Array(bytes[message.whole])) }
                    guard message.tag == 0x0a else { continue }
                    var inner = FieldReader(bytes.span, message.payload)
                    while let field = try inner.next() { if field.tag == 0x12 { found.append(Array(bytes[field.whole])) } }
                }
                return found
            }
            #expect(try children(request) == children(output ?? request))
        }
        #expect(edited > 500 && compared > 900)
    }

    private func hasBareNeighbours(_ request: [UInt8], _ walker: RequestWalker) -> Bool {
        var index = RequestIndex()
        try? walker.walk(request.span, into: &index)
        return index.groups.filter { $0.resourceLength == 0 }.count > 1
    }

    @Test func malformedMetricsAreAnError() throws {
        let chain = try #require(
            Made.chain([("resource", "attributes: [{key: env, value: x, action: upsert}]")], ProcessorBuilder(signal: .logs)))
        var rewriter = ResourceRewriter(chain)
        for bad: [UInt8] in [[0x0a, 5, 1], [0x0a, 2, 0x12, 9], [0xff], [0x0a, 2, 0x0a, 0x7f]] {
            #expect(throws: WalkError.self) { try rewriter.rewrite(bad.span, facts: RequestFacts()) }
        }
    }
}

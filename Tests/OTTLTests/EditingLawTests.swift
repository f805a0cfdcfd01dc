import Foundation
import OTLP
import TestSupport
import Testing

@testable import OTTL

/// What is not edited is unchanged, byte for byte and in its order; what is edited is what a plain model says.
@Suite("OTTL: edits on bytes") struct EditingLawTests {
    /// A statement on spans, and the tag of the span's fields that it may change.
    static let statements: [(text: String, tag: UInt64)] = [
        (#"set(attributes["added"], "value")"#, 0x4a), (#"set(attributes["a"], name)"#, 0x4a),
        (#"set(attributes["m"]["deep"]["er"], [1, {"x": nil}])"#, 0x4a), (#"delete_key(attributes, "a")"#, 0x4a),
        (#"delete_matching_keys(attributes, "^[a-m]")"#, 0x4a), (#"keep_keys(attributes, ["a", "service.name"])"#, 0x4a),
        (#"keep_matching_keys(attributes, "e")"#, 0x4a), (#"truncate_all(attributes, 3)"#, 0x4a),
        (#"limit(attributes, 2, ["a"])"#, 0x4a), (#"replace_all_patterns(attributes, "value", "[a-c]+", "<$0>")"#, 0x4a),
        (#"replace_all_patterns(attributes, "key", "\\.", "_")"#, 0x4a), (#"replace_all_matches(attributes, "*a*", "A")"#, 0x4a),
        (#"flatten(attributes)"#, 0x4a), (#"flatten(attributes, "p", 1, true)"#, 0x4a),
        (#"merge_maps(attributes, {"a": 1, "new": [true]}, "upsert")"#, 0x4a), (#"stringify_all(attributes)"#, 0x4a),
        (#"set(name, "other")"#, 0x2a), (#"replace_pattern(name, "(.)", "$1$1")"#, 0x2a), (#"set(kind, 3)"#, 0x30),
        (#"set(status.code, 2)"#, 0x7a), (#"set(status.message, "m")"#, 0x7a), (#"set(trace_state["k"], "v")"#, 0x1a),
        (#"set(start_time_unix_nano, 5)"#, 0x39), (#"set(end_time, start_time)"#, 0x41), (#"set(flags, 1)"#, 0x85),
        (#"set(dropped_events_count, 7)"#, 0x60), (#"set(parent_span_id.string, "0000000000000000")"#, 0x22),
    ]

    private static func list(_ text: String, _ context: OTTLContext = .span) throws -> OTTLStatementList {
        try OTTLStatementList(parsing: [text], context: context, errorMode: .ignore)
    }

    /// The fields of a message that have another tag, as they are written.
    private static func others(_ message: [UInt8], _ tag: UInt64) throws -> [[UInt8]] {
        var fields: [[UInt8]] = []
        let bytes = message.span
        var reader = FieldReader(bytes, 0..<message.count)
        while let field = try reader.next() {
            if field.tag != tag { fields.append(Array(message[field.whole])) }
        }
        return fields
    }

    private func check(_ request: [UInt8], _ text: String, _ tag: UInt64) throws {
        let before = TestRequest(bytes: request)
        guard let old = try? before.index() else { return }
        var index = old
        var edits: [UInt8] = []
        var pass = OTTLRequestPass()
        var outcome = OTTLRequestPass.Outcome()
        pass.apply(
            try Self.list(text), body: request.span, &index, edits: &edits, now: OTTLTests.now, outcome: &outcome)
        #expect(outcome.failure == nil && !outcome.hasNewHeaders)
        let all = request + edits
        var edited = 0
        for position in index.records.indices {
            let was = old.records[position]
            let now = index.records[position]
            if was.offset == now.offset {
                #expect(was.length == now.length)
                continue
            }
            edited += 1
            let left = try Self.others(Array(request[was.range]), tag)
            let right = try Self.others(Array(all[now.range]), tag)
            #expect(left == right, "\(text)")
        }
        #expect(edited == outcome.editedSpans)
    }

    @Test("Random spans with unknown and repeated fields, every editor")
    func randomSpans() throws {
        var random = SeededGenerator(11)
        for round in 0..<120 {
            let request = RandomSpan.request(&random, spans: 1 + round % 3)
            for (text, tag) in Self.statements { try check(request, text, tag) }
        }
    }

    @Test("The walker's corpus, every editor")
    func corpus() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fuzzing/Corpus/walker")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        var random = SeededGenerator(5)
        for file in files {
            let seed = Array(try Data(contentsOf: file))
            for (text, tag) in Self.statements { try check(seed, text, tag) }
            for _ in 0..<40 {
                var bytes = seed
                for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                guard let (text, tag) = Self.statements.randomElement(using: &random) else { continue }
                try check(bytes, text, tag)
            }
        }
    }

    @Test("A resource and a scope keep what is not edited; an edit reaches all groups of the resource")
    func headers() throws {
        var random = SeededGenerator(3)
        for _ in 0..<50 {
            let request = TestRequest(bytes: RandomSpan.request(&random, spans: 2))
            let (edited, outcome) = try request.applying(
                try OTTLStatementList(parsing: [#"set(resource.attributes["x"], 1)"#], context: .span, errorMode: .ignore))
            #expect(outcome.hasNewHeaders && outcome.editedSpans == 0)
            let before = try request.index()
            let after = try edited.index()
            #expect(before.records.count == after.records.count)
            for (old, new) in zip(before.records, after.records) {
                #expect(Array(request.bytes[old.range]) == Array(edited.bytes[new.range]))
            }
            let old = Array(before.groupBytes[before.groups[0].resourceRange])
            let new = Array(after.groupBytes[after.groups[0].resourceRange])
            #expect(try Self.others(old, 0x0a) == Self.others(new, 0x0a))
        }
    }

    @Test("Editors of maps do what a plain model does")
    func model() throws {
        var random = SeededGenerator(29)
        for _ in 0..<300 {
            let old = RandomSpan.attributes(&random)
            guard let editor = PlainModel.editors.randomElement(using: &random) else { continue }
            let text = editor.text
            var span: [UInt8] = Encode.bytes(1, TraceID(high: 1, low: 2).bytes) + Encode.bytes(2, Encode.bigEndian(7))
            span += TestValue.keyValues(9, old.map { ($0.key, $0.value) })
            let request = TestRequest(bytes: Encode.bytes(1, Encode.bytes(2, Encode.bytes(2, span))))
            let (edited, outcome) = try request.applying(try Self.list(text))
            #expect(outcome.failure == nil)
            let index = try edited.index()
            let left = PlainModel.attributes(Array(edited.bytes[index.records[0].range]))
            let right = PlainModel.sorted(editor.change(old).map { ($0.key, $0.value.encoded) })
            let hasSameKeys = left.map { $0.key } == right.map { $0.key }
            #expect(hasSameKeys && left.map { $0.value } == right.map { $0.value }, "\(text) of \(old)")
        }
    }
}

/// Editors on plain lists of keys and values, written a second time and as simply as can be.
enum PlainModel {
    struct Entry {
        var key: String
        var value: TestValue

        init(_ key: String, _ value: TestValue) {
            self.key = key
            self.value = value
        }
    }

    /// A statement, and what it does to attributes.
    struct Editor: Sendable {
        let text: String
        let change: @Sendable ([Entry]) -> [Entry]

        init(_ text: String, _ change: @escaping @Sendable ([Entry]) -> [Entry]) {
            self.text = text
            self.change = change
        }
    }

    static let editors: [Editor] = [
        Editor(#"delete_key(attributes, "a")"#) { $0.filter { $0.key != "a" } },
        Editor(#"delete_matching_keys(attributes, "^[ab]")"#) { $0.filter { $0.key.first != "a" && $0.key.first != "b" } },
        Editor(#"keep_keys(attributes, ["a", "c"])"#) { $0.filter { $0.key == "a" || $0.key == "c" } },
        Editor(#"truncate_all(attributes, 2)"#) { mapTexts($0) { String($0.prefix(2)) } },
        Editor(#"set(attributes["c"], 5)"#) { put($0, "c", TestValue.int(5)) },
        Editor(#"set(attributes["new"], [true])"#) { put($0, "new", TestValue.list([TestValue.bool(true)])) },
        Editor(#"merge_maps(attributes, {"a": 1, "z": "y"}, "upsert")"#) {
            put(put($0, "a", TestValue.int(1)), "z", TestValue.string("y"))
        },
        Editor(#"merge_maps(attributes, {"a": 1, "z": "y"}, "insert")"#) {
            add(add($0, "a", TestValue.int(1)), "z", TestValue.string("y"))
        },
        Editor(#"replace_all_patterns(attributes, "value", "x", "yy")"#) {
            mapTexts($0) { $0.replacingOccurrences(of: "x", with: "yy") }
        },
        Editor(#"limit(attributes, 2, ["b"])"#) { attributes in
            guard attributes.count > 2 else { return attributes }
            let hasB = attributes.contains { $0.key == "b" }
            let others = attributes.filter { $0.key != "b" }.prefix(hasB ? 1 : 2).map { $0.key }
            return attributes.filter { $0.key == "b" || others.contains($0.key) }
        },
    ]

    private static func mapTexts(_ attributes: [Entry], _ change: (String) -> String) -> [Entry] {
        var result = attributes
        for place in result.indices {
            if case .string(let text) = result[place].value { result[place].value = .string(change(text)) }
        }
        return result
    }

    private static func put(_ attributes: [Entry], _ key: String, _ value: TestValue) -> [Entry] {
        attributes.filter { $0.key != key } + [Entry(key, value)]
    }

    private static func add(_ attributes: [Entry], _ key: String, _ value: TestValue) -> [Entry] {
        attributes.contains { $0.key == key } ? attributes : attributes + [Entry(key, value)]
    }

    static func sorted(_ attributes: [(String, [UInt8])]) -> [(key: String, value: [UInt8])] {
        attributes.sorted { $0.0 < $1.0 }.map { (key: $0.0, value: $0.1) }
    }

    /// The attributes of a span by key, values as the payload of an AnyValue.
    static func attributes(_ span: [UInt8]) -> [(key: String, value: [UInt8])] {
        var found: [(String, [UInt8])] = []
        let bytes = span.span
        var reader = FieldReader(bytes, 0..<span.count)
        while let field = try? reader.next() {
            guard field.tag == 0x4a else { continue }
            var key = ""
            var value: [UInt8] = []
            var inner = FieldReader(bytes, field.payload)
            while let part = try? inner.next() {
                if part.tag == 0x0a { key = String(decoding: span[part.payload], as: UTF8.self) }
                if part.tag == 0x12 { value = Array(span[part.payload]) }
            }
            found.append((key, value))
        }
        return sorted(found)
    }
}

/// Spans of every shape.
enum RandomSpan {
    static func attributes(_ random: inout SeededGenerator) -> [PlainModel.Entry] {
        let keys = ["a", "b", "c", "d.e", "m"].shuffled(using: &random).prefix(Int.random(in: 0...5, using: &random))
        return keys.map { PlainModel.Entry($0, value(&random, depth: 0)) }
    }

    private static func value(_ random: inout SeededGenerator, depth: Int) -> TestValue {
        switch Int.random(in: 0..<(depth < 2 ? 8 : 6), using: &random) {
        case 0: return TestValue.string("x")
        case 1: return TestValue.string("abcxé")
        case 2: return TestValue.int(Int64.random(in: -3...3, using: &random))
        case 3: return TestValue.bool(true)
        case 4: return TestValue.double(1.5)
        case 5: return TestValue.bytes([1, 255])
        case 6: return TestValue.list([value(&random, depth: depth + 1), TestValue.int(1)])
        default: return TestValue.map([("k", value(&random, depth: depth + 1)), ("n", TestValue.empty)])
        }
    }

    /// A request with unknown fields everywhere, repeated scalars and repeated keys.
    static func request(_ random: inout SeededGenerator, spans: Int) -> [UInt8] {
        let unknown = Encode.varint(900, 7) + Encode.bytes(901, [1, 2, 3])
        var scope = Encode.bytes(1, Encode.text(1, "lib") + unknown) + unknown
        for number in 0..<spans {
            var parts = [
                Encode.bytes(1, TraceID(high: 1, low: 2).bytes), Encode.bytes(2, Encode.bigEndian(UInt64(number + 1))),
                Encode.text(5, "GET /a"), Encode.varint(6, 2), Encode.fixed64(7, 10), Encode.fixed64(8, 20), unknown,
                Encode.bytes(15, Encode.varint(3, 1) + unknown), Encode.text(3, "ot=th:8"),
                Encode.bytes(11, Encode.text(2, "event") + unknown),
            ]
            parts += attributes(&random).map { Encode.attribute(9, $0.key, $0.value.encoded) }
            if Bool.random(using: &random) { parts.append(Encode.text(5, "twice")) }
            if Bool.random(using: &random) { parts.append(Encode.attribute(9, "a", TestValue.string("again").encoded)) }
            parts.shuffle(using: &random)
            scope += Encode.bytes(2, parts.flatMap { $0 })
        }
        let resource = Encode.bytes(1, Encode.attribute(1, "service.name", TestValue.string("cart").encoded) + unknown) + unknown
        return Encode.bytes(1, resource + Encode.bytes(2, scope))
    }
}

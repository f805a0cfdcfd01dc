import OTLP
import TestSupport
import Testing

@testable import OTTL

/// Random trees, as a parser would make them.
struct OTTLTreeGenerator {
    var random: SeededGenerator
    let column = OTTLColumn(1)

    mutating func boolean(_ depth: Int) -> OTTLBoolean {
        switch random.below(depth <= 0 ? 3 : 7) {
        case 0: return .constant(random.chance(50))
        case 1: return .call(call(depth - 1))
        case 2, 3:
            let comparison = OTTLComparison.allCases[random.below(6)]
            return .comparison(value(depth - 1), comparison, value(depth - 1), column)
        case 4:
            let inner = boolean(depth - 1)
            return .not(inner)
        case 5: return .any(operands(depth))
        default: return .all(operands(depth))
        }
    }

    private mutating func operands(_ depth: Int) -> [OTTLBoolean] {
        var list: [OTTLBoolean] = []
        for _ in 0..<(2 + random.below(3)) { list.append(boolean(depth - 1)) }
        return list
    }

    mutating func value(_ depth: Int) -> OTTLExpression {
        switch random.below(depth <= 0 ? 10 : 13) {
        case 0: return .null
        case 1: return .bool(random.chance(50))
        case 2: return .string(text())
        case 3: return .bytes((0...random.below(4)).map { _ in UInt8(random.below(256)) })
        case 4: return .symbol("STATUS_CODE_ERROR", column)
        case 5, 6, 7, 8, 9: return sum(0)
        case 10: return .list((0..<random.below(4)).map { _ in value(depth - 1) })
        case 11: return .map((0..<random.below(4)).map { _ in OTTLMapItem(key: text(), value: value(depth - 1)) })
        default: return sum(depth)
        }
    }

    private mutating func text() -> [UInt8] {
        let pool: [[UInt8]] = [[], Array("a\"b\\".utf8), [0xff, 0, 10], Array("é\t😀".utf8), Array("service.name".utf8)]
        return pool[random.below(pool.count)]
    }

    /// A sum that is not a bare unary of another, since the grammar folds signs of numbers.
    private mutating func sum(_ depth: Int) -> OTTLExpression {
        guard depth > 0 else { return literal(0) }
        switch random.below(4) {
        case 0: return chain(depth, [.add, .subtract])
        case 1: return chain(depth, [.multiply, .divide])
        case 2:
            let operand = random.chance(50) ? .path(path(depth - 1)) : chain(depth, [.multiply, .divide])
            return .negated(operand, column)
        default: return literal(depth)
        }
    }

    private mutating func chain(_ depth: Int, _ symbols: [OTTLOperator]) -> OTTLExpression {
        let first = sum(depth - 1)
        let links = (0...random.below(3)).map { _ in
            OTTLChainLink(symbol: symbols[random.below(2)], operand: sum(depth - 1), column: column)
        }
        return .chain(first, links)
    }

    private mutating func literal(_ depth: Int) -> OTTLExpression {
        switch random.below(4) {
        case 0: return .int(Int64(bitPattern: random.next() >> 1) * (random.chance(50) ? 1 : -1))
        case 1: return .double([0.5, 1e300, 5e-324, 3, 1e22, -2.5, 123456.789][random.below(7)])
        case 2: return .call(call(depth - 1))
        default: return .path(path(depth - 1))
        }
    }

    private mutating func path(_ depth: Int) -> OTTLPathSyntax {
        let names = ["attributes", "span", "resource", "x1_y", "status"]
        return OTTLPathSyntax(
            fields: (0...random.below(3)).map { _ in
                OTTLPathSyntax.Field(name: names[random.below(names.count)], keys: keys(depth), column: column)
            })
    }

    private mutating func keys(_ depth: Int) -> [OTTLKeySyntax] {
        (0..<random.below(depth > 0 ? 3 : 2)).map { _ in
            let value: OTTLExpression = random.chance(50) ? .string(text()) : sum(depth > 0 ? 1 : 0)
            return OTTLKeySyntax(value: value, column: column)
        }
    }

    private mutating func call(_ depth: Int) -> OTTLCall {
        let names = ["F", "IsMatch", "ABC", "Fo1_o"]
        let named = random.chance(30)
        let arguments = (0..<random.below(depth > 0 ? 4 : 2)).map { _ in
            OTTLCall.Argument(name: named ? "argName" : "", value: value(depth - 1), column: column)
        }
        return OTTLCall(
            name: names[random.below(names.count)], arguments: arguments, keys: depth > 0 ? keys(depth - 1) : [], column: column)
    }
}

@Suite("OTTL: random input") struct OTTLFuzzTests {
    static let span = OTTLTestSpan(
        traceState: "a=1", name: "GET /x", kind: 2,
        attributes: ["a": 1, "b": "text", "c": [1, ["d": 2.5]], "e": ["f": nil], "g": .bytes([1]), "h": true],
        events: [OTTLTestSpan.Event(name: "e", attributes: ["a": "b"])], status: 2, resource: ["service.name": "s"], scopeName: "l")

    @Test("A printed tree parses to the same tree")
    func roundTrip() throws {
        var generator = OTTLTreeGenerator(random: SeededGenerator(11))
        for _ in 0..<4_000 {
            let tree = generator.boolean(4)
            let text = "\(tree)"
            guard text.utf8.count <= OTTLLimits.maximumLength else { continue }
            let parsed = try OTTLParser.parse(text)
            #expect(parsed == tree, "\(text) became \(parsed)")
            guard parsed == tree else { return }
        }
    }

    @Test("Random tokens give an error with a column, or a condition that can be evaluated")
    func tokenSoup() throws {
        let pieces = [
            "attributes", "[\"a\"]", "[0]", "name", "status.code", "resource.attributes", "==", "!=", "<", ">=", "and", "or", "not", "(",
            ")", "[", "]", "{", "}", ",", ":", "\"x\"", "\"GET\"", "5", "-", "+", "*", "/", "1.5", "0x0a", "nil", "true", "false",
            "STATUS_CODE_ERROR", "IsMatch", "Len", "Split", "Concat", "Duration", "end_time", "start_time", "Int", "String", "Double",
            "=", ".", "Substring", "Format", "\"%d\"", "ParseJSON", "Sort", "é", "\\", "'", "\u{0}", "$", "1e5", "events",
        ]
        var random = SeededGenerator(5)
        var conditions = 0
        for _ in 0..<30_000 {
            let text = (0..<(1 + random.below(14))).map { _ in pieces[random.below(pieces.count)] }
                .joined(separator: random.chance(80) ? " " : "")
            let result = try OTTLTests.result(text, Self.span, random.chance(80) ? .span : .spanEvent)
            if ["true", "false", "error"].contains(result) {
                conditions += 1
            } else {
                let column = try #require(Int(result.prefix { $0 != ":" }))
                #expect((1...(text.unicodeScalars.count + 1)).contains(column), "\(text): \(result)")
            }
        }
        #expect(conditions > 20)
    }

    @Test("Valid conditions with random changes never trap")
    func mutations() throws {
        let valid = [
            #"attributes["http.response.status_code"] >= 500 and (kind == SPAN_KIND_SERVER or IsRootSpan())"#,
            #"resource.attributes["service.name"] == "x" and IsMatch(name, "^GET /health")"#,
            #"end_time - start_time > Duration("2s") or (end_time_unix_nano - start_time_unix_nano) > 1000000000"#,
            #"Split(Concat([name, attributes["b"], 5], "/"), "/")[1] != nil and Substring(name, 0, 3) == "GET""#,
            #"Sort(Keys(attributes), "desc")[0] == "h" or ContainsValue(attributes["c"], 1)"#,
            #"Format("%05.2f %-8s|%x", [1.5, name, 255]) != "" and ParseJSON("{\"a\":[1,{\"b\":null}]}")["a"][1]["b"] == nil"#,
            #"FormatTime(TruncateTime(start_time, Duration("1h")), "%Y-%m-%d %H") == Time("2023", "%Y") or Unix(1, 2) > Now()"#,
            #"URL("http://a:b@c:80/d.e?f#g")["url.port"] == 80 and IsInCIDR("10.0.0.1", ["10.0.0.0/8"]) and Hex(SHA256(name)) != nil"#,
            #"ParseCSV("a,\"b\"", "x,y")["y"] == "b" and ParseInt("0x7f", 0) == 127 and trace_state["a"] == "1""#,
        ].map { Array($0.utf8) }
        var random = SeededGenerator(77)
        for round in 0..<20_000 {
            var bytes = valid[round % valid.count]
            for _ in 0...random.below(4) {
                guard !bytes.isEmpty else { break }
                let place = random.below(bytes.count)
                switch random.below(5) {
                case 0: bytes[place] = UInt8(32 + random.below(95))
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(random.below(256)), at: place)
                case 3: bytes.replaceSubrange(place..., with: valid[random.below(valid.count)].dropFirst(random.below(40)))
                default:
                    let end = min(bytes.count, place + random.below(12))
                    bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
                }
            }
            _ = try OTTLTests.result(String(decoding: bytes, as: UTF8.self), Self.span)
        }
    }

    @Test("Spans with random bytes in them never trap, and hits agree with searches")
    func randomSpans() throws {
        let texts = [
            #"attributes["a"] == 1 or attributes["c"][1]["d"] > 2 or attributes["e"]["f"] == nil"#, "attributes == resource.attributes",
            #"IsMatch(attributes["b"], "t.x") or String(attributes) == "" or Len(attributes) > 3"#,
            #"name == "x" or kind.string == "Server" or trace_state["a"] == "1" or Len(events) > 1"#,
        ]
        let conditions = try texts.map { try OTTLTests.condition($0) }
        let list = OTTLConditionList(span: conditions, spanEvent: [try OTTLTests.condition(#"attributes["a"] == name"#, .spanEvent)], errorMode: .silent)
        let names = list.spanAttributes
        var bound = list
        bound.bind(spanAttribute: { name in names.firstIndex(of: name).map { UInt16($0) } }, resourceAttribute: { _ in nil })
        let walker = RequestWalker(keys: HashKeys(1, 2), interest: AttributeInterest(spanNames: names, resourceNames: []))
        var random = SeededGenerator(3)
        var index = RequestIndex()
        var evaluated = 0
        for _ in 0..<20_000 {
            var request = Self.span.request
            for _ in 0...random.below(3) { request[random.below(request.count)] = UInt8(random.below(256)) }
            guard (try? walker.walk(request.span, into: &index)) != nil, index.records.count == 1 else { continue }
            let group = index.groups[0]
            func outcome(_ list: OTTLConditionList) -> OTTLListOutcome {
                var input = OTTLSpanInput(
                    body: request.span, headers: index.groupBytes.span, record: index.records[0], group: group,
                    spanHits: index.spanHits.span, resourceHits: index.resourceHits.span, now: 0)
                return list.evaluate(&input)
            }
            #expect(outcome(bound) == outcome(list))
            evaluated += 1
        }
        #expect(evaluated > 1_000)
    }
}

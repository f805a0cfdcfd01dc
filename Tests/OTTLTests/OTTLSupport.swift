import OTLP
import TestSupport
import Testing

@testable import OTTL

/// An attribute value, as tests write it.
indirect enum TestValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    case empty
    case string(String)
    case bytes([UInt8])
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case list([TestValue])
    case map([(String, TestValue)])

    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int64) { self = .int(value) }
    init(floatLiteral value: Double) { self = .double(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: TestValue...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, TestValue)...) { self = .map(elements) }
    init(nilLiteral: ()) { self = .empty }

    /// The AnyValue's message.
    var encoded: [UInt8] {
        switch self {
        case .empty: []
        case .string(let text): Encode.text(1, text)
        case .bool(let flag): Encode.varint(2, flag ? 1 : 0)
        case .int(let number): Encode.varint(3, UInt64(bitPattern: number))
        case .double(let number): Encode.fixed64(4, number.bitPattern)
        case .list(let items): Encode.bytes(5, items.flatMap { Encode.bytes(1, $0.encoded) })
        case .map(let entries): Encode.bytes(6, TestValue.keyValues(1, entries))
        case .bytes(let bytes): Encode.bytes(7, bytes)
        }
    }

    static func keyValues(_ number: Int, _ entries: [(String, TestValue)]) -> [UInt8] {
        entries.flatMap { key, value in
            Encode.attribute(number, key, value.encoded)
        }
    }
}

/// A span with everything that conditions can look at.
struct OTTLTestSpan {
    struct Event {
        var name = ""
        var time: UInt64 = 0
        var attributes: KeyValuePairs<String, TestValue> = [:]
        var dropped: UInt64 = 0

        var bytes: [UInt8] {
            Encode.fixed64(1, time) + Encode.text(2, name)
                + TestValue.keyValues(3, attributes.map { ($0.key, $0.value) }) + Encode.varint(4, dropped)
        }
    }

    var traceID = TraceID(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
    var spanID: UInt64 = 0x1112_1314_1516_1718
    var parentSpanID: UInt64? = 0x2122_2324_2526_2728
    var traceState = ""
    var name = ""
    var kind: UInt64 = 0
    var start: UInt64 = 1_700_000_000_000_000_000
    var end: UInt64 = 1_700_000_000_000_000_000
    var attributes: KeyValuePairs<String, TestValue> = [:]
    var droppedAttributes: UInt64 = 0
    var events: [Event] = []
    var droppedEvents: UInt64 = 0
    var links = 0
    var droppedLinks: UInt64 = 0
    var status: UInt64 = 0
    var statusMessage = ""
    var flags: UInt32 = 0
    var resource: KeyValuePairs<String, TestValue> = [:]
    var resourceDropped: UInt64 = 0
    var scopeName = ""
    var scopeVersion = ""
    var scope: KeyValuePairs<String, TestValue> = [:]
    var scopeDropped: UInt64 = 0

    var bytes: [UInt8] {
        var bytes = Encode.bytes(1, traceID.bytes) + Encode.bytes(2, Encode.bigEndian(spanID))
        if !traceState.isEmpty { bytes += Encode.text(3, traceState) }
        if let parentSpanID { bytes += Encode.bytes(4, Encode.bigEndian(parentSpanID)) }
        bytes += Encode.text(5, name) + Encode.varint(6, kind)
        bytes += Encode.fixed64(7, start) + Encode.fixed64(8, end)
        bytes += TestValue.keyValues(9, attributes.map { ($0.key, $0.value) })
        bytes += Encode.varint(10, droppedAttributes)
        for event in events { bytes += Encode.bytes(11, event.bytes) }
        bytes += Encode.varint(12, droppedEvents)
        for _ in 0..<links { bytes += Encode.bytes(13, Encode.bytes(1, traceID.bytes)) }
        bytes += Encode.varint(14, droppedLinks)
        bytes += Encode.bytes(15, Encode.text(2, statusMessage) + Encode.varint(3, status))
        bytes += Encode.varint(16 * 8 + 5) + (0..<4).map { UInt8(truncatingIfNeeded: flags >> (8 * UInt32($0))) }
        return bytes
    }

    /// A request with this span alone.
    var request: [UInt8] {
        let resource = TestValue.keyValues(1, resource.map { ($0.key, $0.value) }) + Encode.varint(2, resourceDropped)
        let scope =
            Encode.text(1, scopeName) + Encode.text(2, scopeVersion)
            + TestValue.keyValues(3, scope.map { ($0.key, $0.value) }) + Encode.varint(4, scopeDropped)
        let scopeSpans = Encode.bytes(1, scope) + Encode.bytes(2, bytes)
        return Encode.bytes(1, Encode.bytes(1, resource) + Encode.bytes(2, scopeSpans))
    }
}

/// A stand-in for RE2: the standard library's engine, unanchored.
struct TestPattern: RegularExpressionMatching, @unchecked Sendable {
    let regex: Regex<AnyRegexOutput>

    init(_ pattern: String) throws { regex = try Regex(pattern) }

    func matches(_ text: Span<UInt8>) -> Bool {
        let bytes = (0..<text.count).map { text[$0] }
        return (try? regex.firstMatch(in: String(decoding: bytes, as: UTF8.self))) != nil
    }
}

enum OTTLTests {
    /// 2023-11-14T22:13:20Z.
    static let now: Int64 = 1_700_000_000_000_000_000

    static func condition(_ text: String, _ context: OTTLContext = .span) throws(OTTLError) -> OTTLCondition {
        try OTTLCondition(parsing: text, context: context) { try TestPattern($0) }
    }

    /// The list's outcome on a span; with the walker's hits, or with nothing but the bytes.
    static func outcome(_ list: OTTLConditionList, _ span: OTTLTestSpan, isBound: Bool) throws -> OTTLListOutcome {
        var list = list
        let spanNames = list.spanAttributes
        let resourceNames = list.resourceAttributes
        if isBound {
            list.bind(
                spanAttribute: { name in spanNames.firstIndex(of: name).map { UInt16($0) } },
                resourceAttribute: { name in resourceNames.firstIndex(of: name).map { UInt16($0) } })
        }
        let walker = RequestWalker(
            keys: HashKeys(1, 2), interest: AttributeInterest(spanNames: spanNames, resourceNames: resourceNames))
        var index = RequestIndex()
        let request = span.request
        try walker.walk(request.span, into: &index)
        try #require(index.records.count == 1)
        let group = index.groups[0]
        let resourceHits = index.resourceHits.span.extracting(group.resourceHitRange)
        var input = OTTLSpanInput(
            body: request.span, headers: index.groupBytes.span, record: index.records[0], group: group,
            spanHits: index.spanHits.span, resourceHits: resourceHits, now: now)
        return list.evaluate(&input)
    }

    /// `true`, `false`, `error` of evaluation, or the error of compilation, `column: message`.
    static func result(_ text: String, _ span: OTTLTestSpan = OTTLTestSpan(), _ context: OTTLContext = .span) throws -> String {
        let compiled: OTTLCondition
        do throws(OTTLError) {
            compiled = try condition(text, context)
        } catch {
            return "\(error.column): \(error.message)"
        }
        let list = OTTLConditionList(
            span: context == .span ? [compiled] : [], spanEvent: context == .span ? [] : [compiled], errorMode: .propagate)
        let bound = try outcome(list, span, isBound: true)
        let searched = try outcome(list, span, isBound: false)
        #expect(bound == searched, "\(text)")
        switch bound.verdict {
        case .matched: return "true"
        case .notMatched: return "false"
        case .failed: return "error"
        }
    }

    /// Checks a table of conditions on one span.
    static func check(
        _ span: OTTLTestSpan, _ context: OTTLContext, _ table: KeyValuePairs<String, String>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (text, expected) in table {
            let result = try result(text, span, context)
            #expect(result == expected || (expected.count > 5 && result.contains(expected)), "\(text)", sourceLocation: sourceLocation)
        }
    }

    static func check(
        _ span: OTTLTestSpan, _ table: KeyValuePairs<String, String>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try check(span, .span, table, sourceLocation: sourceLocation)
    }

    static func check(
        _ table: KeyValuePairs<String, String>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try check(OTTLTestSpan(), .span, table, sourceLocation: sourceLocation)
    }

    /// Checks that the texts are no conditions: `column: a part of the message`.
    static func checkErrors(
        _ table: KeyValuePairs<String, String>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (text, expected) in table {
            let result = try result(text)
            let parts = expected.split(separator: ": ", maxSplits: 1)
            let isFine = result.hasPrefix(parts[0] + ": ") && (parts.count < 2 || result.contains(parts[1]))
            #expect(isFine, "\(text) gave \(result), not \(expected)", sourceLocation: sourceLocation)
        }
    }
}

import TestSupport
import Testing

@testable import OTLP

struct SpanLinesTests {
    private static func text(_ request: [UInt8]) throws -> String {
        var output: [UInt8] = []
        try SpanLines.append(request.span, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func attribute(_ key: String, _ value: [UInt8]) -> [UInt8] {
        Encode.bytes(9, Encode.text(1, key) + Encode.bytes(2, value))
    }

    private static func span(_ name: String, _ attributes: [UInt8] = []) -> [UInt8] {
        Encode.bytes(1, Encode.bigEndian(0xab) + Encode.bigEndian(0x01)) + Encode.bytes(2, Encode.bigEndian(0xcd))
            + Encode.text(5, name) + attributes
    }

    private static func request(_ spans: [[UInt8]]) -> [UInt8] {
        Encode.bytes(1, Encode.bytes(1, []) + Encode.bytes(2, spans.flatMap { Encode.bytes(2, $0) }))
    }

    private static let ids = "00000000000000ab0000000000000001 00000000000000cd"

    @Test func aLineForEachSpan() throws {
        let text = try Self.text(Self.request([Self.span("GET /"), Self.span("two\nlines\t")]) + Self.request([Self.span("")]))
        #expect(text == "GET / \(Self.ids)\ntwo lines  \(Self.ids)\n \(Self.ids)\n")
    }

    @Test func attributes() throws {
        let values =
            Self.attribute("a", Encode.text(1, "x y")) + Self.attribute("b", [0x10, 1]) + Self.attribute("c", [0x18, 42])
            + Self.attribute("d", Encode.bytes(5, Encode.bytes(1, Encode.text(1, "in")))) + Self.attribute("e", [])
        #expect(
            try Self.text(Self.request([Self.span("n", values)]))
                == "n \(Self.ids) a=x y b=true c=42 d={\"arrayValue\":{\"values\":[{\"stringValue\":\"in\"}]}} e=\n")
    }

    @Test func malformedLeavesNothing() {
        var output: [UInt8] = [7]
        let bad = Self.request([Self.span("n")]) + [0x0a, 0x7f]
        #expect(throws: WalkError.self) { try SpanLines.append(bad.span, to: &output) }
        #expect(output == [7])
    }
}

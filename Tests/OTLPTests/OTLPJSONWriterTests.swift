import TestSupport
import Testing

@testable import OTLP

@Suite struct OTLPJSONWriterTests {
    @Test func referenceVector() throws {
        #expect(
            try json(referenceRequest)
                == #"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"#
                + #""scopeSpans":[{"scope":{},"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","#
                + #""spanId":"0102030405060708","traceState":"ot=th:8","parentSpanId":"","flags":769,"#
                + #""name":"n","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2","status":{"code":2}}]}]}]}"#
        )
    }

    @Test func emptyMessages() throws {
        #expect(try json([]) == "{}")
        #expect(try json(Encode.bytes(1, [])) == #"{"resourceSpans":[{"resource":{}}]}"#)
        #expect(
            try json(Encode.bytes(1, Encode.bytes(2, Encode.bytes(2, []))))
                == #"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":"","spanId":"","parentSpanId":"","status":{}}]}]}]}"#
        )
    }

    private func value(_ bytes: [UInt8]) throws -> String {
        let text = try json(
            Encode.bytes(1, Encode.bytes(1, Encode.attribute(1, "k", bytes))))
        let before = #"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":"#
        #expect(text.hasPrefix(before) && text.hasSuffix("}]}}]}"))
        return String(text.dropFirst(before.count).dropLast(6))
    }

    @Test func values() throws {
        let cases: [([UInt8], String)] = [
            ([], "{}"),
            (Encode.text(1, ""), #"{"stringValue":""}"#),
            (Encode.varint(2, 0), #"{"boolValue":false}"#),
            (Encode.varint(2, 1), #"{"boolValue":true}"#),
            (Encode.varint(3, 0), #"{"intValue":"0"}"#),
            (Encode.varint(3, UInt64(Int64.max)), #"{"intValue":"9223372036854775807"}"#),
            (Encode.varint(3, 1 << 63), #"{"intValue":"-9223372036854775808"}"#),
            (Encode.fixed64(4, 0.1.bitPattern), #"{"doubleValue":0.1}"#),
            (Encode.fixed64(4, 3.0.bitPattern), #"{"doubleValue":3}"#),
            (Encode.fixed64(4, (-0.0).bitPattern), #"{"doubleValue":-0}"#),
            (Encode.fixed64(4, 1e300.bitPattern), #"{"doubleValue":1e+300}"#),
            (Encode.fixed64(4, 5e-324.bitPattern), #"{"doubleValue":5e-324}"#),
            (Encode.fixed64(4, Double.nan.bitPattern), #"{"doubleValue":"NaN"}"#),
            (Encode.fixed64(4, Double.infinity.bitPattern), #"{"doubleValue":"Infinity"}"#),
            (Encode.fixed64(4, (-Double.infinity).bitPattern), #"{"doubleValue":"-Infinity"}"#),
            (Encode.bytes(7, [0xff, 0xfe]), #"{"bytesValue":"//4="}"#),
            (Encode.bytes(5, []), #"{"arrayValue":{}}"#),
            (
                Encode.bytes(5, Encode.bytes(1, Encode.varint(3, 5)) + Encode.bytes(1, [])),
                #"{"arrayValue":{"values":[{"intValue":"5"},{}]}}"#
            ),
            (
                Encode.bytes(6, Encode.attribute(1, "a", Encode.text(1, "b"))),
                #"{"kvlistValue":{"values":[{"key":"a","value":{"stringValue":"b"}}]}}"#
            ),
            (Encode.text(1, "x") + Encode.varint(3, 1), #"{"intValue":"1"}"#),
            (
                Encode.bytes(
                    1, Array("\"\\/\n\r\t\u{8}\u{c}\u{1}\u{7f}é😀".utf8) + [0xff, 0xe2, 0x82, 0x41]),
                "{\"stringValue\":\"\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\u{7f}é😀\u{fffd}\u{fffd}A\"}"
            ),
        ]
        for (bytes, expected) in cases { #expect(try value(bytes) == expected) }
    }

    @Test func everyField() throws {
        let id = [UInt8](repeating: 0xab, count: 16)
        let attribute = Encode.varint(3, 1)
        let span =
            Encode.bytes(2, Array(id.prefix(8))) + Encode.bytes(1, id)
            + Encode.attribute(9, "a", attribute)
            + Encode.bytes(
                11,
                Encode.fixed64(1, 7) + Encode.text(2, "e") + Encode.attribute(3, "b", attribute)
                    + Encode.varint(4, 1))
            + Encode.attribute(9, "c", attribute)
            + Encode.bytes(
                13,
                Encode.bytes(1, id) + Encode.bytes(2, Array(id.prefix(8))) + Encode.text(3, "s")
                    + Encode.attribute(4, "d", attribute) + Encode.varint(5, 2)
                    + Encode.fixed32(6, 3))
            + Encode.bytes(4, Array(id.prefix(8))) + Encode.varint(10, 4) + Encode.varint(12, 5)
            + Encode.varint(14, 6) + Encode.bytes(15, Encode.text(2, "m"))
            + Encode.bytes(15, Encode.varint(3, 1)) + Encode.bytes(999, [1])
            + Encode.varint(6, UInt64(bitPattern: -1))
        let scope = Encode.bytes(
            1,
            Encode.text(1, "n") + Encode.text(2, "v") + Encode.attribute(3, "f", attribute)
                + Encode.varint(4, 7))
        let resource = Encode.bytes(
            1,
            Encode.varint(2, 8)
                + Encode.bytes(
                    3,
                    Encode.text(1, "u") + Encode.text(2, "t") + Encode.text(3, "i")
                        + Encode.text(3, "j") + Encode.text(4, "k")))
        let body = Encode.bytes(
            1,
            Encode.bytes(2, Encode.bytes(2, span) + Encode.text(3, "w") + scope)
                + Encode.text(3, "z") + resource)
        #expect(
            try json(body)
                == #"{"resourceSpans":[{"resource":{"droppedAttributesCount":8,"entityRefs":[{"schemaUrl":"u","#
                + #""type":"t","idKeys":["i","j"],"descriptionKeys":["k"]}]},"scopeSpans":[{"scope":{"name":"n","#
                + #""version":"v","attributes":[{"key":"f","value":{"intValue":"1"}}],"droppedAttributesCount":7},"#
                + #""spans":[{"traceId":"abababababababababababababababab","spanId":"abababababababab","#
                + #""parentSpanId":"abababababababab","kind":-1,"attributes":[{"key":"a","value":{"intValue":"1"}},"#
                + #"{"key":"c","value":{"intValue":"1"}}],"droppedAttributesCount":4,"events":[{"timeUnixNano":"7","#
                + #""name":"e","attributes":[{"key":"b","value":{"intValue":"1"}}],"droppedAttributesCount":1}],"#
                + #""droppedEventsCount":5,"links":[{"traceId":"abababababababababababababababab","#
                + #""spanId":"abababababababab","traceState":"s","attributes":[{"key":"d","value":{"intValue":"1"}}],"#
                + #""droppedAttributesCount":2,"flags":3}],"droppedLinksCount":6,"#
                + #""status":{"message":"m","code":1}}],"schemaUrl":"w"}],"schemaUrl":"z"}]}"#)
    }

    @Test func depthIsBoundedAndErrorsLeaveNothing() throws {
        let body = Encode.request(
            spans: [Encode.span(Encode.attribute(9, "k", RequestWalkerTests.nested(5000)))])
        let text = try json(body)
        #expect(text.contains("{\"values\":[{}]}"))
        #expect(text.count < 3000)
        var output: [UInt8] = [1, 2, 3]
        let bad = Encode.request(spans: [Encode.span(), [0x0e]])
        #expect(throws: WalkError.self) { try OTLPJSONWriter.append(bad.span, to: &output) }
        #expect(output == [1, 2, 3])
    }
}

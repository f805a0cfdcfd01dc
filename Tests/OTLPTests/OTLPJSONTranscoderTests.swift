import TestSupport
import Testing

@testable import OTLP

private func transcode(_ text: String, _ signal: OTLPSignal = .traces) throws(OTLPJSONError) -> [UInt8] {
    try OTLPJSONTranscoder.transcode(Array(text.utf8).span, signal)
}

private func failure(_ text: String) -> OTLPJSONError? {
    do throws(OTLPJSONError) {
        _ = try transcode(text)
        return nil
    } catch {
        return error
    }
}

/// What a span's JSON becomes: the bytes of the Span message.
private func span(_ members: String) throws -> [UInt8] {
    try inner(transcode(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{\#(members)}]}]}]}"#), [0x0a, 0x12, 0x12])
}

/// What a value's JSON becomes: the bytes of the AnyValue message.
private func value(_ members: String) throws -> [UInt8] {
    try inner(
        transcode(#"{"resourceSpans":[{"resource":{"attributes":[{"value":{\#(members)}}]}}]}"#),
        [0x0a, 0x0a, 0x0a, 0x12])
}

/// The payload of the first field of each tag, one in the other.
private func inner(_ bytes: [UInt8], _ tags: [UInt64]) throws -> [UInt8] {
    var bytes = bytes
    for tag in tags {
        var reader = FieldReader(bytes.span, 0..<bytes.count)
        let field = try #require(try reader.next())
        try #require(field.tag == tag)
        bytes = Array(bytes[field.payload])
    }
    return bytes
}

@Suite struct OTLPJSONTranscoderTests {
    @Test func referenceVector() throws {
        let text = try json(referenceRequest)
        let bytes = try transcode(text)
        // The writer puts `flags` before `name`, so the fields come in another order; and it writes an empty scope.
        #expect(bytes.count == referenceRequest.count + 2)
        #expect(try json(bytes) == text)
        #expect(try walk(bytes).records.count == 1)
    }

    @Test(arguments: ["{}", " { } ", #"{"resourceSpans":[]}"#, #"{"resourceSpans":null}"#, "\n\t\r {}\n"])
    func emptyRequests(_ text: String) throws {
        #expect(try transcode(text) == [])
    }

    @Test func identifiers() throws {
        #expect(
            try span(#""traceId":"0102030405060708090A0b0C0d0E0f10","spanId":"","parentSpanId":"ff""#)
                == Encode.bytes(1, Array(1...16)) + Encode.bytes(4, [0xff]))
        for bad in ["0", "0g", "zz", #"\u0030\u0030"#, "AQIDBAUGBwgJCgsMDQ4PEA=="] {
            #expect(failure(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"\#(bad)"}]}]}]}"#)?.reason == .badHex)
        }
    }

    /// Identifiers of the usual lengths take a way of their own: every text of them against digit by digit.
    @Test(arguments: [15, 16, 17, 31, 32, 33]) func identifiersOfAnyDigits(length: Int) throws {
        let digits = Array("0123456789abcdefABCDEF".utf8)
        var state: UInt64 = 17
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(limit))
        }
        for round in 0..<400 {
            var text = (0..<length).map { _ in digits[random(digits.count)] }
            // Every byte but quote, backslash and controls once in a while, in every place.
            if round >= 40 { text[random(length)] = [UInt8](0x20...0x7e).filter { $0 != 0x22 && $0 != 0x5c }[random(93)] }
            let values = text.map { Character(Unicode.Scalar($0)).hexDigitValue }
            let isGood = length % 2 == 0 && values.allSatisfy { $0 != nil }
            let json = String(decoding: text, as: UTF8.self)
            guard isGood else {
                #expect(failure(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"\#(json)"}]}]}]}"#)?.reason == .badHex)
                continue
            }
            var bytes: [UInt8] = []
            for position in stride(from: 0, to: length, by: 2) {
                let high: Int = values[position] ?? 0
                let low: Int = values[position + 1] ?? 0
                bytes.append(UInt8(high * 16 + low))
            }
            #expect(try span(#""traceId":"\#(json)""#) == Encode.bytes(1, bytes))
        }
        #expect(failure(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"\#(String(repeating: "é", count: length / 2))"}]}]}]}"#)?.reason == .badHex)
    }

    @Test func aByteIsFoundWhereverItStands() {
        for count in 0..<100 {
            for position in 0...count {
                var bytes = [UInt8](repeating: 0x0b, count: count)
                if position < count { bytes[position] = 0x0a }
                for from in [0, max(0, position - 1), position] {
                    #expect(ByteSpans.firstIndex(of: 0x0a, in: bytes.span, from: from) == (position < count ? position : nil))
                }
                #expect(ByteSpans.firstIndex(of: 0x0a, in: bytes.span, from: position + 1) == nil)
            }
        }
    }

    @Test(arguments: [
        (#""1544712660000000000""#, 1_544_712_660_000_000_000), ("1544712660000000000", 1_544_712_660_000_000_000),
        ("1.7e18", 1_700_000_000_000_000_000), ("1700000000000000001", 1_700_000_000_000_000_001),
        (#""1.7E+18""#, 1_700_000_000_000_000_000), ("18446744073709551615", UInt64.max), ("10e-1", 1), ("1.000", 1),
        (#""18446744073709551615""#, UInt64.max), ("9999999999999999999", 9_999_999_999_999_999_999),
        ("-0", 0), ("0e99999999999999999999", 0), ("0.0", 0), ("1.00000000000000000000000000", 1),
    ] as [(String, UInt64)])
    func times(_ text: String, _ expected: UInt64) throws {
        #expect(try span(#""startTimeUnixNano":\#(text)"#) == (expected == 0 ? [] : Encode.fixed64(7, expected)))
    }

    @Test(arguments: [
        ("18446744073709551616", OTLPJSONError.Reason.numberOutOfRange), ("-1", .numberOutOfRange),
        ("99999999999999999999999", .numberOutOfRange), ("1e20", .numberOutOfRange), ("1.5", .badNumber),
        ("1e-1", .badNumber), ("01", .badNumber), ("1.", .badNumber), ("1e", .badNumber), ("1e+", .badNumber),
        ("-", .badNumber), (#""""#, .expectedNumber), (#"" 1""#, .expectedNumber), (#""1 ""#, .badNumber),
        ("true", .expectedNumber), ("+1", .expectedNumber), (".5", .expectedNumber), ("[1]", .expectedNumber),
        ("1.00000000000000000000000001", .numberOutOfRange),
    ] as [(String, OTLPJSONError.Reason)])
    func badTimes(_ text: String, _ expected: OTLPJSONError.Reason) {
        let error = failure(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":\#(text)}]}]}]}"#)
        #expect(error?.reason == expected)
    }

    @Test(arguments: [
        (#""intValue":"9223372036854775807""#, Encode.varint(3, UInt64(Int64.max))),
        (#""intValue":-9223372036854775808"#, Encode.varint(3, 1 << 63)),
        (#""intValue":"-1""#, Encode.varint(3, UInt64.max)), (#""intValue":0"#, Encode.varint(3, 0)),
        (#""boolValue":true"#, Encode.varint(2, 1)), (#""boolValue":false"#, Encode.varint(2, 0)),
        (#""stringValue":"""#, Encode.text(1, "")), (#""stringValue":"a""#, Encode.text(1, "a")),
        (#""doubleValue":0.1"#, Encode.fixed64(4, 0.1.bitPattern)),
        (#""doubleValue":-0.0"#, Encode.fixed64(4, (-0.0).bitPattern)),
        (#""doubleValue":"NaN""#, Encode.fixed64(4, Double.nan.bitPattern)),
        (#""doubleValue":"-Infinity""#, Encode.fixed64(4, (-Double.infinity).bitPattern)),
        (#""doubleValue":"1.5""#, Encode.fixed64(4, 1.5.bitPattern)),
        (#""doubleValue":5e-324"#, Encode.fixed64(4, 5e-324.bitPattern)),
        (#""doubleValue":1.7976931348623157e308"#, Encode.fixed64(4, 1.7976931348623157e308.bitPattern)),
        (#""doubleValue":123456789012345678901234567890"#, Encode.fixed64(4, 1.2345678901234568e29.bitPattern)),
        (#""doubleValue":0.1000000000000000055511151231257827"#, Encode.fixed64(4, 0.1.bitPattern)),
        (#""bytesValue":"//4=""#, Encode.bytes(7, [0xff, 0xfe])), (#""bytesValue":"__4""#, Encode.bytes(7, [0xff, 0xfe])),
        (#""bytesValue":"\/\/4=""#, Encode.bytes(7, [0xff, 0xfe])), (#""bytesValue":"""#, Encode.bytes(7, [])),
        (#""arrayValue":{}"#, Encode.bytes(5, [])), (#""array_value":{"values":[]}"#, Encode.bytes(5, [])),
        (
            #""arrayValue":{"values":[{"intValue":5},{},null]}"#,
            Encode.bytes(5, Encode.bytes(1, Encode.varint(3, 5)) + Encode.bytes(1, []) + Encode.bytes(1, []))
        ),
        (
            #""kvlistValue":{"values":[{"key":"a","value":{"stringValue":"b"}}]}"#,
            Encode.bytes(6, Encode.attribute(1, "a", Encode.text(1, "b")))
        ),
        (#""stringValue":"a","intValue":0"#, Encode.text(1, "a") + Encode.varint(3, 0)),
        (#""stringValue":null"#, []), ("", []),
    ] as [(String, [UInt8])])
    func values(_ text: String, _ expected: [UInt8]) throws {
        #expect(try value(text) == expected)
    }

    @Test(arguments: [
        ("1e999", OTLPJSONError.Reason.numberOutOfRange), ("NaN", .expectedNumber), (#""inf""#, .expectedNumber),
        (#""NaN"#, .expectedNumber), ("1.5.2", .expectedComma), (String(repeating: "9", count: 2000), .badNumber),
    ] as [(String, OTLPJSONError.Reason)])
    func badDoubles(_ text: String, _ expected: OTLPJSONError.Reason) {
        let error = failure(#"{"resourceSpans":[{"resource":{"attributes":[{"value":{"doubleValue":\#(text)}}]}}]}"#)
        #expect(error?.reason == expected)
    }

    @Test(arguments: [
        (#"a\"b\\c\/d\b\f\n\r\t"#, "a\"b\\c/d\u{8}\u{c}\n\r\t"), (#"\u0041\u00e9\u20AC"#, "Aé€"),
        (#"\ud83d\ude00"#, "😀"), (#"\ud83d"#, "\u{fffd}"), (#"\ude00x"#, "\u{fffd}x"),
        (#"\ud83dA"#, "\u{fffd}A"), (#"\ud83d\u0041"#, "\u{fffd}A"), (#"\ud83d\ud83d\ude00"#, "\u{fffd}😀"),
        (#"\u0000"#, "\u{0}"), ("plain é 😀", "plain é 😀"), (#"12345678\n"#, "12345678\n"), ("", ""),
        (#"\ud83d\n"#, "\u{fffd}\n"),
    ])
    func texts(_ text: String, _ expected: String) throws {
        #expect(try value(#""stringValue":"\#(text)""#) == Encode.text(1, expected))
        // The same between seven other characters, so that words of eight are cut elsewhere.
        #expect(try value(#""stringValue":"1234567\#(text)""#) == Encode.text(1, "1234567" + expected))
    }

    @Test(arguments: [
        (#""\x""#, OTLPJSONError.Reason.badEscape), (#""\u12g4""#, .badEscape), (#""\u12"#, .truncated),
        (#""abc"#, .truncated), ("\"a\u{1}\"", .controlCharacter), ("\"1234567890\n\"", .controlCharacter),
        (#""\"#, .truncated), ("5", .expectedString), ("{}", .expectedString),
    ])
    func badTexts(_ text: String, _ expected: OTLPJSONError.Reason) {
        #expect(failure(#"{"resourceSpans":[{"schemaUrl":\#(text)}]}"#)?.reason ?? .trailingText == expected
            || failure(#"{"resourceSpans":[{"schemaUrl":\#(text)"#)?.reason == expected)
    }

    @Test func invalidUTF8GoesThrough() throws {
        let text = Array(#"{"resourceSpans":[{"schemaUrl":""#.utf8) + [0xff] + Array(#""}]}"#.utf8)
        #expect(
            try OTLPJSONTranscoder.transcode(text.span) == Encode.bytes(1, Encode.bytes(3, [0xff])))
    }

    @Test(arguments: [
        ("2", 2), (#""SPAN_KIND_CLIENT""#, 3), (#""5""#, 5), (#""SPAN_KIND_UNSPECIFIED""#, 0), (#""NO_SUCH_KIND""#, 0),
        ("77", 77), ("0", 0), ("-1", UInt64.max),
    ] as [(String, UInt64)])
    func enums(_ text: String, _ expected: UInt64) throws {
        #expect(try span(#""kind":\#(text)"#) == (expected == 0 ? [] : Encode.varint(6, expected)))
    }

    @Test func keysInAnyOrderAndTwice() throws {
        // Scalars: the last counts, also when it is zero.
        #expect(try span(#""kind":3,"kind":0"#) == Encode.varint(6, 3) + Encode.varint(6, 0))
        #expect(try span(#""name":"a","name":"""#) == Encode.text(5, "a") + Encode.text(5, ""))
        // A resource behind its spans.
        #expect(
            try transcode(#"{"resourceSpans":[{"scopeSpans":[{}],"resource":{"droppedAttributesCount":"3"}}]}"#)
                == Encode.bytes(1, Encode.bytes(2, []) + Encode.bytes(1, Encode.varint(2, 3))))
        // Lists join.
        #expect(
            try transcode(#"{"resourceSpans":[{}],"resource_spans":[{}]}"#) == Encode.bytes(1, []) + Encode.bytes(1, []))
    }

    @Test func unknownKeysAreSkipped() throws {
        let unknown =
            #""x":1,"y":{"a":[1,"2\"",null,true,{"b":-1.5e3}],"c":{}},"z":[],"droppedAttributesCountOfSomething":[[]],"\u006eame2":1,"#
        #expect(try span(unknown + #""\u006eame":"n""#) == Encode.text(5, "n"))
        // As long as a known key, and alike at both ends.
        #expect(try span(#""startTimeXXixNano":1,"droppedXttributesCount":{}"#) == [])
        for bad in [#""x":}"#, #""x":{"a"}"#, #""x":[1 2]"#, #""x":tru"#, #""x":{1:2}"#, #""x":01"#, #""x":nul"#, #""x":[,]"#] {
            #expect(throws: OTLPJSONError.self) { _ = try span(bad) }
        }
    }

    @Test(arguments: [
        ("", OTLPJSONError.Reason.truncated, 0), ("[]", .expectedObject, 0), ("null", .expectedObject, 0),
        ("{}{}", .trailingText, 2), ("{} x", .trailingText, 3), ("{", .truncated, 1), ("{,}", .expectedKey, 1),
        (#"{"a":1,}"#, .expectedKey, 7), (#"{"a" 1}"#, .expectedColon, 5), (#"{"a":1 "b":2}"#, .expectedComma, 7),
        (#"{"resourceSpans":{}}"#, .expectedList, 17), (#"{"resourceSpans":[1]}"#, .expectedObject, 18),
        (#"{"resourceSpans":[{}"#, .truncated, 20), (#"{"resourceSpans":[{},]}"#, .expectedObject, 21),
        (#"{"a":x}"#, .expectedValue, 5), (#"{"resourceSpans":[{"resource":[]}]}"#, .expectedObject, 30),
        ("\u{feff}{}", .expectedObject, 0),
    ])
    func badDocuments(_ text: String, _ reason: OTLPJSONError.Reason, _ offset: Int) {
        #expect(failure(text) == OTLPJSONError(reason, at: offset))
    }

    @Test func everyPrefixIsAnError() throws {
        let text = Array(try json(referenceRequest).utf8)
        for count in 0..<text.count {
            #expect(throws: OTLPJSONError.self) { _ = try OTLPJSONTranscoder.transcode(text.span.extracting(..<count)) }
        }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ levels: Int) -> String {
            #"{"resourceSpans":[{"resource":{"attributes":[{"value":"#
                + String(repeating: #"{"arrayValue":{"values":["#, count: levels) + "{}"
                + String(repeating: "]}}", count: levels) + "}]}}]}"
        }
        #expect(failure(nested(40)) == nil)
        #expect(failure(nested(61)) == nil)
        #expect(failure(nested(62))?.reason == .nestedTooDeep)
        #expect(failure(nested(100_000))?.reason == .nestedTooDeep)
        let unknown = #"{"x":"# + String(repeating: "[", count: 100_000)
        #expect(failure(unknown)?.reason == .nestedTooDeep)
        #expect(failure(#"{"x":"# + String(repeating: "[", count: 126) + String(repeating: "]", count: 126) + "}") == nil)
    }

    @Test(arguments: [0, 1, 120, 124, 125, 126, 127, 128, 129, 16_378, 16_384, 2_097_140, 2_097_160])
    func lengthsAreShortest(_ count: Int) throws {
        let name = String(repeating: "n", count: count)
        for text in [name, #"\u006e"# + name.dropFirst()] where count > 0 || text.isEmpty {
            let got = try transcode(#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\#(text)"},{"kind":1}]}]}]}"#)
            let first = count == 0 ? [] : Encode.text(5, name)
            let scope = Encode.bytes(2, first) + Encode.bytes(2, Encode.varint(6, 1))
            #expect(got == Encode.bytes(1, Encode.bytes(2, scope)))
        }
    }

    @Test func metricsAndLogs() throws {
        let metrics = try transcode(
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","histogram":{"aggregationTemporality":2,"#
                + #""dataPoints":[{"bucketCounts":["1",2],"explicitBounds":[0.5],"sum":0}]}}]}]}]}"#, .metrics)
        let point =
            Encode.bytes(6, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
            + Encode.bytes(7, [0, 0, 0, 0, 0, 0, 0xe0, 0x3f]) + Encode.fixed64(5, 0)
        let metric = Encode.text(1, "m") + Encode.bytes(9, Encode.varint(2, 2) + Encode.bytes(1, point))
        #expect(metrics == Encode.bytes(1, Encode.bytes(2, Encode.bytes(2, metric))))

        let logs = try transcode(
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_ERROR2","body":{"stringValue":"b"}}]}]}]}"#,
            .logs)
        let record = Encode.varint(2, 18) + Encode.bytes(5, Encode.text(1, "b"))
        #expect(logs == Encode.bytes(1, Encode.bytes(2, Encode.bytes(2, record))))
    }

    @Test func errorsSayWhereAndWhat() {
        for reason in OTLPJSONError.Reason.allCases {
            let text = "\(OTLPJSONError(reason, at: 7))"
            #expect(text.hasPrefix("not valid OTLP JSON: ") && text.hasSuffix(" at byte 7"))
        }
    }

    /// What the writer writes, the transcoder reads back to a request of which the writer writes the same.
    @Test(arguments: UInt64(0)..<200)
    func roundTrip(_ seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let text = try json(ModelRequest(&random).bytes)
        let back = try transcode(text)
        #expect(try json(back) == text)
    }

    /// Damaged documents end in an error or in a request, never in a trap.
    @Test(arguments: UInt64(0)..<40)
    func damagedDocuments(_ seed: UInt64) throws {
        var random = SeededGenerator(seed &* 7919)
        let text = Array(try json(ModelRequest(&random).bytes).utf8)
        for _ in 0..<200 {
            var damaged = text
            for _ in 0...Int.random(in: 0...3, using: &random) where !damaged.isEmpty {
                let position = Int.random(in: damaged.indices, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: damaged[position] = UInt8.random(in: .min ... .max, using: &random)
                case 1: damaged.remove(at: position)
                case 2: damaged.insert(Array(#"{}[]",:\e-9nt"#.utf8).randomElement(using: &random) ?? 0, at: position)
                default: damaged.removeLast(damaged.count - position)
                }
            }
            guard let bytes = try? OTLPJSONTranscoder.transcode(damaged.span) else { continue }
            let error = walkError(bytes)
            #expect(error == nil)
            #expect(bytes.count <= damaged.count * 5 / 4 + 16)
        }
    }
}

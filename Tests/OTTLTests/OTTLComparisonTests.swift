import OTLP
import Testing

@testable import OTTL

@Suite("OTTL: comparison and arithmetic") struct OTTLComparisonTests {
    /// One value of each kind, as an attribute.
    static let span = OTTLTestSpan(
        name: "n",
        attributes: [
            "int": 5, "double": 5.0, "string": "5", "true": true, "false": false, "bytes": .bytes([1, 2]),
            "nobytes": .bytes([]), "list": [1, "a"], "map": ["k": 1], "empty": nil, "big": 9_007_199_254_740_993,
        ])

    private func check(_ left: String, _ right: String, _ holding: String) throws {
        for symbol in ["==", "!=", "<", "<=", ">", ">="] {
            let expected = holding.split(separator: " ").contains { $0 == symbol } ? "true" : "false"
            let text = "\(left) \(symbol) \(right)"
            #expect(try OTTLTests.result(text, Self.span) == expected, "\(text)")
        }
    }

    @Test("Values of one kind, or numbers of two")
    func sameKinds() throws {
        let int = #"attributes["int"]"#
        let double = #"attributes["double"]"#
        try check(int, "5", "== <= >=")
        try check(int, "6", "!= < <=")
        try check(int, "4", "!= > >=")
        try check(int, double, "== <= >=")
        try check(double, "5.5", "!= < <=")
        try check(double, "4", "!= > >=")
        try check(#"attributes["string"]"#, "\"5\"", "== <= >=")
        try check(#"attributes["string"]"#, "\"50\"", "!= < <=")
        try check(#"attributes["string"]"#, "\"4zzz\"", "!= > >=")
        try check("\"é\"", "\"z\"", "!= > >=")
        try check(#"attributes["true"]"#, "true", "== <= >=")
        try check(#"attributes["false"]"#, "true", "!= < <=")
        try check(#"attributes["true"]"#, "false", "!= > >=")
        try check(#"attributes["bytes"]"#, "0x0102", "== <= >=")
        try check(#"attributes["bytes"]"#, "0x010200", "!= < <=")
        try check(#"attributes["bytes"]"#, "0x01", "!= > >=")
        try check("start_time", "end_time", "== <= >=")
        try check("Duration(\"1s\")", "Duration(\"2s\")", "!= < <=")
        try check("Duration(\"1h\")", "Duration(\"60m\")", "== <= >=")
    }

    @Test("Integers beyond 53 bits are exact among themselves, and doubles beside a double")
    func largeIntegers() throws {
        try check(#"attributes["big"]"#, "9007199254740992", "!= > >=")
        try check(#"attributes["big"]"#, "9007199254740992.0", "== <= >=")
    }

    @Test("Kinds that don't fit: only != holds, whatever the operator")
    func differentKinds() throws {
        let kinds = [
            #"attributes["int"]"#, #"attributes["string"]"#, #"attributes["true"]"#, #"attributes["bytes"]"#,
            #"attributes["list"]"#, #"attributes["map"]"#, "start_time", "Duration(\"5s\")", "trace_id", "span_id", "status",
            "events", "links", "nil",
        ]
        for left in kinds {
            for right in kinds where left != right { try check(left, right, "!=") }
        }
    }

    @Test("nil equals nil, an absent attribute, an empty value and an empty byte string")
    func nils() throws {
        let nils = ["nil", #"attributes["absent"]"#, #"attributes["empty"]"#, #"attributes["nobytes"]"#, #"cache["x"]"#]
        for left in nils {
            for right in nils { try check(left, right, "== <= >=") }
        }
        try check(#"attributes["absent"]"#, "\"\"", "!=")
        try check(#"attributes["absent"]"#, "0", "!=")
        try check(#"attributes["absent"]"#, "false", "!=")
    }

    @Test("Lists and maps are equal deeply and have no order; inside of them types must be the same")
    func containers() throws {
        try check(#"attributes["list"]"#, #"[1, "a"]"#, "==")
        try check(#"attributes["list"]"#, #"[1.0, "a"]"#, "!=")
        try check(#"attributes["list"]"#, "[1]", "!=")
        try check(#"attributes["map"]"#, #"{"k": 1}"#, "==")
        try check(#"attributes["map"]"#, #"{"k": 2}"#, "!=")
        try check(#"attributes["map"]"#, #"{"k": 1, "l": 1}"#, "!=")
        try check(#"attributes["map"]"#, #"{"l": 1}"#, "!=")
        try check("attributes", "attributes", "==")
        try check("attributes", "resource.attributes", "!=")
    }

    @Test("Identifiers equal identifiers, not bytes; use TraceID, SpanID or .string")
    func identifiers() throws {
        try check("trace_id", "0x0102030405060708090a0b0c0d0e0f10", "!=")
        try check("trace_id", "TraceID(0x0102030405060708090a0b0c0d0e0f10)", "==")
        try check("trace_id", #"TraceID("0102030405060708090a0b0c0d0e0f10")"#, "==")
        try check("trace_id", #"TraceID("0102030405060708090a0b0c0d0e0f11")"#, "!=")
        try check("span_id", "0x1112131415161718", "!=")
        try check("span_id", "SpanID(0x1112131415161718)", "==")
        try check("span_id", #"SpanID("1112131415161718")"#, "==")
        try check("span_id", "parent_span_id", "!=")
        try check("trace_id.string", "\"0102030405060708090a0b0c0d0e0f10\"", "== <= >=")
    }

    @Test("Arithmetic: integers stay integers, a mixture becomes double, time and duration combine")
    func arithmetic() throws {
        try OTTLTests.check(Self.span, [
            "7 / 2 == 3": "true", "-7 / 2 == -3": "true", "7 / 2.0 == 3.5": "true", "7.0 / 2 == 3.5": "true",
            "1 + 0.5 == 1.5": "true", "2 * 1.5 == 3": "true", "3.5 - 1 == 2.5": "true",
            "9223372036854775807 + 1 < 0": "true", "-9223372036854775807 - 2 > 0": "true",
            "(-9223372036854775807 - 1) / -1 < 0": "true",
            #"attributes["int"] * 2 == 10"#: "true", #"-attributes["int"] == -5"#: "true",
            #"-attributes["double"] == -5"#: "true", #"+attributes["int"] == 5"#: "true",
            "end_time - start_time == Duration(\"0s\")": "true",
            "start_time + Duration(\"1s\") - start_time == Duration(\"1s\")": "true",
            "Duration(\"1s\") + start_time > start_time": "true", "start_time - Duration(\"1s\") < start_time": "true",
            "Duration(\"1s\") + Duration(\"1s\") == Duration(\"2s\")": "true",
            "Duration(\"1s\") - Duration(\"2s\") == Duration(\"-1s\")": "true",
        ])
    }

    @Test("Division by zero and other combinations of types are errors")
    func arithmeticErrors() throws {
        try OTTLTests.check(Self.span, [
            "1 / 0 == 1": "error", "1 / 0.0 == 1": "error", "1.5 / 0 == 1": "error", #"attributes["int"] / 0 == 1"#: "error",
            #"attributes["absent"] + 1 == 1"#: "error", #"1 + attributes["absent"] == 1"#: "error",
            #"attributes["string"] + 1 == 1"#: "error", #"attributes["true"] + 1 == 1"#: "error",
            "start_time + start_time == 1": "error", "start_time * 2 == 1": "error", "start_time + 1 == 1": "error",
            "Duration(\"1s\") * 2 == 1": "error", "Duration(\"1s\") - start_time == 1": "error",
            #"-attributes["string"] == 1"#: "error", #"-attributes["absent"] == 1"#: "error", "-Duration(\"1s\") == 1": "error",
        ])
    }

    @Test("A constant operand decides before another can fail; a span's value only from the left")
    func shortCircuit() throws {
        try OTTLTests.check(Self.span, [
            "1 / 0 == 1 or true": "true", "true or 1 / 0 == 1": "true", "1 / 0 == 1 and false": "false",
            "false and 1 / 0 == 1": "false", "1 / 0 == 1 or 1 == 1": "true", "1 / 0 == 1 or false": "error",
            "1 / 0 == 1 and true": "error", "(1 / 0 == 1 and false) or false": "false",
            "1 / 0 == 1 or name == \"n\"": "error", "name == \"n\" or 1 / 0 == 1": "true",
            "1 / 0 == 1 and name == \"x\"": "error", "name == \"x\" and 1 / 0 == 1": "false",
            "not (1 / 0 == 1)": "error", "Duration(\"forever\") == nil or Duration(\"1s\") == Duration(\"1000ms\")": "true",
        ])
    }

    @Test("A function alone must give a boolean")
    func functionsAsConditions() throws {
        try OTTLTests.check(Self.span, [
            "IsString(name)": "true", "not IsString(name)": "false", #"Bool(attributes["true"])"#: "true",
            "Int(\"1\")": "error", "Int(\"1\") or false": "error", "Int(\"1\") or true": "true", "String(name)": "error",
            #"Bool(attributes["absent"])"#: "error", "{\"a\": true} == nil": "false",
        ])
    }
}

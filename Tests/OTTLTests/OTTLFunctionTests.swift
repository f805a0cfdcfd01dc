import OTLP
import Testing

@testable import OTTL

@Suite("OTTL: functions of values and texts") struct OTTLFunctionTests {
    static let span = OTTLTestSpan(
        name: "GET /health/live",
        attributes: [
            "int": 42, "negative": -7, "double": 2.9, "string": "Hello", "true": true, "false": false, "bytes": .bytes([0xde, 0xad]),
            "list": [1, "a", 2.5, nil, true], "map": ["b": 1, "a": ["x", .bytes([1, 2])]], "empty": nil, "number": "17",
            "float": "2.5", "words": "a,b,,c", "nothing": "", "tags": ["x", "y"], "pattern": "^GET", "wrong": "(",
            "large": 1e300, "nobytes": .bytes([]),
        ], events: [OTTLTestSpan.Event()], status: 2)

    @Test("IsMatch: unanchored, nil is false, other types become text")
    func isMatch() throws {
        try OTTLTests.check(Self.span, [
            #"IsMatch(name, "health")"#: "true", #"IsMatch(name, "^GET /health")"#: "true", #"IsMatch(name, "^/health")"#: "false",
            #"IsMatch(attributes["absent"], ".*")"#: "false", #"IsMatch(nil, ".*")"#: "false",
            #"IsMatch(attributes["int"], "^42$")"#: "true", #"IsMatch(attributes["double"], "^2\\.9$")"#: "true",
            #"IsMatch(attributes["true"], "^true$")"#: "true", #"IsMatch(attributes["bytes"], "^dead$")"#: "true",
            #"IsMatch(attributes["nobytes"], "^$")"#: "true", #"IsMatch(attributes["list"], "\\[1,\"a\",2\\.5,null,true\\]")"#: "true",
            #"IsMatch(attributes["map"], "^\\{\"a\":\\[\"x\",\"AQI=\"\\],\"b\":1\\}$")"#: "true",
            #"IsMatch(target=name, pattern="GET")"#: "true", #"IsMatch(pattern="GET", target=name)"#: "true",
            #"IsMatch(name, attributes["pattern"])"#: "true", #"IsMatch(name, attributes["wrong"])"#: "error",
            #"IsMatch(name, attributes["absent"])"#: "error", #"IsMatch("abc", "b")"#: "true", #"IsMatch(status, "x")"#: "error",
            #"IsMatch(trace_id, "^0102")"#: "true", #"IsMatch(span_id, "^1112")"#: "true",
            #"IsMatch(name, Concat(["^", "GET"], ""))"#: "true",
        ])
        try OTTLTests.checkErrors([
            #"IsMatch(name, "(")"#: "15: invalid regular expression", #"IsMatch(name, 5)"#: "15: must be a text",
            #"IsMatch(name)"#: "1: it takes `IsMatch(target, pattern)`", #"IsMatch(name, "a", "b")"#: "20: with 3 arguments",
            #"IsMatch(name, patern="a")"#: "15: did you mean `pattern`?", #"IsMatch(target=name, "a")"#: "22: without name",
            #"IsMatch(name, target="a")"#: "15: is given twice", "IsMtach(name, \"a\")": "1: did you mean `IsMatch`?",
            "UserAgent(name) == 1": "1: is not in Tailgate", "Xyzzy() == 1": "1: unknown function `Xyzzy`; there are Append",
        ])
    }

    @Test("HasPrefix and HasSuffix take texts only")
    func affixes() throws {
        try OTTLTests.check(Self.span, [
            #"HasPrefix(name, "GET ")"#: "true", #"HasPrefix(name, "")"#: "true", #"HasPrefix(name, "get")"#: "false",
            #"HasPrefix("ab", "abc")"#: "false", #"HasSuffix(name, "/live")"#: "true", #"HasSuffix(name, "GET")"#: "false",
            #"HasSuffix("b", "ab")"#: "false", #"HasPrefix(attributes["int"], "4")"#: "error",
            #"HasPrefix(attributes["absent"], "4")"#: "error", #"HasSuffix(name, attributes["absent"])"#: "error",
            #"HasSuffix(ToLowerCase(name), "live")"#: "true", #"HasPrefix("0123456789abcdef", "0123456789abcdeX")"#: "false",
            #"HasPrefix("0123456789abcdef", "0123456789abcdef")"#: "true",
        ])
    }

    @Test("IsString and its siblings")
    func types() throws {
        let kinds: KeyValuePairs = [
            "IsString": "string", "IsInt": "int", "IsDouble": "double", "IsBool": "true", "IsMap": "map", "IsList": "list",
        ]
        let attributes = ["string", "int", "double", "true", "map", "list", "bytes", "empty", "absent"]
        for (function, own) in kinds {
            for attribute in attributes {
                let text = "\(function)(attributes[\"\(attribute)\"])"
                #expect(try OTTLTests.result(text, Self.span) == (attribute == own ? "true" : "false"), "\(text)")
            }
        }
        try OTTLTests.check(Self.span, [
            "IsMap(attributes)": "true", "IsMap(resource.attributes)": "true", "IsList([])": "true", "IsMap({})": "true",
            "IsString(\"\")": "true", "IsInt(1)": "true", "IsDouble(1.0)": "true", "IsBool(true)": "true", "IsString(nil)": "false",
            "IsInt(start_time)": "false", "IsInt(start_time_unix_nano)": "true", "IsString(trace_id)": "false",
            "IsList(Split(name, \" \"))": "true", "IsList(events)": "true", "IsString(trace_id.string)": "true",
            "IsEmpty(nil)": "true", "IsEmpty(\"\")": "true", "IsEmpty(0)": "true", "IsEmpty(false)": "true", "IsEmpty([])": "true",
            "IsEmpty({})": "true", "IsEmpty(name)": "false", "IsEmpty([0])": "false", #"IsEmpty(attributes["nobytes"])"#: "true",
            "IsEmpty(TraceID(0x00000000000000000000000000000000))": "true", "IsEmpty(links)": "true", "IsEmpty(events)": "false",
            "IsEmpty(0.5)": "false", "IsEmpty(status)": "false", "IsEmpty(span_id)": "false", "IsEmpty(start_time)": "false",
        ])
    }

    @Test("Int, Double, Bool and String")
    func conversions() throws {
        try OTTLTests.check(Self.span, [
            #"Int(attributes["number"]) == 17"#: "true", #"Int("+5") == 5"#: "true", #"Int("-5") == -5"#: "true",
            #"Int("2.0") == nil"#: "true", #"Int("x") == nil"#: "true", #"Int("") == nil"#: "true", #"Int(" 5") == nil"#: "true",
            #"Int("9223372036854775808") == nil"#: "true", #"Int(attributes["double"]) == 2"#: "true", "Int(-2.9) == -2": "true",
            "Int(1.0e300) == -9223372036854775807 - 1": "true", "Int(true) == 1": "true", "Int(false) == 0": "true",
            "Int(nil) == nil": "true", #"Int(attributes["absent"]) == nil"#: "true", #"Int(attributes["list"]) == nil"#: "error",
            #"Int(attributes["bytes"]) == nil"#: "error",
            #"Double(attributes["float"]) == 2.5"#: "true", "Double(\"1e3\") == 1000": "true", "Double(3) == 3.0": "true",
            "IsDouble(Double(3))": "true", "Double(true) == 1": "true", "Double(nil) == nil": "true", "Double(\"inf\") > 1": "true",
            #"Double(attributes["string"]) == nil"#: "error", #"Double(attributes["map"]) == 1"#: "error",
            #"Double("0x1p4") == 16"#: "true",
            #"Bool("t") == true"#: "true", #"Bool("FALSE") == false"#: "true", "Bool(0) == false": "true", "Bool(0.5)": "true",
            "Bool(nil) == nil": "true", #"Bool(attributes["string"])"#: "error", #"Bool(attributes["list"])"#: "error",
            #"String(attributes["int"]) == "42""#: "true", "String(1.0) == \"1\"": "true", "String(1.5e21) == \"1.5e+21\"": "true",
            "String(1.0e20) == \"100000000000000000000\"": "true", "String(.0000001) == \"1e-7\"": "true",
            "String(.000001) == \"0.000001\"": "true", "String(-0.5) == \"-0.5\"": "true", "String(123.456) == \"123.456\"": "true",
            "String(true) == \"true\"": "true", "String(nil) == nil": "true", "String(0xdead) == \"dead\"": "true",
            #"String([1,2,3]) == "[1,2,3]""#: "true", #"String({"b": 1, "a": nil}) == "{\"a\":null,\"b\":1}""#: "true",
            #"String(["<&>\n\u0001"]) == "[\"\\u003c\\u0026\\u003e\\n\\u0001\"]""#: "true",
            #"String(span_id) == "1112131415161718""#: "true", #"String(Duration("1s")) == "1000000000""#: "true",
            #"String(start_time) == "\"2023-11-14T22:13:20Z\"""#: "true", "String(status) == nil": "error",
            #"String(Double("nan")) == "NaN""#: "error",
        ])
        try OTTLTests.checkErrors([
            #"Double("x") == 1"#: "1: can't make a number", #"Bool("x")"#: "1: can't make a boolean", "Int() == 1": "1: Int(target)",
            "true or Double(\"1e999\") == 1": "9: ",
        ])
    }

    @Test("Concat, ConvertCase and the cases")
    func textBuilding() throws {
        try OTTLTests.check(Self.span, [
            #"Concat(["a", "b"], "-") == "a-b""#: "true", #"Concat([], "-") == """#: "true", #"Concat(["a"], "-") == "a""#: "true",
            #"Concat([attributes["string"], attributes["int"], 1.5, true, nil], " ") == "Hello 42 1.5 true <nil>""#: "true",
            #"Concat([attributes["bytes"], span_id], ":") == "dead:1112131415161718""#: "true",
            #"Concat(attributes["tags"], "+") == "x+y""#: "true", #"Concat(attributes["absent"], "+") == "x""#: "error",
            #"Concat(["a"], attributes["absent"]) == "a""#: "error", #"Concat([[1]], "") == "[1]""#: "true",
            #"Concat(vals=["a", "b"], delimiter="") == "ab""#: "true",
            #"ConvertCase("MyMetric", "lower") == "mymetric""#: "true", #"ConvertCase("éß", "upper") == "Éß""#: "true",
            #"ConvertCase("myMetric", "snake") == "my_metric""#: "true", #"ConvertCase("JSONData", "snake") == "json_data""#: "true",
            #"ConvertCase("a-b.c d", "snake") == "a_b_c_d""#: "true", #"ConvertCase("http2Server", "snake") == "http_2_server""#: "true",
            #"ConvertCase("my_metric_name", "camel") == "MyMetricName""#: "true", #"ConvertCase("", "camel") == """#: "true",
            #"ConvertCase("AnyKind of string", "camel") == "AnyKindOfString""#: "true",
            #"ConvertCase(attributes["absent"], "lower") == "x""#: "error", #"ConvertCase(attributes["int"], "lower") == "x""#: "error",
            #"ToLowerCase(name) == "get /health/live""#: "true", #"ToUpperCase("aé") == "AÉ""#: "true",
            #"ToSnakeCase("aB") == "a_b""#: "true", #"ToCamelCase("a_b") == "AB""#: "true", #"ToLowerCase(1) == "x""#: "error",
        ])
        try OTTLTests.checkErrors([
            #"ConvertCase(name, "loud") == "x""#: "19: `loud` is no to_case of `ConvertCase`",
            #"ConvertCase(name, "uper") == "x""#: "19: did you mean `upper`?", #"ConvertCase(name, name) == "x""#: "19: in double quotes",
        ])
    }

    @Test("Substring, Split, Trim: boundaries")
    func textCutting() throws {
        try OTTLTests.check(Self.span, [
            #"Substring("abcdef", 0, 3) == "abc""#: "true", #"Substring("abcdef", 3, 3) == "def""#: "true",
            #"Substring("abcdef", 3, 4) == "def""#: "error", #"Substring("abcdef", -1, 3) == """#: "error",
            #"Substring("abcdef", 0, 0) == """#: "error", #"Substring("abcdef", 0, -1) == """#: "error",
            #"Substring("abcdef", 6, 1) == """#: "error", #"Substring("abcdef", 7, 1) == """#: "error",
            #"Substring("abc", 0, 9223372036854775807) == """#: "error", #"Substring("abc", 9223372036854775807, 1) == """#: "error",
            #"Substring("éa", 1, 2, true) == "a""#: "true", #"Substring("aé", 0, 2, true) == "a""#: "true",
            #"Len(Substring("aé", 0, 2)) == 2"#: "true", #"Substring("aé", 0, 2, utf8_safe=true) == "a""#: "true",
            #"Substring(attributes["absent"], 0, 1) == """#: "error", #"Substring("abc", 1.0, 1) == "b""#: "error",
            #"Split(attributes["words"], ",") == ["a", "b", "", "c"]"#: "true", #"Split("abc", "") == ["a", "b", "c"]"#: "true",
            #"Split("", ",") == [""]"#: "true", #"Split("a--b-c", "--") == ["a", "b-c"]"#: "true", #"Split(nil, ",") == []"#: "error",
            #"Split("éa", "") == ["é", "a"]"#: "true",
            #"Trim("  a b ") == "a b""#: "true", #"Trim("!?a!", "?!") == "a""#: "true", #"Trim("   ") == """#: "true",
            #"TrimPrefix("ab", "a") == "b""#: "true", #"TrimPrefix("ab", "b") == "ab""#: "true", #"TrimSuffix("ab", "b") == "a""#: "true",
            #"TrimSuffix("ab", "abc") == "ab""#: "true", #"TrimPrefix(1, "a") == """#: "error",
        ])
        try OTTLTests.checkErrors([#"Substring("a", 0, 1, 1) == "a""#: "22: must be `true` or `false`"])
    }

    @Test("Format: verbs, width, precision, what is missing")
    func format() throws {
        try OTTLTests.check(Self.span, [
            #"Format("%d%%-%s", [5, "x"]) == "5%-x""#: "true", #"Format("%04d|%-4d|%4d|%+d", [2, 2, 2, 2]) == "0002|2   |   2|+2""#: "true",
            #"Format("%4s|%-4s|%.1s", ["te", "te", "te"]) == "  te|te  |t""#: "true", #"Format("%v %v %v", [1, "a", true]) == "1 a true""#: "true",
            #"Format("%.2f|%f|%8.3f", [1.005, 0.5, -2.0]) == "1.00|0.500000|  -2.000""#: "false",
            #"Format("%.2f|%f|%8.3f", [1.25, 0.5, -2.0]) == "1.25|0.500000|  -2.000""#: "true",
            #"Format("%.0f|%.1f|%.3f", [9.96, 9.96, 0.0004]) == "10|10.0|0.000""#: "true", #"Format("%x %X %o %b", [255, 255, 8, 5]) == "ff FF 10 101""#: "true",
            #"Format("%05d", [-42]) == "-0042""#: "true", #"Format("%s", []) == "%!s(MISSING)""#: "true",
            #"Format("%d", ["x"]) == "%!d(string=x)""#: "true", #"Format("%q", ["a\"b"]) == "\"a\\\"b\"""#: "true",
            #"Format("%", []) == "%!(NOVERB)""#: "true", #"Format("%t", [true]) == "true""#: "true", #"Format("%c", [65]) == "A""#: "true",
            #"Format("plain", []) == "plain""#: "true", #"Format("%v", [nil]) == "<nil>""#: "true", #"Format(1, []) == "x""#: "error",
            #"Len(Format("%9999999d", [1])) == 1024"#: "true",
        ])
    }

    @Test("TraceID, SpanID and ProfileID take bytes or hex digits of the right length")
    func identifiers() throws {
        try OTTLTests.check(Self.span, [
            "TraceID(0x0102030405060708090a0b0c0d0e0f10) == trace_id": "true", "SpanID(0x1112131415161718) == span_id": "true",
            #"SpanID("1112131415161718") == span_id"#: "true", #"TraceID("0102030405060708090A0B0C0D0E0F10") == trace_id"#: "true",
            "TraceID(0x01) == trace_id": "an identifier", #"TraceID("xyz") == trace_id"#: "an identifier", "SpanID(5) == span_id": "an identifier",
            "SpanID(0x01) == span_id": "an identifier", #"SpanID("11") == span_id"#: "an identifier", "TraceID(nil) == trace_id": "an identifier",
            "ProfileID(0x0102030405060708090a0b0c0d0e0f10) == trace_id": "false",
            "ProfileID(0x0102030405060708090a0b0c0d0e0f10) == ProfileID(0x0102030405060708090a0b0c0d0e0f10)": "true",
        ])
    }

    @Test("Log, IsValidLuhn")
    func numbers() throws {
        try OTTLTests.check(Self.span, [
            "Log(1) == 0": "true", "Log(2.718281828459045) > 0.9999999999": "true", "Log(2.718281828459045) < 1.0000000001": "true",
            "Log(1.0e300) > 690.77": "true", "Log(1.0e300) < 690.78": "true", "Log(\"10\") > 2.302585": "true", "Log(10) < 2.302586": "true",
            "Log(0) == 1": "error", "Log(-1) == 1": "error", "Log(nil) == 1": "error", "Log(false) == 1": "error", "Log(.5) < 0": "true",
            #"IsValidLuhn("17893729974")"#: "true", #"IsValidLuhn("17893729975")"#: "false", "IsValidLuhn(17893729974)": "true",
            #"IsValidLuhn("1789372997a")"#: "error", "IsValidLuhn(-5)": "error", #"IsValidLuhn("")"#: "error", "IsValidLuhn(1.5)": "error",
            #"IsValidLuhn("0")"#: "true",
        ])
    }

    @Test("Every function is known under its name, takes what its signature says, and is told in hints")
    func table() throws {
        let names = OTTLFunction.allNames
        #expect(Set(names).count == names.count)
        #expect(Set(OTTLFunction.all.map { $0.id.rawValue }).count == names.count)
        #expect(Set(names).isDisjoint(with: OTTLFunction.collectorOnlyNames))
        for function in OTTLFunction.all {
            let tooMany = Array(repeating: "\"a\"", count: function.parameters.count + 1).joined(separator: ", ")
            let result = try OTTLTests.result("\(function.name)(\(tooMany)) == 1")
            let isRefused = result.contains("it takes `\(function.name)(") || result.contains("column") || result.contains(": ")
            #expect(isRefused, "\(function.name): \(result)")
        }
    }
}

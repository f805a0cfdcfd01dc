import Testing

@testable import OTTL

@Suite("OTTL: grammar") struct OTTLGrammarTests {
    @Test("or binds loosest, then and, then not, then comparison")
    func precedence() throws {
        try OTTLTests.check([
            "true or false and false": "true",
            "(true or false) and false": "false",
            "false and false or true": "true",
            "not false and false": "false",
            "not (false and false)": "true",
            "not 1 == 2": "true",
            "not true or true": "true",
            "not (true or true)": "false",
            "1 + 2 * 3 == 7": "true",
            "(1 + 2) * 3 == 9": "true",
            "10 - 2 - 3 == 5": "true",
            "10 - (2 - 3) == 11": "true",
            "100 / 10 / 2 == 5": "true",
            "7 / 2 * 2 == 6": "true",
            "-2 * 3 == -6": "true",
            "2 - -3 == 5": "true",
            "+4 == 4": "true",
            "-(1 + 2) == -3": "true",
            "((1)) == 1": "true",
            "((1 == 1))": "true",
            "not (not (true))": "true",
            "1 == 1 and 2 == 2 or 3 == 4": "true",
            "true == true": "true",
            "true == false or false": "false",
        ])
    }

    @Test("White space goes anywhere between tokens, and is not needed where tokens end by themselves")
    func whiteSpace() throws {
        try OTTLTests.check([
            " \t\n1==1\r\n": "true", "1 ==1and 2== 2": "true", "(1)==(1)or(false)": "true",
            "Concat ( [ \"a\" , \"b\" ] , \"-\" ) == \"a-b\"": "true",
            "attributes [ \"k\" ] == nil": "true",
        ])
    }

    @Test("Numbers: signs belong to arithmetic, floats need a point")
    func numbers() throws {
        try OTTLTests.check([
            "1.5e3 == 1500": "true", ".5 == 0.5": "true", "5. == 5": "true", "1.5E+3 == 1500.0": "true",
            "1.5e-1 == 0.15": "true", "5.e1 == 50": "true", "9223372036854775807 > 0": "true",
            "-9223372036854775807 < 0": "true", "007 == 7": "true",
        ])
        try OTTLTests.checkErrors([
            "1e3 == 1000": "1: needs a point", "1 == 9223372036854775808": "6: 64 bits",
            "1.0e999 == 1": "1: too large", "1.2.3 == 1": "4: `.3` stands where",
            "1 == 1 e": "8: `e` stands where `and`", "- -5 == 5": "3: ",
        ])
    }

    @Test("Bytes need an even number of digits, at least two")
    func bytes() throws {
        try OTTLTests.check(["0x0aFF == 0x0AfF": "true", "0x00 == 0x01": "false", "0x00 < 0x0000": "true"])
        try OTTLTests.checkErrors(["0x == 0x00": "1: even number", "0x0aF == 1": "1: even number", "1 == 0xzz": "6: even"])
    }

    @Test("Texts have the escapes of Go")
    func texts() throws {
        try OTTLTests.check([
            #""\x41\u00e9\U0001f600\101\t\\\"" == "AéA😀A""#: "false",
            #""\x41\u00e9\U0001f600\101" == "Aé😀A""#: "true",
            #""\a\b\f\n\r\t\v" == "\x07\x08\x0c\x0a\x0d\x09\x0b""#: "true",
            #"Len("\\\"") == 2"#: "true",
            #"Len("\xff") == 1"#: "true",
            #"Len("é") == 2"#: "true",
            #""" == """#: "true",
        ])
        try OTTLTests.checkErrors([
            #"name == "a\d""#: #"11: `\d` is no escape; a backslash in a text is written `\\`"#,
            #"name == "é\d""#: "11: ", #"name == "abc"#: "9: no closing", #"name == "\"#: "9: no closing",
            #"name == "\ud800""#: "10: no escape", #"name == "\400""#: "10: no escape", #"name == "\x4""#: "10: no escape",
            #"name == "\'""#: "10: no escape", "name == \"a\nb\"": "11: line end", "name == 'a'": "9: double quotes",
        ])
    }

    @Test("Lists and maps, with the freedom that the Collector's grammar gives their commas")
    func listsAndMaps() throws {
        try OTTLTests.check([
            "[1, 2] == [1, 2]": "true", "[] == []": "true", "[1 2, 3] == [1, 2, 3]": "true", "[, 1] == [1]": "true",
            "[[1], [\"a\", nil]] == [[1], [\"a\", nil]]": "true",
            #"{"a": 1, "b": [2]} == {"b": [2] "a": 1,}"#: "true", "{} == {}": "true",
            #"{"a": 1} == {"a": 1.0}"#: "false",
        ])
        try OTTLTests.checkErrors([
            "[1,] == []": "4: `]` stands where", "[1 == []": "4: ", "{1: 2} == {}": "2: a key in double quotes",
            #"{"a" 1} == {}"#: "6: `:`", #"{"a": 1 == {}"#: "9: ",
        ])
    }

    @Test("What is no condition: a path alone, a second not, chains of comparisons, conditions inside arithmetic")
    func notConditions() throws {
        try OTTLTests.checkErrors([
            #"attributes["x"]"#: #"1: a path alone is no condition; write `attributes["x"] == true`"#,
            #"true and attributes["x"]"#: "10: a path alone", "not name": "5: a path alone",
            "(name) or true": "2: a path alone",
            "not not true": "5: `not not` is not allowed", "1 < 2 < 3": "7: can't be chained",
            "(1 == 1) == true": "4: inside arithmetic", "1": "2: the condition ends where a comparison",
            "\"a\"": "4: ", "nil": "4: ", "": "1: the condition ends where a value", "1 ==": "5: the condition ends",
            "1 = 1": "3: equality is written `==`", "(1 == 1": "8: the condition ends", "1 == 1)": "7: `)` stands where",
            "1 == 1 1 == 1": "8: `1` stands where `and`, `or` or the end",
            "name == \"a\" && name == \"b\"": "13: write `and`", "name == \"a\" || true": "13: write `or`",
            "!true": "1: write `not`", "1 % 2 == 1": "3: + - * /", "name == é": "9: `é` can't stand",
            "and true": "1: ", "true AND true": "6: `AND` stands where `and`", "_x == 1": "1: begin with a letter",
            "\"a\" + \"b\" == \"ab\"": "5: ", "name + \"a\" == 1": "8: join them with `Concat`",
            "set(name, \"x\")": "1: no function of conditions", "isMatch(name, \"x\")": "1: did you mean `IsMatch`?",
            "STATUS_CODE_OK + 1 == 2": "16: ", "Foo == 1": "1: functions need parentheses",
            "IsRootSpan and true": "1: needs parentheses", "statusCode == 1": "1: paths are lowercase",
            "name. == 1": "7: the lowercase name", "name.5 == 1": "5: ", "attributes[] == 1": "12: ",
            "attributes[\"a\" == 1": "16: `]`", "true == ": "9: ", "not": "4: ",
        ])
    }

    @Test("Columns count characters, not bytes")
    func columns() throws {
        try OTTLTests.checkErrors([
            "\"ééé\" == x": "10: unknown path", "\"😀\" == \"a\\d\"": "10: no escape", "name == \"x\" and\n foo == 1": "18: unknown",
        ])
    }

    @Test("Length and depth are bounded")
    func bounds() throws {
        let limit = OTTLLimits.maximumLength
        let fits = "1 == 1" + String(repeating: " ", count: limit - 6)
        #expect(try OTTLTests.result(fits) == "true")
        #expect(try OTTLTests.result(fits + " ").contains("at most 16384"))
        func nested(_ depth: Int, _ open: String, _ inner: String, _ close: String) -> String {
            String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
        }
        #expect(try OTTLTests.result(nested(60, "(", "1 == 1", ")")) == "true")
        #expect(try OTTLTests.result(nested(65, "(", "1 == 1", ")")).contains("deeper than 64"))
        #expect(try OTTLTests.result(nested(60, "(", "1", ")") + " == 1") == "true")
        #expect(try OTTLTests.result(nested(8_000, "(", "1", ")") + " == 1").contains("deeper than 64"))
        #expect(try OTTLTests.result("[] == " + nested(8_000, "[", "", "]")).contains("deeper than 64"))
        #expect(try OTTLTests.result(String(repeating: "not (", count: 3_000)).contains("deeper than 64"))
        // Long chains are flat.
        #expect(try OTTLTests.result(String(repeating: "1 + ", count: 4_000) + "1 == 4001") == "true")
        #expect(try OTTLTests.result(String(repeating: "true and ", count: 1_800) + "true") == "true")
        #expect(try OTTLTests.result(String(repeating: "name == \"a\" or ", count: 1_000) + "name != \"a\"") == "true")
    }

    @Test("A printed condition parses to the same tree")
    func printing() throws {
        let texts = [
            "not (a == 1 or b == 2) and (c == 3 or d == 4)", "-(a + b) * -c / (d - -5) == 1", "a - (b - c) - d == a * (b * c)",
            #"F(x="a", [1, nil, {"k": 0x0aff}])["k"][0] != 1.0e300"#, #""\x00\xff\n\"" == "é\\""#, "not (not (F()))",
            "-(-a) == -5", "a[b[\"c\"] + 1].d[0] >= STATUS_CODE_OK", "(a == 1 and b == 1) and c == 1", "1.0e-7 == 1e+22 or false",
        ].filter { !$0.contains("1e+22") } + ["10000000000000000000000.0 == .5"]
        for text in texts {
            let tree = try OTTLParser.parse(text)
            #expect(try OTTLParser.parse("\(tree)") == tree, "\(text) printed as \(tree)")
        }
        #expect("\(try OTTLTests.condition("(  name==\"a\" )and(kind>1)"))" == "name == \"a\" and kind > 1")
    }
}

import OTLP
import Testing

@testable import OTTL

@Suite("OTTL: functions of lists, times and formats") struct OTTLMoreFunctionTests {
    static let span = OTTLTestSpan(
        name: "n", attributes: [
            "list": [1, "a", 2.5], "map": ["k": 1, "l": ["m": true]], "tags": ["staging", "eu"], "mixed": [3, 1.5, 2],
            "things": [["name": "foo", "value": 2], ["name": "bar", "value": 5], ["value": 1], 7], "s": "text", "int": 3,
        ], events: [OTTLTestSpan.Event(), OTTLTestSpan.Event()])

    @Test("Len, Index, ContainsValue, Coalesce")
    func lists() throws {
        try OTTLTests.check(Self.span, [
            "Len(\"\") == 0": "true", "Len(\"é\") == 2": "true", #"Len(attributes["list"]) == 3"#: "true", #"Len(attributes["map"]) == 2"#: "true",
            "Len([1, 2]) == 2": "true", "Len(events) == 2": "true", "Len(links) == 0": "true", "Len({}) == 0": "true",
            "Len(nil) == 0": "error", "Len(5) == 0": "error", #"Len(attributes["absent"]) == 0"#: "error",
            #"Index("hello", "l") == 2"#: "true", #"Index("hello", "x") == -1"#: "true", #"Index("hello", "") == 0"#: "true",
            #"Index(attributes["list"], "a") == 1"#: "true", #"Index(attributes["list"], 2.5) == 2"#: "true",
            #"Index(attributes["list"], "z") == -1"#: "true", #"Index("hello", 1) == 0"#: "error", "Index(1, 1) == 0": "error",
            #"ContainsValue(attributes["tags"], "staging")"#: "true", #"ContainsValue(attributes["tags"], "prod")"#: "false",
            "ContainsValue([1, 2, 3], 3)": "true", "ContainsValue([1, 2, 3], 3.0)": "true", "ContainsValue([1, 2, 3], \"3\")": "false",
            "ContainsValue([nil], nil)": "true", #"ContainsValue(attributes["absent"], 1)"#: "error", #"ContainsValue("abc", "a")"#: "error",
            #"Coalesce([attributes["absent"], attributes["s"], "x"]) == "text""#: "true", "Coalesce([nil, nil]) == nil": "true",
            "Coalesce([]) == nil": "at least one value", #"Coalesce([1, 1 / 0]) == 1"#: "true", "Coalesce([nil, 1 / 0]) == 1": "error",
            #"Coalesce(attributes["list"]) == 1"#: "true", "Coalesce([\"\", 1]) == \"\"": "true", "Coalesce(1) == 1": "error",
        ])
    }

    @Test("Keys, Values, Sort, Append, SliceToMap, ToKeyValueString")
    func maps() throws {
        try OTTLTests.check(Self.span, [
            #"Sort(Keys(attributes["map"])) == ["k", "l"]"#: "true", #"Values({"a": 1}) == [1]"#: "true", "Keys([]) == []": "error",
            #"Keys({"a": 1, "b": 2})[1] == "b""#: "true", #"Values(attributes["map"])[1]["m"] == true"#: "true",
            "Sort([3, 1, 2]) == [1, 2, 3]": "true", #"Sort([3, 1, 2], "desc") == [3, 2, 1]"#: "true",
            #"Sort(attributes["mixed"]) == [1.5, 2, 3]"#: "true", #"Sort(["b", "a"]) == ["a", "b"]"#: "true",
            #"Sort([true, "a", 3]) == [3, "a", true]"#: "true", "Sort([]) == []": "true", "Sort([[2], [1]]) == [[2], [1]]": "true",
            "Sort(5) == 5": "true", "Append([1], 2) == [1, 2]": "true", "Append(nil, 2) == [2]": "true", "Append(1, values=[2, 3]) == [1, 2, 3]": "true",
            #"SliceToMap(attributes["things"], ["name"], ["value"]) == {"foo": 2, "bar": 5}"#: "error",
            #"SliceToMap(attributes["things"], ["name"])["bar"]["value"] == 5"#: "error",
            #"SliceToMap(attributes["things"])["2"]["value"] == 1"#: "true", "SliceToMap(1) == {}": "error",
            #"ToKeyValueString({"k1": "v1", "k2": "v=2"}) == "k1=v1 k2=\"v=2\"""#: "true",
            #"ToKeyValueString({"b": 1, "a": [2]}, ":", ",", true) == "a:[2],b:1""#: "true", "ToKeyValueString(1) == \"\"": "error",
            #"ToKeyValueString({"a": 1}, "=", "=") == """#: "error",
        ])
        try OTTLTests.checkErrors([#"Sort([1], "up") == []"#: "11: allowed: asc, desc", "Append([1]) == []": "1: needs `value`"])
    }

    @Test("Durations and their parts")
    func durations() throws {
        try OTTLTests.check(Self.span, [
            #"Duration("1h30m") == Duration("90m")"#: "true", #"Duration("-1.5s") < Duration("0s")"#: "true", #"Duration("1us") == Duration("1µs")"#: "true",
            #"Hours(Duration("90m")) == 1.5"#: "true", #"Minutes(Duration("90s")) == 1.5"#: "true", #"Seconds(Duration("1500ms")) == 1.5"#: "true",
            #"Milliseconds(Duration("1.9ms")) == 1"#: "true", #"Microseconds(Duration("1ms")) == 1000"#: "true",
            #"Nanoseconds(Duration("1us")) == 1000"#: "true", #"IsInt(Milliseconds(Duration("1s")))"#: "true", #"IsDouble(Seconds(Duration("1s")))"#: "true",
            #"Duration("forever") == nil"#: "error", #"Duration("") == nil"#: "error", #"Duration("5") == nil"#: "error", "Duration(5) == nil": "error",
            #"Duration(attributes["absent"]) == nil"#: "error", "Hours(5) == 1": "error", "Seconds(nil) == 1": "error",
            #"Seconds(end_time - start_time) == 0"#: "true", #"end_time - start_time > Duration("2s")"#: "false",
        ])
    }

    @Test("Times and their parts")
    func times() throws {
        try OTTLTests.check(Self.span, [
            "Unix(1700000000) == start_time": "true", "Unix(1, 5) - Unix(1) == Duration(\"5ns\")": "true", "Unix(-1) < Unix(0)": "true",
            "UnixNano(start_time) == 1700000000000000000": "true", "UnixMicro(start_time) == 1700000000000000": "true",
            "UnixMilli(start_time) == 1700000000000": "true", "UnixSeconds(start_time) == 1700000000": "true",
            "UnixMilli(Unix(0, -1)) == -1": "true", "UnixSeconds(Unix(0, -1)) == -1": "true",
            "Year(start_time) == 2023 and Month(start_time) == 11 and Day(start_time) == 14": "true",
            "Hour(start_time) == 22 and Minute(start_time) == 13 and Second(start_time) == 20": "true",
            "Nanosecond(Unix(1, 123)) == 123": "true", "Weekday(start_time) == 2": "true", "Weekday(Unix(0)) == 4": "true", "Weekday(Unix(-86400)) == 3": "true",
            "Day(Unix(951782400)) == 29 and Month(Unix(951782400)) == 2": "true", "Year(Unix(-62135596800)) == 1": "true",
            "Now() == Unix(1700000000)": "true", "Now() - start_time < Duration(\"1s\")": "true",
            #"TruncateTime(start_time, Duration("1h")) == Unix(1699999200)"#: "true", #"TruncateTime(start_time, Duration("0s")) == start_time"#: "true",
            #"TruncateTime(Unix(-1), Duration("1m")) == Unix(-60)"#: "true", "TruncateTime(start_time, 5) == start_time": "error",
            "Year(5) == 1": "error", "Day(nil) == 1": "error", "UnixNano(\"x\") == 1": "error", "Unix(1.5) == start_time": "error",
            "Year(Unix(9223372036854775807)) > 0": "true", "Year(Unix(-9223372036854775807)) < 0": "true",
            "UnixSeconds(Unix(9223372036854775807) + Duration(\"1s\")) < 0": "true",
        ])
    }

    @Test("Layouts of times, in both directions")
    func layouts() throws {
        try OTTLTests.check(Self.span, [
            #"Time("2023-11-14T22:13:20", "%Y-%m-%dT%H:%M:%S") == start_time"#: "true", #"Time("02/04/2023", "%m/%d/%Y") == Unix(1675468800)"#: "true",
            #"Time("Feb 15, 2023", "%b %d, %Y") == Unix(1676419200)"#: "true", #"Time("15 february 2023", "%d %B %Y") == Unix(1676419200)"#: "true",
            #"Time("2023-11-14 23:13:20 +0100", "%F %T %z") == start_time"#: "true", #"Time("2023-11-14 23:13:20+01:00", "%F %T%j") == start_time"#: "true",
            #"Time("2023-11-14 10:13:20 PM", "%F %I:%M:%S %p") == start_time"#: "true", #"Time("2023-11-14 12:00 AM", "%F %I:%M %p") == Unix(1699920000)"#: "true",
            #"Time("2023-11-14 22:13:20 UTC", "%F %T %Z") == start_time"#: "true", #"Time("14.11.23 22:13:20.000", "%d.%m.%y %T.%L") == start_time"#: "true",
            #"Time("2023-02-29", "%F") == Unix(0)"#: "error", #"Time("2023-13-01", "%F") == Unix(0)"#: "error", #"Time("2023-11-14x", "%F") == Unix(0)"#: "error",
            #"Time("", "%F") == Unix(0)"#: "error", #"Time("2023-11-14", "%F %T") == Unix(0)"#: "error", #"Time(5, "%F") == Unix(0)"#: "error",
            #"Time("2023-11-14 13:00 PM", "%F %I:%M %p") == Unix(0)"#: "error", #"Time("2024-02-29", "%F", "UTC") == Unix(1709164800)"#: "true",
            #"FormatTime(start_time, "%Y-%m-%dT%H:%M:%S") == "2023-11-14T22:13:20""#: "true",
            #"FormatTime(start_time, "%a %A %b %B %e %I %p %y %j %%") == "Tue Tuesday Nov November 14 10 PM 23 +00:00 %""#: "true",
            #"FormatTime(Unix(0, 123456789), "%D %R %L %f %s %z") == "01/01/70 00:00 123 123456 123456789 +0000""#: "true",
            #"FormatTime(1, "%F") == """#: "error",
        ])
        try OTTLTests.checkErrors([
            #"Time("x", "2006-01-02") == Unix(0)"#: "11: no directive", #"Time("x", "%v") == Unix(0)"#: "11: %v is no directive",
            #"Time("x", "%") == Unix(0)"#: "11: single %", #"Time("x", name) == Unix(0)"#: "11: in double quotes",
            #"Time("x", "%F", "America/New_York") == Unix(0)"#: "17: is no location", #"FormatTime(start_time, "x") == """#: "24: no directive",
        ])
    }

    @Test("Digests, against other implementations")
    func digests() throws {
        let long = #"Concat(["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "")"#
        try OTTLTests.check(Self.span, [
            #"MD5("") == "d41d8cd98f00b204e9800998ecf8427e""#: "true", #"MD5("hello world") == "5eb63bbbe01eeed093cb22bb8f5acdc3""#: "true",
            "MD5(\(long)) == \"887f30b43b2867f4a9accceee7d16e6c\"": "true",
            #"SHA1("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709""#: "true", #"SHA1("hello world") == "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed""#: "true",
            "SHA1(\(long)) == \"e61cfffe0d9195a525fc6cf06ca2d77119c24a40\"": "true",
            #"SHA256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#: "true",
            #"SHA256("hello world") == "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9""#: "true",
            "SHA256(\(long)) == \"c2a908d98f5df987ade41b5fce213067efbcc21ef2240212a41e54b5e7c28ae5\"": "true",
            #"SHA512("hello world") == "309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f989dd35bc5ff499670da34255b45b0cfd830e81f605dcf7dc5542e93ae9cd76f""#: "true",
            "SHA512(\(long)) == \"4b11459c33f52a22ee8236782714c150a3b2c60994e9acee17fe68947a3e6789f31e7668394592da7bef827cddca88c4e6f86e4df7ed1ae6cba71f3e98faee9f\"": "true",
            #"FNV("hello world") == 8618312879776256743"#: "true", #"FNV("") == -3750763034362895579"#: "true",
            #"Murmur3Hash("Hello World") == "ce837619""#: "true", #"Murmur3Hash128("Hello World") == "dbc2a0c1ab26631a27b4c09fcf1fe683""#: "true",
            #"Murmur3Hash("") == "00000000""#: "true", "MD5(5) == \"\"": "error", "SHA256(nil) == \"\"": "error", "FNV(nil) == 1": "error",
        ])
    }

    @Test("Hex, base64 and other codings")
    func codings() throws {
        try OTTLTests.check(Self.span, [
            #"Hex("1") == "31""#: "true", #"Hex(true) == "01""#: "true", #"Hex(1.1) == "3ff199999999999a""#: "true", #"Hex(0x02) == "02""#: "true",
            #"Hex(12) == "000000000000000c""#: "true", "Hex(nil) == nil": "true", #"Hex(span_id) == "1112131415161718""#: "true", "Hex([]) == \"\"": "error",
            #"Base64Encode("hello world") == "aGVsbG8gd29ybGQ=""#: "true", #"Base64Encode("hello world", "base64-raw") == "aGVsbG8gd29ybGQ""#: "true",
            #"Base64Encode("\xfb\xff") == "+/8=""#: "true", #"Base64Encode("\xfb\xff", "base64-url") == "-_8=""#: "true",
            #"Base64Decode("aGVsbG8gd29ybGQ=") == "hello world""#: "true", #"Base64Decode("aGVsbG8") == """#: "error", #"Base64Decode("????") == """#: "error",
            #"Decode("aGVsbG8", "base64-raw") == "hello""#: "true", #"Decode("-_8=", "base64-url") == "\xfb\xff""#: "true",
            #"Decode("-_8=", "base64") == """#: "error", #"Decode(0x4142, "us-ascii") == "AB""#: "true", #"Decode(0xe9, "iso-8859-1") == "é""#: "true",
            "Decode(5, \"utf-8\") == \"\"": "error",
        ])
        try OTTLTests.checkErrors([
            #"Base64Encode("a", "base32") == """#: "19: did you mean `base64`?", #"Decode("a", "ebcdic") == """#: "13: allowed: base64",
        ])
    }

    @Test("ParseJSON, ParseInt, ParseKeyValue, ParseCSV, URL, IsInCIDR")
    func parsers() throws {
        try OTTLTests.check(Self.span, [
            #"ParseJSON("{\"a\": [1, true, null, \"x\"]}")["a"] == [1.0, true, nil, "x"]"#: "true", #"ParseJSON("[1]")[0] == 1"#: "true",
            #"ParseJSON("{\"a\":1,\"a\":2}")["a"] == 2"#: "true", #"ParseJSON("[\"\\u00e9\\ud83d\\ude00\"]")[0] == "é😀""#: "true",
            #"ParseJSON("{") == nil"#: "error", #"ParseJSON("") == nil"#: "error", #"ParseJSON("01") == nil"#: "error", #"ParseJSON("1 x") == nil"#: "error",
            #"ParseJSON("[1,]") == nil"#: "error", #"ParseJSON("{\"a\":}") == nil"#: "error", "ParseJSON(5) == nil": "error", #"ParseJSON("[-1.5e2]")[0] == -150"#: "true", #"ParseJSON("5") == 5"#: "error",
            #"ParseInt("12345", 10) == 12345"#: "true", #"ParseInt("AA", 16) == 170"#: "true", #"ParseInt("0xAA", 0) == 170"#: "true",
            #"ParseInt("0b1111_0000", 0) == 240"#: "true", #"ParseInt("-0o123", 0) == -83"#: "true", #"ParseInt("017", 0) == 15"#: "true",
            #"ParseInt("-20", 8) == -16"#: "true", #"ParseInt("z", 36) == 35"#: "true", #"ParseInt("8", 8) == 8"#: "error", #"ParseInt("1", 1) == 1"#: "error",
            #"ParseInt("1", 37) == 1"#: "error", #"ParseInt("", 10) == 1"#: "error", #"ParseInt("1__0", 0) == 1"#: "error", #"ParseInt("--1", 10) == 1"#: "error",
            #"ParseInt("1", -1) == 1"#: "error", #"ParseInt("0", 0) == 0"#: "true",
            #"ParseKeyValue("k1=v1 k2=v2") == {"k1": "v1", "k2": "v2"}"#: "true", #"ParseKeyValue("k1!v1_k2!v2", "!", "_")["k2"] == "v2""#: "true",
            #"ParseKeyValue("a=\"x y\" b='z'") == {"a": "x y", "b": "z"}"#: "true", #"ParseKeyValue("a") == {}"#: "error", #"ParseKeyValue("") == {}"#: "error",
            #"ParseKeyValue("a=\"x") == {}"#: "error", #"ParseKeyValue("a=1", "=", "=") == {}"#: "error", #"ParseKeyValue("a=b=c")["a"] == "b=c""#: "true",
            #"ParseCSV("1,\"a, b\",\"q\"\"q\"", "x,y,z") == {"x": "1", "y": "a, b", "z": "q\"q"}"#: "true", #"ParseCSV("1|2", "a|b", "|")["b"] == "2""#: "true",
            #"ParseCSV("1|2", "a,b", delimiter="|", headerDelimiter=",")["b"] == "2""#: "true", #"ParseCSV("1,2", "a") == {}"#: "error",
            #"ParseCSV("a\"b,c", "x,y") == {}"#: "error", #"ParseCSV("a\"b,c", "x,y", mode="lazyQuotes")["x"] == "a\"b""#: "true",
            #"ParseCSV("\"a,b\"", "x,y", mode="ignoreQuotes")["x"] == "\"a""#: "true", #"ParseCSV("1,2\n", "a,b")["b"] == "2""#: "true",
            #"URL("http://u:p@www.example.com:80/foo.gif?k=v#f") == {"url.original": "http://u:p@www.example.com:80/foo.gif?k=v#f", "url.scheme": "http", "url.user_info": "u:p", "url.username": "u", "url.password": "p", "url.port": 80, "url.domain": "www.example.com", "url.path": "/foo.gif", "url.extension": "gif", "url.query": "k=v", "url.fragment": "f"}"#: "true",
            #"URL("http://www.example.com")["url.path"] == """#: "true", #"URL("http://[::1]:8080/x")["url.domain"] == "::1""#: "true", #"URL("http://[::1]:8080/x")["url.port"] == 8080"#: "true",
            #"URL("") == {}"#: "error", #"URL("http://a:b/")["url.port"] == 1"#: "error", #"URL("/a/b.c/d")["url.extension"] == nil"#: "true",
            #"IsInCIDR("192.168.1.5", ["10.0.0.0/8", "192.168.0.0/16"])"#: "true", #"IsInCIDR("11.0.0.1", ["10.0.0.0/8"])"#: "false",
            #"IsInCIDR("10.0.0.1", ["10.0.0.1/32"])"#: "true", #"IsInCIDR("10.0.0.2", ["10.0.0.1/32"])"#: "false", #"IsInCIDR("1.2.3.4", ["0.0.0.0/0"])"#: "true",
            #"IsInCIDR("2001:db8::1", ["2001:db8::/32"])"#: "true", #"IsInCIDR("2001:db9::1", ["2001:db8::/32"])"#: "false", #"IsInCIDR("::ffff:10.1.2.3", ["10.0.0.0/8"])"#: "true",
            #"IsInCIDR("x", ["10.0.0.0/8"])"#: "false", #"IsInCIDR("10.0.0.1", ["x"])"#: "error", #"IsInCIDR("10.0.0.1", ["10.0.0.0/33"])"#: "error", #"IsInCIDR("1.2.3", ["10.0.0.0/8"])"#: "false",
            #"IsInCIDR("01.2.3.4", ["10.0.0.0/8"])"#: "false", #"IsInCIDR("1::2::3", ["::/0"])"#: "false", #"IsInCIDR(attributes["absent"], ["::/0"])"#: "error",
        ])
        try OTTLTests.checkErrors([
            #"ParseCSV("a", "b", "||") == {}"#: "20: one character", #"ParseCSV("a", "b", mode="lazy") == {}"#: "20: allowed: strict",
        ])
    }
}

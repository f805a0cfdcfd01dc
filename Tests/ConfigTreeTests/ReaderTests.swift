import ConfigTree
import Testing

@Suite struct ReaderTests {
    enum Sizer: String, CaseIterable { case requests, items, bytes }

    @Test func readsEveryKind() {
        var (config, problems) = reader([
            "wait": "1h2m3.5s", "zero": 0, "count": 5, "cut": 5.7, "share": 12.5, "whole": 3, "on": true,
            "name": "errors",
            "values": ["a", "b"], "one": "a,b", "empty": "", "sizer": "items", "nothing": nil, "list": [1, 2],
            "block": .map(["x": 1]), "nullBlock": nil,
        ])
        same(config.duration("wait", default: 0), 3_723_500_000_000)
        same(config.duration("zero", default: 7), 0)
        same(config.integer("count", default: 0), 5)
        same(config.integer("cut", default: 0), 5)
        same(config.double("share", default: 0), 12.5)
        same(config.double("whole", default: 0), 3)
        same(config.bool("on", default: false), true)
        same(config.string("name", default: ""), "errors")
        same(config.strings("values"), ["a", "b"])
        same(config.strings("one"), ["a", "b"])
        same(config.strings("empty"), [])
        same(config.oneOf("sizer", default: Sizer.requests), .items)
        same(config.integer("nothing", default: 9), 9)
        same(config.string("nothing", default: "d"), "d")
        same(config.stringIfPresent("nothing"), nil)
        same(config.list("list").count, 2)
        var block = config.map("block")
        #expect(block?.keyPath == "top.block")
        same(block?.integer("x", default: 0), 1)
        block?.finish()
        let nullBlock = config.map("nullBlock")
        #expect(nullBlock?.keys == [])
        config.finish()
        #expect(problems.all == [])
    }

    @Test func absentKeysGiveDefaults() {
        var (config, problems) = reader([:])
        same(config.duration("a", default: 5), 5)
        same(config.integer("a", default: 5, in: 0...1), 5)
        same(config.double("a", default: 0.5), 0.5)
        same(config.bool("a", default: true), true)
        same(config.stringIfPresent("a"), nil)
        same(config.strings("a"), [])
        same(config.list("a"), [])
        let absent = config.map("a")
        #expect(absent == nil)
        same(config.node("a"), nil)
        #expect(!config.has("a"))
        same(config.oneOf("a", default: Sizer.bytes), .bytes)
        config.finish()
        #expect(problems.all == [])
    }

    @Test(
        arguments: [
            ("10", "\"10\" is text; an integer is expected: write 10 without quotes"),
            ("abc", "\"abc\" is text; an integer is expected"),
            (true, "`true` is a boolean; an integer is expected"),
            (plain("yes"), "`yes` is text; an integer is expected"),
            (plain("99999999999999999999"), "`99999999999999999999` does not fit into a 64-bit integer"),
            (plain(".nan"), "`.nan` does not fit into a 64-bit integer"),
            (-1, "`-1` is out of range: 0 to 100 is expected"),
            (101, "`101` is out of range: 0 to 100 is expected"),
            ([1], "a list stands here; an integer is expected"),
            (.map(["a": 1]), "a map stands here; an integer is expected"),
        ] as [(ConfigNode, String)])
    func badIntegers(value: ConfigNode, message: String) {
        var (config, problems) = reader(["a": value])
        same(config.integer("a", default: 7, in: 0...100), 7)
        #expect(problems.messages == [message])
    }

    @Test func openRanges() {
        var (config, problems) = reader(["a": 0, "b": 9, "c": "-1s", "d": 0.0])
        _ = config.integer("a", default: 1, in: 1...(.max))
        _ = config.integer("b", default: 1, in: .min...8)
        _ = config.duration("c", default: 1, in: 0...(.max))
        _ = config.double("d", default: 1, in: 0.5...100)
        #expect(
            problems.messages == [
                "`0` is out of range: at least 1 is expected", "`9` is out of range: at most 8 is expected",
                "\"-1s\" is out of range: at least 0s is expected", "`0.0` is out of range: 0.5 to 100 is expected",
            ])
    }

    @Test(
        arguments: [
            ("1.5", "\"1.5\" is text; a number is expected: write 1.5 without quotes"),
            (plain("ten"), "`ten` is text; a number is expected"),
            (plain("10%"), "`10%` is text; a number is expected"),
            (false, "`false` is a boolean; a number is expected"),
            (plain(".inf"), "`.inf` is not a finite number"),
            ([], "a list stands here; a number is expected"),
        ] as [(ConfigNode, String)])
    func badNumbers(value: ConfigNode, message: String) {
        var (config, problems) = reader(["a": value])
        same(config.double("a", default: 7), 7)
        #expect(problems.messages == [message])
    }

    @Test(
        arguments: [
            ("true", "\"true\" is text; `true` or `false` is expected: write true without quotes"),
            (plain("yes"), "`yes` is text; `true` or `false` is expected"),
            (1, "`1` is a number; `true` or `false` is expected"),
            (.map([:]), "a map stands here; `true` or `false` is expected"),
        ] as [(ConfigNode, String)])
    func badBooleans(value: ConfigNode, message: String) {
        var (config, problems) = reader(["a": value])
        same(config.bool("a", default: false), false)
        #expect(problems.messages == [message])
    }

    @Test(
        arguments: [
            (5, "`5` is a number; text is expected: write \"5\" with quotes"),
            (plain("0x1F"), "`0x1F` is a number; text is expected: write \"0x1F\" with quotes"),
            (true, "`true` is a boolean; text is expected: write \"true\" with quotes"),
            (["a"], "a list stands here; text is expected"),
        ] as [(ConfigNode, String)])
    func badTexts(value: ConfigNode, message: String) {
        var (config, problems) = reader(["a": value])
        same(config.stringIfPresent("a"), nil)
        #expect(problems.messages == [message])
    }

    @Test(
        arguments: [
            ("10", "\"10\" is no duration: a number lacks its unit (ns, us, ms, s, m, h); write for example `10s`"),
            ("", "\"\" is no duration: it is empty; write a number with a unit, such as `10s` or `500ms`"),
            (plain("10 sec"), "`10 sec` is no duration: ` sec` is no unit; known units: ns, us, ms, s, m, h"),
            (plain("soon"), "`soon` is no duration: write a number with a unit, such as `10s` or `500ms`"),
            (plain("9999999h"), "`9999999h` is no duration: it is longer than 292 years"),
            (1.5, "`1.5` has no unit; write `1.5s` for seconds"),
            (true, "`true` is no duration; write a number with a unit, such as `10s` or `500ms`"),
            ([], "a list stands here; a duration such as `10s` is expected"),
        ] as [(ConfigNode, String)])
    func badDurations(value: ConfigNode, message: String) {
        var (config, problems) = reader(["a": value])
        same(config.duration("a", default: 7), 7)
        #expect(problems.messages == [message])
        #expect(problems.hasErrors)
    }

    @Test func bareIntegerDurationIsNanosecondsWithAWarning() {
        var (config, problems) = reader(["a": 10])
        same(config.duration("a", default: 7), 10)
        #expect(
            problems.messages == ["10 without a unit is 10 nanoseconds, as in the Collector; write `10s` for seconds"])
        #expect(!problems.hasErrors)
    }

    @Test func badLists() {
        var (config, problems) = reader([
            "numbers": [500, "ok", [1]], "number": 500, "map": .map(["a": 1]), "scalar": "x", "block": 5,
        ])
        same(config.strings("numbers"), ["ok"])
        same(config.strings("number"), [])
        same(config.strings("map"), [])
        same(config.list("scalar"), [])
        same(config.map("block")?.keys, [])
        #expect(
            problems.messages == [
                "`500` is a number; text is expected: write \"500\" with quotes",
                "a list stands here; text is expected",
                "`500` is a number; a list of texts is expected", "a map stands here; a list of texts is expected",
                "\"x\" stands here; a list is expected (`- item` lines)",
                "`5` stands here; a map is expected (`key: value` lines)",
            ])
        #expect(
            problems.all.map(\.keyPath) == [
                "top.numbers[0]", "top.numbers[2]", "top.number", "top.map", "top.scalar", "top.block",
            ])
    }

    @Test func badChoices() {
        var (config, problems) = reader(["a": "item", "b": "gigantic", "c": 5, "d": ""])
        for key in ["a", "b", "c", "d"] { same(config.oneOf(key, default: Sizer.requests), .requests) }
        #expect(
            problems.messages == [
                "\"item\" is not known here; did you mean `items`? allowed: requests, items, bytes",
                "\"gigantic\" is not known here; allowed: requests, items, bytes",
                "`5` is a number; text is expected: write \"5\" with quotes",
                "\"\" is not known here; allowed: requests, items, bytes",
            ])
    }

    @Test func substitutedValuesMayBeText() {
        let value = ConfigNode(
            .scalar(ConfigScalar(text: "0123", isPlain: true, isSubstituted: true)), at: ConfigNode.literalPosition)
        var (config, problems) = reader(["a": value])
        same(config.string("a", default: ""), "0123")
        same(config.integer("a", default: 0), 83)
        same(config.strings("a"), ["0123"])
        #expect(problems.all == [])
    }

    @Test func unknownKeysAreReportedWithTheNearest() {
        var (config, problems) = reader(["decison_wait": "5s", "storage": "disk", "other": 1, "empty": nil])
        _ = config.duration("decision_wait", default: 0)
        _ = config.list("policies")
        config.notSupported(["storage", "empty"], because: "queues are in memory only")
        config.finish()
        #expect(
            problems.all.map(\.description) == [
                "t.yaml:2:1: top.storage: `storage` is not in Tailgate yet: queues are in memory only",
                "t.yaml:1:1: top.decison_wait: unknown key `decison_wait`; did you mean `decision_wait`? known keys: decision_wait, policies",
                "t.yaml:3:1: top.other: unknown key `other`; known keys: decision_wait, policies",
            ])
    }

    @Test func problemsPointAtTheValue() {
        var (config, problems) = reader(["a": plain("x", line: 3, column: 9)])
        _ = config.integer("a", default: 0)
        config.error("own", key: "a")
        config.error("missing", key: "b")
        config.warning("map")
        #expect(
            problems.all.map(\.description) == [
                "t.yaml:3:9: top.a: `x` is text; an integer is expected", "t.yaml:3:9: top.a: own",
                "t.yaml:1:1: top.b: missing",
                "t.yaml:1:1: top: warning: map",
            ])
    }

    @Test func notAMap() {
        let problems = ConfigProblems()
        var config = ConfigReader(["a"], keyPath: "", problems: problems)
        _ = config.integer("a", default: 0)
        config.finish()
        _ = ConfigReader(nil, keyPath: "", problems: problems)
        #expect(
            problems.all.map(\.description) == [
                "(literal):1:1: a list stands here; a map is expected (`key: value` lines)"
            ])
    }

    @Test func messagesAreShortAndBounded() {
        let problems = ConfigProblems()
        for _ in 0..<2_000 { problems.error("x", at: ConfigNode.literalPosition, keyPath: "") }
        #expect(problems.all.count == ConfigProblems.limit + 1)
        var (config, found) = reader(["a": plain(String(repeating: "x\n", count: 10_000))])
        _ = config.integer("a", default: 0)
        #expect(found.messages.allSatisfy { $0.count < 120 && !$0.contains("\n") })
    }

    @Test func contentComparisonIgnoresPlaces() {
        let left = ConfigNode.map(["a": ["x", nil], "b": .map(["c": 1])])
        var right = left
        right.position.line = 5
        #expect(left != right && left.sameContent(as: right))
        #expect(!left.sameContent(as: .map(["a": ["x"], "b": .map(["c": 1])])))
    }
}

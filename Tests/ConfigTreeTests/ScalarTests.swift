import ConfigTree
import Testing

@Suite struct ScalarMeaningTests {
    @Test(
        arguments: [
            ("", .null), ("~", .null), ("null", .null), ("NULL", .null), ("nULL", .text),
            ("true", .boolean(true)), ("TRUE", .boolean(true)), ("False", .boolean(false)), ("tRUE", .text),
            ("yes", .text), ("no", .text), ("on", .text), ("off", .text), ("y", .text),
            ("0", .integer(0)), ("-0", .integer(0)), ("+5", .integer(5)), ("-12", .integer(-12)),
            ("1_000", .integer(1000)),
            ("0x1F", .integer(31)), ("-0x10", .integer(-16)), ("0o17", .integer(15)), ("017", .integer(15)),
            ("0b101", .integer(5)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            ("1.5", .number(1.5)), (".5", .number(0.5)), ("5.", .number(5)), ("1e3", .number(1000)),
            ("-1.5E-2", .number(-0.015)),
            (".inf", .number(.infinity)), ("-.Inf", .number(-.infinity)), ("089", .number(89)),
            ("10s", .text), ("1.2.3", .text), ("0x", .text), ("0xg", .text), ("0x-5", .text), ("-", .text),
            ("+", .text), (".", .text),
            ("1e", .text), ("e5", .text), ("1 2", .text), ("--5", .text), ("inf", .text), ("nan", .text),
            ("-.nan", .text), ("_1", .text),
            ("127.0.0.1:4317", .text), ("0o9", .text), ("٣", .text),
        ] as [(String, ConfigScalar.Meaning)])
    func plainScalars(text: String, meaning: ConfigScalar.Meaning) {
        #expect(ConfigScalar(text: text, isPlain: true).meaning == meaning)
        #expect(ConfigScalar(text: text, isPlain: false).meaning == .text)
    }

    @Test func notANumberIsANumber() {
        guard case .number(let value) = ConfigScalar(text: ".nan", isPlain: true).meaning else {
            Issue.record("text")
            return
        }
        #expect(value.isNaN)
    }

    @Test func longDigitsAreText() {
        #expect(ConfigScalar(text: String(repeating: "9", count: 100_000), isPlain: true).meaning == .text)
    }
}

@Suite struct GoDurationTests {
    @Test(
        arguments: [
            ("0", 0), ("5s", 5_000_000_000), ("30s", 30_000_000_000), ("1478s", 1_478_000_000_000),
            ("-5s", -5_000_000_000),
            ("+5s", 5_000_000_000), ("-0", 0), ("5.0s", 5_000_000_000), ("5.6s", 5_600_000_000), ("5.s", 5_000_000_000),
            (".5s", 500_000_000), ("1.004s", 1_004_000_000), ("10ns", 10), ("11us", 11_000), ("12µs", 12_000),
            ("12μs", 12_000),
            ("13ms", 13_000_000), ("15m", 900_000_000_000), ("1.5h", 5_400_000_000_000), ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000), ("1h2m3.5s", 3_723_500_000_000), ("39h9m14.425s", 140_954_425_000_000),
            ("9007199254.740993ms", 9_007_199_254_740_993), ("0.3333333333333333333h", 1_200_000_000_000),
            ("2562047h47m16.854775807s", .max),
        ] as [(String, Int64)])
    func good(text: String, nanoseconds: Int64) throws {
        #expect(try GoDuration.parse(text) == nanoseconds)
    }

    @Test(
        arguments: [
            ("", .empty), ("3", .missingUnit), ("-", .malformed), ("s", .malformed), (".", .malformed),
            ("-.", .malformed),
            (".s", .malformed), ("+.s", .malformed), ("1d", .unknownUnit("d")), ("3s ", .unknownUnit("s ")),
            ("3000000h", .overflow),
            ("9223372036854775808ns", .overflow), ("99999999999999999999s", .overflow), ("1s5", .missingUnit),
            ("10 s", .unknownUnit(" s")),
            ("1h1", .missingUnit), ("٣s", .malformed),
        ] as [(String, GoDurationError)])
    func bad(text: String, expected: GoDurationError) {
        #expect(throws: expected) { try GoDuration.parse(text) }
    }

    @Test(
        arguments: [
            (0, "0s"), (1, "1ns"), (1500, "1.5us"), (300_000_000, "300ms"), (2_500_000_000, "2.5s"),
            (5_400_000_000_000, "1h30m"),
            (3_600_000_000_000, "1h"), (-3_723_500_000_000, "-1h2m3.5s"), (61_000_000_000, "1m1s"),
        ] as [(Int64, String)])
    func describes(nanoseconds: Int64, text: String) throws {
        #expect(GoDuration.describe(nanoseconds) == text)
        #expect(try GoDuration.parse(text) == nanoseconds)
    }

    @Test func describesTheExtremes() throws {
        #expect(GoDuration.describe(.max) == "2562047h47m16.854775807s")
        #expect(GoDuration.describe(.min) == "-2562047h47m16.854775808s")
    }
}

@Suite struct NearestNameTests {
    @Test(
        arguments: [
            ("decison_wait", "decision_wait"), ("decision-wait", "decision_wait"), ("Num_Traces", "num_traces"),
            ("num_tarces", "num_traces"), ("policy", nil), ("decision", "decision_wait"), ("num", nil), ("x", nil),
            ("", nil), ("threshold_sec", nil),
        ] as [(String, String?)])
    func nearest(name: String, expected: String?) {
        #expect(nearestName(to: name, among: ["decision_wait", "num_traces", "policies"]) == expected)
    }

    @Test func longNamesGetNone() {
        #expect(nearestName(to: String(repeating: "a", count: 1_000_000), among: ["a"]) == nil)
    }
}

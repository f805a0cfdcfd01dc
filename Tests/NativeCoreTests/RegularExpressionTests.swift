import NativeCore
import Testing

@Suite struct RegularExpressionTests {
    static func matches(_ pattern: String, _ text: [UInt8]) throws -> Bool {
        try RegularExpression(pattern).matches(text.span)
    }

    @Test(arguments: [
        ("^/api", "/api/v1", true), ("^/api", "x/api", false), ("b", "abc", true), ("", "", true), ("", "x", true),
        ("^$", "", true), ("^$", "x", false), (".*", "", true), ("a.c", "a\nc", false), ("(?s)a.c", "a\nc", true),
        ("(?i)ABC", "xabcx", true), ("ABC", "abc", false), ("^b", "a\nb", false), ("(?m)^b", "a\nb", true),
        ("^a.c$", "a\u{e9}c", true), ("\\d+ms", "took 15ms", true), ("\\bcart\\b", "the cart.", true),
        ("^(?:foo|bar)$", "foobar", false), ("[[:alpha:]]{3}", "ab1", false), ("\\pL", "\u{3b1}", true),
    ])
    func table(pattern: String, text: String, isMatch: Bool) throws {
        #expect(try Self.matches(pattern, Array(text.utf8)) == isMatch)
    }

    @Test func invalidUTF8AndZeroBytesDoNotMatter() throws {
        let wild: [UInt8] = [0xff, 0xc0, 0x80, 0, 0xed, 0xa0, 0x80] + Array("needle".utf8) + [0xfe]
        #expect(try Self.matches("needle", wild))
        #expect(try !Self.matches("^needle", wild))
        #expect(try !Self.matches("noodle", wild))
        #expect(try Self.matches("a\\x00b", [97, 0, 98]))
    }

    @Test(arguments: [
        ("a(b", "missing )"), ("[a-", "missing ]"), ("*", "no argument for repetition operator"), ("a{2000}", "invalid repetition size"),
        ("(?=x)", "invalid perl operator"), ("\\1", "invalid escape sequence"), ("(?P<n", "invalid named capture group"),
    ])
    func errorsSayWhatIsWrong(pattern: String, says: String) {
        let error = #expect(throws: RegularExpressionError.self) { try RegularExpression(pattern) }
        #expect(error?.message.contains(says) == true, "\(String(describing: error))")
    }

    @Test func errorsSayWhere() {
        let error = #expect(throws: RegularExpressionError.self) { try RegularExpression("good(?!bad)") }
        #expect(error?.offset == 4)
    }

    @Test func hugePatternsAreRefused() {
        #expect(throws: RegularExpressionError.self) {
            try RegularExpression(String(repeating: "a", count: RegularExpression.maximumPatternBytes + 1))
        }
        // Compiles to more states than the memory limit takes.
        #expect(throws: RegularExpressionError.self) {
            try RegularExpression("((((a{100}){100}){100}){100})")
        }
        #expect(throws: Never.self) { try RegularExpression(String(repeating: "a", count: 1000)) }
        // Deep nesting is refused or taken, but does not end the process.
        let deep = String(repeating: "(", count: 30_000) + String(repeating: ")", count: 30_000)
        _ = try? RegularExpression(deep).matches([97].span)
    }

    /// Backtracking engines take exponential time here.
    @Test func hostileTextTakesLinearTime() throws {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 20_000)
        #expect(try !Self.matches("(a+)+$b", text))
        #expect(try !Self.matches("(a|aa)*c", text))
        #expect(try !Self.matches("^(([a-z])+.)+[A-Z]([a-z])+$", text))
    }

    @Test func severalThreadsSearchAtOnce() async throws {
        let expression = try RegularExpression("^/(api|admin)/v[0-9]+/[a-z]+$")
        await withTaskGroup(of: Int.self) { group in
            for seed in 0..<8 {
                group.addTask {
                    var found = 0
                    for number in 0..<2000 {
                        let text = Array("/\(number % 2 == 0 ? "api" : "web")/v\(seed)/x".utf8)
                        if expression.matches(text.span) { found += 1 }
                    }
                    return found
                }
            }
            for await found in group { #expect(found == 1000) }
        }
    }

    @Test func groupsHaveNamesAndRanges() throws {
        let expression = try RegularExpression("^(?P<proto>[a-z]+)://([^/:]*)(?P<port>:[0-9]+)?(?P<rest>.*)")
        #expect(expression.groupNames == ["proto", "", "port", "rest"])
        let text = Array("x http://shop".utf8)
        #expect(expression.find(text.span) == nil)
        #expect(expression.find(Array(text[2...]).span) == [0..<11, 0..<4, 7..<11, nil, 11..<11])
        #expect(try RegularExpression("a").groupNames.isEmpty)
    }

    @Test func anEmptyTextHasAnEmptyMatch() throws {
        let none: [UInt8] = []
        #expect(try RegularExpression("(x)?(y*)").find(none.span) == [0..<0, nil, 0..<0])
        #expect(try RegularExpression("x").find(none.span, from: 3) == nil)
    }

    @Test(arguments: [
        ("a+", "caaandaab", [1..<4, 6..<8]), (".*", "abc", [0..<3]), (".*", "a\nb", [0..<1, 2..<3]), (".*", "", [0..<0]),
        ("x*", "axb", [0..<0, 1..<2, 3..<3]), ("", "\u{e9}", [0..<0, 2..<2]), ("^a", "aa", [0..<1]),
    ])
    func allMatchesAreGos(pattern: String, text: String, ranges: [Range<Int>]) throws {
        #expect(try RegularExpression(pattern).findAll(Array(text.utf8).span) == ranges)
    }
}

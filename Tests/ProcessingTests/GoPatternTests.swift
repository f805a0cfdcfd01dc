import Testing

@testable import Processing

@Suite struct GoPatternTests {
    @Test(arguments: [
        ("(?<x>a)", "(?P<x>a)"), ("(?P<x>a)", "(?P<x>a)"), (#"\(?<x>"#, #"\(?<x>"#), ("[(?<]", "[(?<]"),
        ("[](?<]x(?<y>z)", "[](?<]x(?P<y>z)"),
        ("[^](?<]", "[^](?<]"), (#"\Q(?<x>\E(?<y>)"#, #"\Q(?<x>\E(?P<y>)"#), ("(?<=x)", "(?<=x)"), ("(?<!x)", "(?<!x)"),
        ("a(?:b)", "a(?:b)"),
    ])
    func translated(pattern: String, expected: String) { #expect(GoPattern.translated(pattern) == expected) }

    @Test(arguments: [
        ("2024-01-02", true), ("2024-1-2", true), ("2024-01-02T03:04:05Z", true), ("2024-01-02t3:4:5.5+01:00", true),
        ("2024-01-02 03:04:05", true), ("2024-01-02T03:04:05", false), ("2024-01", false), ("20240102", false),
        ("2024-01-02x", false),
        ("", false), ("1.5", false),
    ])
    func timestamps(text: String, isOne: Bool) { #expect(AttributeValueReader.isTimestamp(text) == isOne) }
}

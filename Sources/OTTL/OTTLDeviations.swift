/// Where statements, conditions and functions do something else than in the Collector 0.156, on purpose.
package struct OTTLDeviation: Sendable {
    /// What differs.
    package let what: String
    /// What happens here, and why.
    package let here: String
    /// Recorded cases (`Tests/Vectors/ottl`) that show it, by title.
    package let cases: [String]
}

package enum OTTLDeviations {
    /// Differences that recorded cases show. A test holds that each of these cases differs, and no other.
    package static let recorded: [OTTLDeviation] = [
        OTTLDeviation(
            what: "Functions that are not here",
            here: "`CommunityID`, `ExtractGrokPatterns`, the XML functions, `ParseSeverity`, `UserAgent`, `UUID`, "
                + "`XXH3` and `XXH128` are refused by name when the configuration is read.",
            cases: [
                #"parse: set(span.attributes["x"], UUID()) where false"#,
                #"ExtractGrokPatterns("nope", "%{IP:ip}")"#,
                #"XXH128("hello")"#,
                #"ParseXML("<a x=\"1\"><b>t</b></a>")"#,
                #"GetXML("<a><b>1</b></a>", "/a/b")"#,
                #"UserAgent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36")"#,
                #"CommunityID("10.0.0.1", 80, "10.0.0.2", 1234)"#,
                #"CommunityID("10.0.0.1", 80, "10.0.0.2", 1234, "UDP")"#,
            ]),
        OTTLDeviation(
            what: "`Time` with a location",
            here: "UTC alone is known; any other location is refused when the configuration is read.",
            cases: [
                #"Time("2023-05-26 12:34:56", "%Y-%m-%d %H:%M:%S", "America/New_York")"#,
            ]),
        OTTLDeviation(
            what: "Identifiers as text",
            here: "`String`, `Concat` and `IsMatch` see the hex digits of a trace id, not a list of its bytes as "
                + "numbers.",
            cases: [
                "String(span.trace_id)",
            ]),
        OTTLDeviation(
            what: "Literals of a type that a function does not take",
            here: "Not refused when the configuration is read: they are an error when they are evaluated, or give "
                + "what the same value from an attribute gives.",
            cases: [
                "ToUpperCase(5)",
                "FNV(nil)",
                #"HasPrefix(5, "5")"#,
                #"Split(5, ",")"#,
                "IsDouble(1)",
                #"SliceToMap([{"name": "x", "v": 1}, {"name": "y", "v": 2}], ["name"], ["v"])"#,
                #"SliceToMap([{"name": "x", "v": 1}], ["name"])"#,
                #"SliceToMap([{"v": 1}], ["name"])"#,
                #"Concat(span.attributes["sl"], "+")"#,
            ]),
    ]

    /// Differences that no recorded case shows.
    package static let others: [OTTLDeviation] = [
        OTTLDeviation(
            what: "Attributes with equal keys",
            here: "`delete_key` removes all of them and `set` leaves one, so that nothing secret stays behind.", cases: []),
        OTTLDeviation(
            what: "`set` of a trace id or span id that is all zero", here: "An error: such a span belongs to no trace.", cases: []),
        OTTLDeviation(
            what: "`cache` of statements without a context of their own",
            here: "It lives as long as the statements run on one item, and is never shared between items.", cases: []),
    ]
}

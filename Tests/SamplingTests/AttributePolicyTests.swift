import ConfigTree
import OTLP
import Testing

@testable import Sampling

/// What a policy of this type and block says of a trace; nil with an issue if it can't be built.
func verdict(_ type: String, _ block: ConfigNode, _ spans: [ModelSpan], now: Int64 = 0) -> PolicyVerdict? {
    let built = build([policyNode(type, block)])
    guard let set = built.set else {
        Issue.record("\(built.problems)")
        return nil
    }
    return set.judge(spans, now: now).verdicts[0]
}

func policyNode(_ type: String, _ block: ConfigNode, name: String = "p") -> ConfigNode {
    .entries([("name", ConfigNode(stringLiteral: name)), ("type", ConfigNode(stringLiteral: type)), (type, block)])
}

/// The problems of a policy of this type and block, without their place.
func problems(_ type: String, _ block: ConfigNode) -> [String] {
    build([policyNode(type, block)]).problems.map { $0.replacing("(literal):1:1: policies[0].\(type)", with: "") }
}

private func onSpan(_ value: ModelValue) -> [ModelSpan] { [ModelSpan(attributes: [ModelAttribute("k", value)])] }
private func onResource(_ value: ModelValue) -> [ModelSpan] { [ModelSpan(resource: [ModelAttribute("k", value)])] }

@Suite struct NumericAttributePolicyTests {
    @Test(arguments: [
        (.int(9), false), (.int(10), true), (.int(15), true), (.int(20), true), (.int(21), false), (.int(-15), false),
        (.double(9.999), false), (.double(10), true), (.double(10.5), true), (.double(20), true), (.double(20.001), false),
        (.double(.nan), false), (.double(.infinity), false), (.text("15"), false), (.bool(true), false), (.bytes([15]), false),
        (.none, false), (.list, false),
    ] as [(ModelValue, Bool)])
    func bounds(value: ModelValue, isIn: Bool) {
        let block: ConfigNode = .map(["key": "k", "min_value": 10, "max_value": 20])
        #expect(verdict("numeric_attribute", block, onSpan(value)) == (isIn ? .sampled : .notSampled))
        #expect(verdict("numeric_attribute", block, onResource(value)) == (isIn ? .sampled : .notSampled))
        let inverted: ConfigNode = .map(["key": "k", "min_value": 10, "max_value": 20, "invert_match": true])
        #expect(verdict("numeric_attribute", inverted, onSpan(value)) == (isIn ? .notSampled : .sampled))
        #expect(verdict("numeric_attribute", inverted, onResource(value)) == (isIn ? .notSampled : .sampled))
    }

    /// A value of another type counts as 0, so it is in a range around zero.
    @Test(arguments: [.text("x"), .bool(true), .bytes([1]), .none, .list, .map, .int(0), .double(0)] as [ModelValue])
    func otherTypesAreZero(value: ModelValue) {
        #expect(verdict("numeric_attribute", .map(["key": "k", "min_value": -1, "max_value": 1]), onSpan(value)) == .sampled)
        #expect(verdict("numeric_attribute", .map(["key": "k", "min_value": 1]), onSpan(value)) == .notSampled)
    }

    @Test func absentAttribute() {
        let other = [ModelSpan(attributes: [ModelAttribute("j", .int(15))])]
        #expect(verdict("numeric_attribute", .map(["key": "k", "max_value": 20]), other) == .notSampled)
        #expect(verdict("numeric_attribute", .map(["key": "k", "max_value": 20, "invert_match": true]), other) == .sampled)
    }

    @Test func oneSidedRanges() {
        let low: ConfigNode = .map(["key": "k", "min_value": 5])
        #expect(verdict("numeric_attribute", low, onSpan(.int(.max))) == .sampled)
        #expect(verdict("numeric_attribute", low, onSpan(.int(4))) == .notSampled)
        let high: ConfigNode = .map(["key": "k", "min_value": 0, "max_value": 5])
        #expect(verdict("numeric_attribute", high, onSpan(.int(.min))) == .sampled)
        #expect(verdict("numeric_attribute", high, onSpan(.int(6))) == .notSampled)
    }

    /// Integers are compared exactly where doubles would round.
    @Test func largeIntegers() {
        let limit = Int(1) << 53 + 1
        let block: ConfigNode = .map(["key": "k", "min_value": ConfigNode(integerLiteral: limit)])
        #expect(verdict("numeric_attribute", block, onSpan(.int(Int64(limit) - 1))) == .notSampled)
        #expect(verdict("numeric_attribute", block, onSpan(.int(Int64(limit)))) == .sampled)
    }

    @Test func boundsWithFractions() {
        let block: ConfigNode = .map(["key": "k", "min_value": 0.5, "max_value": 2.5])
        let expected: [(ModelValue, PolicyVerdict)] = [
            (.int(0), .notSampled), (.int(1), .sampled), (.int(2), .sampled), (.int(3), .notSampled),
            (.double(0.4), .notSampled), (.double(0.5), .sampled), (.double(2.5), .sampled), (.double(2.6), .notSampled),
        ]
        for (value, verdict) in expected {
            #expect(SamplingTests.verdict("numeric_attribute", block, onSpan(value)) == verdict, "\(value)")
        }
        // Zero as a double is a bound.
        let zero: ConfigNode = .map(["key": "k", "min_value": 0.0])
        #expect(verdict("numeric_attribute", zero, onSpan(.int(-1))) == .notSampled)
        #expect(verdict("numeric_attribute", zero, onSpan(.int(0))) == .sampled)
        // Beyond 64 bits.
        #expect(verdict("numeric_attribute", .map(["key": "k", "min_value": 1e19]), onSpan(.int(.max))) == .notSampled)
        #expect(verdict("numeric_attribute", .map(["key": "k", "min_value": 1e19]), onSpan(.double(1e19))) == .sampled)
        #expect(verdict("numeric_attribute", .map(["key": "k", "max_value": 1e19]), onSpan(.int(.max))) == .sampled)
        #expect(verdict("numeric_attribute", .map(["key": "k", "max_value": -1e19]), onSpan(.int(.min))) == .notSampled)
    }

    @Test func configuration() {
        #expect(problems("numeric_attribute", .map(["key": "k", "min_value": 1])) == [])
        let none = ": a range needs `min_value` or `max_value`, and 0 counts as not set; write 0.0 for a bound of zero"
        #expect(problems("numeric_attribute", .map(["key": "k"])) == [none])
        #expect(build([policyNode("numeric_attribute", .map(["key": "k", "min_value": 0, "max_value": 0]))]).set == nil)
        #expect(problems("numeric_attribute", .map(["key": "k", "min_value": 5, "max_value": 4])) == [
            ".max_value: warning: min_value is above max_value, so no value is in the range"
        ])
        #expect(problems("numeric_attribute", .map(["key": "k", "min_value": 0, "max_value": 4])).count == 1)
        #expect(problems("numeric_attribute", .map(["key": "k", "min_value": 5.7])) == [
            ".min_value: warning: \(PolicyDeviations.deviation(.numericFraction)?.text ?? "")"
        ])
        #expect(build([policyNode("numeric_attribute", .map(["key": "k", "min_value": "5"]))]).set == nil)
        #expect(build([policyNode("numeric_attribute", .map(["key": 5, "min_value": 5]))]).set == nil)
        #expect(build([policyNode("numeric_attribute", .map(["key": "k", "min_value": [5]]))]).set == nil)
        #expect(problems("numeric_attribute", .map(["min_value": 5])) == [
            ".key: warning: the attribute's name is missing, so nothing can match"
        ])
    }
}

@Suite struct StringAttributePolicyTests {
    @Test(arguments: [
        (.text("a"), true), (.text("A"), false), (.text("b"), true), (.text("ab"), false), (.text(""), false), (.int(1), false),
        (.bool(true), false), (.bytes([97]), false), (.none, false),
    ] as [(ModelValue, Bool)])
    func exactValues(value: ModelValue, isIn: Bool) {
        for spans in [onSpan(value), onResource(value)] {
            let block: ConfigNode = .map(["key": "k", "values": ["a", "", "b"]])
            #expect(verdict("string_attribute", block, spans) == (isIn ? .sampled : .notSampled))
            let inverted: ConfigNode = .map(["key": "k", "values": ["a", "", "b"], "invert_match": true])
            #expect(verdict("string_attribute", inverted, spans) == (isIn ? .notSampled : .sampled))
        }
    }

    /// On a span an empty text never matches; on a resource it is asked, and a value that is no text counts as empty.
    @Test(arguments: [
        ("^a", ModelValue.text("abc"), true, true), ("^a", .text("bac"), false, false), ("a", .text("bac"), true, true),
        ("^$", .text(""), false, true), (".*", .text(""), false, true), (".*", .int(5), false, true),
        ("^$", .bool(true), false, true), ("a", .int(5), false, false), (".*", .text("x"), true, true), ("", .text("x"), true, true),
    ])
    func patterns(pattern: String, value: ModelValue, span: Bool, resource: Bool) {
        let block: ConfigNode = .map([
            "key": "k", "values": [ConfigNode(stringLiteral: pattern)], "enabled_regex_matching": true, "cache_max_size": 10,
        ])
        #expect(verdict("string_attribute", block, onSpan(value)) == (span ? .sampled : .notSampled))
        #expect(verdict("string_attribute", block, onResource(value)) == (resource ? .sampled : .notSampled))
    }

    @Test func severalPatternsKeepTheirFlags() {
        let block: ConfigNode = .map(["key": "k", "values": ["(?i)abc", "xyz|q", "^m$"], "enabled_regex_matching": true])
        for (text, isIn) in [("ABC", true), ("XYZ", false), ("xyz", true), ("aqa", true), ("m", true), ("mm", false)] {
            #expect(verdict("string_attribute", block, onSpan(.text(text))) == (isIn ? .sampled : .notSampled), "\(text)")
        }
    }

    @Test func theFirstAttributeOfANameCounts() {
        let span = ModelSpan(attributes: [ModelAttribute("k", .text("a")), ModelAttribute("k", .text("b"))])
        #expect(verdict("string_attribute", .map(["key": "k", "values": ["a"]]), [span]) == .sampled)
        #expect(verdict("string_attribute", .map(["key": "k", "values": ["b"]]), [span]) == .notSampled)
    }

    /// One resource or span that matches is enough, and with `invert_match` one too many.
    @Test func severalSpans() {
        let spans = onSpan(.text("x")) + onResource(.text("a")) + [ModelSpan()]
        #expect(verdict("string_attribute", .map(["key": "k", "values": ["a"]]), spans) == .sampled)
        #expect(verdict("string_attribute", .map(["key": "k", "values": ["a"], "invert_match": true]), spans) == .notSampled)
        #expect(verdict("string_attribute", .map(["key": "k", "values": ["b"], "invert_match": true]), spans) == .sampled)
    }

    @Test func configuration() {
        #expect(problems("string_attribute", .map(["key": "k", "values": ["a"]])) == [])
        #expect(problems("string_attribute", .map(["key": "k", "values": "a,b"])) == [])
        #expect(problems("string_attribute", .map(["key": "k"])) == [
            ".values: warning: there is no value to compare with, so nothing matches"
        ])
        #expect(verdict("string_attribute", .map(["key": "k"]), onSpan(.text("a"))) == .notSampled)
        #expect(verdict("string_attribute", .map(["key": "k", "invert_match": true]), onSpan(.text("a"))) == .sampled)
        #expect(problems("string_attribute", .map(["key": "k", "values": ["a", "b(c"], "enabled_regex_matching": true])) == [
            ".values[1]: invalid regex `b(c`: missing ): b(c, at character 1 of the pattern; the syntax is RE2's"
        ])
        #expect(build([policyNode("string_attribute", .map(["key": "k", "values": [500]]))]).set == nil)
        #expect(build([policyNode("string_attribute", .map(["key": "k", "values": ["a"], "enabled_regex_matching": "true"]))]).set == nil)
        let match = build([policyNode("string_attribute", .map(["key": "k", "values": ["a"], "match": "roots"]))])
        #expect(match.set == nil && match.problems.first?.contains("did you mean `root`?") == true)
    }
}

@Suite struct BooleanAttributePolicyTests {
    @Test(arguments: [
        (.bool(true), true), (.bool(false), false), (.int(1), false), (.text("true"), false), (.none, false),
    ] as [(ModelValue, Bool)])
    func values(value: ModelValue, isTrue: Bool) {
        for spans in [onSpan(value), onResource(value)] {
            #expect(verdict("boolean_attribute", .map(["key": "k", "value": true]), spans) == (isTrue ? .sampled : .notSampled))
            #expect(verdict("boolean_attribute", .map(["key": "k"]), spans) == (isTrue ? .notSampled : .sampled))
            #expect(
                verdict("boolean_attribute", .map(["key": "k", "value": true, "invert_match": true]), spans)
                    == (isTrue ? .notSampled : .sampled))
        }
        #expect(verdict("boolean_attribute", .map(["key": "k"]), [ModelSpan()]) == .notSampled)
        #expect(build([policyNode("boolean_attribute", .map(["key": "k", "value": "true"]))]).set == nil)
    }
}

@Suite struct MatchTests {
    /// `match` and `invert_match` in all combinations over every subset of three spans, one of them the root.
    @Test func everyCombination() {
        for match in SpanMatch.allCases {
            for invert in [false, true] {
                for subset in 0..<8 {
                    for hasRoot in [false, true] {
                        let spans = (0..<3).map { number in
                            var span = ModelSpan(id: UInt64(number + 1))
                            span.isRoot = hasRoot && number == 0
                            if subset >> number & 1 == 1 { span.attributes = [ModelAttribute("k", .text("a"))] }
                            return span
                        }
                        let holds =
                            switch match {
                            case .anySpan: subset != 0
                            case .allSpans: subset == 7
                            case .root: hasRoot && subset & 1 == 1
                            }
                        let block: ConfigNode = .map([
                            "key": "k", "values": ["a"], "match": ConfigNode(stringLiteral: match.rawValue),
                            "invert_match": ConfigNode(booleanLiteral: invert),
                        ])
                        #expect(verdict("string_attribute", block, spans) == (holds != invert ? .sampled : .notSampled))
                        #expect(verdict("string_attribute", block, spans.reversed()) == (holds != invert ? .sampled : .notSampled))
                    }
                }
            }
        }
    }

    @Test func statusCodes() {
        func spans(_ codes: UInt64...) -> [ModelSpan] {
            codes.enumerated().map { ModelSpan(isRoot: $0 == 0, status: $1) }
        }
        let all: ConfigNode = .map(["status_codes": ["OK", "UNSET"], "match": "all_spans"])
        #expect(verdict("status_code", all, spans(0, 1)) == .sampled)
        #expect(verdict("status_code", all, spans(0, 2)) == .notSampled)
        let root: ConfigNode = .map(["status_codes": ["ERROR"], "match": "root"])
        #expect(verdict("status_code", root, spans(2, 0)) == .sampled)
        #expect(verdict("status_code", root, spans(0, 2)) == .notSampled)
    }

    /// A resource counts for each of its spans.
    @Test func resourcesAndAllSpans() {
        var spans = [ModelSpan(resource: [ModelAttribute("k", .text("a"))]), ModelSpan()]
        let block: ConfigNode = .map(["key": "k", "values": ["a"], "match": "all_spans"])
        #expect(verdict("string_attribute", block, spans) == .notSampled)
        spans[1].attributes = [ModelAttribute("k", .text("a"))]
        #expect(verdict("string_attribute", block, spans) == .sampled)
    }
}

import ConfigTree
import OTLP
import OTTL
import Testing

@testable import Sampling

/// Errors of OTTL conditions under `error_mode: ignore` are counted, by condition and kind; under other modes they are not.
@Suite struct ConditionErrorTests {
    private static let division = #"1 / (Len(name) - 1) > 0"#
    private static let type = #"attributes["absent"] + 1 == 1"#

    private func set(_ nodes: [ConfigNode], _ states: PolicyStates) throws -> PolicySet {
        try #require(PolicySet(version: 1, nodes: nodes, keyPath: "p", problems: ConfigProblems(), states: states))
    }

    private func block(_ mode: String?, _ conditions: String...) -> ConfigNode {
        var entries: [(String, ConfigNode)] = [("span", .texts(conditions))]
        if let mode { entries.append(("error_mode", ConfigNode(stringLiteral: mode))) }
        return .entries(entries)
    }

    @Test func ignoreCountsByConditionAndKind() throws {
        let states = PolicyStates()
        let inner = policyNode("ottl_condition", block("ignore", Self.division, Self.type), name: "inner")
        let set = try set([policyNode("and", .map(["and_sub_policy": [inner]]), name: "outer")], states)
        #expect(set.judge([ModelSpan(name: "x"), ModelSpan(name: "xyz"), ModelSpan(name: "y")]).decision.verdict == .notSampled)
        let found = states.takeConditionErrors()
        #expect(found.map(\.condition) == [Self.division, Self.type] && found.map(\.count) == [2, 3])
        #expect(found.map(\.error.reason) == [.divisionByZero, .unsupportedType])
        #expect(found[1].error.found == .null)
        #expect(found.allSatisfy { $0.policy == "outer/inner" && $0.topLevelPolicy == "outer" })
        #expect(found[1].error.column == 22)
        // Taken is taken.
        #expect(states.takeConditionErrors() == [])
        _ = set.judge([ModelSpan(name: "x")])
        #expect(states.takeConditionErrors().map(\.count) == [1, 1])
    }

    @Test(arguments: [nil, "silent", "propagate"] as [String?]) func otherModesCountNothing(mode: String?) throws {
        let states = PolicyStates()
        let set = try set([policyNode("ottl_condition", block(mode, Self.type))], states)
        _ = set.judge([ModelSpan(name: "x")])
        #expect(states.takeConditionErrors() == [])
    }

    /// Counts are found again by a set with the same policy, and gone with the last set that has it.
    @Test func countsOutliveASet() throws {
        let states = PolicyStates()
        let node = policyNode("ottl_condition", block("ignore", Self.type), name: "a")
        var first: PolicySet? = try set([node], states)
        _ = first?.judge([ModelSpan(name: "x")])
        let second = try set([policyNode("always_sample", nil, name: "all"), node], states)
        first = nil
        _ = second.judge([ModelSpan(name: "x")])
        #expect(states.takeConditionErrors().map(\.count) == [2])
    }
}

/// A reload of one policy leaves what the others remember untouched.
@Suite struct ReloadedStateTests {
    private let budget = policyNode("rate_limiting", .map(["spans_per_second": 10, "burst_capacity": 100]), name: "budget")
    private let rates = policyNode(
        "dynamic",
        .map(["spans_per_second": 50, "keys": ["service.name", "span.name"], "adjustment_interval": "1s", "rare_interval": "0s"]),
        name: "rates")

    @Test func bucketsAndRatesAreUnchanged() throws {
        let states = PolicyStates()
        func set(_ threshold: Int) throws -> PolicySet {
            let other = policyNode("latency", .map(["threshold_ms": ConfigNode(integerLiteral: threshold)]), name: "slow")
            return try #require(
                PolicySet(version: 1, nodes: [other, budget, rates], keyPath: "p", problems: ConfigProblems(), states: states))
        }
        var inForce = try set(1)
        for step in 0..<4000 as Range<Int64> {
            let span = ModelSpan(resource: [ModelAttribute("service.name", .text("shop"))], isRoot: true, name: step % 10 == 0 ? "rare" : "often")
            _ = inForce.judge([span], now: step * millisecond)
        }
        let now = 4 * second
        let before = states.all.map { $0.state.figures(now: now) }
        let consumed = states.all.map(\.state.consumed)
        #expect(states.all.map(\.path) == ["budget", "rates"])
        #expect((before[0].tokens ?? 0) < 20 && before[0].capacity == 100)
        #expect(before[1].keyCount == 2 && before[1].keys.map(\.text) == ["shop, often", "shop, rare"])
        #expect(abs(before[1].keys[0].spansPerSecond - 900) < 130 && before[1].keys[0].share < 0.1)
        for step in 0..<1000 { inForce = try set(step + 2) }
        #expect(states.all.map { $0.state.figures(now: now) } == before)
        #expect(states.all.map(\.state.consumed) == consumed)
    }
}

@Suite struct KeyNamesTests {
    @Test func onlyWhatIsAskedForIsLearnedAndKept() {
        let names = KeyNames()
        names.learn(1) { "one" }
        #expect(!names.isAsking && names.text(of: 1) == nil)
        names.ask([1, 2])
        #expect(names.isAsking)
        names.learn(3) { "three" }
        names.learn(1) { "one" }
        names.learn(1) { "another one" }
        #expect(names.isAsking && names.text(of: 1) == "one" && names.text(of: 3) == nil)
        names.learn(2) { "two" }
        #expect(!names.isAsking)
        names.ask([2])
        #expect(!names.isAsking && names.text(of: 1) == nil && names.text(of: 2) == "two")
        names.ask(Array(10..<1000))
        for key in 10..<1000 as Range<UInt64> { names.learn(key) { "\(key)" } }
        #expect((10..<1000 as Range<UInt64>).count { names.text(of: $0) != nil } == KeyNames.limit)
    }
}

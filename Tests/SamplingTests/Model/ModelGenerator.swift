import ConfigTree
import OTLP
import TestSupport

@testable import Sampling

/// Random traces and random policy trees over a small world, so that conditions meet often.
struct ModelGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed) }

    static let keys = ["k", "key.two", "service.name", "a.longer.attribute.name", "n"]
    static let texts = ["a", "ab", "b", "xbay", "cc", "AB", "a17", "zz", "", "a value of more than sixty-three bytes, to get into the last length class"]
    static let names = ["GET /a", "ab", "b", "", "17"]
    static let numbers: [Int64] = [0, 1, -1, 5, 6, 500, 503, .max, .min, 1 << 60]
    static let doubles: [Double] = [0, 0.5, 5.5, -1, 1e300, .infinity, -.infinity, .nan, 500]

    mutating func pick<Element>(_ list: [Element]) -> Element { list[random.below(list.count)] }

    mutating func some<Element>(_ list: [Element], upTo limit: Int) -> [Element] {
        (0..<1 + random.below(limit)).map { _ in pick(list) }
    }

    // MARK: traces

    mutating func value() -> ModelValue {
        switch random.below(12) {
        case 0...4: .text(pick(Self.texts))
        case 5, 6: .int(pick(Self.numbers))
        case 7: .double(pick(Self.doubles))
        case 8: .bool(random.chance(50))
        case 9: .bytes([97, 98])
        case 10: random.chance(50) ? .list : .map
        default: .none
        }
    }

    mutating func attributes(upTo limit: Int) -> [ModelAttribute] {
        // Names that nobody asks for, and the same name twice, happen.
        (0..<random.below(limit + 1)).map { _ in ModelAttribute(random.chance(15) ? "unknown" : pick(Self.keys), value()) }
    }

    mutating func span(_ trace: TraceID) -> ModelSpan {
        var span = ModelSpan()
        span.trace = trace
        span.id = 1 + random.next() % 1000
        span.resource = attributes(upTo: 2)
        span.isRoot = random.chance(25)
        let base: UInt64 = 1_700_000_000_000_000_000
        span.start = random.chance(5) ? 0 : base + UInt64(random.below(2000)) * 1_000_000
        span.end = random.chance(5) ? 0 : base + UInt64(random.below(4000)) * 500_000
        span.status = UInt64(random.chance(60) ? 0 : random.below(4))
        span.name = pick(Self.names)
        span.kind = UInt64(random.below(7))
        span.traceState = pick(["", "", "t=1", "u=2,t=3", " t=1 , v=2", "t=1,!", "t=1,t=1!"]).replacingSpaces
        span.flags = pick([0, 0, 1, 3, 0x100, 0x101, 2])
        span.attributes = attributes(upTo: 4)
        return span
    }

    mutating func trace(spans count: Int) -> [ModelSpan] {
        let id = TraceID(high: random.next(), low: random.next())
        return (0..<count).map { _ in span(id) }
    }

    // MARK: policies

    mutating func bound() -> ConfigNode? {
        switch random.below(6) {
        case 0: nil
        case 1, 2, 3: ConfigNode(integerLiteral: Int(pick(Self.numbers)))
        default: ConfigNode(floatLiteral: pick([0.0, 0.5, 5.5, -1.5, 499.5, 1e19, -1e19]))
        }
    }

    mutating func test() -> ModelTest {
        switch random.below(5) {
        case 0: return .bool(random.chance(50))
        case 1: return .patterns(some(ModelPattern.all, upTo: 2))
        case 2:
            var low = bound()
            let high = bound()
            // A range needs a bound that counts.
            if Self.isUnset(low) && Self.isUnset(high) { low = 3 }
            return .number(low, high)
        default: return .exact(some(Self.texts, upTo: 3))
        }
    }

    private static func isUnset(_ node: ConfigNode?) -> Bool {
        guard case .scalar(let scalar)? = node?.value else { return true }
        return scalar.meaning == .integer(0)
    }

    mutating func match() -> SpanMatch { random.chance(50) ? .anySpan : pick(SpanMatch.allCases) }

    mutating func condition(depth: Int = 2) -> ModelCondition {
        switch random.below(depth > 0 ? 15 : 11) {
        case 0: .service(some(Self.texts, upTo: 2))
        case 1: .name(some(Self.names.filter { !$0.isEmpty }, upTo: 2))
        case 2: .nameRegex(some(ModelPattern.all, upTo: 2))
        case 3: .kind(random.below(6))
        case 4: .status(pick(["OK", "ERROR", "UNSET"]))
        case 5: .minDuration(pick([0, 1, 100, 900]))
        case 6: .maxDuration(pick([0, 1, 100, 900]))
        case 7: .root(random.chance(50))
        case 8: .sampledFlag(random.chance(50))
        case 9: .traceState(pick(["t", "u"]), some(["1", "2", "3"], upTo: 2))
        case 10: .attribute(pick(Self.keys), random.chance(20) ? .exists : test(), pick([.either, .span, .resource]))
        case 11: .not(condition(depth: depth - 1))
        case 12: .any((0..<1 + random.below(3)).map { _ in condition(depth: depth - 1) })
        default: .all((0..<1 + random.below(3)).map { _ in condition(depth: depth - 1) })
        }
    }

    mutating func policies(_ depth: Int, upTo limit: Int = 3) -> [ModelPolicy] {
        (0..<1 + random.below(limit)).map { _ in policy(depth - 1) }
    }

    mutating func policy(_ depth: Int = 3) -> ModelPolicy {
        switch random.below(depth > 0 ? 22 : 14) {
        case 0: return .alwaysSample
        case 1: return .latency(random.below(1500), random.chance(50) ? 0 : random.below(2000))
        case 2...5: return .attribute(pick(Self.keys), test(), invert: random.chance(30), match())
        case 6: return .statusCode(some(["OK", "ERROR", "UNSET"], upTo: 2), match())
        case 7: return .probabilistic(pick([0, 10, 50, 90, 100]), salt: pick(["", "x"]))
        case 8: return .spanCount(random.below(6), random.chance(50) ? 0 : random.below(8))
        case 9: return .traceState(pick(["t", "u", "v"]), some(["1", "2", "3", ""], upTo: 2) + ["1"])
        case 10: return .traceFlags
        case 11: return .rateLimiting(random.below(6), burst: random.below(12))
        case 12, 13: return .rootSpan(condition())
        case 14, 15: return .and(policies(depth))
        case 16: return .not(policy(depth - 1))
        case 17: return random.chance(70) ? .anyOf(policies(depth)) : .drop(policies(depth))
        case 18, 19: return .anyOf(policies(depth))
        case 20:
            let subs = policies(depth)
            return .composite(
                total: random.below(20), subs,
                percents: subs.map { _ in random.chance(30) ? nil : random.chance(20) ? 0 : 25 * random.below(5) })
        default:
            return .firstMatch(
                (0..<1 + random.below(4)).map { _ in
                    (
                        random.chance(70) ? condition() : nil, match(), random.chance(30) ? policy(depth - 1) : nil,
                        pick([0, 10, 50, 100])
                    )
                })
        }
    }

    /// A top-level list; drop policies happen here more often than inside.
    mutating func policySet() -> [ModelPolicy] {
        (0..<1 + random.below(8)).map { _ in random.chance(8) ? .drop(policies(2)) : policy() }
    }
}

extension String {
    /// The model splits at commas and equals signs; blanks around members are left to the tests of tracestate.
    fileprivate var replacingSpaces: String { filter { $0 != " " } }
}

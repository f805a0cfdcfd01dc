import ConfigTree
import OTLP

@testable import Sampling

/// A policy as a value, with its configuration and with its meaning: a plain evaluator over complete traces, written from the
/// reference (and the list of deviations), independently of the engine.
indirect enum ModelPolicy {
    case alwaysSample
    case latency(Int, Int)
    case attribute(String, ModelTest, invert: Bool, SpanMatch)
    case statusCode([String], SpanMatch)
    case probabilistic(Double, salt: String)
    case spanCount(Int, Int)
    case traceState(String, [String])
    case traceFlags
    case rateLimiting(Int, burst: Int)
    case and([ModelPolicy])
    case not(ModelPolicy)
    case drop([ModelPolicy])
    case anyOf([ModelPolicy])
    case composite(total: Int, [ModelPolicy], percents: [Int?])
    case rootSpan(ModelCondition)
    case firstMatch([(condition: ModelCondition?, match: SpanMatch, policy: ModelPolicy?, percentage: Double)])
}

/// What policies remember, by path.
final class ModelMemory {
    struct Bucket {
        var tokens: Double
        var last: Int64?
    }
    var buckets: [String: Bucket] = [:]
    var composites: [String: (second: Int64, counts: [Int])] = [:]
}

extension ModelPolicy {
    func judge(_ spans: [ModelSpan], _ memory: ModelMemory, now: Int64, path: String) -> PolicyVerdict {
        func yes(_ isSampled: Bool) -> PolicyVerdict { isSampled ? .sampled : .notSampled }
        func sub(_ policy: ModelPolicy, _ number: Int) -> PolicyVerdict {
            policy.judge(spans, memory, now: now, path: "\(path)/\(number)")
        }
        switch self {
        case .alwaysSample: return .sampled
        case .latency(let threshold, let upper):
            let timed = spans.filter { $0.start != 0 }
            let extent = Int64(bitPattern: (timed.map(\.end).max() ?? 0) &- (timed.map(\.start).min() ?? 0)) / 1_000_000
            return yes(upper == 0 ? extent >= threshold : extent > threshold && extent <= upper)
        case .attribute(let key, let test, let invert, let match):
            return yes(Self.holds(spans, match) { test.holds(key, $0) } != invert)
        case .statusCode(let names, let match):
            return yes(Self.holds(spans, match) { span in names.contains { ModelCondition.status($0).holds(span) } })
        case .probabilistic(let percentage, let salt):
            return yes(Self.isChosen(spans[0].trace, percentage, salt))
        case .spanCount(let low, let high): return yes(spans.count >= low && (high == 0 || spans.count <= high))
        case .traceState(let key, let values):
            return yes(spans.contains { ModelCondition.traceState(key, values).holds($0) })
        case .traceFlags: return yes(spans.contains { $0.flags & 1 == 1 })
        case .rateLimiting(let rate, let burst):
            return yes(Self.take(Double(spans.count), Double(rate), burst > 0 ? Double(burst) : 2 * Double(rate), memory, now, path))
        case .and(let policies), .drop(let policies):
            for (number, policy) in policies.enumerated() where sub(policy, number) == .notSampled { return .notSampled }
            if case .drop = self { return .dropped }
            return .sampled
        case .not(let policy):
            let verdict = sub(policy, 0)
            return verdict == .sampled ? .notSampled : verdict == .notSampled ? .sampled : verdict
        case .anyOf(let policies):
            for (number, policy) in policies.enumerated() {
                let verdict = sub(policy, number)
                if verdict != .notSampled { return verdict }
            }
            return .notSampled
        case .composite(let total, let policies, let percents):
            return composite(total, policies, percents, spans, memory, now, path)
        case .rootSpan(let condition): return yes(spans.contains { $0.isRoot && condition.holds($0) })
        case .firstMatch(let rules):
            for (number, rule) in rules.enumerated() {
                if let condition = rule.condition, !Self.holds(spans, rule.match, condition.holds) { continue }
                // Children of rules have their own path: the rule's number is not part of it.
                switch rule.policy.map({ $0.judge(spans, memory, now: now, path: "\(path)/rule\(number)") }) ?? .sampled {
                case .sampled: return yes(Self.isChosen(spans[0].trace, rule.percentage, ""))
                case .dropped: return .dropped
                default: continue
                }
            }
            return .notSampled
        }
    }

    static func holds(_ spans: [ModelSpan], _ match: SpanMatch, _ condition: (ModelSpan) -> Bool) -> Bool {
        switch match {
        case .anySpan: spans.contains(where: condition)
        case .allSpans: spans.allSatisfy(condition)
        case .root: spans.contains { $0.isRoot && condition($0) }
        }
    }

    private static func isChosen(_ trace: TraceID, _ percentage: Double, _ salt: String) -> Bool {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for byte in Array((salt.isEmpty ? "default-hash-seed" : salt).utf8) + trace.bytes {
            hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211
        }
        // The bit-exact threshold has its own test; here no hash may lie near one.
        return Double(hash) / 0x1p64 < percentage / 100 || percentage >= 100
    }

    private static func take(
        _ amount: Double, _ rate: Double, _ capacity: Double, _ memory: ModelMemory, _ now: Int64, _ path: String
    ) -> Bool {
        var bucket = memory.buckets[path] ?? ModelMemory.Bucket(tokens: capacity, last: now)
        let tokens = min(capacity, bucket.tokens + Double(now - (bucket.last ?? now)) / 1e9 * rate)
        let isAllowed = amount <= capacity ? tokens >= amount - 1e-6 : rate > 0 && capacity > 0 && tokens >= capacity - 1e-6
        if isAllowed {
            bucket.tokens = tokens - amount
            bucket.last = now
        } else if bucket.last == nil {
            bucket.last = now
        }
        memory.buckets[path] = bucket
        return isAllowed
    }

    private func composite(
        _ total: Int, _ policies: [ModelPolicy], _ percents: [Int?], _ spans: [ModelSpan], _ memory: ModelMemory,
        _ now: Int64, _ path: String
    ) -> PolicyVerdict {
        let limits = percents.map { percent in
            min(total, percent.map { $0 > 0 ? $0 * total / 100 : total / policies.count } ?? total / policies.count)
        }
        for (number, policy) in policies.enumerated() {
            let verdict = policy.judge(spans, memory, now: now, path: "\(path)/\(number)")
            if verdict == .dropped { return .dropped }
            guard verdict == .sampled else { continue }
            var state = memory.composites[path] ?? (now / 1_000_000_000, Array(repeating: 0, count: policies.count))
            while state.second < now / 1_000_000_000 {
                state.second += 1
                for index in state.counts.indices { state.counts[index] = max(0, state.counts[index] - max(0, limits[index])) }
            }
            let count = state.counts[number]
            let fits = limits[number] > 0 && (count == 0 || count + spans.count <= limits[number])
            if fits { state.counts[number] += spans.count }
            memory.composites[path] = state
            return fits ? .sampled : .notSampled
        }
        return .notSampled
    }

    // MARK: configuration

    /// The policy's map.
    func node(_ name: String) -> ConfigNode {
        func text(_ value: String) -> ConfigNode { ConfigNode(stringLiteral: value) }
        func number(_ value: Int) -> ConfigNode { ConfigNode(integerLiteral: value) }
        func subs(_ policies: [ModelPolicy]) -> ConfigNode {
            .list(policies.enumerated().map { $1.node("\($0)") })
        }
        let type: String
        var block: [(String, ConfigNode)] = []
        switch self {
        case .alwaysSample: type = "always_sample"
        case .latency(let low, let high):
            type = "latency"
            block = [("threshold_ms", number(low)), ("upper_threshold_ms", number(high))]
        case .attribute(let key, let test, let invert, let match):
            block = [("key", text(key)), ("invert_match", ConfigNode(booleanLiteral: invert)), ("match", text(match.rawValue))]
            switch test {
            case .exact(let texts):
                type = "string_attribute"
                block.append(("values", .texts(texts)))
            case .patterns(let patterns):
                type = "string_attribute"
                block += [("values", .texts(patterns.map(\.pattern))), ("enabled_regex_matching", true)]
            case .number(let low, let high):
                type = "numeric_attribute"
                if let low { block.append(("min_value", low)) }
                if let high { block.append(("max_value", high)) }
            case .bool(let value):
                type = "boolean_attribute"
                block.append(("value", ConfigNode(booleanLiteral: value)))
            case .exists: type = "none"
            }
        case .statusCode(let names, let match):
            type = "status_code"
            block = [("status_codes", .texts(names)), ("match", text(match.rawValue))]
        case .probabilistic(let percentage, let salt):
            type = "probabilistic"
            block = [("sampling_percentage", ConfigNode(floatLiteral: percentage)), ("hash_salt", text(salt))]
        case .spanCount(let low, let high):
            type = "span_count"
            block = [("min_spans", number(low)), ("max_spans", number(high))]
        case .traceState(let key, let values):
            type = "trace_state"
            block = [("key", text(key)), ("values", .texts(values))]
        case .traceFlags: type = "trace_flags"
        case .rateLimiting(let rate, let burst):
            type = "rate_limiting"
            block = [("spans_per_second", number(rate)), ("burst_capacity", number(burst))]
        case .and(let policies):
            type = "and"
            block = [("and_sub_policy", subs(policies))]
        case .not(let policy):
            type = "not"
            block = [("not_sub_policy", policy.node("0"))]
        case .drop(let policies):
            type = "drop"
            block = [("drop_sub_policy", subs(policies))]
        case .anyOf(let policies):
            type = "any_of"
            block = [("any_of_sub_policy", subs(policies))]
        case .composite(let total, let policies, let percents):
            type = "composite"
            let shares = percents.enumerated().compactMap { index, percent in
                percent.map { ConfigNode.map(["policy": text("\(index)"), "percent": number($0)]) }
            }
            block = [
                ("max_total_spans_per_second", number(total)), ("composite_sub_policy", subs(policies)),
                ("rate_allocation", .list(shares)),
            ]
        case .rootSpan(let condition):
            type = "root_span"
            return .entries([("name", text(name)), ("type", text(type)), (type, condition.node)])
        case .firstMatch(let rules):
            type = "first_match"
            let list = rules.enumerated().map { index, rule in
                var entries = [("sampling_percentage", ConfigNode(floatLiteral: rule.percentage))]
                if let condition = rule.condition {
                    entries += [("span", condition.node), ("match", text(rule.match.rawValue))]
                }
                if let policy = rule.policy { entries.append(("policy", policy.node("rule\(index)"))) }
                return ConfigNode.entries(entries)
            }
            block = [("rules", .list(list))]
        }
        return .entries([("name", text(name)), ("type", text(type)), (type, .entries(block))])
    }
}

package import ConfigTree
package import OTLP

/// One entry of a policy file's `tests:` - traces as data, and what is expected of the policies.
package struct PolicyTest: Sendable {
    package var name: String
    package var position: SourcePosition
    /// The traces: one group for `trace:`, one for each entry of `traces:`.
    package var groups: [TraceGroup]
    /// What is expected of all traces of the test together.
    package var expect: Expectation?
}

/// One trace, or the same trace many times under different trace ids.
package struct TraceGroup: Sendable {
    package var name: String?
    package var position: SourcePosition
    package var spans: [SpanSpec]
    /// How often the trace comes.
    package var repeats = 1
    /// From one of these traces to the next, nanoseconds.
    package var every: Int64 = 0
    /// When the first of them comes, nanoseconds after the start of the test.
    package var start: Int64 = 0
    /// The id that the test's author chose; otherwise ids are made up, the same in every run.
    package var traceID: TraceID?
    package var expect: Expectation?
}

/// One span of a test. What is left out is made up.
package struct SpanSpec: Sendable {
    /// What the span is a child of.
    package enum Parent: Sendable, Equatable {
        /// Nothing: a root span.
        case root
        /// Another span of the test, by its position in the list.
        case span(Int)
        /// A span that is not in the test: the trace is incomplete.
        case outside(UInt64)
    }

    package var position: SourcePosition
    package var label: String?
    package var name: String
    package var service: String
    package var parent: Parent
    package var kind: UInt64
    /// Nanoseconds after the start of its trace.
    package var start: Int64
    package var duration: Int64
    /// When the span reaches the gateway, nanoseconds after the start of its trace.
    package var arrives: Int64
    package var statusCode: UInt64
    package var statusMessage: String
    package var traceState: String
    /// The W3C trace flags; 1 is `sampled`.
    package var flags: UInt32
    package var attributes: [(key: String, value: AttributeSpec)]
    package var resource: [(key: String, value: AttributeSpec)]
    package var scope: String
    package var events: [EventSpec]
    /// How often the span comes, with different span ids.
    package var repeats: Int
}

/// One event of a span.
package struct EventSpec: Sendable {
    package var name: String
    /// Nanoseconds after the start of its trace.
    package var time: Int64
    package var attributes: [(key: String, value: AttributeSpec)]
}

/// An attribute's value, with the type that YAML gives it: `5` is an int, `5.0` a double, `"5"` text, `~` empty.
package indirect enum AttributeSpec: Sendable, Equatable {
    case text(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case empty
    case list([AttributeSpec])
    case map([Pair])

    package struct Pair: Sendable, Equatable {
        package var key: String
        package var value: AttributeSpec
    }
}

/// What a test expects. Everything that is left out is not looked at.
package struct Expectation: Sendable {
    /// A trace's fate, under the names that a test uses.
    package enum Fate: String, Sendable, CaseIterable {
        case sampled, dropped
        case notSampled = "not_sampled"
    }

    /// A verdict of one policy, under the names that a test uses.
    package enum Answer: String, Sendable, CaseIterable {
        case sampled, dropped, failed
        case notSampled = "not_sampled"
        /// An earlier policy had settled it already.
        case notAsked = "not_asked"
    }

    package var position: SourcePosition
    /// The decision on every trace.
    package var decision: Fate?
    /// The policy that decides on every trace.
    package var policy: String?
    /// What single policies say of every trace.
    package var policies: [(name: String, verdict: Answer)] = []
    /// How many traces are sampled.
    package var kept: CountRange?
    /// How many traces a drop policy throws away.
    package var dropped: CountRange?
}

/// A number of traces, or a range of them: `10`, `8...12`, `8...12 of 100`, `>= 5`, `< 20`.
package struct CountRange: Sendable, Equatable, CustomStringConvertible {
    package var range: ClosedRange<Int>
    /// The number of traces that the author counted with.
    package var total: Int?

    package init?(_ text: String) {
        var words = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        if words.count >= 3, words[words.count - 2] == "of", let count = Int(words[words.count - 1]), count >= 0 {
            total = count
            words.removeLast(2)
        }
        let core = words.joined()
        if let exact = Int(core), exact >= 0 {
            range = exact...exact
        } else if let dots = Self.split(core, at: "...") ?? Self.split(core, at: ".."), let low = Int(dots.0),
            let high = Int(dots.1), low >= 0, low <= high
        {
            range = low...high
        } else if core.hasPrefix(">="), let low = Int(core.dropFirst(2)), low >= 0 {
            range = low...Int.max
        } else if core.hasPrefix("<="), let high = Int(core.dropFirst(2)), high >= 0 {
            range = 0...high
        } else if core.hasPrefix(">"), let low = Int(core.dropFirst()), low >= 0, low < Int.max {
            range = (low + 1)...Int.max
        } else if core.hasPrefix("<"), let high = Int(core.dropFirst()), high > 0 {
            range = 0...(high - 1)
        } else {
            return nil
        }
    }

    private static func split(_ text: String, at separator: String) -> (Substring, Substring)? {
        let bytes = Array(text)
        let mark = Array(separator)
        guard bytes.count > mark.count else { return nil }
        for start in 0...(bytes.count - mark.count) where Array(bytes[start..<start + mark.count]) == mark {
            return (Substring(String(bytes[..<start])), Substring(String(bytes[(start + mark.count)...])))
        }
        return nil
    }

    package var description: String {
        if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
        if range.upperBound == Int.max { return "\(range.lowerBound) or more" }
        if range.lowerBound == 0 { return "at most \(range.upperBound)" }
        return "\(range.lowerBound) to \(range.upperBound)"
    }
}

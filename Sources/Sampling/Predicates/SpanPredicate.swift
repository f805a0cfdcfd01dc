package import NativeCore

/// A condition on one span (and its resource) that is checked once, as the span arrives, however many policies ask for it.
///
/// Equal predicates are one: they share a bit. `all`, `any` and `not` speak of the same span.
package indirect enum SpanPredicate: Hashable, Sendable {
    /// The span's status code is this one (0 UNSET, 1 OK, 2 ERROR).
    case statusCode(UInt32)
    /// The span has no parent.
    case isRoot
    /// The span bears W3C's sampled flag.
    case w3cSampled
    /// End minus start in nanoseconds, 0 where the end lies before the start, is in the range.
    case duration(ClosedRange<UInt64>)
    /// An attribute of the span or of its resource passes a test.
    case attribute(AttributePredicate)
    /// The span's name passes a test.
    case name(TextTest)
    /// The span's kind is one of those whose bits are set (1 << kind, 0 UNSPECIFIED ... 5 CONSUMER).
    case kind(UInt8)
    /// The span's tracestate holds the key with one of the values.
    case traceState(TraceStateTest)
    /// A condition of a language of its own gives this outcome.
    case condition(SpanConditionUse)
    case not(SpanPredicate)
    case all([SpanPredicate])
    case any([SpanPredicate])
}

/// A test of one attribute, on the span, on its resource or on both. The first attribute of that name counts.
package struct AttributePredicate: Hashable, Sendable {
    package enum Place: UInt8, Hashable, Sendable { case span, resource, either }

    package var place: Place
    package var name: String
    package var test: ValueTest

    package init(_ name: String, _ test: ValueTest, place: Place = .either) {
        self.name = name
        self.test = test
        self.place = place
    }
}

/// What an attribute's value must be. An absent attribute passes no test.
package enum ValueTest: Hashable, Sendable {
    /// Any value, also an empty one.
    case exists
    /// Text; a value of another type counts as empty text. An empty text on a span passes no test, on a resource it is asked.
    case text(TextTest)
    /// A number in the range; a value of another type counts as 0.
    case number(NumberRange)
    /// A boolean; a value of another type counts as false.
    case bool(Bool)
}

/// What a text must be.
package enum TextTest: Hashable, Sendable {
    /// One of these, byte by byte; the empty text is never one of them.
    case oneOf(Set<String>)
    /// Matches, anywhere in the text.
    case matches(TextPattern)
}

/// A regular expression as a value: two are equal if they are spelt alike.
package struct TextPattern: Hashable, Sendable {
    let expression: RegularExpression

    package init(_ expression: RegularExpression) { self.expression = expression }

    package static func == (left: TextPattern, right: TextPattern) -> Bool {
        left.expression.pattern == right.expression.pattern
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(expression.pattern) }
}

/// A range of numbers with both ends in it; integers are compared as integers, doubles as doubles.
package struct NumberRange: Hashable, Sendable {
    /// For values that are integers.
    package let integers: ClosedRange<Int64>?
    /// For values that are doubles. NaN is in no range.
    package let minimum: Double
    package let maximum: Double

    /// Nil is no bound. A fraction counts: 5 is not in 5.5...7. Integers are exact, also beyond the 53 bits of a double.
    package init(_ minimum: NumberBound?, _ maximum: NumberBound?) {
        let low = minimum?.atLeast ?? .min
        let high = maximum?.atMost ?? .max
        let isBeyond = (minimum?.double ?? 0) >= 0x1p63 || (maximum?.double ?? 0) < -0x1p63
        let isExact = minimum?.isInteger == true && maximum?.isInteger == true
        integers = low <= high && (isExact || !isBeyond) ? low...high : nil
        self.minimum = minimum?.double ?? -.infinity
        self.maximum = maximum?.double ?? .infinity
    }

    /// Whether no number is in it.
    package var isEmpty: Bool { integers == nil && !(minimum <= maximum) }

    func contains(_ value: Int64) -> Bool { integers?.contains(value) ?? false }
    func contains(_ value: Double) -> Bool { value >= minimum && value <= maximum }
}

/// One end of a range, as it was written.
package enum NumberBound: Hashable, Sendable {
    case integer(Int64)
    case double(Double)

    package var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        }
    }

    var isInteger: Bool {
        if case .integer = self { true } else { false }
    }

    /// The smallest integer that is not below it, within 64 bits.
    var atLeast: Int64 {
        switch self {
        case .integer(let value): value
        case .double(let value): Self.clamped(value.rounded(.up))
        }
    }

    /// The largest integer that is not above it, within 64 bits.
    var atMost: Int64 {
        switch self {
        case .integer(let value): value
        case .double(let value): Self.clamped(value.rounded(.down))
        }
    }

    private static func clamped(_ value: Double) -> Int64 {
        if value >= 0x1p63 { return .max }
        return value < -0x1p63 ? .min : Int64(value)
    }
}

/// A key of W3C's tracestate and the values that it may have.
package struct TraceStateTest: Hashable, Sendable {
    package var key: String
    package var values: Set<String>

    package init(key: String, values: Set<String>) {
        self.key = key
        self.values = values
    }
}

/// Why a text is no OTTL condition: found when a configuration is read, never later.
package struct OTTLError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where in the condition, in characters, the first being 1.
    package let column: Int
    /// What is wrong and what would be right.
    package let message: String

    package init(column: Int, message: String) {
        self.column = column
        self.message = message
    }

    /// `column 12: unknown path ...`
    package var description: String { "column \(column): \(message)" }
}

/// Why a condition could not be evaluated on a span: a type that a function does not take, an index out of range, ...
///
/// Small and without references, so that a condition that fails on every span costs no memory.
package struct OTTLEvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong.
    package enum Reason: UInt8, Sendable, CaseIterable {
        case divisionByZero
        /// An operator or a function got a type that it does not take.
        case unsupportedType
        /// A list has fewer elements, or the index is negative.
        case indexOutOfRange
        /// A map takes texts, a list takes integers.
        case wrongKeyType
        /// The value is neither map nor list.
        case notIndexable
        /// A function that stands for a condition did not give a boolean.
        case notABoolean
        /// A text or number from which the function can't make its result.
        case malformedInput
        /// An argument beyond what the function takes.
        case argumentOutOfRange
        /// The path can't be read where tail sampling evaluates conditions (`event_index`).
        case unavailable
        /// The result would be larger than `OTTLLimits.maximumValueBytes`.
        case tooLarge
    }

    package let reason: Reason
    /// What the value was; the same as for `IsString` and its siblings.
    package let found: OTTLKind
    /// Where in the condition the operator, path or function stands, in characters, the first being 1.
    package let column: UInt16

    package init(_ reason: Reason, found: OTTLKind = .null, column: UInt16) {
        self.reason = reason
        self.found = found
        self.column = column
    }

    /// For a log line: `column 5: division by zero`.
    package var description: String {
        let what =
            switch reason {
            case .divisionByZero: "division by zero"
            case .unsupportedType: "\(found) is not a type that can stand here"
            case .indexOutOfRange: "the list has no element of this index"
            case .wrongKeyType: "\(found) can't be the index of this value: maps take text, lists integers"
            case .notIndexable: "\(found) can't be indexed"
            case .notABoolean: "the function gave \(found) where a boolean is needed"
            case .malformedInput: "the function can't read this \(found)"
            case .argumentOutOfRange: "an argument is out of the function's range"
            case .unavailable: "this path has no value in tail sampling"
            case .tooLarge: "the result would be too large"
            }
        return "column \(column): \(what)"
    }
}

/// What becomes of evaluation errors: `error_mode` of a policy.
package enum OTTLErrorMode: String, Sendable, CaseIterable {
    /// Log (the caller does, not too often), then as if the condition were false.
    case ignore
    /// As if the condition were false. What an absent `error_mode` means.
    case silent
    /// The policy fails on this trace.
    case propagate

    /// Reads `error_mode` of either case; nil for anything else, an empty text included.
    package init?(configured text: String) {
        guard let mode = Self(rawValue: text.lowercased()) else { return nil }
        self = mode
    }
}

/// The bounds of conditions.
package enum OTTLLimits {
    /// Longer conditions are errors, in bytes.
    package static let maximumLength = 16_384
    /// Parentheses, arguments, lists and maps may be nested this deep.
    package static let maximumDepth = 64
    /// A text or list that a function makes may have this many bytes or elements.
    package static let maximumValueBytes = 1 << 20
    /// A list that an index makes may have this many elements.
    package static let maximumNewElements = 4_096
    /// All copies of messages that the statements of one run make, bytes: what a list of statements on each of many events of
    /// a large
    /// span could need without end.
    package static let maximumRewrittenBytes = 64 << 20
    /// Values that are read from JSON and the like, and attribute values, may be nested this deep.
    package static let maximumValueDepth = 100
}

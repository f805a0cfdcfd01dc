internal import OTLP

/// What a condition says of one span or event.
package enum OTTLOutcome: Sendable, Equatable {
    case isTrue
    case isFalse
    /// It could not be evaluated.
    case failed(OTTLEvaluationError)
}

/// One condition of the OpenTelemetry Transformation Language, compiled: a boolean expression over a span or one of its events.
///
/// Immutable and shared by all workers. Evaluation is pure, but for `Now()`; nothing allocates for comparisons of paths
/// and attributes with constants, for `IsMatch`, `HasPrefix`, `HasSuffix` and `IsRootSpan`.
package struct OTTLCondition: Sendable, CustomStringConvertible {
    /// As it was written.
    package let text: String
    /// What it is evaluated on.
    package let context: OTTLContext
    /// The attributes of spans that it looks at under constant names, each once.
    ///
    /// If `AttributeInterest` finds them on spans anyway, `bind` saves the condition a search of its own.
    package let spanAttributes: [[UInt8]]
    /// The attributes of resources that it looks at under constant names, each once.
    package let resourceAttributes: [[UInt8]]
    private(set) var program: OTTLProgram
    private let syntax: OTTLBoolean

    /// Reads and compiles a condition.
    ///
    /// - Parameters:
    ///   - text: at most `OTTLLimits.maximumLength` bytes.
    ///   - compilePattern: compiles the patterns of `IsMatch`; what it throws is shown to the user.
    /// - Throws: what is wrong, where, and what would be right.
    package init(
        parsing text: String, context: OTTLContext, compilePattern: @escaping OTTLPatternCompiler
    ) throws(OTTLError) {
        syntax = try OTTLParser.parse(text)
        var compiler = OTTLCompiler(context: context, compilePattern: compilePattern)
        let root = try compiler.compile(syntax)
        program = compiler.program(root: root)
        spanAttributes = compiler.spanAttributes
        resourceAttributes = compiler.resourceAttributes
        self.text = text
        self.context = context
    }

    /// Normalized: one space around operators, parentheses only where they are needed. Parses to the same condition.
    package var description: String { "\(syntax)" }

    /// The outcome on every span, if the condition does not depend on the span at all.
    package var constantOutcome: Bool? {
        let root = program.nodes[program.root]
        return root.operation == .bool ? root.word != 0 : nil
    }

    /// Says under which numbers the walker reports the attributes that the condition looks at.
    ///
    /// The functions take a name and give the number that hits will carry; nil for a name that the walker does not look for.
    /// Such attributes are searched for in the span's bytes on every evaluation. From here on the condition must only see spans
    /// that were walked with these numbers.
    package mutating func bind(
        spanAttribute: ([UInt8]) -> UInt16?, resourceAttribute: ([UInt8]) -> UInt16?
    ) {
        program = program.renaming { map, name in map == .span ? spanAttribute(name) : resourceAttribute(name) }
    }

    /// The outcome on the span that `input` shows; for a `spanEvent` condition, on the event that `input` stands at.
    ///
    /// - Complexity: O(length of the condition), with what its functions and searches cost on the span's bytes.
    package func evaluate(_ input: inout OTTLSpanInput) -> OTTLOutcome {
        do throws(OTTLEvaluationError) {
            return try program.isTrue(program.root, &input) ? .isTrue : .isFalse
        } catch {
            return .failed(error)
        }
    }
}

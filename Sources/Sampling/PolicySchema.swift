/// What a policy type is and which keys its block has: the one description from which the configuration reader's tests, the
/// JSON Schema and the reference in `Policies/README.md` are made.
package struct PolicySchema: Sendable {
    package enum Origin: Sendable {
        /// The Collector's tail sampling processor has it.
        case collector
        /// Tailgate alone has it.
        case tailgate
    }

    /// What it keeps, as one sentence.
    package var summary: String
    package var origin: Origin
    /// The keys of the policy's block, in the order in which people should read them.
    package var fields: [PolicyField]
    /// More that a reader should know, a sentence or a few.
    package var notes: String

    package init(_ summary: String, origin: Origin = .collector, fields: [PolicyField] = [], notes: String = "") {
        self.summary = summary
        self.origin = origin
        self.fields = fields
        self.notes = notes
    }
}

/// One key of a block.
package struct PolicyField: Sendable {
    /// What stands under the key.
    package indirect enum Kind: Sendable {
        case integer
        case number
        case boolean
        case text
        case textList
        /// Go's duration syntax: `10s`.
        case duration
        /// One policy: a map of `name`, `type` and a block.
        case policy
        case policyList
        case map([PolicyField])
        case mapList([PolicyField])
        /// A map of conditions on one span, see `SpanConditionReader.fields`; it nests.
        case condition
        case conditionList
    }

    package var name: String
    package var kind: Kind
    /// The value that an absent key has, as it would be written in YAML; nil if there is none.
    package var defaultValue: String?
    package var doc: String
    package var isRequired: Bool
    /// The only texts allowed; empty if any is.
    package var allowed: [String]
    /// Bounds of a number, both included.
    package var minimum: Double?
    package var maximum: Double?
    /// The Collector has the type, but not this key.
    package var isExtension: Bool

    package init(
        _ name: String, _ kind: Kind, default defaultValue: String? = nil, _ doc: String, isRequired: Bool = false,
        allowed: [String] = [], minimum: Double? = nil, maximum: Double? = nil, isExtension: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.doc = doc
        self.isRequired = isRequired
        self.allowed = allowed
        self.minimum = minimum
        self.maximum = maximum
        self.isExtension = isExtension
    }
}

package import OTLP

/// What a processor is and which keys its block has: the one description from which the reference page, the JSON Schema and the
/// table of components are made.
package struct ProcessorSchema: Sendable {
    /// The Collector's words for how far a component may be relied on.
    package enum Stability: String, Sendable, CaseIterable {
        case stable, beta, alpha, development, deprecated
    }

    /// What it does, as one sentence.
    package var summary: String
    package var stability: Stability
    /// The kinds of data it works on. Metrics and logs stay closed here: only what edits resources can have them.
    package var signals: [OTLPSignal]
    /// The keys of the block, in the order in which people should read them.
    package var fields: [ProcessorField]
    /// More that a reader should know, a sentence or a few.
    package var notes: String

    package init(
        _ summary: String, stability: Stability, signals: [OTLPSignal] = [.traces], fields: [ProcessorField], notes: String = ""
    ) {
        self.summary = summary
        self.stability = stability
        self.signals = signals
        self.fields = fields
        self.notes = notes
    }
}

/// One key of a block.
package struct ProcessorField: Sendable {
    /// What stands under the key.
    package indirect enum Kind: Sendable {
        case integer
        case number
        case boolean
        case text
        case textList
        /// Go's duration syntax: `10s`.
        case duration
        /// A value of an attribute: text, number, boolean, list or map.
        case anyValue
        case map([ProcessorField])
        case mapList([ProcessorField])
        /// A map with free keys, all values of one kind.
        case mapOf(Kind)
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

    package init(
        _ name: String, _ kind: Kind, default defaultValue: String? = nil, _ doc: String, isRequired: Bool = false,
        allowed: [String] = [], minimum: Double? = nil, maximum: Double? = nil
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.doc = doc
        self.isRequired = isRequired
        self.allowed = allowed
        self.minimum = minimum
        self.maximum = maximum
    }
}

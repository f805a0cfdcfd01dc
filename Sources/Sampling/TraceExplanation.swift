package import OTLP

/// Why a trace was kept or not, or what is known of one that is not decided yet. A value for people; made when asked for.
package struct TraceExplanation: Sendable {
    package enum State: Sendable, Equatable {
        case undecided
        case decided(Verdict)
    }

    /// What one top-level policy says.
    package struct Policy: Sendable {
        package let name: String
        /// Nil: it was not asked.
        package let verdict: PolicyVerdict?
        /// The conditions of this policy that held for some span.
        package let because: [Reason]
        /// The verdict, of a policy beyond the first 64, was recorded where newer decisions needed the room: `verdict` says nothing
        /// then.
        package var isUnrecorded = false
        /// There may be conditions that held beside those in `because`: the notes on them were not kept.
        package var isPartial = false
    }

    /// A condition that held, and the first span it held for.
    package struct Reason: Sendable, Equatable {
        package let condition: String
        package let spanID: SpanID?
        /// `service.name` of that span.
        package let service: String?
        /// What the span had, clipped to 64 bytes.
        package let value: String?
    }

    package var traceID: TraceID
    package var state: State
    /// Monotonic nanoseconds; nil where only the decision is remembered.
    package var firstSeen: Int64?
    package var lastSeen: Int64?
    package var decidedAt: Int64?
    /// When an undecided trace will be decided at the latest.
    package var deadline: Int64?
    package var spans: Int?
    package var bytes: Int?
    /// Latest end minus earliest start, milliseconds: what `latency` looks at.
    package var extentMilliseconds: Int64?
    package var hasRoot: Bool?
    package var lateSpans: Int?
    package var version: PolicyVersion?
    package var versionNumber: UInt16?
    /// The deciding policy as the node knows it.
    package var decidedBy: UInt16?
    package var isTooLarge = false
    /// Decided before its time: the node stopped, or had too many traces.
    package var isEarly = false
    package var policies: [Policy] = []

    init(_ traceID: TraceID, _ state: State) {
        self.traceID = traceID
        self.state = state
    }
}

/// What is noted of the spans behind a decision, as bytes: entries of predicate bits, span id, service, and a value for each bit.
struct EvidenceNotes {
    /// Entries and bytes of a text that are kept of one trace.
    static let maximumEntries = 8
    static let maximumText = 64

    struct Entry {
        /// Bits 64 * word to 64 * word + 63.
        var word = 0
        var bits: UInt64
        var spanID: UInt64
        var service: [UInt8]
        /// By bit of the word.
        var values: [(bit: UInt8, text: [UInt8])]
    }

    static func append(_ entry: Entry, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: entry.word))
        appendWord(entry.bits, to: &bytes)
        appendWord(entry.spanID, to: &bytes)
        appendText(entry.service, to: &bytes)
        bytes.append(UInt8(truncatingIfNeeded: entry.values.count))
        for value in entry.values {
            bytes.append(value.bit)
            appendText(value.text, to: &bytes)
        }
    }

    /// The entries; what is cut off is left out.
    static func read(_ bytes: [UInt8]) -> [Entry] {
        var entries: [Entry] = []
        var position = 0
        func word() -> UInt64? {
            guard position + 8 <= bytes.count else { return nil }
            defer { position += 8 }
            return bytes[position..<position + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        func byte() -> UInt8? {
            guard position < bytes.count else { return nil }
            defer { position += 1 }
            return bytes[position]
        }
        func text() -> [UInt8]? {
            guard let length = byte(), position + Int(length) <= bytes.count else { return nil }
            defer { position += Int(length) }
            return Array(bytes[position..<position + Int(length)])
        }
        while let number = byte(), let bits = word(), let spanID = word(), let service = text(), let count = byte() {
            var entry = Entry(word: Int(number), bits: bits, spanID: spanID, service: service, values: [])
            for _ in 0..<count {
                guard let bit = byte(), let value = text() else { break }
                entry.values.append((bit, value))
            }
            entries.append(entry)
        }
        return entries
    }

    private static func appendWord(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in 0..<8 as Range<UInt64> { bytes.append(UInt8(truncatingIfNeeded: word >> (56 - 8 * shift))) }
    }

    private static func appendText(_ text: [UInt8], to bytes: inout [UInt8]) {
        let clipped = text.prefix(maximumText)
        bytes.append(UInt8(truncatingIfNeeded: clipped.count))
        bytes += clipped
    }
}

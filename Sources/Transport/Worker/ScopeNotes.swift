internal import OTLP

/// What kept spans say on their scope about the decision (`record_policy`).
struct ScopeNote: Hashable {
    /// The deciding policy.
    var policy: String?
    /// The sub-policy with which a composite sampled.
    var compositePolicy: String?
    /// The span came after the decision.
    var isCached = false

    var attributes: [ScopeAttribute] {
        var attributes: [ScopeAttribute] = []
        if let policy { attributes.append(ScopeAttribute("tailsampling.policy", .text(policy))) }
        if let compositePolicy {
            attributes.append(ScopeAttribute("tailsampling.composite_policy", .text(compositePolicy)))
        }
        if isCached { attributes.append(ScopeAttribute("tailsampling.cached_decision", .bool(true))) }
        return attributes
    }
}

/// Scope headers with notes on them, each made once. Bounded: when 1024, or a mebibyte of them, are known, all are forgotten.
struct ScopeNotes {
    private struct Key: Hashable {
        var group: UInt64
        var note: ScopeNote
    }

    /// A header and what its group's hash becomes with it.
    struct Noted {
        var group: UInt64
        var header: [UInt8]
    }

    static let maximumHeaders = 1024
    /// A header can be half a mebibyte: their number alone is no bound.
    static let maximumBytes = 1 << 20
    private var known: [Key: Noted] = [:]
    /// Bytes of the headers in `known`.
    private(set) var knownBytes = 0
    /// The last answer: spans of one group come in runs.
    private var lastKey: Key?
    private var last = Noted(group: 0, header: [])

    /// The scope header of a group with a note on it.
    mutating func header(_ scope: Span<UInt8>, group: UInt64, _ note: ScopeNote) -> Noted {
        let key = Key(group: group, note: note)
        if key == lastKey { return last }
        let noted: Noted
        if let found = known[key] {
            noted = found
        } else {
            let mixed = UInt64(bitPattern: Int64(note.hashValue)) &* 0x9e37_79b9_7f4a_7c15
            noted = Noted(group: group ^ mixed, header: ScopeHeader.adding(note.attributes, to: scope))
            remember(noted, key)
        }
        lastKey = key
        last = noted
        return noted
    }

    private mutating func remember(_ noted: Noted, _ key: Key) {
        guard noted.header.count <= Self.maximumBytes / 4 else { return }
        if known.count >= Self.maximumHeaders || knownBytes + noted.header.count > Self.maximumBytes {
            known.removeAll(keepingCapacity: true)
            knownBytes = 0
        }
        known[key] = noted
        knownBytes += noted.header.count
    }
}

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

/// Scope headers with notes on them, each made once. Bounded: when 1024 are known, all are forgotten.
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
    private var known: [Key: Noted] = [:]
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
            if known.count >= Self.maximumHeaders { known.removeAll(keepingCapacity: true) }
            let mixed = UInt64(bitPattern: Int64(note.hashValue)) &* 0x9e37_79b9_7f4a_7c15
            noted = Noted(group: group ^ mixed, header: ScopeHeader.adding(note.attributes, to: scope))
            known[key] = noted
        }
        lastKey = key
        last = noted
        return noted
    }
}

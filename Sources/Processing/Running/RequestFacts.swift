/// What processors may know of a request beside its content. Filled by whoever has received it, with what
/// `ProcessorChain.contextKeys` asks for.
package struct RequestFacts: Sendable {
    /// Wall-clock time, nanoseconds since 1970.
    package var unixNanoseconds: Int64
    /// The client's address without its port; nil if it is not known any more.
    package var clientAddress: String?
    /// Header fields by name in small letters; one that came several times has several values.
    package var metadata: [String: [String]]
    /// What the authenticator says of the client, by attribute.
    package var authentication: [String: [String]]

    package init(
        unixNanoseconds: Int64 = 0, clientAddress: String? = nil, metadata: [String: [String]] = [:],
        authentication: [String: [String]] = [:]
    ) {
        self.unixNanoseconds = unixNanoseconds
        self.clientAddress = clientAddress
        self.metadata = metadata
        self.authentication = authentication
    }

    /// The value that `from_context` names, by the Collector's rules: `metadata.NAME`, `auth.NAME`, `client.address`, and any
    /// other name as if `metadata.` stood before it. Several values are joined by `;`. Nil if there is none.
    package func value(of key: String) -> String? {
        let values: [String]?
        if key == "client.address" {
            values = clientAddress.map { [$0] }
        } else if key.hasPrefix("auth.") {
            values = authentication[String(key.dropFirst("auth.".count))]
        } else {
            let name = key.hasPrefix("metadata.") ? String(key.dropFirst("metadata.".count)) : key
            values = metadata[name.lowercased()]
        }
        guard let values, !values.isEmpty else { return nil }
        return values.joined(separator: ";")
    }
}

/// What stages share while a request runs through a chain.
package struct StageRun: Sendable {
    package internal(set) var facts = RequestFacts()
    /// For messages inside of the one that is edited. Whoever opens it is done with it before the stage returns.
    package var inner = MessageDraft()
    /// By counter.
    private(set) var counts: [Int]

    init(counters: Int) { counts = Array(repeating: 0, count: counters) }

    package mutating func count(_ counter: CounterID, _ number: Int = 1) {
        guard counter.index < counts.count else { return }
        counts[counter.index] += number
    }

    mutating func takeCounts() -> [Int] {
        let taken = counts
        for index in counts.indices { counts[index] = 0 }
        return taken
    }
}

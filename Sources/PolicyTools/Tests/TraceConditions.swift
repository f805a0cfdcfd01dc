internal import OTLP
internal import Sampling

/// Which conditions on spans held in one trace of a test, and on which spans: the reason behind a verdict.
struct TraceConditions {
    /// By bit: the names of spans for which it held, the first few.
    private var spans: [Int: [String]] = [:]
    private static let namesShown = 3

    /// Takes a request of the trace into account.
    mutating func note(_ index: borrowing RequestIndex, _ body: Span<UInt8>, _ policies: PolicySet) {
        let stride = index.sideStride
        for (position, record) in index.records.enumerated() {
            note(record.predicates, from: 0, record, body)
            for word in 0..<policies.sideLayout.predicateWords where position * stride + word < index.sideWords.count {
                note(index.sideWords[position * stride + word], from: 64 * (word + 1), record, body)
            }
        }
    }

    private mutating func note(_ word: UInt64, from first: Int, _ record: SpanRecord, _ body: Span<UInt8>) {
        var bits = word
        while bits != 0 {
            let bit = first + bits.trailingZeroBitCount
            bits &= bits - 1
            var names = spans[bit] ?? []
            guard names.count < Self.namesShown else { continue }
            let bytes = SpanPeek.text(tag: 0x2a, ofSpan: body.extracting(record.range), limit: 60) ?? []
            let name = String(decoding: bytes, as: UTF8.self)
            if !names.contains(name) { names.append(name) }
            spans[bit] = names
        }
    }

    /// The conditions that a policy looks at, in the order of their bits.
    func account(ofPolicy position: Int, _ policies: PolicySet) -> [PolicyAccount.Condition] {
        policies.predicates(ofPolicy: position).numbers.map { bit in
            PolicyAccount.Condition(text: policies.describePredicate(bit: bit), spans: spans[bit] ?? [])
        }
    }
}

internal import OTLP
internal import Sampling

/// Which conditions on spans held in one trace of a test, and on which spans: the reason behind a verdict.
struct TraceConditions {
    /// By bit: the names of spans for which it held, the first few.
    private var spans: [Int: [String]] = [:]
    private static let namesShown = 3

    /// Takes a request of the trace into account.
    mutating func note(_ index: borrowing RequestIndex, _ body: Span<UInt8>, _ policies: PolicySet) {
        for record in index.records {
            var bits = record.predicates
            while bits != 0 {
                let bit = bits.trailingZeroBitCount
                bits &= bits - 1
                var names = spans[bit] ?? []
                if names.count < Self.namesShown {
                    let bytes = SpanPeek.text(tag: 0x2a, ofSpan: body.extracting(record.range), limit: 60) ?? []
                    let name = String(decoding: bytes, as: UTF8.self)
                    if !names.contains(name) { names.append(name) }
                    spans[bit] = names
                }
            }
        }
    }

    /// The conditions that a policy looks at, in the order of their bits.
    func account(ofPolicy position: Int, _ policies: PolicySet) -> [PolicyAccount.Condition] {
        []
    }
}

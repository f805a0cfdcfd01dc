import LoadTools
import OTLP
import OTTL

/// Times statements on every span of the reference work.
struct TransformBenchmark {
    /// What `transform` runs, one list each.
    static let lists: [(name: String, statements: [String])] = [
        ("2 statements that change every span", [#"set(attributes["env"], "prod")"#, #"set(status.message, "seen")"#]),
        ("the same where it never holds", [
            #"set(attributes["env"], "prod") where attributes["http.response.status_code"] == 999"#,
            #"set(status.message, "seen") where kind == 9"#,
        ]),
        ("truncate_all and replace_pattern", [
            #"truncate_all(attributes, 8)"#, #"replace_pattern(name, "[0-9]+", "{id}")"#,
        ]),
    ]
    private static let rounds = 15
    private static let requestsPerRound = 20

    /// Prints a row for each list: nanoseconds per span, median of the rounds; and beside it what walking the request takes.
    static func run(_ source: inout TrafficSource) {
        let requests = (0..<requestsPerRound).map { _ in source.next(unixNanoseconds: 1_700_000_000_000_000_000) }
        for (name, statements) in lists {
            guard let list = try? OTTLStatementList(parsing: statements, context: .span, errorMode: .ignore) else { continue }
            measure(name, list, requests)
        }
    }

    private static func measure(_ name: String, _ list: OTTLStatementList, _ requests: [PreparedRequest]) {
        let walker = RequestWalker(keys: HashKeys(1, 2), interest: AttributeInterest(spanNames: [], resourceNames: []))
        var index = RequestIndex()
        var pass = OTTLRequestPass()
        var edits: [UInt8] = []
        var walks: [Double] = []
        var runs: [Double] = []
        for _ in 0..<rounds {
            var walk = 0.0
            var run = 0.0
            var spans = 0
            for request in requests {
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                walk += MicroBenchmarks.time { try? walker.walk(body, into: &index) }
                spans += index.records.count
                edits.removeAll(keepingCapacity: true)
                var outcome = OTTLRequestPass.Outcome()
                run += MicroBenchmarks.time {
                    pass.apply(list, body: body, &index, edits: &edits, now: 0, outcome: &outcome)
                }
                precondition(outcome.failure == nil)
            }
            walks.append(walk / Double(max(1, spans)))
            runs.append(run / Double(max(1, spans)))
        }
        let middle = rounds / 2
        print("  \(name): \(Int(runs.sorted()[middle].rounded())) (walk \(Int(walks.sorted()[middle].rounded())))")
    }
}

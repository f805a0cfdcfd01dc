import LoadTools
import OTLP
import OTTL
import Sampling

/// Times OTTL conditions on the reference work's spans.
struct ConditionBenchmark {
    /// From the cheapest to one that reads the span's own fields.
    static let conditions = [
        #"attributes["http.response.status_code"] >= 500"#,
        #"resource.attributes["service.name"] == "checkout" and IsRootSpan()"#,
        #"attributes["error.type"] != nil or end_time - start_time > Duration("2s")"#,
        #"kind == SPAN_KIND_SERVER and HasPrefix(name, "GET /")"#,
        #"scope.attributes["absent"] == "x" or attributes[name] == "x""#,
    ]
    private static let rounds = 31
    private static let requestsPerRound = 20

    /// Prints a row for each condition: nanoseconds per span, median of the rounds.
    static func run(_ source: inout TrafficSource) {
        let requests = (0..<requestsPerRound).map { _ in source.next(unixNanoseconds: 1_700_000_000_000_000_000) }
        for text in conditions {
            do throws(OTTLError) {
                row(text, try measure(text, requests))
            } catch {
                print("\(text): \(error)")
            }
        }
    }

    private static func measure(_ text: String, _ requests: [PreparedRequest]) throws(OTTLError) -> [Double] {
        var list = OTTLConditionList(
            span: [try OTTLCondition(parsing: text, context: .span) { _ in NeverMatching() }], spanEvent: [], errorMode: nil)
        let spanNames = list.spanAttributes
        let resourceNames = list.resourceAttributes
        list.bind(
            spanAttribute: { name in spanNames.firstIndex(of: name).map { UInt16($0) } },
            resourceAttribute: { name in resourceNames.firstIndex(of: name).map { UInt16($0) } })
        let walker = RequestWalker(
            keys: HashKeys(1, 2), interest: AttributeInterest(spanNames: spanNames, resourceNames: resourceNames))
        var index = RequestIndex()
        var results: [Double] = []
        var matched = 0
        for _ in 0..<rounds {
            var nanoseconds = 0.0
            var spans = 0
            for request in requests {
                let body = request.bytes.span.extracting(GRPCFraming.prefixLength...)
                guard (try? walker.walk(body, into: &index)) != nil else { continue }
                spans += index.records.count
                nanoseconds += MicroBenchmarks.time { matched += evaluate(list, body, index) }
            }
            results.append(nanoseconds / Double(max(1, spans)))
        }
        precondition(matched >= 0)
        return results
    }

    @inline(never)
    private static func evaluate(_ list: borrowing OTTLConditionList, _ body: Span<UInt8>, _ index: borrowing RequestIndex) -> Int {
        var matched = 0
        var hit = 0
        let records = index.records.span
        let hits = index.spanHits.span
        let resourceHits = index.resourceHits.span
        let groups = index.groups.span
        let headers = index.groupBytes.span
        for number in records.indices {
            let start = hit
            while hit < hits.count && Int(hits[hit].record) == number { hit += 1 }
            let group = groups[Int(records[number].group)]
            var input = OTTLSpanInput(
                body: body, headers: headers, record: records[number], group: group,
                spanHits: hits.extracting(start..<hit), resourceHits: resourceHits.extracting(group.resourceHitRange), now: 0)
            if list.evaluate(&input).verdict == .matched { matched += 1 }
        }
        return matched
    }

    private static func row(_ text: String, _ results: [Double]) {
        let tenths = Int((results.sorted()[results.count / 2] * 10).rounded())
        print("\(tenths / 10).\(tenths % 10)  \(text)")
    }
}

/// The conditions above have no patterns.
private struct NeverMatching: RegularExpressionMatching {
    func matches(_ text: Span<UInt8>) -> Bool { false }
}

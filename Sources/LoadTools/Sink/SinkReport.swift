package import ReportText
import Histogram

/// What a sink prints: a line now and then, and a summary.
package struct SinkReport: Sendable {
    package var totals: SinkTotals
    /// Traces to look up, by what is wrong with them. Gathered where `withExamples` asks for it.
    package var examples = SinkExamples()
    package var refused: UInt64
    package var seconds: Double
    package var processorSeconds: Double
    package var expectsWholeTraces: Bool
    /// p50 and p99 of the time from a root span's end to its arrival, in nanoseconds.
    package var ages: (p50: UInt64, p99: UInt64)?

    package init(
        ledger: SinkLedger, refused: UInt64, seconds: Double, processorSeconds: Double, expectsWholeTraces: Bool,
        withExamples: Bool = false
    ) {
        totals = ledger.totals
        if withExamples { examples = ledger.examples }
        self.refused = refused
        self.seconds = seconds
        self.processorSeconds = processorSeconds
        self.expectsWholeTraces = expectsWholeTraces
        ages =
            ledger.ages.totalCount == 0
            ? nil : (ledger.ages.valueAtPercentile(50), ledger.ages.valueAtPercentile(99))
    }

    package var processorSecondsPerMillionSpans: Double {
        totals.spans > 0 ? processorSeconds * 1e6 / Double(totals.spans) : 0
    }

    /// One line, with the rates since an earlier report.
    package func line(since earlier: SinkReport?) -> String {
        let passed = seconds - (earlier?.seconds ?? 0)
        let spans = totals.spans - (earlier?.totals.spans ?? 0)
        let rate = passed > 0 ? Double(spans) / passed : 0
        var text =
            "\(Figures.fixed(seconds, 0)) s: \(Figures.grouped(rounded: rate)) spans/s, "
            + "\(Figures.grouped(Int64(totals.spans))) spans, \(Figures.grouped(Int64(totals.traces))) traces"
        if expectsWholeTraces { text += ", \(Figures.grouped(Int64(totals.wholeTraces))) whole" }
        text += ", \(Figures.grouped(Int64(totals.splitTraces))) split"
        if totals.duplicateSpans > 0 { text += ", \(Figures.grouped(Int64(totals.duplicateSpans))) duplicate spans" }
        if totals.lateTraces > 0 { text += ", \(Figures.grouped(Int64(totals.lateTraces))) with late spans" }
        if refused > 0 { text += ", \(Figures.grouped(Int64(refused))) requests refused" }
        if totals.malformedRequests > 0 {
            text += ", \(Figures.grouped(Int64(totals.malformedRequests))) malformed requests"
        }
        return text
    }

    package var text: String {
        var lines: [String] = []
        func line(_ name: String, _ value: UInt64, _ unit: String = "") {
            lines.append(Figures.left(name, 22) + Figures.grouped(Int64(clamping: value)) + unit)
        }
        line("requests", totals.requests)
        line("spans", totals.spans)
        line("duplicate spans", totals.duplicateSpans)
        line("traces", totals.traces)
        if expectsWholeTraces {
            line("whole traces", totals.wholeTraces)
            line("incomplete traces", totals.incompleteTraces)
        }
        line("split traces", totals.splitTraces)
        line("with late spans", totals.lateTraces)
        for (name, ids) in exampleLists {
            if let id = ids.first { lines.append(Figures.left("\(name), such as", 22) + id.hexadecimal) }
        }
        if totals.forgottenTraces > 0 { line("forgotten traces", totals.forgottenTraces) }
        if refused > 0 { line("requests refused", refused) }
        if totals.malformedRequests > 0 { line("malformed requests", totals.malformedRequests) }
        if let ages {
            lines.append(
                Figures.left("age at arrival", 22)
                    + "p50 \(Figures.milliseconds(ages.p50)) ms, p99 \(Figures.milliseconds(ages.p99)) ms "
                    + "after a root span's end")
        }
        lines.append(
            Figures.left("cost of this sink", 22)
                + "\(Figures.fixed(processorSecondsPerMillionSpans, 3)) CPU-seconds per million spans")
        return lines.joined(separator: "\n")
    }

    private var exampleLists: [(String, [TraceWords])] {
        [
            ("split", examples.split), ("late", examples.late), ("duplicated", examples.duplicated),
            ("incomplete", examples.incomplete),
        ]
    }

    package var json: JSONText {
        .object([
            ("seconds", .number(seconds)),
            ("requests", .count(totals.requests)),
            ("malformed_requests", .count(totals.malformedRequests)),
            ("refused_requests", .count(refused)),
            ("bytes", .count(totals.bytes)),
            ("spans", .count(totals.spans)),
            ("duplicate_spans", .count(totals.duplicateSpans)),
            ("traces", .count(totals.traces)),
            ("whole_traces", expectsWholeTraces ? .count(totals.wholeTraces) : .null),
            ("incomplete_traces", expectsWholeTraces ? .count(totals.incompleteTraces) : .null),
            ("split_traces", .count(totals.splitTraces)),
            ("late_traces", .count(totals.lateTraces)),
            ("forgotten_traces", .count(totals.forgottenTraces)),
            ("examples", .object(exampleLists.map { ($0, .array($1.map { .text($0.hexadecimal) })) })),
            (
                "age_ms",
                ages.map {
                    .object([("p50", .number(Double($0.p50) / 1e6)), ("p99", .number(Double($0.p99) / 1e6))])
                } ?? .null
            ),
            ("cpu_seconds", .number(processorSeconds)),
            ("cpu_seconds_per_million_spans", .number(processorSecondsPerMillionSpans)),
        ])
    }
}

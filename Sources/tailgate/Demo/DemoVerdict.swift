internal import ReportText
import LoadTools
import Telemetry

/// What came out of a demo: whether the books balance, and whether what should have been kept has arrived.
struct DemoVerdict {
    let lines: [String]
    let isSound: Bool

    init(report: LoadReport, settings catalog: TrafficCatalog, ledger: Ledger, received: [SinkSnapshot]) {
        var lines: [String] = []
        var isSound = ledger.difference == 0
        let sent = report.recorder.whole
        lines.append(
            "The load sent \(Figures.grouped(Int64(sent.spans))) spans in "
                + "\(Figures.grouped(Int64(sent.requests))) requests; half were acknowledged within "
                + "\(Self.latency(report, 50)) ms, 99 % within \(Self.latency(report, 99)) ms.")
        if report.everythingAccepted {
            let expected = Self.expectedTraces(catalog, requests: sent.requests)
            lines.append("The policies want \(Figures.grouped(expected)) of its traces. What has arrived:")
            for (name, sink) in zip(["Jaeger", "Tempo"], received) {
                let totals = sink.ledger.totals
                // Others may have sent traces, too; those of the load are complete, so they count among the whole ones.
                let complete = totals.wholeTraces >= UInt64(expected) && totals.splitTraces == 0
                lines.append(
                    "  \(Figures.left(name, 8))\(Figures.grouped(Int64(totals.wholeTraces))) whole traces, "
                        + "\(totals.splitTraces) split, \(totals.duplicateSpans) duplicate spans"
                        + (complete ? "" : ": NOT what was expected"))
                if !complete { isSound = false }
            }
        } else {
            lines.append("Not all of it was accepted:")
            lines.append(report.text)
            isSound = false
        }
        lines.append("")
        lines += DemoTable.summary(DemoSnapshot(ledger: ledger))
        self.lines = lines
        self.isSound = isSound
    }

    /// How many traces of that many requests the demo's policies keep.
    private static func expectedTraces(_ catalog: TrafficCatalog, requests: UInt64) -> Int {
        let tenth = ProbabilisticCheck(percent: 10)
        let traces = requests / UInt64(catalog.settings.requestsPerTrace) * UInt64(catalog.settings.tracesPerInstance)
        return (0..<traces).reduce(0) { count, number in
            let isKept =
                catalog.outcome(ofTrace: number) != .ordinary
                || tenth.samples(catalog.identity.traceID(number: number))
            return isKept ? count + 1 : count
        }
    }

    private static func latency(_ report: LoadReport, _ percent: Double) -> String {
        Figures.milliseconds(report.latency(percent))
    }
}

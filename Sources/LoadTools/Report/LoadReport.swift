package import ReportText
import Histogram
import OTLP

/// The outcome of a load run, as text and as JSON.
package struct LoadReport: Sendable {
    package var recorder: LoadRecorder
    /// What was asked for; nil for "as fast as possible".
    package var wantedSpansPerSecond: Double?
    /// The measured time: from the end of the warm-up to the last answer that counts.
    package var measuredSeconds: Double
    /// User and system time of the sending process over the whole run.
    package var processorSeconds: Double
    package var seed: UInt64
    /// How the run was set up, for the record: name and value.
    package var settings: [(String, String)]

    package init(
        recorder: LoadRecorder, wantedSpansPerSecond: Double?, measuredSeconds: Double, processorSeconds: Double,
        seed: UInt64, settings: [(String, String)]
    ) {
        self.recorder = recorder
        self.wantedSpansPerSecond = wantedSpansPerSecond
        self.measuredSeconds = measuredSeconds
        self.processorSeconds = processorSeconds
        self.seed = seed
        self.settings = settings
    }

    package static let percentiles: [(String, Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100),
    ]

    package var achievedSpansPerSecond: Double {
        measuredSeconds > 0 ? Double(recorder.measured.spans) / measuredSeconds : 0
    }

    package var processorSecondsPerMillionSpans: Double {
        recorder.whole.spans > 0 ? processorSeconds * 1e6 / Double(recorder.whole.spans) : 0
    }

    /// Whether every request was taken in the end.
    package var everythingAccepted: Bool {
        recorder.givenUp.requests == 0 && recorder.rejectedSpans == 0 && recorder.whole.requests > 0
    }

    package var text: String {
        var lines: [String] = []
        func line(_ name: String, _ value: String) { lines.append(Figures.left(name, 22) + value) }
        let wanted = wantedSpansPerSecond.map { "of \(Figures.grouped(rounded: $0)) wanted" } ?? "as fast as possible"
        line("spans per second", "\(Figures.grouped(rounded: achievedSpansPerSecond)) (\(wanted))")
        line(
            "accepted",
            "\(Figures.grouped(Int64(recorder.whole.spans))) spans in "
                + "\(Figures.grouped(Int64(recorder.whole.requests))) requests, "
                + Figures.bytes(Double(recorder.whole.bytes)))
        for (name, percent) in Self.percentiles where recorder.latencies.totalCount > 0 {
            line("answered, \(name)", "\(Figures.milliseconds(latency(percent))) ms after it was due")
        }
        for (status, count) in recorder.refusals.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            line("refused", "\(Figures.grouped(Int64(count))) times \(status.name)")
        }
        if recorder.unanswered.requests > 0 {
            line(
                "without an answer",
                "\(Figures.grouped(Int64(recorder.unanswered.requests))) requests; their "
                    + "\(Figures.grouped(Int64(recorder.unanswered.spans))) spans may be there twice")
        }
        if recorder.retries > 0 { line("sent again", Figures.grouped(Int64(recorder.retries))) }
        if recorder.connectionFailures > 0 {
            let why = recorder.connectionProblem.map { " (\($0))" } ?? ""
            line("connections failed", Figures.grouped(Int64(recorder.connectionFailures)) + why)
        }
        if recorder.rejectedSpans > 0 { line("spans rejected", Figures.grouped(Int64(recorder.rejectedSpans))) }
        if recorder.givenUp.requests > 0 {
            line(
                "given up",
                "\(Figures.grouped(Int64(recorder.givenUp.spans))) spans in "
                    + "\(Figures.grouped(Int64(recorder.givenUp.requests))) requests")
        }
        if recorder.sentLate > 0, wantedSpansPerSecond != nil {
            line("sent over 1 ms late", "\(Figures.grouped(Int64(recorder.sentLate))) requests")
        }
        line(
            "cost of this load",
            "\(Figures.fixed(processorSecondsPerMillionSpans, 3)) CPU-seconds per million spans")
        line("seed", "\(seed)")
        return lines.joined(separator: "\n")
    }

    package var json: JSONText {
        let refusals = recorder.refusals.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            ($0.key.name.description, JSONText.count($0.value))
        }
        return .object([
            ("spans_per_second", .number(achievedSpansPerSecond)),
            ("wanted_spans_per_second", wantedSpansPerSecond.map(JSONText.number) ?? .null),
            ("measured_seconds", .number(measuredSeconds)),
            ("measured", counts(recorder.measured)),
            ("accepted", counts(recorder.whole)),
            (
                "latency_ms",
                .object(
                    Self.percentiles.map { ($0.0, .number(Double(latency($0.1)) / 1e6)) }
                        + [("mean", .number(recorder.latencies.mean / 1e6))])
            ),
            ("refused", .object(refusals)),
            ("retried", .count(recorder.retries)),
            ("given_up", counts(recorder.givenUp)),
            ("unanswered", counts(recorder.unanswered)),
            ("rejected_spans", .count(recorder.rejectedSpans)),
            ("connection_failures", .count(recorder.connectionFailures)),
            ("sent_late", .count(recorder.sentLate)),
            ("cpu_seconds", .number(processorSeconds)),
            ("cpu_seconds_per_million_spans", .number(processorSecondsPerMillionSpans)),
            ("seed", .text("\(seed)")),
            ("settings", .object(settings.map { ($0.0, .text($0.1)) })),
        ])
    }

    /// A percentile of the latency in nanoseconds; 0 if nothing was measured.
    package func latency(_ percent: Double) -> UInt64 {
        guard recorder.latencies.totalCount > 0 else { return 0 }
        return percent == 100 ? recorder.latencies.max : recorder.latencies.valueAtPercentile(percent)
    }

    private func counts(_ counts: LoadRecorder.Counts) -> JSONText {
        .object([
            ("requests", .count(counts.requests)), ("spans", .count(counts.spans)), ("bytes", .count(counts.bytes)),
        ])
    }
}

internal import OTLP
package import ReportText

/// A plan for people at a terminal.
package struct PlanText: Sendable {
    private let report: PlanReport
    private let style: TerminalStyle
    private let rows: Int

    /// - Parameter rows: at most so many services and operations are listed.
    package init(_ report: PlanReport, style: TerminalStyle, rows: Int) {
        self.report = report
        self.style = style
        self.rows = rows
    }

    package func text() -> String {
        var lines = head()
        lines += [""] + totals()
        lines += [""] + policies("Policies of the current set", report.current)
        lines += [""] + policies("Policies of the candidate", report.candidate)
        lines += [""] + groups("Services", "service", report.services)
        lines += [""] + groups("Operations", "root operation", report.operations)
        lines += examples("Newly kept", report.newlyKept, report.keptExamples, "wanted by")
        lines += examples("Newly dropped", report.newlyDropped, report.droppedExamples, "policy")
        lines += unused()
        for remark in report.remarks { lines += ["", style.yellow("Note: ") + remark] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func head() -> [String] {
        let total = report.total
        let files = report.files.count == 1 ? report.files[0] : Figures.count(report.files.count, "file")
        var line = "\(style.bold(Figures.grouped(total.spans))) spans in \(style.bold(Figures.grouped(total.traces))) traces"
        line += ", \(Figures.bytes(Double(total.bytes)))"
        if report.recordedSeconds > 0 { line += ", over \(Self.duration(report.recordedSeconds))" }
        line += ", from \(files)"
        if report.seconds > 0 {
            let rate = Figures.grouped(rounded: Double(total.spans) / report.seconds)
            line += style.dim("  (replayed in \(Figures.fixed(report.seconds, 1)) s, \(rate) spans/s)")
        }
        return [line]
    }

    /// `1h 2m`, `3m 20s`, `12.5 s`.
    static func duration(_ seconds: Double) -> String {
        if seconds < 60 { return "\(Figures.fixed(seconds, 1)) s" }
        let whole = Int(min(seconds, 1e9))
        if whole < 3600 { return "\(whole / 60)m \(whole % 60)s" }
        return "\(whole / 3600)h \(whole % 3600 / 60)m"
    }

    // MARK: totals

    private func totals() -> [String] {
        var table = TextTable([
            ("", .left), ("current", .right), ("", .right), ("candidate", .right), ("", .right), ("change", .right), ("", .right),
        ])
        let (now, then, all) = (report.current.kept, report.candidate.kept, report.total)
        table.add(line("traces kept", now.traces, then.traces, all.traces) { Figures.grouped($0) })
        table.add(line("spans kept", now.spans, then.spans, all.spans) { Figures.grouped($0) })
        table.add(line("bytes kept", now.bytes, then.bytes, all.bytes) { Figures.bytes(Double($0)) })
        if report.recordedSeconds >= 1 {
            let seconds = report.recordedSeconds
            table.add(
                line("spans kept per second", now.spans, then.spans, 0) {
                    let rate = Double($0) / seconds
                    return abs(rate) < 100 ? Figures.fixed(rate, 1) : Figures.grouped(rounded: rate)
                })
            table.add(
                line("bytes kept per day", now.bytes, then.bytes, 0) { Figures.bytes(Double($0) / seconds * 86_400) })
        }
        if report.current.dropped.traces + report.candidate.dropped.traces > 0 {
            table.add(
                line("traces vetoed by drop", report.current.dropped.traces, report.candidate.dropped.traces, all.traces) {
                    Figures.grouped($0)
                })
        }
        let labels = "  \(style.dim("current")) \(report.current.label)   \(style.dim("candidate")) \(report.candidate.label)"
        return [labels, ""] + table.lines(style) + ["", transitions()]
    }

    private func line(
        _ name: String, _ now: Int, _ then: Int, _ all: Int, _ show: (Int) -> String
    ) -> [TextTable.Cell] {
        let difference = then - now
        let shown = difference > 0 ? "+" + show(difference) : difference < 0 ? "-" + show(-difference) : "0"
        let relative = now > 0 && difference != 0 ? signedPercent(difference, of: now) : ""
        return [
            TextTable.Cell(name), bold(show(now)), TextTable.Cell(all > 0 ? share(now, all) : "") { $0.dim($1) },
            bold(show(then)), TextTable.Cell(all > 0 ? share(then, all) : "") { $0.dim($1) },
            changed(shown, difference), changed(relative, difference),
        ]
    }

    private func signedPercent(_ difference: Int, of whole: Int) -> String {
        (difference > 0 ? "+" : "") + Figures.percent(Double(difference), of: Double(whole))
    }

    private func share(_ part: Int, _ whole: Int) -> String { Figures.percent(Double(part), of: Double(whole)) }

    private func bold(_ text: String) -> TextTable.Cell { TextTable.Cell(text) { $0.bold($1) } }

    /// More is not better or worse: the color only says that something changed.
    private func changed(_ text: String, _ difference: Int) -> TextTable.Cell {
        if difference == 0 { return TextTable.Cell(text) { $0.dim($1) } }
        return TextTable.Cell(text) { difference > 0 ? $0.cyan($1) : $0.yellow($1) }
    }

    private func transitions() -> String {
        func part(_ name: String, _ amount: PlanReport.Amount) -> String {
            "\(name) \(style.bold(Figures.grouped(amount.traces)))"
        }
        let parts = [
            part("kept by both", report.keptByBoth), part("newly kept", report.newlyKept),
            part("newly dropped", report.newlyDropped), part("kept by neither", report.keptByNeither),
        ]
        return "  traces: " + parts.joined(separator: style.dim(" · "))
    }

    // MARK: policies

    private func policies(_ title: String, _ side: PlanReport.Side) -> [String] {
        var table = TextTable([
            ("policy", .left), ("type", .left), ("matched", .right), ("of all", .right), ("decided", .right),
            ("alone", .right), ("spans decided", .right), ("bytes decided", .right),
        ])
        for policy in side.policies {
            let never = policy.matched.traces == 0
            table.add([
                TextTable.Cell(policy.name) { never ? $0.yellow($1) : $1 },
                TextTable.Cell(policy.drops ? policy.type + " (veto)" : policy.type) { $0.dim($1) },
                TextTable.Cell(never ? "never" : Figures.grouped(policy.matched.traces)) { never ? $0.yellow($1) : $1 },
                TextTable.Cell(never ? "" : share(policy.matched.traces, report.total.traces)) { $0.dim($1) },
                TextTable.Cell(Figures.grouped(policy.decided.traces)),
                TextTable.Cell(Figures.grouped(policy.alone.traces)),
                TextTable.Cell(Figures.grouped(policy.decided.spans)),
                TextTable.Cell(Figures.bytes(Double(policy.decided.bytes))),
            ])
        }
        let note = style.dim("  traces; matched: wanted by it · decided: it was the first to want them · alone: nothing else wanted them")
        return [style.bold(title) + "  " + style.dim(side.label)] + table.lines(style) + [note]
    }

    // MARK: services

    private func groups(_ title: String, _ head: String, _ all: [PlanReport.Group]) -> [String] {
        var table = TextTable([
            (head, .left), ("spans", .right), ("traces", .right), ("current", .right), ("", .right), ("candidate", .right),
            ("", .right), ("change", .right),
        ])
        for group in all.prefix(rows) {
            let difference = group.candidate.spans - group.current.spans
            let lost = group.candidate.traces == 0 && group.total.traces > 0
            table.add([
                TextTable.Cell(group.name), TextTable.Cell(Figures.grouped(group.total.spans)),
                TextTable.Cell(Figures.grouped(group.total.traces)),
                TextTable.Cell(Figures.grouped(group.current.spans)),
                TextTable.Cell(share(group.current.spans, group.total.spans)) { $0.dim($1) },
                TextTable.Cell(lost ? "none" : Figures.grouped(group.candidate.spans)) { lost ? $0.red($1) : $1 },
                TextTable.Cell(share(group.candidate.spans, group.total.spans)) { $0.dim($1) },
                changed(Figures.signed(difference), difference),
            ])
        }
        var lines = [style.bold(title) + style.dim("  spans kept")] + table.lines(style)
        if all.count > rows { lines.append(style.dim("  … and \(Figures.grouped(all.count - rows)) more (--rows)")) }
        return lines
    }

    // MARK: examples

    private func examples(
        _ title: String, _ amount: PlanReport.Amount, _ all: [PlanReport.Example], _ by: String
    ) -> [String] {
        guard !all.isEmpty else { return [] }
        var table = TextTable([
            ("trace", .left), ("duration", .right), ("spans", .right), ("", .left), ("root", .left), (by, .left),
        ])
        for example in all {
            table.add([
                TextTable.Cell(example.traceID.description),
                TextTable.Cell("\(Figures.fixed(example.milliseconds, example.milliseconds < 10 ? 1 : 0)) ms"),
                TextTable.Cell(Figures.grouped(example.spans)),
                TextTable.Cell(example.hasError ? "error" : "") { $0.red($1) },
                TextTable.Cell(middleCut("\(example.service) \(example.operation)", to: 48)), TextTable.Cell(example.policy),
            ])
        }
        let sum = "\(Figures.count(amount.traces, "trace")), \(Figures.grouped(amount.spans)) spans"
        return ["", style.bold(title) + style.dim("  \(sum); for example")] + table.lines(style)
    }

    private func unused() -> [String] {
        let found = [(report.current, "current"), (report.candidate, "candidate")].flatMap { side, name in
            side.unused.map { "`\($0.name)` of the \(name) set" }
        }
        guard !found.isEmpty else { return [] }
        return ["", style.yellow("Never matched: ") + found.joined(separator: ", ")]
    }
}

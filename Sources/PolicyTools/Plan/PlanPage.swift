internal import ReportText

/// A plan as one HTML page with charts: everything is in it, nothing is fetched. Light or dark as the reader's system is.
package struct PlanPage: Sendable {
    private let report: PlanReport
    private let version: String
    /// More rows than this help nobody.
    private static let rowLimit = 200

    package init(_ report: PlanReport, version: String) {
        self.report = report
        self.version = version
    }

    package func html() -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Policy plan: \(escaped(report.candidate.label))</title>
        <style>\(PlanPageStyle.css)</style>
        </head>
        <body>
        <main>
        \(header())
        \(cards())
        \(transitions())
        \(timeline(report))
        \(policies("Policies of the candidate", report.candidate, "candidate"))
        \(policies("Policies of the current set", report.current, "current"))
        \(groups("Services", "Spans kept, by service", report.services))
        \(groups("Operations", "Spans kept, by root operation", report.operations))
        \(examples("Newly kept", report.newlyKept, report.keptExamples, "wanted by"))
        \(examples("Newly dropped", report.newlyDropped, report.droppedExamples, "policy"))
        \(remarks())
        <footer>tailgate \(escaped(version)) · exact counts over the recording, decided by the engine that decides in production</footer>
        </main>
        <div id="tip" role="status" hidden></div>
        <script>\(PlanPageStyle.script)</script>
        </body>
        </html>

        """
    }

    // MARK: head

    private func header() -> String {
        var facts = [
            "\(Figures.grouped(report.total.spans)) spans", "\(Figures.grouped(report.total.traces)) traces",
            Figures.bytes(Double(report.total.bytes)),
        ]
        if report.recordedSeconds > 0 { facts.append("\(PlanText.duration(report.recordedSeconds)) of traffic") }
        let files = report.files.map { "<code>\(escaped($0))</code>" }.joined(separator: " ")
        return """
            <header>
            <h1>Policy plan</h1>
            <p class="sides"><span class="key current"></span> current <code>\(escaped(report.current.label))</code>
            <span class="arrow">→</span> <span class="key candidate"></span> candidate <code>\(escaped(report.candidate.label))</code></p>
            <p class="facts">\(facts.joined(separator: " · ")) · from \(files)</p>
            </header>
            """
    }

    private func cards() -> String {
        let (now, then, all) = (report.current.kept, report.candidate.kept, report.total)
        var cards = [
            card("Traces kept", now.traces, then.traces, all.traces) { Figures.grouped($0) },
            card("Spans kept", now.spans, then.spans, all.spans) { Figures.grouped($0) },
            card("Bytes kept", now.bytes, then.bytes, all.bytes) { Figures.bytes(Double($0)) },
        ]
        if report.recordedSeconds >= 1 {
            let seconds = report.recordedSeconds
            cards.append(
                card("Bytes per day", now.bytes, then.bytes, 0) {
                    Figures.bytes(Double($0) / seconds * 86_400)
                })
        }
        return "<section class=\"cards\">\(cards.joined(separator: "\n"))</section>"
    }

    private func card(_ title: String, _ now: Int, _ then: Int, _ all: Int, _ show: (Int) -> String) -> String {
        let difference = then - now
        var change = "no change"
        if difference != 0 {
            change = now > 0 ? Figures.percent(Double(difference), of: Double(now)) : "new"
            if difference > 0 && now > 0 { change = "+" + change }
        }
        let direction = difference > 0 ? "up" : difference < 0 ? "down" : "same"
        func share(_ value: Int) -> String { all > 0 ? "\(Figures.percent(Double(value), of: Double(all))) of all · " : "" }
        return """
            <div class="card"><h3>\(title) <span class="change \(direction)">\(change)</span></h3>
            <p class="big">\(show(then))</p>
            <p class="before">\(share(then))now \(show(now))</p></div>
            """
    }

    /// What became of every trace, as one bar.
    private func transitions() -> String {
        let parts: [(String, String, PlanReport.Amount)] = [
            ("both", "kept by both", report.keptByBoth), ("gained", "newly kept", report.newlyKept),
            ("lost", "newly dropped", report.newlyDropped), ("neither", "kept by neither", report.keptByNeither),
        ]
        let all = max(1, parts.reduce(0) { $0 + $1.2.traces })
        let segments = parts.filter { $0.2.traces > 0 }.map { name, title, amount in
            let width = Double(amount.traces) / Double(all) * 100
            let tip = "\(title): \(Figures.grouped(amount.traces)) traces, \(Figures.grouped(amount.spans)) spans"
            return #"<i class="\#(name)" style="width:\#(Figures.fixed(width, 3))%" data-tip="\#(escaped(tip))"></i>"#
        }
        let legend = parts.map { name, title, amount in
            "<li><span class=\"key \(name)\"></span>\(title) <b>\(Figures.grouped(amount.traces))</b> <small>\(Figures.percent(Double(amount.traces), of: Double(all)))</small></li>"
        }
        return """
            <section><h2>Every trace, before and after</h2>
            <div class="stack">\(segments.joined())</div><ul class="legend">\(legend.joined())</ul></section>
            """
    }

    // MARK: tables

    private func policies(_ title: String, _ side: PlanReport.Side, _ kind: String) -> String {
        let most = max(1, side.policies.reduce(0) { max($0, $1.matched.traces) })
        let rows = side.policies.map { policy -> String in
            let never = policy.matched.traces == 0
            let tip =
                "\(policy.name): wanted \(Figures.grouped(policy.matched.traces)) traces, was the first for \(Figures.grouped(policy.decided.traces)), alone for \(Figures.grouped(policy.alone.traces))"
            let bars = bar(
                [
                    (policy.alone.traces, "solid"), (policy.decided.traces - policy.alone.traces, "middle"),
                    (policy.matched.traces - max(policy.decided.traces, policy.alone.traces), "faint"),
                ], of: most, kind: policy.drops ? "lost" : kind, tip: tip)
            return """
                <tr\(never ? " class=\"never\"" : "")><td>\(escaped(policy.name))</td><td class="type">\(escaped(policy.type))</td><td class="bars">\(never ? "<em>matched nothing</em>" : bars)</td>
                \(cell(policy.matched.traces))\(cell(policy.decided.traces))\(cell(policy.alone.traces))\(cell(policy.decided.spans))\(byteCell(policy.decided.bytes))</tr>
                """
        }
        return """
            <section><h2>\(title) <small>\(escaped(side.label))</small></h2>
            <table class="sortable"><thead><tr><th>policy</th><th>type</th><th class="bars">traces: alone, decided, matched</th><th class="n">matched</th><th class="n">decided</th><th class="n">alone</th><th class="n">spans decided</th><th class="n">bytes decided</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table>
            <p class="note shades"><span class="key \(kind) solid"></span>alone: no other policy wanted the trace, so it would be lost without this one · <span class="key \(kind) middle"></span>decided: it was the first in the list to want it · <span class="key \(kind) faint"></span>matched: it wanted the trace</p></section>
            """
    }

    private func groups(_ title: String, _ caption: String, _ all: [PlanReport.Group]) -> String {
        guard !all.isEmpty else { return "" }
        let most = max(1, all.reduce(0) { max($0, max($1.current.spans, $1.candidate.spans)) })
        let rows = all.prefix(Self.rowLimit).map { group -> String in
            let tip =
                "\(group.name): \(Figures.grouped(group.current.spans)) → \(Figures.grouped(group.candidate.spans)) of \(Figures.grouped(group.total.spans)) spans"
            let bars =
                bar([(group.current.spans, "solid")], of: most, kind: "current", tip: tip)
                + bar([(group.candidate.spans, "solid")], of: most, kind: "candidate", tip: tip)
            let difference = group.candidate.spans - group.current.spans
            let direction = difference > 0 ? "up" : difference < 0 ? "down" : "same"
            let lost = group.candidate.traces == 0 && group.current.traces > 0
            return """
                <tr\(lost ? " class=\"gone\"" : "")><td>\(escaped(group.name))</td><td class="bars">\(bars)</td>\(cell(group.total.spans))\(cell(group.current.spans))\(percentCell(group.current.spans, group.total.spans))\(cell(group.candidate.spans))\(percentCell(group.candidate.spans, group.total.spans))<td class="n \(direction)" data-v="\(difference)">\(Figures.signed(difference))</td></tr>
                """
        }
        let more = all.count > Self.rowLimit ? "<p class=\"note\">and \(Figures.grouped(all.count - Self.rowLimit)) more</p>" : ""
        return """
            <section><h2>\(title) <small>\(caption)</small></h2>
            <table class="sortable"><thead><tr><th>name</th><th class="bars">current, candidate</th><th class="n">spans</th><th class="n">current</th><th class="n">%</th><th class="n">candidate</th><th class="n">%</th><th class="n">change</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table>\(more)</section>
            """
    }

    private func examples(
        _ title: String, _ amount: PlanReport.Amount, _ all: [PlanReport.Example], _ by: String
    ) -> String {
        guard !all.isEmpty else { return "" }
        let rows = all.map { example in
            """
            <tr><td><code class="id" title="click to copy">\(example.traceID)</code></td><td>\(escaped(example.service)) <b>\(escaped(example.operation))</b>\(example.hasError ? " <span class=\"error\">error</span>" : "")</td><td class="n" data-v="\(example.milliseconds)">\(Figures.fixed(example.milliseconds, example.milliseconds < 10 ? 1 : 0)) ms</td>\(cell(example.spans))<td>\(escaped(example.policy))</td></tr>
            """
        }
        return """
            <section><h2>\(title) <small>\(Figures.grouped(amount.traces)) traces, for example</small></h2>
            <table class="sortable"><thead><tr><th>trace</th><th>root</th><th class="n">duration</th><th class="n">spans</th><th>\(by)</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table></section>
            """
    }

    private func remarks() -> String {
        report.remarks.map { "<p class=\"note\">\(escaped($0))</p>" }.joined(separator: "\n")
    }

    private func bar(_ parts: [(Int, String)], of most: Int, kind: String, tip: String) -> String {
        let pieces = parts.filter { $0.0 > 0 }.map { value, shade in
            let width = max(0.15, Double(value) / Double(most) * 100)
            return #"<i class="\#(kind) \#(shade)" style="width:\#(Figures.fixed(width, 2))%"></i>"#
        }
        return #"<div class="bar" data-tip="\#(escaped(tip))">\#(pieces.joined())</div>"#
    }

    private func cell(_ value: Int) -> String { "<td class=\"n\" data-v=\"\(value)\">\(Figures.grouped(value))</td>" }

    private func byteCell(_ value: Int) -> String {
        "<td class=\"n\" data-v=\"\(value)\">\(Figures.bytes(Double(value)))</td>"
    }

    private func percentCell(_ part: Int, _ whole: Int) -> String {
        let value = whole > 0 ? Double(part) / Double(whole) : 0
        return "<td class=\"n dim\" data-v=\"\(value)\">\(Figures.percent(Double(part), of: Double(whole)))</td>"
    }

    func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}

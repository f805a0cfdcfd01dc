/// The demo's live view: a table for terminals, a line for everything else.
package enum DemoTable {
    /// The table's lines. Rates are those since `earlier`.
    package static func lines(_ now: DemoSnapshot, since earlier: DemoSnapshot?) -> [String] {
        var lines: [String] = []
        func row(_ name: String, _ value: String, _ note: String = "") {
            lines.append(
                "  " + Figures.left(name, 24) + Figures.right(value, 14) + (note.isEmpty ? "" : "   " + note))
        }
        let decided = now.sampledTraces + now.notSampledTraces + now.droppedTraces
        row("spans in", Figures.grouped(rounded: rate(now, earlier) { $0.ledger.accepted }), "a second")
        if now.refusedSpans > 0 { row("spans refused", Figures.grouped(now.refusedSpans)) }
        row("traces in the window", Figures.grouped(now.tracesInWindow), Figures.bytes(Double(now.segmentBytes)))
        row("traces decided", Figures.grouped(decided))
        row("kept", Figures.grouped(now.sampledTraces), percent(now.sampledTraces, of: decided))
        for policy in now.sampledByPolicy {
            row("  by \(policy.name)", Figures.grouped(policy.traces), percent(policy.traces, of: decided))
        }
        row("not sampled", Figures.grouped(now.notSampledTraces), percent(now.notSampledTraces, of: decided))
        if now.droppedTraces > 0 {
            row("dropped by policy", Figures.grouped(now.droppedTraces), percent(now.droppedTraces, of: decided))
        }
        for destination in now.destinations {
            let before = earlier?.destinations.first { $0.name == destination.name }
            let passed = now.seconds - (earlier?.seconds ?? 0)
            let perSecond = passed > 0 ? Double(destination.sent - (before?.sent ?? 0)) / passed : 0
            var note =
                "spans, \(Figures.grouped(rounded: perSecond)) a second, "
                + "\(Figures.grouped(destination.queuedRequests)) requests queued"
            if destination.lost > 0 { note += ", \(Figures.grouped(destination.lost)) spans LOST" }
            row("sent to \(destination.name)", Figures.grouped(destination.sent), note)
        }
        row("resident memory", Figures.bytes(Double(now.residentBytes)))
        row("ledger difference", Figures.grouped(now.ledger.difference), now.balances ? "" : "DOES NOT BALANCE")
        return lines
    }

    /// The same in one line.
    package static func line(_ now: DemoSnapshot, since earlier: DemoSnapshot?) -> String {
        var text =
            "\(Figures.fixed(now.seconds, 0)) s: "
            + "\(Figures.grouped(rounded: rate(now, earlier) { $0.ledger.accepted })) spans/s in, "
            + "\(Figures.grouped(now.tracesInWindow)) traces in the window, "
            + "kept \(Figures.grouped(now.sampledTraces))"
        if !now.sampledByPolicy.isEmpty {
            let policies = now.sampledByPolicy.map { "\($0.name) \(Figures.grouped($0.traces))" }
            text += " (\(policies.joined(separator: ", ")))"
        }
        text += ", not sampled \(Figures.grouped(now.notSampledTraces))"
        if now.droppedTraces > 0 { text += ", dropped \(Figures.grouped(now.droppedTraces))" }
        for destination in now.destinations {
            text +=
                ", \(destination.name) sent \(Figures.grouped(destination.sent)) spans"
                + " with \(Figures.grouped(destination.queuedRequests)) requests queued"
            if destination.lost > 0 { text += " and \(Figures.grouped(destination.lost)) spans LOST" }
        }
        return text
            + ", \(Figures.bytes(Double(now.residentBytes))) resident, difference \(now.ledger.difference)"
    }

    /// The ledger at the end, and whether it balances.
    package static func summary(_ end: DemoSnapshot) -> [String] {
        var lines = ["Ledger, in spans:"]
        func row(_ sign: String, _ name: String, _ value: Int64) {
            lines.append("  \(sign) " + Figures.left(name, 24) + Figures.right(Figures.grouped(value), 14))
        }
        row(" ", "accepted", end.ledger.accepted)
        row("=", "buffered", end.ledger.buffered)
        row("+", "not sampled", end.ledger.notSampled)
        row("+", "dropped by policy", end.ledger.droppedByPolicy)
        row("+", "sampled", end.ledger.sampled)
        for destination in end.destinations {
            lines.append("  of the sampled, for \(destination.name):")
            row("=", "queued", destination.queued)
            row("+", "sent", destination.sent)
            row("+", "lost", destination.lost)
        }
        lines.append(
            end.balances
                ? "The ledger balances: every accepted span is in exactly one column."
                : "The ledger DOES NOT BALANCE: the difference is \(end.ledger.difference) spans"
                    + end.destinations.map { ", \($0.name) \($0.difference(sampled: end.ledger.sampled))" }.joined()
                    + ".")
        return lines
    }

    private static func rate(
        _ now: DemoSnapshot, _ earlier: DemoSnapshot?, _ value: (DemoSnapshot) -> Int64
    ) -> Double {
        let passed = now.seconds - (earlier?.seconds ?? 0)
        return passed > 0 ? Double(value(now) - (earlier.map(value) ?? 0)) / passed : 0
    }

    private static func percent(_ part: Int64, of whole: Int64) -> String {
        whole > 0 ? Figures.fixed(100 * Double(part) / Double(whole), 1) + " %" : ""
    }
}

/// Redraws a block of lines in place, with the control sequences that every terminal understands.
package struct TerminalBlock: Sendable {
    private var drawn = 0

    package init() {}

    /// The text to write: it moves up over the last block, clears it, and draws the new one.
    package mutating func redraw(_ lines: [String]) -> String {
        let up = drawn > 0 ? "\u{1b}[\(drawn)F\u{1b}[J" : ""
        drawn = lines.count
        return up + lines.map { $0 + "\n" }.joined()
    }
}

internal import ReportText
import Telemetry

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
        row("traces in the window", Figures.grouped(now.tracesInWindow), Figures.bytes(Double(now.windowBytes)))
        row("traces decided", Figures.grouped(decided))
        row("kept", Figures.grouped(now.sampledTraces), percent(now.sampledTraces, of: decided))
        for policy in now.sampledByPolicy {
            row("  by \(policy.name)", Figures.grouped(policy.traces), percent(policy.traces, of: decided))
        }
        row("not sampled", Figures.grouped(now.notSampledTraces), percent(now.notSampledTraces, of: decided))
        row("dropped by policy", Figures.grouped(now.droppedTraces), percent(now.droppedTraces, of: decided))
        for (index, destination) in now.ledger.destinations.enumerated() {
            let perSecond = rate(now, earlier) {
                index < $0.ledger.destinations.count ? $0.ledger.destinations[index].sent : 0
            }
            var note = "spans, \(Figures.grouped(rounded: perSecond)) a second"
            if index < now.queues.count {
                let queue = now.queues[index]
                note += ", \(Figures.grouped(queue.requests)) requests queued (\(Figures.bytes(Double(queue.bytes))))"
            }
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
        for (index, destination) in now.ledger.destinations.enumerated() {
            text += ", \(destination.name) sent \(Figures.grouped(destination.sent)) spans"
            if index < now.queues.count {
                text += " with \(Figures.grouped(now.queues[index].requests)) requests queued"
            }
            if destination.lost > 0 { text += " and \(Figures.grouped(destination.lost)) spans LOST" }
        }
        return text
            + ", \(Figures.bytes(Double(now.residentBytes))) resident, difference \(now.ledger.difference)"
    }

    /// The ledger at the end, and in a last line whether it balances.
    package static func summary(_ end: DemoSnapshot) -> [String] {
        ["Ledger, in spans:"] + end.ledger.summary().map { "  " + $0 } + [
            end.balances
                ? "The ledger balances: every accepted span is in exactly one column."
                : "The ledger DOES NOT BALANCE: the difference is \(Figures.grouped(end.ledger.difference)) spans."
        ]
    }

    private static func rate(
        _ now: DemoSnapshot, _ earlier: DemoSnapshot?, _ value: (DemoSnapshot) -> Int
    ) -> Double {
        let passed = now.seconds - (earlier?.seconds ?? 0)
        return passed > 0 ? Double(value(now) - (earlier.map(value) ?? 0)) / passed : 0
    }

    private static func percent(_ part: Int, of whole: Int) -> String {
        whole > 0 ? Figures.fixed(100 * Double(part) / Double(whole), 1) + " %" : ""
    }
}

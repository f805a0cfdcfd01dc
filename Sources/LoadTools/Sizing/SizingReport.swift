package import ReportText

extension SizingPlan {
    /// For people.
    package var text: String {
        let bytes = Figures.bytes
        let wait = Figures.fixed(input.decisionWait, input.decisionWait < 10 ? 1 : 0)
        var lines = [
            "\(Figures.grouped(rounded: input.spansPerSecond)) spans/s of \(Figures.grouped(rounded: input.spanBytes)) bytes, "
                + "decided after \(wait) s, \(Figures.fixed(input.kept * 100, 1)) % kept"
                + (input.isGzip ? ", gzip in requests" : ""),
            "",
            row("undecided spans", "\(Figures.grouped(rounded: windowSpans)) (\(bytes(windowBytes)))"),
            row("nodes", "\(nodes)" + (nodes > 1 ? ", one of which may be away" : ", none to spare")),
            "",
            "each node, \(nodes > 1 ? "while one is away" : "alone"):",
            row("spans", "\(Figures.grouped(rounded: node.spansPerSecond)) a second"),
            row("window", bytes(node.windowBytes)),
            row("queue", "\(bytes(node.queueBytes)) for \(Figures.fixed(input.outage, 0)) s without a destination"),
            row("held", bytes(node.heldBytes)),
            row("memory", "\(bytes(node.memoryBytes)) (refuses no one with memory_limiter at 75 %)"),
            row("processors", "\(Figures.fixed(node.processors, 1)) (\(Figures.fixed(node.busyProcessors, 2)) busy)"),
            row("network", "\(bytes(node.receivedBytesPerSecond))/s in, \(bytes(node.sentBytesPerSecond))/s out"),
        ]
        if !fits {
            let room = "\(bytes(input.nodeBytes)) and \(Figures.fixed(input.nodeProcessors, 1)) processors"
            lines += ["", "A node of \(room) does not hold this: \(advice)"]
        }
        return lines.joined(separator: "\n")
    }

    /// What would make it fit.
    private var advice: String {
        var needed = input
        needed.nodes = nil
        let other = SizingPlan(needed)
        return other.fits
            ? "take \(other.nodes) nodes, larger ones, or a shorter decision_wait." : "take larger nodes, or a shorter decision_wait."
    }

    private func row(_ name: String, _ value: String) -> String { "  \(Figures.left(name, 18))\(value)" }

    /// For programs: bytes, seconds and processors as numbers.
    package var json: JSONText {
        .object([
            ("spans_per_second", .number(input.spansPerSecond)),
            ("decision_wait_seconds", .number(input.decisionWait)),
            ("span_bytes", .number(input.spanBytes)),
            ("spans_per_trace", .number(input.spansPerTrace)),
            ("kept", .number(input.kept)),
            ("destinations", .count(input.destinations)),
            ("outage_seconds", .number(input.outage)),
            ("gzip", .bool(input.isGzip)),
            ("window_spans", .number(windowSpans.rounded())),
            ("window_bytes", .number(windowBytes.rounded())),
            ("nodes", .count(nodes)),
            ("fits", .bool(fits)),
            (
                "node",
                .object([
                    ("spans_per_second", .number(node.spansPerSecond)),
                    ("window_bytes", .number(node.windowBytes.rounded())),
                    ("queue_bytes", .number(node.queueBytes.rounded())),
                    ("held_bytes", .number(node.heldBytes.rounded())),
                    ("memory_bytes", .number(node.memoryBytes.rounded())),
                    ("busy_processors", .number(node.busyProcessors)),
                    ("processors", .number(node.processors)),
                    ("received_bytes_per_second", .number(node.receivedBytesPerSecond.rounded())),
                    ("sent_bytes_per_second", .number(node.sentBytesPerSecond.rounded())),
                ])
            ),
        ])
    }
}

package import ReportText

/// What a node knows of one trace, as `GET /v1/traces/{id}` says it. Keys that a node leaves out are nil.
package struct TraceExplanation: Codable, Sendable {
    package struct Policy: Codable, Sendable {
        package var name: String
        package var verdict: String?
        package var because: [Reason]?
        package var more_conditions_may_have_held: Bool?
    }

    /// A condition that held, and where.
    package struct Reason: Codable, Sendable {
        package var condition: String
        package var span_id: String?
        package var service: String?
        package var value: Value?
    }

    /// A value of any kind, as text.
    package struct Value: Codable, Sendable {
        package var text: String

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let value = try? container.decode(String.self) {
                text = value
            } else if let value = try? container.decode(Bool.self) {
                text = value ? "true" : "false"
            } else if let value = try? container.decode(Int64.self) {
                text = "\(value)"
            } else {
                text = "\(try container.decode(Double.self))"
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }
    }

    package var trace_id: String
    package var state: String
    package var first_seen: String?
    package var last_seen: String?
    package var spans: Int?
    package var bytes: Int?
    package var duration_ms: Int?
    package var root_seen: Bool?
    package var policy_version: Int?
    package var policy_hash: String?
    package var decided_by: String?
    package var policies: [Policy]?
    package var late_spans: Int?
    package var destinations: [String]?
    package var owner: String?
    package var too_large: Bool?
    package var decided_early: Bool?
    package var note: String?

    /// For people.
    package func text(_ style: TerminalStyle) -> String {
        var lines = [style.bold("trace \(trace_id)")]
        lines.append("  " + headline(style))
        var facts: [(String, String)] = []
        if let first_seen { facts.append(("first span", first_seen)) }
        if let last_seen { facts.append(("last span", last_seen)) }
        if let spans {
            var size = Figures.count(spans, "span")
            if let bytes { size += ", \(Figures.bytes(Double(bytes)))" }
            if let root_seen { size += root_seen ? ", root seen" : ", no root" }
            facts.append(("size", size))
        }
        if let duration_ms { facts.append(("duration", "\(Figures.grouped(duration_ms)) ms")) }
        if let late_spans, late_spans > 0 { facts.append(("late spans", Figures.grouped(late_spans))) }
        if let destinations, !destinations.isEmpty { facts.append(("sent to", destinations.joined(separator: ", "))) }
        if policy_version != nil || policy_hash != nil {
            let parts = [policy_version.map { "version \($0)" }, policy_hash.map { style.dim($0) }].compactMap { $0 }
            facts.append(("policies", parts.joined(separator: " ")))
        }
        if let owner { facts.append(("owner", owner)) }
        if decided_early == true { facts.append(("early", "decided before its time, since the node stopped or had too many traces")) }
        if let note { facts.append(("note", note)) }
        for (name, value) in facts { lines.append("  \(style.dim(Figures.left(name, 11))) \(value)") }
        if let policies, !policies.isEmpty { lines += [""] + table(policies, style) }
        return lines.joined(separator: "\n") + "\n"
    }

    private func headline(_ style: TerminalStyle) -> String {
        let by = decided_by.map { " by " + style.bold($0) } ?? ""
        switch state {
        case "undecided": return style.yellow("undecided") + ": its time has not come"
        case "sampled": return style.green("kept") + by
        case "not_sampled" where too_large == true: return style.red("not kept") + ": larger than maximum_trace_size_bytes"
        case "not_sampled": return style.red("not kept") + ": no policy wanted it"
        case "dropped": return style.red("dropped") + by
        case "unknown": return style.yellow("unknown") + ": never seen here, or so long ago that it is forgotten"
        default: return state + by
        }
    }

    private func table(_ policies: [Policy], _ style: TerminalStyle) -> [String] {
        let width = policies.reduce(0) { max($0, $1.name.count) }
        var lines: [String] = []
        for policy in policies {
            let verdict = Figures.left(phrase(policy.verdict), 11)
            let painted =
                switch policy.verdict {
                case "sampled": style.green(verdict)
                case "dropped", "error": style.red(verdict)
                default: style.dim(verdict)
                }
            let mark = policy.name == decided_by ? style.bold("→") : " "
            var reasons = (policy.because ?? []).map { reason($0, style) }
            if policy.more_conditions_may_have_held == true { reasons.append(style.dim("(more may have held than was noted)")) }
            var line = "\(mark) \(Figures.left(policy.name, width))  \(painted)  \(reasons.first ?? "")"
            while line.last == " " { line.removeLast() }
            lines.append(line)
            let margin = String(repeating: " ", count: 2 + width + 2 + 11 + 2)
            lines += reasons.dropFirst().map { margin + $0 }
        }
        return lines
    }

    private func phrase(_ verdict: String?) -> String {
        switch verdict {
        case "not_sampled": "not sampled"
        case "not_asked", nil: "not asked"
        case "not_recorded": "not noted"
        case let other?: other
        }
    }

    private func reason(_ reason: Reason, _ style: TerminalStyle) -> String {
        var text = reason.condition
        if let value = reason.value?.text, !value.isEmpty { text += " (\(value))" }
        let place = [reason.service, reason.span_id.map { "span \($0)" }].compactMap { $0 }.joined(separator: ", ")
        return place.isEmpty ? text : text + style.dim("  \(place)")
    }
}

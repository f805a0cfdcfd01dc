extension Ledger {
    /// The ledger for a person, as lines of aligned text.
    ///
    ///     accepted        1,234,567
    ///       buffered              0
    ///       not sampled   1,000,000
    ///       dropped               0
    ///       sampled         234,567
    ///         jaeger: queued            0
    ///                 sent        234,560
    ///                 lost              7 (queue_full 7)
    ///     difference              0
    package func summary() -> [String] {
        var rows: [(name: String, value: String, note: String)] = [
            ("accepted", Self.grouped(accepted), ""),
            ("  buffered", Self.grouped(buffered), ""),
            ("  not sampled", Self.grouped(notSampled), ""),
            ("  dropped", Self.grouped(dropped), ""),
            ("  sampled", Self.grouped(sampled), ""),
        ]
        if passed > 0 { rows.append(("  passed through", Self.grouped(passed), "")) }
        if filtered > 0 { rows.append(("  filtered", Self.grouped(filtered), "")) }
        for destination in destinations {
            let title = "    \(destination.name): "
            let indent = String(repeating: " ", count: title.count)
            let reasons = destination.losses.map {
                "\($0.reason.rawValue) \(Self.grouped($0.spans))"
            }
            rows.append((title + "queued", Self.grouped(destination.queued), ""))
            rows.append((indent + "sent", Self.grouped(destination.sent), ""))
            let note = reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))"
            rows.append((indent + "lost", Self.grouped(destination.lost), note))
        }
        if fromPeers + forwarded + handedOff + held > 0 {
            rows.append(("  forwarded to peers", Self.grouped(forwarded), ""))
            rows.append(("  handed off to peers", Self.grouped(handedOff), ""))
            rows.append(("  held for peers", Self.grouped(held), ""))
            rows.append(("of accepted, from peers", Self.grouped(fromPeers), ""))
        }
        if lost > 0 {
            let reasons = undecidedLosses.map { "\($0.reason.rawValue) \(Self.grouped($0.spans))" }
            rows.append(("  lost undecided", Self.grouped(lost), " (\(reasons.joined(separator: ", ")))"))
        }
        rows.append(("difference", Self.grouped(difference), ""))
        let nameWidth = rows.map(\.name.count).max() ?? 0
        let valueWidth = rows.map(\.value.count).max() ?? 0
        return rows.map { row in
            let gap = nameWidth - row.name.count + 2 + valueWidth - row.value.count
            return row.name + String(repeating: " ", count: gap) + row.value + row.note
        }
    }

    /// Digits in groups of three.
    static func grouped(_ value: Int) -> String {
        var out: [Character] = []
        for (index, digit) in String(value.magnitude).reversed().enumerated() {
            if index > 0 && index.isMultiple(of: 3) { out.append(",") }
            out.append(digit)
        }
        return (value < 0 ? "-" : "") + String(out.reversed())
    }
}

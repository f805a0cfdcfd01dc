extension Ledger {
    /// The body of `/ledger`: one JSON object on one line.
    ///
    ///     {"accepted":9,"buffered":0,"not_sampled":5,"dropped":0,"sampled":4,"passed_through":0,
    ///     "filtered":0,"forwarded":0,"handed_off":0,"held":0,"lost":0,"lost_by_reason":{},"from_peers":0,"destinations":
    ///     {"otlp/tempo":{"offered":4,"queued":0,"sent":3,"lost":1,"lost_by_reason":{"queue_full":1},
    ///     "difference":0}},"difference":0}
    package func json() -> [UInt8] {
        var members = Column.allCases.map { Self.member($0.rawValue, "\(self[$0])") }
        let reasons = undecidedLosses.map { Self.member($0.reason.rawValue, "\($0.spans)") }
        members.append(Self.member("lost_by_reason", Self.object(reasons)))
        members.append(Self.member("from_peers", "\(fromPeers)"))
        let ends = destinations.map { Self.member($0.name, $0.json) }
        members.append(Self.member("destinations", Self.object(ends)))
        members.append(Self.member("difference", "\(difference)"))
        return Array((Self.object(members) + "\n").utf8)
    }

    fileprivate static func object(_ members: [String]) -> String {
        "{" + members.joined(separator: ",") + "}"
    }

    fileprivate static func member(_ name: String, _ value: String) -> String {
        "\(quoted(name)):\(value)"
    }

    /// A JSON string (RFC 8259 section 7).
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}

extension Ledger.Destination {
    fileprivate var json: String {
        var members = Column.allCases.map { Ledger.member($0.rawValue, "\(self[$0])") }
        let reasons = losses.map { Ledger.member($0.reason.rawValue, "\($0.spans)") }
        members.append(Ledger.member("lost_by_reason", Ledger.object(reasons)))
        members.append(Ledger.member("difference", "\(difference)"))
        return Ledger.object(members)
    }
}

internal import ReportText
internal import Cluster
internal import LoadTools
internal import OTLP

/// What `tailgate ring` prints.
struct RingReport {
    private let description: RingDescription
    private let ownAddress: String
    private let trace: (id: TraceID, owner: String)?

    init(_ ring: HashRing, self ownAddress: String, trace: TraceID?) {
        description = RingDescription(ring)
        self.ownAddress = ownAddress
        self.trace = trace.map { ($0, ring.members[ring.owner(of: $0)].address) }
    }

    /// 16 hexadecimal digits.
    private var version: String {
        let digits = String(description.version, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private var containsSelf: Bool { description.members.contains { $0.address == ownAddress } }

    var text: String {
        let count = description.members.count
        var lines = [
            "ring \(version), \(count) \(count == 1 ? "member" : "members"), largest share \(Self.decimal(description.imbalance, 3)) of the mean"
        ]
        let width = description.members.reduce(0) { max($0, $1.address.count) }
        for member in description.members {
            let share = Self.decimal(member.share * 100, 2)
            var line = "  " + member.address + String(repeating: " ", count: width - member.address.count + 2)
            line += String(repeating: " ", count: max(0, 6 - share.count)) + share + " %"
            if member.weight != 1 { line += "  weight \(member.weight)" }
            if member.address == ownAddress { line += "  (this configuration's node)" }
            lines.append(line)
        }
        if !containsSelf { lines.append("\(ownAddress) (this configuration's node) is not listed: it owns nothing") }
        if let trace { lines.append("\(trace.id) is owned by \(trace.owner)") }
        return lines.joined(separator: "\n")
    }

    var json: JSONText {
        var fields: [(String, JSONText)] = [
            ("ring_version", .text(version)), ("imbalance", .number(description.imbalance)), ("advertise", .text(ownAddress)),
            ("listed", .bool(containsSelf)),
            (
                "members",
                .array(
                    description.members.map {
                        .object([
                            ("address", .text($0.address)), ("weight", .integer(Int64($0.weight))), ("share", .number($0.share)),
                            ("self", .bool($0.address == ownAddress)),
                        ])
                    })
            ),
        ]
        if let trace { fields.append(("trace", .object([("trace_id", .text("\(trace.id)")), ("owner", .text(trace.owner))]))) }
        return .object(fields)
    }

    private static func decimal(_ value: Double, _ places: Int) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        let whole = Int((value * Double(scale)).rounded())
        let digits = String(whole % scale)
        return "\(whole / scale)." + String(repeating: "0", count: places - digits.count) + digits
    }
}

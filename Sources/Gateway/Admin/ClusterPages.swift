internal import Cluster
internal import OTLP
internal import Sampling
internal import Transport

/// The page about the cluster: who is in it, who owns what, and whether all agree.
struct ClusterPages: Sendable {
    let cluster: ClusterNode

    static let index = ["/v1/cluster      the cluster as this node sees it, as JSON (?trace_id=...: and who owns a trace)"]

    /// Nil if the path is not this page's.
    func answer(_ request: AdminRequest) async -> AdminResponse? {
        guard request.path == "/v1/cluster" else { return nil }
        guard request.method == "GET" || request.method == "HEAD" else {
            return AdminResponse(status: 405, text: "405 method not allowed", allow: "GET, HEAD")
        }
        var traceID: TraceID?
        if let text = request.query["trace_id"] {
            guard let parsed = TraceID(hex: text), !parsed.isZero else {
                let problem = JSONValue.object([("error", .text("`trace_id` is 32 hexadecimal digits, not all of them 0"))])
                return AdminResponse(status: 400, contentType: AdminResponse.json, body: problem.line)
            }
            traceID = parsed
        }
        guard let seen = await cluster.describe() else { return AdminResponse(status: 503, text: "503 stopped") }
        return AdminResponse(contentType: AdminResponse.json, body: json(seen, traceID).line)
    }

    /// The address of the node that owns a trace; nil before there is a ring.
    func owner(of traceID: TraceID) async -> String? { await cluster.describe().flatMap { Self.owner(of: traceID, $0) } }

    private static func owner(of traceID: TraceID, _ seen: ClusterDescription) -> String? {
        seen.ring.map { $0.members[$0.owner(of: traceID)].address }
    }

    private func json(_ seen: ClusterDescription, _ traceID: TraceID?) -> JSONValue {
        let ring = seen.description
        var members: [(String, JSONValue)] = [
            ("self", .text(cluster.shared.plan.address)), ("state", .text("\(seen.lifecycle)")), ("ready", .bool(seen.isReady)),
            ("ring_version", Self.hex(seen.ring?.version)), ("ring_epoch", .integer(Int(clamping: seen.ringEpoch))),
            ("phase", .text("\(ring.phase)")), ("agreed", .bool(seen.isAgreed)), ("imbalance", .number(ring.imbalance)),
            ("policy_hash", Self.hex(seen.policyHash)),
            ("members", .list(ring.members.map { Self.json($0, seen) })),
            ("limits", .list(seen.limits.map { Self.json($0) })),
        ]
        if let traceID {
            members.append(
                (
                    "trace",
                    .object([("trace_id", .text("\(traceID)")), ("owner", .text(Self.owner(of: traceID, seen)))])
                ))
        }
        return .object(members)
    }

    private static func json(_ member: RingDescription.Member, _ seen: ClusterDescription) -> JSONValue {
        .object([
            ("address", .text(member.address)), ("self", .bool(member.isSelf)),
            ("in_ring", .bool(seen.ring?.contains(member.address) ?? false)), ("weight", .integer(Int(member.weight))),
            ("share", .number(member.share)),
            ("state", .text(member.isSelf ? "\(seen.lifecycle)" : member.state?.rawValue ?? "unknown")),
            ("ring_version", hex(member.ringVersion)), ("policy_hash", hex(member.policyHash)),
            ("policies_differ", .bool(seen.differs(member))),
            ("silent_seconds", member.silence.map { .number(Double($0 / 1_000_000) / 1000) } ?? .null),
        ])
    }

    private static func json(_ limit: ClusterDescription.Limit) -> JSONValue {
        func rate(_ value: Double) -> JSONValue { .number((value * 10).rounded() / 10) }
        return .object([
            ("policy", .text(limit.path)), ("shadow", .bool(limit.role == .shadow)), ("goal_per_second", rate(limit.goal)),
            ("share", .number((limit.figures.share * 10_000).rounded() / 10_000)),
            ("offered_per_second", rate(limit.figures.demand)), ("passed_per_second", rate(limit.figures.passed)),
            ("nodes", .integer(limit.figures.nodes)),
            ("cluster_offered_per_second", rate(limit.figures.totalDemand)),
            ("cluster_passed_per_second", rate(limit.figures.totalPassed)),
        ])
    }

    private static func hex(_ value: UInt64?) -> JSONValue {
        guard let value, value != 0 else { return .null }
        let text = String(value, radix: 16)
        return .text(String(repeating: "0", count: 16 - text.count) + text)
    }
}

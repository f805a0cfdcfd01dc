internal import ConfigTree
internal import Foundation
internal import NIOCore
internal import OTLP
internal import Sampling
internal import Telemetry
internal import Transport

/// The pages about policies: what is in force, why a trace was kept, what a shadow set would do, recordings, and reloads.
struct PolicyPages: Sendable {
    let workers: [WorkerHandle]
    let plan: NodePlan
    let directory: PolicyDirectory
    let reloader: Reloader
    let recorder: Recorder
    let scrape: Scrape
    let memory: NodePlanner.PolicyMemory
    var cluster: ClusterPages?

    /// What a page is for, for the index.
    static let index = [
        "/v1/policies     the policies in force and what they said, as JSON",
        "/v1/traces/ID    why a trace was kept or not, as JSON",
        "/v1/shadow       what the shadow policies would have done, as JSON",
        "/v1/record       a sample of whole traces, kept or not, as OTLP JSON lines (?seconds=10&max_bytes=16777216)",
        "/-/reload        POST: read the configuration again (?cluster=true: on all nodes)",
    ]

    private static let tracePrefix = "/v1/traces/"

    /// Nil if the path is none of these pages'.
    func answer(_ request: AdminRequest) async -> AdminResponse? {
        if request.path == "/-/reload" {
            return request.method == "POST" ? await reload(request) : Self.notAllowed("POST")
        }
        let isTrace = request.path.hasPrefix(Self.tracePrefix)
        guard isTrace || ["/v1/policies", "/v1/shadow", "/v1/record"].contains(request.path) else { return nil }
        let allowsHead = request.path != "/v1/record"
        guard request.method == "GET" || (allowsHead && request.method == "HEAD") else {
            return Self.notAllowed(allowsHead ? "GET, HEAD" : "GET")
        }
        switch request.path {
        case "/v1/policies": return AdminResponse(contentType: AdminResponse.json, body: await policies().line)
        case "/v1/shadow": return AdminResponse(contentType: AdminResponse.json, body: await shadow().line)
        case "/v1/record": return recorder.answer(request)
        default: return await trace(String(request.path.dropFirst(Self.tracePrefix.count)))
        }
    }

    private static func notAllowed(_ allow: String) -> AdminResponse {
        AdminResponse(status: 405, text: "405 method not allowed", allow: allow)
    }

    private static func problem(_ status: Int, _ text: String) -> AdminResponse {
        AdminResponse(
            status: status, contentType: AdminResponse.json, body: JSONValue.object([("error", .text(text))]).line)
    }

    // MARK: reload

    private func reload(_ request: AdminRequest) async -> AdminResponse {
        let isForAll = request.query["cluster"] == "true"
        if isForAll, cluster == nil { return Self.problem(409, "this node is alone: `extensions.cluster` is not in use") }
        let own = Self.answer(await reloader.reload("POST /-/reload"), request)
        guard isForAll, let cluster else { return own }
        let peers = await cluster.cluster.reloadPeers()
        let body = JSONValue.object([
            ("node", .written(own.body.filter { $0 != UInt8(ascii: "\n") })),
            (
                "peers",
                .list(
                    peers.map { peer, outcome in
                        .object([
                            ("address", .text(peer)), ("result", .text(outcome.isGood ? "ok" : "failed")),
                            ("says", .text(outcome.text)),
                        ])
                    })
            ),
        ])
        let isGood = peers.allSatisfy { $0.outcome.isGood }
        return AdminResponse(
            status: own.status == 200 && !isGood ? 502 : own.status, contentType: AdminResponse.json, body: body.line)
    }

    /// What a peer that asked for a reload is told.
    func reloadForPeer() async -> PeerReload {
        let answer = Self.answer(await reloader.reload("a peer"), AdminRequest(path: "/-/reload"))
        return PeerReload(isGood: answer.status == 200, text: String(decoding: answer.body.dropLast(), as: UTF8.self))
    }

    private static func answer(_ outcome: ReloadOutcome, _ request: AdminRequest) -> AdminResponse {
        switch outcome {
        case .installed(let version, let hash, let keys): return Self.done("reloaded", version, hash, keys)
        case .unchanged(let version, let hash, let keys): return Self.done("unchanged", version, hash, keys)
        case .refused(let problems, let text):
            if request.accept?.contains("text/plain") == true {
                return AdminResponse(status: 422, body: Array(text.utf8))
            }
            let list = problems.map { problem in
                JSONValue.object([
                    ("severity", .text(problem.severity == .error ? "error" : "warning")),
                    ("file", .text(problem.position.file)), ("line", .integer(problem.position.line)),
                    ("column", .integer(problem.position.column)), ("key", .text(problem.keyPath)),
                    ("message", .text(problem.message)),
                ])
            }
            let body = JSONValue.object([("result", .text("failed")), ("problems", .list(list)), ("text", .text(text))])
            return AdminResponse(status: 422, contentType: AdminResponse.json, body: body.line)
        case .notNow(let reason): return Self.problem(503, reason + "; try again")
        case .noFile: return Self.problem(409, "the node runs on its built-in configuration, which has no file to read again")
        }
    }

    private static func done(_ result: String, _ version: Int, _ hash: String, _ needsRestart: [String]) -> AdminResponse {
        let body = JSONValue.object([
            ("result", .text(result)), ("version", .integer(version)), ("hash", .text(hash)),
            ("needs_restart", .list(needsRestart.map { .text($0) })),
        ])
        return AdminResponse(contentType: AdminResponse.json, body: body.line)
    }

    // MARK: policies

    private func policies() async -> JSONValue {
        let traces = await VersionsInUse.numbers(workers)
        let figures = await scrape.snapshot().metrics
        let state = directory.now
        let current = UInt16(truncatingIfNeeded: state.current.version)
        let set = state.inForce.version.policies
        let book = state.inForce.book
        let numbers = state.inForce.version.policyNumbers
        let remembered = memory.live.all
        let now = Int64(NIODeadline.now().uptimeNanoseconds)
        let rows = set.policies.indices.map { position -> JSONValue in
            let metrics = book.policies[Int(numbers[position])]
            var members: [(String, JSONValue)] = [("name", .text(set.policies[position].name))]
            if position < set.nodes.count { members.append(("policy", Self.json(set.nodes[position]))) }
            members.append((
                "traces",
                .object([
                    ("sampled", .integer(figures.value(of: metrics.traces.sampled))),
                    ("not_sampled", .integer(figures.value(of: metrics.traces.notSampled))),
                    ("dropped", .integer(figures.value(of: metrics.traces.dropped))),
                ])
            ))
            members.append(("sampled_spans", .integer(figures.value(of: metrics.spans.sampled))))
            members.append(("sampled_bytes", .integer(figures.value(of: metrics.bytes.sampled))))
            members.append(("evaluations", .integer(figures.value(of: metrics.executions))))
            members.append(("microseconds", .integer(figures.value(of: metrics.executionTime))))
            members.append(("condition_errors", .integer(figures.value(of: metrics.conditionErrors))))
            let name = set.policies[position].name
            let states = remembered.filter { $0.path == name || $0.path.hasPrefix(name + "/") }
            if !states.isEmpty {
                members.append(("state", .list(states.map { Self.json($0.state, path: $0.path, now: now) })))
            }
            return .object(members)
        }
        let older = traces.keys.filter { $0 != current && (traces[$0] ?? 0) > 0 }.sorted().map { number -> JSONValue in
            let entry = directory.entry(number)
            return .object([
                ("version", .integer(entry?.version ?? Int(number))), ("hash", .text(entry?.hash)),
                ("since", .text(entry.map { Self.time($0.since) })), ("undecided_traces", .integer(traces[number])),
            ])
        }
        return .object([
            ("version", .integer(state.current.version)), ("hash", .text(state.current.hash)),
            ("since", .text(Self.time(state.current.since))), ("source", .text(state.source)),
            ("undecided_traces", .integer(traces[current] ?? 0)), ("settings", Self.json(state.inForce)),
            ("policies", .list(rows)),
            ("shadow_policies", .list((state.inForce.version.shadow?.nodes ?? []).map { Self.json($0) })),
            ("older_versions", .list(older)),
            (
                "reloads",
                .object([
                    ("ok", .integer(state.reloadsOK)), ("failed", .integer(state.reloadsFailed)),
                    ("last_problems", .text(state.lastProblems)),
                    ("needs_restart", .list(state.needsRestart.map { .text($0) })),
                ])
            ),
        ])
    }

    /// What a policy remembers between traces.
    private static func json(_ state: any PolicyState, path: String, now: Int64) -> JSONValue {
        let figures = state.figures(now: now)
        var members: [(String, JSONValue)] = [
            ("path", .text(path)), ("consumed", .integer(Int(clamping: state.consumed))),
        ]
        if let tokens = figures.tokens { members.append(("tokens", .number(rounded(tokens)))) }
        if let capacity = figures.capacity { members.append(("capacity", .number(rounded(capacity)))) }
        let shared = state.shared
        if !shared.isEmpty {
            members.append((
                "cluster",
                .list(
                    shared.map { part, limiter in
                        .object([
                            ("part", .text(part)), ("goal_per_second", .number(limiter.goal)),
                            ("share", .number(rounded(limiter.share))),
                            ("offered", .integer(Int(clamping: limiter.meter.offered))),
                            ("consumed", .integer(Int(clamping: limiter.meter.consumed))),
                        ])
                    })
            ))
        }
        if let count = figures.keyCount {
            members.append(("key_count", .integer(count)))
            members.append((
                "most_frequent_keys",
                .list(
                    figures.keys.map { key in
                        .object([
                            ("key", .text(key.text)), ("spans_per_second", .number(rounded(key.spansPerSecond))),
                            ("kept_percent", .number(rounded(key.share * 100))),
                        ])
                    })
            ))
        }
        return .object(members)
    }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

    private static func json(_ inForce: PolicyInForce) -> JSONValue {
        .object([
            ("decision_wait", .text(GoTime.duration(nanoseconds: inForce.tuning.decisionWait))),
            (
                "decision_wait_after_root_received",
                .text(GoTime.duration(nanoseconds: inForce.tuning.decisionWaitAfterRootReceived))
            ),
            ("maximum_trace_size_bytes", .integer(inForce.tuning.maximumTraceBytes)),
            ("sample_on_first_match", .bool(inForce.version.policies.stopsAtFirstMatch)),
            ("record_policy", .bool(inForce.recordsPolicy)),
        ])
    }

    private static func time(_ date: Date) -> String {
        GoTime.timestamp(nanosecondsSince1970: Int64(date.timeIntervalSince1970 * 1000) * 1_000_000)
    }

    /// A tree as it was written.
    private static func json(_ node: ConfigNode) -> JSONValue {
        switch node.value {
        case .null: .null
        case .list(let items): .list(items.map { json($0) })
        case .map(let entries): .object(entries.map { ($0.key, json($0.value)) })
        case .scalar(let scalar):
            switch scalar.meaning {
            case .boolean(let value): .bool(value)
            case .integer(let value): .integer(value)
            case .number(let value): .number(value)
            case .null: .null
            case .text: .text(scalar.text)
            }
        }
    }

    // MARK: shadow

    private func shadow() async -> JSONValue {
        var counts: [String: Int] = [:]
        var differences: [ShadowComparison.Difference] = []
        for worker in workers {
            guard let comparison = try? await worker.run({ $0.server.worker.shadowComparison }) else { continue }
            for live in Verdict.allCases {
                for other in Verdict.allCases {
                    counts["\(live.label)/\(other.label)", default: 0] += comparison.traces(live: live, shadow: other)
                }
            }
            differences += comparison.differences
        }
        let set = directory.now.inForce.version.shadow
        let offset = Self.wallOffset
        let sample = differences.sorted { $0.decidedAt > $1.decidedAt }.prefix(100).map { difference -> JSONValue in
            .object([
                ("trace_id", .text("\(difference.traceID)")), ("live", .text(difference.live.label)),
                ("live_policy", .text(difference.livePolicy)), ("shadow", .text(difference.shadow.label)),
                ("shadow_policy", .text(difference.shadowPolicy)),
                ("decided_at", .text(GoTime.timestamp(nanosecondsSince1970: difference.decidedAt + offset))),
            ])
        }
        let pairs = Verdict.allCases.flatMap { live in
            Verdict.allCases.map { other -> JSONValue in
                .object([
                    ("live", .text(live.label)), ("shadow", .text(other.label)),
                    ("traces", .integer(counts["\(live.label)/\(other.label)"] ?? 0)),
                ])
            }
        }
        return .object([
            ("active", .bool(set != nil)), ("hash", .text(set?.contentHash)), ("traces", .list(pairs)),
            ("differing_traces", .list(Array(sample))),
        ])
    }

    /// From monotonic nanoseconds to nanoseconds since 1970.
    private static var wallOffset: Int64 {
        Int64(Date().timeIntervalSince1970 * 1e6) * 1000 - Int64(NIODeadline.now().uptimeNanoseconds)
    }

    // MARK: traces

    private func trace(_ text: String) async -> AdminResponse {
        guard let traceID = TraceID(hex: text) else {
            return Self.problem(400, "a trace id is 32 hex digits")
        }
        let node = await cluster?.owner(of: traceID)
        let owner = Int(Shard.number(of: plan.hashKeys.hash(traceID), among: UInt64(workers.count)))
        let found = try? await workers[owner].run { parts -> (TraceExplanation, String?)? in
            let worker = parts.server.worker
            return worker.explain(traceID).map { ($0, $0.decidedBy.flatMap { worker.policyName($0) }) }
        }
        guard let (explanation, decidedBy) = found ?? nil else {
            var members: [(String, JSONValue)] = [("trace_id", .text("\(traceID)")), ("state", .text("unknown"))]
            if let node { members.append(("owner", .text(node))) }
            let body = JSONValue.object(members)
            return AdminResponse(status: 404, contentType: AdminResponse.json, body: body.line)
        }
        return AdminResponse(contentType: AdminResponse.json, body: json(explanation, decidedBy, node).line)
    }

    private func json(_ trace: TraceExplanation, _ decidedBy: String?, _ node: String?) -> JSONValue {
        let offset = Self.wallOffset
        func time(_ moment: Int64?) -> JSONValue {
            .text(moment.map { GoTime.timestamp(nanosecondsSince1970: ($0 + offset) / 1_000_000 * 1_000_000) })
        }
        var state = "undecided"
        var isSampled = false
        if case .decided(let verdict) = trace.state {
            state = verdict.label
            isSampled = verdict == .sampled
        }
        let entry = trace.versionNumber.flatMap { directory.entry($0) }
        var members: [(String, JSONValue)] = [
            ("trace_id", .text("\(trace.traceID)")), ("state", .text(state)), ("first_seen", time(trace.firstSeen)),
            ("last_seen", time(trace.lastSeen)), ("decided_at", time(trace.decidedAt)),
            ("deadline", time(trace.deadline)), ("spans", .integer(trace.spans)), ("bytes", .integer(trace.bytes)),
            ("duration_ms", .integer(trace.extentMilliseconds.map { Int($0) })),
            ("root_seen", trace.hasRoot.map { .bool($0) } ?? .null),
            ("policy_version", .integer(entry?.version ?? trace.versionNumber.map { Int($0) })),
            ("policy_hash", .text(entry?.hash ?? trace.version?.policies.contentHash)),
            ("decided_by", .text(decidedBy)),
            ("policies", .list(trace.policies.map(Self.json))), ("late_spans", .integer(trace.lateSpans)),
            ("destinations", .list(isSampled ? plan.destinationNames.map { .text($0) } : [])),
        ]
        if let node { members.append(("owner", .text(node))) }
        if trace.isTooLarge { members.append(("too_large", .bool(true))) }
        if trace.isEarly { members.append(("decided_early", .bool(true))) }
        if trace.spans == nil { members.append(("note", .text("only the decision is still remembered"))) }
        return .object(members)
    }

    private static func json(_ policy: TraceExplanation.Policy) -> JSONValue {
        let reasons = policy.because.map { reason -> JSONValue in
            var members: [(String, JSONValue)] = [
                ("condition", .text(reason.condition)), ("span_id", .text(reason.spanID.map { "\($0)" })),
            ]
            if let service = reason.service { members.append(("service", .text(service))) }
            if let value = reason.value { members.append(("value", .text(value))) }
            return .object(members)
        }
        let verdict = policy.isUnrecorded ? "not_recorded" : policy.verdict?.label ?? "not_asked"
        var members: [(String, JSONValue)] = [
            ("name", .text(policy.name)), ("verdict", .text(verdict)), ("because", .list(reasons)),
        ]
        if policy.isPartial { members.append(("more_conditions_may_have_held", .bool(true))) }
        return .object(members)
    }
}

extension Verdict {
    /// As metrics name it.
    var label: String {
        switch self {
        case .sampled: "sampled"
        case .notSampled: "not_sampled"
        case .dropped: "dropped"
        }
    }
}

extension PolicyVerdict {
    /// As metrics name it.
    fileprivate var label: String {
        switch self {
        case .sampled: "sampled"
        case .notSampled: "not_sampled"
        case .dropped: "dropped"
        case .failed: "error"
        }
    }
}

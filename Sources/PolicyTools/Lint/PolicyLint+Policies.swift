internal import ConfigTree

// The rules that look at one policy by itself.

extension PolicyLint {
    /// Names that attributes had before, and have in today's semantic conventions.
    static let renamed: [String: String] = [
        "http.status_code": "http.response.status_code", "http.method": "http.request.method",
        "http.url": "url.full", "http.target": "url.path", "http.scheme": "url.scheme",
        "http.user_agent": "user_agent.original", "http.client_ip": "client.address",
        "net.peer.name": "server.address", "net.peer.port": "server.port", "net.peer.ip": "network.peer.address",
        "net.host.name": "server.address", "db.statement": "db.query.text", "db.system": "db.system.name",
        "db.name": "db.namespace", "db.operation": "db.operation.name", "deployment.environment": "deployment.environment.name",
        "messaging.destination": "messaging.destination.name",
    ]

    /// Attributes with nearly as many values as there are traces.
    static let unbounded: Set<String> = [
        "url.full", "http.url", "http.target", "url.path", "url.query", "db.statement", "db.query.text", "user.id",
        "enduser.id", "session.id", "thread.id", "client.address", "http.client_ip", "trace_id", "request.id",
        "messaging.message.id", "exception.message", "service.instance.id",
    ]

    mutating func checkOne(_ policy: LintPolicy, isTop: Bool, within parent: LintPolicy?) {
        checkReach(policy, isTop: isTop, within: parent)
        checkNames(policy)
        switch policy.type {
        case "probabilistic": checkPercentage(policy, parent)
        case "rate_limiting": checkBudget(policy, "spans_per_second", limit: largeTraceSpans, unit: "spans")
        case "bytes_limiting": checkBudget(policy, "bytes_per_second", limit: largeTraceBytes, unit: "bytes")
        case "string_attribute": checkTexts(policy, isTop: isTop)
        case "numeric_attribute", "boolean_attribute": checkNumber(policy, isTop: isTop)
        case "latency": checkLatency(policy)
        case "composite": checkComposite(policy)
        case "ottl_condition":
            if policy.block.child("error_mode") == nil {
                add(.errorMode, .note, policy, "conditions that can't be evaluated count as false, and nothing says so")
            }
        case "and", "drop": checkCorrelation(policy)
        case "dynamic":
            for key in policy.texts("keys") where Self.unbounded.contains(key.text) {
                add(
                    .highCardinalityKey, .warning, key.position, "\(policy.keyPath).dynamic.keys",
                    "`\(key.text)` has nearly as many values as there are traces, so that every trace counts as a rare one")
            }
        default: break
        }
    }

    /// Policies that want everything or nothing by their settings.
    private mutating func checkReach(_ policy: LintPolicy, isTop: Bool, within parent: LintPolicy?) {
        if policy.type == "drop" {
            if policy.children.allSatisfy(\.keepsEverything) {
                add(.dropsEverything, .error, policy, "\(policy.shown) throws every trace away: \(emptiness(policy))")
            }
            return
        }
        if policy.keepsEverything && policy.type != "always_sample" {
            // In an `and` such a part is superfluous, at the top it decides everything.
            add(.keepsEverything, isTop ? .warning : .note, policy, "\(policy.shown) wants every trace: \(reason(policy))")
        } else if policy.keepsNothing {
            add(.keepsNothing, .warning, policy, "\(policy.shown) wants no trace: \(reasonForNothing(policy))")
        }
    }

    private func emptiness(_ policy: LintPolicy) -> String {
        policy.children.isEmpty ? "it has no sub-policies" : "its sub-policies want every trace"
    }

    private func reason(_ policy: LintPolicy) -> String {
        switch policy.type {
        case "latency": "no `threshold_ms` is set"
        case "probabilistic": "`sampling_percentage` is \(shown(policy.percentage))"
        case "span_count": "every trace has at least one span"
        case "string_attribute": "`invert_match` with no value to match"
        case "status_code": "all three codes are listed"
        case "and": policy.children.isEmpty ? "it has no sub-policies" : "all of its sub-policies do"
        case "any_of": "one of its sub-policies does"
        case "not": "its sub-policy wants none"
        default: "all of its rules keep 100 %"
        }
    }

    private func reasonForNothing(_ policy: LintPolicy) -> String {
        switch policy.type {
        case "probabilistic": "`sampling_percentage` is \(policy.block.child("sampling_percentage") == nil ? "not set" : shown(policy.percentage))"
        case "latency", "span_count", "numeric_attribute": "the lower bound lies above the upper one"
        case "string_attribute", "trace_state": "there is no value to match"
        case "rate_limiting", "bytes_limiting": "the rate is 0"
        case "composite":
            (policy.number("max_total_spans_per_second") ?? 0) <= 0
                ? "`max_total_spans_per_second` is 0" : "none of its sub-policies does"
        case "not": "its sub-policy wants all"
        case "and": "one of its sub-policies wants none"
        case "any_of": "none of its sub-policies does"
        default: "no rule keeps anything"
        }
    }

    private func shown(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }

    private mutating func checkNames(_ policy: LintPolicy) {
        guard ["string_attribute", "numeric_attribute", "boolean_attribute"].contains(policy.type),
            let key = policy.block.text(of: "key"), let new = Self.renamed[key]
        else { return }
        add(.oldAttribute, .note, policy, "`\(key)` is called `\(new)` in today's semantic conventions", key: "key")
    }

    private mutating func checkPercentage(_ policy: LintPolicy, _ parent: LintPolicy?) {
        let value = policy.percentage
        if value < 0 || value > 100 {
            add(.percentageRange, .warning, policy, "\(shown(value)) % works as \(value < 0 ? 0 : 100) %", key: "sampling_percentage")
        } else if value > 0 && value < 1 {
            add(
                .percentageFraction, .note, policy,
                "\(shown(value)) is a percentage: one trace in \(Int((100 / value).rounded()))", key: "sampling_percentage")
        }
    }

    private mutating func checkCorrelation(_ policy: LintPolicy) {
        var salts: [String: LintPolicy] = [:]
        for child in policy.children where child.type == "probabilistic" {
            let salt = child.block.text(of: "hash_salt") ?? ""
            if let other = salts[salt] {
                add(
                    .correlatedPercentages, .warning, child,
                    "\(child.shown) and \(other.shown) choose by the same hash: together they keep \(shown(min(child.percentage, other.percentage))) %, not the product")
            }
            salts[salt] = child
        }
    }

    private mutating func checkBudget(_ policy: LintPolicy, _ key: String, limit: Int, unit: String) {
        let rate = policy.rate(key)
        let written = policy.number("burst_capacity") ?? 0
        let capacity = written > 0 ? written : rate * 2
        if rate <= 0 && written > 0 {
            add(.budgetOnce, .warning, policy, "\(policy.shown) lets \(shown(written)) \(unit) pass once, and never again: the rate is 0")
            return
        }
        guard rate > 0 else { return }
        if capacity < Double(limit) {
            add(
                .budgetSmall, .warning, policy,
                "\(policy.shown) holds \(shown(capacity)) \(unit) at most, a large trace has \(limit) and more", key: key)
        }
        if written > rate * 60 {
            add(
                .burst, .note, policy,
                "after a pause \(shown(written)) \(unit) pass at once: what the rate allows in \(Int(written / rate)) seconds",
                key: "burst_capacity")
        }
    }

    private mutating func checkTexts(_ policy: LintPolicy, isTop: Bool) {
        let isRegex = policy.flag("enabled_regex_matching")
        for value in policy.texts("values") {
            let path = "\(policy.keyPath).string_attribute.values"
            if isRegex {
                if matchesEverything(value.text) {
                    add(.regexMatchesEverything, .warning, value.position, path, "`\(clipped(value.text))` matches every text")
                } else if !value.text.hasPrefix("^") && !value.text.hasSuffix("$") && !value.text.hasPrefix("(?") {
                    add(
                        .regexUnanchored, .note, value.position, path,
                        "`\(clipped(value.text))` is found anywhere in the text")
                }
            } else if looksLikePattern(value.text) {
                add(
                    .patternWithoutRegex, .warning, value.position, path,
                    "`\(clipped(value.text))` looks like a regular expression, but is compared as it stands")
            }
        }
        checkInversion(policy, isTop: isTop)
    }

    private func matchesEverything(_ pattern: String) -> Bool {
        var core = pattern[...]
        if core.hasPrefix("^") { core = core.dropFirst() }
        if core.hasSuffix("$") && !core.hasSuffix("\\$") { core = core.dropLast() }
        if core.hasPrefix("(") && core.hasSuffix(")") { core = core.dropFirst().dropLast() }
        if core.isEmpty { return !(pattern.hasPrefix("^") && pattern.hasSuffix("$")) }
        if [".*", ".*?", "[\\s\\S]*", "(.*)"].contains(String(core)) { return true }
        // Alternatives, one of which is empty.
        return core.contains("|") && core.split(separator: "|", omittingEmptySubsequences: false).contains("")
            && !core.contains("(") && !core.contains("[")
    }

    private func looksLikePattern(_ text: String) -> Bool {
        text.contains(".*") || text.contains(".+") || text.hasPrefix("^") || text.contains("\\d") || text.contains("[0-9]")
            || (text.hasSuffix("$") && text.count > 1) || (text.contains("(") && text.contains("|"))
    }

    private mutating func checkInversion(_ policy: LintPolicy, isTop: Bool) {
        guard policy.isInverted else { return }
        if isTop {
            add(
                .invertNoVeto, .warning, policy,
                "\(policy.shown) keeps every trace that does not match; it does not keep matching ones out of other policies",
                key: "invert_match")
        } else if policy.block.child("match") == nil {
            add(
                .invertAnySpan, .note, policy,
                "one span or resource that matches is enough for \(policy.shown) to say no", key: "invert_match")
        }
    }

    private mutating func checkNumber(_ policy: LintPolicy, isTop: Bool) {
        if policy.type == "numeric_attribute" {
            for key in ["min_value", "max_value"] {
                guard let node = policy.block.child(key), case .scalar(let scalar) = node.value,
                    scalar.meaning == .integer(0)
                else { continue }
                add(.numericZero, .warning, policy, "`\(key): 0` is no bound", key: key)
            }
        }
        checkInversion(policy, isTop: isTop)
    }

    private mutating func checkLatency(_ policy: LintPolicy) {
        let threshold = policy.number("threshold_ms") ?? 0
        let upper = policy.number("upper_threshold_ms") ?? 0
        if upper > 0 && threshold < upper && threshold > 0 {
            add(
                .latencyWindow, .note, policy,
                "a trace of exactly \(shown(threshold)) ms does not match, since there is an upper threshold",
                key: "threshold_ms")
        }
        let wait = Double(source.settings.decisionWait) / 1e6
        if threshold >= wait {
            add(
                .latencyBeyondWait, .warning, policy,
                "a trace is decided \(GoDuration.describe(source.settings.decisionWait)) after its first span (`decision_wait`); one of \(shown(threshold)) ms is not complete then",
                key: "threshold_ms")
        }
    }

    private mutating func checkComposite(_ policy: LintPolicy) {
        let children = policy.children
        let total = policy.number("max_total_spans_per_second") ?? 0
        let allocations = policy.block.child("rate_allocation")?.items ?? []
        let names = children.map(\.name)
        var sum = 0.0
        for allocation in allocations {
            let name = allocation.text(of: "policy") ?? ""
            sum += max(0, allocation.child("percent")?.number ?? 0)
            if !names.contains(name) {
                let hint = nearestName(to: name, among: names).map { "; did you mean `\($0)`?" } ?? ""
                add(
                    .compositeUnknown, .error, allocation.position, "\(policy.keyPath).composite.rate_allocation",
                    "no sub-policy is called `\(clipped(name))`\(hint)")
            }
        }
        if sum > 100 {
            add(.compositeSum, .warning, policy, "the shares of \(policy.shown) add up to \(shown(sum)) %", key: "rate_allocation")
        }
        for (position, child) in children.enumerated() {
            let percent = allocations.first { $0.text(of: "policy") == child.name }?.child("percent")?.number
            if percent == nil {
                add(.compositeUnallocated, .warning, child, "\(child.shown) has no entry in `rate_allocation`; it gets an equal share here, and nothing in the Collector")
            }
            let share = percent.map { $0 > 0 ? total * $0 / 100 : total / Double(children.count) } ?? total / Double(children.count)
            if total > 0 && share < Double(largeTraceSpans) {
                add(.budgetSmall, .warning, child, "\(child.shown) may keep \(shown(share.rounded(.down))) spans a second, a large trace has \(largeTraceSpans) and more")
            }
            if child.keepsEverything && position < children.count - 1 {
                add(.compositeBlocked, .warning, child, "\(child.shown) wants every trace, so the sub-policies behind it are never asked")
            }
        }
        let order = policy.texts("policy_order").map(\.text)
        if !order.isEmpty && order != names.filter({ order.contains($0) }) {
            add(.compositeOrder, .warning, policy, "`policy_order` is ignored: the order is \(names.joined(separator: ", "))", key: "policy_order")
        }
    }
}

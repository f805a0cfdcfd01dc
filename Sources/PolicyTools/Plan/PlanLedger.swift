internal import OTLP
internal import Sampling

/// The books of a plan: every span under its trace and service, every trace under its two decisions.
struct PlanLedger {
    private static let momentLimit = 240
    private static let operationLimit = 5_000

    private var accounts = TraceAccounts()
    private var services = PlanNames(limit: 5_000)
    private var operations = PlanNames(limit: 20_000)
    private var serviceRows: [PlanReport.Group] = []
    private var operationRows: [UInt64: PlanReport.Group] = [:]
    private var groupServices: [Int32] = []
    private var sums: PlanReport
    private let exampleLimit: Int
    private var newlyKeptSeen = 0
    private var newlyDroppedSeen = 0
    private var random: UInt64 = 0x2545_f491_4f6c_dd1d

    init(_ current: PlanReplay.Input, _ candidate: PlanReplay.Input, examples: Int) {
        exampleLimit = examples
        sums = PlanReport(current: Self.side(current), candidate: Self.side(candidate))
    }

    private static func side(_ input: PlanReplay.Input) -> PlanReport.Side {
        PlanReport.Side(
            label: input.label, decisionWait: input.settings.decisionWait,
            policies: input.policies.policies.map {
                PlanReport.Policy(name: $0.name, type: type(of: $0.policy).typeName)
            })
    }

    // MARK: spans

    /// Enters the spans of a request.
    mutating func add(_ index: borrowing RequestIndex, _ body: Span<UInt8>, at time: Int64) {
        sums.requests += 1
        if sums.requests == 1 { sums.begin = time }
        sums.end = max(sums.end, time)
        nameGroups(index)
        var lastTrace = TraceID(high: 0, low: 0)
        var last = -1
        let records = index.records.span
        for position in records.indices {
            let record = records[position]
            let service = groupServices[Int(record.group)]
            sums.total.spans &+= 1
            sums.total.bytes &+= Int(record.length)
            let entry: Int
            if last >= 0 && record.traceID == lastTrace {
                entry = last
            } else if let found = accounts.find(record.traceID, hash: record.hash) {
                entry = found
            } else {
                entry = accounts.insert(TraceAccount(traceID: record.traceID, hash: record.hash, seen: time))
                sums.total.traces += 1
            }
            lastTrace = record.traceID
            last = entry
            if accounts[entry].isSettled {
                addLate(record, service, accounts[entry])
                continue
            }
            accounts.add(record, service: service, to: entry)
            addLateToOne(accounts[entry], Int(record.length))
            if accounts[entry].operation < 0 || (record.flags.contains(.isRoot) && !accounts[entry].hasRoot) {
                name(entry, record, service, body)
            }
        }
    }

    private mutating func nameGroups(_ index: borrowing RequestIndex) {
        groupServices.removeAll(keepingCapacity: true)
        let bytes = index.groupBytes.span
        for group in index.groups {
            let header = bytes.extracting(group.resourceRange)
            let number = services.number(group.resourceHash) {
                let name = SpanPeek.attribute(Array("service.name".utf8), ofResource: header, limit: 200)
                return name.map { String(decoding: $0, as: UTF8.self) } ?? "(no service.name)"
            }
            while serviceRows.count <= Int(number) {
                serviceRows.append(PlanReport.Group(name: services.texts[serviceRows.count]))
            }
            groupServices.append(number)
        }
    }

    private mutating func name(_ entry: Int, _ record: SpanRecord, _ service: Int32, _ body: Span<UInt8>) {
        let name = SpanPeek.text(tag: 0x2a, ofSpan: body.extracting(record.range), limit: 120) ?? []
        accounts[entry].operation = operations.number(hashBytes(name.span, key: ReplayEngine.keys)) {
            String(decoding: name, as: UTF8.self)
        }
        accounts[entry].service = service
        if record.flags.contains(.isRoot) { accounts[entry].hasRoot = true }
    }

    /// A span of a trace that was decided already follows the decision.
    private mutating func addLate(_ record: SpanRecord, _ service: Int32, _ account: TraceAccount) {
        let bytes = Int(record.length)
        serviceRows[Int(service)].total.add(traces: 0, spans: 1, bytes: bytes)
        if account.current == .sampled {
            serviceRows[Int(service)].current.add(traces: 0, spans: 1, bytes: bytes)
        }
        if account.candidate == .sampled {
            serviceRows[Int(service)].candidate.add(traces: 0, spans: 1, bytes: bytes)
        }
        Self.add(&sums.current, account.current, traces: 0, spans: 1, bytes: bytes)
        Self.add(&sums.candidate, account.candidate, traces: 0, spans: 1, bytes: bytes)
        settle(account, traces: 0, spans: 1, bytes: bytes)
    }

    /// With different waits, one set may have decided already.
    private mutating func addLateToOne(_ account: TraceAccount, _ bytes: Int) {
        if account.current != .pending { Self.add(&sums.current, account.current, traces: 0, spans: 1, bytes: bytes) }
        if account.candidate != .pending { Self.add(&sums.candidate, account.candidate, traces: 0, spans: 1, bytes: bytes) }
    }

    // MARK: decisions

    /// Enters a decision of one of the two sets.
    mutating func note(_ decided: DecidedTrace, _ verdicts: [PolicyVerdict?], ofCandidate: Bool) {
        guard let entry = accounts.find(decided.traceID, hash: ReplayEngine.keys.hash(decided.traceID)) else { return }
        let known = ofCandidate ? accounts[entry].candidate : accounts[entry].current
        guard known == .pending else { return }
        let fate: TraceFate =
            switch decided.decision.verdict {
            case .sampled: .sampled
            case .notSampled: .notSampled
            case .dropped: .dropped
            }
        if ofCandidate {
            accounts[entry].candidate = fate
            accounts[entry].candidatePolicy = decided.decision.policy ?? .max
            Self.count(decided, verdicts, fate, &sums.candidate)
        } else {
            accounts[entry].current = fate
            accounts[entry].currentPolicy = decided.decision.policy ?? .max
            Self.count(decided, verdicts, fate, &sums.current)
        }
        if accounts[entry].current != .pending && accounts[entry].candidate != .pending { close(entry) }
    }

    private static func count(
        _ decided: DecidedTrace, _ verdicts: [PolicyVerdict?], _ fate: TraceFate, _ side: inout PlanReport.Side
    ) {
        let (spans, bytes) = (decided.spanCount, decided.spanBytes)
        add(&side, fate, traces: 1, spans: spans, bytes: bytes)
        if let policy = decided.decision.policy, Int(policy) < side.policies.count {
            side.policies[Int(policy)].decided.add(spans: spans, bytes: bytes)
        }
        var wanting = 0
        var only = 0
        for position in verdicts.indices where position < side.policies.count {
            guard let verdict = verdicts[position], verdict == .sampled || verdict == .dropped else { continue }
            side.policies[position].matched.add(spans: spans, bytes: bytes)
            if verdict == .dropped { side.policies[position].drops = true }
            wanting += 1
            only = position
        }
        if wanting == 1 && fate == .sampled { side.policies[only].alone.add(spans: spans, bytes: bytes) }
    }

    private static func add(_ side: inout PlanReport.Side, _ fate: TraceFate, traces: Int, spans: Int, bytes: Int) {
        switch fate {
        case .sampled: side.kept.add(traces: traces, spans: spans, bytes: bytes)
        case .notSampled: side.notSampled.add(traces: traces, spans: spans, bytes: bytes)
        case .dropped: side.dropped.add(traces: traces, spans: spans, bytes: bytes)
        case .pending: break
        }
    }

    private mutating func settle(_ account: TraceAccount, traces: Int, spans: Int, bytes: Int) {
        switch (account.current == .sampled, account.candidate == .sampled) {
        case (true, true): sums.keptByBoth.add(traces: traces, spans: spans, bytes: bytes)
        case (false, true): sums.newlyKept.add(traces: traces, spans: spans, bytes: bytes)
        case (true, false): sums.newlyDropped.add(traces: traces, spans: spans, bytes: bytes)
        case (false, false): sums.keptByNeither.add(traces: traces, spans: spans, bytes: bytes)
        }
    }

    /// Both decisions are known.
    private mutating func close(_ entry: Int) {
        let account = accounts[entry]
        let isCurrent = account.current == .sampled
        let isCandidate = account.candidate == .sampled
        let (spans, bytes) = (Int(account.spans), Int(truncatingIfNeeded: account.bytes))
        settle(account, traces: 1, spans: spans, bytes: bytes)
        var share = account.shares
        while share != .max {
            let part = accounts.shares[Int(share)]
            let amount = (spans: Int(part.spans), bytes: Int(truncatingIfNeeded: part.bytes))
            let row = Int(part.service)
            serviceRows[row].total.add(spans: amount.spans, bytes: amount.bytes)
            if isCurrent { serviceRows[row].current.add(spans: amount.spans, bytes: amount.bytes) }
            if isCandidate { serviceRows[row].candidate.add(spans: amount.spans, bytes: amount.bytes) }
            share = part.next
        }
        addOperation(account, isCurrent, isCandidate, spans, bytes)
        addMoment(account, isCurrent, isCandidate, spans)
        if isCurrent != isCandidate { addExample(account, isKept: isCandidate) }
        accounts.settle(entry)
    }

    private mutating func addOperation(
        _ account: TraceAccount, _ isCurrent: Bool, _ isCandidate: Bool, _ spans: Int, _ bytes: Int
    ) {
        var key = UInt64(UInt32(bitPattern: account.service)) << 32 | UInt64(UInt32(bitPattern: account.operation))
        if operationRows[key] == nil {
            if operationRows.count >= Self.operationLimit { key = .max }
            let name = key == .max ? "(other)" : "\(text(services, account.service)) \(text(operations, account.operation))"
            if operationRows[key] == nil { operationRows[key] = PlanReport.Group(name: name) }
        }
        operationRows[key]?.total.add(spans: spans, bytes: bytes)
        if isCurrent { operationRows[key]?.current.add(spans: spans, bytes: bytes) }
        if isCandidate { operationRows[key]?.candidate.add(spans: spans, bytes: bytes) }
    }

    private func text(_ names: PlanNames, _ number: Int32) -> String {
        number >= 0 && Int(number) < names.texts.count ? names.texts[Int(number)] : "(unknown)"
    }

    /// Doubles the width of the moments when there would be too many.
    private mutating func addMoment(_ account: TraceAccount, _ isCurrent: Bool, _ isCandidate: Bool, _ spans: Int) {
        let time = Self.time(of: account)
        sums.end = max(sums.end, time)
        var moment = Int(max(0, time - sums.begin) / sums.momentWidth)
        while moment >= Self.momentLimit {
            var halved: [PlanReport.Moment] = []
            for pair in stride(from: 0, to: sums.moments.count, by: 2) {
                var sum = sums.moments[pair]
                if pair + 1 < sums.moments.count {
                    sum.total += sums.moments[pair + 1].total
                    sum.current += sums.moments[pair + 1].current
                    sum.candidate += sums.moments[pair + 1].candidate
                }
                halved.append(sum)
            }
            sums.moments = halved
            sums.momentWidth *= 2
            moment = Int(max(0, time - sums.begin) / sums.momentWidth)
        }
        while sums.moments.count <= moment { sums.moments.append(PlanReport.Moment()) }
        sums.moments[moment].total += spans
        if isCurrent { sums.moments[moment].current += spans }
        if isCandidate { sums.moments[moment].candidate += spans }
    }

    /// When a trace began: its earliest start, unless that is far from the requests around it, as a wrong clock's would be.
    private static func time(of account: TraceAccount) -> Int64 {
        let start = Int64(clamping: account.firstStart)
        return start > 0 && (start - account.seen).magnitude <= 60_000_000_000 ? start : account.seen
    }

    /// Every trace that changed has the same chance to be shown (Vitter's algorithm R), the same in every run.
    private mutating func addExample(_ account: TraceAccount, isKept: Bool) {
        guard exampleLimit > 0 else { return }
        let seen = isKept ? newlyKeptSeen : newlyDroppedSeen
        if isKept { newlyKeptSeen += 1 } else { newlyDroppedSeen += 1 }
        var place = seen
        if seen >= exampleLimit {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            place = Int(random % UInt64(seen + 1))
            guard place < exampleLimit else { return }
        }
        let example = makeExample(account, isKept: isKept)
        if isKept {
            if place < sums.keptExamples.count { sums.keptExamples[place] = example } else { sums.keptExamples.append(example) }
        } else if place < sums.droppedExamples.count {
            sums.droppedExamples[place] = example
        } else {
            sums.droppedExamples.append(example)
        }
    }

    private func makeExample(_ account: TraceAccount, isKept: Bool) -> PlanReport.Example {
        let extent = account.lastEnd > account.firstStart ? account.lastEnd - account.firstStart : 0
        // A trace that is dropped now: by the policy that vetoes it, or else it is the one that wanted it that is missed.
        var policy = ""
        let candidate = sums.candidate.policies
        let current = sums.current.policies
        if Int(account.candidatePolicy) < candidate.count {
            policy = candidate[Int(account.candidatePolicy)].name
        } else if !isKept, Int(account.currentPolicy) < current.count {
            policy = current[Int(account.currentPolicy)].name
        }
        return PlanReport.Example(
            traceID: account.traceID, service: text(services, account.service),
            operation: text(operations, account.operation), milliseconds: Double(extent) / 1e6,
            spans: Int(account.spans), hasError: account.hasError, policy: policy)
    }

    // MARK: report

    func report() -> PlanReport {
        var report = sums
        report.services = serviceRows.filter { $0.total.spans > 0 }.sorted { $0.total.spans > $1.total.spans }
        report.operations = operationRows.values.sorted {
            ($0.total.spans, $1.name) > ($1.total.spans, $0.name)
        }
        return report
    }
}

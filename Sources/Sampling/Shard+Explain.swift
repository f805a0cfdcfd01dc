internal import BasicContainers
package import OTLP

extension Shard {
    /// Remembers a decision and what it is based on, for explanations.
    mutating func remember(
        _ index: Int, _ place: Int, _ decision: Decision, _ cause: DecidedTrace.Cause, now: Int64, early: Bool
    ) {
        let summary = table[index]
        let version = versions[place].version
        var flags: DecisionRecord.Flags = []
        if summary.flags.contains(.hasRoot) { flags.insert(.hasRoot) }
        if cause == .tooLarge { flags.insert(.isTooLarge) }
        if early { flags.insert(.isEarly) }
        var record = DecisionRecord(
            traceID: summary.traceID, hash: summary.hash, firstSeen: moment(summary.firstSeenMilliseconds, now: now),
            lastSeen: moment(summary.lastSeenMilliseconds, now: now), decidedAt: now,
            extent: summary.extentMilliseconds, spanBytes: summary.spanBytes,
            spanCount: summary.spanCount, lateSpans: 0, predicates: summary.predicates, verdicts: [0, 0, 0, 0],
            evidenceStart: 0, evidenceLength: 0, version: summary.policyVersion,
            policy: version.number(ofPolicy: decision.policy).map { $0 &+ 1 } ?? 0,
            verdict: decision.verdict.rawValue, flags: flags)
        if cause != .tooLarge {
            for (position, verdict) in context.verdicts.enumerated() {
                if let verdict { record.set(verdict, ofPolicy: position) }
            }
        }
        var evidence: [UInt8] = []
        if context.verdicts.count > DecisionRecord.recordedPolicies && cause != .tooLarge {
            MoreVerdicts.append(context.verdicts[DecisionRecord.recordedPolicies...], to: &evidence)
            record.flags.insert(.hasMoreVerdicts)
        }
        if !summary.lastEvidence.isNone {
            if evidenceBudget.allows(isKept: decision.verdict != .notSampled, now: now) {
                for entry in self.evidence(of: summary, version.policies, limit: EvidenceNotes.maximumEntries) {
                    EvidenceNotes.append(entry, to: &evidence)
                }
            } else {
                record.flags.insert(.lacksEvidence)
            }
        }
        log?.append(record, evidence: evidence, version: version)
    }

    /// Which spans first set which predicate bits of a trace in the table, oldest first, `limit` at most.
    private func evidence(of summary: TraceSummary, _ policies: PolicySet, limit: Int) -> [EvidenceNotes.Entry] {
        var notes: [EvidenceNote] = []
        var location = summary.lastEvidence
        // The first notes matter most, and they are at the end of the chain. Each says something new.
        while !location.isNone && notes.count < PredicateCompiler.maximumPredicates {
            let note = segments.evidence(at: location)
            notes.append(note)
            location = note.previous
        }
        return notes.suffix(limit).reversed().map { note in
            let span = segments.span(at: note.span)
            let resource = segments.resource(at: note.span)
            var entry = EvidenceNotes.Entry(
                word: note.word, bits: note.bits, spanID: SpanPeek.spanID(span)?.value ?? 0,
                service: SpanPeek.attribute(Self.serviceName, ofResource: resource, limit: EvidenceNotes.maximumText) ?? [],
                values: [])
            for bit in 0..<64 where note.bits >> UInt64(bit) & 1 != 0 {
                if let text = policies.predicateSubject(bit: note.word * 64 + bit)?.text(span: span, resource: resource) {
                    entry.values.append((UInt8(bit), text))
                }
            }
            return entry
        }
    }

    private static let serviceName = Array("service.name".utf8)

    // MARK: questions

    /// Why the trace was kept or not, or what is known of it so far; nil: the shard does not know it.
    ///
    /// An undecided trace is shown to the policies as it is now; those that count are not charged for it. O(policies).
    package mutating func explain(_ traceID: TraceID, hash: UInt64, now: Int64) -> TraceExplanation? {
        if let entry = table.find(traceID, hash: hash), !table[entry].flags.contains(.isSettled) {
            return explainUndecided(entry, now: now)
        }
        if let record = log?.find(traceID, hash: hash) { return explain(record) }
        let second = second(now)
        if let (decision, age) = cached(traceID, hash, second) {
            var explanation = TraceExplanation(traceID, .decided(decision.verdict))
            explanation.decidedBy = decision.policy
            explanation.decidedAt = now - Int64(age) * 1_000_000_000
            return explanation
        }
        return nil
    }

    private mutating func cached(_ traceID: TraceID, _ hash: UInt64, _ second: UInt64) -> (Decision, Int)? {
        if let found = sampledCache?.find(traceID, hash: hash, second: second) { return found }
        return notSampledCache?.find(traceID, hash: hash, second: second)
    }

    private mutating func explainUndecided(_ entry: Int, now: Int64) -> TraceExplanation {
        let summary = table[entry]
        let place = place(ofNumber: summary.policyVersion)
        let version = versions[place].version
        var explanation = TraceExplanation(summary.traceID, .undecided)
        explanation.firstSeen = moment(summary.firstSeenMilliseconds, now: now)
        explanation.lastSeen = moment(summary.lastSeenMilliseconds, now: now)
        explanation.deadline = summary.deadline
        explanation.spans = Int(summary.spanCount)
        explanation.bytes = Int(summary.spanBytes)
        explanation.extentMilliseconds = summary.extentMilliseconds
        explanation.hasRoot = summary.flags.contains(.hasRoot)
        explanation.lateSpans = 0
        explanation.version = version
        explanation.versionNumber = version.number
        var preview = context
        preview.now = now
        preview.isPreview = true
        let sideWords = version.policies.sideLayout.count
        if sideWords > 0 { table.copySide(entry, sideWords, to: &preview.side) }
        var tally = PolicyTally(policies: version.policies.policies.count)
        let decision = version.policies.decide(summary, &preview, verdicts: &tally)
        explanation.decidedBy = version.number(ofPolicy: decision.policy)
        let evidence = evidence(of: summary, version.policies, limit: PredicateCompiler.maximumPredicates)
        var words = [summary.predicates]
        words += preview.side.prefix(version.policies.sideLayout.predicateWords)
        explanation.policies = Self.policies(version.policies, preview.verdicts, words, evidence)
        return explanation
    }

    private mutating func explain(_ record: DecisionRecord) -> TraceExplanation {
        let verdict = Verdict(rawValue: record.verdict) ?? .notSampled
        var explanation = TraceExplanation(record.traceID, .decided(verdict))
        explanation.firstSeen = record.firstSeen
        explanation.lastSeen = record.lastSeen
        explanation.decidedAt = record.decidedAt
        explanation.spans = Int(record.spanCount)
        explanation.bytes = Int(clamping: record.spanBytes)
        explanation.extentMilliseconds = record.extent
        explanation.hasRoot = record.flags.contains(.hasRoot)
        explanation.isTooLarge = record.flags.contains(.isTooLarge)
        explanation.isEarly = record.flags.contains(.isEarly)
        explanation.lateSpans = Int(record.lateSpans)
        explanation.versionNumber = record.version
        explanation.decidedBy = record.policy == 0 ? nil : record.policy - 1
        guard let version = log?.version(of: record) else { return explanation }
        explanation.version = version
        let bytes = log?.evidence(of: record)
        var notes = bytes?[...]
        var verdicts = version.policies.policies.indices.prefix(DecisionRecord.recordedPolicies).map { record.verdict(ofPolicy: $0) }
        if record.flags.contains(.hasMoreVerdicts) {
            let more = bytes.flatMap { MoreVerdicts.read($0) }
            verdicts += more?.verdicts ?? []
            notes = more.flatMap { bytes?[$0.next...] }
        }
        let evidence = notes.map { EvidenceNotes.read(Array($0)) } ?? []
        // Bits beyond the first 64 are known from the notes alone.
        var words = Array(repeating: UInt64(0), count: version.policies.sideLayout.predicateWords + 1)
        words[0] = record.predicates
        for entry in evidence where entry.word > 0 && entry.word < words.count { words[entry.word] |= entry.bits }
        explanation.policies = Self.policies(version.policies, verdicts, words, evidence)
        let isCut = notes == nil || record.flags.contains(.lacksEvidence) || evidence.count >= EvidenceNotes.maximumEntries
        for position in explanation.policies.indices {
            explanation.policies[position].isUnrecorded = position >= verdicts.count && !explanation.isTooLarge
            let looksBeyond = version.policies.predicates(ofPolicy: position).numbers.contains { $0 >= 64 }
            explanation.policies[position].isPartial = isCut && looksBeyond
        }
        return explanation
    }

    /// What each policy said and why. `words`: the trace's predicate bits as far as they are known.
    private static func policies(
        _ set: PolicySet, _ verdicts: [PolicyVerdict?], _ words: [UInt64], _ evidence: [EvidenceNotes.Entry]
    ) -> [TraceExplanation.Policy] {
        set.policies.indices.map { position in
            var reasons: [TraceExplanation.Reason] = []
            for bit in set.predicates(ofPolicy: position).numbers {
                let word = bit / 64
                guard word < words.count, words[word] >> UInt64(bit % 64) & 1 != 0 else { continue }
                let entry = evidence.first { $0.word == word && $0.bits >> UInt64(bit % 64) & 1 != 0 }
                let value = entry?.values.first { Int($0.bit) == bit % 64 }?.text
                reasons.append(
                    TraceExplanation.Reason(
                        condition: set.describePredicate(bit: bit), spanID: entry.map { SpanID($0.spanID) },
                        service: entry.flatMap { $0.service.isEmpty ? nil : String(decoding: $0.service, as: UTF8.self) },
                        value: value.map { String(decoding: $0, as: UTF8.self) }))
            }
            return TraceExplanation.Policy(
                name: set.policies[position].name, verdict: position < verdicts.count ? verdicts[position] : nil,
                because: reasons)
        }
    }
}

/// How many decisions of a second may have their spans looked at for explanations. Reading a span takes some hundred nanoseconds:
/// nothing in a quiet system, and bounded to a few milliseconds a second in a busy one.
struct EvidenceBudget {
    static let keptPerSecond = 10_000
    static let othersPerSecond = 2_000

    private var second: Int64 = -1
    private var kept = 0
    private var others = 0

    mutating func allows(isKept: Bool, now: Int64) -> Bool {
        let current = now >> 30
        if current != second {
            second = current
            kept = Self.keptPerSecond
            others = Self.othersPerSecond
        }
        if isKept {
            kept -= 1
            return kept >= 0
        }
        others -= 1
        return others >= 0
    }
}

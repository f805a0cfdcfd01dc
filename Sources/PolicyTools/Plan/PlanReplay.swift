package import OTLP
package import Sampling

/// Replays a recording through two sets of policies at once, each in a shard as production runs it, in the recording's own time.
///
/// A trace is decided `decision_wait` after its first span, as it would have been while the recording was made; rate limits and other
/// memories therefore see the rates of the recording. Memory: some 16 bytes for each span within `decision_wait` (spans themselves are
/// not held), and about 400 for each trace that is pending or was decided lately.
package struct PlanReplay: ~Copyable {
    /// One set of policies, and the settings it is to be run with.
    package struct Input {
        package var label: String
        package var policies: PolicySet
        package var settings: PolicySettings

        package init(label: String, policies: PolicySet, settings: PolicySettings) {
            self.label = label
            self.policies = policies
            self.settings = settings
        }
    }

    private let inputs: [Input]
    private let maximumBytes: Int
    private let isOneWalk: Bool
    private var current: ReplayEngine
    private var candidate: ReplayEngine
    private var isStarted = false
    private var clock = EventClock()
    private var ledger: PlanLedger
    private var early = 0

    /// - Parameters:
    ///   - candidate: reading goes quicker if its policies were made with `sharing` those of `current`.
    ///   - examples: how many traces of each kind the report names.
    ///   - maximumBytes: what each of the two shards may hold.
    package init(current: Input, candidate: Input, examples: Int = 5, maximumBytes: Int = 4 << 30) {
        inputs = [current, candidate]
        self.maximumBytes = maximumBytes
        isOneWalk = current.policies.isServed(byWalkFor: candidate.policies)
        self.current = ReplayEngine(current.policies, current.settings, start: 0, maximumBytes: 1 << 20)
        self.candidate = ReplayEngine(candidate.policies, candidate.settings, start: 0, maximumBytes: 1 << 20)
        ledger = PlanLedger(current, candidate, examples: examples)
    }

    /// Takes one request. What is no OTLP request is an error.
    package mutating func take(_ request: Span<UInt8>) throws(WalkError) {
        try walk(request)
        let first = earliestStart(current.index)
        let time = first.map { clock.advance(to: $0) } ?? clock.now ?? 0
        if !isStarted {
            try start(at: time)
            try walk(request)
        }
        advance(to: time)
        ledger.add(current.index, request, at: time)
        if current.isFull || candidate.isFull { decideEarly() }
        current.ingest(request) { ledger.note($0, $1, ofCandidate: false) }
        candidate.ingest(request) { ledger.note($0, $1, ofCandidate: true) }
    }

    /// One walk for both sets where they allow it.
    private mutating func walk(_ request: Span<UInt8>) throws(WalkError) {
        if isOneWalk {
            try current.walk(request, with: &candidate)
        } else {
            try current.walk(request)
            try candidate.walk(request)
        }
    }

    /// Decides what still waits, and sums up.
    package mutating func finish() -> PlanReport {
        // Both clocks go the same steps, so that traces that both hold are settled together.
        current.finish { ledger.note($0, $1, ofCandidate: false) }
        candidate.finish { ledger.note($0, $1, ofCandidate: true) }
        var report = ledger.report()
        if clock.doubted > 0 {
            report.remarks.append(
                "\(clock.doubted) requests bear times that are far ahead of their neighbors'; they were replayed with those")
        }
        if early > 0 {
            report.remarks.append(
                "\(early) times all pending traces were decided early, since the pending ones took more than \(maximumBytes >> 20) MiB; give --memory more, or a shorter decision_wait"
            )
        }
        return report
    }

    private mutating func start(at time: Int64) throws(WalkError) {
        isStarted = true
        current = ReplayEngine(
            inputs[0].policies, inputs[0].settings, start: time, maximumBytes: maximumBytes, keepsVerdicts: true)
        // What a first walk let pass need not be checked to the bottom again.
        candidate = ReplayEngine(
            inputs[1].policies, inputs[1].settings, start: time, maximumBytes: maximumBytes, checksNested: isOneWalk,
            keepsVerdicts: true)
    }

    private mutating func advance(to time: Int64) {
        current.advance(to: time) { ledger.note($0, $1, ofCandidate: false) }
        candidate.advance(to: time) { ledger.note($0, $1, ofCandidate: true) }
    }

    private mutating func decideEarly() {
        early += 1
        current.decideEarly { ledger.note($0, $1, ofCandidate: false) }
        candidate.decideEarly { ledger.note($0, $1, ofCandidate: true) }
    }

    private func earliestStart(_ index: borrowing RequestIndex) -> Int64? {
        var earliest = UInt64.max
        for record in index.records where record.startTimeUnixNano != 0 {
            earliest = min(earliest, record.startTimeUnixNano)
        }
        return earliest <= UInt64(Int64.max) ? Int64(earliest) : nil
    }
}

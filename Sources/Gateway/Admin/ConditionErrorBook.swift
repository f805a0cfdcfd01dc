internal import Logging
internal import OTTL
internal import Sampling
internal import Synchronization

/// Says what conditions with `error_mode: ignore` could not be evaluated: one log line for each condition and kind of error at
/// once, then one every ten minutes as long as there are more; and totals by policy, for metrics.
///
/// Asked about once a second and by scrapes. Bounded: `maximumKinds` conditions and kinds are told apart, `maximumPolicies` counted.
final class ConditionErrorBook: Sendable {
    static let maximumKinds = 1000
    static let maximumPolicies = 2000
    static let silence = Duration.seconds(600)

    private struct Kind: Hashable {
        var isShadow: Bool
        var policy: String
        var condition: String
        var reason: OTTLEvaluationError.Reason
    }

    private struct Said {
        var at: ContinuousClock.Instant
        /// Errors that no line has spoken of.
        var unsaid = 0
    }

    private struct State {
        var totals: [String: Int] = [:]
        var said: [Kind: Said] = [:]
    }

    private let memory: NodePlanner.PolicyMemory
    private let logger: Logger
    private let state = Mutex(State())

    init(_ memory: NodePlanner.PolicyMemory, _ logger: Logger) {
        self.memory = memory
        self.logger = logger
    }

    /// Errors of the live policies since the node started, by the name of the policy at the top.
    func totals(now: ContinuousClock.Instant = .now) -> [String: Int] {
        collect(now: now)
        return state.withLock { $0.totals }
    }

    /// Takes over what was counted since the last call, and logs it.
    func collect(now: ContinuousClock.Instant = .now) {
        let lines = state.withLock { state -> [Logger.Metadata] in
            var lines = note(memory.live.takeConditionErrors(), isShadow: false, &state, now)
            lines += note(memory.shadow.takeConditionErrors(), isShadow: true, &state, now)
            return lines
        }
        for line in lines { logger.warning("a condition could not be evaluated and counts as false", metadata: line) }
    }

    /// Collects once a second until the task is cancelled.
    func run() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil { collect() }
    }

    private func note(
        _ failures: [ConditionErrors.Failure], isShadow: Bool, _ state: inout State, _ now: ContinuousClock.Instant
    ) -> [Logger.Metadata] {
        var lines: [Logger.Metadata] = []
        for failure in failures {
            let isCounted = state.totals[failure.topLevelPolicy] != nil || state.totals.count < Self.maximumPolicies
            if !isShadow && isCounted { state.totals[failure.topLevelPolicy, default: 0] += failure.count }
            let kind = Kind(
                isShadow: isShadow, policy: failure.policy, condition: failure.condition, reason: failure.error.reason)
            guard state.said[kind] != nil || state.said.count < Self.maximumKinds else { continue }
            var said = state.said[kind] ?? Said(at: now - Self.silence)
            said.unsaid += failure.count
            if now - said.at >= Self.silence {
                lines.append([
                    isShadow ? "shadow_policy" : "policy": "\(failure.policy)", "condition": "\(failure.condition)",
                    "error": "\(failure.error)", "times": "\(said.unsaid)",
                ])
                said = Said(at: now)
            }
            state.said[kind] = said
        }
        return lines
    }
}

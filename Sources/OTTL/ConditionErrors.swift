internal import Synchronization

/// How often conditions under `error_mode: ignore` could not be evaluated, by condition and kind of error: what a log line and
/// a
/// metric are made from.
///
/// Shared by all workers, lock-free, of fixed size: a condition that fails on every span costs one atomic addition per span.
/// Found again when a configuration is reloaded, as what policies remember is (see `PolicyStates`).
package final class ConditionErrors: Sendable {
    /// One condition, one kind of error.
    package struct Failure: Sendable, Equatable {
        /// The policy's path from the top, by names.
        package var policy: String
        /// The name of the policy at the top.
        package var topLevelPolicy: String
        package var condition: String
        /// The first of its kind.
        package var error: OTTLEvaluationError
        package var count: Int
    }

    private final class Cell: Sendable {
        let count = Atomic<Int>(0)
        /// Kind of value and column of the first error, plus a bit that says that there was one.
        let first = Atomic<UInt64>(0)
    }

    /// The policy's path from the top, by names.
    package let policy: String
    /// The name of the policy at the top.
    package let topLevelPolicy: String
    private let conditions: [String]
    /// By condition, then by reason.
    private let cells: [Cell]

    /// Creates counters for the conditions of one policy.
    package init(policy: String, topLevelPolicy: String, conditions: [String]) {
        self.policy = policy
        self.topLevelPolicy = topLevelPolicy
        self.conditions = conditions
        cells = (0..<conditions.count * OTTLEvaluationError.Reason.allCases.count).map { _ in Cell() }
    }

    /// Counts an error of condition number `condition`.
    func add(_ condition: Int, _ error: OTTLEvaluationError) {
        let row = condition * OTTLEvaluationError.Reason.allCases.count + Int(error.reason.rawValue)
        guard row < cells.count else { return }
        let cell = cells[row]
        if cell.first.load(ordering: .relaxed) == 0 {
            let packed: UInt64 = 1 << 32 | UInt64(error.found.rawValue) << 16 | UInt64(error.column)
            _ = cell.first.compareExchange(expected: 0, desired: packed, ordering: .relaxed)
        }
        cell.count.wrappingAdd(1, ordering: .relaxed)
    }

    /// What was counted since the last call.
    package func take() -> [Failure] {
        var found: [Failure] = []
        let reasons = OTTLEvaluationError.Reason.allCases
        for (row, cell) in cells.enumerated() where cell.count.load(ordering: .relaxed) > 0 {
            let count = cell.count.exchange(0, ordering: .relaxed)
            let first = cell.first.load(ordering: .relaxed)
            let kind = OTTLKind(rawValue: UInt8(truncatingIfNeeded: first >> 16)) ?? .null
            found.append(
                Failure(
                    policy: policy, topLevelPolicy: topLevelPolicy, condition: conditions[row / reasons.count],
                    error: OTTLEvaluationError(
                        reasons[row % reasons.count], found: kind, column: UInt16(truncatingIfNeeded: first)),
                    count: count))
        }
        return found
    }
}

internal import Synchronization

/// What a policy remembers between traces: shared by all workers of a node, so that a configured rate is the node's rate.
package protocol PolicyState: AnyObject, Sendable {
    /// Spans (or bytes) that this state let pass since it was made.
    var consumed: UInt64 { get }

    /// This node's part of the configured rate, 0...1: for limits that hold for a whole cluster.
    func setShare(_ share: Double)

    /// What it remembers, for people. `now`: monotonic nanoseconds, as `DecisionContext.now`.
    func figures(now: Int64) -> PolicyFigures
}

extension PolicyState {
    package func figures(now: Int64) -> PolicyFigures { PolicyFigures() }
}

/// What a policy remembers, as figures.
package struct PolicyFigures: Sendable, Equatable {
    /// A kind of traces that a `dynamic` policy tells apart.
    package struct Key: Sendable, Equatable {
        /// Its parts; nil until a trace of it has come since it became one of the most frequent.
        package var text: String?
        /// Averaged, as they came.
        package var spansPerSecond: Double
        /// How many of its traces are kept, 0...1.
        package var share: Double
    }

    /// What a limiter has to give now, and at most; a limiter alone has both.
    package var tokens: Double?
    package var capacity: Double?
    /// The most frequent keys, the most frequent one first, `KeyNames.limit` at most.
    package var keys: [Key] = []
    /// All keys that are told apart; nil where there are none.
    package var keyCount: Int?

    package init() {}
}

/// Finds the states of policies again when a configuration is reloaded.
///
/// Outlives policy sets. A state is found by the policy's path from the top, its type and its settings, so a policy that is as it
/// was carries on with full or empty buckets, learned rates and all. States live as long as a policy set holds them; nothing is kept
/// for policies that are gone.
package final class PolicyStates: Sendable {
    private struct Held {
        weak var state: (any PolicyState)?
        let path: String
    }

    private struct HeldErrors {
        weak var errors: ConditionErrors?
    }

    private let held = Mutex<[String: Held]>([:])
    private let heldErrors = Mutex<[String: HeldErrors]>([:])

    package init() {}

    /// The state under these words, or a new one.
    func state<State: PolicyState>(path: String, type: String, settings: String, make: () -> State) -> State {
        let key = "\(path)\u{0}\(type)\u{0}\(settings)"
        return held.withLock { held in
            if let known = held[key]?.state as? State { return known }
            held = held.filter { $0.value.state != nil }
            let made = make()
            held[key] = Held(state: made, path: path)
            return made
        }
    }

    /// Where errors of a policy's conditions are counted: the object under these words, or a new one.
    func conditionErrors(policy: String, topLevelPolicy: String, conditions: [String]) -> ConditionErrors {
        let key = ([policy] + conditions).joined(separator: "\u{0}")
        return heldErrors.withLock { held in
            if let known = held[key]?.errors { return known }
            held = held.filter { $0.value.errors != nil }
            let made = ConditionErrors(policy: policy, topLevelPolicy: topLevelPolicy, conditions: conditions)
            held[key] = HeldErrors(errors: made)
            return made
        }
    }

    /// What conditions under `error_mode: ignore` could not be evaluated since the last call, in the order of policies' paths.
    package func takeConditionErrors() -> [ConditionErrors.Failure] {
        heldErrors.withLock { held in held.values.compactMap(\.errors) }
            .sorted { $0.policy < $1.policy }.flatMap { $0.take() }
    }

    /// Every state that some policy set holds, by the path of its policy: `budget`, or `outer/inner` for one inside another.
    package var all: [(path: String, state: any PolicyState)] {
        held.withLock { held in
            held.values.compactMap { entry in entry.state.map { (entry.path, $0) } }
        }.sorted { $0.path < $1.path }
    }
}

package import OTTL
internal import Synchronization

/// What a policy remembers between traces: shared by all workers of a node, so that a configured rate is the node's rate.
package protocol PolicyState: AnyObject, Sendable {
    /// Spans (or bytes) that this state let pass since it was made.
    var consumed: UInt64 { get }

    /// Its limiters whose rates the cluster shares (`scope: cluster`), and what each is of the policy: "" for all of it.
    var shared: [(part: String, limiter: any SharedLimiter)] { get }

    /// What it remembers, for people. `now`: monotonic nanoseconds, as `DecisionContext.now`.
    func figures(now: Int64) -> PolicyFigures
}

extension PolicyState {
    package func figures(now: Int64) -> PolicyFigures { PolicyFigures() }
    package var shared: [(part: String, limiter: any SharedLimiter)] { [] }
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

/// Which of a node's policies they are. The raw value tells equal limits of both apart (`ClusterLimit.key`): the same on all nodes.
package enum PolicyRole: String, Sendable {
    /// Those that decide.
    case inForce = ""
    /// Those that are asked beside them, for their counters alone.
    case shadow
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
        /// `Table.sequence` when a policy set last asked for it.
        var sequence: UInt64
    }

    private struct HeldErrors {
        weak var errors: ConditionErrors?
    }

    private struct Table {
        var held: [String: Held] = [:]
        /// Counts up with every state that a policy set asks for.
        var sequence: UInt64 = 0
        /// With which a new limiter of the cluster begins.
        var firstShare = 1.0
    }

    private let table = Mutex(Table())
    private let heldErrors = Mutex<[String: HeldErrors]>([:])

    private let role: PolicyRole

    /// - Parameter role: of the policies whose states these are.
    package init(_ role: PolicyRole = .inForce) { self.role = role }

    /// The state under these words, or a new one.
    func state<State: PolicyState>(path: String, type: String, settings: String, make: () -> State) -> State {
        let key = "\(path)\u{0}\(type)\u{0}\(settings)"
        return table.withLock { table in
            table.sequence += 1
            if let known = table.held[key]?.state as? State {
                table.held[key]?.sequence = table.sequence
                return known
            }
            table.held = table.held.filter { $0.value.state != nil }
            let made = make()
            for (_, limiter) in made.shared { limiter.setShare(table.firstShare, now: nil) }
            table.held[key] = Held(state: made, path: path, sequence: table.sequence)
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
        table.withLock { table in
            table.held.values.compactMap { entry in entry.state.map { (entry.path, $0) } }
        }.sorted { $0.path < $1.path }
    }

    /// Every limiter in use whose rate the cluster shares: those of the newest policy set first, in the order of their policies.
    package var clusterLimits: [ClusterLimit] {
        let entries = table.withLock { table in
            table.held.compactMap { key, entry in entry.state.map { (key: key, entry: entry, state: $0) } }
        }
        var limits: [ClusterLimit] = []
        for (key, entry, state) in entries {
            for (part, limiter) in state.shared {
                limits.append(
                    ClusterLimit(
                        role: role, key: ClusterLimit.key(role, key, part: part),
                        path: part.isEmpty ? entry.path : "\(entry.path)/\(part)",
                        limiter: limiter, sequence: entry.sequence))
            }
        }
        return limits.sorted { ($1.sequence, $0.path) < ($0.sequence, $1.path) }
    }

    /// The share with which limiters begin that are made from now on: an even one, until it is known what is asked of them.
    package func setFirstShare(_ share: Double) { table.withLock { $0.firstShare = share } }
}

internal import Synchronization

/// What a policy remembers between traces: shared by all workers of a node, so that a configured rate is the node's rate.
package protocol PolicyState: AnyObject, Sendable {
    /// Spans (or bytes) that this state let pass since it was made.
    var consumed: UInt64 { get }

    /// This node's part of the configured rate, 0...1: for limits that hold for a whole cluster.
    func setShare(_ share: Double)
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

    private let held = Mutex<[String: Held]>([:])

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

    /// Every state that some policy set holds, by the path of its policy: `budget`, or `outer/inner` for one inside another.
    package var all: [(path: String, state: any PolicyState)] {
        held.withLock { held in
            held.values.compactMap { entry in entry.state.map { (entry.path, $0) } }
        }.sorted { $0.path < $1.path }
    }
}

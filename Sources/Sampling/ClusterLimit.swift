internal import OTLP

/// What has the rate of a limiting policy: the key `scope`.
package enum LimitScope: String, Sendable, CaseIterable {
    /// Every node lets so much through.
    case node
    /// All nodes of the cluster together let so much through: each has a share, which follows demand.
    case cluster
}

/// A rate that the nodes of a cluster share. Used by all workers and by whoever sets the share, at any time.
package protocol SharedLimiter: AnyObject, Sendable {
    /// Units (spans or bytes) per second that all nodes together are to let through. Above 0.
    var goal: Double { get }
    /// What was asked for and what passed since the limiter was made.
    var meter: LimitMeter { get }
    /// The part of the goal that this node has, 0...1.
    var share: Double { get }
    /// From now on this node has this part of the goal, 0...1.
    ///
    /// - Parameter now: monotonic nanoseconds, as `DecisionContext.now`: up to here the share before it holds. Nil for a limiter
    ///   that has not been asked yet.
    func setShare(_ share: Double, now: Int64?)
}

/// What went through a limiter, in its units, since it was made.
package struct LimitMeter: Sendable, Equatable {
    /// What it was asked to let through, whether it did or not: the demand. 0 for a limiter that nobody shares.
    package var offered: UInt64
    package var consumed: UInt64

    package init(offered: UInt64, consumed: UInt64) {
        self.offered = offered
        self.consumed = consumed
    }
}

/// A limiter of some policy in use whose rate the cluster shares.
package struct ClusterLimit: Sendable {
    /// Whether the policy is in force or a shadow of it.
    package let role: PolicyRole
    /// Hash of the policy's path, its type, its settings and the part of it: nodes on which it is the same share the rate.
    package let key: UInt64
    /// The policy's path from the top, `outer/inner`, and the sub-policy where a composite's rate is divided.
    package let path: String
    package let limiter: any SharedLimiter
    /// Counts up with every policy set that uses it: what newer sets have stands before what only older ones have.
    let sequence: UInt64

    /// Limits that a policy set may have: what fits into the messages between nodes (`ClusterLimits.maximumBudgets`).
    package static let maximumPerSet = 64

    static func key(_ role: PolicyRole, _ words: String, part: String) -> UInt64 {
        hashBytes(Array("\(role.rawValue)\u{0}\(words)\u{0}\(part)".utf8).span, key: HashKeys(0x6c69_6d69_7473, 2))
    }
}

extension PolicyField {
    /// The key `scope` of the limiting policies.
    static let scope = PolicyField(
        "scope", .text, default: "node",
        "What has the rate: every node by itself, or all nodes of the cluster together.",
        allowed: LimitScope.allCases.map(\.rawValue), isExtension: true)
}

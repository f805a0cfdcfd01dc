package import OTLP

/// One version of a node's policies, as all workers share it: the live set, the shadow set beside it, and where their names stand
/// in the node's books. Immutable.
///
/// A trace is judged by the version in force when its first span arrived, so a version lives as long as some trace refers to it.
package final class PolicyVersion: Sendable {
    /// Counts up with every version put in force and wraps; versions in use at one time are never 32,768 apart.
    package let number: UInt16
    /// What decides.
    package let policies: PolicySet
    /// What is asked beside it, with no effect on what is kept. Nil: nothing is.
    package let shadow: PolicySet?
    /// The number under which the node knows each policy's name, in the order of `policies`. A name keeps its number over all
    /// versions, so metrics and remembered decisions outlive a version.
    package let policyNumbers: [UInt16]
    /// The same for the shadow policies, which have a count of their own.
    package let shadowNumbers: [UInt16]
    /// `PolicySet.contentHash` of `policies` as a number: the same on every node that has these policies. 0 stands for unknown.
    package let contentHash: UInt64

    /// - Parameters:
    ///   - shadow: made with `sharing: policies`.
    ///   - policyNumbers: nil numbers the policies from 0 on.
    ///   - shadowNumbers: nil does so with the shadow policies.
    package init(
        number: UInt16, policies: PolicySet, shadow: PolicySet? = nil, policyNumbers: [UInt16]? = nil,
        shadowNumbers: [UInt16]? = nil
    ) {
        func count(_ set: PolicySet?) -> [UInt16] {
            (0..<(set?.policies.count ?? 0)).map { UInt16(truncatingIfNeeded: $0) }
        }
        if let shadow { precondition(policies.isServed(byWalkFor: shadow), "one walk serves both sets") }
        self.number = number
        self.policies = policies
        self.shadow = shadow
        contentHash = UInt64(policies.contentHash, radix: 16) ?? 0
        self.policyNumbers = policyNumbers ?? count(policies)
        self.shadowNumbers = shadowNumbers ?? count(shadow)
    }

    /// The attributes that arriving spans must be searched for, for both sets.
    package var interest: AttributeInterest { shadow?.interest ?? policies.interest }

    /// Sets the predicate bits of every span of a request that was walked with this version's `interest`.
    ///
    /// - Returns: the same request as the shadow set sees it; nil without one.
    @inline(__always)
    package func evaluatePredicates(
        _ index: inout RequestIndex, body: Span<UInt8>, unixNanoseconds: Int64 = 0
    ) -> RequestIndex? {
        var other: RequestIndex?
        if let shadow { other = Self.evaluated(index, shadow, body, unixNanoseconds) }
        policies.evaluatePredicates(&index, body: body, unixNanoseconds: unixNanoseconds)
        return other
    }

    /// A copy with the shadow set's bits. Only what is written is copied: 64 bytes a span.
    @inline(never)
    private static func evaluated(
        _ index: RequestIndex, _ shadow: PolicySet, _ body: Span<UInt8>, _ unixNanoseconds: Int64
    ) -> RequestIndex {
        var copy = index
        shadow.evaluatePredicates(&copy, body: body, unixNanoseconds: unixNanoseconds)
        return copy
    }

    /// Whether this version came into force after `other`.
    func isNewer(than other: PolicyVersion) -> Bool { Int16(bitPattern: number &- other.number) > 0 }

    /// The number of the policy at `position` of the live set.
    func number(ofPolicy position: UInt16?) -> UInt16? {
        guard let position, Int(position) < policyNumbers.count else { return nil }
        return policyNumbers[Int(position)]
    }
}

/// How often the policies of one version gave each verdict since the last time somebody asked.
package struct CountedVerdicts: Sendable {
    package let version: PolicyVersion
    package let live: PolicyTally
    package let shadow: PolicyTally
    /// Nanoseconds that each policy took, extrapolated from samples; empty if nothing was measured.
    package let nanoseconds: [Int]
}

/// A version that some trace of a shard is judged by.
package struct VersionUse: Sendable, Equatable {
    package let number: UInt16
    package let traces: Int
}

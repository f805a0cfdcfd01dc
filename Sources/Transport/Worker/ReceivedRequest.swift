package import OTLP
package import Sampling

/// A request on its way to the shards that own its spans: body and index, shared and never changed.
///
/// Every owner copies its own spans from the body into its segments, so a span is copied once between the connection and its
/// segment, whichever worker received it. Freed when the last owner is done.
package final class ReceivedRequest: Sendable {
    /// The bytes that hold the message, from `payloadStart` on.
    package let body: [UInt8]
    package let payloadStart: Int
    package let index: RequestIndex
    /// The policies that the index's predicate bits are of.
    package let version: PolicyVersion
    /// The same request as the version's shadow set sees it.
    package let shadow: RequestIndex?
    private let memory: MemoryBudget
    private let reservedBytes: Int

    /// - Parameters:
    ///   - cost: what its spans will take in the shards of their owners, bytes; set aside already if `isReserved`.
    ///   - memory: where the request counts until its last owner is done: its cost, and its body, which no look at the heap may have
    ///     seen yet.
    package init(
        body: [UInt8], payloadStart: Int, index: RequestIndex, version: PolicyVersion, shadow: RequestIndex? = nil,
        cost: Int, isReserved: Bool = false, memory: MemoryBudget
    ) {
        self.memory = memory
        reservedBytes = body.count + cost
        memory.reserve(isReserved ? body.count : reservedBytes)
        memory.allocated(body.count)
        self.body = body
        self.payloadStart = payloadStart
        self.index = index
        self.version = version
        self.shadow = shadow
    }

    deinit {
        memory.allocated(-body.count)
        memory.release(reservedBytes)
    }
}

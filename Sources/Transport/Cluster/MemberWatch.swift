internal import Cluster

/// Asks a resolver again and again.
package struct MemberWatch: Sendable {
    private let resolver: any MemberResolver
    /// By address; who is not in here has 1.
    private let weights: [String: UInt8]

    package init(_ resolver: any MemberResolver, weights: [String: UInt8] = [:]) {
        self.resolver = resolver
        self.weights = weights
    }

    /// Asks once; members have their weights.
    package func once() async -> MemberResolution {
        switch await resolver.resolve() {
        case .complete(let members): .complete(weighted(members))
        case .partial(let members): .partial(weighted(members))
        case .failed(let failure): .failed(failure)
        }
    }

    /// Asks until the task is cancelled, and tells every answer: also equal ones count, as `Membership` believes a partial list only
    /// when it says the same several times. Never two questions at once; after a slow answer the full interval passes.
    package func run(_ tell: @Sendable (MemberResolution) -> Void) async {
        while !Task.isCancelled {
            let resolution = await once()
            if Task.isCancelled { return }
            tell(resolution)
            do {
                try await Task.sleep(for: .nanoseconds(resolver.interval))
            } catch {
                return
            }
        }
    }

    private func weighted(_ members: [RingMember]) -> [RingMember] {
        members.map { RingMember($0.address, weight: weights[$0.address] ?? $0.weight) }
    }
}

import Cluster
import TestSupport

/// The network between simulated nodes: what TCP and gRPC let through of delays, losses, cuts and crashes.
///
/// Requests and answers are lost or doubled one by one, which is worse than a real connection, where losses come as broken connections.
final class SimulatedNetwork {
    struct Faults {
        var lossPercent = 0
        var duplicationPercent = 0
        /// Milliseconds on the way.
        var delay = 0...3
        /// Extra milliseconds to and from a slow node.
        var slowness = 40...400
    }

    unowned let world: Simulation
    /// Pairs of addresses that cannot reach each other.
    var cuts: Set<Set<String>> = []
    var slow: Set<String> = []

    init(_ world: Simulation) { self.world = world }

    func isCut(_ a: String, _ b: String) -> Bool { cuts.contains([a, b]) }

    private func delay(_ a: String, _ b: String) -> Int64 {
        var delay = world.random.milliseconds(world.faults.delay)
        if slow.contains(a) || slow.contains(b) { delay += world.random.milliseconds(world.faults.slowness) }
        return delay
    }

    /// Calls `serve` on the target, and `answer` here with what that gives: nil means the connection failed before (`isSent` false) or
    /// after the request went out.
    func call<Answer>(
        from: SimulatedNode, to address: String, serve: @escaping (SimulatedNode, @escaping (Answer) -> Void) -> Void,
        answer: @escaping (Answer?, _ isSent: Bool) -> Void
    ) {
        let source = from.address
        let life = from.incarnation
        let back = { [unowned self] (result: Answer?, isSent: Bool) in
            if result != nil && (self.world.random.chance(self.world.faults.lossPercent) || self.isCut(source, address)) { return }
            let copies = result != nil && self.world.random.chance(self.world.faults.duplicationPercent) ? 2 : 1
            for _ in 0..<copies {
                self.world.after(self.delay(source, address)) {
                    self.world.onNode(source, incarnation: life) { _ in answer(result, isSent) }
                }
            }
        }
        if isCut(source, address) { return }
        guard world.nodes[address]?.isAlive == true else {
            back(nil, false)
            return
        }
        if world.random.chance(world.faults.lossPercent) { return }
        // Both copies come one after the other: a connection repeats nothing after it has brought the answer.
        let copies = world.random.chance(world.faults.duplicationPercent) ? 2 : 1
        let delay = delay(source, address)
        for _ in 0..<copies {
            world.after(delay) { [unowned self] in
                if self.isCut(source, address) { return }
                guard let target = self.world.nodes[address], target.isAlive else {
                    back(nil, true)
                    return
                }
                let incarnation = target.incarnation
                self.world.onNode(address, incarnation: incarnation) { target in
                    serve(target) { result in back(result, true) }
                } otherwise: {
                    back(nil, true)
                }
            }
        }
    }
}

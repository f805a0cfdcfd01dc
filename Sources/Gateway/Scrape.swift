internal import Cluster
internal import NativeCore
package import Telemetry
internal import Transport

/// A node's figures at one moment.
package struct NodeSnapshot: Sendable {
    package let ledger: Ledger
    /// All cells of all workers and of the process; look up with the ids of `Gateway.metrics`.
    package let metrics: MetricSnapshot
}

/// Collects the figures of all workers, each on its own loop, and renders them.
struct Scrape: Sendable {
    let workers: [WorkerHandle]
    let plan: NodePlan
    let process: ProcessStatistics
    let status: GatewayStatus
    let directory: PolicyDirectory
    let conditionErrors: ConditionErrorBook
    /// Id of the tail sampling processor, of which policies' labels are made.
    let sampling: ComponentID
    var cluster: ClusterNode?

    func ledger() async -> Ledger { await snapshot().ledger }

    func text(_ format: ExpositionFormat) async -> [UInt8] {
        let (snapshot, layout) = await read()
        return PrometheusText.render(layout, snapshot.metrics, as: format)
    }

    func snapshot() async -> NodeSnapshot { await read().snapshot }

    /// The figures as of now, and what stands where: the layout of the book, and behind it the series of this scrape alone.
    private func read() async -> (snapshot: NodeSnapshot, layout: MetricLayout) {
        var ledgers: [LedgerCells] = []
        var figures: [MetricSnapshot] = []
        for worker in workers {
            guard let snapshot = try? await worker.snapshot() else { continue }
            ledgers.append(snapshot.ledger)
            figures.append(snapshot.metrics)
        }
        let ledger = Ledger(workers: ledgers, destinationNames: plan.destinationNames, pipelines: plan.ledgerPipelines)
        let seen = await cluster?.describe()
        let versionsInUse = await VersionsInUse.numbers(workers).count
        // Behind the workers' snapshots: the book has all that they have.
        let state = directory.now
        let book = state.inForce.book
        var catalog = MetricCatalog(extending: book.layout(version: state.current.version, hash: state.current.hash))
        let rates = SharedRateSeries(seen?.limits ?? [], label: { NodePlanner.metricName($0, sampling) }, in: &catalog)
        let layout = catalog.layout()
        let own = MetricCells(layout)
        for (policy, total) in conditionErrors.totals() {
            guard let number = book.names.firstIndex(of: policy) else { continue }
            own.set(book.policies[number].conditionErrors, total: total)
        }
        plan.metrics.ledger.write(ledger, into: own)
        for batch in plan.metrics.batches { batch.writeConstants(into: own) }
        let metrics = plan.metrics.process
        own.set(metrics.ready, status.isReady ? 1 : 0)
        own.set(metrics.memoryLimit, plan.memory.limitBytes)
        own.set(metrics.memorySoftLimit, plan.memory.softLimitBytes)
        own.set(metrics.memoryUsed, plan.memory.usedBytes)
        metrics.write(process.read(), into: own)
        directory.write(plan.metrics.reloads, versionsInUse: versionsInUse, into: own)
        if let heap = AllocatorStatistics.current() {
            metrics.writeAllocator(
                allocated: heap.allocatedBytes, active: heap.activeBytes, resident: heap.residentBytes, into: own)
        }
        if let seen { plan.metrics.cluster?.write(seen, into: own) }
        rates.write(into: own)
        figures.append(own.snapshot())
        return (NodeSnapshot(ledger: ledger, metrics: MetricSnapshot.sum(figures)), layout)
    }
}

extension ClusterMetrics {
    /// Enters the cluster as the node sees it.
    fileprivate func write(_ cluster: ClusterDescription, into cells: MetricCells) {
        cells.set(members, cluster.ring?.members.count ?? 0)
        cells.set(listed, cluster.listedMembers)
        cells.set(resolverFailures, cluster.resolverFailures)
        let others = cluster.description.members.filter { !$0.isSelf }
        for (state, id) in peers { cells.set(id, others.count { $0.state?.rawValue == state }) }
        cells.set(ringVersion, Int(UInt32(truncatingIfNeeded: cluster.ring?.version ?? 0)))
        cells.set(ringEpoch, Int(clamping: cluster.ringEpoch))
        let share = cluster.description.members.first { $0.isSelf }?.share ?? 0
        cells.set(ringShare, Int((share * 1_000_000).rounded()))
        cells.set(isAgreed, cluster.isAgreed ? 1 : 0)
        cells.set(differingPolicies, others.count { cluster.differs($0) })
        cells.set(splitSpans[.notHeld], total: cluster.splitSpans[.notHeld] ?? 0)
        cells.set(splitSpans[.noProgress], total: cluster.splitSpans[.noProgress] ?? 0)
        cells.set(splitSpans[.maximumHold], total: cluster.splitSpans[.maximumHold] ?? 0)
    }
}

extension ClusterDescription {
    /// Whether a peer that answers is known to judge by other policies than this node.
    func differs(_ member: RingDescription.Member) -> Bool {
        guard !member.isSelf, member.state == .serving || member.state == .draining || member.state == .starting,
            let hash = member.policyHash, hash != 0, policyHash != 0
        else { return false }
        return hash != policyHash
    }
}

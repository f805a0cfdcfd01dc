package import Cluster
internal import ConfigTree
import TestSupport
package import OTLP
package import Sampling

/// What may go wrong in a schedule.
package enum Weather: String, CaseIterable, Sendable {
    /// Nodes join, leave in order and restart; lists lag and flap; messages are slow and out of order. Nothing may be lost, split,
    /// doubled or decided twice.
    case orderly
    /// And messages are lost and doubled. Still nothing of that; but spans whose messages were lost again and again may come late
    /// for their trace, which is counted (`Simulation.lateFromCustody`).
    case lossy
    /// And nodes crash, stop for a while, or are cut off. Spans are lost only with a crashed node's memory; splits are counted.
    case stormy
}

/// A fault that is built into the nodes, to see that the simulation finds it.
package enum Sabotage: String, CaseIterable, Sendable {
    /// A repeated batch is taken again.
    case forgetsBatches
    /// Due traces are decided while their rests are on their way here.
    case decidesAtOnce
    /// Some hand-off chunks are acknowledged and thrown away.
    case losesChunks
    /// Traces stay where they are when the ring changes.
    case keepsTraces
    /// OK before the owners have said so.
    case answersEarly
    /// Every node puts a ring in force when it likes.
    case skipsAgreement

    /// Whether `Simulation.prepare` does anything for it.
    package var needsCircumstances: Bool { self == .decidesAtOnce }

    /// The weather in which it matters: nothing is repeated in orderly weather that was not lost.
    package var weather: Weather { self == .forgetsBatches ? .lossy : .orderly }
}

/// A cluster in one thread, on virtual time and network, driven by a seed: everything that happens follows from it.
package final class Simulation {
    package let seed: UInt64
    package let weather: Weather
    /// The fault that is built into the nodes. Set it before `run`.
    package var sabotage: Sabotage? {
        didSet {
            guard let sabotage else { return }
            prepare(for: sabotage)
            if sabotage == .skipsAgreement {
                settings.agreementTimeout = 0
                settings.readyTimeout = 0
            }
        }
    }

    /// Makes the circumstances in which a fault matters, without the fault: a schedule of them is green, or what is found with the
    /// fault proves nothing.
    package func prepare(for sabotage: Sabotage) {
        guard sabotage == .decidesAtOnce else { return }
        // So slow that hand-off takes longer than most traces are waited for, but in chunks so small that it never seems to stand
        // still, and with time enough to end.
        settings.handoffBandwidth = 2_000
        settings.handoffChunkBytes = 200
        settings.maximumHold = 120 * second
        drainTimeout = 120 * second
    }

    var random: SeededGenerator
    package private(set) var now: Int64 = 0
    private var events = EventQueue()
    private(set) var nodes: [String: SimulatedNode] = [:]
    private(set) lazy var network = SimulatedNetwork(self)

    package var settings: ClusterSettings
    package var shardSettings: ShardSettings
    /// What the network does to messages.
    var faults = SimulatedNetwork.Faults()
    let slotBits = 8
    let policies: PolicySet
    let resolverInterval: Int64
    let isListAuthoritative: Bool
    let hasBadResolver: Bool
    let largestRequest = 1 << 20
    /// After so long a leaving node decides what it still has.
    private(set) var drainTimeout = 40 * second

    /// What the list of the cluster says; nodes see it through their resolvers.
    private var list: Set<String> = []
    private var nextAddress = 0
    private var workloadEnd: Int64 = 0

    // The workload's books.
    private struct Span {
        var span: WorkSpan
        var sentAt: Int64?
        var acceptedAt: Int64?
        /// When it first came into a shard, of whatever node.
        var arrivedAt: Int64?
        var stored = 0
        /// An attempt to send it ended without an answer: it may be there twice.
        var isUncertain = false
    }

    private var spans: [UInt64: Span] = [:]
    private var traces: [TraceID: [UInt64]] = [:]
    private var decisions: [TraceID: [String]] = [:]
    private var openRequests = 0
    private var nextSpan: UInt64 = 1

    package private(set) var problems: [String] = []
    package private(set) var notes: [String] = []
    package var keepsNotes = false
    /// A trace whose way is noted, too.
    package var followed: TraceID?
    package private(set) var lostWithCrashes = 0
    package private(set) var splitTraces = 0
    /// The schedule ended with a shared rate that had had its time to settle.
    package private(set) var isRateJudged = false
    /// Traces of which spans that a node had taken in time reached their owner late, since messages were lost again and again.
    package private(set) var lateFromCustody = 0
    package private(set) var doubledSpans = 0
    private var uncountedDoubles = 0
    private var retiredPossibleDoubles = 0
    package private(set) var lostSpans = 0
    package private(set) var acceptedSpans = 0
    /// Nodes that ran were taken for dead: then they may be routed around, as in a storm.
    package var falseAlarms = 0
    package var traceCount: Int { traces.count }
    private var isStrict: Bool { weather != .stormy && falseAlarms == 0 }

    package init(seed: UInt64, weather: Weather) {
        self.seed = seed
        self.weather = weather
        guard let policies = Self.policies() else { preconditionFailure("policies that are always the same") }
        self.policies = policies
        // In variables of its own: a class that calls methods of its properties here is never freed (Swift 6.3).
        var random = SeededGenerator(seed)
        var settings = ClusterSettings()
        var shard = ShardSettings()
        resolverInterval = [200 * millisecond, second, 3 * second][random.below(3)]
        isListAuthoritative = random.chance(40)
        hasBadResolver = random.chance(50)
        shard.decisionWait = [3 * second, 6 * second][random.below(2)]
        shard.maximumBytes = 8 << 20
        shard.sampledCacheSize = 2048
        shard.notSampledCacheSize = 2048
        settings.handoffChunkBytes = [200, 2000, 20_000][random.below(3)]
        settings.handoffBandwidth = [6_000, 50_000, 10_000_000][random.below(3)]
        settings.handoffWindowBytes = 64 << 10
        settings.custodyBytes = random.chance(20) ? 4 << 10 : 1 << 20
        settings.maximumInFlight = [1, 4, 16][random.below(3)]
        settings.forwardDelay = [0, 5 * millisecond, 200 * millisecond][random.below(3)]
        settings.forwardBytes = [300, 512 << 10][random.below(2)]
        faults.delay = 0...[1, 10, 40][random.below(3)]
        if weather != .orderly {
            faults.lossPercent = [1, 2, 3][random.below(3)]
            faults.duplicationPercent = [0, 2, 10][random.below(3)]
        }
        self.random = random
        self.settings = settings
        shardSettings = shard
    }

    /// Errors are kept, and 40 % of the others by their trace id.
    static func policies() -> PolicySet? {
        let nodes: [ConfigNode] = [
            .map(["name": "errors", "type": "status_code", "status_code": .map(["status_codes": ["ERROR"]])]),
            .map(["name": "some", "type": "probabilistic", "probabilistic": .map(["sampling_percentage": 40])]),
        ]
        return PolicySet(version: 1, nodes: nodes, keyPath: "policies", problems: ConfigProblems())
    }

    private static let share = ProbabilisticPolicy(percentage: 40)
    private static let shareThreshold = ProbabilisticPolicy.threshold(percentage: 40)

    /// Whether the trace is kept whatever its spans are.
    private static func isKeptByID(_ id: TraceID) -> Bool { share.hash(id) <= shareThreshold }

    // MARK: time

    func after(_ delay: Int64, _ action: @escaping () -> Void) { events.add(at: now + max(0, delay), action) }

    /// Runs something on a node when it runs: at once, after its stop, or never (then `otherwise`).
    func onNode(
        _ address: String, incarnation: UInt64, _ action: @escaping (SimulatedNode) -> Void, otherwise: (() -> Void)? = nil
    ) {
        guard let node = nodes[address], node.isAlive, node.incarnation == incarnation else {
            otherwise?()
            return
        }
        if node.frozenUntil > now {
            events.add(at: node.frozenUntil) { [unowned self] in
                self.onNode(address, incarnation: incarnation, action, otherwise: otherwise)
            }
        } else {
            action(node)
        }
    }

    func note(_ text: @autoclosure () -> String) { if keepsNotes { notes.append("\(now / millisecond) ms  \(text())") } }

    /// Notes what happens to spans of the trace that is followed.
    func follow(_ ids: some Sequence<TraceID>, _ text: @autoclosure () -> String) {
        guard let followed else { return }
        let count = ids.reduce(0) { $0 + ($1 == followed ? 1 : 0) }
        if count > 0 { note("\(text()) (\(count) of \(followed))") }
    }

    func fail(_ text: String) {
        note("FAILED: \(text)")
        if problems.count < 8 { problems.append("\(now / millisecond) ms: \(text)") }
    }

    // MARK: nodes

    private var alive: [SimulatedNode] { nodes.keys.sorted().compactMap { nodes[$0] }.filter(\.isAlive) }

    private func start(_ address: String) {
        note("\(address) starts")
        retiredPossibleDoubles += nodes[address]?.possibleDoubles ?? 0
        let node = SimulatedNode(self, address)
        nodes[address] = node
        beat(address, node.incarnation)
    }

    private func startNew() {
        let address = "10.0.0.\(nextAddress):4319"
        nextAddress += 1
        list.insert(address)
        start(address)
    }

    private func beat(_ address: String, _ incarnation: UInt64) {
        onNode(address, incarnation: incarnation) { [unowned self] node in
            node.tick()
            if node.isDrained {
                self.note("\(address) is drained")
                node.isAlive = false
                return
            }
            self.after(20 * millisecond + Int64(self.random.below(5)) * millisecond) { [unowned self] in
                self.beat(address, incarnation)
            }
        }
    }

    private func crash(_ node: SimulatedNode) {
        note("\(node.address) crashes with \(node.heldSpans) spans")
        lostWithCrashes += node.heldSpans
        node.isAlive = false
    }

    func resolve(_ node: SimulatedNode) {
        let address = node.address
        let incarnation = node.incarnation
        let isAnswered = !hasBadResolver || random.chance(75)
        var members = list.sorted()
        var answer = ResolverAnswer.failed
        if isAnswered {
            if isListAuthoritative {
                answer = .authoritative(members.map { RingMember($0) })
            } else {
                // DNS: sometimes nothing, sometimes a part.
                if hasBadResolver && random.chance(10) { members = [] }
                if hasBadResolver && random.chance(10) { members.removeFirst(random.below(members.count + 1)) }
                answer = .partial(members.map { RingMember($0) })
            }
        }
        after(random.milliseconds(0...50)) { [unowned self] in
            self.onNode(address, incarnation: incarnation) { $0.resolved(answer) }
        }
    }

    // MARK: clients

    private func newTrace() {
        let id = TraceID(high: random.next(), low: random.next() | 1)
        var all: [WorkSpan] = []
        let hasError = random.chance(40)
        let count = 1 + random.below(6)
        for position in 0..<count {
            all.append(
                WorkSpan(trace: id, id: nextSpan, isError: hasError && position == count - 1, service: random.below(3)))
            nextSpan += 1
        }
        for span in all { spans[span.id] = Span(span: span) }
        traces[id] = all.map(\.id)
        all.shuffle(using: &random)
        // Some traces take nearly as long as they are waited for.
        let patience = Int(shardSettings.decisionWait / millisecond)
        let duration = random.chance(30) ? patience * 85 / 100 : patience / 3
        // The trace's spans come in up to three requests, together with other traces' spans.
        while !all.isEmpty {
            let taken = 1 + random.below(all.count)
            let part = Array(all.prefix(taken))
            all.removeFirst(taken)
            let delay = random.milliseconds(0...duration)
            after(delay) { [unowned self] in self.outbox += part }
        }
    }

    private var outbox: [WorkSpan] = []

    private func work() {
        if now < workloadEnd { for _ in 0..<1 + random.below(3) { newTrace() } }
        if !outbox.isEmpty && (random.chance(60) || now >= workloadEnd) {
            let batch = outbox
            outbox = []
            openRequests += 1
            send(batch, attempt: 1)
        }
        if now < workloadEnd + 10 * second { after(random.milliseconds(20...80)) { [unowned self] in self.work() } }
    }

    private func send(_ batch: [WorkSpan], attempt: Int) {
        let ready = alive.filter { $0.core.isReady }
        guard let node = ready.isEmpty ? nil : ready[random.below(ready.count)] else {
            return after(200 * millisecond) { [unowned self] in self.send(batch, attempt: attempt + 1) }
        }
        for span in batch where spans[span.id]?.sentAt == nil { spans[span.id]?.sentAt = now }
        follow(batch.map(\.trace), "sent to \(node.address)")
        var isAnswered = false
        let payload = encode(batch)
        let address = node.address
        let incarnation = node.incarnation
        let failed = { [unowned self] (isSent: Bool) in
            if isAnswered { return }
            isAnswered = true
            if isSent { for span in batch { self.spans[span.id]?.isUncertain = true } }
            self.after(self.random.milliseconds(50...300)) { [unowned self] in self.send(batch, attempt: attempt + 1) }
        }
        // Clients' connections are good; they break when the node dies.
        after(random.milliseconds(faults.delay)) { [unowned self] in
            self.onNode(address, incarnation: incarnation) { node in
                node.accept(payload) { [unowned self] isTaken in
                    if isAnswered { return }
                    guard isTaken else { return failed(false) }
                    isAnswered = true
                    self.checkAnswer(batch, node)
                    self.openRequests -= 1
                    self.follow(batch.map(\.trace), "taken by \(address)")
                    for span in batch { self.spans[span.id]?.acceptedAt = self.now }
                    self.acceptedSpans += batch.count
                }
            } otherwise: {
                failed(false)
            }
        }
        watch(address, incarnation, until: { isAnswered }) { failed(true) }
        // A client's own patience is longer than anything here takes.
        after(30 * second) { failed(true) }
    }

    /// An OK is a promise: each span has come into a shard, or is in the custody of who says so, or of the owner that told him.
    private func checkAnswer(_ batch: [WorkSpan], _ node: SimulatedNode) {
        let unseen = batch.filter { spans[$0.id]?.arrivedAt == nil }
        let inCustody = nodes.values.reduce(0) { $0 + ($1.isAlive ? $1.custodySpans : 0) }
        if unseen.count > inCustody {
            fail(
                "\(node.address) says that \(batch.count) spans are taken; \(unseen.count) are in no shard, "
                    + "\(inCustody) in custody; one of trace \(unseen[0].trace)")
        }
    }

    /// Calls when a node has died.
    private func watch(
        _ address: String, _ incarnation: UInt64, until isDone: @escaping () -> Bool, _ died: @escaping () -> Void
    ) {
        if isDone() { return }
        guard let node = nodes[address], node.isAlive, node.incarnation == incarnation else { return died() }
        guard now < workloadEnd + 60 * second else { return }
        after(500 * millisecond) { [unowned self] in self.watch(address, incarnation, until: isDone, died) }
    }

    // MARK: what nodes report

    func arrived(_ id: UInt64) { if spans[id]?.arrivedAt == nil { spans[id]?.arrivedAt = now } }

    func stored(_ id: UInt64) {
        if spans[id] == nil { fail("a span that nobody sent") }
        spans[id]?.stored += 1
    }

    /// - Parameter count: the spans that it was decided on.
    func decided(_ id: TraceID, _ verdict: Verdict, on count: Int, by node: SimulatedNode, early: Bool) {
        let address = node.address
        follow([id], "\(address) decides on \(count) spans: \(verdict)")
        decisions[id, default: []].append("\(address) at \(now / millisecond) ms: \(verdict)")
        guard isStrict, !early else { return }
        checkAgreement(id, node)
        checkWhole(id, count, node)
    }

    /// Nobody decides without spans that have come into a shard in time, of whatever node: those on their way are waited for.
    /// Whether they would have changed the decision does not matter; few would.
    private func checkWhole(_ id: TraceID, _ count: Int, _ node: SimulatedNode) {
        guard let ids = traces[id], let end = end(of: ids) else { return }
        let wanted = ids.count { spans[$0]?.arrivedAt.map { $0 < end } ?? false }
        if count < wanted { fail("\(id) was decided by \(node.address) on \(count) spans, when \(wanted) had come in time") }
    }

    /// Up to when spans of a trace are in time: they may be on their way for a moment after they were taken into custody. Nil
    /// before any has been sent.
    private func end(of ids: [UInt64]) -> Int64? {
        ids.compactMap { spans[$0]?.sentAt }.min().map { $0 + shardSettings.decisionWait - 300 * millisecond }
    }

    /// Nobody decides on a trace while somebody else routes its spans to a third by a ring that was in force before the trace was
    /// due: spans may be there. This is what agreement is for, whether or not this trace had spans to be split.
    private func checkAgreement(_ id: TraceID, _ node: SimulatedNode) {
        guard let first = traces[id]?.compactMap({ spans[$0]?.arrivedAt }).min() else { return }
        let due = first + shardSettings.decisionWait
        // Rings come into force between two words of a node, and traces are due in steps.
        let before = min(due, now) - 50 * millisecond
        for other in alive where other !== node && other.ringInForce.since < before {
            guard let ring = other.core.ring, ring.version != node.core.ring?.version else { continue }
            let owner = ring.members[ring.owner(of: id)].address
            guard owner != node.address else { continue }
            fail(
                "\(id), due at \(due / millisecond) ms, was decided by \(node.address), but by the ring that \(other.address) has had in "
                    + "force since \(other.ringInForce.since / millisecond) ms it is \(owner)'s")
            return
        }
    }

    // MARK: the schedule

    private func disturb() {
        guard now < workloadEnd - 2 * second else { return }
        let nodes = alive
        let serving = nodes.filter { $0.core.lifecycle == .serving && $0.frozenUntil <= now }
        switch random.below(weather == .stormy ? 12 : 6) {
        case 0, 1:
            if nodes.count < 6 { startNew() }
        case 2, 3:
            if serving.count > 1 {
                let node = serving[random.below(serving.count)]
                let restarts = random.chance(50)
                if hasOthers(than: node) { leave(node, restarts: restarts) }
            }
        case 4:
            network.slow = random.chance(50) || nodes.isEmpty ? [] : [nodes[random.below(nodes.count)].address]
        case 5:
            // Taken off the list, and left running: it hands over what it has, and then leaves.
            if serving.count > 2 {
                let node = serving[random.below(serving.count)]
                guard hasOthers(than: node) else { break }
                note("\(node.address) is taken off the list")
                list.remove(node.address)
                let address = node.address
                let incarnation = node.incarnation
                after(random.milliseconds(500...12_000)) { [unowned self] in
                    self.onNode(address, incarnation: incarnation) { $0.startDraining() }
                }
            }
        case 6, 7:
            if serving.count > 1 {
                let node = serving[random.below(serving.count)]
                crash(node)
                let address = node.address
                if random.chance(70) {
                    after(random.milliseconds(200...6000)) { [unowned self] in
                        if self.list.contains(address) { self.start(address) }
                    }
                } else {
                    list.remove(address)
                }
            }
        case 8, 9:
            if let node = serving.randomElement(using: &random) {
                let stop = random.milliseconds(300...6000)
                note("\(node.address) stops for \(stop / millisecond) ms")
                node.frozenUntil = now + stop
            }
        default:
            if nodes.count > 1 {
                let a = nodes[random.below(nodes.count)].address
                for other in nodes where other.address != a && random.chance(70) { network.cuts.insert([a, other.address]) }
                note("cut: \(network.cuts.map { $0.sorted() }.sorted { $0.lexicographicallyPrecedes($1) })")
                after(random.milliseconds(500...6000)) { [unowned self] in
                    self.note("cuts are healed")
                    self.network.cuts = []
                }
            }
        }
        after(random.milliseconds(500...6000)) { [unowned self] in self.disturb() }
    }

    /// Whether somebody stays whom this node's traces can be given to. A cluster that leaves as a whole decides early what it has.
    private func hasOthers(than node: SimulatedNode) -> Bool {
        alive.contains {
            $0.address != node.address && $0.core.lifecycle == .serving && list.contains($0.address)
        }
    }

    private func leave(_ node: SimulatedNode, restarts: Bool) {
        note("\(node.address) leaves\(restarts ? ", to come back" : "")")
        node.startDraining()
        let address = node.address
        let incarnation = node.incarnation
        if !restarts { after(random.milliseconds(0...3000)) { [unowned self] in self.list.remove(address) } }
        if restarts { waitForEnd(address, incarnation) }
    }

    private func waitForEnd(_ address: String, _ incarnation: UInt64) {
        guard let node = nodes[address], node.incarnation == incarnation else { return }
        if !node.isAlive { return after(random.milliseconds(100...2000)) { [unowned self] in self.start(address) } }
        after(100 * millisecond) { [unowned self] in self.waitForEnd(address, incarnation) }
    }

    /// Runs the whole schedule.
    package func run() {
        workloadEnd = second * Int64(8 + random.below(12))
        for _ in 0..<1 + random.below(4) { startNew() }
        work()
        after(random.milliseconds(200...4000)) { [unowned self] in self.disturb() }
        turn(until: workloadEnd)
        // Calm: everything heals, and the cluster has to come to rest.
        network.cuts = []
        network.slow = []
        faults.lossPercent = 0
        faults.duplicationPercent = 0
        let patience = workloadEnd + 90 * second
        while now < patience {
            turn(until: now + second)
            if now > workloadEnd + 12 * second, openRequests == 0, outbox.isEmpty, hasConverged, alive.allSatisfy(\.isQuiet) {
                break
            }
        }
        judge()
    }

    private func turn(until end: Int64) {
        while let next = events.nextTime, next <= end, problems.count < 8 {
            guard let event = events.pop() else { break }
            now = event.at
            event.action()
        }
        now = end
    }

    private var hasConverged: Bool {
        let members = alive.filter { $0.core.lifecycle == .serving && list.contains($0.address) }
        guard let ring = members.first?.core.ring else { return false }
        return Set(ring.members.map(\.address)) == Set(members.map(\.address))
            && members.allSatisfy { $0.core.ring == ring && $0.core.isAgreed }
            && alive.allSatisfy { $0.core.lifecycle == .serving }
    }

    private func judge() {
        if openRequests > 0 || !outbox.isEmpty { fail("\(openRequests) requests were never taken") }
        if !hasConverged {
            for node in alive {
                note("\(node.address): \(node.core.lifecycle), ring \(node.core.ring?.members.map(\.address) ?? [])")
            }
            fail("the nodes do not agree on a ring of \(list.sorted())")
        }
        judgeSharedRate()
        for node in alive where !node.isQuiet { fail("\(node.address) still holds \(node.heldSpans) spans") }
        for (id, ids) in traces.sorted(by: { ($0.key.high, $0.key.low) < ($1.key.high, $1.key.low) }) { judge(id, ids) }
        // Only answers that were lost again and again excuse a span that is there twice, and they are counted.
        let counted = retiredPossibleDoubles + nodes.values.reduce(0) { $0 + $1.possibleDoubles }
        if isStrict && uncountedDoubles > (weather == .orderly ? 0 : counted) {
            fail("\(uncountedDoubles) spans were stored twice, \(counted) counted as possible")
        }
        if lostSpans > lostWithCrashes { fail("\(lostSpans) spans are lost, crashed nodes held \(lostWithCrashes)") }
    }

    /// Where nobody has come or gone lately, the nodes together let through what they may.
    private func judgeSharedRate() {
        guard hasConverged, alive.allSatisfy({ now - $0.ringSince >= 12 * second }) else { return }
        let total = alive.reduce(0) { $0 + $1.limit.rate($1.demand) }
        let wanted = min(SimulatedLimit.goal, alive.reduce(0) { $0 + $1.demand })
        isRateJudged = true
        if abs(total - wanted) > 0.05 * wanted { fail("\(total) a second pass a shared limit, not \(wanted)") }
    }

    private func judge(_ id: TraceID, _ ids: [UInt64]) {
        let all = ids.compactMap { spans[$0] }
        let taken = all.compactMap(\.acceptedAt)
        guard taken.count == all.count, let end = end(of: ids), let last = taken.max() else { return }
        let made = decisions[id] ?? []
        if made.count > 1 {
            splitTraces += 1
            if isStrict { fail("\(id) was decided \(made.count) times: \(made)") }
        }
        let byID = Self.isKeptByID(id)
        var isWhole = last < end
        // Where messages get lost, and their repetitions too, custody may last longer than the trace is waited for. No node can
        // know of spans that have reached none that decides: they are late, as any span that comes after its trace's time. Once
        // they are in a shard, nothing excuses a decision without them.
        if isWhole, weather != .orderly, all.contains(where: { $0.arrivedAt.map { $0 >= end } ?? true }) {
            isWhole = false
            lateFromCustody += 1
        }
        let hasError = all.contains { $0.span.isError }
        // A trace whose error came after its decision may have been decided either way.
        guard byID || !hasError || isWhole else { return }
        let wanted = byID || hasError
        for span in all {
            if span.stored > 1 {
                doubledSpans += 1
                note("span \(span.span.id) of \(id) was stored \(span.stored) times\(span.isUncertain ? ", and may be" : "")")
                if !span.isUncertain { uncountedDoubles += span.stored - 1 }
            }
            if wanted && span.stored == 0 {
                if byID || isStrict {
                    lostSpans += 1
                    if weather != .stormy { fail("span \(span.span.id) of \(id) is lost; decided: \(made)") }
                }
            }
            if !wanted && span.stored > 0 { fail("span \(span.span.id) of \(id) was stored against the policies") }
        }
    }
}

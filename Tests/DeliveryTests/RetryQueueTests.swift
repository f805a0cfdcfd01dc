import Delivery
import Telemetry
import TestSupport
import Testing

/// A request of `spans` spans, each in a trace of its own.
func makeRequest(spans: Int = 1, filler: Int = 0, sequence: UInt64 = 0) -> ExportRequest {
    let parts = (0..<spans).flatMap {
        Encode.bytes(2, makeSpan(trace: UInt64($0), number: 1, filler: filler))
    }
    return ExportRequest(
        identity: Encode.bytes(1, makeResource("a") + Encode.bytes(2, parts)), spanCount: spans,
        traceCount: spans, sequence: sequence, createdAt: 0)
}

/// A queue with the calls of a driver in short form; moves the queue out of the `#expect` macro,
/// which can't borrow a non-copyable value.
struct Harness: ~Copyable {
    var queue: RetryQueue
    var now: Int64 = 0

    init(_ queue: QueueSettings = QueueSettings(), _ retry: RetrySettings = steady) {
        self.queue = RetryQueue(queue: queue, retry: retry)
    }

    /// 1 s, doubling to 8 s, no jitter, no end.
    static let steady = RetrySettings(
        initialInterval: second, multiplier: 2, maxInterval: 8 * second, randomizationFactor: 0,
        maxElapsedTime: 0)

    mutating func offer(_ request: ExportRequest) -> RetryQueue.Offer {
        queue.offer(request, now: now)
    }

    mutating func offer(count: Int) {
        for sequence in 0..<count { _ = offer(makeRequest(sequence: UInt64(sequence))) }
    }

    /// Everything that can be sent now.
    mutating func sendAll() -> [RetryQueue.Attempt] {
        var attempts: [RetryQueue.Attempt] = []
        while case .send(let attempt) = queue.next(now: now) { attempts.append(attempt) }
        return attempts
    }

    /// Until when `next` says to wait; 0 for idle, -1 if it sends.
    mutating func waitsUntil() -> Int64 {
        switch queue.next(now: now) {
        case .send: -1
        case .wait(let until): until
        case .idle: 0
        }
    }

    mutating func complete(
        _ attempt: RetryQueue.Attempt, _ outcome: ExportOutcome
    ) -> [DeliveryEvent] {
        queue.complete(attempt.id, outcome: outcome, now: now, random: 0)
    }

    mutating func expire() -> [DeliveryEvent] { queue.expire(now: now) }
    mutating func abandonAll() -> [DeliveryEvent] { queue.abandonAll() }
    mutating func drain(until deadline: Int64) { queue.beginDrain(deadline: deadline, now: now) }
    mutating func pass(_ time: Int64) { now += time }

    var isFull: Bool { queue.isFull }
    var circuit: CircuitState { queue.circuit }
    var failures: Int { queue.consecutiveFailures }
    var wake: Int64? { queue.nextWake(now: now) }
    var depth: QueueDepth { queue.depth }
    var used: Int { queue.usedCapacity }
    var sent: Int { queue.sentSpans }
    func lost(_ reason: LossReason) -> Int { queue.lostSpans(reason) }

    var balances: Bool {
        queue.offeredSpans
            == queue.depth.spans + queue.sentSpans
            + LossReason.allCases.map { queue.lostSpans($0) }.reduce(0, +)
    }
}

@Suite struct RetryQueueTests {
    @Test func sendsInOrderUpToTheConsumers() {
        var queue = Harness(QueueSettings(numConsumers: 3))
        queue.offer(count: 5)
        let first = queue.sendAll()
        #expect(first.map(\.request.sequence) == [0, 1, 2])
        #expect(first.map(\.number) == [1, 1, 1])
        var waits = queue.waitsUntil()
        #expect(waits == 0)
        let events = queue.complete(first[1], .delivered(rejectedSpans: 0))
        #expect(events == [.sent(spans: 1)])
        let next = queue.sendAll()
        #expect(next.map(\.request.sequence) == [3])
        #expect(Set((first + next).map(\.id)).count == 4)
        for attempt in [first[0], first[2], next[0]] {
            _ = queue.complete(attempt, .delivered(rejectedSpans: 0))
        }
        let last = queue.sendAll()
        _ = queue.complete(last[0], .delivered(rejectedSpans: 0))
        let (depth, sent, used, balances) = (queue.depth, queue.sent, queue.used, queue.balances)
        #expect(depth == QueueDepth() && sent == 5 && used == 0 && balances)
        waits = queue.waitsUntil()
        #expect(waits == 0)
        let wake = queue.wake
        #expect(wake == nil)
    }

    @Test(arguments: [
        (QueueSettings.Sizer.requests, 2, 2), (.items, 20, 2), (.bytes, 1000, 3),
    ])
    func capacityInEveryUnit(sizer: QueueSettings.Sizer, size: Int, fits: Int) {
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: size, sizer: sizer))
        var offers: [RetryQueue.Offer] = []
        for _ in 0..<5 { offers.append(queue.offer(makeRequest(spans: 8, filler: 2))) }
        let queued = offers.filter { $0 == .queued }.count
        #expect(queued == fits)
        #expect(offers.last == .waiting(until: 5 * second))
        let full = queue.isFull
        #expect(full)
    }

    @Test func largerThanTheCapacityIsRefused() {
        var queue = Harness(QueueSettings(queueSize: 10, sizer: .items))
        let offer = queue.offer(makeRequest(spans: 11))
        #expect(offer == .refused(.tooLarge))
        let (lost, full, balances) = (queue.lost(.tooLarge), queue.isFull, queue.balances)
        #expect(lost == 11 && !full && balances)
    }

    @Test func theOverflowIsServedInOrderAndBounded() {
        let size = makeRequest().identity.count
        var queue = Harness(
            QueueSettings(numConsumers: 1, queueSize: 1, overflowBytes: 2 * size))
        queue.offer(count: 3)
        var offer = queue.offer(makeRequest(sequence: 3))
        #expect(offer == .refused(.queueFull))
        var sequences: [UInt64] = []
        for _ in 0..<3 {
            let attempts = queue.sendAll()
            sequences += attempts.map(\.request.sequence)
            for attempt in attempts { _ = queue.complete(attempt, .delivered(rejectedSpans: 0)) }
        }
        #expect(sequences == [0, 1, 2])
        offer = queue.offer(makeRequest())
        #expect(offer == .queued)
        let (lost, balances) = (queue.lost(.queueFull), queue.balances)
        #expect(lost == 1 && balances)
    }

    @Test func theOverflowLosesAfterItsTime() {
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: 1))
        queue.offer(count: 2)
        queue.pass(second)
        queue.offer(count: 1)
        _ = queue.sendAll()
        var wake = queue.wake
        #expect(wake == 5 * second)
        queue.now = 5 * second - 1
        var events = queue.expire()
        #expect(events.isEmpty)
        queue.now = 5 * second
        events = queue.expire()
        #expect(events == [.lost(spans: 1, reason: .queueFull)])
        wake = queue.wake
        #expect(wake == 6 * second)
        let balances = queue.balances
        #expect(balances)
    }

    @Test func blockOnOverflowHasNoTimeLimit() {
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: 1, blockOnOverflow: true))
        queue.offer(count: 1)
        let offer = queue.offer(makeRequest())
        #expect(offer == .waiting(until: .max))
        _ = queue.sendAll()
        let wake = queue.wake
        #expect(wake == nil)
        queue.now = .max - 1
        let events = queue.expire()
        #expect(events.isEmpty)
    }

    @Test func tenFailuresTogetherAreOneStep() {
        var queue = Harness()
        queue.offer(count: 20)
        let attempts = queue.sendAll()
        #expect(attempts.count == 10)
        for attempt in attempts {
            let events = queue.complete(attempt, .retry(after: nil))
            #expect(events == [.retrying(at: second)])
        }
        let (failures, circuit) = (queue.failures, queue.circuit)
        #expect(failures == 1 && circuit == .open(until: second))
        let (waits, wake) = (queue.waitsUntil(), queue.wake)
        #expect(waits == second && wake == second)
    }

    @Test func oneProbeThenNormalOrLonger() {
        var queue = Harness(QueueSettings(numConsumers: 4))
        queue.offer(count: 6)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: nil)) }
        // Each failed probe doubles the pause: 1, 2, 4, 8, 8 s.
        for (step, pause) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8)] as [(Int, Int64)] {
            let failures = queue.failures
            #expect(failures == step)
            queue.pass(pause * second - 1)
            let early = queue.sendAll()
            #expect(early.isEmpty)
            queue.pass(1)
            let probe = queue.sendAll()
            #expect(probe.count == 1)
            let circuit = queue.circuit
            #expect(circuit == .halfOpen(probe: probe[0].id))
            _ = queue.complete(probe[0], .retry(after: nil))
        }
        queue.pass(8 * second)
        let probe = queue.sendAll()
        #expect(probe.count == 1)
        _ = queue.complete(probe[0], .delivered(rejectedSpans: 0))
        let (failures, circuit) = (queue.failures, queue.circuit)
        #expect(failures == 0 && circuit == .closed)
        queue.pass(8 * second)
        let rest = queue.sendAll()
        #expect(rest.count == 4)
        let balances = queue.balances
        #expect(balances)
    }

    /// One attempt hangs while the others fail, the probe succeeds, then the old attempt fails: it
    /// tells nothing new about the destination.
    @Test func aFailureOfAnOlderEpochChangesNothing() {
        var queue = Harness(QueueSettings(numConsumers: 2))
        queue.offer(count: 4)
        let attempts = queue.sendAll()
        _ = queue.complete(attempts[0], .retry(after: nil))
        queue.pass(second)
        let probe = queue.sendAll()
        _ = queue.complete(probe[0], .delivered(rejectedSpans: 0))
        let events = queue.complete(attempts[1], .retry(after: nil))
        #expect(events == [.retrying(at: 2 * second)])
        let (failures, circuit) = (queue.failures, queue.circuit)
        #expect(failures == 0 && circuit == .closed)
        let others = queue.sendAll()
        #expect(others.map(\.request.sequence) == [2, 3])
    }

    @Test func anOldSuccessDoesNotEndTheBackoff() {
        var queue = Harness(QueueSettings(numConsumers: 2))
        queue.offer(count: 3)
        let attempts = queue.sendAll()
        _ = queue.complete(attempts[0], .retry(after: nil))
        _ = queue.complete(attempts[1], .delivered(rejectedSpans: 0))
        let circuit = queue.circuit
        #expect(circuit == .open(until: second))
    }

    @Test func theServersDelayHolds() {
        var queue = Harness(QueueSettings(numConsumers: 2))
        queue.offer(count: 3)
        let attempts = queue.sendAll()
        var events = queue.complete(attempts[0], .retry(after: nil))
        #expect(events == [.retrying(at: second)])
        // The second failure is no step of its own, but its delay counts.
        events = queue.complete(attempts[1], .retry(after: 7 * second))
        #expect(events == [.retrying(at: 7 * second)])
        let (failures, circuit) = (queue.failures, queue.circuit)
        #expect(failures == 1 && circuit == .open(until: 7 * second))
        // A shorter one does not shorten the backoff.
        queue.pass(7 * second)
        let probe = queue.sendAll()
        events = queue.complete(probe[0], .retry(after: 1))
        #expect(events == [.retrying(at: 9 * second)])
    }

    @Test func anAbsurdServerDelayIsCut() {
        var queue = Harness()
        queue.now = .max - 5
        queue.offer(count: 2)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: .max)) }
        let circuit = queue.circuit
        #expect(circuit == .open(until: .max))
    }

    /// A request that always fails must not stand in the way of the others.
    @Test func probesTakeTurns() {
        var queue = Harness(QueueSettings(numConsumers: 1))
        queue.offer(count: 3)
        var delivered: [UInt64] = []
        for _ in 0..<200 {
            for attempt in queue.sendAll() {
                if attempt.request.sequence == 0 {
                    _ = queue.complete(attempt, .retry(after: nil))
                } else {
                    delivered.append(attempt.request.sequence)
                    _ = queue.complete(attempt, .delivered(rejectedSpans: 0))
                }
            }
            queue.pass(second / 10)
        }
        #expect(delivered == [1, 2])
        let (depth, balances) = (queue.depth, queue.balances)
        #expect(depth.requests == 1 && balances)
    }

    @Test func maxElapsedTimeCountsFromTheFirstAttempt() {
        var retry = Harness.steady
        retry.maxElapsedTime = 10 * second
        var queue = Harness(QueueSettings(numConsumers: 1), retry)
        queue.offer(count: 1)
        queue.pass(100 * second)
        var events: [DeliveryEvent] = []
        var times: [Int64] = []
        while queue.depth.requests > 0, times.count < 20 {
            for attempt in queue.sendAll() {
                times.append(queue.now / second)
                events = queue.complete(attempt, .retry(after: nil))
            }
            if let wake = queue.wake { queue.now = max(queue.now, wake) }
            events += queue.expire()
        }
        // The next one would be at 115, past 110.
        #expect(times == [100, 101, 103, 107])
        #expect(events == [.lost(spans: 1, reason: .retriesExhausted)])
        let balances = queue.balances
        #expect(balances)
    }

    @Test func whatIsSetAsideExpires() {
        var retry = Harness.steady
        retry.maxElapsedTime = 4 * second
        var queue = Harness(QueueSettings(numConsumers: 2), retry)
        queue.offer(count: 2)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: nil)) }
        queue.pass(second)
        let probe = queue.sendAll()
        queue.pass(3 * second)
        var events = queue.expire()
        #expect(events.isEmpty)
        let wake = queue.wake
        #expect(wake == 4 * second + 1)
        queue.pass(1)
        events = queue.expire()
        #expect(events == [.lost(spans: 1, reason: .retriesExhausted)])
        _ = queue.complete(probe[0], .delivered(rejectedSpans: 0))
        let (depth, balances) = (queue.depth, queue.balances)
        #expect(depth.requests == 0 && balances)
    }

    @Test func withoutRetryTheFirstFailureLoses() {
        var queue = Harness(QueueSettings(), RetrySettings(enabled: false))
        queue.offer(count: 2)
        let attempts = queue.sendAll()
        let events = queue.complete(attempts[0], .retry(after: second))
        #expect(events == [.lost(spans: 1, reason: .retryDisabled)])
        let (circuit, balances) = (queue.circuit, queue.balances)
        #expect(circuit == .closed && balances)
    }

    @Test func permanentFailuresAndPartialSuccess() {
        var queue = Harness()
        _ = queue.offer(makeRequest(spans: 5))
        _ = queue.offer(makeRequest(spans: 6))
        _ = queue.offer(makeRequest(spans: 7))
        let attempts = queue.sendAll()
        var events = queue.complete(attempts[0], .permanent(.invalid))
        #expect(events == [.lost(spans: 5, reason: .invalid)])
        events = queue.complete(attempts[1], .delivered(rejectedSpans: 2))
        #expect(events == [.sent(spans: 4), .rejectedByPeer(spans: 2)])
        events = queue.complete(attempts[2], .delivered(rejectedSpans: .max))
        #expect(events == [.sent(spans: 0), .rejectedByPeer(spans: 7)])
        events = queue.complete(attempts[2], .delivered(rejectedSpans: 0))
        #expect(events.isEmpty)
        let (rejected, balances) = (queue.lost(.rejectedByPeer), queue.balances)
        #expect(rejected == 9 && balances)
    }

    @Test func aPermanentAnswerToTheProbeClosesTheCircuit() {
        var queue = Harness()
        queue.offer(count: 1)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: nil)) }
        queue.pass(second)
        let probe = queue.sendAll()
        _ = queue.complete(probe[0], .permanent(.permanent))
        let circuit = queue.circuit
        #expect(circuit == .closed)
    }

    @Test(arguments: QueueSettings.Sizer.allCases)
    func splittingNeedsNoRoomAndEndsWithSingleSpans(sizer: QueueSettings.Sizer) {
        let whole = makeRequest(spans: 8)
        let size = sizer == .requests ? 1 : sizer == .items ? 8 : whole.identity.count
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: size, sizer: sizer))
        _ = queue.offer(whole)
        var lost = 0
        for _ in 0..<100 {
            for attempt in queue.sendAll() {
                for event in queue.complete(attempt, .split) {
                    if case .lost(1, .tooLarge) = event { lost += 1 }
                }
                let (used, balances) = (queue.used, queue.balances)
                #expect(used <= size && balances)
            }
        }
        #expect(lost == 8)
        let (depth, used) = (queue.depth, queue.used)
        #expect(depth == QueueDepth() && used == 0)
    }

    @Test func halvesAreSentBeforeWhatCameLater() {
        var queue = Harness(QueueSettings(numConsumers: 1))
        _ = queue.offer(makeRequest(spans: 4, sequence: 1))
        _ = queue.offer(makeRequest(spans: 1, sequence: 2))
        let first = queue.sendAll()
        let events = queue.complete(first[0], .split)
        #expect(events == [.split(spans: 4)])
        // Halves have not been attempted: the clock of `max_elapsed_time` is new.
        queue.pass(1000 * second)
        let expired = queue.expire()
        #expect(expired.isEmpty)
        var sequences: [UInt64] = []
        for _ in 0..<3 {
            for attempt in queue.sendAll() {
                sequences.append(attempt.request.sequence)
                _ = queue.complete(attempt, .delivered(rejectedSpans: 0))
            }
        }
        #expect(sequences == [1, 1, 2])
        let (sent, balances) = (queue.sent, queue.balances)
        #expect(sent == 5 && balances)
    }

    @Test func drainTriesAtOnceAndThenGivesUp() {
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: 2))
        queue.offer(count: 3)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: nil)) }
        for _ in 0..<3 {
            queue.pass(8 * second)
            for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: nil)) }
        }
        queue.drain(until: queue.now + 10 * second)
        var attempts = 0
        var events: [DeliveryEvent] = []
        while queue.depth.requests > 0 {
            for attempt in queue.sendAll() {
                attempts += 1
                events += queue.complete(attempt, .retry(after: nil))
            }
            events += queue.expire()
            if let wake = queue.wake { queue.now = max(queue.now + 1, wake) }
        }
        #expect(attempts >= 9)
        #expect(events.last == .lost(spans: 3, reason: .shutdown))
        let offer = queue.offer(makeRequest())
        #expect(offer == .refused(.shutdown))
        let (lost, balances) = (queue.lost(.shutdown), queue.balances)
        #expect(lost == 4 && balances)
    }

    @Test func drainKeepsTheServersDelay() {
        var queue = Harness()
        queue.offer(count: 1)
        for attempt in queue.sendAll() { _ = queue.complete(attempt, .retry(after: 3 * second)) }
        queue.drain(until: 10 * second)
        let waits = queue.waitsUntil()
        #expect(waits == 3 * second)
    }

    @Test func abandoningCountsWhatIsInFlight() {
        var queue = Harness(QueueSettings(numConsumers: 1, queueSize: 2))
        queue.offer(count: 5)
        let attempts = queue.sendAll()
        var events = queue.abandonAll()
        #expect(events == [.lost(spans: 5, reason: .shutdown)])
        events = queue.complete(attempts[0], .delivered(rejectedSpans: 0))
        #expect(events.isEmpty)
        events = queue.abandonAll()
        #expect(events.isEmpty)
        let (balances, wake) = (queue.balances, queue.wake)
        #expect(balances && wake == nil)
    }

    @Test func worstCases() {
        #expect(
            QueueSettings(queueSize: 10, overflowBytes: 5).worstCaseBytes(maximumRequestBytes: 7)
                == 75)
        #expect(
            QueueSettings(queueSize: 10, sizer: .bytes, overflowBytes: 5)
                .worstCaseBytes(maximumRequestBytes: 7) == 15)
        #expect(QueueSettings(sizer: .items).worstCaseBytes(maximumRequestBytes: 7) == nil)
        #expect(
            QueueSettings(queueSize: .max).worstCaseBytes(maximumRequestBytes: 3_670_016) == .max)
        #expect(
            QueueSettings(enabled: false, sizer: .items, overflowBytes: 0)
                .worstCaseBytes(maximumRequestBytes: 7) == 70)
    }

    @Test func aDisabledQueueHoldsOnlyWhatIsBeingSent() {
        var queue = Harness(QueueSettings(enabled: false, numConsumers: 2))
        queue.offer(count: 2)
        let full = queue.isFull
        #expect(full)
        let offer = queue.offer(makeRequest())
        #expect(offer == .waiting(until: 5 * second))
    }
}

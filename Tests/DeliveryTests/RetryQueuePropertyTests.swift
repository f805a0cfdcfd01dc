import Delivery
import Telemetry
import TestSupport
import Testing

@Suite struct RetryQueuePropertyTests {
    /// A destination that answers at random, is down for stretches, and may be drained or
    /// abandoned: at every step the ledger balances and no bound is passed.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func aDestinationThatFailsAtRandom(seed: UInt64) {
        var random = SeededGenerator(seed)
        let sizer = QueueSettings.Sizer.allCases.randomElement(using: &random) ?? .requests
        let capacity: Int =
            switch sizer {
            case .requests: Int.random(in: 1...12, using: &random)
            case .items: Int.random(in: 4...60, using: &random)
            case .bytes: Int.random(in: 300...4000, using: &random)
            }
        let consumers = Int.random(in: 1...6, using: &random)
        // Every other destination has a share of the memory that is soon full.
        let share = seed % 2 == 0 ? Int.max : Int.random(in: 1000...8000, using: &random)
        var queue = RetryQueue(
            queue: QueueSettings(
                numConsumers: consumers, queueSize: capacity, sizer: sizer,
                dropsOldest: seed % 5 == 0, overflowBytes: 3000, maximumBytes: share),
            retry: RetrySettings(
                enabled: seed % 10 != 0, initialInterval: second,
                maxElapsedTime: seed % 3 == 0 ? 0 : 20 * second))
        var now: Int64 = 0
        var inFlight: [RetryQueue.Attempt] = []
        var offered = 0
        var settled = 0
        var down = false

        func note(_ events: [DeliveryEvent]) {
            for event in events {
                switch event {
                case .sent(let spans), .rejectedByPeer(let spans), .lost(let spans, _):
                    settled += spans
                case .retrying(let at): #expect(at >= now)
                case .split: break
                }
            }
        }

        for step in 0..<600 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2:
                let request = makeRequest(spans: Int.random(in: 1...8, using: &random))
                offered += request.spanCount
                let full = queue.isFull
                let lost = queue.lostSpans(.queueFull)
                let offer = queue.offer(request, now: now)
                if offer == .queued { settled += queue.lostSpans(.queueFull) - lost }
                switch offer {
                case .queued: #expect(!full || seed % 5 == 0)
                case .waiting(let until): #expect(until >= now)
                case .refused: settled += request.spanCount
                }
            case 3...5:
                guard !inFlight.isEmpty else { break }
                let attempt = inFlight.remove(
                    at: Int.random(in: 0..<inFlight.count, using: &random))
                let outcome: ExportOutcome =
                    switch down ? 0 : Int.random(in: 0..<12, using: &random) {
                    case 0: .retry(after: nil)
                    case 1: .retry(after: Int64.random(in: -5...5, using: &random) * second)
                    case 2: .split
                    case 3: .permanent(.invalid)
                    case 4: .delivered(rejectedSpans: Int.random(in: -2...9, using: &random))
                    default: .delivered(rejectedSpans: 0)
                    }
                note(queue.complete(attempt.id, outcome: outcome, now: now, random: random.next()))
            case 6:
                now += Int64.random(in: 0...(2 * second), using: &random)
                note(queue.expire(now: now))
            case 7:
                if let wake = queue.nextWake(now: now) { now = max(now, wake) }
                note(queue.expire(now: now))
            case 8:
                if Int.random(in: 0..<8, using: &random) == 0 { down.toggle() }
            default:
                break
            }
            if step == 500, seed % 2 == 0 { queue.beginDrain(deadline: now + 5 * second, now: now) }

            note(queue.expire(now: now))
            sending: while true {
                let before = queue.circuit
                switch queue.next(now: now) {
                case .send(let attempt):
                    #expect(!inFlight.contains { $0.request === attempt.request })
                    if case .open(let until) = before { #expect(until <= now) }
                    if case .halfOpen = before { Issue.record("sent beside a probe") }
                    inFlight.append(attempt)
                case .wait(let until):
                    #expect(until > now)
                    break sending
                case .idle:
                    break sending
                }
            }

            // Whoever sleeps until `nextWake` must not spin.
            if let wake = queue.nextWake(now: now) { #expect(wake > now) }

            let depth = queue.depth
            let lost = LossReason.allCases.map { queue.lostSpans($0) }.reduce(0, +)
            let counted = queue.offeredSpans
            let sent = queue.sentSpans
            #expect(counted == offered)
            #expect(depth.spans + sent + lost == offered)
            #expect(depth.spans + settled == offered)
            #expect(depth.spans >= 0 && depth.requests >= 0 && depth.bytes >= 0)
            let used = queue.usedCapacity
            #expect(used >= 0 && used <= capacity)
            let waiting = queue.waitingDepth.bytes
            #expect(waiting <= 3000)
            // Halves of a split request repeat headers; a request may be larger than the share by itself.
            let held = queue.charge.bytes
            #expect(held >= depth.bytes && (held <= share || held <= share + 1500 || depth.requests == 1))
            if depth.requests == 0 { #expect(held == 0) }
            let flying = queue.inFlightDepth.requests
            #expect(flying <= consumers && flying <= inFlight.count)
            if flying == 0 { inFlight.removeAll() }
            if depth.requests == 0 { #expect(used == 0) }
        }

        // The end: a destination that is well again gets everything before the deadline.
        queue.beginDrain(deadline: now + 7200 * second, now: now)
        for _ in 0..<2000 where !queue.isEmpty {
            while case .send(let attempt) = queue.next(now: now) { inFlight.append(attempt) }
            for attempt in inFlight {
                note(
                    queue.complete(
                        attempt.id, outcome: .delivered(rejectedSpans: 0), now: now, random: 0))
            }
            inFlight.removeAll()
            if let wake = queue.nextWake(now: now) { now = max(now, wake) }
        }
        let rest = queue.depth
        #expect(rest == QueueDepth())
        #expect(settled == offered)
    }
}

package import Telemetry
import DequeModule

/// Queue, retries, backoff and circuit of one destination. Pure: it never sends, sleeps or asks
/// for the time; one event loop owns it and does what it says.
///
/// A request is in exactly one of four places: *waiting* in the overflow (first come, first
/// served, for a bounded time), *ready* for its first attempt, set aside for a *retry*, or *in
/// flight*. The last three take capacity (`queue_size`); the overflow has its own bound in bytes. All four are charged to the
/// queue's share of the memory (`QueueSettings.maximumBytes`, `QueueCharge`): what would go beyond is refused, `.queueFull`.
///
/// There is one backoff for the destination. The first retryable failure opens the circuit:
/// nothing is sent until the delay is over; then one probe is. Any answer to it, even a refusal
/// of that request, closes the circuit and resets the backoff; a retryable failure grows it. Of the
/// attempts that were in flight together, only the first failure counts: each attempt carries the
/// epoch (number of backoff steps) in which it began, and failures of an older epoch neither grow
/// the backoff nor open the circuit. A request that keeps failing by itself does not block the
/// others: probes take turns, and its own delays grow with its own attempts.
///
/// Ledger: `offeredSpans == depth.spans + sentSpans + lost spans of all reasons`, at any time.
///
/// Driver: after every call that may change something (`offer`, `complete`, `expire`), call
/// `next(now:)` until it stops answering `.send`; call `expire(now:)` at `nextWake(now:)`.
package struct RetryQueue: ~Copyable {
    /// What became of an offered request.
    package enum Offer: Sendable, Equatable {
        /// It has its place in the queue.
        case queued
        /// The queue is full; the request waits for room until this time (nanoseconds) and is then
        /// lost, for `.queueFull`. Hold further decisions while `isFull`.
        case waiting(until: Int64)
        /// Not taken, and counted as lost: `.tooLarge` if it is larger than the whole capacity,
        /// `.queueFull` if the overflow is full as well, `.shutdown` after the end.
        case refused(LossReason)
    }

    /// One attempt to send a request.
    package struct Attempt: Sendable {
        /// For `complete(_:outcome:now:random:)`; never used twice.
        package let id: UInt64
        /// The bytes to send.
        package let request: ExportRequest
        /// 1 for the first attempt of this request.
        package let number: Int
    }

    /// What to do now.
    package enum Next: Sendable {
        /// Send this, then ask again.
        case send(Attempt)
        /// Nothing before this time (nanoseconds).
        case wait(until: Int64)
        /// Nothing until a request is offered or an attempt completes.
        case idle
    }

    struct Entry {
        var request: ExportRequest
        var cost: Int
        var attempts = 0
        var firstAttemptAt: Int64 = 0
        var notBefore: Int64 = .min
        /// Place in the order of offers; ties (halves of a split) keep their order.
        var order: UInt64
    }

    struct Waiter {
        var request: ExportRequest
        var cost: Int
        /// What it held of memory when it came.
        var bytes: Int
        var until: Int64
    }

    struct Flight {
        var id: UInt64
        var epoch: UInt64
        var entry: Entry
    }

    /// Longest backoff while draining: a node that stops does not sit out half a minute.
    package static let drainMaximumInterval: Int64 = 1_000_000_000

    /// What the requests that are here hold of memory.
    package let charge: QueueCharge
    /// What all but the overflow may hold of memory.
    let placeBytes: Int

    let queue: QueueSettings
    let retry: RetrySettings
    let backoff: Backoff
    /// `queue_size` in units of the sizer.
    package let capacity: Int

    var ready = Deque<Entry>()
    var retries: [Entry] = []
    var waiting = Deque<Waiter>()
    /// Sum of `Waiter.bytes`.
    var waitingBytes = 0
    var flights: [Flight] = []

    var nextAttemptID: UInt64 = 1
    var nextOrder: UInt64 = 1
    var epoch: UInt64 = 0
    /// No attempt of any kind before this: the destination said so.
    var holdUntil: Int64 = .min
    var lastProbeOrder: UInt64 = 0
    var drainDeadline: Int64?
    var isClosed = false
    var lostByReason = [Int](repeating: 0, count: LossReason.allCases.count)

    /// Requests with a place in the queue that are not being sent (ready or set aside for retry).
    package internal(set) var queuedDepth = QueueDepth()
    /// Requests in the overflow.
    package internal(set) var waitingDepth = QueueDepth()
    /// Requests being sent.
    package internal(set) var inFlightDepth = QueueDepth()
    /// Units of the sizer in use; never above `capacity`.
    package internal(set) var usedCapacity = 0
    /// Backoff steps since the last answer; 0 when all is well.
    package internal(set) var consecutiveFailures = 0
    /// Whether the destination is being sent to.
    package internal(set) var circuit = CircuitState.closed
    /// Spans ever offered.
    package internal(set) var offeredSpans = 0
    /// Spans delivered.
    package internal(set) var sentSpans = 0

    /// Values that make no sense are lifted to the smallest that does.
    package init(queue: QueueSettings, retry: RetrySettings) {
        var queue = queue
        queue.numConsumers = max(1, queue.numConsumers)
        queue.maximumBytes = max(1, queue.maximumBytes)
        queue.overflowBytes = min(max(0, queue.overflowBytes), queue.maximumBytes / 4)
        if !queue.enabled {
            queue.sizer = .requests
            queue.queueSize = queue.numConsumers
        }
        self.queue = queue
        self.retry = retry
        charge = QueueCharge(limitBytes: queue.maximumBytes)
        placeBytes = queue.maximumBytes == .max ? .max : queue.maximumBytes - queue.overflowBytes
        backoff = Backoff(retry)
        capacity = max(1, queue.queueSize)
    }

    /// Everything that is here: queued, waiting and in flight.
    package var depth: QueueDepth { queuedDepth + waitingDepth + inFlightDepth }

    /// Whether the next offered request would have to wait or be refused: time to hold decisions.
    package var isFull: Bool { !waiting.isEmpty || usedCapacity >= capacity || placedBytes >= placeBytes }

    /// How full it is, 0 to 1: of the capacity, or of the memory for requests with a place, whichever is more.
    package var fill: Double {
        min(1, max(Double(usedCapacity) / Double(capacity), Double(placedBytes) / Double(placeBytes)))
    }

    /// Memory of all that is not in the overflow, with the coded forms of what is.
    private var placedBytes: Int { charge.bytes - waitingBytes }

    /// Whether a request can have a place. The first always can: what is larger than the queue's share must go out, too.
    private func hasPlace(cost: Int, bytes: Int) -> Bool {
        guard usedCapacity + cost <= capacity else { return false }
        return placedBytes + bytes <= placeBytes || usedCapacity == 0
    }

    /// Whether nothing is left to do.
    package var isEmpty: Bool { depth.requests == 0 }

    /// Spans lost for a reason.
    package func lostSpans(_ reason: LossReason) -> Int { lostByReason[reason.index] }

    /// Takes a request, lets it wait, or refuses it. Refused spans are counted as lost here, and so are those of older
    /// requests that make room for it (`dropsOldest`); the caller reports them, as `lostSpans` counts them.
    ///
    /// - Complexity: O(1), and O(requests lost).
    package mutating func offer(_ request: ExportRequest, now: Int64) -> Offer {
        offeredSpans += request.spanCount
        if isClosed { return refuse(request, .shutdown) }
        let cost = cost(of: request)
        if cost > capacity { return refuse(request, .tooLarge) }
        let bytes = request.heldBytes
        if queue.dropsOldest, waiting.isEmpty { makeRoom(cost: cost, bytes: bytes) }
        if waiting.isEmpty, hasPlace(cost: cost, bytes: bytes) {
            request.hold(by: charge)
            enqueue(request, cost: cost)
            return .queued
        }
        if waitingDepth.bytes + request.identity.count > queue.overflowBytes
            || charge.bytes + bytes > queue.maximumBytes
        {
            return refuse(request, .queueFull)
        }
        request.hold(by: charge)
        let until =
            drainDeadline
            ?? (queue.blockOnOverflow ? .max : saturatingAdd(now, max(0, queue.overflowTimeout)))
        waiting.append(Waiter(request: request, cost: cost, bytes: bytes, until: until))
        waitingBytes += bytes
        waitingDepth.add(request)
        return .waiting(until: until)
    }

    /// Loses the oldest requests that are not being sent until there is a place, if that can make one. Nothing waits.
    private mutating func makeRoom(cost: Int, bytes: Int) {
        let flying = flights.reduce(into: (cost: 0, bytes: 0)) { sum, flight in
            sum.cost += flight.entry.cost
            sum.bytes += flight.entry.request.heldBytes
        }
        guard flying.cost + cost <= capacity, flying.bytes + bytes <= placeBytes || flights.isEmpty else { return }
        while !hasPlace(cost: cost, bytes: bytes), let oldest = takeOldest() {
            queuedDepth.remove(oldest.request)
            _ = lose(oldest, .queueFull)
        }
    }

    /// Of those that are ready or set aside for a retry, which both are in the order of offers.
    private mutating func takeOldest() -> Entry? {
        guard let retry = retries.first, retry.order <= ready.first?.order ?? .max else { return ready.popFirst() }
        return retries.removeFirst()
    }

    private mutating func refuse(_ request: ExportRequest, _ reason: LossReason) -> Offer {
        lostByReason[reason.index] += request.spanCount
        return .refused(reason)
    }

    private func cost(of request: ExportRequest) -> Int {
        switch queue.sizer {
        case .requests: 1
        case .items: request.spanCount
        case .bytes: request.identity.count
        }
    }

    private mutating func enqueue(_ request: ExportRequest, cost: Int) {
        usedCapacity += cost
        queuedDepth.add(request)
        ready.append(Entry(request: request, cost: cost, order: nextOrder))
        nextOrder += 1
    }

    /// Moves requests from the overflow into the queue while there is room for the oldest.
    mutating func admitWaiting() {
        while let first = waiting.first, hasPlace(cost: first.cost, bytes: first.bytes) {
            waiting.removeFirst()
            waitingBytes -= first.bytes
            waitingDepth.remove(first.request)
            enqueue(first.request, cost: first.cost)
        }
    }
}

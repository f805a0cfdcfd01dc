package import Delivery
package import Logging
package import NIOCore
package import Telemetry

/// One exporter of the pipeline at work: its queue, its sender, its timer. Lives on one worker's loop.
///
/// Drives a `RetryQueue` the way its documentation asks for: after every change it sends what may be sent, and one timer
/// stands for the next thing that happens by the clock.
package final class Destination {
    package let name: String
    package let number: Int
    package let eventLoop: any EventLoop
    package let fullness = DestinationFullness()
    private var queue: RetryQueue
    private let queueSettings: QueueSettings
    private let sender: any ExportSender
    private let metrics: DestinationMetrics
    private let cells: MetricCells
    private let logger: Logger
    /// What is lost when something is lost, for the log.
    private let carries: String
    private var generator = SystemRandomNumberGenerator()
    private var timer: Scheduled<Void>?
    private var timerAt: Int64 = .max
    private var drained: EventLoopPromise<Void>?
    private var lastFailureLog: Int64 = .min
    private var lastRemarkLog: Int64 = .min
    private var lastFullLog: Int64 = .min
    private var failuresSinceLog = 0
    private var isFailing = false
    private var lastLossLog: [LossReason: Int64] = [:]
    private var unloggedLosses: [LossReason: Int] = [:]

    /// - Parameters:
    ///   - number: place in the ledger's cells.
    ///   - cells: of the worker on whose loop this lives.
    package init(
        name: String, number: Int, eventLoop: any EventLoop, queue: QueueSettings, retry: RetrySettings,
        sender: any ExportSender, metrics: DestinationMetrics, cells: MetricCells, logger: Logger,
        carries: String = "sampled spans"
    ) {
        self.name = name
        self.number = number
        self.eventLoop = eventLoop
        self.queue = RetryQueue(queue: queue, retry: retry)
        queueSettings = queue
        self.sender = sender
        self.metrics = metrics
        self.cells = cells
        self.logger = logger
        self.carries = carries
    }

    private var now: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }

    /// Takes a request over from a worker.
    package func take(_ request: ExportRequest) {
        let now = now
        let lost = queue.lostSpans(.queueFull)
        switch queue.offer(request, now: now) {
        case .queued:
            let dropped = queue.lostSpans(.queueFull) - lost
            if dropped > 0 {
                cells.add(metrics.enqueueFailedSpans, dropped)
                logLoss(dropped, .queueFull)
            }
        case .waiting:
            if !fullness.isFull { logFullness(now) }
        case .refused(let reason):
            cells.add(metrics.enqueueFailedSpans, request.spanCount)
            logLoss(request.spanCount, reason)
        }
        advance(now)
    }

    /// Sends what may be sent and sets the timer.
    private func advance(_ now: Int64) {
        while case .send(let attempt) = queue.next(now: now) { start(attempt, now) }
        fullness.set(queue.isFull)
        if queue.isEmpty, let drained {
            self.drained = nil
            drained.succeed()
        }
        setTimer(now)
    }

    private func start(_ attempt: RetryQueue.Attempt, _ started: Int64) {
        let id = attempt.id
        let spans = attempt.request.spanCount
        sender.send(attempt.request) { [weak self] result in
            self?.finished(id, result, spans: spans, started: started)
        }
    }

    private func finished(_ id: UInt64, _ result: AttemptResult, spans: Int, started: Int64) {
        let now = now
        cells.add(metrics.attempts[result.label])
        cells.observe(metrics.duration, Int((now - started) / 1000))
        if result.label == .ok {
            cells.add(metrics.exportedBytes, result.bytes)
            if isFailing {
                isFailing = false
                logger.info("destination works again", metadata: ["exporter": "\(name)"])
            }
            if !result.message.isEmpty { logRemark(result, now) }
        } else {
            logFailure(result, now)
        }
        handle(queue.complete(id, outcome: result.outcome, now: now, random: generator.next()))
        advance(now)
    }

    private func handle(_ events: [DeliveryEvent]) {
        for event in events {
            switch event {
            case .lost(let spans, let reason):
                if reason == .queueFull {
                    cells.add(metrics.enqueueFailedSpans, spans)
                } else {
                    cells.add(metrics.sendFailedSpans, spans)
                }
                logLoss(spans, reason)
            case .rejectedByPeer(let spans):
                cells.add(metrics.sendFailedSpans, spans)
                logLoss(spans, .rejectedByPeer)
            case .sent, .retrying, .split: break
            }
        }
    }

    private func setTimer(_ now: Int64) {
        let wake = queue.nextWake(now: now) ?? .max
        if wake == timerAt { return }
        timer?.cancel()
        timer = nil
        timerAt = wake
        guard wake != .max else { return }
        timer = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(max(0, wake - now))) { [weak self] in
            guard let self else { return }
            self.timer = nil
            self.timerAt = .max
            let now = self.now
            self.handle(self.queue.expire(now: now))
            self.advance(now)
        }
    }

    // MARK: log

    /// Repeated failures are one log line in ten seconds.
    private func logFailure(_ result: AttemptResult, _ now: Int64) {
        isFailing = true
        failuresSinceLog += 1
        if lastFailureLog != .min && now - lastFailureLog < 10_000_000_000 { return }
        lastFailureLog = now
        logger.warning(
            "export attempt failed",
            metadata: [
                "exporter": "\(name)", "outcome": "\(result.label.rawValue)", "message": "\(result.message)",
                "failures": "\(failuresSinceLog)",
            ])
        failuresSinceLog = 0
    }

    /// What a destination that took a request had to say about it (`partial_success`): one log line in ten seconds.
    private func logRemark(_ result: AttemptResult, _ now: Int64) {
        if lastRemarkLog != .min && now - lastRemarkLog < 10_000_000_000 { return }
        lastRemarkLog = now
        logger.warning("partial success", metadata: ["exporter": "\(name)", "message": "\(result.message)"])
    }

    /// The queue is full; what comes now waits a little, and is lost then. One log line in ten seconds.
    private func logFullness(_ now: Int64) {
        if lastFullLog != .min && now - lastFullLog < 10_000_000_000 { return }
        lastFullLog = now
        logger.warning("queue is full", metadata: ["exporter": "\(name)", "queue": "\(fillText)"])
    }

    /// How full the queue is, in its own unit and in memory.
    private var fillText: String {
        var text = "\(queue.usedCapacity) of \(queue.capacity) \(queueSettings.sizer.rawValue)"
        if queueSettings.maximumBytes != .max {
            text += ", \(queue.charge.bytes >> 20) of \(queueSettings.maximumBytes >> 20) MiB"
        }
        return text
    }

    /// Losses are loud, but an outage must not fill the disk: one line per reason in ten seconds, with all since the last.
    private func logLoss(_ spans: Int, _ reason: LossReason) {
        let now = now
        unloggedLosses[reason, default: 0] += spans
        if let last = lastLossLog[reason], now - last < 10_000_000_000 { return }
        lastLossLog[reason] = now
        let total = unloggedLosses.removeValue(forKey: reason) ?? 0
        var metadata: Logger.Metadata = ["exporter": "\(name)", "spans": "\(total)", "reason": "\(reason.rawValue)"]
        if reason == .queueFull { metadata["queue"] = "\(fillText)" }
        logger.error("\(carries) lost", metadata: metadata)
    }

    // MARK: shutdown

    /// Sends what is left until `deadline`; the future is done when the queue is empty.
    package func drain(deadline: Int64) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        let now = now
        drained = promise
        queue.beginDrain(deadline: deadline, now: now)
        handle(queue.expire(now: now))
        advance(now)
        return promise.futureResult
    }

    /// Gives up on what is left, and closes.
    package func close() {
        timer?.cancel()
        timer = nil
        handle(queue.abandonAll())
        lastLossLog.removeAll()
        for reason in Array(unloggedLosses.keys) { logLoss(0, reason) }
        drained?.succeed()
        drained = nil
        sender.close()
    }

    // MARK: figures

    /// Spans queued, waiting or in flight.
    package var queuedSpans: Int { queue.depth.spans }

    /// Enters the home side of the destination's ledger and its gauges.
    package func fill(_ ledger: inout DestinationLedgerCells) {
        ledger.taken = queue.offeredSpans
        ledger.queued = queue.depth.spans
        ledger.sent = queue.sentSpans
        for reason in LossReason.allCases { ledger.setLost(queue.lostSpans(reason), reason) }
        fillGauges()
    }

    /// Enters the gauges alone: for what is in no ledger.
    package func fillGauges() {
        cells.set(metrics.queueSize, queue.usedCapacity)
        cells.set(metrics.queueCapacity, queueSettings.queueSize)
        cells.set(metrics.inFlightRequests, queue.inFlightDepth.requests)
        cells.set(metrics.queueBytes, queue.charge.bytes)
        cells.set(metrics.queueLimitBytes, queueSettings.maximumBytes)
        cells.set(metrics.queueFill, Int(queue.fill * 1e6))
        cells.set(metrics.circuitOpen, queue.circuit == .closed ? 0 : 1)
        cells.set(metrics.sentSpans, total: queue.sentSpans)
    }
}

internal import ConfigTree

/// What a queue's size is counted in.
package enum QueueSizer: String, Sendable, CaseIterable {
    case requests
    /// Spans.
    case items
    case bytes
}

/// `sending_queue` of an exporter.
package struct QueueConfig: Sendable, Equatable {
    /// How many requests may be on their way at once.
    package var numConsumers = 10
    /// The queue's capacity, in units of `sizer`.
    package var queueSize = 1000
    package var sizer = QueueSizer.requests
    /// True: whoever offers to a full queue waits without limit.
    package var blockOnOverflow = false
    /// True: whoever offers waits until the request is sent.
    package var waitForResult = false
    /// Nil if requests leave as they were assembled.
    package var batch: QueueBatchConfig?

    /// Every value at its default.
    package init() {}
}

/// `sending_queue.batch`: merging and splitting of requests in the queue.
package struct QueueBatchConfig: Sendable, Equatable {
    package var flushTimeout: Int64 = 200_000_000
    /// In units of `sizer`.
    package var minSize = 8192
    /// In units of `sizer`; 0 is no limit.
    package var maxSize = 0
    /// Never `requests`.
    package var sizer = QueueSizer.items

    /// Every value at its default.
    package init() {}
}

/// `retry_on_failure` of an exporter.
package struct RetryConfig: Sendable, Equatable {
    package var initialInterval: Int64 = 5_000_000_000
    package var maxInterval: Int64 = 30_000_000_000
    /// Each delay is this much longer than the last.
    package var multiplier = 1.5
    /// A delay d is drawn from d * (1 - f) ... d * (1 + f).
    package var randomizationFactor = 0.5
    /// From the first attempt; after it a request counts as lost. 0: never.
    package var maxElapsedTime: Int64 = 300_000_000_000

    /// Every value at its default.
    package init() {}
}

extension QueueConfig {
    /// Nil if `enabled: false`.
    init?(_ reader: inout ConfigReader) {
        let enabled = reader.bool("enabled", default: true)
        numConsumers = reader.integer("num_consumers", default: numConsumers, in: 1...(.max))
        queueSize = reader.integer("queue_size", default: queueSize, in: 1...(.max))
        sizer = reader.oneOf("sizer", default: sizer)
        blockOnOverflow = reader.bool("block_on_overflow", default: false)
        waitForResult = reader.bool("wait_for_result", default: false)
        if var section = reader.map("batch") { batch = QueueBatchConfig(&section, queue: self) }
        reader.notSupported(["storage"], because: "queues are in memory; leave the key out")
        reader.finish()
        guard enabled else { return nil }
    }
}

extension QueueBatchConfig {
    init(_ reader: inout ConfigReader, queue: QueueConfig) {
        sizer = reader.oneOf("sizer", default: queue.sizer == .requests ? .items : queue.sizer)
        if sizer == .requests {
            reader.error("a batch can't be measured in `requests`; write `items` or `bytes`", key: "sizer")
        }
        flushTimeout = reader.duration("flush_timeout", default: flushTimeout, in: 1...(.max))
        minSize = reader.integer("min_size", default: minSize, in: 0...(.max))
        maxSize = reader.integer("max_size", default: maxSize, in: 0...(.max))
        if maxSize > 0, maxSize < minSize {
            reader.error(
                "`\(maxSize)` is less than min_size (\(minSize)); write at least that, or 0 for no limit",
                key: "max_size")
        }
        if sizer != .requests, sizer == queue.sizer, minSize > queue.queueSize {
            reader.error("`\(minSize)` is more than the queue holds (queue_size \(queue.queueSize))", key: "min_size")
        }
        reader.notSupported(["partition"], because: "batches are not told apart by client metadata; leave the key out")
        reader.finish()
    }
}

extension RetryConfig {
    /// Nil if `enabled: false`.
    init?(_ reader: inout ConfigReader) {
        let enabled = reader.bool("enabled", default: true)
        initialInterval = reader.duration("initial_interval", default: initialInterval, in: 1...(.max))
        maxInterval = reader.duration("max_interval", default: maxInterval, in: 1...(.max))
        multiplier = reader.double("multiplier", default: multiplier, in: 1...1000)
        randomizationFactor = reader.double("randomization_factor", default: randomizationFactor, in: 0...1)
        maxElapsedTime = reader.duration("max_elapsed_time", default: maxElapsedTime, in: 0...(.max))
        reader.finish()
        guard enabled else { return nil }
        if maxElapsedTime > 0, maxElapsedTime < max(initialInterval, maxInterval) {
            let name = maxElapsedTime < initialInterval ? "initial_interval" : "max_interval"
            let value = GoDuration.describe(maxElapsedTime < initialInterval ? initialInterval : maxInterval)
            reader.error(
                "`\(GoDuration.describe(maxElapsedTime))` is less than \(name) (\(value)); write at least that, or 0 to retry for ever",
                key: "max_elapsed_time")
        }
    }
}

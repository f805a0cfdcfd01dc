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
    /// True: a full queue loses its oldest requests, not the new one (`drop_oldest`).
    package var dropsOldest = false
    /// Bytes of memory that it may hold, coded forms included (`max_bytes`). Nil: its share of the memory limit (`QueueShares`).
    package var maximumBytes: Int?
    /// Whether `queue_size` was written.
    package var hasOwnSize = false

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
        hasOwnSize = reader.has("queue_size")
        queueSize = reader.integer("queue_size", default: queueSize, in: 1...(.max))
        sizer = reader.oneOf("sizer", default: sizer)
        blockOnOverflow = reader.bool("block_on_overflow", default: false)
        dropsOldest = reader.bool("drop_oldest", default: false)
        if dropsOldest && blockOnOverflow {
            reader.error("`drop_oldest` and `block_on_overflow` exclude each other; keep one of them", key: "drop_oldest")
        }
        if reader.has("max_bytes") {
            maximumBytes = reader.byteCount("max_bytes", default: 64 << 20, in: 1 << 20...1 << 40)
        }
        if reader.bool("wait_for_result", default: false) {
            reader.error(
                "`wait_for_result: true` is not in Tailgate: a client's OK says that its spans are held, not that they were sent",
                key: "wait_for_result")
        }
        reader.notSupported(
            ["batch"], because: "kept traces are batched once for all exporters; set `processors.batch` and leave the key out")
        reader.notSupported(["storage"], because: "queues are in memory; leave the key out")
        reader.finish()
        guard enabled else { return nil }
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

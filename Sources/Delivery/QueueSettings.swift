/// The Collector's `sending_queue` block, with its defaults, and the bounds of the overflow.
package struct QueueSettings: Sendable, Equatable {
    /// What `queueSize` counts.
    package enum Sizer: String, Sendable, CaseIterable {
        /// Export requests.
        case requests
        /// Spans.
        case items
        /// Bytes of the uncompressed messages.
        case bytes
    }

    /// False: nothing is queued beyond the requests that are being sent.
    package var enabled: Bool
    /// Requests in flight at the same time.
    package var numConsumers: Int
    /// Capacity in units of `sizer`. Requests in flight and waiting for a retry count.
    package var queueSize: Int
    /// Unit of `queueSize`.
    package var sizer: Sizer
    /// True: a request in the overflow waits for room without a time limit.
    package var blockOnOverflow: Bool
    /// True: a full queue loses its oldest requests for a new one, instead of the new one. What is being sent is not lost; only
    /// what finds no place beside that waits in the overflow.
    package var dropsOldest: Bool
    /// Nanoseconds that a request may wait in the overflow before it is lost.
    package var overflowTimeout: Int64
    /// Bytes (uncompressed) that the overflow may hold.
    package var overflowBytes: Int
    /// Bytes of memory that the queue may hold, coded forms and the overflow included: its share of the node's memory, a
    /// bound beside `queueSize`. The overflow has a quarter of it at most. One request is held however large it is.
    package var maximumBytes: Int

    /// 1000 requests, 10 consumers; overflow 5 s and 32 MiB.
    package init(
        enabled: Bool = true, numConsumers: Int = 10, queueSize: Int = 1000,
        sizer: Sizer = .requests, blockOnOverflow: Bool = false, dropsOldest: Bool = false,
        overflowTimeout: Int64 = 5_000_000_000, overflowBytes: Int = 33_554_432,
        maximumBytes: Int = .max
    ) {
        self.enabled = enabled
        self.numConsumers = numConsumers
        self.queueSize = queueSize
        self.sizer = sizer
        self.blockOnOverflow = blockOnOverflow
        self.dropsOldest = dropsOldest
        self.overflowTimeout = overflowTimeout
        self.overflowBytes = overflowBytes
        self.maximumBytes = maximumBytes
    }

    /// Most bytes of uncompressed requests that `queueSize` and the overflow allow, whatever `maximumBytes` says; nil when the
    /// sizer does not bound bytes (`items`). Destinations share the bytes of a request that they both hold, but need not hold
    /// the same ones: sum over destinations.
    ///
    /// - Parameter maximumRequestBytes: of the batch settings.
    package func worstCaseBytes(maximumRequestBytes: Int) -> Int? {
        switch sizer {
        case .items where enabled:
            return nil
        case .bytes where enabled:
            return Self.saturatingSum(queueSize, overflowBytes)
        default:
            let requests = max(0, enabled ? queueSize : numConsumers)
            let (bytes, overflow) = requests.multipliedReportingOverflow(by: maximumRequestBytes)
            return overflow ? .max : Self.saturatingSum(bytes, overflowBytes)
        }
    }

    private static func saturatingSum(_ left: Int, _ right: Int) -> Int {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

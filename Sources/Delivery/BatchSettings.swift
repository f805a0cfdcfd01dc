/// How kept traces are collected into export requests: the Collector's `batch` processor
/// (`timeout`, `send_batch_size`, `send_batch_max_size`) and a limit in bytes of our own.
package struct BatchSettings: Sendable, Equatable {
    /// Spans from which on a batch is sent (`send_batch_size`). 0: every trace by itself.
    package var sendBatchSize: Int
    /// Spans that a request may never exceed (`send_batch_max_size`). 0: no limit.
    package var sendBatchMaxSize: Int
    /// Nanoseconds after its first trace at which a batch is sent anyhow. 0: every trace by itself.
    package var timeout: Int64
    /// Bytes of the uncompressed protobuf message that a request may not exceed, unless a single
    /// span is larger. Nearly all receivers refuse more than 4 MiB; hence 3.5 MiB.
    package var maximumRequestBytes: Int

    /// The Collector's defaults, and 3.5 MiB.
    package init(
        sendBatchSize: Int = 8192, sendBatchMaxSize: Int = 0, timeout: Int64 = 200_000_000,
        maximumRequestBytes: Int = 3_670_016
    ) {
        self.sendBatchSize = sendBatchSize
        self.sendBatchMaxSize = sendBatchMaxSize
        self.timeout = timeout
        self.maximumRequestBytes = maximumRequestBytes
    }
}

internal import ConfigTree

/// `processors.batch[/name]`: how kept traces are put together into export requests.
package struct BatchConfig: Sendable, Equatable {
    package var id = ComponentID(type: "batch")
    /// A request is sent this long after its first trace, even if small. 0: at once.
    package var timeout: Int64 = 200_000_000
    /// A request is sent as soon as it holds this many spans. 0: at once.
    package var sendBatchSize = 8192
    /// No request holds more spans than this; 0 is no limit, else at least `sendBatchSize`.
    package var sendBatchMaxSize = 0

    /// Every value at its default.
    package init() {}
}

extension BatchConfig {
    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        timeout = reader.duration("timeout", default: timeout, in: 0...(.max))
        sendBatchSize = reader.integer("send_batch_size", default: sendBatchSize, in: 0...Int(UInt32.max))
        sendBatchMaxSize = reader.integer("send_batch_max_size", default: 0, in: 0...Int(UInt32.max))
        if sendBatchMaxSize > 0, sendBatchMaxSize < sendBatchSize {
            reader.error(
                "`\(sendBatchMaxSize)` is less than send_batch_size (\(sendBatchSize)); write at least that, or 0 for no limit",
                key: "send_batch_max_size")
        }
        if !reader.list("metadata_keys").isEmpty {
            reader.warning(
                "`metadata_keys` changes nothing: what is batched here has been sampled, and a sampled trace, put together from many clients' requests, bears no client's metadata (behind the Collector's tail_sampling neither). Leave it out; for a tenant, give an exporter `tenant` or `headers`",
                key: "metadata_keys")
        }
        _ = reader.integer("metadata_cardinality_limit", default: 1000, in: 0...Int(UInt32.max))
        reader.finish()
    }
}

/// How much is in one part of a queue.
package struct QueueDepth: Sendable, Equatable {
    /// Export requests.
    package var requests = 0
    /// Spans in them.
    package var spans = 0
    /// Their uncompressed bytes.
    package var bytes = 0

    /// Nothing.
    package init() {}

    mutating func add(_ request: ExportRequest) {
        requests += 1
        spans += request.spanCount
        bytes += request.identity.count
    }

    mutating func remove(_ request: ExportRequest) {
        requests -= 1
        spans -= request.spanCount
        bytes -= request.identity.count
    }

    static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.requests += right.requests
        sum.spans += right.spans
        sum.bytes += right.bytes
        return sum
    }
}

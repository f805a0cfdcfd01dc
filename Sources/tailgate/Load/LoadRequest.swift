/// A request of the load generator on its way, through as many attempts as it takes.
struct LoadRequest {
    /// A whole gRPC message or HTTP body, compressed or not.
    var body: [UInt8]
    var spans: Int
    /// When it should have been sent first; latency counts from here. Monotonic nanoseconds.
    var due: Int64
    /// When the present attempt was sent.
    var sent: Int64
    var attempts: Int
    /// The endpoint that did not take it at the last attempt.
    var failedAt: Int?
}

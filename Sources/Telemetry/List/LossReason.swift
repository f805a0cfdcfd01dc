/// Why accepted spans were lost before there was a decision on them. The raw values are label values.
package enum UndecidedLossReason: String, Sendable, CaseIterable {
    /// The span buffer was full. Admission keeps this from happening; a span that came another way may meet it.
    case noRoom = "no_room"
    /// The span, with its resource and scope, is larger than a segment of the span buffer. A client's span would have been left out
    /// of its request; this one came from a peer.
    case tooLarge = "too_large"
    /// What had been accepted can't be read any more: a fault of this node or of a peer.
    case malformed

    /// Position in `allCases`, for tables indexed by reason.
    package var index: Int {
        switch self {
        case .noRoom: 0
        case .tooLarge: 1
        case .malformed: 2
        }
    }
}

/// Why spans that were sampled will never be at a destination. The raw values are label values.
package enum LossReason: String, Sendable, CaseIterable {
    /// The queue and its overflow stayed full for longer than the overflow time-out.
    case queueFull = "queue_full"
    /// `max_elapsed_time` has passed since the first attempt.
    case retriesExhausted = "retries_exhausted"
    /// The first attempt failed and `retry_on_failure.enabled` is false.
    case retryDisabled = "retry_disabled"
    /// The destination refused for good, with no more specific reason.
    case permanent = "permanent"
    /// The destination calls the data invalid (INVALID_ARGUMENT, HTTP 400).
    case invalid = "invalid"
    /// The destination does not accept our credentials (UNAUTHENTICATED, PERMISSION_DENIED).
    case unauthorized = "unauthorized"
    /// A single span, or a request that can't be split, is larger than is accepted.
    case tooLarge = "too_large"
    /// A limit of the tenant at the backend (Tempo: live traces, trace size).
    case backendLimit = "backend_limit"
    /// The destination took the request but rejected these spans (`partial_success`).
    case rejectedByPeer = "rejected_by_peer"
    /// The node stopped before the spans could be delivered.
    case shutdown = "shutdown"
    /// The file of a `file` exporter can't be written (disk full, no permission).
    case writeFailed = "write_failed"

    /// Position in `allCases`, for tables indexed by reason.
    package var index: Int {
        switch self {
        case .queueFull: 0
        case .retriesExhausted: 1
        case .retryDisabled: 2
        case .permanent: 3
        case .invalid: 4
        case .unauthorized: 5
        case .tooLarge: 6
        case .backendLimit: 7
        case .rejectedByPeer: 8
        case .shutdown: 9
        case .writeFailed: 10
        }
    }
}

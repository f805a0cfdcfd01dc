/// Why a whole request was refused. The raw value is the label `reason`.
package enum RefusalReason: String, Sendable, CaseIterable {
    /// The message is longer than the limit, as it came over the wire.
    case messageTooLarge = "message_too_large"
    /// The message is longer than the limit after inflating.
    case inflatedTooLarge = "inflated_too_large"
    /// The body is no protobuf message of the expected kind.
    case malformed
    /// The gRPC framing is broken: truncated message, more than one message, bad flag.
    case badFraming = "bad_framing"
    /// The compressed body cannot be inflated.
    case corruptEncoding = "corrupt_encoding"
    /// The content coding is not one we know.
    case unsupportedEncoding = "unsupported_encoding"
    /// Content type other than `application/grpc`.
    case unsupportedContentType = "unsupported_content_type"
    /// No such service or method.
    case unknownMethod = "unknown_method"
    /// No pipeline takes the signal from the listener.
    case noPipeline = "no_pipeline"
    /// HTTP method other than POST.
    case wrongHTTPMethod = "wrong_http_method"
    /// Request headers over the limit, or invalid.
    case badHeaders = "bad_headers"
    /// No credentials, or wrong ones.
    case unauthenticated
    /// Too many passwords are being checked.
    case authenticationBusy = "authentication_busy"
    /// Near the memory limit.
    case memory
    /// Larger than what an idle node could hold.
    case exceedsMemory = "exceeds_memory"
    /// A shard that would own spans of the request has no room for them.
    case mailboxFull = "mailbox_full"
    /// `num_traces` traces wait for their decision, and `block_on_overflow` is set.
    case traceLimit = "trace_limit"
    /// The queues of all exporters that the request would go to are full.
    case queueFull = "queue_full"
    /// The nodes that own its spans take none of them.
    case ownersRefuse = "owners_refuse"
    /// As many spans wait for their owners as may.
    case custodyFull = "custody_full"
    /// A message of a peer that can't be read, or that is too old to be told from its repetition.
    case badPeerMessage = "bad_peer_message"
    /// A batch of a peer that is being worked on already.
    case repeatedBatch = "repeated_batch"
    /// Starting or shutting down.
    case notServing = "not_serving"
    /// The client's deadline passed first.
    case deadlineExceeded = "deadline_exceeded"
    /// More concurrent streams than allowed.
    case tooManyStreams = "too_many_streams"
    /// The client reset the stream or left before the request was complete.
    case cancelled
    /// Our own fault.
    case internalError = "internal"

    /// The request itself is wrong, whoever sends it and whenever: a client that goes on with such requests is of no use.
    package var isForWhatItIs: Bool {
        switch self {
        case .messageTooLarge, .inflatedTooLarge, .malformed, .badFraming, .corruptEncoding, .unsupportedEncoding,
            .unsupportedContentType, .unknownMethod, .wrongHTTPMethod, .badHeaders, .unauthenticated, .badPeerMessage: true
        // SDKs send all signals unless told otherwise: that is no attack.
        case .noPipeline, .exceedsMemory, .authenticationBusy, .memory, .mailboxFull, .traceLimit, .queueFull, .ownersRefuse,
            .custodyFull,
            .repeatedBatch, .notServing, .deadlineExceeded, .tooManyStreams, .cancelled, .internalError: false
        }
    }
}

/// Why there was no memory for a client's request. The raw value is the label `reason`.
package enum MemoryRefusal: String, Sendable, CaseIterable {
    /// There is none for anybody.
    case full
    /// There is a little, which is for other addresses.
    case address
    /// There is some, which is for clients that took less.
    case share
    /// The body came too slowly while memory was short.
    case slow
}

/// What a connection was closed for that did too much of something. The raw value is the label `kind`.
package enum FloodKind: String, Sendable, CaseIterable {
    /// Frames that move nothing.
    case frames
    /// PINGs.
    case pings
    /// Header fields beyond what requests need.
    case headers
    /// Requests that are refused for what they are.
    case refusals
    /// A message that inflates to far more than any trace does.
    case inflation
}

/// Why a span of an accepted request was left out. The raw value is the label `reason`.
package enum RejectionReason: String, Sendable, CaseIterable {
    /// Trace id not 16 bytes long.
    case traceIDLength = "trace_id_length"
    /// Trace id all zero.
    case traceIDZero = "trace_id_zero"
    /// Span id not 8 bytes long.
    case spanIDLength = "span_id_length"
    /// Span id all zero.
    case spanIDZero = "span_id_zero"
    /// Parent span id neither empty nor 8 bytes long.
    case parentSpanIDLength = "parent_span_id_length"
    /// A link's trace or span id has a wrong length.
    case linkIDLength = "link_id_length"
    /// Attributes nested deeper than backends read.
    case nestingTooDeep = "nesting_too_deep"
    /// In a field that OTLP has given up (instrumentation_library_spans).
    case unsupportedField = "unsupported_field"
    /// The span, or its resource and scope, alone is larger than the span buffer takes.
    case tooLarge = "too_large"
}

/// Why a client connection was closed. The raw value is the label `reason`.
package enum ConnectionCloseReason: String, Sendable, CaseIterable {
    /// The client closed it.
    case client
    /// The connection broke.
    case error
    /// No stream for longer than the idle time-out.
    case idle
    /// A request took longer to arrive, or an answer to be read, than allowed.
    case tooSlow = "too_slow"
    /// Older than `max_connection_age`.
    case age
    /// The client broke HTTP/2.
    case protocolError = "protocol_error"
    /// Resets, pings, empty frames or the like at a rate that is an attack.
    case abuse
    /// More connections than allowed; closed at once.
    case limit
    /// The node shuts down.
    case shutdown
}

/// How a trace was decided, as the Collector's labels name it.
package enum DecisionLabel: String, Sendable, CaseIterable {
    case sampled
    case notSampled = "not_sampled"
    case dropped

    /// Value of the label `sampled` that goes with it.
    package var sampledLabel: String { self == .sampled ? "true" : "false" }
}

/// How an attempt to send a request ended. The raw value is the label `outcome`.
package enum AttemptOutcome: String, Sendable, CaseIterable {
    /// Taken.
    case ok
    /// Refused or failed in a way that is retried.
    case retryable
    /// Refused for good.
    case permanent
    /// No answer in time.
    case timeout
    /// No connection.
    case unreachable
}

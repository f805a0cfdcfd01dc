internal import Telemetry

/// Which backend stands behind an OTLP exporter: they answer in their own ways.
package enum BackendKind: String, Sendable, CaseIterable {
    /// Anything that speaks OTLP.
    case otlp
    /// Jaeger v2 is a Collector: it answers as `otlp` does.
    case jaeger
    /// Tempo: rate limits without RetryInfo, all-or-nothing pushes.
    case tempo
}

/// Why an attempt ended without an answer.
package enum TransportFailure: Sendable, Equatable {
    /// Nobody listens there, or the host can't be reached.
    case connectionRefused
    /// The name could not be resolved.
    case nameResolution
    /// TLS could not be negotiated.
    case tlsHandshake
    /// The connection ended before the answer.
    case connectionLost
    /// GOAWAY, and the stream was not processed.
    case goAway
    /// RST_STREAM(REFUSED_STREAM): not processed, safe to repeat.
    case refusedStream
    /// RST_STREAM with another HTTP/2 error code.
    case streamReset(code: UInt32)
    /// No answer within `timeout`.
    case timeout
    /// The peer broke HTTP/2 or gRPC rules.
    case protocolError
}

/// What came back for one export attempt.
package enum GRPCAnswer: Sendable, Equatable {
    /// A gRPC status.
    /// - `code`: grpc-status; `message`: grpc-message, percent-decoded or not, and for code 0 that of `partial_success`;
    ///   `retryDelay`: nanoseconds of `google.rpc.RetryInfo`, nil if there was none;
    ///   `rejectedSpans`: of `partial_success`, only looked at for code 0.
    case status(code: Int, message: [UInt8], retryDelay: Int64?, rejectedSpans: Int)
    /// An HTTP response without grpc-status.
    case http(status: Int)
    /// No answer.
    case transport(TransportFailure)
}

/// Turns an answer into what the queue does with the request. Pure.
///
/// Rules: OTLP specification (retryable codes; RESOURCE_EXHAUSTED only with RetryInfo), the gRPC
/// mapping of HTTP status and RST_STREAM codes, and what Tempo and gRPC libraries say in words:
///
/// | answer | outcome |
/// |---|---|
/// | OK | delivered, partial_success counted |
/// | CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS | retry |
/// | RESOURCE_EXHAUSTED with RetryInfo | retry after it |
/// | RESOURCE_EXHAUSTED or OUT_OF_RANGE, "message larger than max" in any library's words | split |
/// | Tempo `RATE_LIMITED:` | retry after RetryInfo or 5 s |
/// | Tempo `RATE_LIMITED: batch size ... exceeds` | split: waiting can't cure it |
/// | Tempo `LIVE_TRACES_EXCEEDED`, `TRACE_TOO_LARGE` | permanent, `backendLimit` |
/// | INVALID_ARGUMENT, HTTP 400 | permanent, `invalid` |
/// | UNAUTHENTICATED, PERMISSION_DENIED, HTTP 401, 403 | permanent, `unauthorized` |
/// | HTTP 413 | split |
/// | HTTP 429, 502, 503, 504, no answer | retry |
/// | everything else | permanent |
package struct GRPCOutcomeClassifier: Sendable {
    /// What Tempo is given to recover when it names no delay: its own default.
    package static let tempoRateLimitDelay: Int64 = 5_000_000_000

    /// The backend whose habits apply.
    package let backend: BackendKind

    /// A classifier for one destination.
    package init(backend: BackendKind) {
        self.backend = backend
    }

    /// - Complexity: O(length of the message).
    package func classify(_ answer: GRPCAnswer) -> ExportOutcome {
        switch answer {
        case .status(let code, let message, let retryDelay, let rejectedSpans):
            if code == 0 { return .delivered(rejectedSpans: rejectedSpans) }
            return failure(code: code, message: message, retryDelay: retryDelay)
        case .http(let status):
            return http(status)
        case .transport(let failure):
            return transport(failure)
        }
    }

    private func failure(code: Int, message: [UInt8], retryDelay: Int64?) -> ExportOutcome {
        if backend == .tempo, let outcome = tempo(message: message, retryDelay: retryDelay) {
            return outcome
        }
        if code == Code.resourceExhausted || code == Code.outOfRange, saysTooLarge(message) {
            return .split
        }
        switch code {
        case Code.cancelled, Code.deadlineExceeded, Code.aborted, Code.outOfRange,
            Code.unavailable, Code.dataLoss:
            return .retry(after: retryDelay)
        case Code.resourceExhausted:
            return retryDelay == nil ? .permanent(.permanent) : .retry(after: retryDelay)
        case Code.invalidArgument:
            return .permanent(.invalid)
        case Code.unauthenticated, Code.permissionDenied:
            return .permanent(.unauthorized)
        default:
            return .permanent(.permanent)
        }
    }

    /// Tempo's words, wherever they stand in the message: proxies and its own distributor put
    /// "rpc error: code = ... desc = " before them.
    private func tempo(message: [UInt8], retryDelay: Int64?) -> ExportOutcome? {
        if contains(message, "live_traces_exceeded") || contains(message, "trace_too_large") {
            return .permanent(.backendLimit)
        }
        guard contains(message, "rate_limited:") else { return nil }
        if contains(message, "batch size"), contains(message, "exceeds") { return .split }
        return .retry(after: retryDelay ?? Self.tempoRateLimitDelay)
    }

    /// grpc-go, grpcio and grpc-js say "larger than max", grpc-java "exceeds maximum size",
    /// grpc-dotnet "exceeds the maximum configured message size", tonic "message length too large".
    private func saysTooLarge(_ message: [UInt8]) -> Bool {
        contains(message, "larger than max") || contains(message, "exceeds maximum size")
            || contains(message, "maximum configured message size")
            || contains(message, "message length too large")
    }

    private func http(_ status: Int) -> ExportOutcome {
        switch status {
        case 429, 502, 503, 504: .retry(after: nil)
        case 413: .split
        case 400: .permanent(.invalid)
        case 401, 403: .permanent(.unauthorized)
        default: .permanent(.permanent)
        }
    }

    private func transport(_ failure: TransportFailure) -> ExportOutcome {
        switch failure {
        case .connectionRefused, .nameResolution, .tlsHandshake, .connectionLost, .goAway,
            .refusedStream, .timeout, .protocolError:
            return .retry(after: nil)
        case .streamReset(let code):
            switch code {
            // REFUSED_STREAM, CANCEL; ENHANCE_YOUR_CALM asks for less, which backing off gives.
            case 0x7, 0x8, 0xb: return .retry(after: nil)
            // INADEQUATE_SECURITY maps to PERMISSION_DENIED.
            case 0xc: return .permanent(.unauthorized)
            // All others map to INTERNAL.
            default: return .permanent(.permanent)
            }
        }
    }

    /// Whether `text` contains `needle` (lower case), letters compared without case.
    ///
    /// - Complexity: O(text x needle); grpc-message is at most a header's size.
    private func contains(_ text: [UInt8], _ needle: StaticString) -> Bool {
        var wanted: [UInt8] = []
        for byte in needle.description.utf8 { wanted.append(byte) }
        guard !wanted.isEmpty, text.count >= wanted.count else { return false }
        for start in 0...(text.count - wanted.count) {
            var matched = 0
            while matched < wanted.count {
                let byte = text[start + matched]
                let lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
                if lower != wanted[matched] { break }
                matched += 1
            }
            if matched == wanted.count { return true }
        }
        return false
    }

    /// The gRPC status codes that are told apart.
    private enum Code {
        static let cancelled = 1
        static let invalidArgument = 3
        static let deadlineExceeded = 4
        static let permissionDenied = 7
        static let resourceExhausted = 8
        static let aborted = 10
        static let outOfRange = 11
        static let unavailable = 14
        static let dataLoss = 15
        static let unauthenticated = 16
    }
}

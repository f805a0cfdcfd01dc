package import Histogram
package import OTLP

/// What one lane of a load run met. Owner: the lane's event loop; merged at the end.
package struct LoadRecorder: Sendable {
    /// Nanoseconds from the due time to the answer OK, of requests due in the measured time.
    package private(set) var latencies = Self.emptyHistogram()
    /// Of the whole run, warm-up included.
    package private(set) var whole = Counts()
    /// Of the measured time only.
    package private(set) var measured = Counts()
    /// Answers other than OK, by gRPC status.
    package private(set) var refusals: [GRPCStatusCode: UInt64] = [:]
    /// Requests sent again after a retryable answer or a lost connection.
    package private(set) var retries: UInt64 = 0
    /// Requests that were given up: not retryable, or retried too often.
    package private(set) var givenUp = Counts()
    /// Requests of which no answer came: the connection broke, or it took too long. Their spans may have been taken. One that
    /// meets that twice counts twice.
    package private(set) var unanswered = Counts()
    /// Connections that could not be made or broke.
    package private(set) var connectionFailures: UInt64 = 0
    /// Why the latest connection could not be made.
    package private(set) var connectionProblem: String?
    /// Requests that were sent more than a millisecond after they were due.
    package private(set) var sentLate: UInt64 = 0
    /// Spans that the receiver said it rejected in an answer OK (partial_success).
    package private(set) var rejectedSpans: UInt64 = 0
    private let measuredFrom: Int64

    package struct Counts: Sendable, Equatable {
        package var requests: UInt64 = 0
        package var spans: UInt64 = 0
        package var bytes: UInt64 = 0

        mutating func add(spans: Int, bytes: Int) {
            requests += 1
            self.spans += UInt64(spans)
            self.bytes += UInt64(bytes)
        }

        mutating func add(_ other: Counts) {
            requests += other.requests
            spans += other.spans
            bytes += other.bytes
        }
    }

    /// Requests due before `measuredFrom` count as warm-up.
    package init(measuredFrom: Int64) {
        self.measuredFrom = measuredFrom
    }

    package static func emptyHistogram() -> Histogram<UInt64> {
        // A microsecond to an hour, three digits: 170 KB.
        Histogram<UInt64>(
            lowestDiscernibleValue: 1000, highestTrackableValue: 3_600_000_000_000,
            numberOfSignificantValueDigits: .three)
    }

    package mutating func sent(due: Int64, now: Int64) {
        if now &- due > 1_000_000 { sentLate += 1 }
    }

    package mutating func accepted(due: Int64, now: Int64, spans: Int, bytes: Int, rejectedSpans: Int = 0) {
        whole.add(spans: spans, bytes: bytes)
        self.rejectedSpans += UInt64(rejectedSpans)
        guard due >= measuredFrom else { return }
        measured.add(spans: spans, bytes: bytes)
        latencies.record(UInt64(clamping: min(now &- due, 3_600_000_000_000)))
    }

    package mutating func refused(status: GRPCStatusCode) {
        refusals[status, default: 0] += 1
    }

    package mutating func retried() {
        retries += 1
    }

    package mutating func gaveUp(spans: Int, bytes: Int) {
        givenUp.add(spans: spans, bytes: bytes)
    }

    package mutating func unanswered(spans: Int, bytes: Int) {
        unanswered.add(spans: spans, bytes: bytes)
    }

    package mutating func connectionFailed(_ problem: String? = nil) {
        connectionFailures += 1
        connectionProblem = problem ?? connectionProblem
    }

    package mutating func merge(_ other: LoadRecorder) {
        latencies.add(other.latencies)
        whole.add(other.whole)
        measured.add(other.measured)
        refusals.merge(other.refusals, uniquingKeysWith: +)
        retries += other.retries
        givenUp.add(other.givenUp)
        unanswered.add(other.unanswered)
        connectionFailures += other.connectionFailures
        connectionProblem = other.connectionProblem ?? connectionProblem
        sentLate += other.sentLate
        rejectedSpans += other.rejectedSpans
    }
}

/// What traffic looks like: everything that decides the bytes and ids of a run, and nothing else.
package struct TrafficSettings: Sendable, Equatable {
    /// Spans in one request, about; rounded to whole traces.
    package var spansPerRequest = 1024
    /// Spans in one trace, 1 ... 1,000,000.
    package var spansPerTrace = 8
    /// Over how many requests the spans of one trace are spread, 1 ... `spansPerTrace`.
    package var requestsPerTrace = 2
    /// The mean length of a Span message in bytes. What can't be reached by cutting attributes is exceeded.
    package var spanBytes = 445
    /// Traces with at least one span of status ERROR, in percent.
    package var errorPercent = 1.0
    /// Traces that take longer than a second, in percent; no trace is both slow and failed.
    package var slowPercent = 1.0
    /// Different requests that are prepared, at least.
    package var templates = 32
    package var seed: UInt64 = 1

    package init() {}

    /// Sentences that say what is out of range; empty if the settings can be used.
    package var problems: [String] {
        var list: [String] = []
        func check(_ holds: Bool, _ sentence: String) {
            if !holds { list.append(sentence) }
        }
        check((1...1_000_000).contains(spansPerRequest), "spans per request must be 1 ... 1000000")
        check((1...1_000_000).contains(spansPerTrace), "spans per trace must be 1 ... 1000000")
        check(
            (1...max(1, spansPerTrace)).contains(requestsPerTrace),
            "requests per trace must be 1 ... the spans per trace")
        check((64...65_536).contains(spanBytes), "span bytes must be 64 ... 65536")
        check(errorPercent >= 0 && slowPercent >= 0, "percentages can't be negative")
        check(errorPercent + slowPercent <= 100, "failed and slow traces together can't exceed 100 percent")
        check((1...1024).contains(templates), "templates must be 1 ... 1024")
        if list.isEmpty {
            let spans = max(spansPerRequest, (spansPerTrace + requestsPerTrace - 1) / requestsPerTrace)
            check(
                spans * (spanBytes + 64) <= 256 << 20, "a request of that many spans of that size exceeds 256 MiB")
        }
        return list
    }

    /// Traces that share one set of requests.
    package var tracesPerInstance: Int {
        max(1, spansPerRequest * requestsPerTrace / spansPerTrace)
    }

    /// Sets of requests that are prepared; each is `requestsPerTrace` templates.
    package var families: Int {
        max(1, (templates + requestsPerTrace - 1) / requestsPerTrace)
    }
}

/// What a tail sampler has to find out about a trace.
package enum TraceOutcome: UInt8, Sendable {
    /// No span has status ERROR, and the trace takes at most 500 ms.
    case ordinary
    /// At least one span has status ERROR; the trace takes at most 500 ms.
    case failed
    /// The trace takes more than a second; no span has status ERROR.
    case slow
}

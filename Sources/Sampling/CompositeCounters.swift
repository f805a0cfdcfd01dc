internal import Synchronization

/// Spans that each sub-policy of a composite has kept in the second under way; shared by all workers of a node.
final class CompositeCounters: PolicyState {
    private struct Contents {
        var second: Int64 = .min
        var counts: [Int64]
        var share = 1.0
        var consumed: UInt64 = 0
    }

    /// Spans per second, by sub-policy.
    private let limits: [Int64]
    private let contents: Mutex<Contents>

    init(limits: [Int64]) {
        self.limits = limits
        contents = Mutex(Contents(counts: Array(repeating: 0, count: limits.count)))
    }

    /// Counts a trace's spans for a sub-policy if they fit: into what is left of this second, or, where a trace is larger than
    /// a whole second's limit, into a second that nothing was kept in yet.
    /// With `isPreview` it only says whether they do.
    func take(_ spans: Int64, _ sub: Int, second: Int64, isPreview: Bool = false) -> Bool {
        contents.withLock { contents in
            if second != contents.second { begin(second, &contents) }
            let limit = contents.share == 1 ? limits[sub] : Int64(Double(limits[sub]) * contents.share)
            let count = contents.counts[sub]
            let sum = count.addingReportingOverflow(spans)
            guard limit > 0, count == 0 || (!sum.overflow && sum.partialValue <= limit) else { return false }
            if isPreview { return true }
            contents.counts[sub] = sum.partialValue
            contents.consumed &+= UInt64(max(0, spans))
            return true
        }
    }

    /// What went beyond a second's limit is carried over; everything else starts from 0.
    private func begin(_ second: Int64, _ contents: inout Contents) {
        let elapsed = second > contents.second && contents.second != .min ? min(3600, second - contents.second) : 3600
        contents.second = second
        for sub in contents.counts.indices where contents.counts[sub] > 0 {
            let paid = max(0, limits[sub]).multipliedReportingOverflow(by: elapsed)
            contents.counts[sub] = paid.overflow ? 0 : max(0, contents.counts[sub] - paid.partialValue)
        }
    }

    var consumed: UInt64 { contents.withLock { $0.consumed } }

    func setShare(_ share: Double) {
        contents.withLock { $0.share = min(1, max(0, share)) }
    }
}

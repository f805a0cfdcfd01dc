internal import Synchronization

/// Spans that each sub-policy of a composite has kept in the second under way; shared by all workers of a node.
final class CompositeCounters: PolicyState {
    private struct Contents {
        var second: Int64 = .min
        var counts: [Int64]
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
            let limit = limits[sub]
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
}

/// What sub-policies of a composite with `scope: cluster` may keep: a token bucket each, which holds one second's allocation.
///
/// A node's part of a second's allocation may be less than a trace. A counter that starts anew with every second would lose what is
/// left of each; a bucket saves it. Each sub-policy has its own share, since demand for one may be elsewhere than for another.
final class CompositeBuckets: PolicyState {
    private let names: [String]
    private let buckets: [TokenBucket]

    /// - Parameter subs: sub-policies by position, with their spans per second.
    init(_ subs: [(name: String, limit: Int64)]) {
        names = subs.map(\.name)
        buckets = subs.map { TokenBucket(rate: $0.limit, capacity: $0.limit, scope: .cluster) }
    }

    /// Counts a trace's spans for a sub-policy if they fit; with `isPreview` only says whether they do.
    func take(_ spans: UInt64, _ sub: Int, now: Int64, isPreview: Bool) -> Bool {
        buckets[sub].take(spans, now: now, isPreview: isPreview)
    }

    var consumed: UInt64 { buckets.reduce(0) { $0 &+ $1.consumed } }

    var shared: [(part: String, limiter: any SharedLimiter)] {
        zip(names, buckets).filter { $1.rate > 0 }.map { ($0, $1) }
    }
}

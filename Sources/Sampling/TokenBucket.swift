internal import Synchronization

/// A token bucket that all workers of a node share: Go's `golang.org/x/time/rate`, with one difference.
///
/// It starts full. `rate` tokens come in every second, `capacity` are held at most; taking n is allowed if n tokens are there (a
/// deficit worth less than a nanosecond of refill is forgiven), and refusing changes nothing. The difference: Go never gives out more than
/// the bucket holds, so a trace larger than the bucket could never pass. Here such a trace may pass when the bucket is full, and
/// leaves a debt that later traces wait for; the long-term rate stays what it is. A bucket that is never refilled
/// gives no credit.
///
/// With `scope: cluster` rate and capacity are shared by the nodes; when the share falls, tokens beyond the smaller capacity are let go,
/// so that all buckets together never hold more than one bucket would.
final class TokenBucket: PolicyState, SharedLimiter {
    private struct Contents {
        var tokens: Double
        /// Nanoseconds; nil before the first request.
        var last: Int64?
        var share = 1.0
        var consumed: UInt64 = 0
        /// Counted where the rate is shared.
        var offered: UInt64 = 0
    }

    let rate: Double
    let capacity: Double
    private let isShared: Bool
    private let contents: Mutex<Contents>

    init(rate: Int64, capacity: Int64, scope: LimitScope = .node) {
        self.rate = max(0, Double(rate))
        self.capacity = max(0, Double(capacity))
        isShared = scope == .cluster
        contents = Mutex(Contents(tokens: max(0, Double(capacity))))
    }

    /// Takes `amount` tokens if they are there; with `isPreview` only says whether they are.
    func take(_ amount: UInt64, now: Int64, isPreview: Bool = false) -> Bool {
        contents.withLock { contents in
            if isShared && !isPreview { contents.offered &+= amount }
            let rate = self.rate * contents.share
            let capacity = self.capacity * contents.share
            let tokens = tokens(contents, now)
            let wanted = Double(amount)
            let needed = wanted > capacity && rate > 0 && capacity > 0 ? capacity : wanted
            let deficit = needed - tokens
            guard needed <= capacity, deficit <= 0 || (rate > 0 && deficit / rate * 1e9 < 1) else { return false }
            if isPreview { return true }
            contents.tokens = tokens - wanted
            // Workers' times lie a little apart: a step back must not be gone again.
            contents.last = max(contents.last ?? now, now)
            contents.consumed &+= amount
            return true
        }
    }

    /// What has come in by now, with what was there. Time that runs backwards brings nothing.
    private func tokens(_ contents: Contents, _ now: Int64) -> Double {
        let elapsed = Double(max(0, now &- (contents.last ?? now))) / 1e9
        return min(capacity * contents.share, contents.tokens + elapsed * (rate * contents.share))
    }

    var consumed: UInt64 { contents.withLock { $0.consumed } }

    func figures(now: Int64) -> PolicyFigures {
        var figures = PolicyFigures()
        contents.withLock { contents in
            figures.tokens = tokens(contents, now)
            figures.capacity = capacity * contents.share
        }
        return figures
    }

    // MARK: shared

    var shared: [(part: String, limiter: any SharedLimiter)] { isShared ? [("", self)] : [] }

    var goal: Double { rate }

    var meter: LimitMeter { contents.withLock { LimitMeter(offered: $0.offered, consumed: $0.consumed) } }

    var share: Double { contents.withLock { $0.share } }

    func setShare(_ share: Double, now: Int64?) {
        let share = min(1, max(0, share))
        contents.withLock { contents in
            if let now {
                contents.tokens = tokens(contents, now)
                contents.last = max(contents.last ?? now, now)
            }
            contents.tokens = min(capacity * share, contents.tokens)
            contents.share = share
        }
    }
}

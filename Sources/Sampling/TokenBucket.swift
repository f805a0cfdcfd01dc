internal import Synchronization

/// A token bucket that all workers of a node share: Go's `golang.org/x/time/rate`, with one difference.
///
/// It starts full. `rate` tokens come in every second, `capacity` are held at most; taking n is allowed if n tokens are there (a
/// deficit worth less than a nanosecond of refill is forgiven), and refusing changes nothing. The difference: Go never gives out more than
/// the bucket holds, so a trace larger than the bucket could never pass. Here such a trace may pass when the bucket is full, and
/// leaves a debt that later traces wait for; the long-term rate stays what it is. A bucket that is never refilled
/// gives no credit.
final class TokenBucket: PolicyState {
    private struct Contents {
        var tokens: Double
        /// Nanoseconds; nil before the first request.
        var last: Int64?
        var share = 1.0
        var consumed: UInt64 = 0
    }

    let rate: Double
    let capacity: Double
    private let contents: Mutex<Contents>

    init(rate: Int64, capacity: Int64) {
        self.rate = max(0, Double(rate))
        self.capacity = max(0, Double(capacity))
        contents = Mutex(Contents(tokens: max(0, Double(capacity))))
    }

    /// Takes `amount` tokens if they are there; with `isPreview` only says whether they are.
    func take(_ amount: UInt64, now: Int64, isPreview: Bool = false) -> Bool {
        contents.withLock { contents in
            let rate = self.rate * contents.share
            let capacity = self.capacity * contents.share
            // Time that runs backwards brings nothing.
            let elapsed = Double(max(0, now &- (contents.last ?? now))) / 1e9
            let tokens = min(capacity, contents.tokens + elapsed * rate)
            let wanted = Double(amount)
            let needed = wanted > capacity && rate > 0 && capacity > 0 ? capacity : wanted
            let deficit = needed - tokens
            guard needed <= capacity, deficit <= 0 || (rate > 0 && deficit / rate * 1e9 < 1) else { return false }
            if isPreview { return true }
            contents.tokens = tokens - wanted
            contents.last = now
            contents.consumed &+= amount
            return true
        }
    }

    var consumed: UInt64 { contents.withLock { $0.consumed } }

    func figures(now: Int64) -> PolicyFigures {
        var figures = PolicyFigures()
        contents.withLock { contents in
            let elapsed = Double(max(0, now &- (contents.last ?? now))) / 1e9
            let capacity = self.capacity * contents.share
            figures.tokens = min(capacity, contents.tokens + elapsed * rate * contents.share)
            figures.capacity = capacity
        }
        return figures
    }

    func setShare(_ share: Double) {
        contents.withLock { $0.share = min(1, max(0, share)) }
    }
}

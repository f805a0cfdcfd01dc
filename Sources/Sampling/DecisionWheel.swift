/// Which traces are due when: a timing wheel with one bucket per ~17 ms (Varghese and Lauck, SOSP 1987, scheme 4).
///
/// Holds indexes of the trace table in the order in which they were put in. A bucket is handed out only when its whole time span
/// is past, so a trace is never decided before its deadline and at most one bucket width and one tick after it. That holds for any
/// order of deadlines: one that lies before all others, or before what was handed out early, turns the wheel back.
struct DecisionWheel: ~Copyable {
    /// log2 of a bucket's width in nanoseconds: 16.8 ms.
    static let widthBits: Int64 = 24

    /// When the bucket of this moment is past, so that its traces are due.
    static func end(ofBucketAt now: Int64) -> Int64 { ((now >> widthBits) + 1) << widthBits }

    private(set) var buckets: [[UInt32]]
    /// How much of each bucket has been handed out.
    private var handedOut: [Int]
    private(set) var mask: Int
    /// The oldest bucket that may hold something, as an absolute bucket number.
    private(set) var oldest: Int64
    /// No bucket after this one holds anything.
    private var newest: Int64
    private(set) var count = 0

    /// A wheel that reaches `horizon` nanoseconds ahead of `now`.
    init(now: Int64, horizon: Int64) {
        let needed = Int(horizon >> Self.widthBits) + 4
        var size = 16
        while size < needed { size <<= 1 }
        buckets = Array(repeating: [], count: size)
        handedOut = Array(repeating: 0, count: size)
        mask = size - 1
        oldest = now >> Self.widthBits
        newest = oldest
    }

    /// How much of the oldest bucket has been handed out.
    var taken: Int { handedOut[Int(truncatingIfNeeded: oldest) & mask] }

    /// Puts a trace in. A deadline before `now` is due with the bucket of `now`.
    ///
    /// A wheel whose buckets do not reach from the earliest to the latest deadline is made larger: by one bucket per 17 ms.
    mutating func insert(_ index: Int, deadline: Int64, now: Int64) {
        let bucket = max(deadline, now) >> Self.widthBits
        if count == 0 {
            restart(at: min(bucket, now >> Self.widthBits))
        } else if bucket < oldest {
            turnBack(to: bucket)
        }
        if bucket > newest {
            newest = bucket
            if bucket - oldest > Int64(mask) { grow(from: oldest) }
        }
        buckets[Int(truncatingIfNeeded: bucket) & mask].append(UInt32(truncatingIfNeeded: index))
        count += 1
    }

    /// The next trace that is due at `now` (with `all`, the next of all), or nil.
    mutating func next(now: Int64, all: Bool = false) -> Int? {
        let due = all ? (count == 0 ? oldest : oldest + Int64(mask) + 1) : now >> Self.widthBits
        while oldest < due {
            let slot = Int(truncatingIfNeeded: oldest) & mask
            let place = handedOut[slot]
            if place < buckets[slot].count {
                let index = buckets[slot][place]
                handedOut[slot] = place + 1
                count -= 1
                return Int(index)
            }
            clear(slot)
            if count == 0 {
                // Nothing is left anywhere: go on in one step.
                oldest = due
                return nil
            }
            oldest += 1
        }
        return nil
    }

    /// A trace that will be handed out `ahead` calls later, if it is in the bucket being handed out; for prefetching.
    func peek(_ ahead: Int) -> Int? {
        let slot = Int(truncatingIfNeeded: oldest) & mask
        let position = handedOut[slot] + ahead
        return position < buckets[slot].count ? Int(buckets[slot][position]) : nil
    }

    /// Every trace with a deadline up to this time has been handed out.
    var frontier: Int64 { (oldest << Self.widthBits) - 1 }

    /// An empty wheel starts anew, wherever hand-outs have left it.
    private mutating func restart(at bucket: Int64) {
        // All other buckets were cleared when they were passed.
        clear(Int(truncatingIfNeeded: oldest) & mask)
        oldest = bucket
        newest = bucket
    }

    /// A bucket before the oldest one is in use.
    private mutating func turnBack(to bucket: Int64) {
        if newest - bucket > Int64(mask) { grow(from: bucket) }
        oldest = bucket
    }

    /// Makes the wheel large enough for all buckets from `first` to `newest`.
    private mutating func grow(from first: Int64) {
        let held = oldest...min(newest, oldest + Int64(mask))
        var size = buckets.count
        while Int64(size) <= newest - first { size <<= 1 }
        var wider: [[UInt32]] = Array(repeating: [], count: size)
        var widerHandedOut = Array(repeating: 0, count: size)
        for number in held {
            let slot = Int(truncatingIfNeeded: number)
            swap(&wider[slot & (size - 1)], &buckets[slot & mask])
            widerHandedOut[slot & (size - 1)] = handedOut[slot & mask]
        }
        buckets = wider
        handedOut = widerHandedOut
        mask = size - 1
    }

    private mutating func clear(_ slot: Int) {
        handedOut[slot] = 0
        if buckets[slot].isEmpty { return }
        // A bucket of a burst gives its memory back; the usual size is kept.
        let keeps = buckets[slot].capacity <= buckets[slot].count * 4 + 64
        buckets[slot].removeAll(keepingCapacity: keeps)
    }
}

/// Which traces are due when: a timing wheel with one bucket per ~17 ms (Varghese and Lauck, SOSP 1987, scheme 4).
///
/// Holds indexes of the trace table in the order in which they were put in. A bucket is handed out only when its whole time span
/// is past, so a trace is never decided before its deadline and at most one bucket width and one tick after it.
struct DecisionWheel: ~Copyable {
    /// log2 of a bucket's width in nanoseconds: 16.8 ms.
    static let widthBits: Int64 = 24

    /// When the bucket of this moment is past, so that its traces are due.
    static func end(ofBucketAt now: Int64) -> Int64 { ((now >> widthBits) + 1) << widthBits }

    private(set) var buckets: [[UInt32]]
    private(set) var mask: Int
    /// The oldest bucket that may hold something, as an absolute bucket number.
    private(set) var oldest: Int64
    /// How much of the oldest bucket has been handed out.
    private(set) var taken = 0
    private(set) var count = 0

    /// A wheel that reaches `horizon` nanoseconds ahead of `now`.
    init(now: Int64, horizon: Int64) {
        let needed = Int(horizon >> Self.widthBits) + 4
        var size = 16
        while size < needed { size <<= 1 }
        buckets = Array(repeating: [], count: size)
        mask = size - 1
        oldest = now >> Self.widthBits
    }

    /// Puts a trace in. A deadline in the past is due at once. One that lies further ahead than the wheel reaches, since hand-outs
    /// lag behind, makes the wheel larger: by one bucket per 17 ms of the lag.
    mutating func insert(_ index: Int, deadline: Int64) {
        let bucket = max(oldest, deadline >> Self.widthBits)
        if bucket - oldest > Int64(mask) { reach(bucket) }
        buckets[Int(truncatingIfNeeded: bucket) & mask].append(UInt32(truncatingIfNeeded: index))
        count += 1
    }

    /// The next trace that is due at `now` (with `all`, the next of all), or nil.
    mutating func next(now: Int64, all: Bool = false) -> Int? {
        let due = all ? (count == 0 ? oldest : oldest + Int64(mask) + 1) : now >> Self.widthBits
        while oldest < due {
            let slot = Int(truncatingIfNeeded: oldest) & mask
            if taken < buckets[slot].count {
                let index = buckets[slot][taken]
                taken += 1
                count -= 1
                return Int(index)
            }
            if count == 0 {
                // Nothing is left anywhere: go on in one step.
                clear(slot)
                oldest = due
                return nil
            }
            clear(slot)
            oldest += 1
        }
        return nil
    }

    /// A trace that will be handed out `ahead` calls later, if it is in the bucket being handed out; for prefetching.
    func peek(_ ahead: Int) -> Int? {
        let slot = Int(truncatingIfNeeded: oldest) & mask
        let position = taken + ahead
        return position < buckets[slot].count ? Int(buckets[slot][position]) : nil
    }

    /// Every trace with a deadline up to this time has been handed out.
    var frontier: Int64 { (oldest << Self.widthBits) - 1 }

    /// Makes room for a bucket: an empty wheel is turned on, any other one grows.
    private mutating func reach(_ bucket: Int64) {
        if count == 0 {
            clear(Int(truncatingIfNeeded: oldest) & mask)
            oldest = bucket - Int64(mask)
            return
        }
        var size = buckets.count
        while Int64(size) <= bucket - oldest { size <<= 1 }
        var wider: [[UInt32]] = Array(repeating: [], count: size)
        for number in oldest...(oldest + Int64(mask)) {
            let slot = Int(truncatingIfNeeded: number)
            swap(&wider[slot & (size - 1)], &buckets[slot & mask])
        }
        buckets = wider
        mask = size - 1
    }

    private mutating func clear(_ slot: Int) {
        taken = 0
        if buckets[slot].isEmpty { return }
        // A bucket of a burst gives its memory back; the usual size is kept.
        let keeps = buckets[slot].capacity <= buckets[slot].count * 4 + 64
        buckets[slot].removeAll(keepingCapacity: keeps)
    }
}

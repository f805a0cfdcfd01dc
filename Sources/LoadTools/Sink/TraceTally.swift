/// What is known of a trace that has arrived, wholly or in part. 48 bytes.
struct TallyEntry: Sendable {
    var id: TraceWords
    /// Bit i: span i of generated traffic has arrived (i < 64).
    var seen: UInt64 = 0
    /// Distinct spans, as far as can be told; 0 marks a free place in the table.
    var spans: UInt32 = 0
    /// Number of the request that brought the first spans.
    var request: UInt32 = 0
    /// When, in milliseconds since the sink's start.
    var firstSeen: UInt32 = 0
    var isSplit = false
    var isLate = false
}

/// Trace ids with their entries: open addressing, at most half full, bounded by forgetting whole generations.
///
/// Grows by doubling up to `limit` entries; then the entries become the old generation, and the generation that was old
/// is forgotten. So between `limit` and 2 x `limit` of the latest traces are known. Memory: at most 192 bytes x
/// `limit`, twice that for a moment while it grows.
struct TraceTally {
    private(set) var forgotten: UInt64 = 0
    private let limit: Int
    private var young: [TallyEntry]
    private var youngCount = 0
    private var old: [TallyEntry] = []
    private var oldCount = 0

    private static let free = TallyEntry(id: TraceWords(high: 0, low: 0))

    init(limit: Int) {
        self.limit = max(1024, limit)
        young = [TallyEntry](repeating: Self.free, count: 4096)
    }

    /// Lets `change` alter the entry of `id`, which is made with 0 spans if there is none. `change` must leave at least
    /// one span in it. The second argument tells whether the entry is new.
    ///
    /// - Complexity: O(1) expected; a doubling now and then.
    @inline(__always)
    mutating func update(_ id: TraceWords, _ change: (inout TallyEntry, Bool) -> Void) {
        let place = Self.place(of: id, in: young)
        if young[place].spans > 0 {
            change(&young[place], false)
            return
        }
        if oldCount > 0 {
            let oldPlace = Self.place(of: id, in: old)
            if old[oldPlace].spans > 0 {
                change(&old[oldPlace], false)
                return
            }
        }
        var entry = TallyEntry(id: id)
        change(&entry, true)
        young[place] = entry
        youngCount += 1
        if youngCount * 2 >= young.count { makeRoom() }
    }

    /// Some of the traces of which fewer than `expected` spans are known. - Complexity: O(entries).
    func incomplete(_ expected: UInt32, limit: Int) -> [TraceWords] {
        var found: [TraceWords] = []
        for table in [young, old] {
            for entry in table where entry.spans > 0 && entry.spans < expected {
                guard found.count < limit else { return found }
                found.append(entry.id)
            }
        }
        return found
    }

    private mutating func makeRoom() {
        guard youngCount >= limit else {
            var wider = [TallyEntry](repeating: Self.free, count: young.count * 2)
            for entry in young where entry.spans > 0 {
                wider[Self.place(of: entry.id, in: wider)] = entry
            }
            young = wider
            return
        }
        forgotten += UInt64(oldCount)
        old = young
        oldCount = youngCount
        young = [TallyEntry](repeating: Self.free, count: old.count)
        youngCount = 0
    }

    /// Where `id` stands, or the free place where it would.
    @inline(__always)
    private static func place(of id: TraceWords, in table: [TallyEntry]) -> Int {
        let mask = table.count &- 1
        // Ids that others made may be less random than ours.
        var place = Int(truncatingIfNeeded: mix64(id.high &+ id.low)) & mask
        while table[place].spans > 0, table[place].id != id { place = (place &+ 1) & mask }
        return place
    }
}

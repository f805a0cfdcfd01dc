/// Open-addressing table from a 64-bit hash to indices of somebody else's array.
///
/// It stores hashes and indices only; the owner compares keys, so two keys with one hash are two
/// entries with that hash. Linear probing, at most half full, power-of-two size.
/// `removeAll()` keeps the storage up to `keptSlots`, so a batch costs no allocation.
struct HashIndex: ~Copyable {
    private struct Slot {
        var hash: UInt64
        var index: Int32
    }

    /// Slots kept over `removeAll()`: 4096 of 16 bytes.
    private static let keptSlots = 4096
    private static let empty = Slot(hash: 0, index: -1)

    private var slots: [Slot]
    private var count = 0

    /// - Parameter minimumSlots: rounded up to a power of two, at least 16.
    init(minimumSlots: Int = 64) {
        var size = 16
        while size < minimumSlots { size *= 2 }
        slots = [Slot](repeating: Self.empty, count: size)
    }

    /// Where the search for `hash` begins. Only meaningful until the next insertion.
    func start(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash &* 0x9e37_79b9_7f4a_7c15) >> 32) & (slots.count - 1)
    }

    /// The next index stored under exactly `hash`, or nil at the end of the probe sequence.
    ///
    /// - Complexity: O(1) expected, O(entries) at worst.
    func next(_ hash: UInt64, cursor: inout Int) -> Int32? {
        while true {
            let slot = slots[cursor]
            if slot.index < 0 { return nil }
            cursor = (cursor + 1) & (slots.count - 1)
            if slot.hash == hash { return slot.index }
        }
    }

    /// Adds an entry; doubles the table when it would be more than half full.
    mutating func insert(_ hash: UInt64, index: Int32) {
        if (count + 1) * 2 > slots.count { grow() }
        place(Slot(hash: hash, index: index))
        count += 1
    }

    /// Forgets all entries.
    mutating func removeAll() {
        if slots.count > Self.keptSlots {
            slots = [Slot](repeating: Self.empty, count: Self.keptSlots)
        } else if count > 0 {
            for position in slots.indices { slots[position] = Self.empty }
        }
        count = 0
    }

    private mutating func place(_ slot: Slot) {
        var cursor = start(slot.hash)
        while slots[cursor].index >= 0 { cursor = (cursor + 1) & (slots.count - 1) }
        slots[cursor] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Self.empty, count: old.count * 2)
        for slot in old where slot.index >= 0 { place(slot) }
    }
}

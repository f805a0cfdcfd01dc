internal import BasicContainers
internal import NativeCore
internal import OTLP

/// The undecided traces of a shard: 128-bit trace id -> `TraceSummary`, O(1), flat from ten thousand to many millions.
///
/// Summaries stand in one large reservation and do not move, so an index names a trace for its life. The hash index is cut into
/// 64 stripes by the low bits of the trace's hash; each stripe is an open-addressing table with linear probing and
/// backward-shift deletion (Knuth, TAOCP vol. 3, 6.4, algorithm R) that doubles and halves by itself, so that growing never stalls
/// for more than a 64th of the traces. A slot is 8 bytes: 32 bits of hash, which also tell its home position, and the
/// index of the summary plus one.
struct TraceTable: ~Copyable {
    private static let stripeBits: UInt64 = 6
    private static let stripeCount = 1 << Int(stripeBits)
    private static let minimumSlots = 512
    /// Summaries per chunk; memory goes back to the system by chunks.
    static let chunkSize = 16384
    /// What a trace takes in the index when it doubles at 7/10: a slot of 8 bytes twice over.
    static let indexBytesPerTrace = 23

    private struct Chunk {
        var freeHead: UInt32 = 0  // index + 1, 0 = none
        var fresh = 0
        var live = 0
        var isTouched = false
    }

    private var stripes: UniqueArray<TraceTableStripe>
    private var entries: PagedBuffer<TraceSummary>
    private var chunks: [Chunk]
    /// `sideStride` words for each summary; none while no policy set in force needs any.
    private var side: PagedBuffer<UInt64>
    private(set) var sideStride = 0
    /// No chunk below this one has room.
    private var roomFrom = 0
    private(set) var count = 0

    /// A table for at most `capacity` traces; memory is used as traces come.
    init(capacity: Int) {
        let chunkCount = max(1, (capacity + Self.chunkSize - 1) / Self.chunkSize)
        entries = PagedBuffer(count: chunkCount * Self.chunkSize)
        side = PagedBuffer(count: 1, hugePages: false)
        chunks = Array(repeating: Chunk(), count: chunkCount)
        stripes = UniqueArray()
        stripes.reserveCapacity(Self.stripeCount)
        for _ in 0..<Self.stripeCount {
            stripes.append(TraceTableStripe(slots: PagedBuffer(count: Self.minimumSlots)))
            indexBytes += stripes[stripes.count - 1].slots.capacityBytes
        }
        memoryBytes = indexBytes
    }

    /// Traces that fit.
    var capacity: Int { entries.count }

    /// Bytes of memory in use for index and summaries.
    private(set) var memoryBytes = 0
    private var indexBytes = 0
    private static let chunkBytes = chunkSize * MemoryLayout<TraceSummary>.stride

    /// What the next traces may take beyond their own summaries and slots: a chunk is taken as a whole, and any stripe may be about to
    /// double.
    var standingBytes: Int { chunkBytes + indexBytes }
    /// Chunks that hold summaries, or did since memory was given back.
    private(set) var touchedChunks = 0

    @inline(__always)
    private static func stripe(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & (1 << stripeBits - 1)) }

    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt64 { (hash >> stripeBits) & 0xffff_ffff }

    /// Fetches the index slot of a trace ahead of `find`.
    @inline(__always)
    func prefetchSlot(_ hash: UInt64) {
        let stripe = Self.stripe(hash)
        let mask = stripes[stripe].slots.count - 1
        stripes[stripe].slots.prefetch(Int(truncatingIfNeeded: Self.tag(hash)) & mask)
    }

    /// Fetches the summary that the trace's home slot names, which mostly is the trace's own; false if it names none.
    @inline(__always)
    func prefetchSummary(_ hash: UInt64) -> Bool {
        let stripe = Self.stripe(hash)
        let mask = stripes[stripe].slots.count - 1
        let slot = stripes[stripe].slots[Int(truncatingIfNeeded: Self.tag(hash)) & mask]
        if slot == 0 { return false }
        entries.prefetch(Int(slot & 0xffff_ffff) - 1)
        return true
    }

    func prefetch(_ index: Int) { entries.prefetch(index) }

    /// The index of the trace's summary, or nil.
    func find(_ traceID: TraceID, hash: UInt64) -> Int? {
        let stripe = Self.stripe(hash)
        let tag = Self.tag(hash)
        let mask = stripes[stripe].slots.count - 1
        var position = Int(truncatingIfNeeded: tag) & mask
        while true {
            let slot = stripes[stripe].slots[position]
            if slot == 0 { return nil }
            if slot >> 32 == tag {
                let index = Int(slot & 0xffff_ffff) - 1
                if entries[index].traceID == traceID { return index }
            }
            position = (position + 1) & mask
        }
    }

    /// Puts in a trace that is not there. Returns its index, or nil when the table is full.
    mutating func insert(_ summary: TraceSummary) -> Int? {
        let stripe = Self.stripe(summary.hash)
        if (stripes[stripe].count + 1) * 10 > stripes[stripe].slots.count * 7 {
            guard makeRoom(stripe) else { return nil }
        }
        guard let index = allocate() else { return nil }
        entries[index] = summary
        place(Self.tag(summary.hash) << 32 | UInt64(index + 1), in: stripe)
        stripes[stripe].count += 1
        count += 1
        return index
    }

    subscript(index: Int) -> TraceSummary {
        @inline(__always) _read { yield entries[index] }
        @inline(__always) _modify { yield &entries[index] }
    }

    // MARK: side words

    /// Makes room for `words` words beside each summary; what stands there already is kept. Only ever grows.
    ///
    /// - Complexity: O(1) the first time, O(capacity in use) if there was less room before.
    mutating func reserveSide(_ words: Int) {
        guard words > sideStride else { return }
        var old = PagedBuffer<UInt64>(count: entries.count * words)
        swap(&old, &side)
        let oldStride = sideStride
        sideStride = words
        for chunk in chunks.indices where chunks[chunk].isTouched {
            memoryBytes += Self.chunkSize * (words - oldStride) * 8
            guard oldStride > 0 else { continue }
            for entry in chunk * Self.chunkSize..<chunk * Self.chunkSize + chunks[chunk].fresh {
                for word in 0..<oldStride {
                    side[entry * words + word] = old[entry * oldStride + word]
                }
            }
        }
    }

    private var chunkBytes: Int { Self.chunkBytes + Self.chunkSize * sideStride * 8 }

    /// Sets a summary's side words to zero.
    mutating func clearSide(_ index: Int) {
        for word in 0..<sideStride { side[index * sideStride + word] = 0 }
    }

    /// Changes the first words beside a summary.
    mutating func withSide(_ index: Int, _ body: (inout MutableSpan<UInt64>) -> Void) {
        side.withMutableSpan(index * sideStride..<(index + 1) * sideStride, body)
    }

    /// Copies the words beside a summary.
    func copySide(_ index: Int, _ count: Int, to words: inout [UInt64]) {
        words.removeAll(keepingCapacity: true)
        guard count <= sideStride else { return }
        for word in 0..<count { words.append(side[index * sideStride + word]) }
    }

    mutating func remove(_ index: Int) {
        let hash = entries[index].hash
        let stripe = Self.stripe(hash)
        let mask = stripes[stripe].slots.count - 1
        var position = Int(truncatingIfNeeded: Self.tag(hash)) & mask
        let wanted = UInt64(index + 1)
        while stripes[stripe].slots[position] & 0xffff_ffff != wanted {
            precondition(stripes[stripe].slots[position] != 0, "the trace is in the table")
            position = (position + 1) & mask
        }
        // Close the gap: move back what had to walk past it.
        var gap = position
        var next = (position + 1) & mask
        while true {
            let slot = stripes[stripe].slots[next]
            if slot == 0 { break }
            let home = Int(truncatingIfNeeded: slot >> 32) & mask
            if (next &- home) & mask >= (next &- gap) & mask {
                stripes[stripe].slots[gap] = slot
                gap = next
            }
            next = (next + 1) & mask
        }
        stripes[stripe].slots[gap] = 0
        stripes[stripe].count -= 1
        count -= 1
        release(index)
        let slots = stripes[stripe].slots.count
        if slots > Self.minimumSlots && stripes[stripe].count * 8 < slots {
            _ = resize(stripe, to: slots / 2)
        }
    }

    /// Gives the memory of empty chunks back, but keeps one for what comes next. Call about once a second.
    ///
    /// Returns which entries are gone.
    @discardableResult
    mutating func trim() -> [Range<Int>] {
        var discarded: [Range<Int>] = []
        for index in chunks.indices where chunks[index].isTouched && chunks[index].live == 0 {
            if index <= roomFrom { continue }
            entries.discard(index * Self.chunkSize..<(index + 1) * Self.chunkSize)
            if sideStride > 0 {
                side.discard(index * Self.chunkSize * sideStride..<(index + 1) * Self.chunkSize * sideStride)
            }
            chunks[index] = Chunk()
            touchedChunks -= 1
            memoryBytes -= chunkBytes
            discarded.append(index * Self.chunkSize..<(index + 1) * Self.chunkSize)
        }
        return discarded
    }

    // MARK: index

    private mutating func place(_ slot: UInt64, in stripe: Int) {
        let mask = stripes[stripe].slots.count - 1
        var position = Int(truncatingIfNeeded: slot >> 32) & mask
        while stripes[stripe].slots[position] != 0 { position = (position + 1) & mask }
        stripes[stripe].slots[position] = slot
    }

    /// Doubles a stripe. Where the system has no address room, the stripe fills up further, but not to the end: searches end at
    /// an empty slot.
    @inline(never)
    private mutating func makeRoom(_ stripe: Int) -> Bool {
        let slots = stripes[stripe].slots.count
        return resize(stripe, to: slots * 2) || (stripes[stripe].count + 1) * 16 <= slots * 15
    }

    /// Returns false, and leaves all as it was, if the system has no address room.
    private mutating func resize(_ stripe: Int, to size: Int) -> Bool {
        guard var old = PagedBuffer<UInt64>(ifRoomFor: size) else { return false }
        memoryBytes += old.capacityBytes
        indexBytes += old.capacityBytes
        swap(&old, &stripes[stripe].slots)
        memoryBytes -= old.capacityBytes
        indexBytes -= old.capacityBytes
        for position in 0..<old.count where old[position] != 0 { place(old[position], in: stripe) }
        return true
    }

    // MARK: summaries

    private mutating func allocate() -> Int? {
        while roomFrom < chunks.count {
            let base = roomFrom * Self.chunkSize
            if chunks[roomFrom].freeHead != 0 {
                let index = Int(chunks[roomFrom].freeHead) - 1
                chunks[roomFrom].freeHead = entries[index].lastSeenMilliseconds
                chunks[roomFrom].live += 1
                return index
            }
            if chunks[roomFrom].fresh < Self.chunkSize {
                let index = base + chunks[roomFrom].fresh
                chunks[roomFrom].fresh += 1
                chunks[roomFrom].live += 1
                if !chunks[roomFrom].isTouched {
                    chunks[roomFrom].isTouched = true
                    touchedChunks += 1
                    memoryBytes += chunkBytes
                }
                return index
            }
            roomFrom += 1
        }
        return nil
    }

    private mutating func release(_ index: Int) {
        let chunk = index / Self.chunkSize
        entries[index].flags = []
        entries[index].lastSeenMilliseconds = chunks[chunk].freeHead
        chunks[chunk].freeHead = UInt32(index + 1)
        chunks[chunk].live -= 1
        if chunk < roomFrom { roomFrom = chunk }
    }
}

/// One of the 64 hash tables that make up the index of a `TraceTable`.
struct TraceTableStripe: ~Copyable {
    var slots: PagedBuffer<UInt64>
    var count = 0
}

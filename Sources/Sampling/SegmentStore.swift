internal import NativeCore

/// A shard's span bytes: a ring of segments, filled by appending and freed whole.
///
/// A trace is decided at the latest `decision_wait` after its first span, so when the decisions are past the latest deadline
/// of any record in a segment, nothing in it is needed any more. There is no count of references and no free of a single span.
/// Segments are 2 MiB and rotate when full; one that is never filled simply stays open. A record is two words (the
/// location of the trace's previous record; offset of its group, length) and the span's bytes. A group record (resource and scope
/// header bytes) is written once per segment and group.
struct SegmentStore: ~Copyable {
    static let segmentBytes = 2 << 20
    /// A span with its group must fit into a segment beside others; larger ones are refused on arrival.
    static let maximumSpanBytes = 1 << 20
    static let maximumGroupBytes = 512 << 10

    private var arena: SlabArena
    /// Per slab: the latest deadline of a trace that has a record in it.
    private var latestDeadline: [Int64]
    /// Slabs in use, oldest first; `live[liveStart...]`.
    private var live: [Int] = []
    private var liveStart = 0
    /// Empty slabs whose memory is kept.
    private var spare: [Int] = []
    private var neverUsed = 0
    private var discarded: [Int] = []
    private var current = -1
    private var groups = GroupTable()
    /// Fewest spare slabs since the last trim; that many were not needed.
    private var leastSpare = 0

    init(maximumBytes: Int) {
        let slabs = max(4, (maximumBytes + Self.segmentBytes - 1) / Self.segmentBytes)
        arena = SlabArena(slabBytes: Self.segmentBytes, maximumSlabs: slabs)
        latestDeadline = []
        latestDeadline.reserveCapacity(64)
    }

    /// Bytes of segments that hold records.
    var usedSegmentBytes: Int { (live.count - liveStart) * Self.segmentBytes }
    /// Bytes of segments held, with those kept for reuse.
    var heldSegmentBytes: Int { usedSegmentBytes + spare.count * Self.segmentBytes }

    /// Appends a span of a trace with this deadline. Returns nil when the store's bound is reached.
    mutating func append(
        previous: RecordLocation, groupHash: UInt64, resource: Span<UInt8>, scope: Span<UInt8>, span: Span<UInt8>,
        deadline: Int64
    ) -> RecordLocation? {
        let needed = 16 + span.count
        var group = current >= 0 ? groups.find(groupHash) : nil
        let groupNeeds = group == nil ? 16 + resource.count + scope.count : 0
        if current < 0 || arena.room(in: current) < needed + groupNeeds {
            guard rotate() else { return nil }
            group = nil
        }
        let groupOffset: Int
        if let group {
            groupOffset = group
        } else {
            let lengths = UInt64(resource.count) << 32 | UInt64(scope.count)
            groupOffset = arena.append(to: current, groupHash, lengths, resource, scope)
            groups.insert(groupHash, groupOffset)
        }
        let word = UInt64(groupOffset) << 32 | UInt64(span.count)
        let offset = arena.append(to: current, previous.word, word, span)
        if deadline > latestDeadline[current] { latestDeadline[current] = deadline }
        return RecordLocation(slab: current, offset: offset)
    }

    /// Notes that the span at `span` was the first of its trace to set the predicate bits `bits` of word number `word`. 32 bytes, freed with the
    /// segments like spans. Returns nil when the store's bound is reached: then nobody will know.
    mutating func appendEvidence(
        previous: RecordLocation, word: Int, bits: UInt64, span: RecordLocation, deadline: Int64
    ) -> RecordLocation? {
        if current < 0 || arena.room(in: current) < 32 {
            guard rotate() else { return nil }
        }
        let nothing = Span<UInt8>()
        let offset = arena.append(to: current, previous.word, bits, nothing)
        _ = arena.append(to: current, span.word, UInt64(truncatingIfNeeded: word), nothing)
        if deadline > latestDeadline[current] { latestDeadline[current] = deadline }
        return RecordLocation(slab: current, offset: offset)
    }

    /// What `appendEvidence` wrote.
    func evidence(at location: RecordLocation) -> EvidenceNote {
        EvidenceNote(
            previous: RecordLocation(word: arena.word(location.slab, at: location.offset)),
            word: Int(truncatingIfNeeded: arena.word(location.slab, at: location.offset + 24)),
            bits: arena.word(location.slab, at: location.offset + 8),
            span: RecordLocation(word: arena.word(location.slab, at: location.offset + 16)))
    }

    /// Frees the segments in which every trace has been decided: all with a deadline up to `frontier`.
    mutating func free(decidedUpTo frontier: Int64) {
        while liveStart < live.count {
            let slab = live[liveStart]
            guard latestDeadline[slab] <= frontier else { break }
            if slab == current {
                if arena.usedBytes(of: slab) == 0 { break }
                current = -1
            }
            liveStart += 1
            arena.clear(slab)
            spare.append(slab)
        }
        if liveStart > 256 && liveStart * 2 > live.count {
            live.removeFirst(liveStart)
            liveStart = 0
        }
    }

    /// Gives spare memory back: half of what nobody needed since the last call, but for one segment, since a fresh one costs the
    /// kernel a millisecond of clearing. Call about once a second.
    mutating func trim() {
        discardSpare((max(0, min(leastSpare, spare.count) - 1) + 1) / 2)
        leastSpare = spare.count
    }

    /// Gives all spare memory back: memory is short.
    mutating func discardSpare() { discardSpare(spare.count) }

    private mutating func discardSpare(_ count: Int) {
        for _ in 0..<count {
            guard let slab = spare.popLast() else { break }
            arena.discard(slab)
            discarded.append(slab)
        }
        leastSpare = min(leastSpare, spare.count)
    }

    private mutating func rotate() -> Bool {
        let slab: Int
        if let reused = spare.popLast() {
            slab = reused
            leastSpare = min(leastSpare, spare.count)
        } else if let back = discarded.popLast() {
            slab = back
        } else if neverUsed < arena.maximumSlabs {
            slab = neverUsed
            neverUsed += 1
            latestDeadline.append(0)
        } else {
            return false
        }
        arena.clear(slab)
        latestDeadline[slab] = 0
        live.append(slab)
        current = slab
        groups.removeAll()
        return true
    }

    // MARK: reading a trace's chain

    func previous(of location: RecordLocation) -> RecordLocation {
        RecordLocation(word: arena.word(location.slab, at: location.offset))
    }

    @_lifetime(borrow self)
    func span(at location: RecordLocation) -> Span<UInt8> {
        let word = arena.word(location.slab, at: location.offset + 8)
        return arena.bytes(location.slab, at: location.offset + 16, count: Int(word & 0xffff_ffff))
    }

    func groupHash(at location: RecordLocation) -> UInt64 {
        arena.word(location.slab, at: groupOffset(location))
    }

    @_lifetime(borrow self)
    func resource(at location: RecordLocation) -> Span<UInt8> {
        let group = groupOffset(location)
        let lengths = arena.word(location.slab, at: group + 8)
        return arena.bytes(location.slab, at: group + 16, count: Int(lengths >> 32))
    }

    @_lifetime(borrow self)
    func scope(at location: RecordLocation) -> Span<UInt8> {
        let group = groupOffset(location)
        let lengths = arena.word(location.slab, at: group + 8)
        return arena.bytes(
            location.slab, at: group + 16 + Int(lengths >> 32), count: Int(lengths & 0xffff_ffff))
    }

    func prefetch(_ location: RecordLocation) { arena.prefetch(location.slab, at: location.offset) }

    /// Fetches a span's bytes, whose record's first line is near already.
    func prefetchSpan(_ location: RecordLocation) {
        let word = arena.word(location.slab, at: location.offset + 8)
        arena.prefetch(location.slab, at: location.offset + 64, count: Int(word & 0xffff_ffff) - 48)
    }

    private func groupOffset(_ location: RecordLocation) -> Int {
        Int(arena.word(location.slab, at: location.offset + 8) >> 32)
    }
}

/// Which span first set some predicate bits of its trace.
struct EvidenceNote {
    /// The trace's note before this one.
    var previous: RecordLocation
    /// Bits 64 * word to 64 * word + 63.
    var word: Int
    var bits: UInt64
    var span: RecordLocation
}

/// Which groups the open segment already holds: a small hash table that forgets rather than grows.
///
/// Keyed by the group's 64-bit keyed hash of its bytes alone: two groups of one process that collide in it (2^-64 a pair) would be
/// taken for one.
private struct GroupTable: ~Copyable {
    private static let size = 512
    private var hashes = [UInt64](repeating: 0, count: size)
    private var offsets = [Int32](repeating: -1, count: size)
    private var filled: [Int] = []
    /// The last answer: spans of one group come in runs.
    private var lastHash: UInt64 = 0
    private var lastOffset = -1

    mutating func find(_ hash: UInt64) -> Int? {
        if lastOffset >= 0 && lastHash == hash { return lastOffset }
        let slot = Int(truncatingIfNeeded: hash) & (Self.size - 1)
        guard offsets[slot] >= 0 && hashes[slot] == hash else { return nil }
        lastHash = hash
        lastOffset = Int(offsets[slot])
        return lastOffset
    }

    /// A group in the way is forgotten; it is written again when it comes again.
    mutating func insert(_ hash: UInt64, _ offset: Int) {
        let slot = Int(truncatingIfNeeded: hash) & (Self.size - 1)
        if offsets[slot] < 0 { filled.append(slot) }
        hashes[slot] = hash
        offsets[slot] = Int32(truncatingIfNeeded: offset)
        lastHash = hash
        lastOffset = offset
    }

    mutating func removeAll() {
        for slot in filled { offsets[slot] = -1 }
        filled.removeAll(keepingCapacity: true)
        lastOffset = -1
    }
}

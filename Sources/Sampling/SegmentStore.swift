internal import NativeCore

/// A shard's span bytes: a ring of segments, filled by appending and freed whole.
///
/// A trace is decided at the latest `decision_wait` after its first span, so when the decisions are past the latest deadline
/// of any record in a segment, nothing in it is needed any more. There is no count of references and no free of a single span.
/// Segments are 2 MiB and rotate when full; one that is never filled simply stays open. Three kinds of records stand in them, each
/// two words and bytes:
/// - a span: the location of the trace's previous record; offset of its group, length;
/// - a group: its hash; offset of its resource, length of the scope header; the scope header's bytes;
/// - a resource: its hash; its length; the resource header's bytes.
///
/// A group refers to its resource, so the bytes of a resource are written once for each run of spans under it and segment, however
/// many scopes the run has. The tables of what the open segment holds already are small and forget: then a group or resource is
/// written again, at most once for each run of a request. `Shard.cost` is an upper bound of all that; keep it in step with `append`.
struct SegmentStore: ~Copyable {
    static let segmentBytes = 2 << 20
    /// A span with its group must fit into a segment beside others; larger ones are refused on arrival.
    static let maximumSpanBytes = 1 << 20
    static let maximumGroupBytes = 512 << 10
    /// The two words before the bytes of every record.
    static let recordHeader = 16
    static let evidenceBytes = 32

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
    private var groups = OffsetTable()
    private var resources = OffsetTable()
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
    /// What the next rotation takes beyond the bytes that it is made for.
    var standingBytes: Int { spare.isEmpty ? Self.segmentBytes : 0 }

    /// Whether a segment can hold a span of this length with its group at all.
    static func canHold(span: Int, resource: Int, scope: Int) -> Bool {
        span + resource + scope + 3 * recordHeader <= segmentBytes
    }

    /// Appends a span of a trace with this deadline. Returns nil, and leaves all as it was, when no segment can hold the span with
    /// its group (see `canHold`), or when the store's bound is reached.
    mutating func append(
        previous: RecordLocation, groupHash: UInt64, resourceHash: UInt64, resource: Span<UInt8>, scope: Span<UInt8>,
        span: Span<UInt8>, deadline: Int64
    ) -> RecordLocation? {
        let groupOffset: Int
        if current >= 0, let known = groups.find(groupHash), arena.room(in: current) >= Self.recordHeader + span.count {
            groupOffset = known
        } else {
            let offset = placeGroup(groupHash, resourceHash, resource, scope, beside: span.count)
            guard offset >= 0 else { return nil }
            groupOffset = offset
        }
        let word = UInt64(groupOffset) << 32 | UInt64(span.count)
        let offset = arena.append(to: current, previous.word, word, span)
        if deadline > latestDeadline[current] { latestDeadline[current] = deadline }
        return RecordLocation(slab: current, offset: offset)
    }

    /// Writes what the open segment does not have of a group, or opens another segment if the group and a span of `spanBytes` do not
    /// fit into this one. Returns the group's offset, -1 if there is no room.
    @inline(never)
    private mutating func placeGroup(
        _ groupHash: UInt64, _ resourceHash: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, beside spanBytes: Int
    ) -> Int {
        guard Self.canHold(span: spanBytes, resource: resource.count, scope: scope.count) else { return -1 }
        var group: Int?
        var holder: Int?
        if current >= 0 {
            group = groups.find(groupHash)
            holder = resources.find(resourceHash)
            var needed = Self.recordHeader + spanBytes
            if group == nil { needed += Self.recordHeader + scope.count }
            if group == nil && holder == nil { needed += Self.recordHeader + resource.count }
            if arena.room(in: current) >= needed {
                if let group { return group }
                return write(groupHash, resourceHash, resource, scope, holder)
            }
        }
        guard rotate() else { return -1 }
        return write(groupHash, resourceHash, resource, scope, nil)
    }

    /// Writes a group record, and that of its resource unless it stands at `holder`. The caller has seen that there is room.
    private mutating func write(
        _ groupHash: UInt64, _ resourceHash: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ holder: Int?
    ) -> Int {
        let resourceOffset: Int
        if let holder {
            resourceOffset = holder
        } else {
            resourceOffset = arena.append(to: current, resourceHash, UInt64(resource.count), resource)
            resources.insert(resourceHash, resourceOffset)
        }
        let offset = arena.append(to: current, groupHash, UInt64(resourceOffset) << 32 | UInt64(scope.count), scope)
        groups.insert(groupHash, offset)
        return offset
    }

    /// Notes that the span at `span` was the first of its trace to set the predicate bits `bits` of word number `word`. 32 bytes, freed with the
    /// segments like spans. Returns nil when the store's bound is reached: then nobody will know.
    mutating func appendEvidence(
        previous: RecordLocation, word: Int, bits: UInt64, span: RecordLocation, deadline: Int64
    ) -> RecordLocation? {
        if current < 0 || arena.room(in: current) < Self.evidenceBytes {
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
        resources.removeAll()
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
        let holder = Int(arena.word(location.slab, at: groupOffset(location) + 8) >> 32)
        let length = arena.word(location.slab, at: holder + 8)
        return arena.bytes(location.slab, at: holder + 16, count: Int(length))
    }

    @_lifetime(borrow self)
    func scope(at location: RecordLocation) -> Span<UInt8> {
        let group = groupOffset(location)
        let word = arena.word(location.slab, at: group + 8)
        return arena.bytes(location.slab, at: group + 16, count: Int(word & 0xffff_ffff))
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

/// Which groups, or which resources, the open segment already holds: a small hash table that forgets rather than grows.
///
/// Keyed by the 64-bit keyed hash of their bytes alone: two groups of one process that collide in it (2^-64 a pair) would be
/// taken for one.
private struct OffsetTable: ~Copyable {
    private static let size = 512
    private var hashes = [UInt64](repeating: 0, count: size)
    private var offsets = [Int32](repeating: -1, count: size)
    private var filled: [Int] = []
    /// The last answer: spans of one group, and scopes of one resource, come in runs. It outlives its slot in the table.
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

    /// What is in the way is forgotten; it is written again when it comes again.
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

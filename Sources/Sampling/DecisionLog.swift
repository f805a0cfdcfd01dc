internal import NativeCore
internal import OTLP

/// What is remembered of a decided trace, for people who ask why it was kept or not. 160 bytes.
struct DecisionRecord: BitwiseCopyable {
    var traceID: TraceID
    var hash: UInt64
    /// Monotonic nanoseconds.
    var firstSeen: Int64
    var lastSeen: Int64
    var decidedAt: Int64
    /// Latest end minus earliest start, milliseconds.
    var extent: Int64
    var spanBytes: UInt64
    var spanCount: UInt32
    var lateSpans: UInt32
    /// The first 64 predicate bits of the whole trace; others stand in the evidence.
    var predicates: UInt64
    /// Four bits for each of the first 64 policies: 0 not asked, else the verdict plus one. Those of further policies stand
    /// before the evidence, as `MoreVerdicts`.
    var verdicts: [4 of UInt64]
    /// Where its evidence begins, as a count of all bytes ever written, and how much there is.
    var evidenceStart: UInt64
    var evidenceLength: UInt32
    var version: UInt16
    /// The deciding policy as the node knows it, plus one; 0: none.
    var policy: UInt16
    var verdict: UInt8
    var flags: Flags

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static let hasRoot = Flags(rawValue: 1)
        static let isTooLarge = Flags(rawValue: 2)
        static let isEarly = Flags(rawValue: 4)
        /// There was evidence, but not the time to note it.
        static let lacksEvidence = Flags(rawValue: 8)
        /// Verdicts stand before the evidence.
        static let hasMoreVerdicts = Flags(rawValue: 16)
    }

    static let recordedPolicies = 64

    /// What policy number `position` of the version said, if it is one of the first 64; nil: it was not asked.
    func verdict(ofPolicy position: Int) -> PolicyVerdict? {
        guard position < Self.recordedPolicies else { return nil }
        let state = UInt8(truncatingIfNeeded: verdicts[position >> 4] >> UInt64((position & 15) * 4)) & 15
        return state == 0 ? nil : PolicyVerdict(rawValue: state - 1)
    }

    mutating func set(_ verdict: PolicyVerdict, ofPolicy position: Int) {
        guard position < Self.recordedPolicies else { return }
        verdicts[position >> 4] |= (UInt64(verdict.rawValue) + 1) << UInt64((position & 15) * 4)
    }
}

/// The verdicts of policies beyond the first 64, as bytes: their number in two bytes, then four bits for each as in
/// `DecisionRecord.verdicts`. Only sets of so many policies pay for them, with a part of the room for evidence.
enum MoreVerdicts {
    static func append(_ verdicts: ArraySlice<PolicyVerdict?>, to bytes: inout [UInt8]) {
        let count = min(verdicts.count, Int(UInt16.max))
        bytes.append(UInt8(truncatingIfNeeded: count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: count))
        var half: UInt8?
        for verdict in verdicts.prefix(count) {
            let state = verdict.map { $0.rawValue + 1 } ?? 0
            if let low = half {
                bytes.append(low | state << 4)
                half = nil
            } else {
                half = state
            }
        }
        if let half { bytes.append(half) }
    }

    /// The verdicts, and where the bytes behind them begin; nil if the bytes are cut off.
    static func read(_ bytes: [UInt8]) -> (verdicts: [PolicyVerdict?], next: Int)? {
        guard bytes.count >= 2 else { return nil }
        let count = Int(bytes[0]) << 8 | Int(bytes[1])
        let next = 2 + (count + 1) / 2
        guard bytes.count >= next else { return nil }
        let verdicts = (0..<count).map { position -> PolicyVerdict? in
            let state = bytes[2 + position / 2] >> UInt8(position % 2 * 4) & 15
            return state == 0 ? nil : PolicyVerdict(rawValue: state - 1)
        }
        return (verdicts, next)
    }
}

/// The decisions made last, by trace: a ring of records with an index, and a ring of bytes for what they are based on.
///
/// Owned by one shard. All memory is bounded by the number of records: about 290 bytes each. The index is an open-addressing
/// table, at most half full, with backward-shift deletion (Knuth, TAOCP vol. 3, 6.4, algorithm R); a slot carries 32 bits of its
/// record's hash, so that looking along the table touches no record. Appending and finding are O(1); a record costs two cache
/// misses when it is written, which `prefetch` hides, none of them per span.
struct DecisionLog: ~Copyable {
    private var records: PagedBuffer<DecisionRecord>
    /// The record's position plus one in the low half, `tag` in the high half; 0: empty.
    private var slots: PagedBuffer<UInt64>
    private var evidence: PagedBuffer<UInt8>
    private var next = 0
    private var count = 0
    private var evidenceWritten: UInt64 = 0
    /// Versions that records refer to, oldest first.
    private var versions: [PolicyVersion] = []
    /// Records of further versions keep their verdict and deciding policy but lose the details.
    private static let maximumVersions = 32
    private static let evidenceBytesPerRecord = 112

    /// A log of the last `capacity` decisions, or nil for none.
    init?(capacity: Int) {
        guard capacity > 0 else { return nil }
        records = PagedBuffer(count: capacity)
        slots = PagedBuffer(count: Self.slotCount(capacity))
        evidence = PagedBuffer(count: max(4096, capacity * Self.evidenceBytesPerRecord))
    }

    private static func slotCount(_ capacity: Int) -> Int {
        var size = 64
        while size < capacity * 2 { size <<= 1 }
        return size
    }

    /// Bytes of memory that a log of so many decisions takes once it is full.
    static func memoryBytes(capacity: Int) -> Int {
        guard capacity > 0 else { return 0 }
        return capacity * (MemoryLayout<DecisionRecord>.stride + evidenceBytesPerRecord) + slotCount(capacity) * MemoryLayout<UInt64>.stride
    }

    /// Bytes of memory that the log takes once it is in use.
    var memoryBytes: Int { records.capacityBytes + slots.capacityBytes + evidence.capacityBytes }

    var capacity: Int { records.count }

    /// Remembers a decision; the oldest one makes room. An earlier one on the same trace can no longer be found.
    mutating func append(_ record: DecisionRecord, evidence bytes: [UInt8], version: PolicyVersion) {
        if count == records.count {
            removeSlot(of: next)
        } else {
            count += 1
        }
        var record = record
        record.evidenceStart = evidenceWritten
        record.evidenceLength = 0
        if !bytes.isEmpty && bytes.count <= evidence.count {
            record.evidenceLength = UInt32(truncatingIfNeeded: bytes.count)
            var position = Int(evidenceWritten % UInt64(evidence.count))
            for byte in bytes {
                evidence[position] = byte
                position += 1
                if position == evidence.count { position = 0 }
            }
            evidenceWritten += UInt64(bytes.count)
        }
        records[next] = record
        point(to: next, record)
        note(version)
        next = next + 1 == records.count ? 0 : next + 1
    }

    /// The newest record of a trace.
    func find(_ traceID: TraceID, hash: UInt64) -> DecisionRecord? {
        slot(of: traceID, hash: hash).map { records[Self.record(ofSlot: slots[$0])] }
    }

    /// Counts spans that came after the decision, if it is still known.
    mutating func noteLate(_ traceID: TraceID, hash: UInt64) {
        guard let slot = slot(of: traceID, hash: hash) else { return }
        records[Self.record(ofSlot: slots[slot])].lateSpans &+= 1
    }

    /// What a record's decision is based on; nil if newer records have taken the room.
    func evidence(of record: DecisionRecord) -> [UInt8]? {
        if record.evidenceLength == 0 { return [] }
        guard record.evidenceStart + UInt64(evidence.count) >= evidenceWritten else { return nil }
        let start = Int(record.evidenceStart % UInt64(evidence.count))
        return (0..<Int(record.evidenceLength)).map { evidence[(start + $0) % evidence.count] }
    }

    /// The version that a record was made under, if it is one of the last 32.
    func version(of record: DecisionRecord) -> PolicyVersion? { versions.last { $0.number == record.version } }

    private mutating func note(_ version: PolicyVersion) {
        if let last = versions.last, last === version { return }
        versions.removeAll { $0.number == version.number }
        if versions.count >= Self.maximumVersions { versions.removeFirst() }
        versions.append(version)
    }

    // MARK: index

    /// Fetches what appending the decision on a trace with this hash will touch: the slot it gets, and that of the record which
    /// makes room. Call it some decisions ahead.
    func prefetch(_ hash: UInt64, ahead: Int) {
        slots.prefetch(home(Self.tag(hash)))
        guard count == records.count else { return }
        records.prefetch(position(ahead: ahead * 2))
        slots.prefetch(home(Self.tag(records[position(ahead: ahead)].hash)))
    }

    private func position(ahead: Int) -> Int {
        let position = next + ahead
        return position < records.count ? position : 0
    }

    private static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 8) }

    private func home(_ tag: UInt32) -> Int { Int(tag) & (slots.count - 1) }

    private static func tag(ofSlot slot: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: slot >> 32) }

    private static func record(ofSlot slot: UInt64) -> Int { Int(truncatingIfNeeded: slot & 0xffff_ffff) - 1 }

    private func slot(of traceID: TraceID, hash: UInt64) -> Int? {
        let mask = slots.count - 1
        let tag = Self.tag(hash)
        var position = home(tag)
        while slots[position] != 0 {
            let slot = slots[position]
            if Self.tag(ofSlot: slot) == tag, records[Self.record(ofSlot: slot)].traceID == traceID { return position }
            position = (position + 1) & mask
        }
        return nil
    }

    private mutating func point(to index: Int, _ record: DecisionRecord) {
        let mask = slots.count - 1
        let tag = Self.tag(record.hash)
        var position = home(tag)
        while slots[position] != 0 {
            let slot = slots[position]
            if Self.tag(ofSlot: slot) == tag, records[Self.record(ofSlot: slot)].traceID == record.traceID { break }
            position = (position + 1) & mask
        }
        slots[position] = UInt64(tag) << 32 | UInt64(UInt32(truncatingIfNeeded: index + 1))
    }

    private mutating func removeSlot(of index: Int) {
        let mask = slots.count - 1
        var position = home(Self.tag(records[index].hash))
        while true {
            let slot = slots[position]
            // A newer record of the same trace has the slot.
            if slot == 0 { return }
            if Self.record(ofSlot: slot) == index { break }
            position = (position + 1) & mask
        }
        var gap = position
        var next = (position + 1) & mask
        while slots[next] != 0 {
            let home = home(Self.tag(ofSlot: slots[next]))
            if (next &- home) & mask >= (next &- gap) & mask {
                slots[gap] = slots[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        slots[gap] = 0
    }
}

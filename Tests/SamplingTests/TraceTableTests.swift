import OTLP
import TestSupport
import Testing

@testable import Sampling

@Suite struct TraceTableTests {
    static func summary(_ id: TraceID, hash: UInt64, deadline: Int64 = 0) -> TraceSummary {
        let record = SpanRecord(
            traceID: id, hash: hash, startTimeUnixNano: 0, endTimeUnixNano: 0, offset: 0, length: 0, group: 0,
            flags: [])
        return TraceSummary(record, deadline: deadline, policyVersion: 1, firstSeenMilliseconds: 0)
    }

    /// Random inserts, finds and removes against a dictionary. `hashBits` small: many traces with equal hashes and long
    /// probe runs.
    static func run(seed: UInt64, steps: Int, ids: Int, hashMask: UInt64) -> String? {
        var random = SeededGenerator(seed)
        var table = TraceTable(capacity: 1 << 16)
        var model: [TraceID: (index: Int, deadline: Int64)] = [:]
        var usedIndexes: Set<Int> = []
        func hash(_ id: TraceID) -> UInt64 { testKeys.hash(id) & hashMask }
        var growing = true
        for step in 0..<steps {
            if step % 97 == 0 { growing = random.chance(50) }
            let id = TraceID(high: UInt64(random.below(3)), low: UInt64(1 + random.below(ids)))
            let found = table.find(id, hash: hash(id))
            guard found == model[id]?.index else { return "step \(step): find \(String(describing: found))" }
            if let found {
                guard table[found].deadline == model[id]?.deadline, table[found].traceID == id else {
                    return "step \(step): foreign summary"
                }
                if !growing || random.chance(20) {
                    table.remove(found)
                    model[id] = nil
                    usedIndexes.remove(found)
                    if table.find(id, hash: hash(id)) != nil { return "step \(step): found after removal" }
                } else {
                    table[found].deadline += 1
                    model[id]?.deadline += 1
                }
            } else if growing || random.chance(20) {
                guard let index = table.insert(summary(id, hash: hash(id), deadline: Int64(step))) else {
                    return "step \(step): full"
                }
                guard usedIndexes.insert(index).inserted else { return "step \(step): index given twice" }
                model[id] = (index, Int64(step))
            }
            if random.chance(1) { table.trim() }
            guard table.count == model.count else { return "step \(step): count" }
        }
        for (id, entry) in model where table.find(id, hash: hash(id)) != entry.index { return "lost \(id)" }
        return nil
    }

    @Test func agreesWithADictionary() {
        for seed in 0..<1500 as Range<UInt64> {
            let mask: UInt64 = [UInt64.max, 0x3ff, 0x7f << 6 | 1, 0xffff_ffff_ffff_f03f][Int(seed % 4)]
            let problem = Self.run(seed: seed, steps: 300, ids: 20 + Int(seed % 90), hashMask: mask)
            #expect(problem == nil, "seed \(seed)")
        }
    }

    /// Stripes double and halve: all ids stay reachable through both.
    @Test func growsAndShrinks() {
        for seed in 0..<4 as Range<UInt64> {
            let problem = Self.run(seed: 100 + seed, steps: 60_000, ids: 9_000, hashMask: seed % 2 == 0 ? .max : 0x3ffff)
            #expect(problem == nil, "seed \(seed)")
        }
    }

    @Test func holdsManyTracesAndGivesTheirMemoryBack() {
        var table = TraceTable(capacity: 320_000)
        let empty = table.memoryBytes
        let ids = (0..<300_000 as Range<UInt64>).map { TraceID(high: $0 &* 0x9e37_79b9, low: $0) }
        var indexes: [Int] = []
        indexes.reserveCapacity(ids.count)
        var failures = 0
        for (position, id) in ids.enumerated() {
            if let index = table.insert(Self.summary(id, hash: testKeys.hash(id), deadline: Int64(position))) {
                indexes.append(index)
            } else {
                failures += 1
            }
        }
        #expect(failures == 0)
        #expect(Set(indexes).count == ids.count)
        for (position, id) in ids.enumerated() {
            if table.find(id, hash: testKeys.hash(id)) != indexes[position] { failures += 1 }
            if table[indexes[position]].deadline != Int64(position) { failures += 1 }
        }
        #expect(failures == 0)
        let full = table.memoryBytes
        // 96 bytes a summary in whole chunks, and 8 bytes a slot at 17 to 70 % load.
        #expect(full > 300_000 * (96 + 8) && full < 320_000 * 96 + 64 * 16384 * 8 + (2 << 20))

        for position in stride(from: 0, to: ids.count, by: 2) { table.remove(indexes[position]) }
        for (position, id) in ids.enumerated() {
            let found = table.find(id, hash: testKeys.hash(id))
            if found != (position % 2 == 0 ? nil : indexes[position]) { failures += 1 }
        }
        #expect(failures == 0)
        let half = table.count
        #expect(half == 150_000)
        for position in stride(from: 1, to: ids.count, by: 2) { table.remove(indexes[position]) }
        table.trim()
        let (rest, after) = (table.count, table.memoryBytes)
        #expect(rest == 0)
        // One chunk is kept for what comes next; stripes are back at their smallest.
        #expect(after <= empty + 16384 * 96)

        let again = table.insert(Self.summary(ids[5], hash: testKeys.hash(ids[5])))
        let found = table.find(ids[5], hash: testKeys.hash(ids[5]))
        #expect(again != nil && found == again)
    }

    @Test func saysWhenItIsFull() {
        var table = TraceTable(capacity: 1)
        var inserted = 0
        while inserted < 20_000 {
            let id = TraceID(high: 1, low: UInt64(inserted))
            guard table.insert(Self.summary(id, hash: testKeys.hash(id))) != nil else { break }
            inserted += 1
        }
        #expect(inserted == 16384)
        let gone = TraceID(high: 1, low: 77)
        if let index = table.find(gone, hash: testKeys.hash(gone)) { table.remove(index) }
        let id = TraceID(high: 2, low: 1)
        let index = table.insert(Self.summary(id, hash: testKeys.hash(id)))
        #expect(index != nil)
        let full = table.insert(Self.summary(TraceID(high: 2, low: 2), hash: 1))
        #expect(full == nil)
    }

    @Test func sameHashIsNotSameTrace() {
        var table = TraceTable(capacity: 100)
        var indexes: Set<Int> = []
        for number in 0..<100 as Range<UInt64> {
            if let index = table.insert(Self.summary(TraceID(high: number, low: 42), hash: 4711)) { indexes.insert(index) }
        }
        #expect(indexes.count == 100)
        let other = table.find(TraceID(high: 100, low: 42), hash: 4711)
        #expect(other == nil)
        var wrong = 0
        for number in 0..<100 as Range<UInt64> {
            guard let index = table.find(TraceID(high: number, low: 42), hash: 4711) else {
                wrong += 1
                continue
            }
            if table[index].traceID.high != number { wrong += 1 }
        }
        #expect(wrong == 0)
    }
}

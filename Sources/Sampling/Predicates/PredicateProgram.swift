internal import OTLP

/// The predicates of a policy set in the form in which spans are checked.
///
/// A span's bits are put together from a table by its status and flags, from its resource (asked once per resource), from its
/// wanted attributes (each goes to the tests of its name), and from steps: what has to be worked out, cheapest part first.
struct PredicateProgram: Sendable {
    /// Words of predicate bits per trace.
    let traceWords: Int
    let keyCount: Int
    /// Words of a span's bits, those of inner conditions included.
    let words: Int
    /// Bits by status and flags: 16 rows of `words` words.
    let flagWords: [UInt64]
    let durations: [(range: ClosedRange<UInt64>, target: LeafTarget)]
    let spanTests: AttributeProgram
    let resourceTests: AttributeProgram
    let steps: PredicateSteps
    let keys: [TraceKeyProgram]
    /// Status and flags are all that counts, and 64 bits are enough.
    let isPlain: Bool
    /// Bits of word number `traceWords - 1` that are predicates of the trace.
    let lastWordMask: UInt64

    init(_ finished: PredicateCompiler) {
        var compiler = finished
        var layout = PredicateLayout(compiler.predicates)
        steps = PredicateSteps(compiler.predicates, &layout)
        keys = compiler.keys.indices.map { TraceKeyProgram(compiler.keys[$0], compiler.keyNames[$0], &compiler) }
        keyCount = keys.count
        countsContextBytes = compiler.needsEncodedSize
        traceWords = max(1, (compiler.predicates.count + 63) / 64)
        words = max(traceWords, (layout.positionCount + 63) / 64)
        precondition(words <= SpanBits.wordCount)
        let used = compiler.predicates.count - (traceWords - 1) * 64
        lastWordMask = used >= 64 ? .max : (1 << UInt64(used)) - 1

        var table = [UInt64](repeating: 0, count: 16 * words)
        var durations: [(ClosedRange<UInt64>, LeafTarget)] = []
        var onSpans: [[(ValueTest, LeafTarget)]] = []
        var onResources: [[(ValueTest, LeafTarget)]] = []
        for (leaf, target) in layout.leaves {
            let position = Int(target.position)
            switch leaf {
            case .statusCode, .isRoot, .w3cSampled:
                for row in 0..<16 where PredicateLayout.holds(leaf, SpanFlags(rawValue: UInt32(row))) {
                    table[row * words + position / 64] |= 1 << UInt64(position % 64)
                }
            case .duration(let range): durations.append((range, target))
            case .attribute(let attribute):
                if attribute.place != .resource, let number = compiler.spanAttribute(attribute.name) {
                    while onSpans.count <= Int(number) { onSpans.append([]) }
                    onSpans[Int(number)].append((attribute.test, target))
                }
                if attribute.place != .span, let number = compiler.resourceAttribute(attribute.name) {
                    while onResources.count <= Int(number) { onResources.append([]) }
                    onResources[Int(number)].append((attribute.test, target))
                }
            default: break
            }
        }
        // Names that only keys or conditions of other languages look at have no tests.
        while onSpans.count < compiler.spanNames.count { onSpans.append([]) }
        while onResources.count < compiler.resourceNames.count { onResources.append([]) }
        flagWords = table
        self.durations = durations
        spanTests = AttributeProgram(onSpans, isForResources: false)
        resourceTests = AttributeProgram(onResources, isForResources: true)
        isPlain =
            words == 1 && keys.isEmpty && !countsContextBytes && steps.isEmpty && durations.isEmpty
            && onSpans.allSatisfy(\.isEmpty) && onResources.allSatisfy(\.isEmpty)
        interest = compiler.interest()
        attributeNumbers = compiler.attributeNumbers
    }

    /// What arriving requests must be searched for.
    let interest: AttributeInterest
    /// The same by name.
    let attributeNumbers: AttributeNumbers

    /// The trace's size is added up in the last side word, see `ContextBytes`.
    let countsContextBytes: Bool

    /// Words per trace and span beyond the first 64 bits: further predicate bits, keys, and `ContextBytes`.
    var layout: SideLayout {
        SideLayout(predicateWords: traceWords - 1, keyWords: keyCount, countsContextBytes: countsContextBytes)
    }
    var sideWords: Int { layout.count }

    /// Sets the predicate bits of every span of a request, and its side words.
    ///
    /// Within a run of spans of one trace and group a predicate that only matters for the trace as a whole may be left unset on a span after one
    /// that has it.
    /// - Complexity: O(spans + wanted attributes), and what the conditions cost.
    func evaluate(_ index: inout RequestIndex, _ body: Span<UInt8>, unixNanoseconds: Int64) {
        if isPlain {
            var records = index.records.mutableSpan
            let table = flagWords.span
            for position in records.indices {
                records[position].predicates = table[Int(records[position].flags.rawValue & 15)]
            }
            return
        }
        evaluateAll(&index, body, unixNanoseconds)
    }

    private func evaluateAll(_ index: inout RequestIndex, _ body: Span<UInt8>, _ now: Int64) {
        index.sideStride = sideWords
        if sideWords > 0 {
            index.sideWords.append(contentsOf: repeatElement(0, count: index.records.count * sideWords))
        }
        var ofResource = SpanBits()
        var resourceHits = -1
        var group: UInt32 = .max
        var trace = TraceID(high: 0, low: 0)
        var known = SpanBits()
        var next = 0
        for position in 0..<index.records.count {
            let record = index.records[position]
            if record.group != group {
                group = record.group
                known = SpanBits()
                let entry = index.groups[Int(group)]
                if Int(entry.resourceHitStart) != resourceHits || entry.resourceHitCount == 0 {
                    resourceHits = entry.resourceHitCount == 0 ? -1 : Int(entry.resourceHitStart)
                    ofResource = SpanBits()
                    let none = SpanBits()
                    for hit in entry.resourceHitRange {
                        resourceTests.run(index.resourceHits[hit], body, isRoot: true, known: none, into: &ofResource)
                    }
                }
            }
            let isNewTrace = record.traceID != trace
            if isNewTrace {
                trace = record.traceID
                known = SpanBits()
            }
            let isRoot = record.flags.contains(.isRoot)
            var bits = ofResource
            let row = Int(record.flags.rawValue & 15) &* words
            for word in 0..<words { bits.words[word] |= flagWords[row &+ word] }
            for (range, target) in durations where range.contains(record.durationNanoseconds) { bits.insert(target.position) }
            let firstHit = next
            while next < index.spanHits.count && Int(index.spanHits[next].record) == position {
                spanTests.run(index.spanHits[next], body, isRoot: isRoot, known: known, into: &bits)
                next += 1
            }
            if !steps.isEmpty {
                steps.run(
                    SpanAtHand(record: record, position: position, hits: firstHit..<next, unixNanoseconds: now), index, body, known: known,
                    into: &bits)
            }
            for word in 0..<words { known.words[word] |= bits.words[word] }
            index.records[position].predicates = traceWords == 1 ? bits.words[0] & lastWordMask : bits.words[0]
            if sideWords > 0 {
                let wantsKey = isRoot || isNewTrace
                writeSide(bits, position, wantsKey: wantsKey, firstHit..<next, &index, body)
            }
        }
    }

    private func writeSide(
        _ bits: SpanBits, _ position: Int, wantsKey: Bool, _ hits: Range<Int>, _ index: inout RequestIndex,
        _ body: Span<UInt8>
    ) {
        let start = position * sideWords
        for word in 1..<max(1, traceWords) {
            let mask = word == traceWords - 1 ? lastWordMask : .max
            index.sideWords[start + word - 1] = bits.words[word] & mask
        }
        guard wantsKey else { return }
        let record = index.records[position]
        let fields = keys.contains { $0.needsFields } ? SpanFields(body, record.range) : nil
        for number in keys.indices {
            index.sideWords[start + traceWords - 1 + number] = keys[number].key(body, index, record, hits: hits, fields)
        }
    }
}

/// A span while its predicates are worked out.
struct SpanAtHand {
    var record: SpanRecord
    var position: Int
    /// Its part of `RequestIndex.spanHits`.
    var hits: Range<Int>
    /// When it came.
    var unixNanoseconds: Int64
}

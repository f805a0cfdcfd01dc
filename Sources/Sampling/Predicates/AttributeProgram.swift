internal import NativeCore
internal import OTLP

/// Where a leaf's outcome stands among the bits of a span, and when it need not be computed.
struct LeafTarget: Sendable, BitwiseCopyable {
    var position: UInt16
    /// Nobody asks for it on spans that are no roots.
    var isForRootsOnly = false
    /// Only the trace's union counts: once a span of the trace has it, other spans need not be asked.
    var isUnionOnly = false
}

/// All tests of attributes of spans, or of resources, by the attribute's number.
///
/// The values that all policies of a set name for one attribute stand in one hash table, so the exact values of twenty
/// policies cost one look-up; other tests run one after the other, regular expressions last.
struct AttributeProgram: Sendable {
    private enum Kind: UInt8 { case exists, number, bool, matches }

    private struct Test: Sendable, BitwiseCopyable {
        var kind: Kind
        /// For `bool`: the wanted value.
        var wanted = false
        var target: LeafTarget
        /// Into `ranges` or `expressions`.
        var index: UInt32 = 0
    }

    private struct Name: Sendable, BitwiseCopyable {
        var firstTest: UInt32 = 0
        var testCount: UInt32 = 0
        var firstSlot: UInt32 = 0
        /// Slots minus one; the slots are a power of two. Without exact values `lengths` is 0.
        var slotMask: UInt32 = 0
        /// Bit `min(length, 63)` is set if an exact value has that length.
        var lengths: UInt64 = 0
    }

    private struct Value: Sendable, BitwiseCopyable {
        var hash: UInt64
        var offset: UInt32
        var length: UInt32
        var firstTarget: UInt32
        var targetCount: UInt32
    }

    private var names: [Name]
    private var tests: [Test] = []
    private var ranges: [NumberRange] = []
    private var expressions: [RegularExpression] = []
    /// Index of a value plus one; 0 is free.
    private var slots: [UInt32] = []
    private var values: [Value] = []
    private var valueBytes: [UInt8] = []
    private var targets: [LeafTarget] = []
    private let isForResources: Bool

    /// Keys of a hash whose collisions cost a comparison; what is in the tables comes from the configuration.
    private static let hashKeys = HashKeys(0x6578_6163_74, 0x7661_6c75_65)

    /// - Parameter tests: by attribute number.
    init(_ tests: [[(test: ValueTest, target: LeafTarget)]], isForResources: Bool) {
        self.isForResources = isForResources
        names = []
        for list in tests { names.append(add(list)) }
    }

    private mutating func add(_ list: [(test: ValueTest, target: LeafTarget)]) -> Name {
        var name = Name()
        var cheap: [Test] = []
        var searches: [Test] = []
        var exact: [String: [LeafTarget]] = [:]
        for (test, target) in list {
            switch test {
            case .exists: cheap.append(Test(kind: .exists, target: target))
            case .bool(let wanted): cheap.append(Test(kind: .bool, wanted: wanted, target: target))
            case .number(let range):
                cheap.append(Test(kind: .number, target: target, index: UInt32(ranges.count)))
                ranges.append(range)
            case .text(.oneOf(let texts)):
                for text in texts where !text.isEmpty { exact[text, default: []].append(target) }
            case .text(.matches(let pattern)):
                searches.append(Test(kind: .matches, target: target, index: UInt32(expressions.count)))
                expressions.append(pattern.expression)
            }
        }
        name.firstTest = UInt32(self.tests.count)
        name.testCount = UInt32(cheap.count + searches.count)
        self.tests += cheap + searches
        if !exact.isEmpty { addTable(exact, to: &name) }
        return name
    }

    private mutating func addTable(_ exact: [String: [LeafTarget]], to name: inout Name) {
        var size = 2
        while size < exact.count * 2 { size *= 2 }
        name.firstSlot = UInt32(slots.count)
        name.slotMask = UInt32(size - 1)
        slots += Array(repeating: 0, count: size)
        for (text, list) in exact.sorted(by: { $0.key < $1.key }) {
            let bytes = Array(text.utf8)
            let hash = hashBytes(bytes.span, key: Self.hashKeys)
            values.append(
                Value(
                    hash: hash, offset: UInt32(valueBytes.count), length: UInt32(bytes.count),
                    firstTarget: UInt32(targets.count), targetCount: UInt32(list.count)))
            valueBytes += bytes
            targets += list
            name.lengths |= 1 << UInt64(min(bytes.count, 63))
            var slot = UInt32(truncatingIfNeeded: hash) & name.slotMask
            while slots[Int(name.firstSlot + slot)] != 0 { slot = (slot + 1) & name.slotMask }
            slots[Int(name.firstSlot + slot)] = UInt32(values.count)
        }
    }

    /// Sets the bits of the tests that a value passes.
    ///
    /// - Parameters:
    ///   - isRoot: the hit is on a root span; on a resource, whether any test for roots only is to be made, too.
    ///   - known: bits that the trace has already.
    @inline(__always)
    func run(
        _ hit: AttributeHit, _ body: Span<UInt8>, isRoot: Bool, known: borrowing SpanBits, into bits: inout SpanBits
    ) {
        // What only the set beside this one looks at.
        guard Int(hit.name) < names.count else { return }
        let name = names[Int(hit.name)]
        if name.lengths &>> UInt64(truncatingIfNeeded: min(hit.valueLength, 63)) & 1 != 0 && hit.valueKind == .string {
            lookUp(name, hit, body, into: &bits)
        }
        if name.testCount == 0 { return }
        runTests(name, hit, body, isRoot: isRoot, known: known, into: &bits)
    }

    @inline(never)
    private func lookUp(_ name: Name, _ hit: AttributeHit, _ body: Span<UInt8>, into bits: inout SpanBits) {
        guard hit.valueRange.upperBound <= body.count else { return }
        let text = body.extracting(hit.valueRange)
        let hash = hashBytes(text, key: Self.hashKeys)
        var slot = UInt32(truncatingIfNeeded: hash) & name.slotMask
        while true {
            let entry = slots[Int(name.firstSlot &+ slot)]
            if entry == 0 { return }
            let value = values[Int(entry) - 1]
            if value.hash == hash && value.length == hit.valueLength
                && valueBytes.span.extracting(Int(value.offset)..<Int(value.offset + value.length)).equals(text)
            {
                for target in 0..<Int(value.targetCount) {
                    bits.insert(targets[Int(value.firstTarget) + target].position)
                }
                return
            }
            slot = (slot &+ 1) & name.slotMask
        }
    }

    @inline(never)
    private func runTests(
        _ name: Name, _ hit: AttributeHit, _ body: Span<UInt8>, isRoot: Bool, known: borrowing SpanBits,
        into bits: inout SpanBits
    ) {
        for index in Int(name.firstTest)..<Int(name.firstTest &+ name.testCount) {
            let test = tests[index]
            if test.target.isForRootsOnly && !isRoot { continue }
            if test.target.isUnionOnly { if known.contains(test.target.position) { continue } }
            let passes: Bool
            switch test.kind {
            case .exists: passes = true
            case .bool: passes = (hit.boolean(in: body) ?? false) == test.wanted
            case .number:
                if hit.valueKind == .double {
                    passes = ranges[Int(test.index)].contains(hit.double(in: body) ?? 0)
                } else {
                    passes = ranges[Int(test.index)].contains(hit.valueKind == .int ? hit.integer(in: body) ?? 0 : 0)
                }
            case .matches: passes = matches(Int(test.index), hit, body)
            }
            if passes { bits.insert(test.target.position) }
        }
    }

    /// A value that is no text counts as empty; an empty text on a span matches nothing, on a resource it is asked.
    private func matches(_ expression: Int, _ hit: AttributeHit, _ body: Span<UInt8>) -> Bool {
        let isText = hit.valueKind == .string && hit.valueLength > 0
        guard isText || isForResources, hit.valueRange.upperBound <= body.count else { return false }
        return expressions[expression].matches(body.extracting(isText ? hit.valueRange : 0..<0))
    }
}

/// The bits of one span while it is looked at: predicates of the trace first, then conditions that compound predicates need.
struct SpanBits: Sendable {
    static let wordCount =
        (PredicateCompiler.maximumPredicates + PredicateCompiler.maximumInnerPredicates) / 64
    var words: [16 of UInt64] = .init(repeating: 0)

    @inline(__always)
    mutating func insert(_ position: UInt16) {
        words[Int(position &>> 6)] |= 1 &<< UInt64(position & 63)
    }

    @inline(__always)
    func contains(_ position: UInt16) -> Bool {
        words[Int(position &>> 6)] &>> UInt64(position & 63) & 1 != 0
    }
}

/// What an attribute's value is: which member of AnyValue's oneof came last.
package enum AttributeValueKind: UInt8, Sendable, BitwiseCopyable {
    /// No value at all.
    case empty
    /// Text; the hit's range holds its bytes, not necessarily valid UTF-8.
    case string
    /// A boolean; the hit's range holds its varint.
    case bool
    /// A 64-bit integer; the hit's range holds its varint.
    case int
    /// A double; the hit's range holds its 8 bytes, least significant first.
    case double
    /// An ArrayValue; the hit's range holds its payload.
    case array
    /// A KeyValueList; the hit's range holds its payload.
    case kvlist
    /// Bytes; the hit's range holds them.
    case bytes
}

/// One attribute that some policy named, found on a span or a resource.
///
/// 16 bytes.
package struct AttributeHit: Sendable, BitwiseCopyable {
    /// The index of the span in `RequestIndex.records`; for a resource, of its first group.
    package var record: UInt32
    /// Where the value begins in the request body.
    package var valueOffset: UInt32
    /// The length of the value in bytes.
    package var valueLength: UInt32
    /// The name, as its index in the list that `AttributeInterest` was made from.
    package var name: UInt16
    /// What the value is.
    package var valueKind: AttributeValueKind

    /// The value as a range of the request body.
    @inlinable package var valueRange: Range<Int> {
        Int(valueOffset)..<(Int(valueOffset) + Int(valueLength))
    }

    /// The value of an `int` or `bool` hit, `nil` for other kinds.
    package func integer(in body: Span<UInt8>) -> Int64? {
        guard valueKind == .int || valueKind == .bool else { return nil }
        let end = Int(valueOffset) + Int(valueLength)
        guard end <= body.count, let read = try? Wire.varint(body, Int(valueOffset), end) else {
            return nil
        }
        return Int64(bitPattern: read.value)
    }

    /// The value of a `bool` hit, `nil` for other kinds.
    package func boolean(in body: Span<UInt8>) -> Bool? {
        valueKind == .bool ? integer(in: body).map { $0 != 0 } : nil
    }

    /// The value of a `double` hit, `nil` for other kinds.
    package func double(in body: Span<UInt8>) -> Double? {
        guard valueKind == .double, valueLength == 8, Int(valueOffset) + 8 <= body.count else {
            return nil
        }
        return Double(bitPattern: Wire.loadLittle64(body, Int(valueOffset)))
    }
}

/// The names of the attributes that policies look at, ready for comparing with every key that passes.
///
/// Almost every key is refused by one bit test of its length; the rest compares eight bytes, then all.
package struct AttributeInterest: Sendable {
    /// The names to find on spans.
    let span: AttributeNames
    /// The names to find on resources.
    let resource: AttributeNames

    /// Creates an interest; hits carry a name's index in these lists.
    ///
    /// At most 65,535 names each;
    /// of equal names the first one is reported.
    package init(spanNames: [[UInt8]], resourceNames: [[UInt8]]) {
        span = AttributeNames(spanNames)
        resource = AttributeNames(resourceNames)
    }

    /// No attribute at all.
    package static var none: AttributeInterest {
        AttributeInterest(spanNames: [], resourceNames: [])
    }
}

/// A list of names in a hash table, so that fifty cost no more than three.
struct AttributeNames: Sendable {
    /// One name in the flat store.
    private struct Entry: Sendable, BitwiseCopyable {
        var tail: UInt64
        var offset: UInt32
        var length: UInt32
        var name: UInt16
    }

    /// Bit `min(length, 63)` is set if a name has that length.
    let lengths: UInt64
    /// By hash of length and tail: an entry's index plus one, or 0. A power of two, at most half full.
    private let slots: [UInt16]
    private let entries: [Entry]
    private let bytes: [UInt8]

    init(_ names: [[UInt8]]) {
        var mask: UInt64 = 0
        var entries: [Entry] = []
        var bytes: [UInt8] = []
        var size = 2
        while size < names.count * 4 { size *= 2 }
        var slots = [UInt16](repeating: 0, count: size)
        for (index, name) in names.enumerated().prefix(Int(UInt16.max)) {
            mask |= 1 << UInt64(min(name.count, 63))
            let tail = Self.tail(name.span, 0, name.count)
            entries.append(
                Entry(
                    tail: tail, offset: UInt32(bytes.count), length: UInt32(name.count), name: UInt16(index)))
            bytes += name
            var slot = Self.home(tail, name.count, size)
            while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = UInt16(truncatingIfNeeded: entries.count)
        }
        self.lengths = mask
        self.slots = slots
        self.entries = entries
        self.bytes = bytes
    }

    /// Whether there are no names.
    @inline(__always) var isEmpty: Bool { lengths == 0 }

    /// Whether a key of this length may be wanted.
    @inline(__always)
    func mayHold(length: Int) -> Bool {
        lengths &>> UInt64(truncatingIfNeeded: min(length, 63)) & 1 != 0
    }

    /// The index of the wanted name that equals these bytes; of equal names, of the first one.
    ///
    /// - Complexity: O(length) and a look at the names that share its length and last eight bytes.
    @inline(never)
    func find(_ body: Span<UInt8>, _ start: Int, _ end: Int) -> UInt16? {
        let length = end - start
        let tail = Self.tail(body, start, end)
        let table = slots.span
        var slot = Self.home(tail, length, table.count)
        while true {
            let number = table[slot]
            if number == 0 { return nil }
            let entry = entries[Int(number) - 1]
            if entry.tail == tail && Int(entry.length) == length && isEqual(entry, body, start, length) {
                return entry.name
            }
            slot = (slot &+ 1) & (table.count &- 1)
        }
    }

    /// The last eight bytes are equal already; the last word here may overlap them.
    @inline(__always)
    private func isEqual(_ entry: Entry, _ body: Span<UInt8>, _ start: Int, _ length: Int) -> Bool {
        let names = bytes.span
        var position = 0
        while position < length - 8 {
            if Wire.loadLittle64(names, Int(entry.offset) + position) != Wire.loadLittle64(body, start + position) {
                return false
            }
            position += 8
        }
        return true
    }

    /// Where a name's search begins.
    @inline(__always)
    private static func home(_ tail: UInt64, _ length: Int, _ size: Int) -> Int {
        let mixed = (tail ^ UInt64(truncatingIfNeeded: length) &* 0x9e37_79b9_7f4a_7c15) &* 0xa076_1d64_78bd_642f
        return Int(truncatingIfNeeded: mixed >> 32) & (size &- 1)
    }

    /// The last eight bytes, or all of fewer: names of one family differ at their end.
    private static func tail(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> UInt64 {
        if end - start >= 8 { return Wire.loadLittle64(bytes, end - 8) }
        var word: UInt64 = 0
        for index in start..<end { word = word << 8 | UInt64(bytes[index]) }
        return word
    }
}

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

/// A list of names, ordered by length for quick refusal.
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
    private let entries: [Entry]
    private let bytes: [UInt8]

    init(_ names: [[UInt8]]) {
        var mask: UInt64 = 0
        var entries: [Entry] = []
        var bytes: [UInt8] = []
        for (index, name) in names.enumerated().prefix(Int(UInt16.max)) {
            mask |= 1 << UInt64(min(name.count, 63))
            entries.append(
                Entry(
                    tail: Self.tail(name.span, 0, name.count), offset: UInt32(bytes.count),
                    length: UInt32(name.count), name: UInt16(index)))
            bytes += name
        }
        entries.sort { ($0.length, $0.name) < ($1.length, $1.name) }
        self.lengths = mask
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

    /// The index of the wanted name that equals these bytes.
    @inline(never)
    func find(_ body: Span<UInt8>, _ start: Int, _ end: Int) -> UInt16? {
        let length = end - start
        let tail = Self.tail(body, start, end)
        for index in entries.indices {
            let entry = entries[index]
            if Int(entry.length) < length || (Int(entry.length) == length && entry.tail != tail) {
                continue
            }
            if Int(entry.length) > length { return nil }
            // The last eight bytes are equal already; the last word here may overlap them.
            let names = bytes.span
            var same = true
            var position = 0
            while position < length - 8 {
                if Wire.loadLittle64(names, Int(entry.offset) + position)
                    != Wire.loadLittle64(body, start + position)
                {
                    same = false
                    break
                }
                position += 8
            }
            if same { return entry.name }
        }
        return nil
    }

    /// The last eight bytes, or all of fewer: names of one family differ at their end.
    private static func tail(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> UInt64 {
        if end - start >= 8 { return Wire.loadLittle64(bytes, end - 8) }
        var word: UInt64 = 0
        for index in start..<end { word = word << 8 | UInt64(bytes[index]) }
        return word
    }
}

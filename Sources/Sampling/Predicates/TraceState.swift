internal import OTLP

/// W3C's `tracestate`, read by the strict rules of https://www.w3.org/TR/trace-context/#tracestate-header.
///
/// At most 32 members; empty members are skipped, and so is white space around members. One bad member or a key that comes
/// twice makes the whole of it invalid, and an invalid tracestate holds nothing.
enum TraceState {
    /// Whether the whole is valid and has the key with one of the values.
    ///
    /// - Complexity: O(length), plus O(members squared) comparisons of keys.
    static func holds(_ text: Span<UInt8>, _ test: borrowing TraceStateBytes) -> Bool {
        var keys: [32 of Range<Int>] = .init(repeating: 0..<0)
        var members = 0
        var isFound = false
        var start = 0
        while start <= text.count {
            var end = start
            while end < text.count && text[end] != UInt8(ascii: ",") { end += 1 }
            let isEmpty = start == end
            let member = trimmed(text, start..<end)
            start = end + 1
            if isEmpty { continue }
            guard members < TraceStateSyntax.maximumMembers, let equals = firstEquals(text, member) else { return false }
            let key = member.lowerBound..<equals
            let value = (equals + 1)..<member.upperBound
            guard TraceStateSyntax.isKey(text, key), TraceStateSyntax.isValue(text, value) else { return false }
            for other in 0..<members where same(text, keys[other], key) { return false }
            keys[members] = key
            members += 1
            if !isFound && test.matches(text, key, value) { isFound = true }
        }
        return isFound
    }

    private static func trimmed(_ text: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper && TraceStateSyntax.isBlank(text[lower]) { lower += 1 }
        while upper > lower && TraceStateSyntax.isBlank(text[upper - 1]) { upper -= 1 }
        return lower..<upper
    }

    private static func firstEquals(_ text: Span<UInt8>, _ member: Range<Int>) -> Int? {
        member.first { text[$0] == UInt8(ascii: "=") }
    }

    private static func same(_ text: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>) -> Bool {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count where text[left.lowerBound + offset] != text[right.lowerBound + offset] {
            return false
        }
        return true
    }
}

/// A `TraceStateTest` as bytes.
struct TraceStateBytes: Sendable {
    let key: [UInt8]
    let values: [[UInt8]]

    init(_ test: TraceStateTest) {
        key = Array(test.key.utf8)
        values = test.values.sorted().map { Array($0.utf8) }
    }

    func matches(_ text: Span<UInt8>, _ key: Range<Int>, _ value: Range<Int>) -> Bool {
        self.key.span.equals(text.extracting(key)) && values.contains { $0.span.equals(text.extracting(value)) }
    }
}

extension Span<UInt8> {
    /// Byte by byte.
    func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}

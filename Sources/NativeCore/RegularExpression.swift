internal import CRE2

/// Why a pattern is no regular expression.
package struct RegularExpressionError: Error, Sendable, Equatable {
    /// RE2's words: `missing closing ]: [a-`.
    package let message: String
    /// Where in the pattern the wrong part begins, in bytes; nil if RE2 did not name one.
    package let offset: Int?
}

/// A compiled regular expression of RE2 syntax (https://github.com/google/re2/wiki/Syntax), the one that Go has, too.
///
/// Searches take time linear in the text, whatever the pattern and whoever wrote the text: RE2 runs automata and never
/// backtracks. The search is unanchored; `^` and `$` are the ends of the text, `.` does not match a newline unless the pattern says
/// `(?s)`. Text that is not valid UTF-8 is searched too; its invalid bytes match nothing.
///
/// Immutable and shared by all workers: RE2's automata grow under its own lock, up to `memoryLimit` bytes for each expression,
/// and are thrown away and begun anew beyond. A search costs 7 to 50 ns on short texts, which is why results aren't cached.
@safe package final class RegularExpression: @unchecked Sendable {
    /// What one expression may use for its program and automata, bytes.
    package static let memoryLimit = 4 << 20
    /// Longer patterns are refused before RE2 sees them.
    package static let maximumPatternBytes = 64 << 10

    package let pattern: String
    private let handle: OpaquePointer

    /// Compiles a pattern. Nothing is written to standard error.
    package init(_ pattern: String) throws(RegularExpressionError) {
        let bytes = Array(pattern.utf8)
        guard bytes.count <= Self.maximumPatternBytes else {
            throw RegularExpressionError(
                message: "a pattern of more than \(Self.maximumPatternBytes) bytes", offset: nil)
        }
        var error = tg_regex_error()
        let made = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe tg_regex_new(buffer.baseAddress, buffer.count, Int64(Self.memoryLimit), &error)
        }
        guard let made = unsafe made else {
            let text = unsafe withUnsafeBytes(of: error.message) { message in
                unsafe String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw RegularExpressionError(message: text, offset: error.length > 0 ? Int(error.offset) : nil)
        }
        self.pattern = pattern
        unsafe handle = made
    }

    deinit { unsafe tg_regex_free(handle) }

    /// Whether the pattern matches anywhere in the text.
    ///
    /// - Complexity: O(length of the text).
    package func matches(_ text: Span<UInt8>) -> Bool {
        unsafe text.withUnsafeBufferPointer { buffer in
            unsafe tg_regex_matches(handle, buffer.baseAddress, buffer.count)
        }
    }

    /// The names of the capturing groups, in the order of their opening brackets; "" for a group without a name.
    package var groupNames: [String] {
        (0..<groupCount).map { group in
            guard let name = unsafe tg_regex_group_name(handle, Int32(group + 1)) else { return "" }
            return unsafe String(cString: name)
        }
    }

    /// How many capturing groups there are; the match itself is not counted.
    package var groupCount: Int { unsafe Int(tg_regex_group_count(handle)) }

    /// The leftmost match that begins at or behind `start`, or nil.
    ///
    /// - Returns: the range of the match in the text, then those of the groups, by number; nil for a group that took no part.
    /// - Complexity: O(length of the text) for the match, and again for the groups.
    package func find(_ text: Span<UInt8>, from start: Int = 0) -> [Range<Int>?]? {
        let count = 1 + groupCount
        var ranges = [Int64](repeating: -1, count: 2 * count)
        let isFound = unsafe text.withUnsafeBufferPointer { bytes in
            unsafe ranges.withUnsafeMutableBufferPointer { ranges in
                unsafe tg_regex_find(
                    handle, bytes.baseAddress, bytes.count, max(0, start), ranges.baseAddress, Int32(count))
            }
        }
        guard isFound else { return nil }
        return (0..<count).map { group in
            ranges[2 * group] < 0 ? nil : Int(ranges[2 * group])..<Int(ranges[2 * group + 1])
        }
    }

    /// The ranges of all matches that do not overlap, from left to right, as Go's `FindAll` has them: an empty match right behind
    /// another match does not count.
    ///
    /// - Complexity: O(matches * length of the text) in the worst case, about O(length) for ordinary text.
    package func findAll(_ text: Span<UInt8>) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var start = 0
        while start <= text.count, let match = find(text, from: start)?[0] {
            if !match.isEmpty || match.lowerBound != found.last?.upperBound { found.append(match) }
            start = match.upperBound
            guard match.isEmpty else { continue }
            // One character on, not into the middle of one.
            start += 1
            while start < text.count && text[start] & 0xc0 == 0x80 { start += 1 }
        }
        return found
    }
}

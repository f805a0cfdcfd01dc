/// Comparing and searching bytes where they lie; eight at a time where that pays.
package enum ByteSpans {
    /// Whether both hold the same bytes.
    package static func equal(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        let count = left.count
        guard count == right.count else { return false }
        guard count >= 8 else {
            var difference: UInt8 = 0
            for index in 0..<count { difference |= left[index] ^ right[index] }
            return difference == 0
        }
        var offset = 0
        while offset < count &- 8 {
            if Wire.loadLittle64(left, offset) != Wire.loadLittle64(right, offset) { return false }
            offset &+= 8
        }
        // The last word may overlap the one before it.
        return Wire.loadLittle64(left, count &- 8) == Wire.loadLittle64(right, count &- 8)
    }

    /// Negative, zero or positive as `left` stands before, equals or stands behind `right`, byte by byte; a prefix stands
    /// before what it begins.
    package static func compare(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
        let shared = min(left.count, right.count)
        var offset = 0
        while offset < shared {
            if left[offset] != right[offset] { return left[offset] < right[offset] ? -1 : 1 }
            offset &+= 1
        }
        return left.count - right.count
    }

    /// Whether `bytes` begins with `prefix`.
    package static func hasPrefix(_ bytes: Span<UInt8>, _ prefix: Span<UInt8>) -> Bool {
        bytes.count >= prefix.count && equal(bytes.extracting(first: prefix.count), prefix)
    }

    /// Whether `bytes` ends with `suffix`.
    package static func hasSuffix(_ bytes: Span<UInt8>, _ suffix: Span<UInt8>) -> Bool {
        bytes.count >= suffix.count && equal(bytes.extracting(last: suffix.count), suffix)
    }

    /// Where the byte first stands at or behind `from`, or nil. 64 bytes at a time; the inner loop compiles to vector instructions.
    package static func firstIndex(of byte: UInt8, in bytes: Span<UInt8>, from: Int = 0) -> Int? {
        var offset = max(0, from)
        while offset &+ 64 <= bytes.count {
            let block = bytes.extracting(offset..<(offset &+ 64))
            var found: UInt8 = 0
            for index in 0..<64 { found |= block[index] == byte ? 1 : 0 }
            if found != 0 { break }
            offset &+= 64
        }
        while offset < bytes.count {
            if bytes[offset] == byte { return offset }
            offset &+= 1
        }
        return nil
    }

    /// Where `needle` first begins at or behind `from`, or nil; an empty needle is found at once.
    ///
    /// - Complexity: O(bytes * needle) in the worst case, about O(bytes) for text.
    package static func firstRange(
        of needle: Span<UInt8>, in bytes: Span<UInt8>, from: Int = 0
    ) -> Int? {
        guard from >= 0, needle.count <= bytes.count, from <= bytes.count - needle.count else { return nil }
        guard !needle.isEmpty else { return from }
        let first = needle[0]
        var offset = from
        while offset <= bytes.count &- needle.count {
            if bytes[offset] == first,
                equal(bytes.extracting(offset..<(offset + needle.count)), needle)
            {
                return offset
            }
            offset &+= 1
        }
        return nil
    }
}

internal import OTLP

/// What the words beside a trace's summary (and beside a span's record) are. Most policy sets need none.
package struct SideLayout: Sendable, Equatable {
    /// Predicate bits from 64 on.
    package var predicateWords = 0
    /// Keys of `dynamic` policies.
    package var keyWords = 0
    /// A last word in which the bytes of resources, scopes and framing are added up.
    package var countsContextBytes = false

    package init() {}

    package init(predicateWords: Int, keyWords: Int, countsContextBytes: Bool) {
        self.predicateWords = predicateWords
        self.keyWords = keyWords
        self.countsContextBytes = countsContextBytes
    }

    /// All words.
    package var count: Int { predicateWords + keyWords + (countsContextBytes ? 1 : 0) }
}

/// Bytes of a trace that are not its spans' payloads: framing, and resources and scopes once for each request that brings them.
///
/// One side word: the sum in the lower half (it stops at 4 GiB), and above it where the trace's newest span stood, by
/// which the next one is known to share its resource and scope.
struct ContextBytes {
    var word: UInt64

    var bytes: UInt64 { word & 0xffff_ffff }

    /// Takes the next span of the trace into account.
    ///
    /// - Parameter request: a number of the request, not 0; two requests in a row must differ.
    mutating func add(_ record: SpanRecord, _ groups: Span<GroupRecord>, request: UInt16) {
        let group = groups[Int(record.group)]
        let place = UInt64(request) << 16 | UInt64(truncatingIfNeeded: record.group & 0xffff)
        var sum = bytes + Self.framing(record.length)
        let last = word >> 32
        if last != place {
            sum += UInt64(group.scopeLength) + Self.nestedFraming
            let isSameRequest = last >> 16 == UInt64(request)
            let lastGroup = Int(last & 0xffff)
            let isSameResource =
                isSameRequest && lastGroup < groups.count && groups[lastGroup].resourceOffset == group.resourceOffset
            if !isSameResource { sum += UInt64(group.resourceLength) + Self.nestedFraming }
        }
        word = place << 32 | min(sum, 0xffff_ffff)
    }

    /// Tag and length of a message of 128 to 16,383 bytes.
    private static let nestedFraming: UInt64 = 3

    /// Tag and length of a span.
    private static func framing(_ length: UInt32) -> UInt64 {
        switch length {
        case 0..<128: 2
        case 128..<16_384: 3
        case 16_384..<2_097_152: 4
        default: 5
        }
    }
}

extension SideLayout {
    /// Adds a span's side words to its trace's: predicates by union, the key of the root (of the first span until one comes), and
    /// the size of what stands around the span.
    ///
    /// - Parameters:
    ///   - position: of the span in the request.
    ///   - hadRoot: a root of the trace came before this span.
    func add(
        _ position: Int, _ record: SpanRecord, of index: borrowing RequestIndex, request: UInt16, hadRoot: Bool,
        to words: inout MutableSpan<UInt64>
    ) {
        let stride = index.sideStride
        if stride >= predicateWords + keyWords {
            let start = position * stride
            for word in 0..<predicateWords { words[word] |= index.sideWords[start + word] }
            let isRoot = record.flags.contains(.isRoot) && !hadRoot
            for word in predicateWords..<predicateWords + keyWords where isRoot || words[word] == 0 {
                words[word] = index.sideWords[start + word]
            }
        }
        if countsContextBytes {
            var context = ContextBytes(word: words[count - 1])
            context.add(record, index.groups.span, request: request)
            words[count - 1] = context.word
        }
    }
}

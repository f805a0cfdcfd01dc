/// A trace id as two words, in the order in which the bytes stand on the wire (little-endian loads).
package struct TraceWords: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    @inlinable
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// As people write it: 32 digits.
    package var hexadecimal: String {
        [high, low].map { word in
            let text = String(word.byteSwapped, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }
}

/// The ids of generated traffic: random to look at, computable from (seed, trace number) and back.
///
/// Nothing has to be remembered for a trace: every part of it, sent by whichever connection, computes the same ids, and
/// whoever meets an id later can tell which trace it was. Two runs with one seed send the same ids; a gateway that
/// still remembers the first run takes the second for late spans, so use fresh seeds against a living one.
package struct TraceIdentity: Sendable, Equatable {
    private let highKey: UInt64
    private let lowKey: UInt64

    package init(seed: UInt64) {
        highKey = mix64(seed &+ goldenStep)
        lowKey = mix64(highKey ^ seed)
    }

    /// The id of the trace with this number. Distinct numbers give distinct ids.
    @inline(__always)
    package func traceID(number: UInt64) -> TraceWords {
        let high = mix64(number &+ highKey)
        return TraceWords(high: high, low: mix64(high ^ lowKey))
    }

    /// The number of the trace that has this id, or nil if this seed never makes it.
    package func number(of id: TraceWords) -> UInt64? {
        guard mix64(id.high ^ lowKey) == id.low else { return nil }
        return unmix64(id.high) &- highKey
    }

    /// The id of span `index` (0 is the root) of a trace; needs no seed. Distinct within the trace.
    @inlinable @inline(__always)
    package static func spanID(index: Int, traceLow: UInt64) -> UInt64 {
        mix64(traceLow &+ UInt64(truncatingIfNeeded: index &+ 1) &* goldenStep)
    }

    /// The index of a span in its trace, or nil if the pair of ids was not made here (an id made elsewhere passes with
    /// a probability of `limit` in 2^64).
    @inlinable
    package static func spanIndex(of spanID: UInt64, traceLow: UInt64, limit: Int) -> Int? {
        let steps = (unmix64(spanID) &- traceLow) &* goldenStepInverse &- 1
        return steps < UInt64(limit) ? Int(steps) : nil
    }
}

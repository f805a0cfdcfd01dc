/// Two secret words that key every hash of peer-supplied bytes.
///
/// Trace identifiers and headers come from outside; with a fixed hash anybody could aim all traces at
/// one shard or one table slot. The owner draws the words from the system's generator at start.
/// The mix is wyhash's 128-bit multiply and fold (https://github.com/wangyi-fudan/wyhash): high and
/// low bits of the result are equally good, so shards may take the former and slots the latter.
package struct HashKeys: Sendable, BitwiseCopyable {
    /// Made from the first secret word.
    package let first: UInt64
    /// Made from the second secret word.
    package let second: UInt64

    /// Creates keys from two words.
    ///
    /// Public constants are mixed in, so that small words (as in tests) hash well, too.
    @inlinable package init(_ first: UInt64, _ second: UInt64) {
        self.first = Self.mix(first ^ 0xa076_1d64_78bd_642f, 0x8ebc_6af0_9c88_c6e3)
        self.second = Self.mix(second ^ 0xe703_7ed1_a0b4_28db, 0x5899_65cc_7537_4cc3)
    }

    /// Draws both words from `generator`.
    package init(using generator: inout some RandomNumberGenerator) {
        self.init(generator.next(), generator.next())
    }

    /// Folds the 128-bit product of two words.
    @inlinable @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// The keyed hash of a trace identifier: what shards, tables and caches are indexed by.
    @inlinable @inline(__always)
    package func hash(_ traceID: TraceID) -> UInt64 {
        let product = (traceID.high ^ first).multipliedFullWidth(by: traceID.low ^ second)
        return Self.mix(
            product.low ^ 0xa076_1d64_78bd_642f ^ second,
            product.high ^ 0xe703_7ed1_a0b4_28db ^ first)
    }
}

/// The keyed hash of any bytes, eight at a time.
///
/// - Complexity: O(n), about one multiplication for each 16 bytes.
package func hashBytes(_ bytes: Span<UInt8>, key: HashKeys) -> UInt64 {
    let count = bytes.count
    var state = key.first ^ 0x8ebc_6af0_9c88_c6e3
    var offset = 0
    while count - offset >= 16 {
        let a = Wire.loadLittle64(bytes, offset)
        let b = Wire.loadLittle64(bytes, offset &+ 8)
        state = HashKeys.mix(a ^ key.second, b ^ state)
        offset &+= 16
    }
    var a: UInt64 = 0
    var b: UInt64 = 0
    if count - offset >= 8 {
        a = Wire.loadLittle64(bytes, offset)
        offset &+= 8
    }
    while offset < count {
        b = b << 8 | UInt64(bytes[offset])
        offset &+= 1
    }
    // The length goes in too, or trailing zero bytes would not count.
    let product = (a ^ key.second).multipliedFullWidth(by: b ^ state)
    return HashKeys.mix(
        product.low ^ 0xa076_1d64_78bd_642f ^ UInt64(truncatingIfNeeded: count),
        product.high ^ 0xe703_7ed1_a0b4_28db ^ key.first)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits whose output passes for random.
@inlinable @inline(__always)
package func mix64(_ input: UInt64) -> UInt64 {
    var z = input
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
}

/// The inverse of ``mix64(_:)``: `unmix64(mix64(x)) == x` for every x.
@inlinable
package func unmix64(_ input: UInt64) -> UInt64 {
    var z = input
    z = (z ^ (z >> 31) ^ (z >> 62)) &* 0x3196_42b2_d24d_8ec3
    z = (z ^ (z >> 27) ^ (z >> 54)) &* 0x96de_1b17_3f11_9089
    return z ^ (z >> 30) ^ (z >> 60)
}

/// 2^64 divided by the golden ratio, odd: the step between the counters that ``mix64(_:)`` is fed.
@usableFromInline let goldenStep: UInt64 = 0x9e37_79b9_7f4a_7c15

/// The inverse of ``goldenStep`` modulo 2^64: turns a difference of counters back into a number of steps.
@usableFromInline let goldenStepInverse: UInt64 = 0xf1de_83e1_9937_733d

/// SplitMix64 as a generator: one multiplication chain a number, the same numbers from the same seed everywhere.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= goldenStep
        return mix64(state)
    }

    /// A fraction in 0 ..< 1 with 53 random bits.
    package mutating func fraction() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// A number in 0 ..< `bound`; `bound` > 0. The bias for bounds far below 2^64 is of no account here.
    package mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}

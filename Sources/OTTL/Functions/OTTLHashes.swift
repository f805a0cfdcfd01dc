/// Digests of texts. For telling things apart as other tools do, not for secrets. (SHA-256, which is also for secrets, is
/// NativeCore's.)
package enum OTTLHashes {
    /// FNV-1a, 64 bits. Source: http://www.isthe.com/chongo/tech/comp/fnv/.
    static func fnv(_ bytes: [UInt8]) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int64(bitPattern: hash)
    }

    /// RFC 1321.
    package static func md5(_ bytes: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
        let message = padded(bytes, block: 64, isBigEndian: false)
        for start in stride(from: 0, to: message.count, by: 64) {
            let words = (0..<16).map { index in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(message[start + index * 4 + $1]) << UInt32($1 * 8) }
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for round in 0..<64 {
                let mixed: UInt32
                let index: Int
                switch round / 16 {
                case 0: (mixed, index) = ((b & c) | (~b & d), round)
                case 1: (mixed, index) = ((d & b) | (~d & c), (5 * round + 1) % 16)
                case 2: (mixed, index) = (b ^ c ^ d, (3 * round + 5) % 16)
                default: (mixed, index) = (c ^ (b | ~d), (7 * round) % 16)
                }
                let sum = a &+ mixed &+ md5Constants[round] &+ words[index]
                let rotated = rotate(sum, md5Shifts[round / 16 * 4 + round % 4])
                (a, d, c, b) = (d, c, b, b &+ rotated)
            }
            state[0] &+= a
            state[1] &+= b
            state[2] &+= c
            state[3] &+= d
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) } }
    }

    private static let md5Shifts: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]

    private static let md5Constants: [UInt32] = [
        0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
        0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
        0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
        0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
        0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
        0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
        0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
        0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
    ]

    /// FIPS 180-4.
    package static func sha1(_ bytes: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        let message = padded(bytes, block: 64, isBigEndian: true)
        for start in stride(from: 0, to: message.count, by: 64) {
            var words = (0..<16).map { bigEndian32(message, start + $0 * 4) }
            for index in 16..<80 {
                words.append(rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1))
            }
            var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
            for round in 0..<80 {
                let (mixed, constant): (UInt32, UInt32) =
                    switch round / 20 {
                    case 0: ((b & c) | (~b & d), 0x5a82_7999)
                    case 1: (b ^ c ^ d, 0x6ed9_eba1)
                    case 2: ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc)
                    default: (b ^ c ^ d, 0xca62_c1d6)
                    }
                let sum = rotate(a, 5) &+ mixed &+ e &+ constant &+ words[round]
                (e, d, c, b, a) = (d, c, rotate(b, 30), a, sum)
            }
            for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
        }
        return state.flatMap { bytesOf(UInt64($0), count: 4) }
    }

    /// FIPS 180-4.
    static func sha512(_ bytes: [UInt8]) -> [UInt8] {
        var state = sha512Start
        let message = padded(bytes, block: 128, isBigEndian: true)
        for start in stride(from: 0, to: message.count, by: 128) {
            var words = (0..<16).map { index in
                UInt64(bigEndian32(message, start + index * 8)) << 32 | UInt64(bigEndian32(message, start + index * 8 + 4))
            }
            for index in 16..<80 {
                let (x, y) = (words[index - 15], words[index - 2])
                let small = rotate(x, 63) ^ rotate(x, 56) ^ (x >> 7)
                let large = rotate(y, 45) ^ rotate(y, 3) ^ (y >> 6)
                words.append(words[index - 16] &+ small &+ words[index - 7] &+ large)
            }
            var s = state
            for round in 0..<80 {
                let e = rotate(s[4], 50) ^ rotate(s[4], 46) ^ rotate(s[4], 23)
                let choice = (s[4] & s[5]) ^ (~s[4] & s[6])
                let first = s[7] &+ e &+ choice &+ sha512Constants[round] &+ words[round]
                let a = rotate(s[0], 36) ^ rotate(s[0], 30) ^ rotate(s[0], 25)
                let second = a &+ ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))
                s = [first &+ second, s[0], s[1], s[2], s[3] &+ first, s[4], s[5], s[6]]
            }
            for index in 0..<8 { state[index] &+= s[index] }
        }
        return state.flatMap { bytesOf($0, count: 8) }
    }

    /// The fractions of the square roots of the first eight primes.
    private static let sha512Start: [UInt64] = primes(8).map { fraction(of: $0, isCube: false) }
    /// The fractions of the cube roots of the first eighty primes.
    private static let sha512Constants: [UInt64] = primes(80).map { fraction(of: $0, isCube: true) }

    private static func primes(_ count: Int) -> [UInt64] {
        var found: [UInt64] = []
        var candidate: UInt64 = 2
        while found.count < count {
            if !found.contains(where: { candidate % $0 == 0 }) { found.append(candidate) }
            candidate += 1
        }
        return found
    }

    /// The first 64 bits behind the point of a root of a number below 512, bit by bit from the top.
    private static func fraction(of prime: UInt64, isCube: Bool) -> UInt64 {
        // The root times 2^64 has fewer than 70 bits; its cube fewer than 210, kept in four words of 64 bits.
        var root = Wide(0)
        for bit in stride(from: 69, through: 0, by: -1) {
            let candidate = root.setting(bit)
            let power = isCube ? candidate.times(candidate).times(candidate) : candidate.times(candidate)
            if power <= Wide(prime).shifted(words: isCube ? 3 : 2) { root = candidate }
        }
        return root.words[0]
    }

    /// An unsigned number of 320 bits, for the constants above.
    private struct Wide: Comparable {
        var words: [UInt64]

        init(_ value: UInt64) { words = [value, 0, 0, 0, 0] }

        func setting(_ bit: Int) -> Wide {
            var copy = self
            copy.words[bit / 64] |= 1 << UInt64(bit % 64)
            return copy
        }

        func shifted(words count: Int) -> Wide {
            var copy = self
            copy.words = Array((Array(repeating: 0, count: count) + words).prefix(5))
            return copy
        }

        func times(_ other: Wide) -> Wide {
            var product = Wide(0)
            for i in 0..<5 {
                var carry: UInt64 = 0
                for j in 0..<(5 - i) {
                    let (high, low) = words[i].multipliedFullWidth(by: other.words[j])
                    let (first, overflow1) = product.words[i + j].addingReportingOverflow(low)
                    let (second, overflow2) = first.addingReportingOverflow(carry)
                    product.words[i + j] = second
                    carry = high &+ (overflow1 ? 1 : 0) &+ (overflow2 ? 1 : 0)
                }
            }
            return product
        }

        static func < (left: Wide, right: Wide) -> Bool {
            for index in stride(from: 4, through: 0, by: -1) where left.words[index] != right.words[index] {
                return left.words[index] < right.words[index]
            }
            return false
        }
    }

    /// MurmurHash3_x86_32, seed 0, as hex digits of its little-endian bytes. Source: Austin Appleby, MurmurHash3.cpp.
    static func murmur32(_ bytes: [UInt8]) -> [UInt8] {
        var hash: UInt32 = 0
        func mixed(_ word: UInt32) -> UInt32 { rotate(word &* 0xcc9e_2d51, 15) &* 0x1b87_3593 }
        var offset = 0
        while offset + 4 <= bytes.count {
            hash = rotate(hash ^ mixed(UInt32(truncatingIfNeeded: little(bytes, offset, 4))), 13) &* 5 &+ 0xe654_6b64
            offset += 4
        }
        if offset < bytes.count {
            hash ^= mixed(UInt32(truncatingIfNeeded: little(bytes, offset, bytes.count - offset)))
        }
        hash ^= UInt32(truncatingIfNeeded: bytes.count)
        hash = (hash ^ (hash >> 16)) &* 0x85eb_ca6b
        hash = (hash ^ (hash >> 13)) &* 0xc2b2_ae35
        hash ^= hash >> 16
        return bytesOf(UInt64(hash), count: 4).reversed()
    }

    /// MurmurHash3_x64_128, seed 0, both halves as little-endian bytes. Source: Austin Appleby, MurmurHash3.cpp.
    static func murmur128(_ bytes: [UInt8]) -> [UInt8] {
        let (c1, c2): (UInt64, UInt64) = (0x87c3_7b91_1142_53d5, 0x4cf5_ad43_2745_937f)
        var (h1, h2): (UInt64, UInt64) = (0, 0)
        func first(_ word: UInt64) -> UInt64 { rotate(word &* c1, 31) &* c2 }
        func second(_ word: UInt64) -> UInt64 { rotate(word &* c2, 33) &* c1 }
        var offset = 0
        while offset + 16 <= bytes.count {
            h1 = (rotate(h1 ^ first(little(bytes, offset, 8)), 27) &+ h2) &* 5 &+ 0x52dc_e729
            h2 = (rotate(h2 ^ second(little(bytes, offset + 8, 8)), 31) &+ h1) &* 5 &+ 0x3849_5ab5
            offset += 16
        }
        let rest = bytes.count - offset
        if rest > 8 { h2 ^= second(little(bytes, offset + 8, rest - 8)) }
        if rest > 0 { h1 ^= first(little(bytes, offset, min(8, rest))) }
        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 &+= h2
        h2 &+= h1
        h1 = finalized(h1)
        h2 = finalized(h2)
        h1 &+= h2
        h2 &+= h1
        return bytesOf(h1, count: 8).reversed() + bytesOf(h2, count: 8).reversed()
    }

    private static func finalized(_ word: UInt64) -> UInt64 {
        var word = (word ^ (word >> 33)) &* 0xff51_afd7_ed55_8ccd
        word = (word ^ (word >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return word ^ (word >> 33)
    }

    // MARK: words

    /// The message with its length behind it, a multiple of `block` bytes.
    private static func padded(_ bytes: [UInt8], block: Int, isBigEndian: Bool) -> [UInt8] {
        var message = bytes + [0x80]
        let lengthBytes = block / 8
        while message.count % block != block - lengthBytes { message.append(0) }
        let length = bytesOf(UInt64(bytes.count) &* 8, count: 8)
        if lengthBytes == 16 { message += [UInt8](repeating: 0, count: 8) }
        return message + (isBigEndian ? length : length.reversed())
    }

    private static func rotate<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word, _ count: Word) -> Word {
        word << count | word >> (Word(Word.bitWidth) - count)
    }

    private static func bigEndian32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[offset + $1]) }
    }

    private static func little(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
    }

    /// The low `count` bytes, most significant first.
    static func bytesOf(_ word: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64((count - 1 - $0) * 8)) }
    }
}

/// Digests with which values are masked. For telling values apart, not for keeping them secret.
enum Digests {
    /// SHA3-256 (FIPS 202): Keccak with a rate of 136 bytes.
    static func sha3(_ message: [UInt8]) -> [UInt8] {
        let rate = 136
        var state = [UInt64](repeating: 0, count: 25)
        var padded = message
        padded.append(0x06)
        while padded.count % rate != 0 { padded.append(0) }
        padded[padded.count - 1] |= 0x80
        for block in stride(from: 0, to: padded.count, by: rate) {
            for lane in 0..<(rate / 8) {
                for byte in 0..<8 { state[lane] ^= UInt64(padded[block + 8 * lane + byte]) << UInt64(8 * byte) }
            }
            permute(&state)
        }
        return (0..<4).flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: state[lane] >> UInt64(8 * $0)) } }
    }

    /// Keccak-f[1600].
    private static func permute(_ state: inout [UInt64]) {
        var register: UInt8 = 1
        for _ in 0..<24 {
            // theta
            let columns = (0..<5).map { x in (0..<5).reduce(UInt64(0)) { $0 ^ state[x + 5 * $1] } }
            for x in 0..<5 {
                let mixed = columns[(x + 4) % 5] ^ rotate(columns[(x + 1) % 5], 1)
                for y in 0..<5 { state[x + 5 * y] ^= mixed }
            }
            // rho and pi
            var (x, y) = (1, 0)
            var moving = state[1]
            for step in 0..<24 {
                (x, y) = (y, (2 * x + 3 * y) % 5)
                let offset = UInt64((step + 1) * (step + 2) / 2 % 64)
                let next = state[x + 5 * y]
                state[x + 5 * y] = rotate(moving, offset)
                moving = next
            }
            // chi
            for y in 0..<5 {
                let row = (0..<5).map { state[$0 + 5 * y] }
                for x in 0..<5 { state[x + 5 * y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]) }
            }
            // iota: the round's constant comes out of a shift register
            for bit in 0..<7 {
                if register & 1 == 1 { state[0] ^= 1 << ((1 << UInt64(bit)) - 1) }
                register = register << 1 ^ (register >> 7 == 1 ? 0x71 : 0)
            }
        }
    }

    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
        count == 0 ? word : word << count | word >> (64 - count)
    }
}

import TestSupport
import Testing

@testable import NativeCore

/// CRC-32 and gzip framing of the tests' own, with stored blocks: what comes out is known without zlib.
enum Gzip {
    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        return ~crc
    }

    static func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) } }

    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        let length = UInt32(bytes.count)
        precondition(length < 65536)
        let block: [UInt8] = [1] + little(length).prefix(2) + little(~length).prefix(2)
        return block + bytes
    }

    /// One member.
    static func member(_ bytes: [UInt8], crc: UInt32? = nil, size: UInt32? = nil) -> [UInt8] {
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] + stored(bytes) + little(crc ?? crc32(bytes)) + little(size ?? UInt32(bytes.count))
    }

    /// RFC 1950.
    static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        let adler: [UInt8] = [UInt8(b >> 8), UInt8(b & 255), UInt8(a >> 8), UInt8(a & 255)]
        return [0x78, 0x01] + stored(bytes) + adler
    }
}

/// An inflater that a test can keep in a variable.
final class TestInflater {
    var inflater = Inflater()

    func inflate(
        _ bytes: [UInt8], as wrapping: DeflateWrapping = .gzip, limit: Int = 1 << 24
    ) -> Result<[UInt8], InflateError> {
        do throws(InflateError) { return .success(try inflater.inflate(bytes.span, as: wrapping, limit: limit)) } catch { return .failure(error) }
    }
}

func gzipped(_ bytes: [UInt8], level: Int32 = 1, prefix: Int = 0) -> [UInt8] {
    var deflater = Deflater(level: level)
    return deflater.gzip(bytes.span, prefixBytes: prefix)
}

@Suite struct ZlibTests {
    @Test func storedMembers() {
        let inflater = TestInflater()
        #expect(inflater.inflate(Gzip.member([])) == .success([]))
        #expect(inflater.inflate(Gzip.member([1, 2, 3])) == .success([1, 2, 3]))
        #expect(inflater.inflate(Gzip.zlib(pattern(1000)), as: .deflate) == .success(pattern(1000)))
        #expect(inflater.inflate(Gzip.zlib([]), as: .deflate) == .success([]))
        #expect(inflater.inflate(Gzip.stored(pattern(1000)), as: .deflate) == .success(pattern(1000)))
        // Each takes its own wrapping only, also right after the other.
        #expect(inflater.inflate(Gzip.zlib([1])) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.member([1]), as: .deflate) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.zlib([1]) + [0x1f, 0x8b], as: .deflate) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.member([1, 2, 3])) == .success([1, 2, 3]))
    }

    @Test func severalMembers() {
        let inflater = TestInflater()
        let three = Gzip.member([1, 2]) + gzipped(pattern(200_000)) + Gzip.member([]) + Gzip.member([3])
        #expect(inflater.inflate(three) == .success([1, 2] + pattern(200_000) + [3]))
        let broken = Gzip.member([1, 2]) + Gzip.member([3], crc: 1)
        #expect(inflater.inflate(broken) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.member([1, 2]) + Gzip.member([3]).dropLast()) == .failure(.truncated))
    }

    @Test func truncatedAnywhere() {
        let inflater = TestInflater()
        for (whole, wrapping) in [
            (gzipped(pattern(5000)), DeflateWrapping.gzip), (Gzip.member(pattern(100)), .gzip),
            (Gzip.zlib(pattern(100)), .deflate), (Gzip.stored(pattern(100)), .deflate),
        ] {
            for length in 0..<whole.count where length < 40 || length > whole.count - 40 {
                let result = inflater.inflate(Array(whole[..<length]), as: wrapping)
                #expect(result == .failure(.truncated), "\(length) of \(whole.count)")
            }
            // It works again after each failure.
            #expect(inflater.inflate(whole, as: wrapping) != .failure(.truncated))
        }
    }

    @Test func corrupt() {
        let inflater = TestInflater()
        #expect(inflater.inflate(Gzip.member([1, 2, 3], crc: 5)) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.member([1, 2, 3], size: 5)) == .failure(.corrupt))
        #expect(inflater.inflate([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) == .failure(.corrupt))
        #expect(inflater.inflate([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xff, 0xff]) == .failure(.corrupt))
        // A zlib stream that wants a preset dictionary.
        #expect(inflater.inflate([0x78, 0x20 | 0x1b, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6], as: .deflate) == .failure(.corrupt))
        #expect(inflater.inflate(Gzip.member([7])) == .success([7]))
    }

    @Test(arguments: [[0], [0, 0, 0, 0], [0x1f], [0x1f, 0x8c], [0x78, 1]] as [[UInt8]])
    func trailingGarbage(garbage: [UInt8]) {
        #expect(TestInflater().inflate(Gzip.member([1, 2, 3]) + garbage) == .failure(.corrupt))
    }

    @Test func limits() {
        let inflater = TestInflater()
        for count in [1, 100, 65_535, 65_536, 65_537, 131_072, 300_000] {
            let packed = gzipped(pattern(count))
            #expect(inflater.inflate(packed, limit: count) == .success(pattern(count)))
            #expect(inflater.inflate(packed, limit: count - 1) == .failure(.tooLarge))
        }
        #expect(inflater.inflate(Gzip.member([]), limit: 0) == .success([]))
        let two = Gzip.member(pattern(100)) + Gzip.member(pattern(100))
        #expect(inflater.inflate(two, limit: 199) == .failure(.tooLarge))
    }

    /// 100 MB of zeros in 100 KB, and a bomb of many members, cost no more than their limit.
    @Test func bombs() {
        let inflater = TestInflater()
        let bomb = gzipped([UInt8](repeating: 0, count: 100 << 20), level: 9)
        #expect(bomb.count < 200_000)
        #expect(inflater.inflate(bomb, limit: 1 << 20) == .failure(.tooLarge))
        let member = gzipped([UInt8](repeating: 0, count: 60_000), level: 9)
        let members = (0..<100).flatMap { _ in member }
        #expect(inflater.inflate(members, limit: 1 << 20) == .failure(.tooLarge))
    }

    @Test func roundTrips() {
        let inflater = TestInflater()
        var deflater = Deflater()
        var random = SeededGenerator(3)
        for round in 0..<200 {
            let size = random.below([10, 1000, 100_000][round % 3])
            let bytes = round % 2 == 0 ? random.bytes(size) : pattern(size, round)
            let prefix = round % 7
            let packed = deflater.gzip(bytes.span, prefixBytes: prefix)
            #expect(packed.prefix(prefix).allSatisfy { $0 == 0 })
            #expect(Array(packed.dropFirst(prefix).prefix(2)) == [0x1f, 0x8b])
            #expect(inflater.inflate(Array(packed.dropFirst(prefix))) == .success(bytes))
        }
        for level in 1...9 as ClosedRange<Int32> {
            let packed = gzipped(pattern(100_000), level: level)
            #expect(packed.count < 50_000 && inflater.inflate(packed) == .success(pattern(100_000)))
        }
    }

    /// Mutations of valid streams: always an answer, never more than the limit, and a good stream works afterwards.
    @Test func fuzz() {
        let inflater = TestInflater()
        let corpus = [
            gzipped(pattern(3000)), Gzip.member(pattern(300)), Gzip.zlib(pattern(300)),
            gzipped(pattern(400)) + Gzip.member([1]) + gzipped([]), gzipped([UInt8](repeating: 0, count: 100_000), level: 9),
        ]
        var random = SeededGenerator(4)
        var outcomes: [String: Int] = [:]
        for round in 0..<20_000 {
            let bytes = mutate(corpus[round % corpus.count], &random)
            switch inflater.inflate(bytes, limit: 50_000) {
            case .success(let output):
                if output.count > 50_000 { Issue.record("\(output.count) bytes") }
                outcomes["success", default: 0] += 1
            case .failure(let error): outcomes["\(error)", default: 0] += 1
            }
        }
        #expect(Set(outcomes.keys) == ["success", "corrupt", "truncated", "tooLarge"])
        #expect(inflater.inflate(corpus[0]) == .success(pattern(3000)))
    }
}

/// A few random changes: bits, bytes, pieces cut out, doubled, moved, cut off.
func mutate(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0...random.below(4) where !bytes.isEmpty {
        let at = random.below(bytes.count)
        let length = min(bytes.count - at, 1 + random.below(20))
        switch random.below(7) {
        case 0: bytes[at] ^= 1 << UInt8(random.below(8))
        case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.removeSubrange(at..<at + length)
        case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: random.below(bytes.count))
        case 4: bytes.removeLast(random.below(min(bytes.count, 30)))
        case 5: bytes.insert(contentsOf: random.bytes(length), at: at)
        default: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]
        }
    }
    return bytes
}

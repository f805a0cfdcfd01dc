import Delivery
import Telemetry
import Testing

/// SplitMix64: the same numbers in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

let second: Int64 = 1_000_000_000

/// A length-delimited field with a one-byte tag, written apart from the module under test.
func field(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var bytes = [number << 3 | 2]
    var length = payload.count
    repeat {
        let low = UInt8(length % 128)
        length /= 128
        bytes.append(length > 0 ? low + 128 : low)
    } while length > 0
    return bytes + payload
}

/// A span: trace id, span id (numbered), and filling.
func makeSpan(trace: UInt64, number: UInt64, filler: Int = 0) -> [UInt8] {
    func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(value >> (56 - 8 * $0) & 0xff) }
    }
    let id = bigEndian(0xabcd) + bigEndian(trace)
    return field(1, id) + field(2, bigEndian(number))
        + field(5, [UInt8](repeating: 0x61, count: filler))
}

/// Header of a ResourceSpans: a resource (field 1), optionally a schema URL (field 3).
func makeResource(_ name: String, schema: String? = nil) -> [UInt8] {
    field(1, field(1, Array(name.utf8))) + (schema.map { field(3, Array($0.utf8)) } ?? [])
}

/// One span of a decoded request with everything above it.
struct DecodedSpan: Hashable {
    var resource: [UInt8]
    var scope: [UInt8]
    var span: [UInt8]
}

/// What a request holds, by an independent recursive decoder that fails loudly.
struct DecodedRequest {
    struct Malformed: Error {}

    var spans: [DecodedSpan] = []
    var resourceSpans = 0
    var scopeSpans = 0

    init(_ message: [UInt8]) throws {
        for (number, _, body) in try Self.fields(message[...]) {
            guard number == 1 else { throw Malformed() }
            resourceSpans += 1
            let parts = try Self.fields(body)
            let resource = parts.filter { $0.number != 2 }.flatMap(\.whole)
            for (_, _, scopeBody) in parts.filter({ $0.number == 2 }) {
                scopeSpans += 1
                let inner = try Self.fields(scopeBody)
                let scope = inner.filter { $0.number != 2 }.flatMap(\.whole)
                for (_, _, span) in inner.filter({ $0.number == 2 }) {
                    spans.append(DecodedSpan(resource: resource, scope: scope, span: Array(span)))
                }
            }
        }
    }

    static func fields(
        _ bytes: ArraySlice<UInt8>
    ) throws -> [(number: Int, whole: ArraySlice<UInt8>, body: ArraySlice<UInt8>)] {
        var result: [(number: Int, whole: ArraySlice<UInt8>, body: ArraySlice<UInt8>)] = []
        var rest = bytes
        func varint() throws -> Int {
            var value = 0
            var factor = 1
            while let byte = rest.popFirst() {
                value += Int(byte % 128) * factor
                if byte < 128 { return value }
                factor *= 128
            }
            throw Malformed()
        }
        while !rest.isEmpty {
            let start = rest.startIndex
            let tag = try varint()
            let size: Int
            switch tag % 8 {
            case 0:
                let bodyStart = rest.startIndex
                _ = try varint()
                result.append(
                    (tag / 8, bytes[start..<rest.startIndex], bytes[bodyStart..<rest.startIndex]))
                continue
            case 1: size = 8
            case 5: size = 4
            case 2: size = try varint()
            default: throw Malformed()
            }
            guard size <= rest.count else { throw Malformed() }
            let body = rest.prefix(size)
            rest = rest.dropFirst(size)
            result.append((tag / 8, bytes[start..<rest.startIndex], body))
        }
        return result
    }

    /// Trace number as `makeSpan` wrote it.
    static func trace(_ span: [UInt8]) -> UInt64 {
        span[10..<18].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Span number as `makeSpan` wrote it.
    static func number(_ span: [UInt8]) -> UInt64 {
        span[20..<28].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension Array {
    /// How often each element occurs.
    func multiset() -> [Element: Int] where Element: Hashable {
        reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}

extension BatchAssembler {
    /// The batch that must be there. (`#require` can't borrow a non-copyable value.)
    mutating func flushed() throws -> AssembledBatch {
        let batch = flush()
        return try #require(batch)
    }
}

import Delivery
import Telemetry
import TestSupport
import Testing

let second: Int64 = 1_000_000_000

/// A span: trace id, span id (numbered), and filling.
func makeSpan(trace: UInt64, number: UInt64, filler: Int = 0) -> [UInt8] {
    let id = Encode.bigEndian(0xabcd) + Encode.bigEndian(trace)
    return Encode.bytes(1, id) + Encode.bytes(2, Encode.bigEndian(number))
        + Encode.bytes(5, [UInt8](repeating: 0x61, count: filler))
}

/// Header of a ResourceSpans: a resource (field 1), optionally a schema URL (field 3).
func makeResource(_ name: String, schema: String? = nil) -> [UInt8] {
    Encode.bytes(1, Encode.text(1, name)) + (schema.map { Encode.bytes(3, Array($0.utf8)) } ?? [])
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

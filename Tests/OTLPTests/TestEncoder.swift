import TestSupport

extension Encode {
    /// A request with one resource and scope around spans.
    static func request(
        resource: [UInt8] = [], scope: [UInt8] = [], spans: [[UInt8]]
    ) -> [UInt8] {
        bytes(1, resource + bytes(2, scope + spans.flatMap { bytes(2, $0) }))
    }
    /// A minimal valid span.
    static func span(trace: UInt8 = 1, span: UInt8 = 1, _ more: [UInt8] = []) -> [UInt8] {
        bytes(1, [UInt8](repeating: trace, count: 16))
            + bytes(2, [UInt8](repeating: span, count: 8)) + more
    }
}

/// A random request, as values and as bytes.
struct ModelRequest {
    struct Span {
        var traceID: [UInt8]
        var start: UInt64
        var end: UInt64
        var statusCode: UInt32
        var isRoot: Bool
        var isSampled: Bool
        var payload: [UInt8]
        var attributes: [(key: String, value: [UInt8])]
    }
    struct Group {
        var resourceHeader: [UInt8]
        var scopeHeader: [UInt8]
        var resourceAttributes: [(key: String, value: [UInt8])]
        var spans: [Span]
    }
    var groups: [Group] = []
    var bytes: [UInt8] = []

    static let keys = [
        "http.route", "http.request.method", "error", "", "db.system", "db.system2", "x",
        "service.name", "a.key.that.is.rather.long.so.that.its.length.exceeds.sixty.three.bytes.ok",
    ]

    init(_ random: inout SeededGenerator) {
        for _ in 0..<random.below(4) {
            var attributes: [(String, [UInt8])] = []
            var resourceFields: [[UInt8]] = []
            var merged: [[UInt8]] = []
            for _ in 0..<random.below(4) {
                let (key, value) = (
                    Self.keys[random.below(Self.keys.count)], Self.value(&random, 0)
                )
                attributes.append((key, value))
                merged.append(Encode.attribute(1, key, value))
            }
            if random.chance(80) {
                // Sometimes as two Resource messages, which merge.
                let cut = merged.isEmpty ? 0 : random.below(merged.count + 1)
                resourceFields.append(Encode.bytes(1, merged[..<cut].flatMap { $0 }))
                resourceFields.append(Encode.bytes(1, merged[cut...].flatMap { $0 }))
            } else {
                attributes = []
            }
            if random.chance(40) { resourceFields.append(Encode.text(3, "https://schema")) }
            if random.chance(30) { resourceFields.append(Self.unknown(&random)) }
            let header = resourceFields.flatMap { $0 }
            var children: [[UInt8]] = []
            for _ in 0..<random.below(3) {
                var scopeFields: [[UInt8]] = []
                if random.chance(70) {
                    scopeFields.append(
                        Encode.bytes(
                            1,
                            Encode.text(1, "lib") + Encode.text(2, "1.0")
                                + Encode.attribute(3, "k", Self.value(&random, 0))))
                }
                if random.chance(30) { scopeFields.append(Self.unknown(&random)) }
                let spans = (0..<random.below(5)).map { _ in Self.span(&random) }
                if !spans.isEmpty {
                    groups.append(
                        Group(
                            resourceHeader: header, scopeHeader: scopeFields.flatMap { $0 },
                            resourceAttributes: attributes, spans: spans))
                }
                children.append(
                    Encode.bytes(
                        2,
                        Self.interleave(
                            scopeFields, spans.map { Encode.bytes(2, $0.payload) }, &random)))
            }
            let content = Self.interleave(
                resourceFields, children, &random)
            bytes += Encode.bytes(1, content)
            if random.chance(20) { bytes += Self.unknown(&random) }
        }
    }

    /// Both lists in one, each keeping its order.
    static func interleave(
        _ a: [[UInt8]], _ b: [[UInt8]], _ random: inout SeededGenerator
    ) -> [UInt8] {
        var (first, second, output) = (a[...], b[...], [UInt8]())
        while !first.isEmpty || !second.isEmpty {
            if second.isEmpty || (!first.isEmpty && random.chance(50)) {
                output += first.removeFirst()
            } else {
                output += second.removeFirst()
            }
        }
        return output
    }

    static func unknown(_ random: inout SeededGenerator) -> [UInt8] {
        let number = 200 + random.below(2000) * 2 + 1
        switch random.below(5) {
        case 0: return Encode.varint(number, random.next())
        case 1: return Encode.fixed64(number, random.next())
        case 2: return Encode.bytes(number, random.bytes(random.below(200)))
        case 3: return Encode.group(number, Encode.group(9, Encode.varint(3, 77)))
        default: return Encode.fixed32(number, 5)
        }
    }

    static func value(_ random: inout SeededGenerator, _ depth: Int) -> [UInt8] {
        switch random.below(depth > 3 ? 6 : 8) {
        case 0: return []
        case 1: return Encode.text(1, String(repeating: "vé", count: random.below(90)))
        case 2: return Encode.varint(2, UInt64(random.below(2)))
        case 3: return Encode.varint(3, random.next() >> UInt64(random.below(64)))
        case 4: return Encode.fixed64(4, Double(random.below(1000)).bitPattern)
        case 5: return Encode.bytes(7, random.bytes(random.below(20)))
        case 6:
            return Encode.bytes(
                5,
                (0..<random.below(4)).flatMap { _ in
                    Encode.bytes(1, value(&random, depth + 1))
                })
        default:
            return Encode.bytes(
                6,
                (0..<random.below(3)).flatMap { _ in
                    Encode.attribute(1, "k", value(&random, depth + 1))
                })
        }
    }

    static func span(_ random: inout SeededGenerator) -> Span {
        let traceID = [UInt8](random.bytes(15)) + [1]
        let spanID = random.bytes(7) + [1]
        let start = random.next() >> UInt64(random.below(64))
        let end = random.next() >> UInt64(random.below(64))
        let status = UInt32(random.below(3))
        let isRoot = random.chance(40)
        let isSampled = random.chance(50)
        var fields: [[UInt8]] = [
            Encode.bytes(1, traceID), Encode.bytes(2, spanID), Encode.text(5, "name"),
            Encode.varint(6, UInt64(random.below(6))), Encode.fixed64(7, start),
            Encode.fixed64(8, end), Encode.fixed32(16, isSampled ? 0x301 : 0x300),
        ]
        if !isRoot { fields.append(Encode.bytes(4, random.bytes(7) + [9])) }
        if isRoot && random.chance(30) {
            fields.append(Encode.bytes(4, random.chance(50) ? [] : [UInt8](repeating: 0, count: 8)))
        }
        fields.append(
            Encode.bytes(15, Encode.text(2, "oops") + Encode.varint(3, UInt64(status))))
        if random.chance(30) { fields.append(Encode.text(3, "ot=th:8")) }
        if random.chance(30) {
            fields.append(
                Encode.bytes(
                    11,
                    Encode.fixed64(1, 5) + Encode.text(2, "event")
                        + Encode.attribute(3, "k", value(&random, 0))))
        }
        if random.chance(30) {
            fields.append(
                Encode.bytes(
                    13,
                    Encode.bytes(1, traceID) + Encode.bytes(2, spanID)
                        + Encode.attribute(4, "k", value(&random, 0))))
        }
        if random.chance(20) { fields.append(unknown(&random)) }
        if random.chance(20) { fields.append(Encode.varint(10, 300)) }
        if random.chance(20) { fields.append(Encode.bytes(15, [])) }
        fields.shuffle(using: &random)
        var attributes: [(String, [UInt8])] = []
        var attributeFields: [[UInt8]] = []
        for _ in 0..<random.below(6) {
            let (key, value) = (keys[random.below(keys.count)], value(&random, 0))
            attributes.append((key, value))
            attributeFields.append(
                random.chance(10)
                    ? Encode.bytes(9, Encode.bytes(2, value) + Encode.text(1, key))
                    : Encode.attribute(9, key, value))
        }
        return Span(
            traceID: traceID, start: start, end: end, statusCode: status, isRoot: isRoot,
            isSampled: isSampled, payload: interleave(fields, attributeFields, &random),
            attributes: attributes)
    }
}

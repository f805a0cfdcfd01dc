import TestSupport

/// Requests with everything that is legal and odd: fields in any order, unknown ones, keys that come twice, resources in
/// several messages, lengths written longer than they need be.
enum RandomRequest {
    static let keys = [
        "a", "b", "env", "service.name", "http.route", "user.email", "password", "n", "list", "", "sampling.priority",
        "a.key.that.is.rather.long.so.that.its.length.exceeds.sixty.three.bytes.ok",
    ]

    static func make(_ random: inout SeededGenerator) -> [UInt8] {
        var request: [UInt8] = []
        for _ in 0..<random.below(4) { request += field(1, resourceSpans(&random), &random) }
        if random.chance(20) { request += unknown(&random) }
        return request
    }

    private static func resourceSpans(_ random: inout SeededGenerator) -> [UInt8] {
        var fields: [[UInt8]] = []
        for _ in 0..<random.below(3) {
            var resource: [[UInt8]] = (0..<random.below(4)).map { _ in attribute(1, &random) }
            if random.chance(20) { resource.append(Encode.varint(2, random.next() % 9)) }
            if random.chance(20) { resource.append(unknown(&random)) }
            fields.append(field(1, shuffled(resource, &random), &random))
        }
        for _ in 0..<random.below(3) { fields.append(field(2, scopeSpans(&random), &random)) }
        if random.chance(30) { fields.append(Encode.text(3, random.chance(50) ? "" : "https://schema")) }
        if random.chance(20) { fields.append(unknown(&random)) }
        return shuffled(fields, &random)
    }

    private static func scopeSpans(_ random: inout SeededGenerator) -> [UInt8] {
        var fields: [[UInt8]] = []
        if random.chance(70) {
            let attributes = (0..<random.below(3)).flatMap { _ in attribute(3, &random) }
            fields.append(field(1, Encode.text(1, "lib") + Encode.text(2, "1") + attributes, &random))
        }
        for _ in 0..<random.below(5) { fields.append(field(2, span(&random), &random)) }
        if random.chance(20) { fields.append(unknown(&random)) }
        return shuffled(fields, &random)
    }

    static func span(_ random: inout SeededGenerator) -> [UInt8] {
        var fields: [[UInt8]] = [
            Encode.bytes(1, Encode.bigEndian(random.next()) + Encode.bigEndian(random.next() | 1)),
            Encode.bytes(2, Encode.bigEndian(random.next() | 1)),
        ]
        if random.chance(50) { fields.append(Encode.bytes(4, Encode.bigEndian(random.next()))) }
        if random.chance(80) { fields.append(Encode.text(5, ["GET /cart/17", "op", "", "/api/v1/user/tom"][random.below(4)])) }
        if random.chance(10) { fields.append(Encode.text(5, "twice")) }
        if random.chance(40) { fields.append(Encode.varint(6, UInt64(random.below(7)))) }
        if random.chance(90) { fields.append(Encode.fixed64(7, random.next() % 1000)) }
        if random.chance(90) { fields.append(Encode.fixed64(8, random.next() % 1000)) }
        for _ in 0..<random.below(8) { fields.append(attribute(9, &random)) }
        if random.chance(30) {
            fields.append(Encode.text(3, ["x=1", "ot=th:8", "ot=rv:ffffffffffffff;th:c,y=2", "?"][random.below(4)]))
        }
        for _ in 0..<random.below(3) {
            fields.append(
                field(11, Encode.fixed64(1, 5) + Encode.text(2, "e") + attribute(3, &random) + unknown(&random), &random))
        }
        if random.chance(30) {
            fields.append(field(15, Encode.text(2, "m") + Encode.varint(3, UInt64(random.below(3))), &random))
        }
        if random.chance(30) { fields.append(Encode.fixed32(16, UInt32(random.below(2)))) }
        if random.chance(30) { fields.append(unknown(&random)) }
        return shuffled(fields, &random)
    }

    private static func attribute(_ number: Int, _ random: inout SeededGenerator) -> [UInt8] {
        let key = Encode.text(1, keys[random.below(keys.count)])
        let value = field(2, value(&random, 0), &random)
        var parts = [key, value]
        if random.chance(10) { parts = [value, key] }
        if random.chance(5) { parts.append(unknown(&random)) }
        if random.chance(5) { parts.removeLast() }
        return field(number, parts.flatMap { $0 }, &random)
    }

    private static func value(_ random: inout SeededGenerator, _ depth: Int) -> [UInt8] {
        switch random.below(depth < 3 ? 9 : 6) {
        case 0: return Encode.text(1, ["prod", "tom@shop.example", "4111111111111111", "12", "", "caf\u{e9}"][random.below(6)])
        case 1: return Encode.varint(2, UInt64(random.below(2)))
        case 2: return Encode.varint(3, random.next())
        case 3: return Encode.fixed64(4, (Double(random.below(1000)) / 8).bitPattern)
        case 4: return Encode.bytes(7, random.bytes(3))
        case 5: return []
        case 6: return Encode.bytes(5, (0..<random.below(3)).flatMap { _ in Encode.bytes(1, value(&random, depth + 1)) })
        case 7:
            return Encode.bytes(
                6, (0..<random.below(3)).flatMap { Encode.attribute(1, "k\($0)", value(&random, depth + 1)) })
        default: return Encode.text(1, "first") + Encode.varint(3, 7)
        }
    }

    static func unknown(_ random: inout SeededGenerator) -> [UInt8] {
        let number = 100 + random.below(400)
        switch random.below(5) {
        case 0: return Encode.varint(number, random.next())
        case 1: return Encode.fixed32(number, 7)
        case 2: return Encode.fixed64(number, 7)
        case 3: return Encode.group(number, Encode.varint(1, 3))
        default: return Encode.bytes(number, random.bytes(random.below(5)))
        }
    }

    /// A length-delimited field, sometimes with a length of more bytes than it needs.
    private static func field(_ number: Int, _ payload: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        guard random.chance(5) else { return Encode.bytes(number, payload) }
        var length = Encode.varint(UInt64(payload.count))
        length[length.count - 1] |= 0x80
        return Encode.varint(UInt64(number * 8 + 2)) + length + [0] + payload
    }

    private static func shuffled(_ fields: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
        (random.chance(70) ? fields : fields.shuffled(using: &random)).flatMap { $0 }
    }
}

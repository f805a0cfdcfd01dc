/// Numbers, booleans, enums, identifiers and bytes.
extension JSONTranscoding {
    /// A singular field that is neither text nor message; a zero is left out unless `keepsZero`.
    @_lifetime(self: copy self)
    mutating func scalar(_ field: Field, keepsZero: Bool) throws(OTLPJSONError) {
        switch field.kind {
        case .identifier:
            try identifier(field.tag, keepsEmpty: keepsZero)
        case .bytes:
            try base64(field.tag)
        case .fixed32:
            let word = try word(field.kind)
            if word == 0 && !keepsZero { return }
            appendTag(field.tag)
            appendLittle(word, bytes: 4)
        case .fixed64, .sfixed64, .double:
            let word = try word(field.kind)
            if word == 0 && !keepsZero { return }
            appendTag(field.tag)
            appendLittle(word, bytes: 8)
        default:
            let word = field.kind == .enumeration ? try enumeration(Int(field.inner.first)) : try word(field.kind)
            if word == 0 && !keepsZero { return }
            appendTag(field.tag)
            output.appendVarint(word)
        }
    }

    /// One element of a list of numbers.
    @_lifetime(self: copy self)
    mutating func packedScalar(_ kind: OTLPJSONSchema.Kind) throws(OTLPJSONError) {
        let word = try word(kind)
        switch kind {
        case .fixed32: appendLittle(word, bytes: 4)
        case .fixed64, .sfixed64, .double: appendLittle(word, bytes: 8)
        default: output.appendVarint(word)
        }
    }

    /// The bits of a number or boolean as they go into protobuf.
    @_lifetime(self: copy self)
    private mutating func word(_ kind: OTLPJSONSchema.Kind) throws(OTLPJSONError) -> UInt64 {
        switch kind {
        case .bool: return try boolean() ? 1 : 0
        case .int64, .sfixed64: return UInt64(bitPattern: try signed(Int64.min...Int64.max))
        case .uint64, .fixed64: return try unsigned(.max)
        case .uint32, .fixed32: return try unsigned(UInt64(UInt32.max))
        case .sint32:
            let value = try signed(Int64(Int32.min)...Int64(Int32.max))
            // ZigZag.
            return UInt64(bitPattern: value &<< 1 ^ value &>> 63) & 0xffff_ffff
        case .double: return try double().bitPattern
        case .string, .bytes, .identifier, .enumeration, .message:
            preconditionFailure("no number in the schema")
        }
    }

    @_lifetime(self: copy self)
    private mutating func boolean() throws(OTLPJSONError) -> Bool {
        guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
        switch json[offset] {
        case UInt8(ascii: "t"):
            try literal("true")
            return true
        case UInt8(ascii: "f"):
            try literal("false")
            return false
        default: throw OTLPJSONError(.expectedBoolean, at: offset)
        }
    }

    // MARK: integers

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func unsigned(_ limit: UInt64) throws(OTLPJSONError) -> UInt64 {
        let start = offset
        let (magnitude, isNegative) = try integer()
        guard magnitude <= limit, !isNegative || magnitude == 0 else {
            throw OTLPJSONError(.numberOutOfRange, at: start)
        }
        return magnitude
    }

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func signed(_ range: ClosedRange<Int64>) throws(OTLPJSONError) -> Int64 {
        let start = offset
        let (magnitude, isNegative) = try integer()
        guard magnitude <= 1 << 63, isNegative || magnitude < 1 << 63 else {
            throw OTLPJSONError(.numberOutOfRange, at: start)
        }
        let bits = Int64(bitPattern: magnitude)
        let value = isNegative ? 0 &- bits : bits
        guard range.contains(value) else { throw OTLPJSONError(.numberOutOfRange, at: start) }
        return value
    }

    /// An integer, in quotes or not, exact.
    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func integer() throws(OTLPJSONError) -> (magnitude: UInt64, isNegative: Bool) {
        let start = offset
        let isQuoted = take(UInt8(ascii: "\""))
        let first = offset
        // Up to 19 digits can't overflow.
        var magnitude: UInt64 = 0
        while offset < end, offset &- first < 19 {
            let digit = json[offset] &- 0x30
            guard digit < 10 else { break }
            magnitude = magnitude &* 10 &+ UInt64(digit)
            offset &+= 1
        }
        let digits = offset &- first
        let next = offset < end ? json[offset] : 0
        let isPlain = digits > 0 && (json[first] != 0x30 || digits == 1)
        if isPlain {
            if isQuoted && next == UInt8(ascii: "\"") {
                offset &+= 1
                return (magnitude, false)
            }
            if !isQuoted && next &- 0x30 > 9 && next != UInt8(ascii: ".") && next | 0x20 != UInt8(ascii: "e") {
                return (magnitude, false)
            }
        }
        offset = first
        return try longInteger(start, isQuoted)
    }

    /// Negative integers, those of twenty digits, and those written with a fraction or an exponent (1.7e18).
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func longInteger(
        _ start: Int, _ isQuoted: Bool
    ) throws(OTLPJSONError) -> (magnitude: UInt64, isNegative: Bool) {
        guard offset < end, json[offset] == UInt8(ascii: "-") || json[offset] &- 0x30 < 10 else {
            throw OTLPJSONError(offset < end ? .expectedNumber : .truncated, at: start)
        }
        let number = try decimal()
        if isQuoted && !take(UInt8(ascii: "\"")) { throw OTLPJSONError(offset < end ? .badNumber : .truncated, at: offset) }
        guard !number.isInexact else { throw OTLPJSONError(.numberOutOfRange, at: start) }
        var magnitude = number.digits
        var exponent = number.exponent
        while exponent > 0 && magnitude != 0 {
            let (product, overflows) = magnitude.multipliedReportingOverflow(by: 10)
            guard !overflows else { throw OTLPJSONError(.numberOutOfRange, at: start) }
            magnitude = product
            exponent &-= 1
        }
        while exponent < 0 && magnitude != 0 {
            guard magnitude % 10 == 0 else { throw OTLPJSONError(.badNumber, at: start) }
            magnitude /= 10
            exponent &+= 1
        }
        return (magnitude, number.isNegative)
    }

    /// A number: `digits` times ten to the power of `exponent`.
    struct Decimal {
        var digits: UInt64 = 0
        var exponent = 0
        var isNegative = false
        /// Not all digits fit into `digits`.
        var isInexact = false
    }

    /// A number by JSON's grammar.
    @_lifetime(self: copy self)
    mutating func decimal() throws(OTLPJSONError) -> Decimal {
        var number = Decimal()
        number.isNegative = take(UInt8(ascii: "-"))
        let first = offset
        readDigits(&number, isFraction: false)
        let count = offset &- first
        guard count > 0 else { throw failure(.badNumber) }
        guard count == 1 || json[first] != 0x30 else { throw OTLPJSONError(.badNumber, at: first) }
        if take(UInt8(ascii: ".")) {
            let fraction = offset
            readDigits(&number, isFraction: true)
            guard offset > fraction else { throw failure(.badNumber) }
        }
        if offset < end, json[offset] | 0x20 == UInt8(ascii: "e") {
            offset &+= 1
            let isMinus = take(UInt8(ascii: "-"))
            if !isMinus { _ = take(UInt8(ascii: "+")) }
            var exponent = 0
            let start = offset
            while offset < end, json[offset] &- 0x30 < 10 {
                // Beyond a million every number is zero or infinite, whatever its digits.
                exponent = min(1_000_000, exponent &* 10 &+ Int(json[offset] &- 0x30))
                offset &+= 1
            }
            guard offset > start else { throw failure(.badNumber) }
            number.exponent &+= isMinus ? 0 &- exponent : exponent
        }
        return number
    }

    @_lifetime(self: copy self)
    private mutating func readDigits(_ number: inout Decimal, isFraction: Bool) {
        while offset < end {
            let digit = json[offset] &- 0x30
            guard digit < 10 else { return }
            offset &+= 1
            let (tens, overflows) = number.digits.multipliedReportingOverflow(by: 10)
            let (sum, carries) = tens.addingReportingOverflow(UInt64(digit))
            if overflows || carries || number.isInexact {
                // Zeros behind the point say nothing.
                if digit != 0 || !isFraction { number.isInexact = true }
                if !isFraction { number.exponent &+= 1 }
            } else {
                number.digits = sum
                if isFraction { number.exponent &-= 1 }
            }
        }
    }

    // MARK: doubles

    /// Numbers with more characters than this are refused; 17 digits say all that a double can hold.
    private static let longestNumber = 1024

    @_lifetime(self: copy self)
    private mutating func double() throws(OTLPJSONError) -> Double {
        let start = offset
        let isQuoted = take(UInt8(ascii: "\""))
        if isQuoted, let special = try specialDouble() { return special }
        let first = offset
        guard offset < end, json[offset] == UInt8(ascii: "-") || json[offset] &- 0x30 < 10 else {
            throw OTLPJSONError(offset < end ? .expectedNumber : .truncated, at: start)
        }
        let number = try decimal()
        let last = offset
        if isQuoted && !take(UInt8(ascii: "\"")) { throw OTLPJSONError(offset < end ? .badNumber : .truncated, at: offset) }
        // Both factors are exact then, so the result is the nearest double (Clinger, 1990).
        if !number.isInexact && number.digits < 1 << 53 && number.exponent.magnitude <= 22 {
            let power = Self.powersOfTen[Int(number.exponent.magnitude)]
            let magnitude = number.exponent < 0 ? Double(number.digits) / power : Double(number.digits) * power
            return number.isNegative ? -magnitude : magnitude
        }
        guard last &- first <= Self.longestNumber else { throw OTLPJSONError(.badNumber, at: start) }
        var characters: [UInt8] = []
        characters.append(copying: json.extracting(first..<last))
        guard let value = Double(String(decoding: characters, as: UTF8.self)), value.isFinite else {
            throw OTLPJSONError(.numberOutOfRange, at: start)
        }
        return value
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// After a quote: what JSON has no number for.
    @_lifetime(self: copy self)
    private mutating func specialDouble() throws(OTLPJSONError) -> Double? {
        if try takeQuoted("NaN\"") { return .nan }
        if try takeQuoted("Infinity\"") { return .infinity }
        if try takeQuoted("-Infinity\"") { return -.infinity }
        return nil
    }

    @_lifetime(self: copy self)
    private mutating func takeQuoted(_ text: StaticString) throws(OTLPJSONError) -> Bool {
        let count = text.utf8CodeUnitCount
        guard end &- offset >= count else { return false }
        var position = offset
        for byte in text.description.utf8 {
            guard json[position] == byte else { return false }
            position &+= 1
        }
        offset = position
        return true
    }

    // MARK: enums

    /// A number, or a name; an unknown name is 0. Enums are open: any 32-bit number goes through.
    @_lifetime(self: copy self)
    private mutating func enumeration(_ number: Int) throws(OTLPJSONError) -> UInt64 {
        let start = offset
        guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
        let isQuoted = json[offset] == UInt8(ascii: "\"")
        let next = isQuoted ? (offset &+ 1 < end ? json[offset &+ 1] : 0) : json[offset]
        if next == UInt8(ascii: "-") || next &- 0x30 < 10 {
            return UInt64(bitPattern: try signed(Int64(Int32.min)...Int64(Int32.max)))
        }
        guard isQuoted else { throw OTLPJSONError(.expectedEnum, at: start) }
        let name = try plainText()
        let value = OTLPJSONSchema.enums[number].first { $0.name.utf8.elementsEqual(name) }?.value
        return UInt64(bitPattern: value ?? 0)
    }

    /// A text without its escapes, in `scratch`; for rare short ones.
    @_lifetime(self: copy self)
    private mutating func plainText() throws(OTLPJSONError) -> [UInt8] {
        guard take(UInt8(ascii: "\"")) else { throw failure(.expectedString) }
        var bytes: [UInt8] = []
        try unescape(into: &bytes)
        return bytes
    }

    // MARK: identifiers and bytes

    /// Hexadecimal digits of either case. Their number is checked where identifiers are judged, not here.
    @_lifetime(self: copy self)
    private mutating func identifier(_ tag: UInt16, keepsEmpty: Bool) throws(OTLPJSONError) {
        guard take(UInt8(ascii: "\"")) else { throw failure(.expectedString) }
        let start = offset
        if usualIdentifier(tag, digits: 16) || usualIdentifier(tag, digits: 32) { return }
        let stop = try textStop()
        guard json[stop] == UInt8(ascii: "\""), (stop &- start) & 1 == 0 else { throw OTLPJSONError(.badHex, at: start) }
        offset = stop &+ 1
        if stop == start && !keepsEmpty { return }
        appendTag(tag)
        output.appendVarint(UInt64(truncatingIfNeeded: (stop &- start) / 2))
        var position = start
        while position < stop {
            let high = Self.hexValue(json[position])
            let low = Self.hexValue(json[position &+ 1])
            guard high | low < 16 else { throw OTLPJSONError(.badHex, at: position) }
            output.append(high &<< 4 | low)
            position &+= 2
        }
    }

    /// Writes an identifier of just so many digits, a multiple of 8, and goes behind it; false, and nothing done, if the text is
    /// any other.
    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func usualIdentifier(_ tag: UInt16, digits: Int) -> Bool {
        let start = offset
        guard end &- start > digits, json[start &+ digits] == UInt8(ascii: "\"") else { return false }
        var bytes: [4 of UInt32] = .init(repeating: 0)
        for part in 0..<digits &>> 3 {
            guard let four = Self.hexBytes(Wire.loadLittle64(json, start &+ part &<< 3)) else { return false }
            bytes[part] = four
        }
        appendTag(tag)
        output.append(addingCapacity: 1 &+ digits &>> 1) { room in
            room.append(UInt8(truncatingIfNeeded: digits &>> 1))
            for part in 0..<digits &>> 3 {
                var rest = bytes[part]
                for _ in 0..<4 {
                    room.append(UInt8(truncatingIfNeeded: rest))
                    rest &>>= 8
                }
            }
        }
        offset = start &+ digits &+ 1
        return true
    }

    /// Eight hexadecimal digits (the first in the lowest byte) as four bytes (the first the lowest); nil if one is none. All
    /// eight at once: sums of seven-bit values can't carry into the next byte.
    @inline(__always)
    static func hexBytes(_ text: UInt64) -> UInt32? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let high = ones &* 0x80
        let lowercase = text | ones &* 0x20
        // Both ends of a range: at least the first, and not beyond the last.
        let isDigit = (text &+ ones &* (0x80 - 0x30)) & ~(text &+ ones &* (0x80 - 0x3a)) & high
        let isLetter = (lowercase &+ ones &* (0x80 - 0x61)) & ~(lowercase &+ ones &* (0x80 - 0x67)) & high
        guard text & high == 0, isDigit | isLetter == high else { return nil }
        let nibbles = (text & (ones &* 0x0f)) &+ (isLetter &>> 7) &* 9
        var bytes = (nibbles &<< 4 | nibbles &>> 8) & 0x00ff_00ff_00ff_00ff
        bytes = (bytes | bytes &>> 8) & 0x0000_ffff_0000_ffff
        return UInt32(truncatingIfNeeded: bytes | bytes &>> 16)
    }

    /// Base64 with either alphabet, padded or not, as protobuf's JSON has it.
    @_lifetime(self: copy self)
    private mutating func base64(_ tag: UInt16) throws(OTLPJSONError) {
        let start = offset
        var text = try plainText()
        for index in text.indices {
            if text[index] == UInt8(ascii: "-") { text[index] = UInt8(ascii: "+") }
            if text[index] == UInt8(ascii: "_") { text[index] = UInt8(ascii: "/") }
        }
        guard let bytes = Base64.decode(text.span) else { throw OTLPJSONError(.badBase64, at: start) }
        appendTag(tag)
        output.appendVarint(UInt64(bytes.count))
        output.append(contentsOf: bytes)
    }
}

/// JSON's grammar (RFC 8259): blanks, texts, literals, and what is skipped.
extension JSONTranscoding {
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func skipBlanks() {
        while offset < end {
            let byte = json[offset]
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            offset &+= 1
        }
    }

    /// Takes one byte if it comes next.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func take(_ byte: UInt8) -> Bool {
        guard offset < end, json[offset] == byte else { return false }
        offset &+= 1
        return true
    }

    @inline(__always)
    @_lifetime(self: copy self)
    mutating func takeNull() throws(OTLPJSONError) -> Bool {
        guard offset < end, json[offset] == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    /// `true`, `false` or `null`.
    @_lifetime(self: copy self)
    mutating func literal(_ word: StaticString) throws(OTLPJSONError) {
        for byte in word.description.utf8 {
            guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
            guard json[offset] == byte else { throw OTLPJSONError(.expectedValue, at: offset) }
            offset &+= 1
        }
    }

    // MARK: texts

    /// From `offset` within a text: where the first quote or backslash is. Eight bytes at a time.
    @inline(__always)
    func textStop() throws(OTLPJSONError) -> Int {
        var position = offset
        while position &+ 8 <= end {
            let word = Wire.loadLittle64(json, position)
            let stops = Self.stops(word)
            if stops != 0 {
                return try checkedStop(position &+ stops.trailingZeroBitCount &>> 3)
            }
            position &+= 8
        }
        while position < end {
            let byte = json[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 {
                return try checkedStop(position)
            }
            position &+= 1
        }
        throw OTLPJSONError(.truncated, at: end)
    }

    @inline(__always)
    private func checkedStop(_ position: Int) throws(OTLPJSONError) -> Int {
        if json[position] < 0x20 { throw OTLPJSONError(.controlCharacter, at: position) }
        return position
    }

    /// The high bit of each byte that is a quote, a backslash or a control character. Bits above the lowest may be wrong, since
    /// borrows go upwards; the lowest is right.
    @inline(__always)
    private static func stops(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ 0x2222_2222_2222_2222
        let slashes = word ^ 0x5c5c_5c5c_5c5c_5c5c
        let found =
            ((quotes &- ones) & ~quotes) | ((slashes &- ones) & ~slashes)
            | ((word &- 0x2020_2020_2020_2020) & ~word)
        return found & 0x8080_8080_8080_8080
    }

    /// A text field.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func text(_ field: Field, keepsEmpty: Bool) throws(OTLPJSONError) {
        guard take(UInt8(ascii: "\"")) else { throw failure(.expectedString) }
        let start = offset
        let stop = try textStop()
        if json[stop] == UInt8(ascii: "\"") {
            offset = stop &+ 1
            if stop == start && !keepsEmpty { return }
            appendTag(field.tag)
            output.appendVarint(UInt64(truncatingIfNeeded: stop &- start))
            output.append(copying: json.extracting(start..<stop))
            return
        }
        appendTag(field.tag)
        let mark = open()
        var bytes: [UInt8] = []
        swap(&bytes, &output)
        do throws(OTLPJSONError) {
            try unescape(into: &bytes)
        } catch {
            swap(&bytes, &output)
            throw error
        }
        swap(&bytes, &output)
        close(mark)
    }

    /// The rest of a text, up to and with its closing quote, appended without escapes.
    @_lifetime(self: copy self)
    mutating func unescape(into bytes: inout [UInt8]) throws(OTLPJSONError) {
        while true {
            let stop = try textStop()
            bytes.append(copying: json.extracting(offset..<stop))
            offset = stop &+ 1
            if json[stop] == UInt8(ascii: "\"") { return }
            try escape(into: &bytes)
        }
    }

    /// What follows a backslash.
    @_lifetime(self: copy self)
    private mutating func escape(into bytes: inout [UInt8]) throws(OTLPJSONError) {
        guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
        let byte = json[offset]
        offset &+= 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0c)
        case UInt8(ascii: "n"): bytes.append(0x0a)
        case UInt8(ascii: "r"): bytes.append(0x0d)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"): Self.appendUTF8(try scalarEscape(), to: &bytes)
        default: throw OTLPJSONError(.badEscape, at: offset &- 2)
        }
    }

    /// The character of a `\u` escape, with its second half if it is a surrogate pair; U+FFFD for half a pair.
    @_lifetime(self: copy self)
    private mutating func scalarEscape() throws(OTLPJSONError) -> UInt32 {
        let unit = try codeUnit()
        guard unit & 0xf800 == 0xd800 else { return unit }
        guard unit < 0xdc00, offset &+ 1 < end, json[offset] == UInt8(ascii: "\\"),
            json[offset &+ 1] == UInt8(ascii: "u")
        else { return 0xfffd }
        let start = offset
        offset &+= 2
        let low = try codeUnit()
        guard low & 0xfc00 == 0xdc00 else {
            // The other escape stands for itself.
            offset = start
            return 0xfffd
        }
        return 0x10000 &+ ((unit & 0x3ff) &<< 10 | low & 0x3ff)
    }

    @_lifetime(self: copy self)
    private mutating func codeUnit() throws(OTLPJSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
            let digit = Self.hexValue(json[offset])
            guard digit < 16 else { throw OTLPJSONError(.badEscape, at: offset) }
            unit = unit &<< 4 | UInt32(digit)
            offset &+= 1
        }
        return unit
    }

    private static func appendUTF8(_ scalar: UInt32, to bytes: inout [UInt8]) {
        func rest(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: scalar &>> shift & 0x3f | 0x80) }
        if scalar < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: scalar))
        } else if scalar < 0x800 {
            bytes.append(UInt8(truncatingIfNeeded: scalar &>> 6 | 0xc0))
            bytes.append(rest(0))
        } else if scalar < 0x10000 {
            bytes.append(UInt8(truncatingIfNeeded: scalar &>> 12 | 0xe0))
            bytes.append(rest(6))
            bytes.append(rest(0))
        } else {
            bytes.append(UInt8(truncatingIfNeeded: scalar &>> 18 | 0xf0))
            bytes.append(rest(12))
            bytes.append(rest(6))
            bytes.append(rest(0))
        }
    }

    /// 0-15, or 255 for what is no hexadecimal digit.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8 {
        let digit = byte &- 0x30
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : 255
    }

    // MARK: skipping

    /// Any value, thrown away; its grammar is checked all the same.
    @_lifetime(self: copy self)
    mutating func skipValue(depth: Int) throws(OTLPJSONError) {
        guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
        switch json[offset] {
        case UInt8(ascii: "\""): try skipText()
        case UInt8(ascii: "{"): try skipNested(depth: depth, isObject: true)
        case UInt8(ascii: "["): try skipNested(depth: depth, isObject: false)
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        case UInt8(ascii: "-"), 0x30...0x39: _ = try decimal()
        default: throw OTLPJSONError(.expectedValue, at: offset)
        }
    }

    @_lifetime(self: copy self)
    private mutating func skipText() throws(OTLPJSONError) {
        guard take(UInt8(ascii: "\"")) else { throw failure(.expectedKey) }
        let start = offset
        let stop = try textStop()
        offset = stop &+ 1
        if json[stop] == UInt8(ascii: "\"") { return }
        offset = start
        var bytes: [UInt8] = []
        swap(&bytes, &scratch)
        bytes.removeAll(keepingCapacity: true)
        try unescape(into: &bytes)
        swap(&bytes, &scratch)
    }

    @_lifetime(self: copy self)
    private mutating func skipNested(depth: Int, isObject: Bool) throws(OTLPJSONError) {
        guard depth < OTLPJSONTranscoder.maximumDepth else { throw OTLPJSONError(.nestedTooDeep, at: offset) }
        let closing = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        offset &+= 1
        skipBlanks()
        if take(closing) { return }
        while true {
            if isObject {
                try skipText()
                skipBlanks()
                guard take(UInt8(ascii: ":")) else { throw failure(.expectedColon) }
                skipBlanks()
            }
            try skipValue(depth: depth &+ 1)
            skipBlanks()
            if take(UInt8(ascii: ",")) {
                skipBlanks()
            } else if take(closing) {
                return
            } else {
                throw failure(.expectedComma)
            }
        }
    }
}

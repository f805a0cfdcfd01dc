/// UTF-8 as the Unicode standard's table 3-7 defines it: no overlong forms, no surrogates, at most U+10FFFF.
enum UTF8Check {
    /// Whether no byte has its high bit set; eight bytes at a time.
    @inline(__always)
    static func isASCII(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        if end &- start < 8 {
            var all: UInt8 = 0
            var offset = start
            while offset < end {
                all |= bytes[offset]
                offset &+= 1
            }
            return all < 0x80
        }
        // The last word may overlap the one before it.
        var all = Wire.loadLittle64(bytes, end &- 8)
        var offset = start
        while offset &+ 8 < end {
            all |= Wire.loadLittle64(bytes, offset)
            offset &+= 8
        }
        return all & 0x8080_8080_8080_8080 == 0
    }

    /// Whether the bytes are valid UTF-8.
    static func isValid(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        if isASCII(bytes, start, end) { return true }
        var offset = start
        while offset < end {
            let length = sequence(bytes, offset, end)
            if length < 0 { return false }
            offset &+= length
        }
        return true
    }

    /// The length of the well-formed sequence at `offset < end`, or minus the length of the maximal
    /// invalid subpart there (Unicode 15, section 3.9, U+FFFD substitution of maximal subparts).
    static func sequence(_ bytes: Span<UInt8>, _ offset: Int, _ end: Int) -> Int {
        let lead = bytes[offset]
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xbf
        switch lead {
        case 0...0x7f: return 1
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, low) = (3, 0xa0)
        case 0xed: (length, high) = (3, 0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, low) = (4, 0x90)
        case 0xf1...0xf3: length = 4
        case 0xf4: (length, high) = (4, 0x8f)
        default: return -1
        }
        var position = 1
        while position < length {
            guard offset &+ position < end else { return -position }
            let byte = bytes[offset &+ position]
            guard byte >= low && byte <= high else { return -position }
            (low, high) = (0x80, 0xbf)
            position &+= 1
        }
        return length
    }

    /// Appends the bytes, with U+FFFD for every maximal invalid subpart.
    static func appendRepaired(
        _ bytes: Span<UInt8>, _ start: Int, _ end: Int, to output: inout [UInt8]
    ) {
        var offset = start
        var runStart = start
        while offset < end {
            let length = sequence(bytes, offset, end)
            if length > 0 {
                offset &+= length
            } else {
                output.append(copying: bytes.extracting(runStart..<offset))
                output.append(0xef)
                output.append(0xbf)
                output.append(0xbd)
                offset &-= length
                runStart = offset
            }
        }
        output.append(copying: bytes.extracting(runStart..<end))
    }
}

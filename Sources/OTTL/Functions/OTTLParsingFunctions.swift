internal import OTLP

/// Functions that read structure out of texts.
extension OTTLProgram {
    func callParsers(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        let text = try bytesArgument(0, node, &input)
        let result: OTTLValue?
        switch function {
        case .parseJSON:
            let value = OTTLJSONReader.read(text)
            result = value?.kind == .map || value?.kind == .list ? value : nil
        case .parseInt: result = OTTLNumbers.integer(text, base: try integerArgument(1, node, &input)).map { .int($0) }
        case .parseKeyValue:
            let delimiter = try bytesArgument(1, default: "=", node, &input)
            let pairDelimiter = try bytesArgument(2, default: " ", node, &input)
            result = OTTLPairs.read(text, delimiter, pairDelimiter)
        case .parseCSV: result = try csv(text, node, &input)
        case .url: result = OTTLURL.read(text)
        case .isInCIDR:
            let networks = try listArgument(1, node, &input)
            result = try isInNetwork(text, networks, node, input)
        default: result = .null
        }
        guard let result else { throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column) }
        return result
    }

    /// The ways of `ParseCSV` to treat quotes.
    static let csvModes = ["strict", "lazyQuotes", "ignoreQuotes"]

    private func csv(_ text: [UInt8], _ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue? {
        let header = try bytesArgument(1, node, &input)
        let delimiter = try bytesArgument(2, default: ",", node, &input)
        let headerDelimiter = has(3, node) ? try bytesArgument(3, node, &input) : delimiter
        let mode = String(decoding: try bytesArgument(4, default: "strict", node, &input), as: UTF8.self)
        guard delimiter.count == 1, headerDelimiter.count == 1, !header.isEmpty else { return nil }
        var row = text[...]
        while let last = row.last, last == 0x0a || last == 0x0d { row.removeLast() }
        while let first = row.first, first == 0x0a || first == 0x0d { row.removeFirst() }
        let names = Self.split(header, headerDelimiter)
        let fields = mode == "ignoreQuotes"
            ? Self.split(Array(row), delimiter) : OTTLPairs.csvFields(Array(row), delimiter[0], isLazy: mode == "lazyQuotes")
        guard let fields, fields.count == names.count else { return nil }
        return .map(.owned(zip(names, fields).map { OTTLEntry(key: .owned($0), value: .text($1)) }))
    }

    private func isInNetwork(
        _ text: [UInt8], _ networks: [OTTLValue], _ node: OTTLNode, _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue? {
        guard let address = OTTLAddress(text) else { return .bool(false) }
        for network in networks {
            guard case .string(let name) = network, let block = OTTLNetwork(copy(name, input)) else { return nil }
            if block.contains(address) { return .bool(true) }
        }
        return .bool(false)
    }
}

/// `k=v k2=v2` and rows of CSV.
enum OTTLPairs {
    /// Pairs, their values perhaps in quotes; nil for an empty text and for a part that is no pair.
    static func read(_ text: [UInt8], _ delimiter: [UInt8], _ pairDelimiter: [UInt8]) -> OTTLValue? {
        guard !text.isEmpty, !delimiter.isEmpty, !pairDelimiter.isEmpty, delimiter != pairDelimiter,
            let parts = parts(text, pairDelimiter)
        else { return nil }
        var entries: [OTTLEntry] = []
        for part in parts where !part.isEmpty {
            guard let middle = ByteSpans.firstRange(of: delimiter.span, in: part.span) else { return nil }
            let key = trimmed(part[..<middle])
            let value = trimmed(part[(middle + delimiter.count)...])
            entries.append(OTTLEntry(key: .owned(key), value: .text(value)))
        }
        return .map(.owned(entries.reversed()))
    }

    /// Split where no quote is open; nil if one stays open.
    private static func parts(_ text: [UInt8], _ delimiter: [UInt8]) -> [[UInt8]]? {
        var parts: [[UInt8]] = []
        var part: [UInt8] = []
        var quote: UInt8?
        var index = 0
        while index < text.count {
            let byte = text[index]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if text[index...].starts(with: delimiter) {
                parts.append(part)
                part = []
                index += delimiter.count
                continue
            }
            part.append(byte)
            index += 1
        }
        guard quote == nil else { return nil }
        return parts + [part]
    }

    /// Without white space and quotes around it.
    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var rest = bytes
        while let first = rest.first, first == 0x20 || first &- 9 < 5 { rest.removeFirst() }
        while let last = rest.last, last == 0x20 || last &- 9 < 5 { rest.removeLast() }
        if rest.count > 1, let first = rest.first, first == rest.last, first == 0x22 || first == 0x27 {
            rest = rest.dropFirst().dropLast()
        }
        return Array(rest)
    }

    /// The fields of one row (RFC 4180); nil where quotes are misplaced. `isLazy` takes such quotes as they are.
    static func csvFields(_ row: [UInt8], _ delimiter: UInt8, isLazy: Bool) -> [[UInt8]]? {
        let quote = UInt8(ascii: "\"")
        var fields: [[UInt8]] = []
        var index = 0
        while true {
            var field: [UInt8] = []
            if index < row.count, row[index] == quote {
                index += 1
                var isClosed = false
                while index < row.count {
                    if row[index] != quote {
                        field.append(row[index])
                        index += 1
                    } else if index + 1 < row.count, row[index + 1] == quote {
                        field.append(quote)
                        index += 2
                    } else if index + 1 == row.count || row[index + 1] == delimiter {
                        isClosed = true
                        index += 1
                        break
                    } else if isLazy {
                        field.append(quote)
                        index += 1
                    } else {
                        return nil
                    }
                }
                guard isClosed || isLazy else { return nil }
            } else {
                while index < row.count, row[index] != delimiter {
                    if row[index] == quote, !isLazy { return nil }
                    field.append(row[index])
                    index += 1
                }
            }
            fields.append(field)
            guard index < row.count else { return fields }
            index += 1
        }
    }
}

/// An IP address: 4 or 16 bytes.
struct OTTLAddress: Equatable {
    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Dotted IPv4, or IPv6 with at most one `::` and perhaps IPv4 at its end; IPv4 in IPv6 (`::ffff:1.2.3.4`) becomes IPv4.
    init?(_ text: [UInt8]) {
        guard text.count <= 45 else { return nil }
        guard text.contains(UInt8(ascii: ":")) else {
            guard let four = Self.dotted(text[...]) else { return nil }
            bytes = four
            return
        }
        let halves = OTTLProgram.split(text, Array("::".utf8))
        guard halves.count <= 2, let head = Self.groups(halves[0]) else { return nil }
        var all = head
        if halves.count == 2 {
            guard let tail = Self.groups(halves[1]), head.count + tail.count <= 14 else { return nil }
            all += [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
        }
        guard all.count == 16 else { return nil }
        let isMapped = all[..<10].allSatisfy { $0 == 0 } && all[10] == 0xff && all[11] == 0xff
        bytes = isMapped ? Array(all[12...]) : all
    }

    private static func dotted(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy(OTTLLexer.isDigit), part.count == 1 || part.first != 0x30,
                let byte = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func groups(_ text: [UInt8]) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        var bytes: [UInt8] = []
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let four = dotted(part) else { return nil }
                bytes += four
            } else {
                guard (1...4).contains(part.count), part.allSatisfy(OTTLLexer.isHexDigit),
                    let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
                else { return nil }
                bytes += [UInt8(group >> 8), UInt8(truncatingIfNeeded: group)]
            }
        }
        return bytes
    }
}

/// A block of addresses, `10.0.0.0/8`.
struct OTTLNetwork: Equatable {
    let address: OTTLAddress
    let prefix: Int

    init?(_ text: [UInt8]) {
        let parts = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, let address = OTTLAddress(Array(parts[0])), parts[1].allSatisfy(OTTLLexer.isDigit),
            let prefix = Int(String(decoding: parts[1], as: UTF8.self)), prefix <= address.bytes.count * 8
        else { return nil }
        self.address = address
        self.prefix = prefix
    }

    func contains(_ other: OTTLAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        for bit in 0..<prefix {
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            if (other.bytes[bit / 8] ^ address.bytes[bit / 8]) & mask != 0 { return false }
        }
        return true
    }
}

/// The parts of a URL, under the names of semantic conventions. Source: RFC 3986, sections 3 and appendix B.
enum OTTLURL {
    /// Nil for an empty text and for a port that is no number.
    static func read(_ text: [UInt8]) -> OTTLValue? {
        guard !text.isEmpty, !text.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return nil }
        var entries: [OTTLEntry] = []
        func add(_ name: String, _ value: OTTLValue) {
            entries.append(OTTLEntry(key: .owned(Array(name.utf8)), value: value))
        }
        add("url.original", .text(text))
        var rest = text[...]
        var fragment: [UInt8] = []
        if let mark = rest.firstIndex(of: UInt8(ascii: "#")) {
            fragment = Array(rest[(mark + 1)...])
            rest = rest[..<mark]
        }
        var query: [UInt8] = []
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            query = Array(rest[(mark + 1)...])
            rest = rest[..<mark]
        }
        var scheme: [UInt8] = []
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")), let first = rest.first, OTTLLexer.isLetter(first),
            rest[..<colon].allSatisfy({ OTTLLexer.isLetter($0) || OTTLLexer.isDigit($0) || [0x2b, 0x2d, 0x2e].contains($0) })
        {
            scheme = rest[..<colon].map { OTTLLexer.isCapital($0) ? $0 | 0x20 : $0 }
            rest = rest[(colon + 1)...]
        }
        var authority: ArraySlice<UInt8> = []
        if rest.starts(with: Array("//".utf8)) {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            authority = rest[..<end]
            rest = rest[end...]
        }
        add("url.scheme", .text(scheme))
        if let mark = authority.lastIndex(of: UInt8(ascii: "@")) {
            let user = Array(authority[..<mark])
            add("url.user_info", .text(user))
            let colon = user.firstIndex(of: UInt8(ascii: ":")) ?? user.endIndex
            add("url.username", .text(Array(user[..<colon])))
            if colon < user.endIndex { add("url.password", .text(Array(user[(colon + 1)...]))) }
            authority = authority[(mark + 1)...]
        }
        if let colon = authority.lastIndex(of: UInt8(ascii: ":")), !authority[colon...].contains(UInt8(ascii: "]")) {
            let digits = authority[(colon + 1)...]
            if !digits.isEmpty {
                guard digits.allSatisfy(OTTLLexer.isDigit), let port = Int64(String(decoding: digits, as: UTF8.self))
                else { return nil }
                add("url.port", .int(port))
            }
            authority = authority[..<colon]
        }
        if authority.first == UInt8(ascii: "["), authority.last == UInt8(ascii: "]") {
            authority = authority.dropFirst().dropLast()
        }
        add("url.domain", .text(Array(authority)))
        add("url.path", .text(Array(rest)))
        if let dot = rest.lastIndex(of: UInt8(ascii: ".")), dot + 1 < rest.endIndex, !rest[dot...].contains(UInt8(ascii: "/")) {
            add("url.extension", .text(Array(rest[(dot + 1)...])))
        }
        if !query.isEmpty { add("url.query", .text(query)) }
        if !fragment.isEmpty { add("url.fragment", .text(fragment)) }
        return .map(.owned(entries))
    }
}

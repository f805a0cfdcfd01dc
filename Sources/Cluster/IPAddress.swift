/// An IPv4 or IPv6 address and its one text: members are known by text, so that each must have exactly one.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16, most significant first.
    package let bytes: [UInt8]

    /// Nil unless there are 4 or 16.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Reads `10.0.0.1`, `::1`, `::ffff:10.0.0.1`; no zones, no brackets, no leading zeros or hexadecimal parts in IPv4.
    package init?(_ text: String) {
        let parsed = text.utf8.contains(UInt8(ascii: ":")) ? Self.parseIPv6(text) : Self.parseIPv4(Substring(text))
        guard let parsed else { return nil }
        bytes = parsed
    }

    package var isIPv4: Bool { bytes.count == 4 }
    /// `0.0.0.0` or `::`.
    package var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    /// Dotted, or as RFC 5952 wants it: lower case, no leading zeros, the first longest run of two or more zeros as `::`.
    package var description: String {
        if isIPv4 { return bytes.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        var run = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(run.count, 1) { run = start..<end }
            start = max(end, start + 1)
        }
        func text(_ groups: ArraySlice<UInt16>) -> String { groups.map { String($0, radix: 16) }.joined(separator: ":") }
        return run.isEmpty ? text(groups[...]) : text(groups[..<run.lowerBound]) + "::" + text(groups[run.upperBound...])
    }

    private static func parseIPv4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard !part.isEmpty, part.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }), part.utf8.count == 1 || part.first != "0",
                let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func parseIPv6(_ text: String) -> [UInt8]? {
        var groups = text.split(separator: ":", omittingEmptySubsequences: false)
        var gap: Int?
        // `::` at either end leaves two empty parts there, of which one goes.
        if groups[0].isEmpty {
            guard groups.count > 2, groups[1].isEmpty else { return nil }
            groups.removeFirst()
        }
        if groups.count > 1, groups[groups.count - 1].isEmpty {
            guard groups[groups.count - 2].isEmpty else { return nil }
            groups.removeLast()
        }
        var bytes: [UInt8] = []
        for (index, group) in groups.enumerated() {
            if group.isEmpty {
                guard gap == nil else { return nil }
                gap = bytes.count
            } else if group.contains(".") {
                guard index == groups.count - 1, let tail = parseIPv4(group) else { return nil }
                bytes += tail
            } else {
                let digits = group.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 || ($0 | 0x20) &- UInt8(ascii: "a") < 6 }
                guard digits, group.utf8.count <= 4, let value = UInt16(group, radix: 16) else { return nil }
                bytes.append(UInt8(truncatingIfNeeded: value >> 8))
                bytes.append(UInt8(truncatingIfNeeded: value))
            }
        }
        guard bytes.count <= 16 else { return nil }
        if let gap {
            // `::` stands for one group of zeros at least.
            guard bytes.count <= 14 else { return nil }
            bytes.insert(contentsOf: [UInt8](repeating: 0, count: 16 - bytes.count), at: gap)
        }
        return bytes.count == 16 ? bytes : nil
    }
}

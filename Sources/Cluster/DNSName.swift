/// A domain name, in lower case: names are compared without regard to case (RFC 4343).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// From the most specific to the top, each of 1...63 bytes; empty for the root. At most 255 bytes in wire form.
    package let labels: [[UInt8]]

    /// Octets of a name in wire form (RFC 1035, 3.1).
    static let maximumWireBytes = 255
    static let maximumLabelBytes = 63

    /// Reads `a.b.c`, with or without a dot behind it; nil for anything that can be no host or service name: labels are made of
    /// ASCII letters, digits, `-` and `_`.
    package init?(_ text: String) {
        var labels: [[UInt8]] = []
        var bytes = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if bytes.count > 1, bytes.last?.isEmpty == true { bytes.removeLast() }
        for label in bytes {
            guard label.allSatisfy(Self.isHostByte) else { return nil }
            labels.append(Array(label))
        }
        self.init(labels: labels)
        guard !self.labels.isEmpty else { return nil }
    }

    /// Takes any bytes as labels; nil if one of them is empty or too long, or if all are.
    init?(labels: [[UInt8]]) {
        var length = 1
        for label in labels {
            guard !label.isEmpty, label.count <= Self.maximumLabelBytes else { return nil }
            length += label.count + 1
        }
        guard length <= Self.maximumWireBytes else { return nil }
        self.labels = labels.map { $0.map(Self.lowercased) }
    }

    /// The name below another one; nil if that is too long.
    package func within(_ domain: DNSName) -> DNSName? { DNSName(labels: labels + domain.labels) }

    /// Whether it is made of letters, digits, `-` and `_` only.
    package var isHostName: Bool { !labels.isEmpty && labels.allSatisfy { $0.allSatisfy(Self.isHostByte) } }

    /// Without a dot behind it; bytes that are not visible, dots and backslashes as `\DDD` (RFC 4343, 2.1).
    package var description: String {
        if labels.isEmpty { return "." }
        return labels.map { label in
            var text = ""
            for byte in label {
                if (0x21...0x7e).contains(byte), byte != UInt8(ascii: "."), byte != UInt8(ascii: "\\") {
                    text.unicodeScalars.append(Unicode.Scalar(byte))
                } else {
                    let digits = String(byte)
                    text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }
            }
            return text
        }.joined(separator: ".")
    }

    /// Length octets, labels, and the root's zero.
    var wire: [UInt8] {
        var bytes: [UInt8] = []
        for label in labels {
            bytes.append(UInt8(truncatingIfNeeded: label.count))
            bytes += label
        }
        bytes.append(0)
        return bytes
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10 || (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte }
}

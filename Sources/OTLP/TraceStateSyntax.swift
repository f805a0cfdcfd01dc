/// What may stand in a W3C `tracestate`: https://www.w3.org/TR/trace-context/#tracestate-header.
package enum TraceStateSyntax {
    /// A list with more members is invalid.
    package static let maximumMembers = 32

    /// Space and tab, which may stand around members.
    package static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// `simple-key` or `tenant@system` (level 1): lower case letters, digits, `_ - * /`; a simple key begins with a letter.
    ///
    /// - Complexity: O(length).
    package static func isKey(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty else { return false }
        let at = range.first { text[$0] == UInt8(ascii: "@") }
        guard let at else {
            return range.count <= 256 && isLower(text[range.lowerBound]) && range.allSatisfy { isKeyByte(text[$0]) }
        }
        let tenant = range.lowerBound..<at
        let system = (at + 1)..<range.upperBound
        guard !tenant.isEmpty, tenant.count <= 241, !system.isEmpty, system.count <= 14 else { return false }
        guard isLower(text[tenant.lowerBound]) || isDigit(text[tenant.lowerBound]), isLower(text[system.lowerBound])
        else { return false }
        return tenant.allSatisfy { isKeyByte(text[$0]) } && system.allSatisfy { isKeyByte(text[$0]) }
    }

    /// 1 to 256 printable characters but `,` and `=`, the last one no space.
    ///
    /// - Complexity: O(length).
    package static func isValue(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty, range.count <= 256, text[range.upperBound - 1] != 0x20 else { return false }
        return range.allSatisfy { position in
            let byte = text[position]
            return byte >= 0x20 && byte <= 0x7e && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "=")
        }
    }

    private static func isLower(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 }
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"): true
        default: isLower(byte) || isDigit(byte)
        }
    }
}

/// A file of members: one `host:port` a line; blank lines and what stands behind a `#` do not count.
package enum MemberFile {
    /// Longer files are refused: 250 members need less.
    package static let maximumBytes = 128 << 10

    /// Why a file can't be used. It is used whole or not at all: a line that was misread would take its member out of the ring.
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        /// Line numbers begin at 1.
        case badLine(Int, String, MemberAddressError)
        case notText
        case tooLarge
        case tooMany
        case empty

        package var description: String {
            switch self {
            case .badLine(let number, let text, let error): "line \(number): \"\(text)\" \(error)"
            case .notText: "it is not UTF-8 text"
            case .tooLarge: "it has more than \(maximumBytes >> 10) KiB"
            case .tooMany: "it has more than \(ClusterLimits.maximumMembers) members"
            case .empty: "it names nobody"
            }
        }
    }

    /// The members, sorted, each once.
    package static func parse(_ bytes: [UInt8]) throws(Problem) -> [MemberAddress] {
        guard bytes.count <= maximumBytes else { throw .tooLarge }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText }
        var members: [String: MemberAddress] = [:]
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let content = String(decoding: trimmed(line.prefix { $0 != UInt8(ascii: "#") }), as: UTF8.self)
            if content.isEmpty { continue }
            do {
                let member = try MemberAddress(parsing: content)
                members[member.description] = member
            } catch {
                throw .badLine(index + 1, String(content.prefix(60)), error)
            }
        }
        guard !members.isEmpty else { throw .empty }
        guard members.count <= ClusterLimits.maximumMembers else { throw .tooMany }
        return members.keys.sorted().compactMap { members[$0] }
    }

    private static func trimmed(_ line: Substring.UTF8View.SubSequence) -> Substring.UTF8View.SubSequence {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        var rest = line.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return rest
    }
}

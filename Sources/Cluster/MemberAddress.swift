/// Where a member is reached. Its text is the member's identity in the ring, so that one member has one text: names in lower case and
/// without a dot behind them, addresses as RFC 5952 writes them.
package struct MemberAddress: Hashable, Sendable, CustomStringConvertible {
    package enum Host: Hashable, Sendable {
        case name(String)
        case address(IPAddress)
    }

    package let host: Host
    package let port: UInt16

    package init(_ address: IPAddress, port: UInt16) {
        host = .address(address)
        self.port = port
    }

    package init(_ name: DNSName, port: UInt16) {
        host = .name(name.description)
        self.port = port
    }

    /// Reads `host:port` or `[v6]:port`.
    package init(parsing text: String) throws(MemberAddressError) {
        if text.utf8.contains(where: { $0 <= 0x20 }) { throw .badHost }
        guard let colon = text.lastIndex(of: ":") else { throw .noPort }
        var name = text[..<colon]
        if name.hasPrefix("["), name.hasSuffix("]") {
            name = name.dropFirst().dropLast()
            guard name.contains(":") else { throw .badHost }
        } else if name.contains(":") {
            throw .noBrackets
        }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }), digits.utf8.count <= 5, let port = UInt16(digits), port > 0
        else { throw .badPort }
        self.port = port
        if name.isEmpty { throw .noHost }
        if let address = IPAddress(String(name)) {
            host = .address(address)
        } else {
            // What is made of digits and dots only was meant to be an address.
            guard let parsed = DNSName(String(name)), !name.utf8.allSatisfy({ $0 == 0x2e || $0 &- UInt8(ascii: "0") < 10 }) else {
                throw .badHost
            }
            host = .name(parsed.description)
        }
    }

    /// `host:port`, with brackets around an IPv6 address.
    package var description: String {
        switch host {
        case .name(let name): "\(name):\(port)"
        case .address(let address): address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        }
    }

    /// The host alone, without brackets.
    package var hostText: String {
        switch host {
        case .name(let name): name
        case .address(let address): "\(address)"
        }
    }
}

/// What is wrong with a member's address; its text is the end of a sentence that begins with the address.
package enum MemberAddressError: Error, Equatable, Sendable, CustomStringConvertible {
    case noPort, badPort, noHost, badHost, noBrackets

    package var description: String {
        switch self {
        case .noPort: "has no port; write `host:port`, such as `10.0.0.1:4319`"
        case .badPort: "has no port of 1 to 65535 behind its last colon"
        case .noHost: "has no host; write `host:port`, such as `10.0.0.1:4319`"
        case .badHost: "names no host: letters, digits, `-`, `_` and dots are expected, or an address"
        case .noBrackets: "is ambiguous; write an IPv6 address in brackets, such as `[::1]:4319`"
        }
    }
}

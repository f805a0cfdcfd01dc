internal import ConfigTree
internal import NativeCore

/// A host and port to listen on, or to be found at.
package struct NetworkAddress: Sendable, Equatable {
    /// A name or an address without brackets; empty means all interfaces (only for listening).
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

extension NetworkAddress {
    /// Whether only this machine can reach it.
    package var isLoopback: Bool {
        if host == "localhost" { return true }
        guard let bytes = AddressBytes.parse(host) else { return false }
        return bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// `host:port`, with brackets around an IPv6 address.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension NetworkAddress {
    /// Reads `host:port`, `[::1]:port` or `:port`.
    /// - Returns: the address, or what is wrong with the text.
    static func parse(_ text: String, allowsAnyHost: Bool, ports: ClosedRange<Int>) -> Result<
        NetworkAddress, AddressError
    > {
        let shown = clipped(text)
        guard let colon = text.lastIndex(of: ":") else {
            return .failure(AddressError("\"\(shown)\" has no port; write `host:port`, such as `localhost:4317`"))
        }
        var host = text[..<colon]
        let portText = text[text.index(after: colon)...]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return .failure(
                AddressError("\"\(shown)\" is ambiguous; write an IPv6 address in brackets, such as `[::1]:4317`"))
        }
        let digits = portText.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 } && portText.utf8.count <= 5
        guard digits, let port = Int(portText), ports.contains(port) else {
            let range = "\(ports.lowerBound) to \(ports.upperBound)"
            return .failure(
                AddressError(
                    "\"\(clipped(String(portText)))\" in \"\(shown)\" is no port; a number from \(range) is expected"))
        }
        if host.isEmpty, !allowsAnyHost {
            return .failure(AddressError("\"\(shown)\" has no host; write `host:port`, such as `localhost:4317`"))
        }
        let forbidden = host.utf8.contains {
            $0 <= 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "@")
        }
        if forbidden { return .failure(AddressError("\"\(clipped(String(host)))\" in \"\(shown)\" is no host name")) }
        return .success(NetworkAddress(host: String(host), port: port))
    }
}

/// What is wrong with an address, in a sentence.
struct AddressError: Error, Equatable {
    let message: String
    init(_ message: String) { self.message = message }
}

extension ConfigReader {
    /// An address to listen on.
    mutating func listenAddress(_ key: String, default fallback: NetworkAddress) -> NetworkAddress {
        guard let text = stringIfPresent(key) else { return fallback }
        switch NetworkAddress.parse(text, allowsAnyHost: true, ports: 0...65_535) {
        case .success(let address): return address
        case .failure(let wrong):
            error(wrong.message, key: key)
            return fallback
        }
    }
}

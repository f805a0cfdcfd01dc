internal import NativeCore
package import NIOCore

/// Whom connections are counted by: an IPv4 address, or the /64 network of an IPv6 address, as one customer has all of it.
package struct PeerAddress: Sendable, Hashable {
    private var high: UInt64
    private var low: UInt64

    /// - Parameters:
    ///   - high: the first eight bytes of an IPv6 address, or 0.
    ///   - low: an IPv4 address, or 0.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Everybody who comes through a Unix socket.
    package static let local = PeerAddress(high: .max, low: .max)

    package init(_ address: SocketAddress?) {
        guard let text = address?.ipAddress, let bytes = AddressBytes.parse(text) else {
            self = .local
            return
        }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        if bytes.count == 4 {
            self.init(high: 0, low: number(0..<4))
        } else if number(0..<8) == 0 {
            // ::ffff:a.b.c.d is an IPv4 address that came through a socket for both; the rest is ::1 and its like.
            self.init(high: number(8..<12) == 0xffff ? 0 : 1, low: number(12..<16))
        } else {
            self.init(high: number(0..<8), low: 0)
        }
    }
}

extension SocketAddress {
    /// For the log: the address without the port, `unix` for a Unix socket.
    package var shown: String { ipAddress ?? "unix" }
}

internal import NIOCore

/// Which name a client asks for.
enum TLSServerName {
    /// The name that goes into the handshake and that the server's certificate must bear; nil for an address, which is then looked
    /// for among the certificate's addresses.
    ///
    /// - Parameters:
    ///   - host: a name or an address without brackets, as connected to.
    ///   - wanted: what was configured in its place; empty is nothing, as in the Collector.
    static func of(host: String, wanted: String?) -> String? {
        if let wanted, !wanted.isEmpty { return wanted }
        return (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
    }
}

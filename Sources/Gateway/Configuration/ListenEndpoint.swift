internal import ConfigTree

/// Where a server listens.
package enum ListenEndpoint: Sendable, Equatable, CustomStringConvertible {
    /// An empty host means all interfaces, IPv6 included; port 0 lets the system choose.
    case address(NetworkAddress)
    /// A Unix socket's path.
    case unix(path: String)

    /// `host:port`, or `unix:path`.
    package var description: String {
        switch self {
        case .address(let address): "\(address)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension ConfigReader {
    /// `endpoint` and `transport` of a server: `tcp` (also as `tcp4` and `tcp6`, which the address decides) or `unix`.
    mutating func listenEndpoint(default fallback: NetworkAddress) -> ListenEndpoint {
        let transport = string("transport", default: "tcp")
        switch transport {
        case "tcp", "tcp4", "tcp6", "": return .address(listenAddress("endpoint", default: fallback))
        case "unix":
            let path = stringIfPresent("endpoint") ?? ""
            // What the system's address structure has room for.
            if path.isEmpty || path.utf8.count > 107 {
                error(
                    "with `transport: unix` the endpoint is the path of the socket, at most 107 bytes, such as `/run/tailgate.sock`",
                    key: "endpoint")
            }
            return .unix(path: path)
        default:
            error("`\(clipped(transport))` is not in Tailgate; `tcp` and `unix` are", key: "transport")
            return .address(fallback)
        }
    }
}

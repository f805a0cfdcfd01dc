import ArgumentParser
import ConfigTree
import OTLP
import LoadTools

/// A duration on the command line, in Go's syntax as in configuration files; a bare number means seconds.
struct DurationArgument: ExpressibleByArgument, Sendable {
    var nanoseconds: Int64

    init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    init?(argument: String) {
        if let seconds = Double(argument), seconds >= 0, seconds < 9e9 {
            nanoseconds = Int64(seconds * 1e9)
        } else if let parsed = try? GoDuration.parse(argument), parsed >= 0 {
            nanoseconds = parsed
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        nanoseconds % 1_000_000_000 == 0 ? "\(nanoseconds / 1_000_000_000)s" : "\(nanoseconds / 1_000_000)ms"
    }
}

/// `host:port`, `[v6]:port` or `:port`, with `http://`, `https://` or `grpc://` before it or not.
struct EndpointArgument: ExpressibleByArgument, Sendable {
    var host: String
    var port: Int
    /// Whether the text asks for TLS.
    var isHTTPS = false

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(argument: String) {
        var rest = Substring(argument)
        for scheme in ["http://", "https://", "grpc://"] where argument.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            isHTTPS = scheme == "https://"
        }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self.host = String(host)
        self.port = port
    }

    var defaultValueDescription: String { "\(host):\(port)" }
}

/// A gRPC status by name or number.
struct StatusArgument: ExpressibleByArgument, Sendable {
    var status: GRPCStatusCode

    init?(argument: String) {
        guard let status = GRPCStatusCode(named: argument), status != .ok else { return nil }
        self.status = status
    }
}

/// A metadata field: `name=value`.
struct HeaderArgument: ExpressibleByArgument, Sendable {
    var name: String
    var value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else { return nil }
        name = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

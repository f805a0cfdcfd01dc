internal import ConfigTree
package import Transport

/// What guards a listener: `tls`, `auth` and `limits` of `protocols.grpc` and its like.
package struct ListenerGuardsConfig: Sendable, Equatable {
    /// Nil: plain text.
    package var tls: TLSSettings?
    /// Nil: whoever can connect may send.
    package var auth: AuthReference?
    package var limits = ListenerLimitsConfig()

    /// Plain text, no credentials, the limits' defaults.
    package init() {}

    /// Reads the three keys from the listener's own map, which the caller finishes.
    /// - Parameter protocols: what ALPN agrees to, most wanted first.
    init(_ reader: inout ConfigReader, protocols: [String]) {
        tls = TLSConfig.server(&reader, protocols: protocols)
        auth = AuthReference.read(&reader)
        if var section = reader.map("limits") { limits = ListenerLimitsConfig(&section) }
    }
}

/// `limits` of a listener, keys of Tailgate's own. Nil: the default of `ServerLimits`.
package struct ListenerLimitsConfig: Sendable, Equatable {
    package var maximumConnections: Int?
    package var maximumConnectionsPerAddress: Int?
    package var maximumHeaderBytes: Int?
    package var maximumInflationRatio: Int?
    /// Of header fields beyond what requests need; 0: no bound.
    package var maximumHeaderBytesPerSecond: Int?
    /// What a request needs.
    package var headerBytesPerRequest: Int?
    /// Durations in nanoseconds; 0 switches a bound off where `ServerLimits` says so.
    package var firstByteTimeout: Int64?
    package var handshakeTimeout: Int64?
    package var firstRequestTimeout: Int64?
    package var requestTimeout: Int64?
    package var writeTimeout: Int64?

    package init() {}

    init(_ reader: inout ConfigReader) {
        maximumConnections = reader.optionalInteger("max_connections", in: 1...10_000_000)
        maximumConnectionsPerAddress = reader.optionalInteger("max_connections_per_address", in: 1...10_000_000)
        maximumHeaderBytes = reader.optionalInteger("max_header_bytes", in: 1024...1 << 20)
        maximumInflationRatio = reader.optionalInteger("max_inflation_ratio", in: 10...1100)
        maximumHeaderBytesPerSecond = reader.optionalInteger("max_header_bytes_per_second", in: 0...1 << 30)
        headerBytesPerRequest = reader.optionalInteger("header_bytes_per_request", in: 0...1 << 20)
        firstByteTimeout = reader.limit("first_byte_timeout", from: 0)
        handshakeTimeout = reader.limit("handshake_timeout", from: 0)
        firstRequestTimeout = reader.limit("first_request_timeout", from: 0)
        requestTimeout = reader.limit("request_timeout", from: 1_000_000)
        writeTimeout = reader.limit("write_timeout", from: 1_000_000)
        reader.finish()
    }

    /// Puts what is configured over the defaults.
    func apply(to limits: inout ServerLimits) {
        limits.maximumConnections = maximumConnections ?? limits.maximumConnections
        limits.maximumConnectionsPerAddress = maximumConnectionsPerAddress ?? limits.maximumConnectionsPerAddress
        limits.maximumHeaderBytes = maximumHeaderBytes ?? limits.maximumHeaderBytes
        limits.maximumInflationRatio = maximumInflationRatio ?? limits.maximumInflationRatio
        if let rate = maximumHeaderBytesPerSecond {
            limits.work.perSecond = rate
            limits.work.burst = 4 * rate
        }
        limits.work.perRequest = headerBytesPerRequest ?? limits.work.perRequest
        limits.firstByteTimeout = firstByteTimeout ?? limits.firstByteTimeout
        limits.handshakeTimeout = handshakeTimeout ?? limits.handshakeTimeout
        limits.firstRequestTimeout = firstRequestTimeout ?? limits.firstRequestTimeout
        limits.requestTimeout = requestTimeout ?? limits.requestTimeout
        limits.writeTimeout = writeTimeout ?? limits.writeTimeout
    }
}

extension ConfigReader {
    fileprivate mutating func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard has(key), node(key)?.value != .null else { return nil }
        return integer(key, default: range.lowerBound, in: range)
    }

    fileprivate mutating func limit(_ key: String, from: Int64) -> Int64? {
        guard has(key), node(key)?.value != .null else { return nil }
        return duration(key, default: from, in: from...86_400_000_000_000)
    }
}

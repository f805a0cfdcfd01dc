internal import ConfigTree
package import Transport

/// Where a gRPC client connects to.
package enum GRPCEndpoint: Sendable, Equatable {
    case host(NetworkAddress)
    /// A Unix socket's path.
    case unix(String)
}

/// A header that goes with every request.
package struct HeaderConfig: Sendable, Equatable {
    /// In lower case, as HTTP/2 wants it.
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Values of headers are tokens, most often: they are not shown.
extension HeaderConfig: CustomStringConvertible, CustomReflectable {
    package var description: String { "\(name): \(Secret.mask)" }
    package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}

/// How requests are coded on their way out.
package enum GRPCCompression: String, Sendable, CaseIterable {
    case gzip, none
}

/// `keepalive` of a gRPC client.
package struct GRPCClientKeepalive: Sendable, Equatable {
    /// Ping a silent server after this time; never less than 10 s, as in grpc-go.
    package var time: Int64 = 10_000_000_000
    package var timeout: Int64 = 10_000_000_000
    package var permitWithoutStream = false

    /// Every value at its default.
    package init() {}
}

/// Settings of a gRPC client.
package struct GRPCClientConfig: Sendable, Equatable {
    package var endpoint = GRPCEndpoint.host(NetworkAddress(host: "", port: 0))
    /// As written.
    package var endpointText = ""
    package var compression = GRPCCompression.gzip
    /// Nil: plain text.
    package var tls: TLSSettings?
    /// Whose credentials go with every request; nil for none.
    package var auth: AuthReference?
    /// In the order of the file.
    package var headers: [HeaderConfig] = []
    /// Nil: no pings.
    package var keepalive: GRPCClientKeepalive?
    /// True: a request waits for a connection, within its timeout. False: it fails at once, and is retried.
    package var waitForReady = false
    /// `round_robin` over all addresses of the name, or `pick_first`.
    package var balancer = Balancer.roundRobin
    /// Overrides the `:authority` header.
    package var authority: String?
    package var userAgent: String?

    package enum Balancer: String, Sendable, CaseIterable {
        case roundRobin = "round_robin"
        case pickFirst = "pick_first"
    }

    /// Every value at its default.
    package init() {}
}

extension GRPCClientConfig {
    /// Reads the keys of a client from an exporter's own map, which the caller finishes.
    init(_ reader: inout ConfigReader) {
        if reader.has("endpoint"), reader.node("endpoint")?.value != .null {
            endpointText = reader.string("endpoint", default: endpointText)
            switch GRPCEndpoint.parse(endpointText) {
            case .success(let parsed): endpoint = parsed
            // A number or a list has been reported already.
            case .failure(let wrong) where !endpointText.isEmpty || reader.isEmptyText("endpoint"):
                reader.error(wrong.message, key: "endpoint")
            case .failure: break
            }
        } else {
            reader.error("`endpoint` is missing; write `endpoint: host:port`", key: "endpoint")
        }
        let lower = endpointText.lowercased()
        tls = TLSConfig.client(
            &reader, scheme: lower.hasPrefix("http://") ? .plain : lower.hasPrefix("https://") ? .secure : .open)
        auth = AuthReference.read(&reader)
        readCompression(&reader)
        if var section = reader.map("headers") { headers = HeaderConfig.read(&section) }
        if var section = reader.map("keepalive") {
            var settings = GRPCClientKeepalive()
            settings.time = max(10_000_000_000, section.optionalDuration("time") ?? settings.time)
            settings.timeout = section.optionalDuration("timeout") ?? settings.timeout
            settings.permitWithoutStream = section.bool("permit_without_stream", default: false)
            section.finish()
            keepalive = settings
        }
        waitForReady = reader.bool("wait_for_ready", default: false)
        balancer = reader.oneOf("balancer_name", default: balancer)
        authority = reader.headerText("authority")
        userAgent = reader.headerText("user_agent")
        // Tuning of Go's transport; buffers here size themselves.
        _ = reader.integer("read_buffer_size", default: 0, in: 0...(.max))
        _ = reader.integer("write_buffer_size", default: 0, in: 0...(.max))
        reader.notSupported(["middlewares"], because: "leave the key out")
    }

    private mutating func readCompression(_ reader: inout ConfigReader) {
        let text = reader.stringIfPresent("compression")
        switch text {
        case nil, "gzip": compression = .gzip
        case "none", "": compression = .none
        case "snappy", "zstd", "deflate", "zlib", "x-snappy-framed", "lz4":
            reader.error("`\(text ?? "")` is not in Tailgate yet; `gzip` and `none` are", key: "compression")
        default: compression = reader.oneOf("compression", default: compression)
        }
        reader.notSupported(["compression_params"], because: "gzip's level is 1, the fastest; leave the key out")
    }
}

extension HeaderConfig {
    /// Reads a map of header names and values; whatever is wrong with one is reported, and it is left out.
    static func read(_ reader: inout ConfigReader) -> [HeaderConfig] {
        var headers: [HeaderConfig] = []
        for entry in reader.keys {
            let name = entry.key.lowercased()
            guard let value = reader.secret(entry.key)?.revealed else { continue }
            if !isHeaderName(name) {
                reader.problems.error(
                    "\"\(clipped(entry.key))\" is no name of a header that can be set", at: entry.keyPosition,
                    keyPath: reader.keyPath)
            } else if !isHeaderValue(value) {
                reader.error(
                    "a header's value is visible ASCII; this has other characters (a line break?)", key: entry.key)
            } else if headers.contains(where: { $0.name == name }) {
                reader.problems.error(
                    "the header `\(name)` is set twice; upper and lower case are the same", at: entry.keyPosition,
                    keyPath: reader.keyPath)
            } else {
                headers.append(HeaderConfig(name: name, value: value))
            }
        }
        return headers
    }
}

extension GRPCEndpoint {
    /// Reads `host:port`, `http://host:port`, `https://host:port`, `dns:///host:port`, `unix:///path`.
    /// - Returns: the endpoint, or what is wrong.
    static func parse(_ text: String) -> Result<GRPCEndpoint, AddressError> {
        let lower = text.lowercased()
        if text.isEmpty { return .failure(AddressError("`endpoint` is empty; write `endpoint: host:port`")) }
        if lower.hasPrefix("unix:") {
            let rest = String(text.dropFirst(5))
            let path = rest.hasPrefix("//") ? String(rest.dropFirst(2)) : rest
            return path.isEmpty
                ? .failure(AddressError("`unix:` names no path; write `unix:///path`")) : .success(.unix(path))
        }
        var rest = Substring(text)
        let hasScheme = lower.hasPrefix("http://") || lower.hasPrefix("https://")
        if hasScheme { rest = rest.dropFirst(lower.hasPrefix("https://") ? 8 : 7) }
        if lower.hasPrefix("dns:") {
            rest = rest.dropFirst(4)
            if rest.hasPrefix("//") {
                rest = rest.dropFirst(2)
                guard let slash = rest.firstIndex(of: "/") else {
                    return .failure(AddressError("\"\(clipped(text))\" names no host; write `dns:///host:port`"))
                }
                guard slash == rest.startIndex else {
                    return .failure(
                        AddressError("a DNS server of its own is not in Tailgate yet; write `dns:///host:port`"))
                }
                rest = rest.dropFirst()
            }
        } else if let scheme = text.firstRange(of: "://"), !hasScheme {
            return .failure(
                AddressError(
                    "`\(clipped(String(text[..<scheme.lowerBound])))://` is no known scheme; write `host:port`, `http://host:port`, `dns:///host:port` or `unix:///path`"
                ))
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if rest.contains("/") {
            return .failure(
                AddressError("\"\(clipped(text))\" has a path, which gRPC has no use for; write `host:port`"))
        }
        return NetworkAddress.parse(String(rest), allowsAnyHost: false, ports: 1...65_535).map { .host($0) }
    }
}

extension ConfigReader {
    /// Whether `""` is written under the key.
    fileprivate mutating func isEmptyText(_ key: String) -> Bool {
        guard case .scalar(let scalar)? = node(key)?.value else { return false }
        return scalar.text.isEmpty
    }

    /// A text that goes into a header of its own.
    fileprivate mutating func headerText(_ key: String) -> String? {
        guard let text = stringIfPresent(key), !text.isEmpty else { return nil }
        if !isHeaderValue(text) {
            error("visible ASCII is expected; this has other characters (a line break?)", key: key)
            return nil
        }
        return text
    }
}

/// A name that a user may set: a token of RFC 9110 §5.1, and not one that gRPC or HTTP/2 sets itself.
func isHeaderName(_ name: String) -> Bool {
    let own = ["te", "content-type", "content-length", "host", "connection", "user-agent", "transfer-encoding"]
    guard !name.isEmpty, !name.hasPrefix("grpc-"), !own.contains(name) else { return false }
    return name.utf8.allSatisfy { byte in
        byte &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
            || byte == UInt8(ascii: ".")
    }
}

/// Visible ASCII and blanks inside, what gRPC allows as metadata.
func isHeaderValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f } && value.utf8.first != 0x20 && value.utf8.last != 0x20
}

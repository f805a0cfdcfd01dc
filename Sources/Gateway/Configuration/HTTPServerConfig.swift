internal import ConfigTree
package import Transport

/// `protocols.http` of an OTLP receiver.
package struct HTTPServerConfig: Sendable, Equatable {
    /// Default `localhost:4318`.
    package var endpoint = ListenEndpoint.address(NetworkAddress(host: "localhost", port: 4318))
    /// Each begins with a slash.
    package var tracesPath = "/v1/traces"
    package var metricsPath = "/v1/metrics"
    package var logsPath = "/v1/logs"
    /// The limit of one body, before and after inflating. The Collector's default is 20 MiB; OTLP recommends 64 MiB.
    package var maxRequestBodyBytes = 64 << 20
    /// Nil: no page of another origin may send.
    package var cors: CORSConfig?
    /// From a request's header fields to its last byte.
    package var readTimeout: Int64 = 60_000_000_000
    /// From a connection's begin to its first header fields.
    package var readHeaderTimeout: Int64 = 60_000_000_000
    /// How long a client may leave an answer lying.
    package var writeTimeout: Int64 = 30_000_000_000
    /// A connection without requests for this long is closed.
    package var idleTimeout: Int64 = 60_000_000_000
    /// False: every HTTP/1.1 connection is closed after one answer.
    package var keepsAlive = true
    /// `compression_algorithms`: what bodies may be compressed with, `""` standing for those that are not. All by default.
    package var codings = ContentCoding.allCases
    /// `response_headers`: what every answer carries besides its own.
    package var responseHeaders: [HeaderConfig] = []
    /// `tls`, `auth` and `limits`.
    package var guards = ListenerGuardsConfig()

    /// Every value at its default.
    package init() {}
}

/// `cors` of an HTTP server.
package struct CORSConfig: Sendable, Equatable {
    /// Origins, with `*` for any characters.
    package var allowedOrigins: [String] = []
    package var allowedHeaders: [String] = []
    package var exposedHeaders: [String] = []
    /// Seconds; 0 leaves it to the browser.
    package var maxAge = 0

    /// Nothing allowed.
    package init() {}
}

extension HTTPServerConfig {
    init(_ reader: inout ConfigReader) {
        endpoint = reader.listenEndpoint(default: NetworkAddress(host: "localhost", port: 4318))
        tracesPath = reader.urlPath("traces_url_path", default: tracesPath)
        metricsPath = reader.urlPath("metrics_url_path", default: metricsPath)
        logsPath = reader.urlPath("logs_url_path", default: logsPath)
        if Set([tracesPath, metricsPath, logsPath]).count < 3 {
            reader.error("two signals have the same path; give each its own", key: "traces_url_path")
        }
        let bytes = reader.integer("max_request_body_size", default: 0, in: 0...GRPCServerConfig.largestMessageMiB << 20)
        if bytes > 0 { maxRequestBodyBytes = bytes }
        if var section = reader.map("cors") { cors = CORSConfig(&section) }
        readTimeout = reader.optionalDuration("read_timeout") ?? readTimeout
        readHeaderTimeout = reader.optionalDuration("read_header_timeout") ?? readHeaderTimeout
        writeTimeout = reader.optionalDuration("write_timeout") ?? writeTimeout
        idleTimeout = reader.optionalDuration("idle_timeout") ?? idleTimeout
        keepsAlive = reader.bool("keep_alives_enabled", default: true)
        if reader.bool("include_metadata", default: false) {
            reader.error(
                "`include_metadata: true` is not in Tailgate yet: client metadata is not passed on",
                key: "include_metadata")
        }
        codings = Self.codings(&reader)
        if var section = reader.map("response_headers") {
            for entry in section.keys where ["date", "vary"].contains(entry.key.lowercased()) {
                section.problems.error(
                    "Tailgate sets the header `\(clipped(entry.key))` itself; leave it out", at: entry.keyPosition,
                    keyPath: section.keyPath)
            }
            responseHeaders = HeaderConfig.read(&section)
        }
        guards = ListenerGuardsConfig(&reader, protocols: ["h2", "http/1.1"])
        reader.notSupported(["middlewares"], because: "leave the key out")
        reader.notSupported(["profiles_url_path"], because: "profiles are not taken; leave the key out")
        reader.finish()
    }
}

extension HTTPServerConfig {
    /// Names that the Collector knows and Tailgate has no library for.
    private static let foreignCodings = ["zstd", "snappy", "x-snappy-framed", "lz4"]

    /// Reads `compression_algorithms`. As in the Collector an empty list is all, and `""` stands for bodies as they are.
    private static func codings(_ reader: inout ConfigReader) -> [ContentCoding] {
        let placed = reader.placedStrings("compression_algorithms")
        var named: Set<ContentCoding> = []
        for item in placed {
            if let coding = ContentCoding(headerValue: Array(item.text.utf8)[...]) {
                named.insert(coding)
            } else {
                let isForeign = foreignCodings.contains(item.text)
                reader.problems.error(
                    "`\(clipped(item.text))` is \(isForeign ? "not in Tailgate" : "no compression"); allowed: \"\", gzip, zlib, deflate",
                    at: item.position, keyPath: item.keyPath)
            }
        }
        return placed.isEmpty ? ContentCoding.allCases : ContentCoding.allCases.filter(named.contains)
    }
}

extension CORSConfig {
    init(_ reader: inout ConfigReader) {
        allowedOrigins = reader.placedStrings("allowed_origins").map(\.text)
        allowedHeaders = reader.placedStrings("allowed_headers").map(\.text)
        exposedHeaders = reader.placedStrings("exposed_headers").map(\.text)
        for (key, names) in [("allowed_headers", allowedHeaders), ("exposed_headers", exposedHeaders)] {
            for name in names where !isHeaderValue(name) || name.contains(" ") {
                reader.error("\"\(clipped(name))\" is no name of a header", key: key)
            }
        }
        if allowedOrigins.isEmpty {
            reader.warning(
                "without `allowed_origins` no page of another origin may send; write for example `allowed_origins: [\"https://*.example.com\"]`"
            )
        }
        maxAge = reader.integer("max_age", default: 0, in: 0...86_400 * 365)
        reader.finish()
    }
}

extension ConfigReader {
    /// The path of a URL; a missing slash at its beginning is added, as the Collector does.
    fileprivate mutating func urlPath(_ key: String, default fallback: String) -> String {
        guard let text = stringIfPresent(key), !text.isEmpty else { return fallback }
        if !isHeaderValue(text) || text.contains(where: { $0 == " " || $0 == "?" || $0 == "#" }) {
            error("\"\(clipped(text))\" is no path; write for example `/v1/traces`", key: key)
            return fallback
        }
        return text.hasPrefix("/") ? text : "/" + text
    }
}

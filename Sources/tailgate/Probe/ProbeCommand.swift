internal import ArgumentParser
internal import Foundation
internal import Gateway

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Ask a node how it is, for health checks in images without curl.",
        discussion: """
            Exit code 0 if the answer is 2xx, 1 if it is another one or none. By default it asks whether the node on this machine \
            takes spans.

            Examples:
              tailgate probe
              tailgate probe --config /etc/tailgate/tailgate.yaml --path /healthz
              tailgate probe --url http://127.0.0.1:8888/readyz --timeout 1s
            """)

    @Option(help: "What to ask: an http:// address with host, port and path. Default: http://127.0.0.1:8888/readyz")
    var url: ProbeAddress?

    @Option(name: .shortAndLong, help: "Ask the node of this configuration, at the address of its metrics.")
    var config: String?

    @Option(help: "With --config: which page.")
    var path = "/readyz"

    @Option(help: "How long to wait for an answer.")
    var timeout = DurationArgument(nanoseconds: 2_000_000_000)

    func validate() throws {
        if url != nil, config != nil { throw ValidationError("give either --url or --config") }
        if ProbeAddress.invalid(path: path) { throw ValidationError("--path must start with `/` and hold no blanks") }
        if timeout.nanoseconds <= 0 { throw ValidationError("--timeout must be above 0") }
    }

    func run() async throws {
        let address = try target()
        do {
            let answer = try await ProbeClient.get(address, timeout: timeout.nanoseconds)
            guard !(200..<300).contains(answer.status) else { return }
            StandardError.print("\(address): \(answer.status) \(answer.text)")
        } catch {
            StandardError.print("\(address): \(error)")
        }
        throw ExitCode(1)
    }

    private func target() throws -> ProbeAddress {
        guard let config else { return url ?? ProbeAddress(host: "127.0.0.1", port: 8888, path: path) }
        let listened = try ConfigurationFiles.load(config).telemetry.metricsAddress
        return ProbeAddress(host: listened.host, port: listened.port, path: path)
    }
}

/// An `http://` address. A host that means "every interface" is asked on the loopback.
struct ProbeAddress: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let host: String
    let port: Int
    let path: String

    init(host: String, port: Int, path: String) {
        self.host =
            switch host {
            case "", "0.0.0.0": "127.0.0.1"
            case "::": "::1"
            default: host
            }
        self.port = port
        self.path = path
    }

    init?(argument: String) {
        guard let parts = URLComponents(string: argument), parts.scheme == "http", let host = parts.host, !host.isEmpty
        else { return nil }
        let port = parts.port ?? 80
        guard (1...65_535).contains(port) else { return nil }
        let query = parts.percentEncodedQuery.map { "?\($0)" } ?? ""
        let path = (parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath) + query
        if Self.invalid(path: path) { return nil }
        self.init(host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, port: port, path: path)
    }

    /// What would break the request line.
    static func invalid(path: String) -> Bool {
        !path.hasPrefix("/") || path.utf8.contains { $0 <= 0x20 || $0 == 0x7f }
    }

    /// Host and port as they stand in an address and in the `Host` header.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    var description: String { "http://\(authority)\(path)" }
}

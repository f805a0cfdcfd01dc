/// What the Collector's `health_check` extension answers: 200 once the pipelines run, else 503,
/// with a small JSON object. Any method is fine.
package struct HealthCheckPage: AdminResponder {
    /// Whether the pipelines run.
    package enum State: Sendable, Equatable {
        /// Starting or shutting down.
        case unavailable
        /// Serving. `since`: nanoseconds since 1970; `uptime`: nanoseconds from then to now.
        case available(since: Int64, uptime: Int64)
    }

    private let path: String
    private let state: @Sendable () -> State

    /// - Parameters:
    ///   - path: as the extension's `path`: exactly this one, or all below it if it ends in `/`
    ///     (so the default `/` answers everywhere).
    ///   - state: asked for every request.
    package init(path: String = "/", state: @escaping @Sendable () -> State) {
        self.path = path
        self.state = state
    }

    package func answer(_ request: AdminRequest) async -> AdminResponse {
        guard request.path == path || (path.hasSuffix("/") && request.path.hasPrefix(path)) else {
            return AdminResponse(status: 404, text: "404 page not found")
        }
        let status: Int
        let text: String
        switch state() {
        case .available(let since, let uptime):
            status = 200
            text = Self.json(
                "Server available", upSince: GoTime.timestamp(nanosecondsSince1970: since),
                uptime: GoTime.duration(nanoseconds: uptime))
        case .unavailable:
            status = 503
            // the zero value of Go's time, as the extension prints it
            text = Self.json(
                "Server not available", upSince: "0001-01-01T00:00:00Z", uptime: "")
        }
        return AdminResponse(
            status: status, contentType: AdminResponse.json, body: Array(text.utf8))
    }

    private static func json(_ status: String, upSince: String, uptime: String) -> String {
        "{\"status\":\"\(status)\",\"upSince\":\"\(upSince)\",\"uptime\":\"\(uptime)\"}"
    }
}

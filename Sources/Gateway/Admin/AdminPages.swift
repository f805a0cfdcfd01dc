package import Telemetry

/// Where the admin pages get what they show. The composition root fills it; the pages know
/// nothing of workers.
package struct AdminSources: Sendable {
    /// The metrics in the given format; nil if metrics are off (`level: none`), and then
    /// `/metrics` does not exist.
    package var metrics: (@Sendable (ExpositionFormat) async -> [UInt8])?
    /// The ledger as JSON.
    package var ledger: @Sendable () async -> [UInt8]
    /// Whether the node takes requests now.
    package var isReady: @Sendable () -> Bool
    /// Whether the process works; if not it should be restarted.
    package var isHealthy: @Sendable () -> Bool
    /// The pages about policies; nil: there are none.
    var policies: PolicyPages?
    /// The page about the cluster; nil: the node is alone.
    var cluster: ClusterPages?

    package init(
        metrics: (@Sendable (ExpositionFormat) async -> [UInt8])?,
        ledger: @escaping @Sendable () async -> [UInt8],
        isReady: @escaping @Sendable () -> Bool, isHealthy: @escaping @Sendable () -> Bool
    ) {
        self.metrics = metrics
        self.ledger = ledger
        self.isReady = isReady
        self.isHealthy = isHealthy
    }
}

/// The pages of the admin endpoint: `/metrics`, `/healthz`, `/readyz`, `/ledger`, and an index.
package struct AdminPages: AdminResponder {
    private let sources: AdminSources

    package init(_ sources: AdminSources) {
        self.sources = sources
    }

    package func answer(_ request: AdminRequest) async -> AdminResponse {
        guard let page = page(at: request.path) else {
            if let answer = await sources.policies?.answer(request) { return answer }
            if let answer = await sources.cluster?.answer(request) { return answer }
            return AdminResponse(status: 404, text: "404 page not found")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return AdminResponse(
                status: 405, text: "405 method not allowed", allow: "GET, HEAD")
        }
        switch page {
        case .index: return index
        case .metrics(let metrics):
            let format = ExpositionFormat.negotiate(accept: request.accept)
            return AdminResponse(contentType: format.contentType, body: await metrics(format))
        case .ledger:
            return AdminResponse(contentType: AdminResponse.json, body: await sources.ledger())
        case .health:
            return sources.isHealthy()
                ? AdminResponse(text: "ok") : AdminResponse(status: 503, text: "not healthy")
        case .readiness:
            return sources.isReady()
                ? AdminResponse(text: "ready") : AdminResponse(status: 503, text: "not ready")
        }
    }

    private enum Page {
        case index, ledger, health, readiness
        case metrics(@Sendable (ExpositionFormat) async -> [UInt8])
    }

    private func page(at path: String) -> Page? {
        switch path {
        case "/": .index
        case "/metrics": sources.metrics.map { .metrics($0) }
        case "/ledger": .ledger
        case "/healthz": .health
        case "/readyz": .readiness
        default: nil
        }
    }

    private var index: AdminResponse {
        var lines = ["tailgate"]
        if sources.metrics != nil {
            lines.append("/metrics  metrics, as Prometheus text or OpenMetrics")
        }
        lines.append("/ledger   where every accepted span is, as JSON")
        lines.append("/healthz  200 while the process works")
        lines.append("/readyz   200 while the node takes requests")
        if sources.policies != nil { lines += PolicyPages.index }
        if sources.cluster != nil { lines += ClusterPages.index }
        return AdminResponse(text: lines.joined(separator: "\n"))
    }
}

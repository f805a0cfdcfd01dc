internal import NativeCore
internal import Telemetry
internal import OTLP

/// The health service's calls.
extension ServerConnection {
    func health(_ stream: Int32, _ method: GRPCMethod, _ payload: [UInt8]) throws(RequestRefusal) {
        if method == .healthList {
            answer(stream, GRPCReplies.message(HealthService.list(isServing: server.worker.isServing)))
            return
        }
        guard let request = try? HealthCheckRequest(parsing: payload.span) else {
            throw RequestRefusal(.malformed, .invalidArgument, "not a HealthCheckRequest")
        }
        let status = HealthService.status(of: request.service, isServing: server.worker.isServing)
        if method == .healthWatch {
            calls[stream]?.answeredAt = server.worker.now
            watchers.insert(stream)
            let message = HealthCheckResponse(status: status ?? .serviceUnknown).encoded
            session.respondStreaming(
                stream, headers: GRPCReplies.okHeaders, body: GRPCReplies.message(message))
        } else if let status {
            answer(stream, GRPCReplies.message(HealthCheckResponse(status: status).encoded))
        } else {
            throw RequestRefusal(.unknownMethod, .notFound, "unknown service")
        }
    }
}

internal import OTLP

/// `grpc.health.v1.Health`: the node as a whole (""), and the trace service.
enum HealthService {
    private static let services = ["", "opentelemetry.proto.collector.trace.v1.TraceService"]

    /// The status of a service, or nil if there is no such service.
    static func status(of service: [UInt8], isServing: Bool) -> HealthServingStatus? {
        guard services.contains(where: { $0.utf8.elementsEqual(service) }) else { return nil }
        return isServing ? .serving : .notServing
    }

    /// HealthListResponse: map<string, HealthCheckResponse> statuses = 1.
    static func list(isServing: Bool) -> [UInt8] {
        let status = HealthCheckResponse(status: isServing ? .serving : .notServing).encoded
        var output: [UInt8] = []
        for service in services {
            var entry: [UInt8] = []
            entry.appendField(1, bytes: Array(service.utf8))
            entry.appendField(2, bytes: status)
            output.appendField(1, bytes: entry)
        }
        return output
    }
}

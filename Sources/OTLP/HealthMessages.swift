/// grpc.health.v1: the messages of the Health service.
///
/// Source: grpc-proto, grpc/health/v1/health.proto.
package enum HealthServingStatus: UInt8, Sendable {
    /// Not known yet.
    case unknown = 0
    /// Requests are welcome.
    case serving = 1
    /// Requests should go elsewhere.
    case notServing = 2
    /// `Watch` only: there is no such service.
    case serviceUnknown = 3
}

/// HealthCheckRequest: which service is asked about; the empty name is the whole server.
package struct HealthCheckRequest: Equatable, Sendable {
    /// The full name of a service, UTF-8.
    package var service: [UInt8]

    /// Creates a request.
    package init(service: [UInt8] = []) { self.service = service }

    /// Reads a request.
    package init(parsing bytes: Span<UInt8>) throws(WalkError) {
        self.init()
        var reader = FieldReader(bytes, 0..<bytes.count)
        while let field = try reader.next() {
            if field.tag == 0x0a { service = bytes.array(field.payload) }
        }
    }

    /// The protobuf bytes.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        if !service.isEmpty { output.appendField(1, bytes: service) }
        return output
    }
}

/// HealthCheckResponse: how a service is.
package struct HealthCheckResponse: Equatable, Sendable {
    /// How the service is.
    package var status: HealthServingStatus

    /// Creates a response.
    package init(status: HealthServingStatus) { self.status = status }

    /// Reads a response; a status that isn't known counts as `unknown`.
    package init(parsing bytes: Span<UInt8>) throws(WalkError) {
        status = .unknown
        var reader = FieldReader(bytes, 0..<bytes.count)
        while let field = try reader.next() {
            guard field.tag == 0x08 else { continue }
            status = UInt8(exactly: field.value).flatMap(HealthServingStatus.init) ?? .unknown
        }
    }

    /// The protobuf bytes.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        output.appendField(1, varint: UInt64(status.rawValue))
        return output
    }
}

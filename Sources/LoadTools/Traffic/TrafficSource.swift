/// One request that is ready to be sent.
package struct PreparedRequest: Sendable {
    /// A whole gRPC message: 5-byte prefix (not compressed), then an ExportTraceServiceRequest.
    package let bytes: [UInt8]
    package let spans: Int
    /// Traces with spans in this request.
    package let traces: Int
    /// Number of the instance, and which part of its traces this is.
    package let instance: UInt64
    package let part: Int
}

/// Makes the requests of one lane of traffic: one sender of several, each with instances of its own.
///
/// Owner: one event loop. Keeps its own templates, which are overwritten in place; a template that is still being sent
/// is copied first.
package struct TrafficSource {
    private let identity: TraceIdentity
    private let tracesPerInstance: Int
    private let parts: Int
    private let lanes: UInt64
    private var templates: [[TrafficTemplate]]
    private var ids: [TraceWords]
    private var instance: UInt64
    private var part = 0
    private var instanceTime: Int64 = 0

    /// Lane `lane` of `lanes` sends the instances with that remainder.
    package init(catalog: TrafficCatalog, lane: Int = 0, lanes: Int = 1) {
        precondition(lanes > 0 && (0..<lanes).contains(lane))
        identity = catalog.identity
        tracesPerInstance = catalog.settings.tracesPerInstance
        parts = catalog.settings.requestsPerTrace
        self.lanes = UInt64(lanes)
        templates = catalog.templates
        ids = [TraceWords](repeating: TraceWords(high: 0, low: 0), count: tracesPerInstance)
        instance = UInt64(lane)
    }

    /// Spans in the request that ``next(unixNanoseconds:)`` would make.
    package var nextSpans: Int { templates[family][part].spans }

    /// Whether parts of the present instance have been made and others have not.
    package var isMidInstance: Bool { part > 0 }

    private var family: Int { Int(instance % UInt64(templates.count)) }

    /// The next request. Traces end shortly before the time of the first request of their instance.
    ///
    /// - Complexity: five stores a span; a copy of the bytes if the template's last use is still held by somebody.
    package mutating func next(unixNanoseconds: Int64) -> PreparedRequest {
        if part == 0 {
            instanceTime = unixNanoseconds
            let first = instance &* UInt64(tracesPerInstance)
            for trace in ids.indices {
                ids[trace] = identity.traceID(number: first &+ UInt64(trace))
            }
        }
        let family = family
        templates[family][part].stamp(ids: ids, unixNanoseconds: instanceTime)
        let request = PreparedRequest(
            bytes: templates[family][part].bytes, spans: templates[family][part].spans, traces: tracesPerInstance,
            instance: instance, part: part)
        part += 1
        if part == parts {
            part = 0
            instance &+= lanes
        }
        return request
    }
}

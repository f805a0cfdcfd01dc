package import Delivery
package import Logging
package import NIOCore
internal import OTLP
internal import Telemetry

/// Logs requests, as the Collector's `debug` exporter does: counts, or with `detailed` the whole content as JSON.
package final class DebugExportSender: ExportSender {
    private let logger: Logger
    private let eventLoop: any EventLoop
    private let isDetailed: Bool

    package init(logger: Logger, eventLoop: any EventLoop, isDetailed: Bool) {
        self.logger = logger
        self.eventLoop = eventLoop
        self.isDetailed = isDetailed
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        var metadata: Logger.Metadata = [
            "spans": "\(request.spanCount)", "traces": "\(request.traceCount)", "bytes": "\(request.identity.count)",
        ]
        if isDetailed {
            var text: [UInt8] = []
            let message = request.identity
            if (try? OTLPJSONWriter.append(message.span, to: &text)) != nil {
                metadata["content"] = "\(String(decoding: text, as: UTF8.self))"
            }
        }
        logger.info("Traces", metadata: metadata)
        let bytes = request.identity.count
        eventLoop.assumeIsolated().execute {
            done(AttemptResult(outcome: .delivered(rejectedSpans: 0), label: .ok, bytes: bytes))
        }
    }

    package func close() {}
}

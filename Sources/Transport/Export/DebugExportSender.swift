package import Delivery
package import Logging
package import NIOCore
internal import OTLP
internal import Telemetry

/// How much the `debug` exporter writes.
package enum DebugVerbosity: Sendable {
    /// Counts.
    case basic
    /// And a line for each span.
    case normal
    /// And the whole content as JSON.
    case detailed
}

/// Which of many messages are written, as the Collector's `debug` exporter decides it: the first few of every second, and then
/// every so many-th. Pure.
package struct DebugSampler: Sendable {
    /// Written in any case, of a second.
    package let initial: Int
    /// Of those after that, every so many-th is written; 0: none.
    package let thereafter: Int
    private var second: Int64 = .min
    private var count = 0

    package init(initial: Int = 2, thereafter: Int = 1) {
        self.initial = initial
        self.thereafter = thereafter
    }

    /// Whether a message at this time, in nanoseconds, is written.
    package mutating func writes(now: Int64) -> Bool {
        let second = now / 1_000_000_000
        if second != self.second {
            self.second = second
            count = 0
        }
        count += 1
        if count <= initial { return true }
        return thereafter > 0 && (count - initial) % thereafter == 0
    }
}

/// Logs requests, as the Collector's `debug` exporter does. What is to be written is put into words on a thread of the encoders;
/// requests that are not written cost nothing.
package final class DebugExportSender: ExportSender {
    private let logger: Logger
    private let eventLoop: any EventLoop
    private let encoders: EncoderPool
    private let verbosity: DebugVerbosity
    private var sampler: DebugSampler

    package init(
        logger: Logger, eventLoop: any EventLoop, encoders: EncoderPool, verbosity: DebugVerbosity = .basic,
        sampler: DebugSampler = DebugSampler()
    ) {
        self.logger = logger
        self.eventLoop = eventLoop
        self.encoders = encoders
        self.verbosity = verbosity
        self.sampler = sampler
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        let bytes = request.identity.count
        let result = AttemptResult(outcome: .delivered(rejectedSpans: 0), label: .ok, bytes: bytes)
        let now = Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds)
        guard sampler.writes(now: now) else {
            eventLoop.assumeIsolated().execute { done(result) }
            return
        }
        let (logger, verbosity) = (logger, verbosity)
        guard verbosity != .basic else {
            Self.log(request, verbosity, logger)
            eventLoop.assumeIsolated().execute { done(result) }
            return
        }
        encoders.run(on: eventLoop) {
            Self.log(request, verbosity, logger)
        } _: { _ in
            done(result)
        }
    }

    private static func log(_ request: ExportRequest, _ verbosity: DebugVerbosity, _ logger: Logger) {
        var metadata: Logger.Metadata = [
            "spans": "\(request.spanCount)", "traces": "\(request.traceCount)", "bytes": "\(request.identity.count)",
        ]
        let message = request.identity
        var text: [UInt8] = []
        switch verbosity {
        case .basic: break
        case .normal:
            if (try? SpanLines.append(message.span, to: &text)) != nil {
                for line in text.split(separator: UInt8(ascii: "\n")) {
                    logger.info("\(String(decoding: line, as: UTF8.self))")
                }
            }
        case .detailed:
            if (try? OTLPJSONWriter.append(message.span, to: &text)) != nil {
                metadata["content"] = "\(String(decoding: text, as: UTF8.self))"
            }
        }
        logger.info("Traces", metadata: metadata)
    }

    package func close() {}
}

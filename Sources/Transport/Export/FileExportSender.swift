package import Delivery
package import NIOCore
package import NIOPosix
package import NativeCore
internal import OTLP
internal import Telemetry

/// Writes requests as OTLP JSON lines, one request a line, the format of the Collector's `file` exporter.
///
/// Encoding and writing block, so they run on a thread of their own; the destination's queue bounds what waits for it. What counts
/// as sent is a whole line of the file (`AppendFile`); it is in the system's hands then, not yet on the disk.
package final class FileExportSender: ExportSender {
    private let file: AppendFile
    private let eventLoop: any EventLoop
    private let pool: NIOThreadPool

    /// - Parameter pool: with one thread, so that lines come in order.
    package init(file: AppendFile, eventLoop: any EventLoop, pool: NIOThreadPool) {
        self.file = file
        self.eventLoop = eventLoop
        self.pool = pool
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        let file = file
        let written = pool.runIfActive(eventLoop: eventLoop) { () throws -> Int in
            var line: [UInt8] = []
            line.reserveCapacity(request.identity.count * 2)
            let message = request.identity
            try OTLPJSONWriter.append(message.span, to: &line)
            line.append(UInt8(ascii: "\n"))
            try file.append(line.span)
            return line.count
        }
        written.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let bytes):
                done(AttemptResult(outcome: .delivered(rejectedSpans: 0), label: .ok, bytes: bytes))
            case .failure(let error):
                // A full disk may be emptied; the retry limits decide how long to hope.
                done(AttemptResult(outcome: .retry(after: nil), label: .retryable, bytes: 0, message: Self.text(error)))
            }
        }
    }

    package func close() {}

    private static func text(_ error: any Error) -> String {
        guard let failure = error as? AppendFile.Failure else { return "cannot write: \(error)" }
        let torn = failure.leavesTornLine ? "; a part of a line that does not count as sent is left in the file" : ""
        return "cannot write: \(failure.error.text)\(torn)"
    }
}

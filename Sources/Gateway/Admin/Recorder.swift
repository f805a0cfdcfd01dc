internal import OTLP
internal import Synchronization
internal import Transport

/// Answers requests for a sample of whole traces, kept or not: one at a time, bounded in bytes and time, as a stream of OTLP JSON,
/// one line per trace.
///
/// Traces that are decided while it runs are taken; which of them, when there are too many, is decided by the trace id. A trace
/// of more than 2048 spans comes in several lines. Workers collect protobuf; it becomes JSON here, on no worker's loop.
final class Recorder: Sendable {
    static let secondsRange = 1...3600
    static let bytesRange = 1024...(1 << 30)
    static let defaultSeconds = 10
    static let defaultBytes = 16 << 20

    private let workers: [WorkerHandle]
    private let isBusy = Atomic<Bool>(false)

    init(workers: [WorkerHandle]) { self.workers = workers }

    func answer(_ request: AdminRequest) -> AdminResponse {
        let seconds: Int
        let bytes: Int
        do throws(ParameterError) {
            seconds = try Self.number(request, "seconds", Self.defaultSeconds, Self.secondsRange)
            bytes = try Self.number(request, "max_bytes", Self.defaultBytes, Self.bytesRange)
        } catch {
            return AdminResponse(status: 400, text: "400 \(error.text)")
        }
        guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged else {
            return AdminResponse(status: 429, text: "429 a recording is under way; one runs at a time")
        }
        return AdminResponse(contentType: "application/x-ndjson", stream: AdminStream { write in
            await self.record(seconds: seconds, maximumBytes: bytes, write)
            self.isBusy.store(false, ordering: .releasing)
        })
    }

    private struct ParameterError: Error { let text: String }

    private static func number(
        _ request: AdminRequest, _ name: String, _ absent: Int, _ range: ClosedRange<Int>
    ) throws(ParameterError) -> Int {
        guard let text = request.query[name] else { return absent }
        guard let value = Int(text), range.contains(value) else {
            throw ParameterError(text: "\(name) must be a whole number in \(range.lowerBound) ... \(range.upperBound)")
        }
        return value
    }

    private func record(seconds: Int, maximumBytes: Int, _ write: AdminStream.Write) async {
        let duration = Int64(seconds) * 1_000_000_000
        // As JSON a span takes some 2.1 times the room.
        let share = max(1, maximumBytes / workers.count * 4 / 9)
        for worker in workers {
            try? await worker.run { $0.server.worker.startRecording(duration: duration, maximumBytes: share) }
        }
        let end = ContinuousClock.now + .seconds(seconds)
        var left = maximumBytes
        var isLast = false
        while left > 0 && !isLast && !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100))
            isLast = ContinuousClock.now >= end
            for worker in workers where left > 0 {
                for message in (try? await worker.run { $0.server.worker.takeRecording() }) ?? [] {
                    var line: [UInt8] = []
                    guard (try? OTLPJSONWriter.append(message.span, to: &line)) != nil else { continue }
                    line.append(UInt8(ascii: "\n"))
                    // A line that does not fit is left out rather than cut.
                    guard line.count <= left else { continue }
                    left -= line.count
                    guard await write(line) else {
                        left = 0
                        break
                    }
                }
            }
        }
        for worker in workers { try? await worker.run { $0.server.worker.stopRecording() } }
    }
}

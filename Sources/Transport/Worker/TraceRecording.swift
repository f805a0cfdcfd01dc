internal import Delivery
internal import OTLP
internal import Sampling

/// A sample of whole traces, kept or not, that a worker collects while somebody asks for it.
///
/// Bounded in bytes and time, and spread over its time: when more comes than its share of the bytes, the share of traces that is
/// recorded is halved. Which traces those are is decided by the trace id alone.
struct TraceRecording: ~Copyable {
    private let startedAt: Int64
    private let duration: Int64
    private let maximumBytes: Int
    private var assembler: BatchAssembler
    private var messages: [[UInt8]] = []
    private var bytes = 0
    /// The large trace that comes in parts, and whether there is room for it; they come one trace after the other.
    private var large: (traceID: TraceID, isTaken: Bool)?
    private var nextHalving: Int64
    /// See `Shard.recordingThreshold`.
    private(set) var threshold = UInt64.max

    /// - Parameters:
    ///   - duration: nanoseconds.
    ///   - maximumBytes: of protobuf.
    init(duration: Int64, maximumBytes: Int, now: Int64) {
        startedAt = now
        nextHalving = now
        self.duration = duration
        self.maximumBytes = maximumBytes
        var settings = BatchSettings()
        settings.sendBatchMaxSize = 0
        settings.maximumRequestBytes = 256 << 20
        assembler = BatchAssembler(settings: settings)
    }

    func isOver(_ now: Int64) -> Bool { now - startedAt >= duration }

    /// Nobody has fetched the rest for ten seconds.
    func isAbandoned(_ now: Int64) -> Bool { now - startedAt >= duration + 10_000_000_000 }

    /// Records less from now on if there is more than its share.
    mutating func pace(_ now: Int64) {
        guard now >= nextHalving, bytes > allowance(now) else { return }
        threshold /= 2
        nextHalving = now + 20_000_000
    }

    /// A tenth at once, the rest spread over the time.
    private func allowance(_ now: Int64) -> Int {
        let passed = Double(min(duration, max(0, now - startedAt))) / Double(max(1, duration))
        return Int(Double(maximumBytes) * (0.1 + 0.9 * passed))
    }

    /// Begins a trace; false if there is no room for it.
    mutating func begin(spans: Int, bytes: Int, now: Int64) -> Bool {
        guard self.bytes + bytes <= min(maximumBytes, allowance(now)) else { return false }
        return assembler.beginTrace(spans: spans, bytes: bytes, now: now)
    }

    /// Begins a part of a large trace, of which all parts are taken or none; false if there is no room.
    mutating func beginPart(of trace: DecidedTrace, spans: Int, bytes: Int, now: Int64) -> Bool {
        if large?.traceID != trace.traceID {
            large = (trace.traceID, self.bytes + trace.spanBytes <= min(maximumBytes, allowance(now)))
        }
        return large?.isTaken == true && assembler.beginTrace(spans: spans, bytes: bytes, now: now)
    }

    mutating func add(_ group: UInt64, _ resource: Span<UInt8>, _ scope: Span<UInt8>, _ span: Span<UInt8>) {
        _ = assembler.add(groupHash: group, resource: resource, scope: scope, span: span)
    }

    mutating func end(_ now: Int64) {
        assembler.endTrace(now: now)
        guard let batch = assembler.flush() else { return }
        bytes += batch.message.count
        messages.append(batch.message)
    }

    /// What was recorded since the last call, one `ExportTraceServiceRequest` per trace, or per part of a large one.
    mutating func take() -> [[UInt8]] {
        defer { messages = [] }
        return messages
    }
}

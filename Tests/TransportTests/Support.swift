import Delivery
import Logging
import NIOCore
import NIOEmbedded
import NativeCore
import OTLP
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Sampling
@testable import Transport

extension Encode {
    /// A span of `milliseconds`.
    static func span(_ trace: TraceID, id: UInt64 = 1, milliseconds: UInt64 = 0, filler: Int = 0) -> [UInt8] {
        let start: UInt64 = 1_700_000_000_000_000_000
        return bytes(1, trace.bytes) + bytes(2, bigEndian(id))
            + bytes(5, [UInt8](repeating: 97, count: filler)) + fixed64(7, start)
            + fixed64(8, start + milliseconds * 1_000_000)
    }

    static func request(_ spans: [[UInt8]], service: String = "shop") -> [UInt8] {
        let resource = bytes(1, attribute(1, "service.name", text(1, service)))
        return bytes(1, resource + bytes(2, spans.flatMap { bytes(2, $0) }))
    }
}

func trace(_ number: UInt64) -> TraceID { TraceID(high: 0xabcd, low: number) }

/// Slow traces (over a second) are kept, nothing else.
func makePlan(
    workers: Int = 1, destinations: [String] = ["a"], memoryLimit: Int = 8 << 30, _ change: (inout NodePlan) -> Void = { _ in }
) throws -> NodePlan {
    var settings = NodeMetricsSettings(
        version: "1", swiftVersion: "6.3", instanceID: "test", workerCount: workers, allocatorVersion: "5")
    settings.destinations = destinations.map { DestinationIdentity(name: $0) }
    settings.memoryLimiter = "memory_limiter"
    settings.policyNames = ["slow"]
    var shard = ShardSettings()
    shard.decisionWait = 20_000_000
    shard.maximumBytes = 256 << 20
    shard.sampledCacheSize = 10_000
    shard.notSampledCacheSize = 10_000
    let policies = PolicySet(
        version: 1, policies: [PolicySet.Named(name: "slow", policy: LatencyPolicy(threshold: 1000))],
        predicates: PredicateCompiler())
    var plan = NodePlan(
        workerCount: workers, hashKeys: HashKeys(1, 2), shard: shard, policies: policies, batch: BatchSettings(),
        limits: [ServerLimits()], metrics: try NodeMetrics(settings),
        memory: MemoryBudget(limitBytes: memoryLimit, softLimitBytes: memoryLimit), destinationNames: destinations)
    change(&plan)
    return plan
}

let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Holds attempts until the test ends them.
final class FakeSender: ExportSender {
    struct Attempt {
        var request: ExportRequest
        var done: (AttemptResult) -> Void
    }
    var attempts: [Attempt] = []
    var isClosed = false

    func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        attempts.append(Attempt(request: request, done: done))
    }

    func close() { isClosed = true }

    /// Ends the oldest attempt; returns its request.
    @discardableResult
    func end(_ outcome: Delivery.ExportOutcome, _ label: AttemptOutcome) -> ExportRequest {
        let attempt = attempts.removeFirst()
        attempt.done(AttemptResult(outcome: outcome, label: label, bytes: attempt.request.identity.count))
        return attempt.request
    }
}

/// One worker on an embedded loop, with a destination for each name.
final class Node {
    let loop = EmbeddedEventLoop()
    let plan: NodePlan
    let worker: Worker
    let server: WorkerServer
    var senders: [FakeSender] = []
    var destinations: [Destination] = []

    init(_ plan: NodePlan, queue: QueueSettings = QueueSettings(), retry: RetrySettings = RetrySettings()) {
        self.plan = plan
        worker = Worker(
            number: 0, eventLoop: loop, plan: plan,
            mailboxes: [WorkerMailbox(senders: 1)], now: Int64(NIODeadline.now().uptimeNanoseconds))
        server = WorkerServer(worker: worker, logger: silent)
        for (number, name) in plan.destinationNames.enumerated() {
            let sender = FakeSender()
            senders.append(sender)
            destinations.append(
                Destination(
                    name: name, number: number, eventLoop: loop, queue: queue, retry: retry, sender: sender,
                    metrics: plan.metrics.destinations[number], cells: worker.cells, logger: silent))
        }
        worker.connect(destinations.map { DestinationRoute($0) }, wakers: [{}])
        worker.isAccepting = true
        worker.isServing = true
    }

    /// The ledger as a scrape sees it.
    var ledger: Ledger {
        for destination in destinations { destination.fill(&worker.ledger.destinations[destination.number]) }
        return Ledger(
            workers: [worker.snapshot().ledger], destinationNames: plan.destinationNames, pipelines: plan.ledgerPipelines)
    }

    func refused(_ reason: RefusalReason) -> Int { worker.cells.value(of: plan.metrics.ingress.refusedRequests[reason]) }
    func rejected(_ reason: RejectionReason) -> Int { worker.cells.value(of: plan.metrics.ingress.rejectedSpans[reason]) }

    /// `accept`, its answer as values.
    func accept(_ message: [UInt8], encoding: GRPCEncoding = .identity) -> Result<SpanRejectionCounts, RequestRefusal> {
        do throws(RequestRefusal) {
            return .success(try worker.accept(body: [0, 0, 0, 0, 0] + message, payloadStart: 5, form: BodyForm(encoding), receiver: 0).rejected)
        } catch {
            return .failure(error)
        }
    }

    /// Decides all traces and hands the batch over.
    func settle() {
        while worker.decide(budget: .max, early: true) {}
        worker.flushIfDue(force: true)
    }
}

func gzip(_ bytes: [UInt8], level: Int32 = 1) -> [UInt8] {
    var deflater = Deflater(level: level)
    return deflater.gzip(bytes.span)
}

func header(_ fields: HTTP2Headers?, _ name: StaticString) -> String? {
    fields?.first(name).map { String(decoding: $0, as: UTF8.self) }
}

/// A gRPC client over an embedded channel with a `ServerConnection` at its end.
final class Caller {
    struct Reply {
        var headers: HTTP2Headers?
        var trailers: HTTP2Headers?
        var body: [UInt8] = []
        var ended = false
        var closed: UInt32?

        var grpcStatus: String? { header(trailers, "grpc-status") ?? header(headers, "grpc-status") }
        var httpStatus: String? { header(headers, ":status") }
        var message: String? { header(trailers, "grpc-message") ?? header(headers, "grpc-message") }
    }

    let node: Node
    let channel: EmbeddedChannel
    var session: HTTP2Session
    var replies: [Int32: Reply] = [:]
    var goAways: [UInt32] = []

    init(_ node: Node, settings: HTTP2Settings = HTTP2Settings()) throws {
        self.node = node
        channel = EmbeddedChannel(loop: node.loop)
        session = try HTTP2Session(role: .client, settings: settings)
        try node.server.adopt(channel, receiver: 0)
        try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try pump()
    }

    func pump() throws {
        for _ in 0..<10_000 {
            var quiet = true
            var bytes: [UInt8] = []
            _ = try session.output(limit: 1 << 20) { frame in frame.withUnsafeBytes { bytes.append(contentsOf: $0) } }
            if !bytes.isEmpty, channel.isActive {
                quiet = false
                _ = try channel.writeInbound(ByteBuffer(bytes: bytes))
            }
            while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
                quiet = false
                try session.receive(buffer.readableBytesUInt8Span)
            }
            while let event = session.nextEvent() { note(event) }
            if quiet { return }
        }
        Issue.record("the two sides never stop talking")
    }

    /// Reads what the server says, and says nothing.
    func listen() throws {
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
            try session.receive(buffer.readableBytesUInt8Span)
        }
        while let event = session.nextEvent() { note(event) }
    }

    private func note(_ event: HTTP2Event) {
        switch event {
        case .headers(let stream): replies[stream, default: Reply()].headers = session.headers(of: stream)
        case .trailers(let stream): replies[stream]?.trailers = session.trailers(of: stream)
        case .ended(let stream):
            replies[stream]?.body += session.takeBody(of: stream) ?? []
            replies[stream]?.ended = true
        case .closed(let stream, let error): replies[stream, default: Reply()].closed = error
        case .goAway(_, let error): goAways.append(error)
        default: break
        }
    }

    static let exportPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    static func headers(
        path: String = exportPath, method: String = "POST", contentType: String? = "application/grpc",
        extra: [(String, String)] = []
    ) -> HTTP2Headers {
        var headers = HTTP2Headers()
        headers.append(":method", method)
        headers.append(":scheme", "http")
        headers.append(":path", path)
        headers.append(":authority", "localhost")
        if let contentType { headers.append("content-type", contentType) }
        headers.append("te", "trailers")
        for (name, value) in extra { headers.append(name, value) }
        return headers
    }

    func start(_ headers: HTTP2Headers = Caller.headers(), _ body: [UInt8]) throws -> Int32 {
        let stream = try session.request(headers: headers, body: body)
        try pump()
        return stream
    }

    func call(_ headers: HTTP2Headers = Caller.headers(), _ body: [UInt8]) throws -> Reply {
        let stream = try start(headers, body)
        return try #require(replies[stream])
    }

    func export(_ message: [UInt8], flag: UInt8 = 0, extra: [(String, String)] = []) throws -> Reply {
        try call(Self.headers(extra: extra), framed(message, flag: flag))
    }
}

func framed(_ message: [UInt8], flag: UInt8 = 0, length: Int? = nil) -> [UInt8] {
    let length = UInt32(length ?? message.count)
    return [flag] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32($0))) } + message
}

/// A number that several threads add to.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .relaxed) }
    func add(_ amount: Int) { number.add(amount, ordering: .relaxed) }
}

extension ExportRequest {
    /// A request of this message.
    convenience init(message: [UInt8], spans: Int) {
        self.init(identity: message, spanCount: spans, traceCount: 1, sequence: 1, createdAt: 0)
    }
}

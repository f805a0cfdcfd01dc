internal import Delivery
internal import Logging
internal import NIOCore
internal import NIOEmbedded
internal import OTLP
internal import Sampling
internal import Telemetry
internal import Transport

/// Bytes against a whole connection. The first byte says how the rest is cut. Whatever comes, nothing stays behind when the
/// connection is closed.
///
/// Deep: an answer 417 over HTTP/1.1, which takes a request that is complete but for what it expects.
enum ConnectionFuzzing {
    /// One node for all inputs of a thread's run; a new one now and then, so that its window stays small.
    nonisolated(unsafe) private static var node: (memory: MemoryBudget, server: WorkerServer, loop: EmbeddedEventLoop)?
    nonisolated(unsafe) private static var runs = 0
    private static let expectationFailed = Array("HTTP/1.1 417".utf8)

    @Sendable static func run(_ input: [UInt8]) -> Bool {
        runs += 1
        if runs % 10_000 == 0 { node = nil }
        let node = Self.node ?? make()
        Self.node = node
        guard let first = input.first else { return false }
        var isDeep = false
        let channel = EmbeddedChannel(loop: node.loop)
        do {
            try node.server.adopt(channel, receiver: 0)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        } catch { preconditionFailure("\(error)") }
        let piece = max(1, Int(first))
        let bytes = input.dropFirst()
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: piece) where channel.isActive {
            _ = try? channel.writeInbound(ByteBuffer(bytes: bytes[start..<min(bytes.endIndex, start + piece)]))
            while let answer = try? channel.readOutbound(as: ByteBuffer.self) {
                precondition(answer.readableBytes > 0)
                if answer.readableBytesView.starts(with: expectationFailed) { isDeep = true }
            }
        }
        node.loop.advanceTime(by: .seconds(1))
        if channel.isActive { try? channel.close().wait() }
        precondition(node.server.connectionCount == 0, "a connection is not forgotten")
        precondition(node.memory.reservedBytes == 0, "memory stays reserved")
        return isDeep
    }

    private static func make() -> (MemoryBudget, WorkerServer, EmbeddedEventLoop) {
        let loop = EmbeddedEventLoop()
        let settings = NodeMetricsSettings(
            version: "1", swiftVersion: "6", instanceID: "fuzz", workerCount: 1, allocatorVersion: "5")
        guard let metrics = try? NodeMetrics(settings) else { preconditionFailure("no metrics") }
        var limits = ServerLimits()
        limits.maximumMessageBytes = 4096
        var shard = ShardSettings()
        shard.maximumBytes = 64 << 20
        var plan = NodePlan(
            workerCount: 1, hashKeys: HashKeys(1, 2), shard: shard,
            policies: PolicySet(version: 1, policies: [], predicates: PredicateCompiler()), batch: BatchSettings(), limits: [limits],
            metrics: metrics, memory: MemoryBudget(limitBytes: 8 << 30, softLimitBytes: 8 << 30), destinationNames: [])
        var listener = ListenerSettings()
        listener.http = HTTPListenerSettings()
        listener.http?.crossOrigin = CrossOriginRules(allowedOrigins: ["https://*.a"], allowedHeaders: ["*"], maximumAge: 5)
        plan.listeners = [listener]
        let worker = Worker(number: 0, eventLoop: loop, plan: plan, mailboxes: [WorkerMailbox(senders: 1)], now: 0)
        worker.connect([], wakers: [{}])
        worker.isAccepting = true
        worker.isServing = true
        let server = WorkerServer(worker: worker, logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() })
        return (plan.memory, server, loop)
    }
}

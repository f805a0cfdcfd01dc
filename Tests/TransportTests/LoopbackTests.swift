import ConfigTree
import Delivery
import NIOCore
import NIOPosix
import NativeCore
import OTLP
import Sampling
import Telemetry
import TestSupport
import Synchronization
import Testing

@testable import Transport

/// The exporter's client against the receiver's server, over sockets.
@Suite(.serialized) struct LoopbackTests {
    final class Parts {
        let server: WorkerServer
        init(_ server: WorkerServer) { self.server = server }
    }

    /// A listening worker, and a loop for the client.
    struct Setup {
        let group: MultiThreadedEventLoopGroup
        let clientLoop: any EventLoop
        let serverLoop: any EventLoop
        let parts: NIOLoopBound<Parts>
        let listener: any Channel
        let plan: NodePlan
        let encoders = EncoderPool(threads: 2)

        init(_ change: (inout NodePlan) -> Void = { _ in }) async throws {
            group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
            let loops = Array(group.makeIterator())
            let (client, server) = (loops[0], loops[1])
            clientLoop = client
            serverLoop = server
            let plan = try makePlan(change)
            self.plan = plan
            let parts = try await server.submit {
                let worker = Worker(
                    number: 0, eventLoop: server, plan: plan, mailboxes: [WorkerMailbox(senders: 1)],
                    now: Int64(NIODeadline.now().uptimeNanoseconds))
                worker.isAccepting = true
                worker.isServing = true
                return NIOLoopBound(Parts(WorkerServer(worker: worker, logger: silent)), eventLoop: server)
            }.get()
            self.parts = parts
            listener = try await ServerBootstrap(group: server)
                .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try parts.value.server.adopt(channel, receiver: 0) }
                }
                .bind(host: "127.0.0.1", port: 0).get()
        }

        func onServer<Value: Sendable>(_ body: @escaping @Sendable (WorkerServer) throws -> Value) async throws -> Value {
            let parts = parts
            return try await serverLoop.submit { try body(parts.value.server) }.get()
        }

        var accepted: Int {
            get async throws { try await onServer { $0.worker.ledger.accepted } }
        }

        func settings(_ change: (inout GRPCClientSettings) -> Void = { _ in }) throws -> GRPCClientSettings {
            let port = try #require(listener.localAddress?.port)
            var settings = GRPCClientSettings(endpoint: .host("127.0.0.1", port: port), authority: "127.0.0.1:\(port)")
            change(&settings)
            return settings
        }

        func sender(_ settings: GRPCClientSettings) async throws -> NIOLoopBound<GRPCExportSender> {
            let (loop, encoders) = (clientLoop, encoders)
            return try await loop.submit {
                NIOLoopBound(GRPCExportSender(settings: settings, eventLoop: loop, encoders: encoders), eventLoop: loop)
            }.get()
        }

        /// Sends at once; the results in the order of the requests.
        func send(_ sender: NIOLoopBound<GRPCExportSender>, _ requests: [ExportRequest]) async throws -> [AttemptResult] {
            let loop = clientLoop
            return try await loop.flatSubmit { () -> EventLoopFuture<[AttemptResult]> in
                let promises = requests.map { _ in loop.makePromise(of: AttemptResult.self) }
                for (request, promise) in zip(requests, promises) {
                    var isSending = true
                    sender.value.send(request) { result in
                        if isSending { Issue.record("answered from within send") }
                        promise.succeed(result)
                    }
                    isSending = false
                }
                return EventLoopFuture.whenAllSucceed(promises.map(\.futureResult), on: loop)
            }.get()
        }

        func stop(_ senders: NIOLoopBound<GRPCExportSender>...) async throws {
            for sender in senders { try await clientLoop.submit { sender.value.close() }.get() }
            try? await listener.close()
            try await onServer { $0.closeAll() }
            try await group.shutdownGracefully()
            await encoders.shutdown()
        }
    }

    static func request(_ spans: Int, trace number: UInt64 = 1, filler: Int = 0, seed: UInt64? = nil) -> ExportRequest {
        let message = Encode.request((0..<spans).map { Encode.span(trace(number), id: UInt64($0) + 1, filler: filler) })
        return ExportRequest(message: message, spans: spans)
    }

    @Test(.timeLimit(.minutes(1)), arguments: [Coding.identity, .gzip]) func delivers(compression: Coding) async throws {
        let setup = try await Setup()
        let sender = try await setup.sender(try setup.settings { $0.compression = compression })
        let requests = (1...30 as ClosedRange<UInt64>).map { Self.request(20, trace: $0) }
        let results = try await setup.send(sender, requests)
        #expect(results.allSatisfy { $0.outcome == .delivered(rejectedSpans: 0) && $0.label == .ok && $0.message == "" })
        let plain = requests.map(\.identity.count)
        #expect(zip(results, plain).allSatisfy { compression == .gzip ? $0.bytes < $1 / 2 : $0.bytes == $1 })
        #expect(try await setup.accepted == 600)
        let metrics = setup.plan.metrics.ingress
        let connections = try await setup.onServer { $0.worker.cells.value(of: metrics.connectionsOpened) }
        #expect(connections == 1)
        let packed = try await setup.onServer { $0.worker.cells.value(of: metrics.receivedGzipBytes) }
        #expect((packed > 0) == (compression == .gzip))
        try await setup.stop(sender)
    }

    /// Requests larger than the channel's write buffer and the stream's window: the channel stops being writable and becomes
    /// writable again in the middle of writing.
    @Test(.timeLimit(.minutes(1))) func deliversLargeRequests() async throws {
        let setup = try await Setup()
        let sender = try await setup.sender(try setup.settings { $0.compression = .identity })
        for round in 0..<6 as Range<UInt64> {
            let requests = (0..<4 as Range<UInt64>).map { Self.request(35, trace: round * 4 + $0 + 1, filler: 100_000) }
            let results = try await setup.send(sender, requests)
            #expect(results.allSatisfy { $0.label == .ok })
        }
        #expect(try await setup.accepted == 24 * 35)
        try await setup.stop(sender)
    }

    /// However long the decisions that are due take: between slices of them the loop reads and answers.
    @Test(.timeLimit(.minutes(1))) func requestsAreAnsweredWhileDecisionsAreDue() async throws {
        let isAnswered = Flag()
        let setup = try await Setup { plan in
            plan.shard.decisionWait = 1
            plan.policies.tuning.decisionWait = 1
            let policies = PolicySet(
                version: 1, policies: [PolicySet.Named(name: "slow", policy: SlowPolicy(isFast: isAnswered))], predicates: PredicateCompiler())
            plan.policies.version = PolicyVersion(number: 1, policies: policies)
        }
        // Decisions take 20 s in all: a client that is held up until they are over is answered, too, but too late.
        let sender = try await setup.sender(try setup.settings { $0.timeout = 50_000_000_000 })
        // The connection is open before.
        _ = try await setup.send(sender, [Self.request(1)])
        let (parts, client, serverLoop) = (setup.parts, setup.clientLoop, setup.serverLoop)
        // All on the two loops: the threads of tests may be busy with others.
        let pending = try await serverLoop.flatSubmit { () -> EventLoopFuture<Int> in
            let worker = parts.value.server.worker
            let spans = (1...20_000 as ClosedRange<UInt64>).map { Encode.span(trace($0)) }
            let taken = try? worker.accept(
                body: [0, 0, 0, 0, 0] + Encode.request(spans), payloadStart: 5, form: BodyForm(.identity), receiver: 0)
            #expect(taken != nil)
            let clock = WorkerClock(parts.value.server, refreshesHeap: false)
            clock.start()
            let answered = client.makePromise(of: AttemptOutcome.self)
            client.execute { sender.value.send(Self.request(1, trace: 1 << 40)) { answered.succeed($0.label) } }
            return answered.futureResult.hop(to: serverLoop).map { outcome in
                clock.stop()
                isAnswered.isSet.store(true, ordering: .relaxed)
                #expect(outcome == .ok)
                return worker.pendingTraces
            }
        }.get()
        #expect(pending > 1000, "\(pending) of 20,000 traces were left when the request was answered")
        try await setup.stop(sender)
    }

    @Test(.timeLimit(.minutes(1))) func rejectedSpansAreReported() async throws {
        let setup = try await Setup()
        let sender = try await setup.sender(try setup.settings())
        let message = Encode.request([Encode.span(trace(1)), Encode.span(trace(2), id: 0)])
        let results = try await setup.send(sender, [ExportRequest(message: message, spans: 2)])
        #expect(results.map(\.outcome) == [.delivered(rejectedSpans: 1)])
        try await setup.stop(sender)
    }

    @Test(.timeLimit(.minutes(1))) func refusalsAreRead() async throws {
        let setup = try await Setup { $0.limits[0].maximumMessageBytes = 100_000 }
        let sender = try await setup.sender(try setup.settings { $0.compression = .identity })
        let large = try await setup.send(sender, [Self.request(1, filler: 5_000_000)])
        #expect(large.map(\.outcome) == [.split])
        #expect(large.first?.message.hasPrefix("RESOURCE_EXHAUSTED: ") == true)
        try await setup.onServer { $0.worker.isAccepting = false }
        let refused = try await setup.send(sender, [Self.request(1)])
        #expect(refused.map(\.outcome) == [.retry(after: 2_000_000_000)] && refused.first?.label == .retryable)
        try await setup.onServer { $0.worker.isAccepting = true }
        let malformed = try await setup.send(sender, [ExportRequest(message: [0xff], spans: 1)])
        #expect(malformed.map(\.outcome) == [.permanent(.invalid)] && malformed.first?.label == .permanent)
        let good = try await setup.send(sender, [Self.request(3)])
        #expect(good.map(\.label) == [.ok])
        #expect(try await setup.accepted == 3)
        let connections = try await setup.onServer { [metrics = setup.plan.metrics.ingress] in $0.worker.cells.value(of: metrics.connectionsOpened) }
        #expect(connections == 1)
        try await setup.stop(sender)
    }

    @Test(.timeLimit(.minutes(1))) func nobodyListens() async throws {
        let setup = try await Setup()
        let settings = try setup.settings()
        try await setup.listener.close()
        let sender = try await setup.sender(settings)
        let results = try await setup.send(sender, [Self.request(1), Self.request(1)])
        #expect(results.allSatisfy { $0.outcome == .retry(after: nil) && $0.label == .unreachable && $0.message.contains("no connection to") })
        try await setup.stop(sender)
    }

    /// The server goes and comes back: attempts on the lost connection fail as retryable, the next one makes a new one.
    @Test(.timeLimit(.minutes(1))) func reconnects() async throws {
        let setup = try await Setup()
        let sender = try await setup.sender(try setup.settings())
        #expect(try await setup.send(sender, [Self.request(1)]).map(\.label) == [.ok])
        try await setup.onServer { $0.worker.plan.memory.mappedChanged(by: 0) }
        try await setup.onServer { server in
            server.goAway()
        }
        var labels: [AttemptOutcome] = []
        for _ in 0..<3 { labels += try await setup.send(sender, [Self.request(1)]).map(\.label) }
        // At most the attempt that met the GOAWAY fails, and it may be repeated.
        #expect(labels.suffix(2) == [.ok, .ok] && (labels[0] == .ok || labels[0] == .unreachable))
        #expect(try await setup.accepted == labels.count { $0 == .ok } + 1)
        try await setup.stop(sender)
    }

    @Test(.timeLimit(.minutes(1))) func aServerThatNeverAnswers() async throws {
        let setup = try await Setup()
        // Accepts, and says nothing at all.
        let mute = try await ServerBootstrap(group: setup.serverLoop)
            .childChannelInitializer { $0.eventLoop.makeSucceededVoidFuture() }.bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(mute.localAddress?.port)
        let sender = try await setup.sender(
            try setup.settings {
                $0.endpoint = .host("127.0.0.1", port: port)
                $0.timeout = 50_000_000
            })
        let results = try await setup.send(sender, [Self.request(1), Self.request(1)])
        #expect(results.allSatisfy { $0.label == .timeout && $0.outcome == .retry(after: nil) })
        try await mute.close()
        try await setup.stop(sender)
    }

    /// Closing answers everything that is open.
    @Test(.timeLimit(.minutes(1))) func closeEndsOpenAttempts() async throws {
        let setup = try await Setup()
        let mute = try await ServerBootstrap(group: setup.serverLoop)
            .childChannelInitializer { $0.eventLoop.makeSucceededVoidFuture() }.bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(mute.localAddress?.port)
        let sender = try await setup.sender(try setup.settings { $0.endpoint = .host("127.0.0.1", port: port) })
        async let results = setup.send(sender, [Self.request(1), Self.request(1)])
        try await Task.sleep(for: .milliseconds(50))
        try await setup.clientLoop.submit { sender.value.close() }.get()
        let labels = try await results.map(\.label)
        #expect(labels == [.unreachable, .unreachable])
        try await mute.close()
        try await setup.stop()
    }
}

/// Keeps nothing, and takes its time to say so.
private struct SlowPolicy: SamplingPolicy {
    static let typeName = "slow"
    /// A millisecond for each trace until then: so many that nobody is held up for all of them who gets a processor at all.
    let isFast: Flag

    init(isFast: Flag) { self.isFast = isFast }

    init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) { return nil }

    func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        let start = NIODeadline.now()
        while !isFast.isSet.load(ordering: .relaxed), NIODeadline.now() - start < .milliseconds(1) {}
        return .notSampled
    }
}

private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
}

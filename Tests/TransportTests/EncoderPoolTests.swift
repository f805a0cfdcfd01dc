import Delivery
import NIOCore
import NIOPosix
import NativeCore
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Transport

/// Compression off the loops.
@Suite(.serialized) struct EncoderPoolTests {
    /// Takes gRPC requests, says OK to each, and remembers their bodies by stream, which is the order in which they began.
    private final class Recorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private var session: HTTP2Session
        private let pump = HTTP2Pump()
        private let bodies: Bodies

        init(_ bodies: Bodies) throws {
            self.bodies = bodies
            session = try HTTP2Session(role: .server)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            try? session.receive(buffer.readableBytesUInt8Span)
            while let event = session.nextEvent() {
                guard case .ended(let stream) = event else { continue }
                bodies.note(stream, session.takeBody(of: stream) ?? [])
                var headers = HTTP2Headers()
                headers.append(":status", "200")
                headers.append("content-type", "application/grpc")
                headers.append("grpc-status", "0")
                session.respond(stream, headers: headers)
            }
            _ = pump.run(context) { () throws(HTTP2SessionError) in
                try HTTP2Pump.frames(&session, context.channel.allocator)
            }
        }
    }

    private final class Bodies: Sendable {
        private let byStream = Mutex<[Int32: [UInt8]]>([:])

        func note(_ stream: Int32, _ body: [UInt8]) { byStream.withLock { $0[stream] = body } }
        var inOrder: [[UInt8]] { byStream.withLock { known in known.keys.sorted().map { known[$0] ?? [] } } }
    }

    private static func request(_ bytes: Int, _ seed: UInt64) -> ExportRequest {
        var random = SeededGenerator(seed)
        let message = (0..<bytes).map { _ in UInt8.random(in: 97...100, using: &random) }
        return ExportRequest(identity: message, spanCount: 1, traceCount: 1, sequence: seed, createdAt: 0)
    }

    /// A small request behind a large one does not overtake it, whichever is compressed first.
    @Test(.timeLimit(.minutes(1))) func requestsBeginInOrder() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let encoders = EncoderPool(threads: 2)
        let bodies = Bodies()
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Recorder(bodies)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        let loop = group.next()
        let requests = [2_000_000, 500, 300_000, 20, 5000, 4096, 100_000, 10].enumerated().map {
            Self.request($0.element, UInt64($0.offset))
        }
        let sender = try await loop.submit {
            var settings = GRPCClientSettings(endpoint: .host("127.0.0.1", port: port), authority: "a")
            settings.compression = .gzip
            return NIOLoopBound(GRPCExportSender(settings: settings, eventLoop: loop, encoders: encoders), eventLoop: loop)
        }.get()
        let results = try await loop.flatSubmit { () -> EventLoopFuture<[AttemptResult]> in
            let promises = requests.map { _ in loop.makePromise(of: AttemptResult.self) }
            for (request, promise) in zip(requests, promises) { sender.value.send(request) { promise.succeed($0) } }
            return EventLoopFuture.whenAllSucceed(promises.map(\.futureResult), on: loop)
        }.get()
        #expect(results.allSatisfy { $0.label == .ok })
        var inflater = Inflater()
        let received = try bodies.inOrder.map { body in
            body[0] == 0 ? Array(body[5...]) : try inflater.inflate(body.span.extracting(5...), limit: 4 << 20)
        }
        #expect(received == requests.map(\.identity))
        // Where it helps, and only there.
        #expect(bodies.inOrder.map { $0[0] == 1 } == requests.map { $0.formBytes > 0 })
        #expect(requests[0].formBytes > 0 && requests[0].formBytes < 1_000_000 && requests[7].formBytes == 0)
        try await loop.submit { sender.value.close() }.get()
        try? await listener.close()
        try await group.shutdownGracefully()
        await encoders.shutdown()
    }

    /// Every request is answered, and what nobody wants any more is not compressed.
    @Test(.timeLimit(.minutes(1))) func closingAnswersWhatWaits() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let encoders = EncoderPool(threads: 1)
        let bodies = Bodies()
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Recorder(bodies)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        let loop = group.next()
        let sender = try await loop.submit {
            var settings = GRPCClientSettings(endpoint: .host("127.0.0.1", port: port), authority: "a")
            settings.compression = .gzip
            return NIOLoopBound(GRPCExportSender(settings: settings, eventLoop: loop, encoders: encoders), eventLoop: loop)
        }.get()
        // There is a connection before what is closed on.
        let first = try await loop.flatSubmit { () -> EventLoopFuture<AttemptResult> in
            let promise = loop.makePromise(of: AttemptResult.self)
            sender.value.send(Self.request(10, 1)) { promise.succeed($0) }
            return promise.futureResult
        }.get()
        #expect(first.label == .ok)
        let requests = (2..<8).map { Self.request(3_000_000, $0) }
        let results = try await loop.flatSubmit { () -> EventLoopFuture<[AttemptResult]> in
            let promises = requests.map { _ in loop.makePromise(of: AttemptResult.self) }
            for (request, promise) in zip(requests, promises) { sender.value.send(request) { promise.succeed($0) } }
            sender.value.close()
            return EventLoopFuture.whenAllSucceed(promises.map(\.futureResult), on: loop)
        }.get()
        #expect(results.allSatisfy { $0.label == .unreachable })
        await encoders.shutdown()
        // What had not begun was not compressed for nobody.
        #expect(requests.filter { $0.formBytes > 0 }.count <= 1 && bodies.inOrder.count == 1)
        try? await listener.close()
        try await group.shutdownGracefully()
    }

    @Test(.timeLimit(.minutes(1))) func messagesForPeers() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let encoders = EncoderPool(threads: 2)
        func encode(_ message: [UInt8]) async throws -> EncodedForm {
            try await loop.flatSubmit { () -> EventLoopFuture<EncodedForm> in
                let promise = loop.makePromise(of: EncodedForm.self)
                encoders.encode(message, on: loop) { promise.succeed($0) }
                return promise.futureResult
            }.get()
        }
        let message = Self.request(50_000, 3).identity
        let form = try await encode(message)
        var inflater = Inflater()
        #expect(form.coding == .gzip && form.bytes.count < message.count)
        #expect(try inflater.inflate(form.bytes.span, limit: 1 << 20) == message)
        var random = SeededGenerator(4)
        let noise = (0..<10_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(try await encode(noise) == EncodedForm(coding: .identity, bytes: noise))
        await encoders.shutdown()
        #expect(try await encode(message) == EncodedForm(coding: .identity, bytes: message))
        try await group.shutdownGracefully()
    }
}

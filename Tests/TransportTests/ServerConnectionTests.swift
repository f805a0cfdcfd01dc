import NIOCore
import NIOEmbedded
import NativeCore
import OTLP
import Telemetry
import TestSupport
import Testing

@testable import Transport

/// A gRPC client against the real server connection, in memory.
@Suite struct ServerConnectionTests {
    @Test func exportIsAnswered() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let reply = try caller.export(Encode.request([Encode.span(trace(1))]))
        #expect(reply.httpStatus == "200" && reply.grpcStatus == "0" && reply.trailers != nil)
        #expect(header(reply.headers, "content-type") == "application/grpc" && reply.body == [0, 0, 0, 0, 0])
        #expect(reply.ended && reply.closed == 0)
        #expect(node.ledger.accepted == 1)
        let ingress = node.plan.metrics.ingress
        let cells = node.worker.cells
        #expect(cells.value(of: ingress.connections) == 1 && cells.value(of: ingress.streamsOpened) == 1)
        #expect(cells.value(of: ingress.streams) == 0)
        try caller.channel.close().wait()
        #expect(cells.value(of: ingress.connections) == 0 && node.server.connectionCount == 0)
        #expect(cells.value(of: ingress.connectionsClosed[.client]) == 1)
    }

    @Test func gzipExport() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let message = Encode.request((1...100).map { Encode.span(trace(1), id: $0) })
        let gzipped = try caller.export(gzip(message), flag: 1, extra: [("grpc-encoding", "gzip")])
        let plain = try caller.export(message, extra: [("grpc-encoding", "gzip")])
        #expect(gzipped.grpcStatus == "0" && plain.grpcStatus == "0" && node.ledger.accepted == 200)
    }

    @Test func partialSuccessIsReported() throws {
        let node = Node(try makePlan())
        let reply = try Caller(node).export(
            Encode.request([Encode.span(trace(1)), Encode.span(TraceID(high: 0, low: 0)), Encode.span(trace(2), id: 0)]))
        #expect(reply.grpcStatus == "0")
        let response = try ExportTraceServiceResponse(parsing: reply.body.span.extracting(5...))
        #expect(response.rejectedSpans == 2)
        let text = String(decoding: response.errorMessage, as: UTF8.self)
        #expect(text.contains("trace_id_zero: 1") && text.contains("span_id_zero: 1"))
        #expect(node.ledger.accepted == 1)
    }

    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var path = Caller.exportPath
        var method = "POST"
        var contentType: String? = "application/grpc"
        var extra: [(String, String)] = []
        var body: [UInt8] = framed([])
        var http = "200"
        var status: String
        var reason: RefusalReason
    }

    static let cases: [Case] = [
        Case(description: "unknown path", path: "/a.B/C", status: "12", reason: .unknownMethod),
        Case(description: "metrics", path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", status: "12", reason: .noPipeline),
        Case(description: "content type", contentType: "application/json", http: "415", status: "3", reason: .unsupportedContentType),
        Case(description: "no content type", contentType: nil, http: "415", status: "3", reason: .unsupportedContentType),
        Case(description: "GET", method: "GET", http: "405", status: "13", reason: .wrongHTTPMethod),
        Case(description: "encoding", extra: [("grpc-encoding", "zstd")], status: "12", reason: .unsupportedEncoding),
        Case(description: "timeout", extra: [("grpc-timeout", "x")], http: "400", status: "13", reason: .badHeaders),
        Case(description: "flag without encoding", body: framed([1, 2], flag: 1), status: "13", reason: .badFraming),
        Case(description: "bad flag", body: framed([1, 2], flag: 9), status: "13", reason: .badFraming),
        Case(description: "corrupt gzip", extra: [("grpc-encoding", "gzip")], body: framed([1, 2, 3], flag: 1), status: "13", reason: .corruptEncoding),
        Case(description: "no message", body: [], status: "12", reason: .badFraming),
        Case(description: "two messages", body: framed([]) + framed([]), status: "12", reason: .badFraming),
        Case(description: "truncated", body: framed([1], length: 2), status: "13", reason: .badFraming),
        Case(description: "protobuf", body: framed([0xff, 0xff]), status: "3", reason: .malformed),
        Case(description: "declared too large", body: framed([1, 2, 3], length: (1 << 20) + 1), status: "8", reason: .messageTooLarge),
        Case(description: "health service", path: "/grpc.health.v1.Health/Check", body: framed(Encode.bytes(1, [120])), status: "5", reason: .unknownMethod),
        Case(description: "health request", path: "/grpc.health.v1.Health/Check", body: framed([0x0a, 9]), status: "3", reason: .malformed),
    ]

    /// Each refusal costs its stream only: the next call on the connection works.
    @Test(arguments: cases) func refusals(refused: Case) throws {
        let node = Node(try makePlan { $0.limits[0].maximumMessageBytes = 1 << 20 })
        let caller = try Caller(node)
        let headers = Caller.headers(
            path: refused.path, method: refused.method, contentType: refused.contentType, extra: refused.extra)
        let reply = try caller.call(headers, refused.body)
        #expect(reply.httpStatus == refused.http && reply.grpcStatus == refused.status)
        #expect(reply.trailers == nil && reply.body == [] && reply.ended && reply.closed == 0)
        #expect(reply.message?.isEmpty == false)
        #expect(node.refused(refused.reason) == 1)
        #expect(node.ledger.accepted == 0)
        let next = try caller.export(Encode.request([Encode.span(trace(1))]))
        #expect(next.grpcStatus == "0" && node.ledger.accepted == 1)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0)
    }

    /// A message larger than the limit is refused at its prefix; the upload stops; the body is not kept.
    @Test func largeUploadsAreCutShort() throws {
        let node = Node(try makePlan { $0.limits[0].maximumMessageBytes = 1 << 20 })
        let caller = try Caller(node)
        let reply = try caller.call(Caller.headers(), framed([UInt8](repeating: 0, count: 20 << 20)))
        #expect(reply.grpcStatus == "8" && reply.closed == 0)
        #expect(reply.message?.contains("larger than max (1048576 bytes)") == true)
        let next = try caller.export(Encode.request([Encode.span(trace(1))]))
        #expect(next.grpcStatus == "0")
        // Exactly at the limit is no refusal of size.
        let exact = try caller.call(Caller.headers(), framed([UInt8](repeating: 0xff, count: 1 << 20)))
        #expect(exact.grpcStatus == "3")
    }

    @Test func nearTheMemoryLimitRequestsAreRefusedAtTheirHeaders() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        let caller = try Caller(node)
        node.plan.memory.mappedChanged(by: 64 << 20)
        let reply = try caller.export(Encode.request([Encode.span(trace(1))]))
        #expect(reply.grpcStatus == "14")
        #expect(header(reply.headers, "google.rpc.retryinfo-bin") == "CgIIAg")
        #expect(header(reply.headers, "grpc-status-details-bin") != nil)
        #expect(node.refused(.memory) == 1 && node.ledger.accepted == 0)
        node.plan.memory.mappedChanged(by: -(64 << 20))
        #expect(try caller.export(Encode.request([Encode.span(trace(1))])).grpcStatus == "0")
    }

    @Test func whatCanNeverFitIsRefusedForGood() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        let caller = try Caller(node)
        let reply = try caller.call(Caller.headers(), framed([], length: 60 << 20))
        #expect(reply.grpcStatus == "8" && reply.message?.contains("when idle") == true)
        #expect(header(reply.headers, "grpc-status-details-bin") == nil, "nobody should come back with it")
        #expect(node.refused(.exceedsMemory) == 1 && node.plan.memory.reservedBytes == 0)
        // What fits later is worth another try.
        node.plan.memory.mappedChanged(by: 30 << 20)
        let later = try caller.call(Caller.headers(), framed([], length: 20 << 20))
        #expect(later.grpcStatus == "14" && node.refused(.memory) == 1)
    }

    /// Of a large body what has come is reserved, and twice as much at most.
    @Test func bodiesAreReservedAsTheyCome() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let body = framed([UInt8](repeating: 0, count: 12 << 20))
        _ = try caller.session.request(headers: Caller.headers(), body: body)
        var sent = 0
        while sent < 3 << 20 {
            var bytes: [UInt8] = []
            let count = try caller.session.output(limit: 60_000) { frame in frame.withUnsafeBytes { bytes.append(contentsOf: $0) } }
            if count == 0 { break }
            sent += count
            _ = try caller.channel.writeInbound(ByteBuffer(bytes: bytes))
            try caller.listen()
            let held = node.plan.memory.reservedBytes
            #expect(held + (256 << 10) > sent - 60_000 && held <= max(128 << 10, 2 * sent + (600 << 10)), "\(sent): \(held)")
        }
        try caller.pump()
        #expect(node.plan.memory.reservedBytes == 0)
        #expect(node.refused(.malformed) == 1)
    }

    /// When memory is short, who took more than a fair share is refused and others are not.
    @Test func whatIsLeftIsForModestClients() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        let greedy = try Caller(node)
        let modest = try Caller(node)
        func message(_ number: UInt64) -> [UInt8] {
            Encode.request((0..<100).map { Encode.span(trace(number), id: UInt64($0 + 1)) })
        }
        for number in UInt64(0)..<60 { #expect(try greedy.export(message(number)).grpcStatus == "0") }
        #expect(try modest.export(message(100)).grpcStatus == "0")
        let memory = node.plan.memory
        let kept = memory.keptFrom(.greedy)
        memory.mappedChanged(by: memory.roomBytes - kept / 2)
        let refused = try greedy.export(message(101))
        #expect(refused.grpcStatus == "14" && node.refused(.memory) == 1)
        #expect(try modest.export(message(102)).grpcStatus == "0")
        let reasons = node.plan.metrics.ingress.memoryRefusals
        #expect(node.worker.cells.value(of: reasons[.share]) == 1)
        // A part is for other addresses alone.
        memory.mappedChanged(by: memory.roomBytes - memory.keptFrom(.modestConnection) / 2)
        #expect(try modest.export(message(103)).grpcStatus == "14")
        #expect(node.worker.cells.value(of: reasons[.address]) == 1)
        memory.mappedChanged(by: -kept * 4)
        #expect(try greedy.export(message(104)).grpcStatus == "0")
    }

    /// A large entry of the compression table, referred to over and over: a few bytes on the wire, kilobytes of fields.
    @Test func headerFieldsBeyondNeedEndTheConnection() throws {
        let node = Node(try makePlan())
        let good = try Caller(node)
        let attacker = try Caller(node)
        let text = String(repeating: "x", count: 3900)
        let fields = Caller.headers(extra: [("a", text), ("a", text), ("a", text)])
        let body = framed(Encode.request([Encode.span(trace(1))]))
        var requests = 0
        while attacker.channel.isActive && requests < 2000 {
            _ = try? attacker.start(fields, body)
            requests += 1
        }
        #expect(requests < 400)
        #expect(attacker.goAways == [HTTP2ErrorCode.enhanceYourCalm])
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.floods[.headers]) == 1)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connectionsClosed[.abuse]) == 1)
        // As many requests with fields as they are usual.
        for _ in 0..<2000 { #expect(try good.call(Caller.headers(), body).grpcStatus == "0") }
        #expect(good.channel.isActive)
    }

    /// Lists over the limit are decoded to their end, and answered.
    @Test func headerListsOverTheLimitEndTheConnection() throws {
        let node = Node(try makePlan())
        let attacker = try Caller(node)
        let text = String(repeating: "x", count: 3900)
        let fields = Caller.headers(extra: (0..<14).map { _ in ("a", text) })
        var requests = 0
        while attacker.channel.isActive && requests < 2000 {
            _ = try? attacker.start(fields, framed([]))
            requests += 1
        }
        #expect(requests < 400)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.floods[.headers]) == 1)
    }

    /// Requests that are wrong in themselves cost answers; those that meet a node without room are no fault of the client.
    @Test func requestsThatAreOfNoUseEndTheConnection() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20))
        let lost = try Caller(node)
        let wrong = Caller.headers(path: "/no.such.Service/Method")
        var requests = 0
        while lost.channel.isActive && requests < 5000 {
            _ = try? lost.start(wrong, [])
            requests += 1
        }
        #expect((600...1300).contains(requests), "\(requests)")
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.floods[.refusals]) == 1)
        let patient = try Caller(node)
        node.plan.memory.mappedChanged(by: 64 << 20)
        for _ in 0..<3000 { #expect(try patient.call(Caller.headers(), []).grpcStatus == "14") }
        #expect(patient.channel.isActive)
    }

    @Test func notServingIsRetryable() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        node.worker.isAccepting = false
        let reply = try caller.export(Encode.request([Encode.span(trace(1))]))
        #expect(reply.grpcStatus == "14" && header(reply.headers, "google.rpc.retryinfo-bin") == "CgIIAg")
        #expect(node.refused(.notServing) == 1)
    }

    @Test func health() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let path = "/grpc.health.v1.Health/"
        for service in ["", "opentelemetry.proto.collector.trace.v1.TraceService"] {
            let request = framed(service.isEmpty ? [] : Encode.text(1, service))
            let reply = try caller.call(Caller.headers(path: path + "Check"), request)
            #expect(reply.grpcStatus == "0" && reply.body == [0, 0, 0, 0, 2, 8, 1])
        }
        node.worker.isServing = false
        let down = try caller.call(Caller.headers(path: path + "Check"), framed([]))
        #expect(down.body == [0, 0, 0, 0, 2, 8, 2])
        let list = try caller.call(Caller.headers(path: path + "List"), framed([]))
        let name = "opentelemetry.proto.collector.trace.v1.TraceService"
        let expected = [("", 2), (name, 2)].flatMap { service, status in
            Encode.bytes(1, Encode.text(1, service) + Encode.bytes(2, [8, UInt8(status)]))
        }
        #expect(list.grpcStatus == "0" && list.body == framed(expected))
    }

    @Test func healthWatchLearnsOfTheShutdown() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let watch = try caller.start(Caller.headers(path: "/grpc.health.v1.Health/Watch"), framed([]))
        let unknown = try caller.start(Caller.headers(path: "/grpc.health.v1.Health/Watch"), framed(Encode.bytes(1, [120])))
        #expect(caller.session.takeBody(of: watch) == [0, 0, 0, 0, 2, 8, 1])
        #expect(caller.session.takeBody(of: unknown) == [0, 0, 0, 0, 2, 8, 3])
        #expect(caller.replies[watch]?.ended == false)
        node.worker.isServing = false
        node.server.announceShutdown()
        try caller.pump()
        #expect(caller.replies[watch]?.body == [0, 0, 0, 0, 2, 8, 2])
        #expect(caller.replies[watch]?.grpcStatus == "0" && caller.replies[watch]?.closed == 0)
        #expect(caller.goAways == [0])
        node.server.goAway()
        try caller.pump()
        #expect(!caller.channel.isActive && node.server.connectionCount == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connectionsClosed[.shutdown]) == 1)
    }

    /// Between the two GOAWAYs.
    @Test func requestsOnTheirWayAreTakenDuringShutdown() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let body = framed(Encode.request([Encode.span(trace(1))]))
        // Sent before the client has read the first GOAWAY.
        let stream = try caller.session.request(headers: Caller.headers(), body: body)
        node.server.announceShutdown()
        try caller.pump()
        #expect(caller.replies[stream]?.grpcStatus == "0" && node.ledger.accepted == 1)
        let accepts = caller.session.acceptsRequests
        #expect(!accepts)
    }

    @Test func tooManyConnectionsAreClosedAtOnce() throws {
        let node = Node(
            try makePlan { $0.security.limiter = ConnectionLimiter(maximumConnections: 1) })
        let first = try Caller(node)
        #expect(throws: ConnectionRefused.self) { _ = try Caller(node) }
        #expect(node.worker.cells.value(of: node.plan.metrics.security.connectionsRefused[.total]) == 1)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connections) == 1)
        #expect(try first.export(Encode.request([Encode.span(trace(1))])).grpcStatus == "0")
    }

    @Test func pingsWithoutCallsAreStrikes() throws {
        let node = Node(try makePlan { $0.limits[0].maximumPingStrikes = 5 })
        let caller = try Caller(node)
        var pings = 0
        while caller.channel.isActive && pings < 50 {
            caller.session.ping()
            try caller.pump()
            pings += 1
        }
        // The first PING has none before it, and five strikes are forgiven.
        #expect(pings == 7)
        #expect(caller.goAways == [HTTP2ErrorCode.enhanceYourCalm])
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connectionsClosed[.abuse]) == 1)
    }

    @Test func garbageClosesTheConnectionOnly() throws {
        let node = Node(try makePlan())
        let good = try Caller(node)
        let bad = try Caller(node)
        _ = try bad.channel.writeInbound(ByteBuffer(bytes: [UInt8](repeating: 0xff, count: 100)))
        #expect(!bad.channel.isActive && good.channel.isActive)
        let closed = node.plan.metrics.ingress.connectionsClosed
        #expect(node.worker.cells.value(of: closed[.protocolError]) == 1)
        #expect(try good.export(Encode.request([Encode.span(trace(1))])).grpcStatus == "0")
    }

    @Test func aClientThatLeavesInTheMiddle() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        // Half a request: the body's end never comes.
        var headers = Caller.headers()
        headers.append("x", "y")
        let stream = try caller.session.request(headers: headers, body: [UInt8](repeating: 0, count: 100_000))
        var bytes: [UInt8] = []
        _ = try caller.session.output(limit: 20_000) { frame in frame.withUnsafeBytes { bytes.append(contentsOf: $0) } }
        _ = try caller.channel.writeInbound(ByteBuffer(bytes: bytes))
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 1)
        _ = stream
        try caller.channel.close().wait()
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0)
        #expect(node.refused(.cancelled) == 1 && node.ledger.accepted == 0)
    }

    @Test func resetStreamsAreForgotten() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        for _ in 0..<20 {
            let stream = try caller.session.request(headers: Caller.headers(), body: [UInt8](repeating: 0, count: 70_000))
            var bytes: [UInt8] = []
            _ = try caller.session.output(limit: 1000) { frame in frame.withUnsafeBytes { bytes.append(contentsOf: $0) } }
            _ = try caller.channel.writeInbound(ByteBuffer(bytes: bytes))
            caller.session.reset(stream, error: HTTP2ErrorCode.cancel)
            try caller.pump()
        }
        let ingress = node.plan.metrics.ingress
        #expect(node.worker.cells.value(of: ingress.streams) == 0)
        #expect(node.worker.cells.value(of: ingress.streamsResetByClient) == 20 && node.refused(.cancelled) == 20)
        #expect(try caller.export(Encode.request([Encode.span(trace(1))])).grpcStatus == "0")
    }

    /// `sweep` with a time of its own: requests that don't complete, idle connections, none at all.
    @Test func boundsInTime() throws {
        let node = Node(
            try makePlan { plan in
                plan.limits[0].requestTimeout = 60_000_000_000
                plan.limits[0].idleTimeout = 300_000_000_000
                plan.limits[0].firstRequestTimeout = 10_000_000_000
            })
        let silent = try Caller(node)
        let slow = try Caller(node)
        var half = Caller.headers(extra: [("grpc-timeout", "30S")])
        half.append("x", "y")
        func begin(_ caller: Caller, _ headers: HTTP2Headers) throws -> Int32 {
            let stream = try caller.session.request(headers: headers, body: [UInt8](repeating: 0, count: 100_000))
            var bytes: [UInt8] = []
            _ = try caller.session.output(limit: 20_000) { frame in frame.withUnsafeBytes { bytes.append(contentsOf: $0) } }
            _ = try caller.channel.writeInbound(ByteBuffer(bytes: bytes))
            return stream
        }
        let withDeadline = try begin(slow, half)
        let handlers = try [silent, slow].map { try $0.channel.pipeline.syncOperations.handler(type: ServerConnection.self) }
        let now = node.worker.now
        for handler in handlers { handler.sweep(now: now + 9_000_000_000) }
        #expect(silent.channel.isActive && slow.channel.isActive)
        for handler in handlers { handler.sweep(now: now + 11_000_000_000) }
        #expect(!silent.channel.isActive && slow.channel.isActive)
        handlers[1].sweep(now: now + 29_000_000_000)
        try slow.listen()
        #expect(slow.replies[withDeadline]?.grpcStatus == nil)
        handlers[1].sweep(now: now + 31_000_000_000)
        try slow.listen()
        #expect(slow.replies[withDeadline]?.grpcStatus == "4" && node.refused(.deadlineExceeded) == 1)
        handlers[1].sweep(now: now + 290_000_000_000)
        #expect(slow.channel.isActive)
        handlers[1].sweep(now: now + 320_000_000_000)
        #expect(!slow.channel.isActive)
        let closed = node.plan.metrics.ingress.connectionsClosed
        #expect(node.worker.cells.value(of: closed[.tooSlow]) == 1 && node.worker.cells.value(of: closed[.idle]) == 1)
    }
}

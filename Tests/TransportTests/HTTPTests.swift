import Delivery
import NIOCore
import NIOEmbedded
import NativeCore
import OTLP
import Telemetry
import TestSupport
import Testing

@testable import Transport

private let jsonSpan =
    #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"n"}]}]}]}"#

/// zlib's format as RFC 1950 has it, with one stored block, and the block alone.
private func stored(_ bytes: [UInt8], isZlib: Bool) -> [UInt8] {
    let length = UInt16(bytes.count)
    let block = [1, UInt8(length & 255), UInt8(length >> 8), ~UInt8(length & 255), ~UInt8(length >> 8)] + bytes
    guard isZlib else { return block }
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
        a = (a + UInt32(byte)) % 65521
        b = (b + a) % 65521
    }
    let sum = b << 16 | a
    return [0x78, 0x01] + block + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt32($0))) }
}

@Suite struct HTTP1Tests {
    let request = Encode.request([Encode.span(trace(1))])

    @Test func protobufIsTaken() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try HTTPCaller(node)
        let answer = try caller.post(HTTPCaller.protobuf, request)
        #expect(answer.status == 200 && answer.body == [] && answer.fields["content-length"] == "0")
        #expect(answer.fields["content-type"] == "application/x-protobuf" && answer.fields["connection"] == nil)
        #expect(node.ledger.accepted == 1)
        // The connection goes on.
        #expect(try caller.post(HTTPCaller.protobuf, []).status == 200)
        let ingress = node.plan.metrics.ingress
        #expect(node.worker.cells.value(of: ingress.streams) == 0)
        #expect(node.worker.cells.value(of: ingress.connections) == 1)
        #expect(node.worker.cells.value(of: ingress.connectionsOpened) == 1)
        try caller.channel.close().wait()
        #expect(node.worker.cells.value(of: ingress.connections) == 0)
        #expect(node.server.connectionCount == 0)
    }

    @Test(arguments: [
        "content-type: application/json\n", "Content-Type: Application/JSON ; charset=utf-8\n",
        "content-type: application/json;charset=\"utf-8\"\n",
    ])
    func jsonIsTaken(_ type: String) throws {
        let node = Node(try makeHTTPPlan())
        let answer = try HTTPCaller(node).post(type, Array(jsonSpan.utf8))
        #expect(answer.status == 200 && answer.text == "{}" && answer.fields["content-type"] == "application/json")
        #expect(node.ledger.accepted == 1)
    }

    @Test func codings() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try HTTPCaller(node)
        for (name, body) in [
            ("gzip", gzip(request)), ("x-gzip", gzip(request)), ("GZIP", gzip(request)),
            ("deflate", stored(request, isZlib: true)), ("deflate", stored(request, isZlib: false)),
            ("identity", request), ("", request), ("gzip", gzip(request)),
        ] {
            let answer = try caller.post(HTTPCaller.protobuf + "content-encoding: \(name)\n", body)
            #expect(answer.status == 200, "\(name)")
        }
        #expect(node.ledger.accepted == 8)
        #expect(try caller.post(HTTPCaller.json + "content-encoding: gzip\n", gzip(Array(jsonSpan.utf8))).status == 200)
    }

    /// `compression_algorithms`: what is not among them is refused, bodies as they are too.
    @Test func fewerCodings() throws {
        let node = Node(try makeHTTPPlan { $0.listeners[0].http?.codings = [.gzip] })
        let caller = try HTTPCaller(node)
        #expect(try caller.post(HTTPCaller.protobuf + "content-encoding: gzip\n", gzip(request)).status == 200)
        for (field, name) in [("content-encoding: deflate\n", "deflate"), ("content-encoding: identity\n", "identity"), ("", "identity")] {
            let answer = try caller.post(HTTPCaller.json + field, Array(jsonSpan.utf8))
            #expect(answer.status == 415 && answer.fields["accept-encoding"] == "gzip")
            #expect(answer.text.contains("content-encoding \(name) is not supported; gzip are"), "\(answer.text)")
        }
        #expect(node.ledger.accepted == 1)
    }

    /// `response_headers` go with every answer, those to rubbish too.
    @Test func ownFields() throws {
        let node = Node(try makeHTTPPlan { $0.listeners[0].http?.responseFields = [HTTPField(name: "x-site", value: "a b")] })
        let caller = try HTTPCaller(node)
        #expect(try caller.post(HTTPCaller.protobuf, request).fields["x-site"] == "a b")
        #expect(try caller.post(HTTPCaller.json, [1]).fields["x-site"] == "a b")
        #expect(try caller.call("hello, world\n\n").fields["x-site"] == "a b")
    }

    @Test func partialSuccess() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try HTTPCaller(node)
        let bad = Encode.request([Encode.span(trace(1)), Encode.span(trace(2), id: 0)])
        let answer = try caller.post(HTTPCaller.protobuf, bad)
        #expect(answer.status == 200)
        #expect(try ExportTraceServiceResponse(parsing: answer.body.span).rejectedSpans == 1)
        let json = jsonSpan.replacing(#""0102030405060708""#, with: #""0000000000000000""#)
        let text = try caller.post(HTTPCaller.json, Array(json.utf8))
        #expect(
            text.status == 200
                && text.text
                    == #"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"malformed spans were left out (span_id_zero: 1)"}}"#)
    }

    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var head: String
        var body: [UInt8] = []
        var status: Int
        var reason: RefusalReason
        var closes = false
        var contentType = "text/plain; charset=utf-8"
        var field: (String, String)?
    }

    static func post(_ more: String, _ length: Int = 0, path: String = "/v1/traces") -> String {
        "POST \(path) HTTP/1.1\nhost: x\ncontent-length: \(length)\n\(more)\n"
    }

    static let cases: [Case] = [
        Case(description: "unknown path", head: post(HTTPCaller.json, path: "/v1/trace"), status: 404, reason: .unknownMethod),
        Case(description: "root", head: post(HTTPCaller.json, path: "/"), status: 404, reason: .unknownMethod),
        Case(description: "metrics without a pipeline", head: post(HTTPCaller.json, path: "/v1/metrics"), status: 404, reason: .noPipeline),
        Case(description: "GET", head: "GET /v1/traces HTTP/1.1\nhost: x\n\n", status: 405, reason: .wrongHTTPMethod, field: ("allow", "POST")),
        Case(description: "PUT", head: "PUT /v1/traces HTTP/1.1\nhost: x\ncontent-length: 0\n\n", status: 405, reason: .wrongHTTPMethod),
        Case(description: "OPTIONS without CORS", head: "OPTIONS /v1/traces HTTP/1.1\nhost: x\norigin: https://a\naccess-control-request-method: POST\n\n", status: 405, reason: .wrongHTTPMethod),
        Case(description: "no content type", head: post(""), status: 415, reason: .unsupportedContentType),
        Case(description: "other content type", head: post("content-type: text/plain\n"), status: 415, reason: .unsupportedContentType),
        Case(description: "zstd", head: post(HTTPCaller.json + "content-encoding: zstd\n"), status: 415, reason: .unsupportedEncoding, contentType: "application/json", field: ("accept-encoding", "gzip, deflate, identity")),
        Case(description: "two codings", head: post(HTTPCaller.json + "content-encoding: gzip, gzip\n"), status: 415, reason: .unsupportedEncoding, contentType: "application/json"),
        Case(description: "not gzip", head: post(HTTPCaller.json + "content-encoding: gzip\n", 3), body: [1, 2, 3], status: 400, reason: .corruptEncoding, contentType: "application/json"),
        Case(description: "not deflate", head: post(HTTPCaller.json + "content-encoding: deflate\n", 3), body: [7, 2, 3], status: 400, reason: .corruptEncoding, contentType: "application/json"),
        Case(description: "not JSON", head: post(HTTPCaller.json, 3), body: Array("{x}".utf8), status: 400, reason: .malformed, contentType: "application/json"),
        Case(description: "empty JSON", head: post(HTTPCaller.json, 0), status: 400, reason: .malformed, contentType: "application/json"),
        Case(description: "not protobuf", head: post(HTTPCaller.protobuf, 2), body: [0xff, 0xff], status: 400, reason: .malformed, contentType: "application/x-protobuf"),
        Case(description: "declared too large", head: post(HTTPCaller.protobuf + "x: y\n", 100_001), status: 413, reason: .messageTooLarge, closes: true, contentType: "application/x-protobuf"),
        Case(description: "no host", head: "POST /v1/traces HTTP/1.1\ncontent-length: 0\n\n", status: 400, reason: .badHeaders, closes: true),
        Case(description: "two hosts", head: "POST /v1/traces HTTP/1.1\nhost: x\nhost: y\ncontent-length: 0\n\n", status: 400, reason: .badHeaders, closes: true),
        Case(description: "odd expectation", head: post(HTTPCaller.json + "expect: tea\n"), status: 417, reason: .badHeaders, closes: true, contentType: "application/json"),
        Case(description: "long header", head: post("x: \(String(repeating: "y", count: 20_000))\n"), status: 431, reason: .badHeaders, closes: true),
        Case(description: "length and chunks", head: post("transfer-encoding: chunked\n", 3), status: 400, reason: .badHeaders, closes: true),
        Case(description: "odd transfer coding", head: "POST /v1/traces HTTP/1.1\nhost: x\n\(HTTPCaller.json)transfer-encoding: gzip, chunked\n\n0\n\n", status: 501, reason: .badHeaders, closes: true, contentType: "application/json"),
        Case(description: "two lengths", head: post("content-length: 4\n", 3), status: 400, reason: .badHeaders, closes: true),
        Case(description: "negative length", head: post("", -1), status: 400, reason: .badHeaders, closes: true),
        Case(description: "bad chunk", head: "POST /v1/traces HTTP/1.1\nhost: x\n\(HTTPCaller.json)transfer-encoding: chunked\n\nzz\n", status: 400, reason: .badHeaders, closes: true, contentType: "application/json"),
        Case(description: "no HTTP", head: "hello, world\n\n", status: 400, reason: .badHeaders, closes: true),
        Case(description: "space in a name", head: post("x y: z\n"), status: 400, reason: .badHeaders, closes: true),
    ]

    @Test(arguments: cases) func refusals(_ refused: Case) throws {
        let node = Node(try makeHTTPPlan { $0.limits[0].maximumMessageBytes = 100_000 })
        let caller = try HTTPCaller(node)
        let answer = try caller.call(refused.head, refused.body)
        #expect(answer.status == refused.status && answer.fields["content-type"] == refused.contentType)
        #expect(answer.body.isEmpty == false)
        #expect((answer.fields["connection"] == "close") == refused.closes)
        #expect(answer.fields["date"]?.hasSuffix(" GMT") == true, "RFC 9110 §6.6.1")
        if let (name, value) = refused.field { #expect(answer.fields[name] == value) }
        #expect(node.refused(refused.reason) == 1 && node.ledger.accepted == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0 || refused.closes)
        caller.linger()
        #expect(caller.channel.isActive == !refused.closes)
        if !refused.closes { #expect(try caller.post(HTTPCaller.protobuf, []).status == 200) }
        if caller.channel.isActive { try caller.channel.close().wait() }
        #expect(node.server.connectionCount == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0)
        #expect(node.plan.memory.reservedBytes == 0)
    }

    @Test func statusBodies() throws {
        let caller = try HTTPCaller(Node(try makeHTTPPlan()))
        let json = try caller.post(HTTPCaller.json, Array("[]".utf8))
        #expect(json.text == #"{"code":3,"message":"not valid OTLP JSON: an object ({...}) is expected at byte 0"}"#)
        let protobuf = try caller.post(HTTPCaller.protobuf, [0x0a])
        let status = try RPCStatus(parsing: protobuf.body.span)
        #expect(status.code == 3 && !status.message.isEmpty)
    }

    @Test func overloadIsRetryable() throws {
        let node = Node(try makeHTTPPlan { $0.retryAfter = 1_500_000_000 })
        let caller = try HTTPCaller(node)
        node.worker.isAccepting = false
        let answer = try caller.post(HTTPCaller.json, Array(jsonSpan.utf8))
        #expect(answer.status == 503 && answer.fields["retry-after"] == "2")
        #expect(answer.text.contains(#""code":14"#) && answer.text.contains(#""retryDelay":"1.500000000s""#))
        #expect(node.refused(.notServing) == 1)
    }

    @Test func nearTheMemoryLimitBodiesAreRefusedBeforeTheyCome() throws {
        let node = Node(try makePlan(memoryLimit: 64 << 20) { plan in
            plan.listeners = [ListenerSettings()]
            plan.listeners[0].http = HTTPListenerSettings()
        })
        let caller = try HTTPCaller(node)
        node.plan.memory.mappedChanged(by: 64 << 20)
        let used = node.plan.memory.usedBytes
        let answer = try caller.call(
            "POST /v1/traces HTTP/1.1\nhost: x\n\(HTTPCaller.protobuf)expect: 100-continue\ncontent-length: \(request.count)\n\n")
        #expect(answer.status == 503 && answer.fields["retry-after"] == "2" && node.refused(.memory) == 1)
        #expect(node.plan.memory.usedBytes == used)
        node.plan.memory.mappedChanged(by: -(64 << 20))
        // The body that comes all the same is thrown away, and the connection goes on.
        try caller.send(request)
        #expect(try caller.post(HTTPCaller.protobuf, request).status == 200)
        #expect(node.ledger.accepted == 1)
    }

    /// What has come takes memory, what is only announced takes none.
    @Test func reservedMemoryIsGivenBack() throws {
        let node = Node(try makeHTTPPlan())
        let used = node.plan.memory.usedBytes
        let caller = try HTTPCaller(node)
        try caller.send("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n")
        #expect(node.plan.memory.usedBytes == used)
        try caller.send(String(repeating: " ", count: 1000))
        #expect(node.plan.memory.usedBytes == used + 5000)
        try caller.channel.close().wait()
        #expect(node.plan.memory.usedBytes == used && node.refused(.cancelled) == 1)
    }

    @Test func chunkedBodies() throws {
        let node = Node(try makeHTTPPlan { $0.limits[0].maximumMessageBytes = 1000 })
        let caller = try HTTPCaller(node)
        func head(_ more: String = "") -> [UInt8] {
            Array("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\(more)\r\n".utf8)
        }
        let half = jsonSpan.utf8.count / 2
        func chunk(_ bytes: some Collection<UInt8>) -> [UInt8] { Array("\(String(bytes.count, radix: 16));x=y\r\n".utf8) + bytes + [13, 10] }
        let whole =
            head() + chunk(jsonSpan.utf8.prefix(half)) + chunk(jsonSpan.utf8.dropFirst(half))
            + Array("0\r\nTrailer: z\r\n\r\n".utf8)
        // Byte by byte, and in one piece.
        for byte in whole { try caller.send([byte]) }
        try caller.send(whole)
        #expect(try caller.answers().map(\.status) == [200, 200])
        #expect(node.ledger.accepted == 2)
        // Longer than the limit: refused as soon as that is known.
        try caller.send(head() + chunk([UInt8](repeating: 32, count: 600)) + chunk([UInt8](repeating: 32, count: 401)))
        let refused = try #require(try caller.answers().last)
        #expect(refused.status == 413 && refused.fields["connection"] == "close")
        caller.linger()
        #expect(!caller.channel.isActive)
    }

    @Test func expectContinue() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try HTTPCaller(node)
        let head = "POST /v1/traces HTTP/1.1\nhost: x\nExpect: 100-Continue\n\(HTTPCaller.protobuf)content-length: \(request.count)\n\n"
        #expect(try caller.call(head).status == 100)
        try caller.send(request)
        #expect(try caller.answers().map(\.status) == [200])
        // What will be refused is refused instead.
        let wrong = head.replacing("/v1/traces", with: "/v1/x")
        #expect(try caller.call(wrong).status == 404)
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try HTTPCaller(node)
        func text(_ path: String, _ body: [UInt8]) -> [UInt8] {
            Array("POST \(path) HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: \(body.count)\r\n\r\n".utf8) + body
        }
        var bytes: [UInt8] = []
        var expected: [Int] = []
        for number in 0..<50 {
            let isGood = number % 3 != 1
            bytes += text(isGood ? "/v1/traces" : "/no", request)
            expected.append(isGood ? 200 : 404)
        }
        try caller.send(bytes)
        #expect(try caller.answers().map(\.status) == expected)
        #expect(node.ledger.accepted == expected.count { $0 == 200 })
    }

    @Test func connectionsEndWhenTheClientWants() throws {
        let node = Node(try makeHTTPPlan())
        for head in [
            "POST /v1/traces HTTP/1.1\nhost: x\nconnection: close\n", "POST /v1/traces HTTP/1.0\n",
            "POST /v1/traces HTTP/1.1\nhost: x\nconnection: upgrade\nupgrade: h2c\n",
        ] {
            let caller = try HTTPCaller(node)
            let answer = try caller.call("\(head)\(HTTPCaller.protobuf)content-length: \(request.count)\n\n", request)
            #expect(answer.status == 200 && answer.fields["connection"] == "close")
            caller.linger()
            #expect(!caller.channel.isActive)
        }
        let old = try HTTPCaller(node)
        let kept = try old.call(
            "POST /v1/traces HTTP/1.0\nconnection: keep-alive\n\(HTTPCaller.protobuf)content-length: \(request.count)\n\n", request)
        #expect(kept.status == 200 && old.channel.isActive)
        #expect(node.ledger.accepted == 4)
    }

    @Test func headHasNoBody() throws {
        let caller = try HTTPCaller(Node(try makeHTTPPlan()))
        try caller.send("HEAD /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n")
        let text = caller.text()
        #expect(text.hasPrefix("HTTP/1.1 405 ") && text.hasSuffix("\r\n\r\n"))
    }

    @Test func boundsInTime() throws {
        let node = Node(
            try makeHTTPPlan { plan in
                plan.limits[0].requestTimeout = 5_000_000_000
                plan.limits[0].idleTimeout = 60_000_000_000
                plan.limits[0].firstRequestTimeout = 10_000_000_000
            })
        let (silent, slow, idle) = (try HTTPCaller(node), try HTTPCaller(node), try HTTPCaller(node))
        #expect(try idle.post(HTTPCaller.protobuf, []).status == 200)
        try silent.send("PO")
        try slow.send("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{")
        func sweep(_ seconds: Int64) throws {
            let now = node.worker.now + seconds * 1_000_000_000
            for caller in [silent, slow, idle] where caller.channel.isActive {
                if let sniffer = try? caller.channel.pipeline.syncOperations.handler(type: ProtocolSniffer.self) { sniffer.sweep(now: now) }
                if let handler = try? caller.channel.pipeline.syncOperations.handler(type: HTTP1Connection.self) { handler.sweep(now: now) }
            }
        }
        try sweep(4)
        #expect(silent.channel.isActive && slow.channel.isActive && idle.channel.isActive)
        try sweep(6)
        let late = try #require(try slow.answers().last)
        #expect(late.status == 503 && late.fields["connection"] == "close" && node.refused(.deadlineExceeded) == 1)
        slow.linger()
        #expect(!slow.channel.isActive && silent.channel.isActive)
        try sweep(11)
        #expect(!silent.channel.isActive && idle.channel.isActive)
        try sweep(61)
        #expect(!idle.channel.isActive && node.server.connectionCount == 0)
    }

    @Test func shutdown() throws {
        let node = Node(try makeHTTPPlan())
        let (waiting, busy) = (try HTTPCaller(node), try HTTPCaller(node))
        #expect(try waiting.post(HTTPCaller.protobuf, []).status == 200)
        try busy.send("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: \(request.count)\r\n\r\n")
        node.server.announceShutdown()
        node.server.goAway()
        #expect(!waiting.channel.isActive && busy.channel.isActive)
        try busy.send(request)
        let answer = try #require(try busy.answers().last)
        #expect(answer.status == 200 && answer.fields["connection"] == "close")
        busy.linger()
        #expect(!busy.channel.isActive && node.server.connectionCount == 0)
    }

    /// Any bytes end in answers or in silence, never in a trap; what was promised is given back.
    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6]) func damagedRequests(_ seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let node = Node(try makeHTTPPlan { $0.limits[0].maximumMessageBytes = 10_000 })
        let samples: [[UInt8]] = [
            Array("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \(jsonSpan.utf8.count)\r\n\r\n\(jsonSpan)".utf8),
            Array("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n5\r\nabcde\r\n0\r\n\r\n".utf8),
            Array("GET / HTTP/1.0\r\n\r\nOPTIONS * HTTP/1.1\r\nhost: y\r\norigin: z\r\n\r\n".utf8),
            Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0],
        ]
        for _ in 0..<150 {
            let caller = try HTTPCaller(node)
            var bytes = samples[random.below(samples.count)] + samples[random.below(samples.count)]
            for _ in 0..<random.below(4) where !bytes.isEmpty {
                let position = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[position] = UInt8(random.below(256))
                case 1: bytes.removeSubrange(position..<min(bytes.count, position + random.below(8)))
                default: bytes.insert(contentsOf: Array("\r\n: 0f".utf8).shuffled(using: &random), at: position)
                }
            }
            while !bytes.isEmpty {
                let count = 1 + random.below(bytes.count)
                try caller.send(bytes.prefix(count))
                bytes.removeFirst(count)
            }
            caller.linger()
            if caller.channel.isActive { try? caller.channel.close().wait() }
        }
        #expect(node.server.connectionCount == 0 && node.plan.memory.reservedBytes == 0)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0)
        #expect(node.ledger.difference == 0)
    }
}

@Suite struct HTTP2OnTheHTTPPortTests {
    static func headers(_ type: String?, path: String = "/v1/traces", method: String = "POST", extra: [(String, String)] = []) -> HTTP2Headers {
        Caller.headers(path: path, method: method, contentType: type, extra: extra)
    }

    @Test func protobufJSONAndGRPC() throws {
        let node = Node(try makeHTTPPlan())
        let caller = try Caller(node)
        let request = Encode.request([Encode.span(trace(1))])
        let protobuf = try caller.call(Self.headers("application/x-protobuf"), request)
        #expect(protobuf.httpStatus == "200" && protobuf.body == [] && protobuf.ended && protobuf.trailers == nil)
        #expect(header(protobuf.headers, "content-type") == "application/x-protobuf")
        let json = try caller.call(Self.headers("application/json", extra: [("content-length", "\(jsonSpan.utf8.count)")]), Array(jsonSpan.utf8))
        #expect(json.httpStatus == "200" && json.body == Array("{}".utf8) && header(json.headers, "content-length") == "2")
        #expect(try caller.export(request).grpcStatus == "0")
        #expect(node.ledger.accepted == 3)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connectionsOpened) == 1)
    }

    @Test func refusals() throws {
        let node = Node(try makeHTTPPlan { $0.limits[0].maximumMessageBytes = 1000 })
        let caller = try Caller(node)
        for (headers, body, status, reason) in [
            (Self.headers(nil), [], "415", RefusalReason.unsupportedContentType),
            (Self.headers("application/json", path: "/x"), [], "404", .unknownMethod),
            (Self.headers("application/json", method: "GET"), [], "405", .wrongHTTPMethod),
            (Self.headers("application/json", extra: [("content-encoding", "br")]), [], "415", .unsupportedEncoding),
            (Self.headers("application/json"), Array("{".utf8), "400", .malformed),
            (Self.headers("application/json"), [UInt8](repeating: 32, count: 1001), "413", .messageTooLarge),
            (Self.headers("application/json"), [UInt8](repeating: 32, count: 100_000), "413", .messageTooLarge),
            (Self.headers("application/json", extra: [("content-length", "1001")]), [UInt8](repeating: 32, count: 1001), "413", .messageTooLarge),
        ] as [(HTTP2Headers, [UInt8], String, RefusalReason)] {
            let before = node.refused(reason)
            let reply = try caller.call(headers, body)
            #expect(reply.httpStatus == status && reply.ended && node.refused(reason) == before + 1)
            #expect(reply.grpcStatus == nil)
        }
        #expect(try caller.export(Encode.request([Encode.span(trace(1))])).grpcStatus == "0")
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.streams) == 0)
    }

    /// The port of gRPC takes nothing else.
    @Test func notOnTheGRPCPort() throws {
        let caller = try Caller(Node(try makePlan()))
        #expect(try caller.call(Self.headers("application/x-protobuf"), []).httpStatus == "415")
    }
}

@Suite struct CrossOriginTests {
    @Test(arguments: [
        ("*", "https://a.example", true), ("https://*.example.com", "https://shop.example.com", true),
        ("https://*.example.com", "https://a.b.example.com", true), ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://x.example.com.evil.org", false), ("https://*.Example.com", "HTTPS://A.example.COM", true),
        ("http://localhost:*", "http://localhost:3000", true), ("http://localhost:*", "http://localhost", false),
        ("https://a", "https://a", true), ("https://a", "https://ab", false), ("*://*.a.*", "https://x.a.b", true),
        ("", "", true), ("", "x", false), ("a*a", "a", false), ("a*a", "aa", true), ("*a*b*", "xaybz", true),
    ])
    func wildcards(_ pattern: String, _ origin: String, _ expected: Bool) {
        #expect(CrossOriginRules(allowedOrigins: [pattern]).allows(origin: origin) == expected)
    }

    private func caller(_ rules: CrossOriginRules) throws -> HTTPCaller {
        try HTTPCaller(Node(try makeHTTPPlan { $0.listeners[0].http?.crossOrigin = rules }))
    }

    private func ask(_ caller: HTTPCaller, _ origin: String, _ headers: String, method: String = "POST") throws -> HTTPCaller.Answer {
        try caller.call(
            "OPTIONS /v1/traces HTTP/1.1\nhost: x\norigin: \(origin)\naccess-control-request-method: \(method)\naccess-control-request-headers: \(headers)\n\n")
    }

    @Test func preflight() throws {
        let caller = try caller(
            CrossOriginRules(allowedOrigins: ["https://*.shop.test"], allowedHeaders: ["X-Token"], maximumAge: 600))
        let yes = try ask(caller, "https://www.shop.test", "content-type, x-token")
        #expect(yes.status == 204 && yes.body == [] && yes.fields["content-length"] == nil)
        #expect(yes.fields["access-control-allow-origin"] == "https://www.shop.test")
        #expect(yes.fields["access-control-allow-methods"] == "POST")
        #expect(yes.fields["access-control-allow-headers"] == "content-type, x-token")
        #expect(yes.fields["access-control-allow-credentials"] == "true" && yes.fields["access-control-max-age"] == "600")
        #expect(yes.fields["vary"]?.contains("Origin") == true)
        for (origin, headers, method) in [
            ("https://shop.test", "content-type", "POST"), ("https://www.shop.test", "x-other", "POST"),
            ("https://www.shop.test", "content-type", "DELETE"),
        ] {
            let no = try ask(caller, origin, headers, method: method)
            #expect(no.status == 204 && no.fields["access-control-allow-origin"] == nil)
            #expect(no.fields["access-control-allow-methods"] == nil && no.fields["vary"] != nil)
        }
    }

    @Test func answersCarryTheFields() throws {
        let caller = try caller(CrossOriginRules(allowedOrigins: ["*"], exposedHeaders: ["X-A", "X-B"]))
        for body in [jsonSpan, "broken"] {
            let answer = try caller.post(HTTPCaller.json + "origin: https://a\n", Array(body.utf8))
            #expect(answer.fields["access-control-allow-origin"] == "*")
            #expect(answer.fields["access-control-expose-headers"] == "X-A, X-B" && answer.fields["vary"] == "Origin")
        }
        #expect(try caller.post(HTTPCaller.json, Array(jsonSpan.utf8)).fields["access-control-allow-origin"] == nil)
    }
}

@Suite struct PassThroughTests {
    @Test func metricsAndLogs() throws {
        let node = Node(
            try makeHTTPPlan {
                $0.listeners[0].signals = [SignalSet(.traces), SignalSet(.metrics), SignalSet(.logs)]
                $0.signalPipelines = [
                    SignalPipelinePlan(name: "metrics", signal: .metrics, listeners: [0], batch: nil, destinations: [0]),
                    SignalPipelinePlan(name: "logs", signal: .logs, listeners: [0], batch: nil, destinations: []),
                ]
            })
        let sender = FakeSender()
        let destination = Destination(
            name: "m", number: 0, eventLoop: node.loop, queue: QueueSettings(), retry: RetrySettings(), sender: sender,
            metrics: node.plan.metrics.destinations[0], cells: node.worker.cells, logger: silent)
        node.worker.connectSignals([DestinationRoute(destination)])
        let caller = try HTTPCaller(node)
        // Field 1, and one that nobody knows: passed on byte by byte.
        let body: [UInt8] = [0x0a, 2, 0x1a, 0, 0x9a, 0x7f, 1, 9]
        #expect(try caller.post(HTTPCaller.protobuf, body, path: "/v1/metrics").status == 200)
        #expect(try caller.post(HTTPCaller.protobuf + "content-encoding: gzip\n", gzip(body), path: "/v1/metrics").status == 200)
        #expect(try caller.post(HTTPCaller.json, Array(#"{"resourceMetrics":[{"schemaUrl":"a"}]}"#.utf8), path: "/v1/metrics").text == "{}")
        let grpc = try Caller(node).call(
            Caller.headers(path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"), framed(body))
        #expect(grpc.grpcStatus == "0")
        #expect(try caller.post(HTTPCaller.protobuf, [], path: "/v1/metrics").status == 200)
        #expect(sender.attempts.map(\.request.identity) == [body, body, [0x0a, 3, 0x1a, 1, 97], body])
        #expect(try caller.post(HTTPCaller.protobuf, [0x0a, 9], path: "/v1/metrics").status == 400)
        // Logs have no exporter in this test, so their queues are "full".
        #expect(try caller.post(HTTPCaller.protobuf, body, path: "/v1/logs").status == 503)
        #expect(node.refused(.queueFull) == 1 && node.ledger.accepted == 0)
    }

    @Test func withoutAPipelineTheyAreRefusedByName() throws {
        let node = Node(try makePlan())
        let caller = try Caller(node)
        let reply = try caller.call(
            Caller.headers(path: "/opentelemetry.proto.collector.logs.v1.LogsService/Export"), framed([]))
        #expect(reply.grpcStatus == "12" && node.refused(.noPipeline) == 1 && node.refused(.unknownMethod) == 0)
    }
}

import Foundation
import Telemetry
import Testing

@testable import Gateway

/// Real requests over loopback, written and read as plain bytes.
@Suite(.timeLimit(.minutes(1))) struct AdminServerTests {
    @Test func servesPagesOnOneConnection() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            client.send("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            let metrics = await client.readResponse()
            #expect(metrics.status == 200)
            #expect(metrics.headers["content-type"] == ExpositionFormat.text.contentType)
            #expect(metrics.headers["content-length"] == "12")
            #expect(metrics.body == "metrics text")
            client.send(
                "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain;q=0.1\r\n"
                    + "Accept: application/openmetrics-text\r\n\r\n")
            #expect(await client.readResponse().body == "metrics openMetrics")
            client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await client.readResponse().status == 404)
            client.send("POST /ledger HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            let post = await client.readResponse()
            #expect(post.status == 405)
            #expect(post.headers["allow"] == "GET, HEAD")
            client.send("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let last = await client.readResponse()
            #expect(last.body == "ready\n")
            #expect(last.headers["connection"] == "close")
            #expect(await client.readsEnd())
        }
    }

    @Test func headHasTheLengthButNoBody() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            client.send("HEAD /ledger HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = await client.readResponse(withBody: false)
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "16")
            // the next response begins right behind the header
            client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await client.readResponse().body == "ok\n")
        }
    }

    @Test func http10() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            client.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let first = await client.readResponse()
            #expect(first.body == "ok\n")
            #expect(first.headers["connection"] == "keep-alive")
            client.send("GET /healthz HTTP/1.0\r\n\r\n")
            #expect(await client.readResponse().body == "ok\n")
            #expect(await client.readsEnd())
        }
    }

    @Test func pipelinedRequestsAreAnsweredInTurn() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            client.send(
                "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
                    + "GET /ledger HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await client.readResponse().body == "ok\n")
            #expect(await client.readResponse().body == "ready\n")
            #expect(await client.readResponse().body == "{\"difference\":0}")
        }
    }

    @Test func rubbishGetsA400AndTheEnd() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            for text in [
                "\u{1}\u{2}\u{3} rubbish\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n",
                "GET / HTTP/1.1\r\n\(String(repeating: "X: y\r\n", count: 100))\r\n",
            ] {
                let client = try LoopbackClient(port: server.port)
                defer { client.close() }
                client.send(text)
                #expect(await client.readResponse().status == 400)
                #expect(await client.readsEnd())
            }
        }
    }

    @Test func tooLargeABodyEndsTheConnection() async throws {
        var limits = AdminLimits()
        limits.bodyBytes = 10
        try await withServer(AdminPagesTests.pages(), limits) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890")
            #expect(await client.readsEnd())
        }
    }

    /// Clients that send nothing, or half a request, keep nobody out: the one that has waited for longest goes.
    @Test func slowClientsMakeRoomForOthers() async throws {
        var limits = AdminLimits()
        limits.connections = 4
        try await withServer(AdminPagesTests.pages(), limits) { server in
            var slow: [LoopbackClient] = []
            defer { for client in slow { client.close() } }
            for number in 0..<12 {
                let client = try LoopbackClient(port: server.port)
                client.send(number.isMultiple(of: 2) ? "GET /metr" : "G")
                slow.append(client)
            }
            for _ in 0..<5 {
                let client = try LoopbackClient(port: server.port)
                defer { client.close() }
                client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(await client.readResponse().status == 200)
            }
            #expect(await slow[0].readsEnd())
        }
    }

    @Test func connectionsOverTheLimitAreGivenBack() async throws {
        var limits = AdminLimits()
        limits.connections = 2
        try await withServer(AdminPagesTests.pages(), limits) { server in
            func probe(_ client: LoopbackClient) async -> Int {
                client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                return await client.readResponse().status
            }
            let one = try LoopbackClient(port: server.port)
            #expect(await probe(one) == 200)
            let two = try LoopbackClient(port: server.port)
            #expect(await probe(two) == 200)
            let three = try LoopbackClient(port: server.port)
            #expect(await probe(three) == 200)
            #expect(await one.readsEnd())
            one.close()
            #expect(await probe(two) == 200)
            #expect(await probe(three) == 200)
            two.close()
            three.close()
            for _ in 0..<20 {
                let four = try LoopbackClient(port: server.port)
                #expect(await probe(four) == 200)
                four.close()
            }
        }
    }

    @Test func aClientThatSendsNothingIsClosed() async throws {
        var limits = AdminLimits()
        limits.requestTimeout = .milliseconds(50)
        try await withServer(AdminPagesTests.pages(), limits) { server in
            let silent = try LoopbackClient(port: server.port)
            defer { silent.close() }
            #expect(await silent.readsEnd())
            let slow = try LoopbackClient(port: server.port)
            defer { slow.close() }
            slow.send("GET /healthz HTT")
            #expect(await slow.readsEnd())
        }
    }

    @Test func aPageThatTakesTooLongGives503() async throws {
        struct Never: AdminResponder {
            func answer(_ request: AdminRequest) async -> AdminResponse {
                try? await Task.sleep(for: .seconds(3600))
                return AdminResponse(text: "too late")
            }
        }
        var limits = AdminLimits()
        limits.responseTimeout = .milliseconds(50)
        try await withServer(Never(), limits) { server in
            let client = try LoopbackClient(port: server.port)
            defer { client.close() }
            for _ in 0..<2 {
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(await client.readResponse().status == 503)
            }
        }
    }

    @Test func aPortInUseIsSaidClearly() async throws {
        try await withServer(AdminPagesTests.pages()) { server in
            #expect(server.host == "127.0.0.1")
            #expect(server.port > 0)
            let error = await #expect(throws: AdminServerError.self) {
                let second = try await AdminServer.start(
                    host: "127.0.0.1", port: server.port, responder: AdminPagesTests.pages())
                await second.shutdown()
            }
            #expect(error?.reason == .portInUse)
            #expect(
                error?.description
                    == "cannot listen on 127.0.0.1:\(server.port): "
                    + "the port is in use by another program")
        }
    }

    @Test func anAddressOfSomebodyElse() async throws {
        let error = await #expect(throws: AdminServerError.self) {
            let server = try await AdminServer.start(
                host: "192.0.2.1", port: 0, responder: AdminPagesTests.pages())
            await server.shutdown()
        }
        #expect(error?.reason == .notLocal)
    }

    @Test func shutdownClosesTheSocketAndConnections() async throws {
        let server = try await AdminServer.start(
            host: "127.0.0.1", port: 0, responder: AdminPagesTests.pages())
        let client = try LoopbackClient(port: server.port)
        defer { client.close() }
        client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await client.readResponse().status == 200)
        await server.shutdown()
        #expect(await client.readsEnd())
        #expect(throws: LoopbackClient.Failure.self) { try LoopbackClient(port: server.port) }
    }

    private func withServer(
        _ responder: some AdminResponder, _ limits: AdminLimits = AdminLimits(),
        _ body: (AdminServer) async throws -> Void
    ) async throws {
        let server = try await AdminServer.start(
            host: "127.0.0.1", port: 0, responder: responder, limits: limits)
        do {
            try await body(server)
            await server.shutdown()
        } catch {
            await server.shutdown()
            throw error
        }
    }
}

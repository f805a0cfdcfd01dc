import TestSupport
import Testing

@testable import NativeCore

@Suite struct HTTP2SessionTests {
    /// A server that answers every request with its own body and trailers.
    static func echo(_ peer: Peer, _ event: HTTP2Event) {
        guard case .ended(let stream) = event else { return }
        let body = peer.takeBody(of: stream) ?? []
        if !peer.respond(stream, headers: okHeaders, body: body, trailers: okTrailers) {
            Issue.record("no answer possible on \(stream)")
        }
    }

    struct Answer: Equatable {
        var headers: String?
        var trailers: String?
        var body: [UInt8]
    }

    /// A client that notes answers as they end.
    final class Answers {
        var all: [Int32: Answer] = [:]
        func note(_ peer: Peer, _ event: HTTP2Event) {
            guard case .ended(let stream) = event else { return }
            let session = (peer.headers(of: stream), peer.trailers(of: stream))
            all[stream] = Answer(
                headers: text(session.0?.first(":status")), trailers: text(session.1?.first("grpc-status")),
                body: peer.takeBody(of: stream) ?? [])
        }
    }

    @Test(arguments: [Int.max, 1, 7]) func unaryCall(piece: Int) throws {
        let (client, server) = try connected(piece: piece)
        server.onEvent = Self.echo
        let answers = Answers()
        client.onEvent = answers.note
        let body = pattern(3000)
        let stream = try client.request(headers: requestHeaders, head: [0, 0, 0, 0x0b, 0xb8], body: body)
        #expect(client.openStreams == 1 && client.unsentBytes(of: stream) == 3005)
        pump(client, server, piece: piece)
        #expect(answers.all == [stream: Answer(headers: "200", trailers: "0", body: [0, 0, 0, 0x0b, 0xb8] + body)])
        #expect(
            client.take() == [
                .headers(stream: 1), .bodyBegan(stream: 1), .trailers(stream: 1), .ended(stream: 1),
                .closed(stream: 1, error: 0),
            ])
        #expect(
            server.take() == [
                .headers(stream: 1), .bodyBegan(stream: 1), .ended(stream: 1), .closed(stream: 1, error: 0),
            ])
        for peer in [client, server] {
            #expect(peer.openStreams == 0 && peer.bufferedBodyBytes == 0 && !peer.isFinished)
            #expect(peer.headers(of: stream) == nil && peer.takeBody(of: stream) == nil)
            #expect(peer.unsentBytes(of: stream) == 0)
        }
    }

    @Test func requestFieldsArriveAsSent() throws {
        let (client, server) = try connected()
        var headers = requestHeaders
        headers.append("x-twice", "1")
        headers.append("x-twice", "2")
        headers.append("x-empty", "")
        _ = try client.request(headers: headers, body: [])
        pump(client, server)
        #expect(server.take() == [.headers(stream: 1), .ended(stream: 1)])
        let received = try #require(server.headers(of: 1))
        #expect(received.count == headers.count)
        for index in 0..<headers.count {
            #expect(received.name(at: index).elementsEqual(headers.name(at: index)))
            #expect(received.value(at: index).elementsEqual(headers.value(at: index)))
        }
        #expect(received.has("content-type", "application/grpc") && !received.has("te", "trailer"))
        #expect(text(received.first("x-twice")) == "1" && text(received.first("x-empty")) == "" && received.first("x") == nil)
        #expect(received.accountedBytes == headers.accountedBytes)
        #expect(server.takeBody(of: 1) == [])
    }

    @Test(arguments: [Int.max, 1]) func trailersOnly(piece: Int) throws {
        let (client, server) = try connected(piece: piece)
        server.onEvent = { peer, event in
            if case .ended(let stream) = event { peer.respond(stream, headers: refusal) }
        }
        let stream = try client.request(headers: requestHeaders, body: [1])
        var status: String?
        client.onEvent = { peer, event in
            if case .ended = event {
                status = text(peer.headers(of: stream)?.first("grpc-status"))
                #expect(peer.trailers(of: stream) == nil)
            }
        }
        pump(client, server, piece: piece)
        #expect(status == "14")
        #expect(client.take() == [.headers(stream: 1), .ended(stream: 1), .closed(stream: 1, error: 0)])
        #expect(server.openStreams == 0)
    }

    /// Refused at the headers, while the client still uploads: the answer arrives whole, then the stream is reset, and the
    /// connection goes on.
    @Test(arguments: [Int.max, 1000]) func refusalThenReset(piece: Int) throws {
        let (client, server) = try connected(piece: piece)
        server.onEvent = { peer, event in
            if case .headers(let stream) = event, stream == 1 {
                peer.discardBody(of: stream)
                #expect(peer.respond(stream, headers: refusal, thenReset: true))
                #expect(!peer.respond(stream, headers: okHeaders))
            } else {
                Self.echo(peer, event)
            }
        }
        let answers = Answers()
        client.onEvent = answers.note
        let stream = try client.request(headers: requestHeaders, body: [UInt8](repeating: 7, count: 30 << 20))
        pump(client, server, piece: piece)
        #expect(answers.all[stream] == Answer(headers: "200", trailers: nil, body: []))
        #expect(client.closed(stream) == 0)
        #expect(server.closed(stream) == 0)
        // The upload stopped well before its end.
        #expect(client.written < 6 << 20)
        #expect(client.openStreams == 0 && server.openStreams == 0 && server.bufferedBodyBytes == 0)
        let next = try client.request(headers: requestHeaders, body: [1, 2, 3])
        pump(client, server, piece: piece)
        #expect(answers.all[next]?.body == [1, 2, 3])
    }

    /// The same with the request complete already: no reset is needed, and none does harm.
    @Test func refusalThenResetAfterTheEnd() throws {
        let (client, server) = try connected()
        server.onEvent = { peer, event in
            if case .ended(let stream) = event { peer.respond(stream, headers: refusal, thenReset: true) }
        }
        let answers = Answers()
        client.onEvent = answers.note
        for _ in 0..<3 {
            _ = try client.request(headers: requestHeaders, body: [1, 2])
            pump(client, server)
        }
        #expect(answers.all.count == 3)
        #expect(client.failure == nil && server.failure == nil && client.acceptsRequests)
        #expect(client.openStreams == 0 && server.openStreams == 0)
    }

    @Test(arguments: [Int.max, 1]) func streamingAnswer(piece: Int) throws {
        let (client, server) = try connected(piece: piece)
        let stream = try client.request(headers: requestHeaders, body: [0, 0, 0, 0, 0])
        pump(client, server, piece: piece)
        server.respondStreaming(stream, headers: okHeaders, body: [1, 2, 3, 4, 5, 6])
        pump(client, server, piece: piece)
        #expect(client.take() == [.headers(stream: 1), .bodyBegan(stream: 1)])
        #expect(client.takeBody(of: stream) == [1, 2, 3, 4, 5, 6])
        for round in 0..<5 as Range<UInt8> {
            server.send([round, round], on: stream)
            server.send([99], on: stream)
            pump(client, server, piece: piece)
            #expect(client.takeBody(of: stream) == [round, round, 99])
        }
        #expect(client.take() == [])
        #expect(server.unsentBytes(of: stream) == 0)
        server.send([7], on: stream)
        server.finish(stream, trailers: okTrailers)
        server.send([8], on: stream)
        var last: [UInt8]?
        client.onEvent = { peer, event in if case .ended = event { last = peer.takeBody(of: stream) } }
        pump(client, server, piece: piece)
        #expect(last == [7])
        #expect(client.take() == [.trailers(stream: 1), .ended(stream: 1), .closed(stream: 1, error: 0)])
        #expect(client.openStreams == 0 && server.openStreams == 0)
    }

    @Test func streamingToAClientThatLeft() throws {
        let (client, server) = try connected()
        let stream = try client.request(headers: requestHeaders, body: [0, 0, 0, 0, 0])
        pump(client, server)
        server.respondStreaming(stream, headers: okHeaders, body: [1])
        client.reset(stream, error: HTTP2ErrorCode.cancel)
        pump(client, server)
        #expect(server.closed(stream) == HTTP2ErrorCode.cancel)
        server.send([2], on: stream)
        server.finish(stream, trailers: okTrailers)
        #expect(!server.respond(stream, headers: okHeaders))
        server.discardBody(of: stream)
        server.reset(stream, error: 0)
        pump(client, server)
        #expect(server.failure == nil && client.failure == nil)
    }

    @Test(arguments: [Int.max, 100]) func bodyTooLarge(piece: Int) throws {
        var limits = HTTP2Settings()
        limits.maximumBodyBytes = 1000
        limits.streamWindow = 70_000
        limits.connectionWindow = 70_000
        let (client, server) = try connected(server: limits, piece: piece)
        let answers = Answers()
        client.onEvent = answers.note
        server.onEvent = { peer, event in
            if case .ended(let stream) = event {
                peer.respond(stream, headers: okHeaders, body: peer.takeBody(of: stream) ?? [9], trailers: okTrailers)
            }
        }
        let fits = try client.request(headers: requestHeaders, body: pattern(1000))
        pump(client, server, piece: piece)
        #expect(answers.all[fits]?.body == pattern(1000))
        #expect(!server.take().contains(.bodyTooLarge(stream: fits)))
        // More than both windows: the rest is consumed and thrown away, or the client would stall.
        let large = try client.request(headers: requestHeaders, body: pattern(500_000))
        pump(client, server, piece: piece)
        let events = server.take()
        #expect(events.count { $0 == .bodyTooLarge(stream: large) } == 1)
        #expect(events.contains(.ended(stream: large)))
        #expect(answers.all[large]?.body == [])
        let exactly = try client.request(headers: requestHeaders, body: pattern(1001))
        pump(client, server, piece: piece)
        #expect(server.take().contains(.bodyTooLarge(stream: exactly)))
        #expect(server.bufferedBodyBytes == 0)
    }

    @Test func headerLimit() throws {
        var limits = HTTP2Settings()
        limits.maximumHeaderBytes = 1000
        let (client, server) = try connected(server: limits)
        server.onEvent = Self.echo
        let answers = Answers()
        client.onEvent = answers.note
        let base = requestHeaders.accountedBytes
        var fits = requestHeaders
        fits.append("x", String(repeating: "a", count: 1000 - base - 33))
        #expect(fits.accountedBytes == 1000)
        var over = requestHeaders
        over.append("x", String(repeating: "a", count: 1000 - base - 32))
        let good = try client.request(headers: fits, body: [1])
        pump(client, server)
        #expect(answers.all[good]?.body == [1])
        #expect(server.take().contains(.headers(stream: good)))
        let bad = try client.request(headers: over, body: [1])
        pump(client, server)
        let events = server.take()
        #expect(events.contains(.violation(stream: bad)) && !events.contains(.headers(stream: bad)))
        #expect(answers.all[bad] == nil && client.closed(bad) == HTTP2ErrorCode.internalError)
        let next = try client.request(headers: requestHeaders, body: [2])
        pump(client, server)
        #expect(answers.all[next]?.body == [2])
        #expect(server.openStreams == 0)
    }

    /// Far more streams than may be open at once: the client's session holds them back, and all get their own answer.
    @Test func manyStreams() throws {
        var limits = HTTP2Settings()
        limits.maximumConcurrentStreams = 20
        let (client, server) = try connected(server: limits)
        var most = 0
        server.onEvent = { peer, event in
            most = max(most, peer.openStreams)
            Self.echo(peer, event)
        }
        let answers = Answers()
        client.onEvent = answers.note
        var expected: [Int32: [UInt8]] = [:]
        for number in 0..<300 {
            let body = pattern(number * 37, number)
            expected[try client.request(headers: requestHeaders, body: body)] = body
        }
        pump(client, server, piece: 5000)
        #expect(answers.all.count == 300 && answers.all.allSatisfy { expected[$0.key] == $0.value.body && $0.value.trailers == "0" })
        #expect(most == 20)
        #expect(client.openStreams == 0 && server.openStreams == 0)
        #expect(client.bufferedBodyBytes == 0 && server.bufferedBodyBytes == 0)
    }

    /// Bodies larger than every window, both ways at the same time, interleaved with small calls.
    @Test(arguments: [Int.max, 3001]) func flowControl(piece: Int) throws {
        var settings = HTTP2Settings()
        settings.streamWindow = 70_000
        settings.connectionWindow = 100_000
        settings.sendFrameBytes = 9000
        let (client, server) = try connected(client: settings, server: settings, piece: piece)
        server.onEvent = Self.echo
        let answers = Answers()
        client.onEvent = answers.note
        var expected: [Int32: [UInt8]] = [:]
        for number in 0..<6 {
            let body = pattern(number % 2 == 0 ? 700_000 + number : 10, number)
            expected[try client.request(headers: requestHeaders, body: body)] = body
        }
        pump(client, server, piece: piece)
        #expect(answers.all.count == 6 && answers.all.allSatisfy { expected[$0.key] == $0.value.body })
    }

    /// A peer that never reads costs no output: nothing is produced beyond what is asked for and what its windows allow.
    @Test func aPeerThatDoesNotReadGetsNoMoreThanItsWindow() throws {
        var small = HTTP2Settings()
        small.streamWindow = 70_000
        small.connectionWindow = 100_000
        let (client, server) = try connected(client: small)
        server.onEvent = { peer, event in
            if case .ended(let stream) = event { peer.respond(stream, headers: okHeaders, body: pattern(1 << 20), trailers: okTrailers) }
        }
        for _ in 0..<10 { _ = try client.request(headers: requestHeaders, body: [1]) }
        server.receive(client.output())
        let first = server.output(limit: 10_000)
        #expect(first.count >= 10_000 && first.count < 10_000 + (64 << 10) + 100)
        let rest = server.output()
        #expect(first.count + rest.count <= 100_000 + 10 * 200)
        #expect(server.output().isEmpty)
    }

    @Test func goAwayInTwoSteps() throws {
        let (client, server) = try connected()
        server.onEvent = { peer, event in
            if case .ended(let stream) = event, stream != 1 { Self.echo(peer, event) }
        }
        let answers = Answers()
        client.onEvent = answers.note
        let slow = try client.request(headers: requestHeaders, body: [1])
        pump(client, server)
        // First step: the client learns it; what it had sent before is still taken.
        let onItsWay = try client.request(headers: requestHeaders, body: [2])
        let bytes = client.output()
        server.announceShutdown()
        client.receive(server.output())
        #expect(client.take().contains(.goAway(lastStream: .max, error: 0)))
        #expect(!client.acceptsRequests)
        server.receive(bytes)
        pump(client, server)
        #expect(answers.all[onItsWay]?.body == [2] && answers.all[slow] == nil)
        // Second step: the open stream is finished, then the connection is done on both sides.
        server.goAway()
        pump(client, server)
        #expect(client.take().contains(.goAway(lastStream: onItsWay, error: 0)))
        #expect(!server.isFinished && !client.isFinished)
        let body = server.takeBody(of: slow)
        server.respond(slow, headers: okHeaders, body: body ?? [], trailers: okTrailers)
        pump(client, server)
        #expect(answers.all[slow]?.body == [1])
        #expect(server.isFinished && client.isFinished)
        #expect(server.openStreams == 0 && client.openStreams == 0)
    }

    @Test func goAwayReasonAndError() throws {
        let (client, server) = try connected()
        server.goAway(error: HTTP2ErrorCode.enhanceYourCalm, reason: "too_many_pings")
        let bytes = server.output()
        #expect(String(decoding: bytes, as: UTF8.self).contains("too_many_pings"))
        client.receive(bytes)
        #expect(client.take() == [.goAway(lastStream: 0, error: HTTP2ErrorCode.enhanceYourCalm)])
    }

    /// A stream that the server had not seen when it said GOAWAY ends as refused: safe to send again.
    @Test func streamsAboveTheLastOneAreRefused() throws {
        let (client, server) = try connected()
        server.onEvent = Self.echo
        server.goAway()
        let farewell = server.output()
        let sent = try client.request(headers: requestHeaders, body: [1])
        _ = client.output()
        // Still waiting inside the session.
        let unsent = try client.request(headers: requestHeaders, body: [2])
        client.receive(farewell)
        _ = client.output()
        #expect(client.closed(sent) == HTTP2ErrorCode.refusedStream)
        // An error other than NO_ERROR, in any case: nobody may wait for an answer.
        #expect(client.closed(unsent) != nil && client.closed(unsent) != 0)
        #expect(client.openStreams == 0)
    }

    @Test func requestAfterGoAwayFailsOrCloses() throws {
        let (client, server) = try connected()
        server.goAway()
        pump(client, server)
        #expect(!client.acceptsRequests)
        do throws(HTTP2SessionError) {
            let stream = try client.request(headers: requestHeaders, body: [1])
            pump(client, server)
            #expect(client.closed(stream) != nil)
        } catch {
            #expect(error.code < 0 && !error.text.isEmpty)
        }
        #expect(client.openStreams == 0)
    }

    @Test func terminate() throws {
        let (client, server) = try connected()
        let stream = try client.request(headers: requestHeaders, body: [1])
        pump(client, server)
        server.terminate(error: HTTP2ErrorCode.internalError)
        pump(client, server)
        #expect(server.isFinished)
        #expect(client.take().contains(.goAway(lastStream: stream, error: HTTP2ErrorCode.internalError)))
    }

    @Test func clientResets() throws {
        let (client, server) = try connected()
        for _ in 0..<50 {
            let stream = try client.request(headers: requestHeaders, body: pattern(100))
            server.receive(Array(client.output()))
            client.reset(stream, error: HTTP2ErrorCode.cancel)
            pump(client, server)
            #expect(client.closed(stream) == HTTP2ErrorCode.cancel && server.closed(stream) != nil)
        }
        #expect(server.openStreams == 0 && server.bufferedBodyBytes == 0)
        #expect(client.openStreams == 0)
    }

    /// A request that is reset before any of it went out never reaches the server.
    @Test func resetBeforeItIsSent() throws {
        let (client, server) = try connected()
        server.onEvent = Self.echo
        let answers = Answers()
        client.onEvent = answers.note
        let stream = try client.request(headers: requestHeaders, body: pattern(100))
        client.reset(stream, error: HTTP2ErrorCode.cancel)
        pump(client, server)
        #expect(client.openStreams == 0 && server.openStreams == 0)
        #expect(server.take().filter { if case .ended = $0 { true } else { false } } == [])
        let next = try client.request(headers: requestHeaders, body: [4])
        pump(client, server)
        #expect(answers.all[next]?.body == [4])
    }

    /// CVE-2023-44487: open and reset, over and over.
    @Test func rapidResetEndsTheConnection() throws {
        var limits = HTTP2Settings()
        limits.resetBurst = 100
        limits.resetRate = 1
        let (client, server) = try connected(server: limits)
        var rounds = 0
        while rounds < 1000, server.failure == nil, !server.isFinished, client.acceptsRequests {
            let stream = try client.request(headers: requestHeaders, body: pattern(10))
            server.receive(client.output())
            client.reset(stream, error: HTTP2ErrorCode.cancel)
            server.receive(client.output())
            client.receive(server.output())
            rounds += 1
        }
        #expect(rounds >= 100 && rounds < 110)
        #expect(client.take().contains { if case .goAway(_, let error) = $0 { error != 0 } else { false } })
        #expect(server.openStreams == 0)
    }

    @Test func pings() throws {
        let (client, server) = try connected()
        client.ping()
        pump(client, server)
        #expect(server.take() == [.ping] && client.take() == [.pingAcknowledged])
        server.ping()
        server.ping()
        pump(client, server)
        #expect(client.take() == [.ping, .ping] && server.take() == [.pingAcknowledged, .pingAcknowledged])
    }

    /// Acknowledgements that are never read do not pile up without bound.
    @Test func aPingFloodEndsTheConnection() throws {
        let (client, server) = try connected()
        var rounds = 0
        while rounds < 20_000 && server.failure == nil {
            client.ping()
            server.receive(client.output())
            rounds += 1
        }
        #expect(rounds < 20_000 && server.failure != nil)
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}AAAAAAAA",
    ])
    func wrongPreface(text: String) throws {
        let server = try Peer(.server)
        server.receive(Array(text.utf8))
        #expect(server.failure != nil)
        #expect(server.failure?.text.isEmpty == false)
        _ = server.output()
        #expect(server.openStreams == 0 && server.take().allSatisfy { if case .headers = $0 { false } else { true } })
    }

    @Test func garbageAfterThePreface() throws {
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed)
            let (client, server) = try connected()
            _ = try client.request(headers: requestHeaders, body: pattern(50))
            pump(client, server)
            server.receive(random.bytes(2000))
            client.receive(random.bytes(2000))
            // Either an error, or a GOAWAY is on its way, or frames of unknown types are being skipped.
            _ = server.output()
            _ = client.output()
            #expect(server.openStreams <= 256)
        }
    }

    @Test func brokenRequestsCostAStreamOnly() throws {
        let (client, server) = try connected()
        server.onEvent = Self.echo
        let answers = Answers()
        client.onEvent = answers.note
        let bad: [HTTP2Headers] = [
            // No pseudo-fields, connection-specific field, wrong te, pseudo-field twice.
            HTTP2Headers(["content-type": "application/grpc"]),
            HTTP2Headers([":method": "POST", ":scheme": "http", ":path": "/", ":authority": "a", "connection": "close"]),
            HTTP2Headers([":method": "POST", ":scheme": "http", ":path": "/", ":authority": "a", "te": "gzip"]),
            HTTP2Headers([":method": "POST", ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "a"]),
        ]
        for headers in bad {
            let stream = try client.request(headers: headers, body: [])
            pump(client, server)
            #expect(client.closed(stream) == HTTP2ErrorCode.protocolError)
            #expect(server.take().contains(.violation(stream: stream)))
        }
        let good = try client.request(headers: requestHeaders, body: [5])
        pump(client, server)
        #expect(answers.all[good]?.body == [5])
        #expect(server.openStreams == 0 && server.bufferedBodyBytes == 0)
    }

    /// Everything the server still knew of a stream goes with `.closed`, also bodies that nobody took.
    @Test func untakenBodiesAreReleased() throws {
        let (client, server) = try connected()
        for _ in 0..<10 { _ = try client.request(headers: requestHeaders, body: pattern(5000)) }
        pump(client, server)
        #expect(server.bufferedBodyBytes == 50_000 && server.openStreams == 10)
        server.discardBody(of: 1)
        #expect(server.bufferedBodyBytes == 45_000 && server.takeBody(of: 1) == [])
        for stream in stride(from: 1 as Int32, through: 19, by: 2) { server.respond(stream, headers: refusal) }
        pump(client, server)
        #expect(server.bufferedBodyBytes == 0 && server.openStreams == 0)
    }

    /// Sessions may go at any moment, with streams in every state and output pending.
    @Test func destroyedWithOpenStreams() throws {
        for step in 0..<8 {
            let (client, server) = try connected()
            server.onEvent = { peer, event in
                if case .ended(let stream) = event {
                    if stream % 4 == 1 { peer.respondStreaming(stream, headers: okHeaders, body: pattern(200_000)) }
                    if stream % 4 == 3 { peer.respond(stream, headers: okHeaders, body: pattern(300_000), trailers: okTrailers) }
                }
            }
            for number in 0..<20 { _ = try client.request(headers: requestHeaders, body: pattern(number * 1000)) }
            for _ in 0..<step {
                server.receive(client.output(limit: 10_000))
                client.receive(server.output(limit: 10_000))
            }
        }
    }

    @Test func bodyPrefix() throws {
        let (client, server) = try connected()
        var prefix: [UInt8] = []
        server.onEvent = { peer, event in
            if case .bodyBegan(let stream) = event, let found = peer.bodyPrefix(of: stream) {
                prefix = found
            }
        }
        let four = try client.request(headers: requestHeaders, body: [1, 2, 3, 4])
        pump(client, server)
        #expect(prefix == [] && !server.take().contains(.bodyBegan(stream: four)))
        #expect(server.bodyPrefix(of: four) == nil && server.bodyPrefix(of: 99) == nil)
        _ = try client.request(headers: requestHeaders, head: [1, 0xff], body: [0xff, 0xff, 0xff, 7])
        pump(client, server)
        #expect(prefix == [1, 0xff, 0xff, 0xff, 0xff])
    }

    /// 103 Early Hints before the response says nothing.
    @Test func informationalResponsesAreSkipped() throws {
        // HEADERS frames by hand: literal fields without indexing, ":status" by static name index 8.
        func headers(_ status: String, end: Bool) -> [UInt8] {
            let block: [UInt8] = [0x08, 3] + Array(status.utf8)
            return [0, 0, UInt8(block.count), 1, end ? 5 : 4, 0, 0, 0, 1] + block
        }
        let (client, _) = try connected()
        let stream = try client.request(headers: requestHeaders, body: [1])
        _ = client.output()
        client.receive(headers("103", end: false))
        #expect(client.take() == [])
        var status: String?
        client.onEvent = { peer, event in if case .headers = event { status = text(peer.headers(of: stream)?.first(":status")) } }
        client.receive(headers("204", end: true))
        #expect(status == "204")
        #expect(client.take() == [.headers(stream: 1), .ended(stream: 1), .closed(stream: 1, error: 0)])
    }
}

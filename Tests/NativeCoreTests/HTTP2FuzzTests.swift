import TestSupport
import Testing

@testable import NativeCore

/// Bytes of a real client, changed at random: the server must end in an error, a GOAWAY or an answer, and never trap, keep
/// more than its bounds, or talk without end. The seeds are fixed, so a failure comes back.
@Suite struct HTTP2FuzzTests {
    static func record(_ talk: (Peer, Peer) throws -> Void) throws -> [UInt8] {
        let (client, server) = (try Peer(.client), try Peer(.server))
        var bytes: [UInt8] = []
        try talk(client, server)
        for _ in 0..<20 {
            let out = client.output()
            bytes += out
            server.receive(out)
            client.receive(server.output())
        }
        return bytes
    }

    static func corpus() throws -> [[UInt8]] {
        [
            try record { client, _ in _ = try client.request(headers: requestHeaders, head: [0, 0, 0, 1, 0], body: pattern(256)) },
            try record { client, _ in
                for number in 0..<5 { _ = try client.request(headers: requestHeaders, body: pattern(number * 40)) }
                client.ping()
            },
            try record { client, _ in
                let stream = try client.request(headers: requestHeaders, body: pattern(300))
                _ = try client.request(headers: refusal, body: [])
                client.reset(stream, error: HTTP2ErrorCode.cancel)
                client.goAway()
            },
        ]
    }

    @Test(arguments: 0..<4 as Range<UInt64>) func server(seed: UInt64) throws {
        let corpus = try Self.corpus()
        var limits = HTTP2Settings()
        limits.maximumBodyBytes = 4096
        limits.maximumHeaderBytes = 2048
        limits.maximumConcurrentStreams = 20
        var random = SeededGenerator(seed)
        var (requests, failures, violations, goAways) = (0, 0, 0, 0)
        for round in 0..<16_000 {
            let original = corpus[round % corpus.count]
            // Mostly behind the preface, which has only one right form.
            let keep = random.chance(5) ? 0 : 24 + random.below(original.count - 24)
            let bytes = Array(original[..<keep]) + mutate(Array(original[keep...]), &random)
            let peer = try Peer(.server, limits)
            peer.onEvent = { peer, event in
                switch event {
                case .headers(let stream):
                    requests += 1
                    if stream % 4 == 1 && random.chance(20) {
                        peer.discardBody(of: stream)
                        peer.respond(stream, headers: refusal, thenReset: true)
                    }
                case .ended(let stream):
                    let body = peer.takeBody(of: stream) ?? []
                    if random.chance(10) {
                        peer.respondStreaming(stream, headers: okHeaders, body: body)
                        peer.send([1, 2, 3], on: stream)
                        if random.chance(50) { peer.finish(stream, trailers: okTrailers) }
                    } else {
                        peer.respond(stream, headers: okHeaders, body: body, trailers: okTrailers)
                    }
                case .violation: violations += 1
                case .goAway: goAways += 1
                default: break
                }
            }
            // Cut at random places.
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + 1 + random.below(400))
                peer.receive(Array(bytes[start..<end]))
                start = end
                if random.chance(30) { _ = peer.output(limit: 1 << 20) }
            }
            _ = peer.output(limit: 1 << 20)
            if peer.failure != nil { failures += 1 }
            if peer.openStreams > 60 || peer.bufferedBodyBytes < 0 || peer.bufferedBodyBytes > 60 * 4096 || peer.written > 1 << 20 {
                Issue.record("round \(round): \(peer.openStreams) streams, \(peer.bufferedBodyBytes) bytes, \(peer.written) written")
            }
        }
        // The fuzz reaches what it is meant to reach.
        #expect(requests > 10_000 && violations > 200 && goAways > 400)
        #expect(failures > 100)
    }

    /// The same for a client that is answered by a broken server.
    @Test func client() throws {
        var answers: [UInt8] = []
        let (client, server) = (try Peer(.client), try Peer(.server))
        server.onEvent = HTTP2SessionTests.echo
        for number in 0..<3 { _ = try client.request(headers: requestHeaders, body: pattern(100 + number)) }
        for _ in 0..<10 {
            server.receive(client.output())
            let out = server.output()
            answers += out
            client.receive(out)
        }
        var random = SeededGenerator(77)
        var closed = 0
        for round in 0..<5000 {
            let peer = try Peer(.client)
            for number in 0..<3 { _ = try peer.request(headers: requestHeaders, body: pattern(100 + number)) }
            _ = peer.output()
            for piece in [mutate(answers, &random), random.chance(20) ? answers : []] {
                peer.receive(piece)
                _ = peer.output(limit: 1 << 20)
            }
            closed += peer.events.count { if case .closed = $0 { true } else { false } }
            if peer.openStreams > 3 || peer.bufferedBodyBytes < 0 || peer.written > 1 << 20 {
                Issue.record("round \(round): \(peer.openStreams) streams, \(peer.bufferedBodyBytes) bytes")
            }
        }
        #expect(closed > 2000)
    }
}

import Testing

@testable import NativeCore

/// A session that a test can keep in a variable and ask in `#expect`.
final class Peer {
    var session: HTTP2Session
    /// Everything that happened and was not taken by `take`.
    var events: [HTTP2Event] = []
    var failure: HTTP2SessionError?
    /// Bytes written in all.
    var written = 0
    /// Answers requests as they end, before `.closed` lets go of them.
    var onEvent: ((Peer, HTTP2Event) -> Void)?

    init(_ role: HTTP2Session.Role, _ settings: HTTP2Settings = HTTP2Settings()) throws {
        session = try HTTP2Session(role: role, settings: settings)
    }

    func receive(_ bytes: [UInt8]) {
        guard failure == nil else { return }
        do throws(HTTP2SessionError) {
            try session.receive(bytes.span)
        } catch {
            failure = error
        }
        while let event = session.nextEvent() {
            onEvent?(self, event)
            events.append(event)
        }
    }

    func output(limit: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(HTTP2SessionError) {
            let count = try session.output(limit: limit) { frame in
                frame.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
            if count != bytes.count { Issue.record("output says \(count) and wrote \(bytes.count)") }
        } catch {
            failure = failure ?? error
        }
        while let event = session.nextEvent() {
            onEvent?(self, event)
            events.append(event)
        }
        written += bytes.count
        return bytes
    }

    /// Events since the last call.
    func take() -> [HTTP2Event] {
        defer { events.removeAll() }
        return events
    }

    func closed(_ stream: Int32) -> UInt32? {
        for case .closed(stream, let error) in events { return error }
        return nil
    }
}

/// Moves bytes between two peers until neither has anything to say. `piece`: bytes of one delivery.
func pump(_ a: Peer, _ b: Peer, piece: Int = .max) {
    for _ in 0..<100_000 {
        let out = a.output(limit: 64 << 10)
        deliver(out, to: b, piece)
        let back = b.output(limit: 64 << 10)
        deliver(back, to: a, piece)
        if out.isEmpty && back.isEmpty { return }
    }
    Issue.record("the two peers never stop talking")
}

private func deliver(_ bytes: [UInt8], to peer: Peer, _ piece: Int) {
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, piece == .max ? bytes.count : start + piece)
        peer.receive(Array(bytes[start..<end]))
        start = end
    }
}

let requestHeaders = HTTP2Headers([
    ":method": "POST", ":scheme": "http", ":path": "/service/Method", ":authority": "localhost",
    "content-type": "application/grpc", "te": "trailers",
])
let okHeaders = HTTP2Headers([":status": "200", "content-type": "application/grpc"])
let okTrailers = HTTP2Headers(["grpc-status": "0"])
let refusal = HTTP2Headers([":status": "200", "content-type": "application/grpc", "grpc-status": "14"])

/// The session's own interface: `#expect` can't take a non-copyable value apart.
extension Peer {
    var openStreams: Int { session.openStreams }
    var bufferedBodyBytes: Int { session.bufferedBodyBytes }
    var isFinished: Bool { session.isFinished }
    var acceptsRequests: Bool { session.acceptsRequests }
    func headers(of stream: Int32) -> HTTP2Headers? { session.headers(of: stream) }
    func trailers(of stream: Int32) -> HTTP2Headers? { session.trailers(of: stream) }
    func takeBody(of stream: Int32) -> [UInt8]? { session.takeBody(of: stream) }
    func discardBody(of stream: Int32) { session.discardBody(of: stream) }
    func unsentBytes(of stream: Int32) -> Int { session.unsentBytes(of: stream) }
    func bodyPrefix(of stream: Int32) -> [UInt8]? {
        session.bodyPrefix(of: stream).map { [$0.0, $0.1, $0.2, $0.3, $0.4] }
    }
    func request(headers: HTTP2Headers, head: [UInt8] = [], body: [UInt8]) throws(HTTP2SessionError) -> Int32 {
        try session.request(headers: headers, head: head, body: body)
    }
    @discardableResult
    func respond(
        _ stream: Int32, headers: HTTP2Headers, body: [UInt8] = [], trailers: HTTP2Headers? = nil, thenReset: Bool = false
    ) -> Bool {
        session.respond(stream, headers: headers, body: body, trailers: trailers, thenReset: thenReset)
    }
    func respondStreaming(_ stream: Int32, headers: HTTP2Headers, body: [UInt8]) {
        session.respondStreaming(stream, headers: headers, body: body)
    }
    func send(_ bytes: [UInt8], on stream: Int32) { session.send(bytes, on: stream) }
    func finish(_ stream: Int32, trailers: HTTP2Headers) { session.finish(stream, trailers: trailers) }
    func reset(_ stream: Int32, error: UInt32) { session.reset(stream, error: error) }
    func ping() { session.ping() }
    func announceShutdown() { session.announceShutdown() }
    func goAway(error: UInt32 = 0, reason: StaticString = "") { session.goAway(error: error, reason: reason) }
    func terminate(error: UInt32) { session.terminate(error: error) }
}

/// A pair that has exchanged its SETTINGS, with no event left.
func connected(
    client: HTTP2Settings = HTTP2Settings(), server: HTTP2Settings = HTTP2Settings(), piece: Int = .max
) throws -> (client: Peer, server: Peer) {
    let pair = (client: try Peer(.client, client), server: try Peer(.server, server))
    pump(pair.client, pair.server, piece: piece)
    #expect(pair.client.take() == [] && pair.server.take() == [])
    #expect(pair.client.failure == nil && pair.server.failure == nil)
    return pair
}

func text(_ bytes: ArraySlice<UInt8>?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

func pattern(_ count: Int, _ seed: Int = 0) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) } }

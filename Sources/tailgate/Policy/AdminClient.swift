internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Why a node's admin endpoint gave no answer that can be used.
struct AdminClientError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Where a node's admin endpoint is: `http://host:port`, `host:port`, or a port of this machine.
struct AdminAddress: Sendable {
    var host: String
    var port: Int
    /// The part of the path before `/v1/...`; empty nearly always.
    var prefix: String

    init?(_ text: String) {
        var rest = Substring(text)
        if rest.hasPrefix("http://") { rest = rest.dropFirst(7) } else if rest.contains("://") { return nil }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var path = String(rest[slash...])
        while path.hasSuffix("/") { path.removeLast() }
        prefix = path
        let authority = rest[..<slash]
        if let port = Int(authority), (1...65_535).contains(port) {
            (host, self.port) = ("127.0.0.1", port)
        } else if let endpoint = EndpointArgument(argument: String(authority)), endpoint.port > 0 {
            (host, self.port) = (endpoint.host.isEmpty ? "127.0.0.1" : endpoint.host, endpoint.port)
        } else if !authority.isEmpty, !authority.contains(":") {
            (host, self.port) = (String(authority), 8888)
        } else {
            return nil
        }
    }

    var shown: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One GET of a node's admin endpoint over HTTP/1.1. The body comes in pieces, so a recording may be of any size.
struct AdminClient {
    let address: AdminAddress
    /// Fields to send along, such as `Authorization`.
    var headers: [(String, String)] = []
    /// Longest silence of the node before it is given up, seconds.
    var patience: Int64 = 30

    struct Answer: Sendable {
        var status: Int
        var contentType: String
    }

    /// The whole body, which may have at most `limit` bytes.
    func get(_ path: String, limit: Int = 16 << 20) async throws -> (answer: Answer, body: [UInt8]) {
        var body: [UInt8] = []
        let answer = try await get(path) { _, piece in
            body += piece
            if body.count > limit { throw AdminClientError("the answer of \(address.shown) is larger than \(limit >> 20) MiB") }
        }
        return (answer, body)
    }

    /// Calls `piece` with the answer's head and each piece of its body.
    func get(_ path: String, _ piece: (Answer, [UInt8]) throws -> Void) async throws -> Answer {
        let connection: NIOAsyncChannel<HTTPClientResponsePart, HTTPPart<HTTPRequestHead, IOData>>
        do {
            connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(host: address.host, port: address.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(IdleStateHandler(readTimeout: .seconds(patience)))
                        try channel.pipeline.syncOperations.addHandler(SilenceHandler())
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw AdminClientError("can't reach a node's admin endpoint at \(address.shown): \(Self.reason(error))")
        }
        do {
            return try await connection.executeThenClose { inbound, outbound in
                var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: address.prefix + path)
                head.headers.add(name: "Host", value: address.shown)
                head.headers.add(name: "Accept", value: "application/json, */*")
                head.headers.add(name: "Connection", value: "close")
                for (name, value) in headers { head.headers.replaceOrAdd(name: name, value: value) }
                // At once: a server may answer and close when it has seen the head, and a write after that would be an error.
                try await outbound.write(contentsOf: [.head(head), .end(nil)])
                var answer: Answer?
                for try await part in inbound {
                    switch part {
                    case .head(let response):
                        answer = Answer(
                            status: Int(response.status.code), contentType: response.headers.first(name: "Content-Type") ?? "")
                    case .body(let buffer):
                        if let answer { try piece(answer, Array(buffer.readableBytesView)) }
                    case .end:
                        if let answer { return answer }
                    }
                }
                throw AdminClientError("\(address.shown) ended the connection in the middle of its answer")
            }
        } catch let error as AdminClientError {
            throw error
        } catch {
            throw AdminClientError("\(address.shown): \(Self.reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            if let first = error.connectionErrors.first { return reason(first.error) }
            return "the name \(error.host) is not known"
        }
        if let error = error as? IOError { return error.errnoCode == ECONNREFUSED ? "connection refused" : error.localizedDescription }
        if case ChannelError.connectTimeout = error { return "no answer within 5 s" }
        if error is Silence { return "it has been silent for too long" }
        return "\(error)"
    }
}

private struct Silence: Error {}

/// Ends a connection whose peer says nothing any more.
private final class SilenceHandler: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.fireErrorCaught(Silence())
            context.close(promise: nil)
        }
    }
}

import NIOCore
import NIOEmbedded
import NativeCore
import OTLP
import Testing

@testable import Transport

/// A plan whose only receiver is an OTLP/HTTP listener.
func makeHTTPPlan(_ change: (inout NodePlan) -> Void = { _ in }) throws -> NodePlan {
    try makePlan { plan in
        var listener = ListenerSettings()
        listener.http = HTTPListenerSettings()
        plan.listeners = [listener]
        change(&plan)
    }
}

/// Bytes against the real server connection, in memory.
final class HTTPCaller {
    struct Answer: Equatable {
        var status = 0
        var fields: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    let node: Node
    let channel: EmbeddedChannel
    private var received: [UInt8] = []

    init(_ node: Node) throws {
        self.node = node
        channel = EmbeddedChannel(loop: node.loop)
        try node.server.adopt(channel, receiver: 0)
        try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func send(_ bytes: some Sequence<UInt8>) throws {
        if channel.isActive { _ = try? channel.writeInbound(ByteBuffer(bytes: bytes)) }
        collect()
    }

    func send(_ text: String) throws { try send(text.utf8) }

    private func collect() {
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { received += buffer.readableBytesView }
    }

    /// What came, as it is.
    func text() -> String {
        collect()
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// Lets the lingering of a closing connection pass.
    func linger() { node.loop.advanceTime(by: .seconds(1)) }

    /// The answers that came, oldest first. A strict reader: what is no HTTP/1.1 is a test failure.
    func answers() throws -> [Answer] {
        collect()
        var answers: [Answer] = []
        var rest = received[...]
        received = []
        while !rest.isEmpty {
            let end = try #require(rest.firstRange(of: Array("\r\n\r\n".utf8)), "an answer without end")
            let lines = String(decoding: rest[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
            rest = rest[end.upperBound...]
            let first = lines[0].split(separator: " ", maxSplits: 2)
            try #require(first.count == 3 && first[0] == "HTTP/1.1", "\(lines[0])")
            var answer = Answer(status: Int(first[1]) ?? 0)
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                try #require(parts.count == 2, "\(line)")
                let name = String(parts[0])
                #expect(answer.fields[name] == nil, "\(name) twice")
                answer.fields[name] = parts[1].trimmingPrefix(" ").description
            }
            if let length = answer.fields["content-length"].flatMap({ Int($0) }), answer.status >= 200 {
                try #require(rest.count >= length)
                answer.body = Array(rest.prefix(length))
                rest = rest.dropFirst(length)
            }
            answers.append(answer)
        }
        return answers
    }

    /// One request as text and its body; the one answer.
    func call(_ head: String, _ body: [UInt8] = []) throws -> Answer {
        try send(head.replacing("\n", with: "\r\n").utf8)
        try send(body)
        return try #require(try answers().last)
    }

    static let json = "content-type: application/json\n"
    static let protobuf = "content-type: application/x-protobuf\n"

    func post(_ fields: String, _ body: [UInt8], path: String = "/v1/traces") throws -> Answer {
        try call("POST \(path) HTTP/1.1\nhost: x\n\(fields)content-length: \(body.count)\n\n", body)
    }
}

extension String {
    func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map { String($0) }
    }
}

import Foundation
import NIOCore
import NIOEmbedded
import NativeCore
import OTLP
import Testing

@testable import Transport

/// Inputs that the fuzzers found once (`Tests/Fuzzing/Found`), and their seeds, replayed as the fuzzers feed them.
@Suite struct FoundInputTests {
    /// All files kept for a target.
    static func inputs(_ target: String) throws -> [[UInt8]] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fuzzing")
        var found: [[UInt8]] = []
        for place in ["Found", "Corpus"] {
            let path = folder.appendingPathComponent(place).appendingPathComponent(target).path
            for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() where !name.hasPrefix(".") {
                found.append(Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))))
            }
        }
        try #require(!found.isEmpty, "nothing is kept for \(target)")
        return found
    }

    @Test func http1() throws {
        let node = Node(try makeHTTPPlan { $0.limits[0].maximumMessageBytes = 4096 })
        for input in try Self.inputs("http1") {
            guard let first = input.first else { continue }
            let caller = try HTTPCaller(node)
            var rest = input.dropFirst()
            while !rest.isEmpty {
                try caller.send(rest.prefix(max(1, Int(first))))
                rest = rest.dropFirst(max(1, Int(first)))
            }
            caller.linger()
            if caller.channel.isActive { try caller.channel.close().wait() }
            #expect(node.server.connectionCount == 0 && node.plan.memory.promisedBytes == 0)
        }
    }

    @Test func http2() throws {
        for input in try Self.inputs("http2") {
            guard let first = input.first else { continue }
            var session = try HTTP2Session(role: .server)
            let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
            var rest = ((first & 1 == 0 ? preface : []) + input.dropFirst())[...]
            let piece = max(1, Int(first >> 1))
            while !rest.isEmpty, (try? session.receive(Array(rest.prefix(piece)).span)) != nil {
                rest = rest.dropFirst(piece)
                while let event = session.nextEvent() {
                    if case .ended(let stream) = event {
                        session.respond(stream, headers: HTTP2Headers([":status": "200"]), body: session.takeBody(of: stream) ?? [])
                    }
                }
                _ = try? session.output(limit: 1 << 20) { _ in }
            }
            let buffered = session.bufferedBodyBytes
            #expect(buffered >= 0)
        }
    }

    @Test func requests() throws {
        var walker = RequestWalker(keys: HashKeys(1, 2))
        walker.checksNested = true
        for input in try Self.inputs("walker") + Self.inputs("json") {
            var index = RequestIndex()
            _ = try? walker.walk(input.span, into: &index)
            for signal in OTLPSignal.allCases {
                guard let bytes = try? OTLPJSONTranscoder.transcode(input.span, signal) else { continue }
                let isLong = bytes.count > input.count * 5 / 4 + 16
                #expect(!isLong)
            }
        }
    }

    @Test func compressed() throws {
        var inflater = Inflater()
        for input in try Self.inputs("inflater") {
            for wrapping in [DeflateWrapping.gzip, .deflate] {
                let first = try? inflater.inflate(input.span, as: wrapping, limit: 1 << 16)
                let second = try? inflater.inflate(input.span, as: wrapping, limit: 1 << 16)
                #expect(first == second)
            }
        }
    }
}

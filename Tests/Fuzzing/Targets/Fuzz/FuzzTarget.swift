import ConfigTree
import Gateway
import NativeCore
import OTLP

/// What is fed with libFuzzer's inputs. Each must take any bytes without a trap; what it checks besides says its comment.
enum FuzzTarget {
    nonisolated(unsafe) static var chosen: (([UInt8]) -> Void)?

    nonisolated(unsafe) static let all: [String: ([UInt8]) -> Void] = [
        "http2": http2, "http1": ConnectionFuzzer.http1, "walker": walker, "json": json, "inflater": inflater,
        "configuration": configuration,
    ]

    /// Frames into a server's session. The first byte says how the rest is cut; every request is answered.
    static func http2(_ input: [UInt8]) {
        guard let first = input.first, var session = try? HTTP2Session(role: .server) else { return }
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        let bytes = (first & 1 == 0 ? preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] : []) + input.dropFirst()
        let piece = max(1, Int(first >> 1))
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let part = Array(bytes[start..<min(bytes.count, start + piece)])
            guard (try? session.receive(part.span)) != nil else { break }
            while let event = session.nextEvent() {
                if case .ended(let stream) = event {
                    let body = session.takeBody(of: stream) ?? []
                    session.respond(stream, headers: HTTP2Headers([":status": "200"]), body: body)
                }
            }
            guard (try? session.output(limit: 1 << 20, { _ in })) != nil else { break }
        }
        precondition(session.bufferedBodyBytes >= 0)
    }

    /// Any bytes as a request: walked, and if they are one, written as JSON, which must read back.
    static func walker(_ input: [UInt8]) {
        var index = RequestIndex()
        guard (try? RequestWalker(keys: HashKeys(1, 2)).walk(input.span, into: &index)) != nil else { return }
        for record in index.records { precondition(Int(record.group) < index.groups.count) }
        var text: [UInt8] = []
        guard (try? OTLPJSONWriter.append(input.span, to: &text)) != nil else { return }
        guard let back = try? OTLPJSONTranscoder.transcode(text.span) else { preconditionFailure("the writer's JSON is refused") }
        var again: [UInt8] = []
        guard (try? OTLPJSONWriter.append(back.span, to: &again)) != nil else { preconditionFailure("the transcoder's protobuf is refused") }
        precondition(again == text, "a round trip changes a request")
    }

    /// Any bytes as JSON of every signal: what is taken must be protobuf of bearable length.
    static func json(_ input: [UInt8]) {
        for signal in OTLPSignal.allCases {
            guard let bytes = try? OTLPJSONTranscoder.transcode(input.span, signal) else { continue }
            precondition(bytes.count <= input.count * 5 / 4 + 16, "the output is longer than promised")
            precondition((try? OpaqueRequest.check(bytes.span)) != nil)
            guard signal == .traces else { continue }
            var index = RequestIndex()
            precondition((try? RequestWalker(keys: HashKeys(1, 2)).walk(bytes.span, into: &index)) != nil)
        }
    }

    /// Any bytes as gzip and deflate: never more than the limit comes out, and a failure leaves no trace.
    static func inflater(_ input: [UInt8]) {
        var inflater = Inflater()
        for wrapping in [DeflateWrapping.gzip, .deflate] {
            let first = try? inflater.inflate(input.span, as: wrapping, limit: 1 << 16)
            precondition((first?.count ?? 0) <= 1 << 16)
            let second = try? inflater.inflate(input.span, as: wrapping, limit: 1 << 16)
            precondition(first == second, "the inflater remembers")
        }
    }

    /// Any text as a configuration with policies: problems are reported, and what is none compiles.
    static func configuration(_ input: [UInt8]) {
        let environment = ConfigurationEnvironment(
            variable: { $0 == "X" ? "1" : nil }, readFile: { (_, _) throws(ConfigurationEnvironment.Unreadable) in Array("policies: []".utf8) })
        let (config, problems) = ConfigurationLoader.load(
            text: String(decoding: input, as: UTF8.self), file: "fuzz.yaml", environment: environment)
        precondition(config != nil || problems.hasErrors, "refused without a word")
        if let config { NodePlanner.check(config, problems) }
        _ = ProblemReport.text(problems)
    }
}

internal import NativeCore

/// Something that reads bytes from outside, as a fuzzer feeds it. The fuzzers and the unit tests that replay what they found run
/// the same code: this.
package struct FuzzTarget: Sendable {
    /// What `Tests/Fuzzing/run` and the folders of inputs call it.
    package let name: String
    /// Longer inputs find little that shorter ones don't, and cost time.
    package let maximumLength: Int
    private let body: @Sendable ([UInt8]) -> Bool

    init(_ name: String, maximumLength: Int, _ body: @escaping @Sendable ([UInt8]) -> Bool) {
        self.name = name
        self.maximumLength = maximumLength
        self.body = body
    }

    /// Feeds one input. Traps if a promise is broken: which, says each target.
    ///
    /// - Returns: whether the input came to a place deep behind the surface that no seed comes to. Fuzzing with a planted
    ///   fault (`Tests/Fuzzing/run --self-test`) traps there, to show that such places are reached and a trap is reported.
    package func run(_ input: [UInt8]) -> Bool { body(input) }

    /// All targets, in the order in which they are run.
    package static let all = [http1, http2, walker, json, inflater, configuration, policies]

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

extension FuzzTarget {
    /// Bytes into a served connection: the sniffer, HTTP/1.1 or HTTP/2, the worker.
    static let http1 = FuzzTarget("http1", maximumLength: 1024, ConnectionFuzzing.run)

    /// Frames into a server's session. The first byte says how the rest is cut; every request is answered.
    ///
    /// Deep: a request that ended with a body longer than a seed's.
    static let http2 = FuzzTarget("http2", maximumLength: 1024) { input in
        guard let first = input.first, var session = try? HTTP2Session(role: .server) else { return false }
        var isDeep = false
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        let bytes = (first & 1 == 0 ? preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] : []) + input.dropFirst()
        let piece = max(1, Int(first >> 1))
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let part = Array(bytes[start..<min(bytes.count, start + piece)])
            guard (try? session.receive(part.span)) != nil else { break }
            while let event = session.nextEvent() {
                if case .ended(let stream) = event {
                    let body = session.takeBody(of: stream) ?? []
                    if body.count > 8 { isDeep = true }
                    session.respond(stream, headers: HTTP2Headers([":status": "200"]), body: body)
                }
            }
            guard (try? session.output(limit: 1 << 20, { _ in })) != nil else { break }
        }
        precondition(session.bufferedBodyBytes >= 0)
        return isDeep
    }

    /// Any bytes as gzip and deflate: never more than the limit comes out, and a failure leaves no trace.
    ///
    /// Deep: something comes out that is no seed's.
    static let inflater = FuzzTarget("inflater", maximumLength: 512) { input in
        let limit = 1 << 14
        var isDeep = false
        InflaterFuzzing.withInflater { inflater in
            for wrapping in [DeflateWrapping.gzip, .deflate] {
                let first = try? inflater.inflate(input.span, as: wrapping, limit: limit)
                precondition((first?.count ?? 0) <= limit)
                let second = try? inflater.inflate(input.span, as: wrapping, limit: limit)
                precondition(first == second, "the inflater remembers")
                if let first, first.count > 0, first.count != 1980, first.count != 891 { isDeep = true }
            }
        }
        return isDeep
    }
}

/// One inflater for all inputs, as a worker has one for all requests. For one thread.
private enum InflaterFuzzing {
    nonisolated(unsafe) private static var inflater = Inflater()

    static func withInflater(_ body: (inout Inflater) -> Void) { body(&inflater) }
}

import NativeCore
import OTLP
import PolicyTools
import TestSupport
import Testing

/// Recordings in every format, whole and damaged, in pieces of any size.
@Suite struct RecordingTests {
    static let requests = (0..<20).map { number in
        Encode.request(TraceID(high: 7, low: UInt64(number) + 1), name: String(repeating: "x", count: number * 7), start: UInt64(number))
    }

    static func read(_ bytes: [UInt8], piece: Int) throws -> (requests: [[UInt8]], skipped: Int) {
        var position = 0
        var reader = RecordingReader(
            next: {
                let end = min(bytes.count, position + piece)
                defer { position = end }
                return Array(bytes[position..<end])
            }, transcode: { try OTLPJSONTranscoder.transcode($0) })
        var found: [[UInt8]] = []
        var request: [UInt8] = []
        while try reader.read(into: &request) { found.append(request) }
        return (found, reader.skippedLines)
    }

    static func json(_ request: [UInt8]) throws -> [UInt8] {
        var line: [UInt8] = []
        try OTLPJSONWriter.append(request.span, to: &line)
        return line
    }

    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var deflater = Deflater()
        return deflater.gzip(bytes.span)
    }

    static func length(_ count: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } }

    static var delimited: [UInt8] { requests.reduce(into: []) { $0 += Encode.varint(UInt64($1.count)) + $1 } }
    static var prefixed: [UInt8] { requests.reduce(into: []) { $0 += length($1.count) + $1 } }
    static var bare: [UInt8] { requests.reduce(into: []) { $0 += $1 } }

    /// All spans of some requests, whatever requests they came in.
    static func spans(_ requests: [[UInt8]]) throws -> [TraceID] {
        try requests.flatMap { request in
            var index = RequestIndex()
            try RequestWalker(keys: HashKeys(1, 2)).walk(request.span, into: &index)
            return index.records.map(\.traceID)
        }
    }

    static var formats: [(String, [UInt8])] {
        get throws {
            let lines: [UInt8] = try requests.reduce(into: []) { $0 += try json($1) + [0x0a] }
            let pretty: [UInt8] = try requests.reduce(into: []) { pretty, request in
                // Line feeds wherever JSON allows them.
                let text = String(decoding: try json(request), as: UTF8.self)
                pretty += Array(text.replacing("{\"", with: "{\n  \"").replacing("[{", with: "[\n{").utf8) + [0x0a, 0x0a]
            }
            return [
                ("lines", lines), ("no final line feed", Array(lines.dropLast())), ("byte order mark", [0xef, 0xbb, 0xbf] + lines),
                ("pretty", pretty), ("delimited", delimited),
                ("prefixed", prefixed), ("bare", bare),
            ]
        }
    }

    @Test(arguments: [1, 7, 100, 1 << 20])
    func everyFormat(piece: Int) throws {
        let expected = try Self.spans(Self.requests)
        for (name, bytes) in try Self.formats {
            #expect(try Self.spans(Self.read(bytes, piece: piece).requests) == expected, "\(name)")
            #expect(try Self.spans(Self.read(Self.gzip(bytes), piece: piece).requests) == expected, "\(name), gzip")
        }
    }

    @Test func severalGzipMembers() throws {
        let parts = try Self.requests.map { Self.gzip(try Self.json($0) + [0x0a]) }
        #expect(try Self.spans(Self.read(parts.reduce([], +), piece: 64).requests) == Self.spans(Self.requests))
    }

    @Test func otherSignalsPassBy() throws {
        let metrics = Array(#"{"resourceMetrics":[]}"#.utf8) + [0x0a]
        let found = try Self.read(metrics + Self.json(Self.requests[3]) + [0x0a] + metrics, piece: 50)
        #expect(found.requests.count == 1)
        #expect(found.skipped == 2)
    }

    /// A node was killed while it wrote a line, came again, and was killed once more.
    @Test(arguments: [1, 7, 1 << 20])
    func tornLinesCostThemselves(piece: Int) throws {
        let line = try Self.json(Self.requests[3])
        let expected = try Self.spans([Self.requests[3], Self.requests[3]])
        for cut in 1..<line.count {
            let torn = Array(line[..<cut])
            let bytes = line + [0x0a] + torn + [0x0a] + line + [0x0a] + torn
            var position = 0
            var reader = RecordingReader(
                next: {
                    let end = min(bytes.count, position + piece)
                    defer { position = end }
                    return Array(bytes[position..<end])
                }, transcode: { try OTLPJSONTranscoder.transcode($0) })
            var found: [[UInt8]] = []
            var request: [UInt8] = []
            while try reader.read(into: &request) { found.append(request) }
            #expect(try Self.spans(found) == expected, "cut at \(cut)")
            #expect(reader.damagedLines == 2, "cut at \(cut)")
        }
    }

    @Test func nothing() throws {
        #expect(try Self.read([], piece: 9).requests.isEmpty)
        #expect(try Self.read(Array("\n\n  \n".utf8), piece: 9).requests.isEmpty)
    }

    @Test(arguments: [
        (Array("hello".utf8), "neither OTLP JSON nor OTLP protobuf"), (Array("[{}]".utf8), "a JSON list"),
        ([0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstd"), (Array("{\"resourceSpans\":[".utf8), "has no end"),
        (Array("{\"resourceSpans\":[{]}\n".utf8), "line 1"), (Array("{\"resourceSpans\":[]}\nxx\n".utf8), "line 2: a JSON object is expected"),
    ])
    func damaged(bytes: [UInt8], message: String) {
        let error = #expect(throws: RecordingError.self) { try Self.read(bytes, piece: 1 << 20) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    /// A recording that ends early says so, wherever it was cut; nothing traps.
    @Test func cutAnywhere() throws {
        for (name, bytes) in try Self.formats where name != "pretty" {
            for cut in stride(from: 1, to: bytes.count, by: 13) {
                _ = try? Self.read(Array(bytes[..<cut]), piece: 64)
                _ = try? Self.read(Array(Self.gzip(bytes).prefix(cut)), piece: 64)
            }
        }
        let delimited = Self.delimited
        #expect(throws: RecordingError.self) { try Self.read(Array(delimited.dropLast()), piece: 64) }
        #expect(throws: RecordingError.self) { try Self.read(Array(Self.gzip(delimited).dropLast(9)), piece: 64) }
    }

    /// Bytes changed at random: an error or requests, never a trap.
    @Test func fuzz() throws {
        var random = SeededGenerator(5)
        for (_, bytes) in try Self.formats {
            for _ in 0..<200 {
                var changed = bytes
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                _ = try? Self.read(changed, piece: 333)
            }
        }
    }
}

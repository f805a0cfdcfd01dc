import Delivery
import NativeCore
import OTLP
import Telemetry
import Testing

@testable import Transport

/// What the header fields of a request lead to: the oracle is what grpc-go answers.
@Suite struct GRPCCallTests {
    static func read(_ headers: HTTP2Headers) -> Result<GRPCCall, RequestRefusal> {
        do throws(RequestRefusal) { return .success(try GRPCCall(headers)) } catch { return .failure(error) }
    }

    @Test(arguments: [
        (Caller.exportPath, GRPCMethod.exportTraces), ("/grpc.health.v1.Health/Check", .healthCheck),
        ("/grpc.health.v1.Health/Watch", .healthWatch), ("/grpc.health.v1.Health/List", .healthList),
    ])
    func methods(path: String, method: GRPCMethod) throws {
        let call = try Self.read(Caller.headers(path: path)).get()
        #expect(call.method == method && call.encoding == .identity && call.timeout == nil)
    }

    @Test(arguments: [
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/export", Caller.exportPath + "/", "", "/",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Caller.exportPath.uppercased(),
    ])
    func unknownPaths(path: String) {
        guard case .failure(let refusal) = Self.read(Caller.headers(path: path)) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .unknownMethod && refusal.status == .unimplemented && refusal.httpStatus == 200)
        #expect(refusal.message.contains(path) && refusal.retryAfter == nil)
    }

    @Test(arguments: [("metrics", "Metrics"), ("logs", "Logs")])
    func signalsWithoutAPipeline(signal: String, service: String) {
        let path = "/opentelemetry.proto.collector.\(signal).v1.\(service)Service/Export"
        guard case .failure(let refusal) = Self.read(Caller.headers(path: path)) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .noPipeline && refusal.status == .unimplemented && refusal.httpStatus == 200)
        #expect(refusal.message.contains("takes \(signal)") && refusal.retryAfter == nil)
    }

    @Test func aPeersTextIsShownHarmlessAndShort() {
        let path = "/" + String(repeating: "é\u{7f}", count: 500)
        guard case .failure(let refusal) = Self.read(Caller.headers(path: path)) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.message.utf8.count < 200 && refusal.message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
    }

    @Test(arguments: [
        "application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+json",
        "Application/GRPC",
    ])
    func contentTypes(type: String) {
        #expect((try? Self.read(Caller.headers(contentType: type)).get())?.method == .exportTraces)
    }

    @Test(arguments: [nil, "", "application/x-protobuf", "application/json", "application/grpcx", "application/grp", "text/plain"])
    func otherContentTypes(type: String?) {
        guard case .failure(let refusal) = Self.read(Caller.headers(contentType: type)) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .unsupportedContentType && refusal.status == .invalidArgument && refusal.httpStatus == 415)
    }

    @Test(arguments: ["GET", "PUT", "post", "OPTIONS"]) func httpMethods(method: String) {
        guard case .failure(let refusal) = Self.read(Caller.headers(method: method)) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .wrongHTTPMethod && refusal.status == .internal && refusal.httpStatus == 405)
    }

    @Test func encodings() throws {
        #expect(try Self.read(Caller.headers(extra: [("grpc-encoding", "gzip")])).get().encoding == .gzip)
        #expect(try Self.read(Caller.headers(extra: [("grpc-encoding", "identity")])).get().encoding == .identity)
        for name in ["zstd", "snappy", "deflate", "GZIP", "gzip ", ""] {
            guard case .failure(let refusal) = Self.read(Caller.headers(extra: [("grpc-encoding", name)])) else {
                Issue.record("taken: \(name)")
                continue
            }
            #expect(refusal.reason == .unsupportedEncoding && refusal.status == .unimplemented && refusal.httpStatus == 200)
            let fields = GRPCReplies.refusal(refusal)
            #expect(header(fields, "grpc-accept-encoding") == "identity,gzip")
        }
    }

    @Test(arguments: [
        ("1H", 3_600_000_000_000), ("2M", 120_000_000_000), ("10S", 10_000_000_000), ("250m", 250_000_000),
        ("7u", 7000), ("99999999n", 99_999_999), ("0S", 0), ("99999999H", Int64.max),
    ])
    func timeouts(text: String, nanoseconds: Int64) throws {
        #expect(try Self.read(Caller.headers(extra: [("grpc-timeout", text)])).get().timeout == nanoseconds)
    }

    @Test(arguments: ["", "S", "10", "10s", "-1S", "123456789S", "1.5S", "1 S"]) func badTimeouts(text: String) {
        guard case .failure(let refusal) = Self.read(Caller.headers(extra: [("grpc-timeout", text)])) else {
            Issue.record("taken")
            return
        }
        #expect(refusal.reason == .badHeaders && refusal.status == .internal && refusal.httpStatus == 400)
    }

    @Test func unknownFieldsAreIgnored() throws {
        let call = try Self.read(
            Caller.headers(extra: [
                ("grpc-accept-encoding", "br, gzip"), ("grpc-trace-bin", "AA"), ("user-agent", "x"), ("grpc-previous-rpc-attempts", "1"),
            ])).get()
        #expect(call == (try Self.read(Caller.headers()).get()))
    }
}

@Suite struct UnframeTests {
    enum Expected: Equatable, Sendable {
        case message(GRPCEncoding)
        case refused(GRPCStatusCode)
    }

    @Test(arguments: [
        ([0, 0, 0, 0, 0], .identity, .message(.identity)),
        ([0, 0, 0, 0, 2, 8, 9], .identity, .message(.identity)),
        // Flag 0 is legal although an encoding is declared.
        ([0, 0, 0, 0, 2, 8, 9], .gzip, .message(.identity)),
        ([1, 0, 0, 0, 2, 8, 9], .gzip, .message(.gzip)),
        ([1, 0, 0, 0, 2, 8, 9], .identity, .refused(.internal)),
        ([2, 0, 0, 0, 0], .identity, .refused(.internal)),
        ([255, 0, 0, 0, 0], .gzip, .refused(.internal)),
        // No message, or more than one: cardinality.
        ([], .identity, .refused(.unimplemented)),
        ([0, 0, 0, 0, 0, 0], .identity, .refused(.unimplemented)),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .identity, .refused(.unimplemented)),
        ([0, 0, 0, 0], .identity, .refused(.internal)),
        ([0], .identity, .refused(.internal)),
        ([0, 0, 0, 0, 3, 1, 2], .identity, .refused(.internal)),
        ([0, 255, 255, 255, 255, 1], .identity, .refused(.internal)),
    ] as [([UInt8], GRPCEncoding, Expected)])
    func table(body: [UInt8], declared: GRPCEncoding, expected: Expected) {
        do throws(RequestRefusal) {
            let (start, encoding) = try GRPCCall.unframe(body, encoding: declared)
            #expect(start == 5 && expected == .message(encoding))
        } catch {
            #expect(error.reason == .badFraming && expected == .refused(error.status) && error.retryAfter == nil)
        }
    }
}

@Suite struct GRPCReplyTests {
    /// The vector of otlp.md §2: UNAVAILABLE "busy" + 3 s, in both trailers.
    @Test func retryInfoInBothTrailers() {
        let fields = GRPCReplies.refusal(RequestRefusal(.memory, .unavailable, "busy", retryAfter: 3_000_000_000))
        #expect(header(fields, ":status") == "200" && header(fields, "content-type") == "application/grpc")
        #expect(header(fields, "grpc-status") == "14" && header(fields, "grpc-message") == "busy")
        #expect(
            header(fields, "grpc-status-details-bin")
                == "CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAw")
        #expect(header(fields, "google.rpc.retryinfo-bin") == "CgIIAw")
        #expect(header(fields, "grpc-accept-encoding") == nil)
    }

    @Test func withoutRetryInfoTheTrailersAreAbsent() {
        let fields = GRPCReplies.refusal(RequestRefusal(.messageTooLarge, .resourceExhausted, "too large"))
        #expect(header(fields, "grpc-status") == "8")
        #expect(header(fields, "grpc-status-details-bin") == nil && header(fields, "google.rpc.retryinfo-bin") == nil)
    }

    @Test func messagesArePercentEncoded() {
        let fields = GRPCReplies.refusal(RequestRefusal(.malformed, .invalidArgument, "50 % \u{1}é\n"))
        #expect(header(fields, "grpc-message") == "50 %25 %01%C3%A9%0A")
    }

    @Test func pseudoFieldsStandFirst() {
        let fields = GRPCReplies.refusal(RequestRefusal(.wrongHTTPMethod, .internal, "x", httpStatus: 405))
        #expect(fields.name(at: 0).elementsEqual(":status".utf8) && header(fields, ":status") == "405")
    }

    @Test func okParts() {
        #expect(GRPCReplies.emptyMessage == [0, 0, 0, 0, 0])
        #expect(GRPCReplies.message([8, 1]) == [0, 0, 0, 0, 2, 8, 1])
        #expect(GRPCReplies.message([UInt8](repeating: 1, count: 0x1_02_03)).prefix(5) == [0, 0, 1, 2, 3])
        #expect(header(GRPCReplies.okTrailers, "grpc-status") == "0" && GRPCReplies.okTrailers.count == 1)
        #expect(header(GRPCReplies.okHeaders, ":status") == "200")
    }
}

@Suite struct GRPCAnswerReaderTests {
    static func block(_ fields: [(String, String)]) -> HTTP2Headers {
        var headers = HTTP2Headers()
        for (name, value) in fields { headers.append(name, value) }
        return headers
    }

    static let ok = block([(":status", "200"), ("content-type", "application/grpc")])

    @Test func success() {
        let trailers = Self.block([("grpc-status", "0")])
        let delivered = GRPCAnswer.status(code: 0, message: [], retryDelay: nil, rejectedSpans: 0)
        for body in [[0, 0, 0, 0, 0], [], [0, 0]] as [[UInt8]] {
            #expect(GRPCAnswerReader.read(headers: Self.ok, trailers: trailers, body: body) == delivered)
        }
    }

    @Test func partialSuccess() {
        let trailers = Self.block([("grpc-status", "0")])
        func rejected(_ body: [UInt8]) -> GRPCAnswer { GRPCAnswerReader.read(headers: Self.ok, trailers: trailers, body: body) }
        // (3, "x") of otlp.md §1.
        let message: [UInt8] = [0x0a, 0x05, 0x08, 0x03, 0x12, 0x01, 0x78]
        #expect(rejected(framed(message)) == .status(code: 0, message: [0x78], retryDelay: nil, rejectedSpans: 3))
        // Compressed or broken: nothing is known, so nothing counts as rejected.
        #expect(rejected(framed(message, flag: 1)) == .status(code: 0, message: [], retryDelay: nil, rejectedSpans: 0))
        #expect(rejected(framed([0x0a, 0x50])) == .status(code: 0, message: [], retryDelay: nil, rejectedSpans: 0))
    }

    @Test func rejectedSpansCountOnlyWithOK() {
        let trailers = Self.block([("grpc-status", "14")])
        let body = framed([0x0a, 0x02, 0x08, 0x03])
        #expect(
            GRPCAnswerReader.read(headers: Self.ok, trailers: trailers, body: body)
                == .status(code: 14, message: [], retryDelay: nil, rejectedSpans: 0))
    }

    @Test func trailersOnlyWithRetryInfo() {
        let headers = Self.block([
            (":status", "200"), ("grpc-status", "14"), ("grpc-message", "bu%20sy%C3%A9%"),
            ("grpc-status-details-bin", "CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAw"),
        ])
        let answer = GRPCAnswer.status(code: 14, message: Array("bu syé%".utf8), retryDelay: 3_000_000_000, rejectedSpans: 0)
        #expect(GRPCAnswerReader.read(headers: headers, trailers: nil, body: []) == answer)
        // Trailers without a status (some proxies): the headers' status counts.
        #expect(GRPCAnswerReader.read(headers: headers, trailers: Self.block([("x", "y")]), body: []) == answer)
    }

    @Test func paddedAndBrokenDetails() {
        func delay(_ value: String) -> Int64? {
            let trailers = Self.block([("grpc-status", "8"), ("grpc-status-details-bin", value)])
            guard case .status(8, _, let delay, _) = GRPCAnswerReader.read(headers: Self.ok, trailers: trailers, body: []) else { return -1 }
            return delay
        }
        #expect(delay("CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAw==") == 3_000_000_000)
        #expect(delay("") == nil && delay("!!!") == nil && delay("CA4") == nil && delay("/////w") == nil)
    }

    @Test(arguments: [("503", 503), ("404", 404), ("200", 200), ("20", 0), ("", 0)])
    func noGRPCStatus(text: String, status: Int) {
        let headers = Self.block([(":status", text), ("content-type", "text/html")])
        #expect(GRPCAnswerReader.read(headers: headers, trailers: nil, body: [60]) == .http(status: status))
    }

    @Test func grpcStatusWinsOverHTTPStatus() {
        let headers = Self.block([(":status", "503"), ("grpc-status", "7")])
        #expect(
            GRPCAnswerReader.read(headers: headers, trailers: nil, body: [])
                == .status(code: 7, message: [], retryDelay: nil, rejectedSpans: 0))
    }

    @Test func oddStatusValues() {
        func read(_ value: String) -> GRPCAnswer {
            GRPCAnswerReader.read(headers: Self.block([(":status", "200"), ("grpc-status", value)]), trailers: nil, body: [])
        }
        #expect(read("99") == .status(code: 2, message: [], retryDelay: nil, rejectedSpans: 0))
        #expect(read("abc") == .http(status: 200) && read("") == .http(status: 200) && read("-1") == .http(status: 200))
    }
}

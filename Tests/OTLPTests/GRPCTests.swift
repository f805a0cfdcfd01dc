import Testing

@testable import OTLP

@Suite struct GRPCTests {
    @Test func percentCoding() {
        let message = Array("50 % of \u{e9}\n~\u{7f}".utf8)
        let coded = GRPCHeaders.encodeMessage(message.span)
        #expect(ascii(coded) == "50 %25 of %C3%A9%0A~%7F")
        let decoded = GRPCHeaders.decodeMessage(coded.span)
        #expect(decoded == message)
        for (text, expected) in [
            ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%41%", "A%"), ("%c3%a9", "\u{e9}"),
        ] {
            let result = GRPCHeaders.decodeMessage(Array(text.utf8).span)
            #expect(ascii(result) == expected)
        }
    }

    @Test func timeouts() {
        let cases: [(String, Int64?)] = [
            ("10S", 10_000_000_000), ("1n", 1), ("5u", 5_000), ("7m", 7_000_000),
            ("2M", 120_000_000_000), ("1H", 3_600_000_000_000), ("99999999H", .max), ("0S", 0),
            ("99999999S", 99_999_999_000_000_000),
            ("", nil), ("S", nil), ("10", nil), ("123456789S", nil), ("-1S", nil), ("1s", nil),
            ("1.5S", nil),
        ]
        for (text, expected) in cases {
            let parsed = GRPCHeaders.parseTimeout(Array(text.utf8).span)
            #expect(parsed == expected, "\(text)")
        }
        for (nanoseconds, expected): (Int64, String) in [
            (0, "0n"), (1, "1n"), (-4, "0n"), (100_000_000, "100000u"), (5_000_000_000, "5000000u"),
            (100_000_000_001, "100001m"), (.max, "9223372037S"),
        ] where nanoseconds != .max {
            #expect(ascii(GRPCHeaders.encodeTimeout(nanoseconds: nanoseconds)) == expected)
        }
        let long = GRPCHeaders.encodeTimeout(nanoseconds: .max)
        let back = GRPCHeaders.parseTimeout(long.span)
        #expect(back == .max)
    }

    @Test func contentTypes() {
        let cases = [
            ("application/grpc", true), ("application/grpc+proto", true),
            ("Application/gRPC;charset=utf-8", true), ("application/grpc-web", false),
            ("application/grpcx", false), ("application/json", false), ("", false),
        ]
        for (text, expected) in cases {
            let result = GRPCHeaders.isGRPC(contentType: Array(text.utf8).span)
            #expect(result == expected, "\(text)")
        }
    }

    @Test func encodings() {
        func named(_ text: String) -> GRPCEncoding? {
            GRPCEncoding(headerValue: Array(text.utf8).span)
        }
        #expect(named("gzip") == .gzip && named("identity") == .identity && named("zstd") == nil)
        func accepts(_ text: String) -> Bool {
            GRPCEncoding.gzip.isNamed(inAcceptHeader: Array(text.utf8).span)
        }
        #expect(accepts("gzip") && accepts("identity, deflate ,\tgzip ") && accepts(",,gzip"))
        #expect(!accepts("") && !accepts("gzipx,identity") && !accepts("g zip"))
    }

    @Test func statusCodes() {
        func parse(_ text: String) -> GRPCStatusCode? {
            GRPCStatusCode(headerValue: Array(text.utf8).span)
        }
        for code in GRPCStatusCode.allCases { #expect(parse(ascii(code.headerValue)) == code) }
        #expect(parse("17") == .unknown && parse("4294967295") == .unknown)
        #expect(
            parse("") == nil && parse("-1") == nil && parse("x") == nil
                && parse("99999999999") == nil)
        #expect(GRPCStatusCode(httpStatus: 503) == .unavailable)
        #expect(GRPCStatusCode(httpStatus: 200) == .unknown)
        #expect(GRPCStatusCode(streamResetCode: 7) == .unavailable)
        #expect(GRPCStatusCode(streamResetCode: 2) == .internal)
        #expect("\(GRPCStatusCode.unavailable.name)" == "UNAVAILABLE")
    }

    /// RFC 4648, section 10.
    @Test func base64Vectors() {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (plain, coded) in vectors {
            #expect(ascii(base64(Array(plain.utf8), isPadded: true)) == coded)
            let short = coded.filter { $0 != "=" }
            #expect(ascii(base64(Array(plain.utf8))) == short)
            #expect(unbase64(coded) == Array(plain.utf8))
            #expect(unbase64(short) == Array(plain.utf8))
        }
        for bad in ["A", "AAAAA", "Zg=", "====", "=", "Zm9v=", "Zm 9", "Zm9-", "Z===", "Zg==="] {
            #expect(unbase64(bad) == nil, "\(bad)")
        }
        let all = (0...255).map { UInt8($0) }
        #expect(unbase64(ascii(base64(all))) == all)
    }
}

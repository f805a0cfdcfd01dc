import TestSupport
import Testing

@testable import OTLP

@Suite struct MessageTests {
    @Test func varintSizes() {
        for shift in 0..<64 {
            for value in [UInt64(1) << UInt64(shift), (UInt64(1) << UInt64(shift)) - 1] {
                var output: [UInt8] = []
                output.appendVarint(value)
                #expect(output.count == ProtobufSize.varint(value))
                #expect(output == Encode.varint(value))
                let read = try? Wire.varint(output.span, 0, output.count)
                #expect(read?.value == value && read?.next == output.count)
            }
        }
        #expect(ProtobufSize.varint(.max) == 10)
        #expect(
            ProtobufSize.field(2, count: 300)
                == Encode.bytes(2, [UInt8](repeating: 0, count: 300)).count)
    }

    @Test func partialSuccess() throws {
        let response = ExportTraceServiceResponse(rejectedSpans: 3, errorMessage: Array("x".utf8))
        #expect(response.encoded == hex("0a050803120178"))
        #expect(ExportTraceServiceResponse().encoded.isEmpty)
        let bytes = response.encoded + Encode.varint(7, 1)
        let parsed = try ExportTraceServiceResponse(parsing: bytes.span)
        #expect(parsed == response)
        let empty: [UInt8] = []
        let parsedEmpty = try ExportTraceServiceResponse(parsing: empty.span)
        #expect(parsedEmpty == ExportTraceServiceResponse())
        let broken: [UInt8] = [0x0a, 5]
        #expect(throws: WalkError.self) { try ExportTraceServiceResponse(parsing: broken.span) }
    }

    @Test func statusWithRetryInfo() throws {
        let status = RPCStatus(
            code: 14, message: Array("busy".utf8),
            retryInfo: RetryInfo(delayNanoseconds: 3_000_000_000))
        let text = "CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAw"
        #expect(ascii(base64(status.encoded)) == text)
        let decoded = try #require(unbase64(text))
        let parsed = try RPCStatus(parsing: decoded.span)
        #expect(parsed == status)
        #expect(RPCStatus(code: 3, message: Array("bad".utf8)).encoded == hex("08031203626164"))
    }

    @Test func otherDetailsAreSkipped() throws {
        let detail =
            Encode.text(1, "type.googleapis.com/google.rpc.BadRequest") + Encode.bytes(2, [0xff])
        let near = Encode.text(1, "xgoogle.rpc.RetryInfo") + Encode.bytes(2, [0xff])
        let bytes = Encode.varint(1, 8) + Encode.bytes(3, detail) + Encode.bytes(3, near)
        let parsed = try RPCStatus(parsing: bytes.span)
        #expect(parsed == RPCStatus(code: 8, message: []))
    }

    @Test func retryDelays() throws {
        #expect(RetryInfo(delayNanoseconds: 250_000_000).encoded == hex("0a051080e59a77"))
        #expect(ascii(base64(RetryInfo(delayNanoseconds: 3_000_000_000).encoded)) == "CgIIAw")
        func delay(_ seconds: Int64, _ nanos: Int64) throws -> Int64 {
            let bytes = Encode.bytes(
                1,
                Encode.varint(1, UInt64(bitPattern: seconds))
                    + Encode.varint(2, UInt64(bitPattern: nanos)))
            return try RetryInfo(parsing: bytes.span).delayNanoseconds
        }
        #expect(try delay(1, 5) == 1_000_000_005)
        #expect(try delay(-1, 0) == 0)
        #expect(try delay(.max, .max) == .max)
        #expect(try delay(.min, 0) == 0)
        #expect(try delay(0, -1) == 0)
        #expect(RetryInfo(delayNanoseconds: -5).delayNanoseconds == 0)
    }

    @Test func health() throws {
        #expect(HealthCheckResponse(status: .serving).encoded == hex("0801"))
        #expect(HealthCheckResponse(status: .unknown).encoded.isEmpty)
        let request = HealthCheckRequest(service: Array("a.B".utf8))
        let bytes = request.encoded
        #expect(bytes == hex("0a03612e42"))
        let parsed = try HealthCheckRequest(parsing: bytes.span)
        #expect(parsed == request)
        let answer = hex("0802")
        let status = try HealthCheckResponse(parsing: answer.span).status
        #expect(status == .notServing)
    }
}

func base64(_ bytes: [UInt8], isPadded: Bool = false) -> [UInt8] {
    Base64.encode(bytes.span, isPadded: isPadded)
}
func unbase64(_ text: String) -> [UInt8]? { Base64.decode(Array(text.utf8).span) }

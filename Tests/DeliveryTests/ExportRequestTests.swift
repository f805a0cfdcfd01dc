import Delivery
import Telemetry
import Testing

@Suite struct ExportRequestTests {
    @Test func gzipIsMadeOnceAndShared() {
        let request = ExportRequest(
            identity: [1, 2, 3], spanCount: 1, traceCount: 1, sequence: 7, createdAt: 5)
        var calls = 0
        let compress: (Span<UInt8>) -> [UInt8] = { bytes in
            calls += 1
            return [UInt8(bytes.count)]
        }
        #expect(request.encoded(.identity, using: compress) == [1, 2, 3])
        #expect(calls == 0)
        #expect(request.gzipBytes == 0)
        #expect(request.encoded(.gzip, using: compress) == [3])
        #expect(request.encoded(.gzip, using: compress) == [3])
        #expect(calls == 1)
        #expect(request.gzipBytes == 1)
    }
}

import Delivery
import Telemetry
import Testing

@Suite struct GRPCOutcomeClassifierTests {
    func classify(
        _ code: Int, _ message: String = "", delay: Int64? = nil, _ backend: BackendKind = .otlp
    ) -> ExportOutcome {
        GRPCOutcomeClassifier(backend: backend).classify(
            .status(code: code, message: Array(message.utf8), retryDelay: delay, rejectedSpans: 0))
    }

    @Test(arguments: BackendKind.allCases)
    func codes(backend: BackendKind) {
        for code in [1, 4, 10, 11, 14, 15] {
            #expect(classify(code, "", backend) == .retry(after: nil))
            #expect(classify(code, delay: 3, backend) == .retry(after: 3))
        }
        for code in [2, 5, 6, 8, 9, 12, 13, 17, 99, -1, .max, .min] {
            #expect(classify(code, "", backend) == .permanent(.permanent))
        }
        #expect(classify(3, "", backend) == .permanent(.invalid))
        #expect(classify(7, "", backend) == .permanent(.unauthorized))
        #expect(classify(16, "", backend) == .permanent(.unauthorized))
        #expect(classify(8, delay: 0, backend) == .retry(after: 0))
        #expect(classify(8, "slow down", delay: second, backend) == .retry(after: second))
    }

    @Test func success() {
        let classifier = GRPCOutcomeClassifier(backend: .tempo)
        #expect(
            classifier.classify(
                .status(
                    code: 0, message: Array("RATE_LIMITED:".utf8), retryDelay: nil, rejectedSpans: 4
                ))
                == .delivered(rejectedSpans: 4))
    }

    @Test(arguments: [
        (8, "grpc: received message larger than max (5242880 vs. 4194304)"),
        (8, "grpc: received message after decompression larger than max 4194304"),
        (8, "SERVER: Received message larger than max (5242880 vs. 4194304)"),
        (8, "gRPC message exceeds maximum size 4194304: 5242880"),
        (8, "Received message exceeds the maximum configured message size."),
        (11, "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes"),
    ])
    func tooLargeInEveryLanguage(code: Int, message: String) {
        for backend in BackendKind.allCases {
            #expect(classify(code, message, backend) == .split)
            #expect(classify(code, message, delay: 1, backend) == .split)
        }
        #expect(classify(14, message) == .retry(after: nil))
    }

    @Test(
        arguments: [
            (
                "RATE_LIMITED: ingestion rate limit (local: 30000000 bytes/s, global: 0 bytes/s, "
                    + "burst: 30000000 bytes) exceeded while adding 10 bytes for user t. consider "
                    + "increasing the limit or reducing ingestion rate.",
                nil, ExportOutcome.retry(after: 5 * second)
            ),
            ("RATE_LIMITED: x", 2 * second, .retry(after: 2 * second)),
            (
                "rpc error: code = ResourceExhausted desc = RATE_LIMITED: batch size (9 bytes) exceeds "
                    + "ingestion limit (local: 5 bytes/s, global: 0 bytes/s, burst: 5 bytes) while "
                    + "adding 9 bytes for user t. consider reducing batch size or increasing rate limit.",
                2 * second, .split
            ),
            ("LIVE_TRACES_EXCEEDED: max live traces exceeded", nil, .permanent(.backendLimit)),
            ("TRACE_TOO_LARGE: max size of trace (5000000) exceeded", 1, .permanent(.backendLimit)),
            ("something else", nil, .permanent(.permanent)),
            ("", 1, .retry(after: 1)),
        ] as [(String, Int64?, ExportOutcome)])
    func tempo(message: String, delay: Int64?, expected: ExportOutcome) {
        #expect(classify(8, message, delay: delay, .tempo) == expected)
    }

    @Test func tempoLimitsInOtherCodes() {
        #expect(classify(9, "TRACE_TOO_LARGE: x", .tempo) == .permanent(.backendLimit))
        #expect(classify(8, "RATE_LIMITED: x", .otlp) == .permanent(.permanent))
        #expect(classify(8, "RATE_LIMITED: x", .jaeger) == .permanent(.permanent))
    }

    @Test(arguments: [
        (429, ExportOutcome.retry(after: nil)), (502, .retry(after: nil)),
        (503, .retry(after: nil)),
        (504, .retry(after: nil)), (400, .permanent(.invalid)), (401, .permanent(.unauthorized)),
        (403, .permanent(.unauthorized)), (404, .permanent(.permanent)), (413, .split),
        (431, .permanent(.permanent)), (200, .permanent(.permanent)), (500, .permanent(.permanent)),
    ])
    func http(status: Int, expected: ExportOutcome) {
        #expect(GRPCOutcomeClassifier(backend: .otlp).classify(.http(status: status)) == expected)
    }

    @Test(arguments: [
        (TransportFailure.connectionRefused, ExportOutcome.retry(after: nil)),
        (.nameResolution, .retry(after: nil)), (.tlsHandshake, .retry(after: nil)),
        (.connectionLost, .retry(after: nil)), (.goAway, .retry(after: nil)),
        (.refusedStream, .retry(after: nil)), (.timeout, .retry(after: nil)),
        (.protocolError, .retry(after: nil)), (.streamReset(code: 7), .retry(after: nil)),
        (.streamReset(code: 8), .retry(after: nil)), (.streamReset(code: 11), .retry(after: nil)),
        (.streamReset(code: 12), .permanent(.unauthorized)),
        (.streamReset(code: 2), .permanent(.permanent)),
        (.streamReset(code: .max), .permanent(.permanent)),
    ])
    func transport(failure: TransportFailure, expected: ExportOutcome) {
        #expect(GRPCOutcomeClassifier(backend: .tempo).classify(.transport(failure)) == expected)
    }

    @Test func reasonsHaveTheirPlaces() {
        for (index, reason) in LossReason.allCases.enumerated() { #expect(reason.index == index) }
    }
}

import Cluster
import Delivery
import NativeCore
import OTLP
import Telemetry
import Testing

@testable import Transport

/// What nodes ask of each other, on the wire.
@Suite struct PeerMessageTests {
    static func read(_ headers: HTTP2Headers, isForPeers: Bool) -> Result<GRPCCall, RequestRefusal> {
        do throws(RequestRefusal) {
            return .success(try GRPCCall(headers, isForPeers: isForPeers))
        } catch {
            return .failure(error)
        }
    }

    static let headers = ForwardHeaders(batch: BatchID(incarnation: 7, lane: 2, sequence: 9), hop: 1, ringVersion: 0xab)

    static func forwarding(_ fields: [(name: String, value: String)]) -> HTTP2Headers {
        var made = Caller.headers(path: Caller.exportPath)
        for (name, value) in fields { made.append(name, value) }
        return made
    }

    @Test(arguments: [
        (PeerMethod.exchange.path, GRPCMethod.exchange), (PeerMethod.handoff.path, .handoff), (PeerMethod.reload.path, .reload),
    ])
    func methodsExistOnThePortForPeersAlone(path: String, method: GRPCMethod) throws {
        #expect(try Self.read(Caller.headers(path: path), isForPeers: true).get().method == method)
        guard case .failure(let refusal) = Self.read(Caller.headers(path: path), isForPeers: false) else {
            Issue.record("clients reach it")
            return
        }
        #expect(refusal.reason == .unknownMethod && refusal.status == .unimplemented)
    }

    @Test func forwardedSpansSayWhichBatchTheyAre() throws {
        let whole = Self.forwarding(Self.headers.fields)
        #expect(try Self.read(whole, isForPeers: true).get().method == .forward(Self.headers))
        // For everybody else these fields mean nothing.
        #expect(try Self.read(whole, isForPeers: false).get().method == .exportTraces)
        for left in Self.headers.fields.indices {
            var fields = Self.headers.fields
            fields.remove(at: left)
            guard case .failure(let refusal) = Self.read(Self.forwarding(fields), isForPeers: true) else {
                Issue.record("taken without \(Self.headers.fields[left].name)")
                continue
            }
            #expect(refusal.reason == .badPeerMessage && refusal.status == .invalidArgument)
        }
    }

    /// A refusal is believed only where the peer is sure to hold nothing; everything else may have been taken.
    @Test(arguments: [
        (GRPCStatusCode.ok, ForwardOutcome.taken), (.unavailable, .refused(retryAfter: 5)),
        (.resourceExhausted, .refused(retryAfter: 5)), (.invalidArgument, .refused(retryAfter: 5)),
        (.unimplemented, .refused(retryAfter: 5)), (.unauthenticated, .refused(retryAfter: 5)),
        (.permissionDenied, .refused(retryAfter: 5)), (.failedPrecondition, .refused(retryAfter: 5)),
        (.aborted, .unknown), (.cancelled, .unknown), (.unknown, .unknown), (.deadlineExceeded, .unknown),
        (.internal, .unknown), (.dataLoss, .unknown), (.outOfRange, .unknown), (.notFound, .unknown),
        (.alreadyExists, .unknown),
    ])
    func outcomes(code: GRPCStatusCode, outcome: ForwardOutcome) {
        let answer = PeerAnswer.answered(.status(code: Int(code.rawValue), message: [1], retryDelay: 5, rejectedSpans: 0))
        #expect(answer.outcome == outcome)
        #expect(answer.payload == (code == .ok ? [1] : nil))
    }

    @Test func outcomesWithoutAStatus() {
        #expect(PeerAnswer.notSent.outcome == .notSent)
        #expect(PeerAnswer.answered(.transport(.connectionRefused)).outcome == .notSent)
        #expect(PeerAnswer.answered(.transport(.refusedStream)).outcome == .refused(retryAfter: 0))
        #expect(PeerAnswer.answered(.transport(.connectionLost)).outcome == .unknown)
        #expect(PeerAnswer.answered(.transport(.timeout)).outcome == .unknown)
        #expect(PeerAnswer.answered(.http(status: 503)).outcome == .unknown)
        #expect(PeerAnswer.answered(.status(code: 99, message: [], retryDelay: nil, rejectedSpans: 0)).outcome == .unknown)
    }
}

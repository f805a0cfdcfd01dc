import Delivery
import Synchronization
import Telemetry
import Testing

/// What waiters of a request were given.
private final class Received: Sendable {
    private let forms = Mutex<[EncodedForm]>([])

    func note(_ form: EncodedForm) { forms.withLock { $0.append(form) } }
    var all: [EncodedForm] { forms.withLock { $0 } }
}

@Suite struct ExportRequestTests {
    private static func request(_ bytes: Int = 3) -> ExportRequest {
        ExportRequest(
            identity: [UInt8](repeating: 1, count: bytes), spanCount: 1, traceCount: 1, sequence: 7, createdAt: 5)
    }

    /// The form, if it is there at once.
    private static func ready(_ request: ExportRequest, _ coding: Coding = .gzip) -> EncodedForm? {
        guard case .ready(let form) = request.use(coding, { _ in }) else { return nil }
        return form
    }

    @Test func theMessageItselfIsAlwaysThere() {
        let request = Self.request()
        #expect(Self.ready(request, .identity) == EncodedForm(coding: .identity, bytes: [1, 1, 1]))
        #expect(request.formBytes == 0)
    }

    @Test func aFormIsMadeOnceAndShared() {
        let request = Self.request()
        let received = Received()
        guard case .make = request.use(.gzip, received.note), case .waiting = request.use(.gzip, received.note) else {
            Issue.record("the first makes it, the second waits")
            return
        }
        var calls = 0
        request.make { bytes in
            calls += 1
            return [UInt8(bytes.count)]
        }
        let form = EncodedForm(coding: .gzip, bytes: [3])
        #expect(calls == 1 && received.all == [form, form])
        #expect(Self.ready(request) == form && request.formBytes > 0)
    }

    @Test func whatDoesNotGetSmallerGoesAsItIs() {
        let request = Self.request()
        let received = Received()
        _ = request.use(.gzip, received.note)
        request.make { _ in [9, 9, 9] }
        let form = EncodedForm(coding: .identity, bytes: [1, 1, 1])
        #expect(received.all == [form] && Self.ready(request) == form && request.formBytes == 0)
    }

    @Test func whatNobodyWantsAnyMoreIsNotMade() {
        let request = Self.request()
        let received = Received()
        guard case .make(let first) = request.use(.gzip, received.note),
            case .waiting(let second) = request.use(.gzip, received.note)
        else {
            Issue.record("the first makes it, the second waits")
            return
        }
        request.withdraw(number: first)
        request.withdraw(number: second)
        request.make { _ in
            Issue.record("nobody waits")
            return []
        }
        #expect(received.all.isEmpty && request.formBytes == 0)
        // Whoever comes later makes it.
        guard case .make = request.use(.gzip, received.note) else {
            Issue.record("it is not being made any more")
            return
        }
        request.make { _ in [] }
        #expect(received.all.count == 1)
    }

    /// Each holder is charged for message and form, and for neither after the end.
    @Test func chargesFollowTheForm() {
        var first = RetryQueue(queue: QueueSettings(), retry: RetrySettings())
        var second = RetryQueue(queue: QueueSettings(), retry: RetrySettings())
        let request = Self.request(10_000)
        _ = first.offer(request, now: 0)
        _ = second.offer(request, now: 0)
        let alone = first.charge.bytes
        #expect(alone == request.heldBytes && alone >= 10_000 && alone < 14_400 && second.charge.bytes == alone)
        _ = request.use(.gzip) { _ in }
        request.make { _ in [UInt8](repeating: 2, count: 2000) }
        let both = request.heldBytes
        #expect(both >= alone + 2000 && first.charge.bytes == both && second.charge.bytes == both)
        _ = first.abandonAll()
        #expect(first.charge.bytes == 0 && second.charge.bytes == both)
        _ = second.abandonAll()
        #expect(second.charge.bytes == 0)
    }

    /// A queue with more than its share lets forms go when they are not being sent.
    @Test func aFormGoesWhereMemoryIsShort() {
        let request = Self.request(10_000)
        var roomy = RetryQueue(queue: QueueSettings(), retry: RetrySettings())
        var tight = RetryQueue(queue: QueueSettings(maximumBytes: request.heldBytes), retry: RetrySettings())
        _ = roomy.offer(request, now: 0)
        _ = tight.offer(request, now: 0)
        _ = request.use(.gzip) { _ in }
        request.make { _ in [UInt8](repeating: 2, count: 2000) }
        #expect(tight.charge.isExceeded && !roomy.charge.isExceeded)
        let other = Self.ready(request)
        #expect(other != nil)
        if let other { request.endUse(of: other) }
        #expect(request.formBytes > 0, "somebody still sends it")
        request.endUse(of: EncodedForm(coding: .gzip, bytes: []))
        #expect(request.formBytes == 0 && !tight.charge.isExceeded && roomy.charge.bytes == tight.charge.bytes)
        _ = roomy.abandonAll()
        _ = tight.abandonAll()
    }

    @Test func roomThatIsNotNeededIsGivenBack() {
        var message: [UInt8] = []
        message.reserveCapacity(1 << 20)
        message.append(contentsOf: [UInt8](repeating: 3, count: 100_000))
        let request = ExportRequest(identity: message, spanCount: 1, traceCount: 1, sequence: 0, createdAt: 0)
        #expect(request.heldBytes < 130_000 && request.identity == message)
    }
}

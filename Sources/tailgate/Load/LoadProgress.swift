import Synchronization

/// What a running load tells whoever watches it. Written by all lanes, once a request.
final class LoadProgress: Sendable {
    private let spans = Atomic<Int>(0)
    private let refusals = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)

    func accepted(spans count: Int) { spans.add(count, ordering: .relaxed) }
    func refused() { refusals.add(1, ordering: .relaxed) }
    func connectionFailed() { failures.add(1, ordering: .relaxed) }

    var acceptedSpans: Int { spans.load(ordering: .relaxed) }
    var refusedRequests: Int { refusals.load(ordering: .relaxed) }
    var connectionFailures: Int { failures.load(ordering: .relaxed) }
}

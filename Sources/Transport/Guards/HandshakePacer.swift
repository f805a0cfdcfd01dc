internal import NIOCore
internal import Telemetry

/// Begins a worker's TLS handshakes: at once while there are few, else each address in its turn within the time that
/// handshakes may take. Confined to its loop.
final class HandshakePacer {
    private let eventLoop: any EventLoop
    private let gauge: (Int) -> Void
    private var queue: HandshakeQueue
    private var budget = HandshakeBudget()
    private var waiting: [HandshakeQueue.Ticket: ConnectionGate] = [:]
    private var lastTicket: HandshakeQueue.Ticket = 0
    private var isRunning = false
    private var isScheduled = false

    /// - Parameter gauge: told how many wait, when that changes.
    init(eventLoop: any EventLoop, limits: HandshakeQueue.Limits, gauge: @escaping (Int) -> Void) {
        self.eventLoop = eventLoop
        self.gauge = gauge
        queue = HandshakeQueue(limits: limits)
    }

    /// False: too many. Otherwise `begin` of the gate is called, now or later.
    func enter(_ gate: ConnectionGate) -> Bool {
        lastTicket += 1
        let ticket = lastTicket
        gate.ticket = ticket
        guard queue.add(ticket, from: gate.address) == .waiting else { return false }
        waiting[ticket] = gate
        run()
        return true
    }

    /// The gate's handshake is over, or its connection is.
    func leave(_ gate: ConnectionGate, isWaiting: Bool) {
        let ticket = gate.ticket
        if isWaiting { waiting[ticket] = nil }
        queue.remove(ticket, isWaiting: isWaiting)
    }

    private func run() {
        guard !isRunning else { return }
        isRunning = true
        defer {
            isRunning = false
            gauge(queue.waitingCount)
        }
        while queue.waitingCount > 0 {
            let begin = Self.now
            let wait = budget.wait(now: begin)
            if wait > 0 {
                schedule(after: wait)
                return
            }
            guard let ticket = queue.next(), let gate = waiting.removeValue(forKey: ticket) else { return }
            gate.begin()
            budget.spend(Self.now - begin)
        }
    }

    private func schedule(after time: Int64) {
        guard !isScheduled else { return }
        isScheduled = true
        eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(time)) {
            self.isScheduled = false
            self.run()
        }
    }

    private static var now: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }
}

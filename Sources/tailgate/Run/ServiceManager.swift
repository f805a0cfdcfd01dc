internal import Foundation
internal import Gateway
internal import Logging
internal import NativeCore
internal import Telemetry

/// Tells systemd, or another service manager that speaks sd_notify(3), how the node is: ready, alive, stopping.
///
/// It is there only if the environment names a socket (`NOTIFY_SOCKET`); outside of a service it costs nothing. A message that
/// can't be delivered is logged and does no other harm: the node serves whether or not somebody is told.
struct ServiceManager: Sendable {
    private let socket: String
    /// Half of the time in which the manager expects a sign of life, nanoseconds; nil: it does not watch this process.
    let beatInterval: Int64?
    private let logger: Logger

    /// Nil if no manager wants to be told.
    ///
    /// - Parameters:
    ///   - environment: `NOTIFY_SOCKET` (a path, or `@name` in the abstract namespace), `WATCHDOG_USEC`, `WATCHDOG_PID`.
    ///   - processID: this process; a watchdog meant for another one is none of ours.
    init?(environment: [String: String], processID: Int32, logger: Logger) {
        guard let socket = environment["NOTIFY_SOCKET"], socket.hasPrefix("/") || socket.hasPrefix("@") else { return nil }
        self.socket = socket
        self.logger = logger
        let isOurs = environment["WATCHDOG_PID"].map { Int32($0) == processID } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        beatInterval = isOurs && microseconds > 0 && microseconds < .max / 1000 ? max(1, microseconds / 2) * 1000 : nil
    }

    /// The node takes spans.
    func ready(_ gateway: Gateway) {
        let ports = gateway.receiverPorts.map { ":\($0)" }.joined(separator: " ")
        send(["READY=1", "STATUS=serving on \(ports)"])
    }

    /// Signs of life from now on, until the task is cancelled; nil without a watchdog.
    ///
    /// Each beat follows a round through all workers: figures are asked of every one of them, on its own loop. A worker that
    /// hangs holds the round up, the beats end, and the manager restarts the service.
    func watch(_ gateway: Gateway) -> Task<Void, Never>? {
        guard let beatInterval else { return nil }
        return Task {
            repeat {
                // Once it has stopped there are no workers to ask; a round that is under way then tells how it began.
                let state = gateway.state
                if state == .stopped { return }
                let ledger = await gateway.snapshot().ledger
                if Task.isCancelled { return }
                send(["WATCHDOG=1", "STATUS=\(Self.status(ledger, state))"])
            } while (try? await Task.sleep(nanoseconds: UInt64(beatInterval))) != nil
        }
    }

    /// The node stops, which takes at most `nanoseconds`: longer than the unit's own time limit, if need be.
    func stopping(within nanoseconds: Int64) {
        send([
            "STOPPING=1", "EXTEND_TIMEOUT_USEC=\(nanoseconds / 1000)",
            "STATUS=draining: deciding what is pending, sending the queues",
        ])
    }

    /// One line for `systemctl status`.
    private static func status(_ ledger: Ledger, _ state: GatewayState) -> String {
        let queued = ledger.destinations.map { "\($0.name) \($0.queued)" }.joined(separator: ", ")
        let lost = ledger.destinations.reduce(0) { $0 &+ $1.lost }
        return "\(state): \(ledger.accepted) spans accepted, \(ledger.buffered) undecided, \(lost) lost; queued: \(queued)"
    }

    private func send(_ lines: [String]) {
        let message = Array(lines.joined(separator: "\n").utf8)
        do {
            try UnixDatagram.send(message.span, to: socket)
        } catch {
            logger.warning("the service manager can't be told", metadata: ["socket": "\(socket)", "why": "\(error.text)"])
        }
    }
}

internal import Logging
package import NIOCore
package import Telemetry

extension WorkerServer {
    /// Takes a new connection, or refuses it: guards first, the protocol when its first bytes are there (`serve`).
    /// On the worker's loop.
    package func adopt(_ channel: any Channel, receiver: Int) throws {
        let address = PeerAddress(channel.remoteAddress)
        let limits = plan.limits[receiver]
        let security = plan.security
        let limiter = plan.limiter(receiver)
        let admission: ConnectionLimiter.Admission
        switch limiter.admit(address, maximumPerAddress: limits.maximumConnectionsPerAddress, now: worker.now) {
        case .success(let admitted): admission = admitted
        case .failure(let refusal):
            cells.add(plan.metrics.security.connectionsRefused[refusal.reason])
            security.log.warning(
                "connection refused", key: "connection \(refusal.reason.rawValue)", now: worker.now,
                [
                    "receiver": "\(security.listeners[receiver].name)", "reason": "\(refusal.reason.rawValue)",
                    "address": "\(channel.remoteAddress?.shown ?? "unknown")",
                ])
            throw refusal
        }
        channel.closeFuture.whenComplete { _ in limiter.release(address) }
        cells.add(metrics.connectionsOpened)
        cells.add(metrics.connections, 1)
        let gate = ConnectionGate(
            server: self, receiver: receiver, address: address, admission: admission,
            shownAddress: channel.remoteAddress?.shown ?? "unknown")
        do {
            try channel.pipeline.syncOperations.addHandler(gate)
        } catch {
            left(reason: .error)
            throw error
        }
    }

    /// A connection ended before its protocol began.
    func left(reason: ConnectionCloseReason) {
        cells.add(metrics.connections, -1)
        cells.add(metrics.connectionsClosed[reason])
    }

    func noteHandshakeFailure(_ failure: TLSFailure, from address: String, receiver: Int) {
        cells.add(plan.metrics.security.serverFailures[failure.reason])
        let security = plan.security
        security.log.warning(
            "TLS handshake failed", key: "handshake \(failure.reason.rawValue)", now: worker.now,
            [
                "receiver": "\(security.listeners[receiver].name)", "reason": "\(failure.reason.rawValue)",
                "address": "\(address)", "message": "\(failure.description)",
            ])
    }

    /// Says why this side ended a connection, where that is worth a line.
    func noteClosed(_ reason: ConnectionCloseReason, receiver: Int, address: String) {
        switch reason {
        case .tooSlow, .protocolError, .abuse, .limit: break
        case .client, .error, .idle, .age, .shutdown: return
        }
        plan.security.log.warning(
            "connection closed", key: "closed \(reason.rawValue)", now: worker.now,
            [
                "receiver": "\(plan.security.listeners[receiver].name)", "reason": "\(reason.rawValue)",
                "address": "\(address)",
            ])
    }
}

/// Fails the set-up of a connection over a limit, which closes it.
package struct ConnectionRefused: Error, Equatable {
    package let reason: ConnectionRefusalReason
}

internal import NativeCore
internal import OTLP
internal import Telemetry

/// The end of a connection: shutdown of the node, and bounds in time.
extension ServerConnection {
    /// The node begins to serve: watchers learn it.
    func announceServing() {
        guard !watchers.isEmpty else { return }
        let message = GRPCReplies.message(HealthCheckResponse(status: .serving).encoded)
        for stream in watchers { session.send(message, on: stream) }
        pump()
    }

    /// The node stopped serving: watchers learn it, and the client is told to open no more streams.
    func announceShutdown() {
        // Peers take what this node has, and it takes what is on its way from them.
        if isForPeers { return }
        let message = GRPCReplies.message(HealthCheckResponse(status: .notServing).encoded)
        for stream in watchers {
            session.send(message, on: stream)
            session.finish(stream, trailers: GRPCReplies.okTrailers)
        }
        session.announceShutdown()
        pump()
    }

    /// Streams that are open now are finished, no others.
    func goAway() {
        if isForPeers { return }
        closeReason = .shutdown
        session.goAway()
        pump()
        if session.isFinished || calls.isEmpty { end(.shutdown) }
    }

    func closeNow(_ reason: ConnectionCloseReason) { end(reason) }

    /// Looks at the bounds in time. About once a second.
    func sweep(now: Int64) {
        if let since = unwritableSince, now - since > limits.writeTimeout {
            end(.tooSlow)
            return
        }
        if !hadRequest && limits.firstRequestTimeout > 0 && now - openedAt > limits.firstRequestTimeout {
            end(.tooSlow)
            return
        }
        if isDead(now) {
            end(.tooSlow)
            return
        }
        if endOfAge(now) { return }
        if calls.isEmpty {
            if lastReceived > trimmedAt, now - lastReceived > Self.trimAfter {
                trimmedAt = now
                session.trim()
            }
            if limits.idleTimeout > 0 && now - lastActivity > limits.idleTimeout {
                session.goAway()
                end(.idle)
            }
            return
        }
        if hasStuckAnswer(now) {
            end(.tooSlow)
            return
        }
        refuseSlowRequests(now)
        pump()
    }

    /// A connection that was silent for this long gives back what memory it can, nanoseconds.
    private static var trimAfter: Int64 { 5_000_000_000 }

    /// Whether a client keeps its window shut so that an answer can't leave.
    private func hasStuckAnswer(_ now: Int64) -> Bool {
        calls.contains { stream, open in
            guard let answeredAt = open.answeredAt, !watchers.contains(stream) else { return false }
            return now - answeredAt > limits.writeTimeout
        }
    }

    /// Keepalive: a silent client is pinged, and one that stays silent is gone.
    private func isDead(_ now: Int64) -> Bool {
        if let pingedAt { return now - pingedAt > limits.keepaliveTimeout }
        if now - lastReceived > limits.keepaliveTime {
            pingedAt = now
            session.ping()
            pump()
        }
        return false
    }

    /// Ends a connection that is old enough: GOAWAY first, then the end of its grace. True when it is closed.
    private func endOfAge(_ now: Int64) -> Bool {
        guard now >= endsAt else { return false }
        if let agedAt {
            let grace = limits.maximumConnectionAgeGrace
            guard calls.isEmpty || (grace > 0 && now - agedAt > grace) else { return false }
            end(.age)
            return true
        }
        agedAt = now
        closeReason = .age
        session.announceShutdown()
        session.goAway()
        pump()
        return false
    }

    private func refuseSlowRequests(_ now: Int64) {
        let mustYield = account.mustYield
        for (stream, open) in calls where !open.isAnswered && !open.isPending {
            let timeout = min(open.call.timeout ?? .max, limits.requestTimeout)
            if now - open.startedAt > timeout {
                refuse(stream, .tooSlow, ended: false)
            } else if mustYield && !open.hasEnded {
                let count = session.bodySize(of: stream).count
                if let seen = open.seenBytes, count - seen < max(Self.leastProgress, open.heldBytes / 8) {
                    server.cells.add(server.metrics.memoryRefusals[.slow])
                    refuse(stream, server.worker.refuseForMemory(receiver), ended: false)
                }
                calls[stream]?.seenBytes = count
            }
        }
    }

    /// While memory is short, a body of a client that has more than its share must grow by so much from one look to the next, and by
    /// an eighth of the room that it has.
    private static var leastProgress: Int { 4 << 10 }
}

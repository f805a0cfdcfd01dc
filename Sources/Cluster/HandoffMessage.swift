package import OTLP

/// What says whose hand-off message this is and how far its sender has come.
package struct HandoffHeader: Sendable, Equatable {
    /// The sender's address.
    package var sender: String
    package var incarnation: UInt64
    /// Which of the sender's workers, of how many.
    package var lane: UInt32
    package var laneCount: UInt32
    /// Counts up with every chunk of the lane: with `incarnation` and `lane` the chunk's identity.
    package var sequence: UInt64
    /// The ring by which the sender hands off, and the sender's count of rings.
    package var ringVersion: UInt64
    package var ringEpoch: UInt64
    /// From the moment of sending: traces that are due earlier have been handed over and acknowledged, nanoseconds (negative: the
    /// past).
    package var frontier: Int64
    /// The lane has handed everything over that it had to for this ring.
    package var isLast: Bool
    /// From the moment at which the chunk was put together to the one at which it was sent, nanoseconds: its times are so much
    /// older.
    package var heldFor: Int64 = 0

    /// The chunk's identity for `RecentBatches`: hand-off counts apart from forwarding.
    package var batch: BatchID { BatchID(incarnation: incarnation, lane: 1 << 31 | lane, sequence: sequence) }
}

/// A moved trace, as the new owner has to take it up. Times are relative, since clocks differ.
package struct HandoffTrace: Sendable, Equatable {
    package var traceID: TraceID
    /// Since its first span came, nanoseconds, when it was put into the chunk.
    package var age: Int64
    /// Until its decision is due, nanoseconds; negative: it is overdue.
    package var remaining: Int64
    /// Hash of the policy set that judges it: the one in force when its first span came. 0: unknown.
    package var policyHash: UInt64

    package init(traceID: TraceID, age: Int64, remaining: Int64, policyHash: UInt64) {
        self.traceID = traceID
        self.age = age
        self.remaining = remaining
        self.policyHash = policyHash
    }
}

/// A decision that late spans of a moved trace have to follow.
package struct HandoffDecision: Sendable, Equatable {
    package var traceID: TraceID
    /// `Verdict.rawValue`: 0 not sampled, 1 sampled, 2 dropped.
    package var verdict: UInt8
    /// The sender's number of the deciding policy, whose name is in `HandoffChunk.policyNames`.
    package var policy: UInt16?
    /// Since the decision, seconds.
    package var age: UInt32

    package init(traceID: TraceID, verdict: UInt8, policy: UInt16?, age: UInt32) {
        self.traceID = traceID
        self.verdict = verdict
        self.policy = policy
        self.age = age
    }
}

/// A chunk of hand-off: traces with all their spans, or decisions.
///
/// Wire format (field number: contents), `/tailgate.v1.Peer/Handoff`; the answer is empty, with gRPC status OK when the chunk
/// is held:
///
///     1: format, 1                  8: ring epoch
///     2: sender's address           9: frontier, milliseconds, zigzag
///     3: incarnation               10: 1 if it is the lane's last
///     4: lane                      11: time from making to sending, milliseconds
///     5: number of lanes           16: (repeated) a trace: 16 bytes id, varint age, zigzag varint time remaining, both in
///     6: sequence                      milliseconds, 8 bytes policy hash
///     7: ring version              17: (repeated) a decision: 16 bytes id, byte verdict, varint policy + 1, varint age
///                                  18: the traces' spans: an ExportTraceServiceRequest
///                                  19: (repeated) a policy of the decisions: varint policy + 1, its name; may be missing
///
/// The receiver walks the spans as it walks every request: predicate bits and summaries are computed anew by its own policies,
/// never believed.
package struct HandoffChunk: Sendable, Equatable {
    package var traces: [HandoffTrace] = []
    package var decisions: [HandoffDecision] = []
    /// Names of the policies that `decisions` name by numbers, which are others on each node.
    package var policyNames: [UInt16: String] = [:]
    /// The spans of all `traces`: an `ExportTraceServiceRequest`.
    package var payload: [UInt8] = []

    package init() {}

    /// The chunk with its times moved on: what it says holds for a moment that lies `elapsed` nanoseconds back.
    package func aged(by elapsed: Int64) -> HandoffChunk {
        guard elapsed > 0 else { return self }
        var aged = self
        for index in aged.traces.indices {
            aged.traces[index].age = saturatingAdd(aged.traces[index].age, elapsed)
            aged.traces[index].remaining = saturatingAdd(aged.traces[index].remaining, -elapsed)
        }
        return aged
    }

    /// The message without its header, which changes from attempt to attempt.
    package var encodedBody: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(payload.count + 48 * traces.count + 32 * decisions.count + 16)
        for trace in traces {
            var entry: [UInt8] = []
            entry.appendWord(trace.traceID.high)
            entry.appendWord(trace.traceID.low)
            entry.appendVarint(UInt64(max(0, milliseconds(trace.age))))
            entry.appendVarint(Self.zigzag(milliseconds(trace.remaining)))
            entry.appendWord(trace.policyHash)
            output.appendField(16, bytes: entry)
        }
        for decision in decisions {
            var entry: [UInt8] = []
            entry.appendWord(decision.traceID.high)
            entry.appendWord(decision.traceID.low)
            entry.append(decision.verdict)
            entry.appendVarint(decision.policy.map { UInt64($0) + 1 } ?? 0)
            entry.appendVarint(UInt64(decision.age))
            output.appendField(17, bytes: entry)
        }
        for (policy, name) in policyNames.sorted(by: { $0.key < $1.key }).prefix(ClusterLimits.maximumPolicyNames)
        where !name.isEmpty && name.utf8.count <= ClusterLimits.maximumPolicyNameBytes {
            var entry: [UInt8] = []
            entry.appendVarint(UInt64(policy) + 1)
            output.appendField(19, bytes: entry + Array(name.utf8))
        }
        if !payload.isEmpty { output.appendField(18, bytes: payload) }
        return output
    }

    /// The whole message.
    package static func message(_ header: HandoffHeader, body: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(body.count + 384)
        output.appendField(1, varint: 1)
        output.appendField(2, bytes: Array(header.sender.utf8))
        output.appendField(3, varint: header.incarnation)
        output.appendField(4, varint: UInt64(header.lane))
        output.appendField(5, varint: UInt64(header.laneCount))
        output.appendField(6, varint: header.sequence)
        output.appendField(7, varint: header.ringVersion)
        output.appendField(8, varint: header.ringEpoch)
        output.appendField(9, varint: zigzag(header.frontier / 1_000_000))
        output.appendField(10, varint: header.isLast ? 1 : 0)
        output.appendField(11, varint: UInt64(max(0, header.heldFor / 1_000_000)))
        output += body
        return output
    }

    /// Reads a message; the times of the chunk are as of now, but for the time on the way.
    package static func parse(_ bytes: [UInt8]) throws(PeerMessageError) -> (header: HandoffHeader, chunk: HandoffChunk) {
        guard bytes.count <= ClusterLimits.maximumHandoffBytes else { throw .tooLarge }
        var header = HandoffHeader(
            sender: "", incarnation: 0, lane: 0, laneCount: 0, sequence: 0, ringVersion: 0, ringEpoch: 0, frontier: 0,
            isLast: false)
        var chunk = HandoffChunk()
        var format: UInt64 = 0
        var reader = PeerFieldReader(bytes)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .number(let value)): format = value
            case (2, .bytes(let range)): header.sender = try reader.address(range)
            case (3, .number(let value)): header.incarnation = value
            case (4, .number(let value)): header.lane = try small(value)
            case (5, .number(let value)): header.laneCount = try small(value)
            case (6, .number(let value)): header.sequence = value
            case (7, .number(let value)): header.ringVersion = value
            case (8, .number(let value)): header.ringEpoch = value
            case (9, .number(let value)): header.frontier = relative(value)
            case (10, .number(let value)): header.isLast = value != 0
            case (11, .number(let value)): header.heldFor = nanoseconds(value)
            case (16, .bytes(let range)):
                var entry = PeerFieldReader(bytes, range)
                let id = TraceID(high: try entry.word(), low: try entry.word())
                let age = nanoseconds(try entry.varint())
                let remaining = relative(try entry.varint())
                guard !id.isZero else { throw .invalid }
                chunk.traces.append(
                    HandoffTrace(traceID: id, age: age, remaining: remaining, policyHash: try entry.word()))
            case (17, .bytes(let range)):
                var entry = PeerFieldReader(bytes, range)
                let id = TraceID(high: try entry.word(), low: try entry.word())
                let verdict = bytes[try entry.take(1).lowerBound]
                let policy = try entry.varint()
                let age = try entry.varint()
                guard !id.isZero, verdict <= 2, policy <= UInt64(UInt16.max) else { throw .invalid }
                chunk.decisions.append(
                    HandoffDecision(
                        traceID: id, verdict: verdict, policy: policy == 0 ? nil : UInt16(policy - 1),
                        age: UInt32(truncatingIfNeeded: min(age, 1 << 20))))
            case (18, .bytes(let range)): chunk.payload = Array(bytes[range])
            case (19, .bytes(let range)):
                guard chunk.policyNames.count < ClusterLimits.maximumPolicyNames else { throw .tooLarge }
                var entry = PeerFieldReader(bytes, range)
                let policy = try entry.varint()
                guard policy > 0, policy <= UInt64(UInt16.max) else { throw .invalid }
                chunk.policyNames[UInt16(policy - 1)] = try entry.text(
                    entry.rest, limit: ClusterLimits.maximumPolicyNameBytes)
            default: break
            }
        }
        guard format == 1 else { throw .unsupportedFormat }
        guard !header.sender.isEmpty, header.incarnation != 0, header.sequence > 0, header.lane < header.laneCount else {
            throw .invalid
        }
        return (header, chunk.aged(by: header.heldFor))
    }

    /// Lanes: a machine has fewer than 1024 processors that are worth a worker.
    private static func small(_ value: UInt64) throws(PeerMessageError) -> UInt32 {
        guard value <= 1024 else { throw .invalid }
        return UInt32(truncatingIfNeeded: value)
    }

    private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

    /// Zigzag milliseconds as nanoseconds, within a day.
    private static func relative(_ value: UInt64) -> Int64 {
        let milliseconds = Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
        return min(max(milliseconds, -86_400_000), 86_400_000) * 1_000_000
    }
}

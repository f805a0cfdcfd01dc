internal import OTLP

/// What a node is doing.
package enum NodeLifecycle: UInt8, Sendable, CaseIterable {
    /// Does not own anything yet.
    case starting = 0
    case serving = 1
    /// Takes no new traces and hands over what it has.
    case draining = 2
}

/// How far a node is with the ring that it wants.
package enum AgreementPhase: UInt8, Sendable, CaseIterable {
    /// Its ring is the one it wants.
    case settled = 0
    /// It wants another ring.
    case proposed = 1
    /// It has seen that the others want the same ring, and holds its decisions back.
    case ready = 2
}

/// What one node tells each of its peers every `healthInterval`, as a question and as the answer to one.
///
/// Wire format (field number: contents), `/tailgate.v1.Peer/Exchange` in both directions:
///
///     1: format, 1         7: version of the ring in force, 0 none
///     2: address           8: how many rings it has put in force
///     3: incarnation       9: version of the wanted ring, 0 none
///     4: sequence         10: phase
///     5: lifecycle        11: hash of the policy set in force
///     6: weight           12: 1 if it knows its peers
///                         13: (repeated) a shared limit: 8 bytes id, varint demand, varint what passes, both in thousandths per
///                             second; what passes may be missing
///                         14: what its hand-off has done, a count
package struct PeerStatus: Sendable, Equatable {
    package var address: String
    /// Drawn when the process starts: tells a restarted node from the one before.
    package var incarnation: UInt64
    /// Counts up with every message, so that one that was overtaken is not taken for news.
    package var sequence: UInt64
    package var lifecycle: NodeLifecycle
    package var weight: UInt8 = 1
    /// The ring in force; 0 before the first.
    package var ringVersion: UInt64 = 0
    /// How many rings this incarnation has put in force.
    package var ringEpoch: UInt64 = 0
    /// The ring that it wants: as `ringVersion` when settled; 0 while it does not know its peers.
    package var wantedVersion: UInt64 = 0
    package var phase: AgreementPhase = .settled
    /// It has a list of members, and all that are in it have answered or had their time.
    package var knowsPeers = false
    /// `PolicySet.contentHash`, folded to 64 bits; 0 unknown.
    package var policyHash: UInt64 = 0
    /// Counts up with all that its hand-off does, on all lanes and towards everybody (`HandoffSender.progress`).
    package var handoffProgress: UInt64 = 0
    /// Its shared limits; at most `ClusterLimits.maximumBudgets`.
    package var demands: [BudgetDemand] = []

    package init(address: String, incarnation: UInt64, sequence: UInt64, lifecycle: NodeLifecycle) {
        self.address = address
        self.incarnation = incarnation
        self.sequence = sequence
        self.lifecycle = lifecycle
    }

    private static func thousandths(_ rate: Double) -> UInt64 { UInt64(min(max(rate, 0), 1e12) * 1000) }

    private static func perSecond(_ thousandths: UInt64) -> Double { Double(min(thousandths, 1_000_000_000_000_000)) / 1000 }

    package var encoded: [UInt8] {
        var output: [UInt8] = []
        output.appendField(1, varint: 1)
        output.appendField(2, bytes: Array(address.utf8))
        output.appendField(3, varint: incarnation)
        output.appendField(4, varint: sequence)
        output.appendField(5, varint: UInt64(lifecycle.rawValue))
        output.appendField(6, varint: UInt64(weight))
        output.appendField(7, varint: ringVersion)
        output.appendField(8, varint: ringEpoch)
        output.appendField(9, varint: wantedVersion)
        output.appendField(10, varint: UInt64(phase.rawValue))
        output.appendField(11, varint: policyHash)
        output.appendField(12, varint: knowsPeers ? 1 : 0)
        output.appendField(14, varint: handoffProgress)
        for demand in demands.prefix(ClusterLimits.maximumBudgets) {
            var entry: [UInt8] = []
            entry.appendWord(demand.id)
            entry.appendVarint(Self.thousandths(demand.perSecond))
            if let passed = demand.passedPerSecond { entry.appendVarint(Self.thousandths(passed)) }
            output.appendField(13, bytes: entry)
        }
        return output
    }

    package init(parsing bytes: [UInt8]) throws(PeerMessageError) {
        guard bytes.count <= ClusterLimits.maximumStatusBytes else { throw .tooLarge }
        self.init(address: "", incarnation: 0, sequence: 0, lifecycle: .starting)
        var reader = PeerFieldReader(bytes)
        var format: UInt64 = 0
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .number(let value)): format = value
            case (2, .bytes(let range)): address = try reader.address(range)
            case (3, .number(let value)): incarnation = value
            case (4, .number(let value)): sequence = value
            case (5, .number(let value)):
                guard let known = UInt8(exactly: value).flatMap(NodeLifecycle.init) else { throw .invalid }
                lifecycle = known
            case (6, .number(let value)): weight = UInt8(min(max(value, 1), UInt64(HashRing.maximumWeight)))
            case (7, .number(let value)): ringVersion = value
            case (8, .number(let value)): ringEpoch = value
            case (9, .number(let value)): wantedVersion = value
            case (10, .number(let value)):
                guard let known = UInt8(exactly: value).flatMap(AgreementPhase.init) else { throw .invalid }
                phase = known
            case (11, .number(let value)): policyHash = value
            case (12, .number(let value)): knowsPeers = value != 0
            case (14, .number(let value)): handoffProgress = value
            case (13, .bytes(let range)):
                guard demands.count < ClusterLimits.maximumBudgets else { throw .tooLarge }
                var entry = PeerFieldReader(bytes, range)
                let id = try entry.word()
                let demand = Self.perSecond(try entry.varint())
                let passed = entry.isAtEnd ? nil : Self.perSecond(try entry.varint())
                demands.append(BudgetDemand(id: id, perSecond: demand, passedPerSecond: passed))
            default: break
            }
        }
        guard format == 1 else { throw .unsupportedFormat }
        guard !address.isEmpty, incarnation != 0 else { throw .invalid }
    }
}

import Testing

@testable import Cluster

/// How long decisions are held back for hand-off.
@Suite struct InboundProgressTests {
    static let settings: ClusterSettings = {
        var settings = ClusterSettings()
        settings.holdPatience = 5 * second
        settings.maximumHold = 60 * second
        settings.handoffTransit = second
        return settings
    }()

    static func status(_ progress: UInt64, address: String = "b", epoch: UInt64 = 2) -> PeerStatus {
        var status = PeerStatus(address: address, incarnation: 9, sequence: 1, lifecycle: .serving)
        status.ringVersion = 7
        status.ringEpoch = epoch
        status.handoffProgress = progress
        return status
    }

    static func header(frontier: Int64, isLast: Bool = false) -> HandoffHeader {
        HandoffHeader(
            sender: "b", incarnation: 9, lane: 0, laneCount: 1, sequence: 1, ringVersion: 7, ringEpoch: 2, frontier: frontier,
            isLast: isLast)
    }

    /// The limit at `now`, with one peer that has done so much.
    static func limit(_ inbound: inout InboundProgress, _ progress: UInt64, _ now: Int64) -> Int64 {
        inbound.limit(peers: [status(progress)], ringVersion: 7, now: now)
    }

    @Test func aHandOffThatGetsOnIsWaitedFor() {
        var inbound = InboundProgress(Self.settings)
        // Twelve times the patience, with progress just within it, and never a chunk for us.
        for step in 0..<12 as Range<UInt64> {
            let at = Int64(step) * 5 * second
            // What was due before the change is held, too.
            #expect(Self.limit(&inbound, step, at) == at - 60 * second)
            #expect(Self.limit(&inbound, step, at + 5 * second - 1) == at - 55 * second - 1)
        }
        #expect(inbound.takeGivenUp() == [])
    }

    @Test func aHandOffThatStandsStillIsGivenUpOnceAndTakenUpAgain() {
        var inbound = InboundProgress(Self.settings)
        #expect(Self.limit(&inbound, 3, 0) == -60 * second)
        #expect(Self.limit(&inbound, 3, 5 * second - 1) < 0 && inbound.takeGivenUp() == [])
        #expect(Self.limit(&inbound, 3, 5 * second) == .max)
        #expect(Self.limit(&inbound, 3, 6 * second) == .max)
        #expect(inbound.takeGivenUp() == ["b"] && inbound.takeGivenUp() == [])
        #expect(Self.limit(&inbound, 4, 7 * second) == -53 * second)
        #expect(Self.limit(&inbound, 4, 12 * second) == .max && inbound.takeGivenUp() == ["b"])
    }

    /// One that stands still takes nothing from the hold for another.
    @Test func onlyTheStalledPeerIsGivenUp() {
        var inbound = InboundProgress(Self.settings)
        for tick in 0..<100 as Range<Int64> {
            let peers = [Self.status(1, address: "b"), Self.status(UInt64(tick), address: "c")]
            #expect(inbound.limit(peers: peers, ringVersion: 7, now: tick * 100 * millisecond) < 0)
        }
        #expect(inbound.takeGivenUp() == ["b"])
    }

    @Test func noTraceIsHeldForLongerThanTheMaximum() {
        var inbound = InboundProgress(Self.settings)
        var progress: UInt64 = 0
        for now in stride(from: Int64(0), through: 60 * second, by: Int(second)) {
            progress += 1
            #expect(Self.limit(&inbound, progress, now) == now - 60 * second)
        }
        #expect(Self.limit(&inbound, progress + 1, 60 * second + 1) == 1)
        #expect(Self.limit(&inbound, progress + 2, 63 * second) == 3 * second)
        // What has been handed over is not held at all.
        inbound.received(Self.header(frontier: -10 * second), lateSpans: 0, now: 64 * second)
        // So far it had come when it sent that, and that may have been a while ago.
        #expect(Self.limit(&inbound, progress + 3, 64 * second) == 53 * second)
        inbound.received(Self.header(frontier: 0, isLast: true), lateSpans: 0, now: 65 * second)
        #expect(Self.limit(&inbound, progress + 3, 65 * second) == .max && inbound.takeGivenUp() == [])
    }

    /// Peers say once that hand-off is over: who did not hear them for a moment need not wait for it again.
    @Test func aFlapKeepsWhatPeersHaveSaid() {
        var inbound = InboundProgress(Self.settings)
        #expect(Self.limit(&inbound, 1, 0) < 0)
        inbound.received(Self.header(frontier: 0, isLast: true), lateSpans: 0, now: 0)
        #expect(Self.limit(&inbound, 1, 0) == .max)
        inbound.suspend("b")
        #expect(inbound.limit(peers: [], ringVersion: 7, now: second) == .max && Self.limit(&inbound, 1, 2 * second) == .max)
        // It did something meanwhile; it is another process.
        #expect(inbound.limit(peers: [Self.status(1, epoch: 3)], ringVersion: 7, now: 2 * second) < 0)
        inbound.forget("b")
        #expect(Self.limit(&inbound, 1, 3 * second) < 0)
    }

    /// Members that come and go under ever new addresses do not use up the room for those that are there.
    @Test func onlyPeersAreRemembered() {
        var inbound = InboundProgress(Self.settings)
        for number in 0..<1000 {
            var header = Self.header(frontier: 0, isLast: true)
            header.sender = "10.0.0.\(number)"
            inbound.received(header, lateSpans: 0, now: 0)
            inbound.prune { $0 == header.sender }
        }
        inbound.received(Self.header(frontier: 0, isLast: true), lateSpans: 0, now: 0)
        #expect(Self.limit(&inbound, 1, 0) == .max)
    }

    @Test func splitsAreCountedByWhatLetThemHappen() {
        var inbound = InboundProgress(Self.settings)
        inbound.received(Self.header(frontier: -86_400 * second), lateSpans: 1, now: 0)
        #expect(Self.limit(&inbound, 0, 0) < 0 && Self.limit(&inbound, 0, 5 * second) == .max)
        inbound.received(Self.header(frontier: -86_400 * second), lateSpans: 2, now: 5 * second)
        for now in stride(from: 6 * second, through: 62 * second, by: Int(second)) { _ = Self.limit(&inbound, UInt64(now), now) }
        inbound.received(Self.header(frontier: -86_400 * second), lateSpans: 4, now: 62 * second)
        #expect(HoldEnd.allCases.map { inbound.splitSpans($0) } == [2, 4, 1])
    }
}

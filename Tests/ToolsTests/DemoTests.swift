import Testing

@testable import LoadTools

@Suite struct DemoTests {
    private func snapshot() -> DemoSnapshot {
        var now = DemoSnapshot()
        now.seconds = 3
        now.ledger.accepted = 1000
        now.ledger.buffered = 600
        now.ledger.notSampled = 300
        now.ledger.sampled = 100
        now.sampledTraces = 10
        now.notSampledTraces = 30
        now.sampledByPolicy = [("errors", 4), ("slow", 6)]
        now.destinations = [
            .init(name: "jaeger", queued: 20, sent: 80, lost: 0, queuedRequests: 1),
            .init(name: "tempo", queued: 0, sent: 100, lost: 0, queuedRequests: 0),
        ]
        return now
    }

    @Test func aSoundLedgerBalances() {
        var now = snapshot()
        #expect(now.balances)
        #expect(DemoTable.summary(now).last?.contains("balances") == true)
        now.destinations[0].sent = 79
        #expect(!now.balances)
        #expect(DemoTable.summary(now).last?.contains("jaeger 1") == true)
    }

    @Test func ratesAreThoseSinceTheLastLook() {
        var earlier = snapshot()
        earlier.seconds = 2
        earlier.ledger.accepted = 400
        #expect(DemoTable.line(snapshot(), since: earlier).hasPrefix("3 s: 600 spans/s in"))
        #expect(DemoTable.lines(snapshot(), since: earlier).contains { $0.contains("by errors") && $0.hasSuffix("10.0 %") })
    }

    @Test func aBlockIsRedrawnInPlace() {
        var block = TerminalBlock()
        #expect(block.redraw(["a", "b"]) == "a\nb\n")
        #expect(block.redraw(["c"]) == "\u{1b}[2F\u{1b}[Jc\n")
    }
}

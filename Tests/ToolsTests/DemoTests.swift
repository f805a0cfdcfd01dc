import ReportText
import Telemetry
import Testing

@testable import LoadTools

@Suite struct DemoTests {
    private func snapshot(seconds: Double = 3, accepted: Int = 1000, sent: Int = 80) -> DemoSnapshot {
        var cells = LedgerCells(destinationCount: 2)
        cells.accepted = accepted
        cells.buffered = accepted - 400
        cells.notSampled = 300
        cells.sampled = 100
        for (index, sent) in [sent, 100].enumerated() {
            cells.destinations[index].offered = 100
            cells.destinations[index].taken = 100
            cells.destinations[index].queued = index == 0 ? 20 : 0
            cells.destinations[index].sent = sent
        }
        var now = DemoSnapshot(ledger: Ledger(workers: [cells], destinationNames: ["jaeger", "tempo"]))
        now.seconds = seconds
        now.sampledTraces = 10
        now.notSampledTraces = 30
        now.sampledByPolicy = [("errors", 4), ("slow", 6)]
        now.queues = [.init(requests: 1, bytes: 4096), .init(requests: 0, bytes: 0)]
        return now
    }

    @Test func theSummaryEndsWithTheVerdict() {
        #expect(snapshot().balances)
        #expect(DemoTable.summary(snapshot()).last?.contains("balances") == true)
        let broken = snapshot(sent: 79)
        #expect(!broken.balances)
        #expect(DemoTable.summary(broken).last?.contains("DOES NOT BALANCE: the difference is 1 ") == true)
    }

    @Test func ratesAreThoseSinceTheLastLook() {
        let earlier = snapshot(seconds: 2, accepted: 400)
        #expect(DemoTable.line(snapshot(), since: earlier).hasPrefix("3 s: 600 spans/s in"))
        let lines = DemoTable.lines(snapshot(), since: earlier)
        #expect(lines.contains { $0.contains("by errors") && $0.hasSuffix("10.0 %") })
        #expect(lines.contains { $0.contains("sent to jaeger") && $0.contains("1 requests queued (4.0 KiB)") })
    }

    @Test func aBlockIsRedrawnInPlace() {
        var block = TerminalBlock()
        #expect(block.redraw(["a", "b"]) == "a\nb\n")
        #expect(block.redraw(["c"]) == "\u{1b}[2F\u{1b}[Jc\n")
    }
}

import ReportText
import Testing

@testable import LoadTools

@Suite struct SizingTests {
    private let mebibyte = 1_048_576.0

    /// The measured points of Benchmarks/README.md, from the formula: resident / window bytes.
    @Test(arguments: [
        // 40,000/s for 10 s, one and two workers: 1.34 and 1.37 were measured
        (40_000.0, 10.0, 1.34, 1.50),
        // flat out for 4 s, 2.05 and 2.47 million/s: 1.10 and 1.14 were measured
        (2_050_000.0, 4.0, 1.10, 1.18), (2_470_000.0, 4.0, 1.10, 1.18),
    ])
    func agreesWithTheBenchmarks(rate: Double, wait: Double, low: Double, high: Double) {
        var input = SizingInput(spansPerSecond: rate, decisionWait: wait)
        input.nodes = 1
        input.destinations = 0
        let plan = SizingPlan(input)
        let ratio = (plan.node.heldBytes - SizingFigures.workingBytes) / plan.windowBytes
        #expect(ratio >= low && ratio <= high, "\(ratio)")
    }

    @Test func theWindowIsRateTimesWaitTimesSize() {
        let plan = SizingPlan(SizingInput(spansPerSecond: 40_000, decisionWait: 10))
        #expect(plan.windowSpans == 400_000)
        #expect(plan.windowBytes == 178_000_000)
        #expect(plan.nodes == 2)
        #expect(plan.fits)
        #expect(plan.node.spansPerSecond == 40_000, "the other one may be away")
    }

    @Test func smallSpansCostMoreThanTheirBytes() {
        let factor = SizingPlan.windowFactor(spanBytes: 445, spansPerTrace: 8)
        #expect(abs(factor - 1.14) < 0.005)
        #expect(SizingPlan.windowFactor(spanBytes: 128, spansPerTrace: 2) > 1.8)
        #expect(SizingPlan.windowFactor(spanBytes: 4096, spansPerTrace: 100) < 1.02)
    }

    @Test func oneNodeFewerWouldNotFit() throws {
        for rate in [100_000.0, 700_000, 3_000_000] {
            for wait in [5.0, 30, 60] {
                var input = SizingInput(spansPerSecond: rate, decisionWait: wait)
                let plan = SizingPlan(input)
                #expect(plan.fits && plan.nodes >= 2)
                #expect(plan.node.memoryBytes <= input.nodeBytes && plan.node.processors <= input.nodeProcessors)
                if plan.nodes > 2 {
                    input.nodes = plan.nodes - 1
                    #expect(!SizingPlan(input).fits, "\(rate) \(wait)")
                }
            }
        }
    }

    @Test func memoryLeavesRoomBelowTheLimiter() {
        let node = SizingPlan(SizingInput(spansPerSecond: 40_000, decisionWait: 10)).node
        #expect(abs(node.memoryBytes * 0.6 - node.heldBytes) < 1)
        #expect(node.heldBytes > node.windowBytes + node.queueBytes)
    }

    @Test func aClusterAndGzipCostProcessors() {
        var input = SizingInput(spansPerSecond: 100_000, decisionWait: 10)
        input.nodes = 1
        let one = SizingPlan(input).node.busyProcessors
        #expect(abs(one - 0.106) < 1e-9)
        input.isGzip = true
        #expect(abs(SizingPlan(input).node.busyProcessors - 0.169) < 1e-9)
        input.isGzip = false
        input.nodes = 2
        #expect(abs(SizingPlan(input).node.busyProcessors - one * 2.53) < 1e-9)
    }

    @Test func anOutageFillsTheQueue() {
        var input = SizingInput(spansPerSecond: 10_000, decisionWait: 10)
        input.spanBytes = 1000
        input.kept = 0.1
        input.outage = 60
        input.nodes = 1
        #expect(SizingPlan(input).node.queueBytes == 10_000 * 1000 * 0.1 * 60 * 1.25)
        input.outage = 0
        #expect(SizingPlan(input).node.queueBytes == 0)
    }

    @Test func whatDoesNotFitSaysSo() {
        var input = SizingInput(spansPerSecond: 1e10, decisionWait: 3600)
        let plan = SizingPlan(input)
        #expect(!plan.fits && plan.nodes == 1000)
        #expect(plan.text.contains("does not hold this"))
        input = SizingInput(spansPerSecond: 1_000_000, decisionWait: 30)
        input.nodes = 1
        #expect(SizingPlan(input).text.contains("take 7 nodes") || SizingPlan(input).text.contains("nodes, larger ones"))
    }

    @Test func nonsenseIsNamed() {
        #expect(SizingInput(spansPerSecond: 1, decisionWait: 0.001).problems.isEmpty)
        #expect(SizingInput(spansPerSecond: 0, decisionWait: 10).problems == ["--spans-per-second must be 1 ... 10000000000"])
        #expect(SizingInput(spansPerSecond: .nan, decisionWait: 10).problems.count == 1)
        var input = SizingInput(spansPerSecond: 1, decisionWait: 0.0009)
        input.kept = 1.01
        input.nodes = 0
        #expect(input.problems.count == 3)
    }

    @Test func textAndJSONSayTheSame() {
        let plan = SizingPlan(SizingInput(spansPerSecond: 40_000, decisionWait: 10))
        #expect(plan.text.hasPrefix("40,000 spans/s of 445 bytes, decided after 10 s, 12.0 % kept\n"))
        #expect(plan.text.contains("400,000 (169.8 MiB)"))
        #expect(plan.json.rendered().contains("\"window_bytes\": 178000000"))
    }
}

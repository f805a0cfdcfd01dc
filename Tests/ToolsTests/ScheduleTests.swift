import ReportText
import Histogram
import OTLP
import Testing

@testable import LoadTools

@Suite struct ScheduleTests {
    @Test func anOpenLoopKeepsItsDueTimesThroughAStall() {
        var schedule = ArrivalSchedule(mode: .rate(10), start: 1000, nanoseconds: 1_000_000_000, maximumInFlight: 4)
        #expect(schedule.next(now: 0, inFlight: 0) == .wait(until: 1000))
        #expect(schedule.next(now: 1000, inFlight: 0) == .send(due: 1000))
        #expect(schedule.next(now: 1000, inFlight: 1) == .wait(until: 100_001_000))
        // Nothing is asked for half a second: five are due, at their own times.
        #expect(schedule.overdue(now: 500_001_000) == 5)
        for number in 1...3 {
            #expect(
                schedule.next(now: 500_001_000, inFlight: number)
                    == .send(due: 1000 + Int64(number) * 100_000_000))
        }
        #expect(schedule.next(now: 500_001_000, inFlight: 4) == .full)
        #expect(schedule.next(now: 1_500_000_000, inFlight: 0) == .send(due: 400_001_000))
        for _ in 5...9 { _ = schedule.next(now: 1_500_000_000, inFlight: 0) }
        #expect(schedule.next(now: 1_500_000_000, inFlight: 0) == .finished)
    }

    @Test func anOpenLoopGivesUpAfterTwiceItsTime() {
        var schedule = ArrivalSchedule(mode: .rate(10), start: 0, nanoseconds: 1_000_000_000, maximumInFlight: 4)
        #expect(schedule.next(now: 2_000_000_000, inFlight: 0) == .finished)
    }

    @Test func aClosedLoopSendsWhatItMay() {
        var schedule = ArrivalSchedule(mode: .asFastAsPossible, start: 10, nanoseconds: 100, maximumInFlight: 2)
        #expect(schedule.next(now: 5, inFlight: 0) == .wait(until: 10))
        #expect(schedule.next(now: 20, inFlight: 1) == .send(due: 20))
        #expect(schedule.next(now: 20, inFlight: 2) == .full)
        #expect(schedule.next(now: 110, inFlight: 0) == .finished)
    }

    @Test func reportsCountTheMeasuredTimeOnly() {
        var recorder = LoadRecorder(measuredFrom: 1000)
        recorder.accepted(due: 999, now: 2000, spans: 5, bytes: 50)
        recorder.accepted(due: 1000, now: 2_001_000, spans: 7, bytes: 70)
        recorder.refused(status: .unavailable)
        recorder.retried()
        recorder.unanswered(spans: 3, bytes: 30)
        var merged = LoadRecorder(measuredFrom: 1000)
        merged.merge(recorder)
        let report = LoadReport(
            recorder: merged, wantedSpansPerSecond: 10, measuredSeconds: 2, processorSeconds: 0.5, seed: 3,
            settings: [("endpoint", "a\"b")])
        #expect(report.achievedSpansPerSecond == 3.5)
        #expect(report.recorder.latencies.totalCount == 1)
        #expect(report.everythingAccepted)
        #expect(report.text.contains("1 times UNAVAILABLE"))
        #expect(report.recorder.unanswered == LoadRecorder.Counts(requests: 1, spans: 3, bytes: 30))
        #expect(report.text.contains("1 requests; their 3 spans may be there twice"))
        let json = report.json.rendered()
        #expect(json.contains("\"UNAVAILABLE\": 1"))
        #expect(json.contains("\"endpoint\": \"a\\\"b\""))
    }

    @Test func figuresReadWell() {
        #expect(Figures.grouped(Int64(-1_234_567)) == "-1,234,567")
        #expect(Figures.grouped(Int64(123)) == "123")
        #expect(Figures.fixed(1.005, 1) == "1.0")
        #expect(Figures.fixed(-0.04, 1) == "0.0")
        #expect(Figures.fixed(2.5, 0) == "3")
        #expect(Figures.bytes(1536) == "1.5 KiB")
        #expect(Figures.milliseconds(1_234_000_000) == "1234")
        #expect(GRPCStatusCode(named: "unavailable") == .unavailable)
        #expect(GRPCStatusCode(named: "16") == .unauthenticated)
        #expect(GRPCStatusCode(named: "nope") == nil)
    }
}

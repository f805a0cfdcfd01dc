import ConfigTree
import Foundation
import OTLP
@testable import PolicyTools
import ReportText
import Sampling
import TestSupport
import Testing

/// Plans: the figures are counts, the same for every order of files, and add up.
@Suite struct PlanTests {
    static let errors = "[{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]"
    static let slow = "[{name: slow, type: latency, latency: {threshold_ms: 1000}}, {name: never, type: span_count, span_count: {min_spans: 99}}]"

    static func input(_ text: String, _ label: String) throws -> PlanReplay.Input {
        let found = try policies(text)
        return PlanReplay.Input(label: label, policies: try #require(found.compiled(problems: ConfigProblems())), settings: found.settings)
    }

    static func plan(_ current: String, _ candidate: String, _ requests: [[UInt8]], examples: Int = 5) throws -> PlanReport {
        var replay = PlanReplay(current: try input(current, "a"), candidate: try input(candidate, "b"), examples: examples, maximumBytes: 256 << 20)
        for request in requests { try replay.take(request.span) }
        return replay.finish()
    }

    static func trace(_ number: Int) -> TraceID { TraceID(high: UInt64(number) &* 0x9e37_79b9_7f4a_7c15, low: UInt64(number) + 1) }

    /// A hundred traces: every tenth fails, every fourth is slow; each has a second span in another service.
    static let requests: [[UInt8]] = (0..<100).flatMap { number in
        let start = UInt64(number) * 100
        return [
            Encode.request(trace(number), service: "shop", start: start, duration: number % 4 == 0 ? 1500 : 10),
            Encode.request(trace(number), service: "db", name: "query", start: start + 1, isError: number % 10 == 0, isRoot: false),
        ]
    }

    @Test func counts() throws {
        let report = try Self.plan(Self.errors, Self.slow, Self.requests)
        #expect(report.total.traces == 100 && report.total.spans == 200)
        #expect(report.current.kept.traces == 10 && report.current.kept.spans == 20)
        #expect(report.candidate.kept.traces == 25)
        // Multiples of 20 are both.
        #expect(report.keptByBoth.traces == 5 && report.newlyKept.traces == 20 && report.newlyDropped.traces == 5)
        #expect(report.keptByNeither.traces == 70)
        #expect(report.candidate.policies.map(\.matched.traces) == [25, 0])
        #expect(report.candidate.policies.map(\.decided.traces) == [25, 0])
        #expect(report.candidate.policies[0].alone.traces == 25)
        #expect(report.candidate.unused.map(\.name) == ["never"])
        #expect(report.services.map(\.name).sorted() == ["db", "shop"])
        #expect(report.services.allSatisfy { $0.total.spans == 100 && $0.current.spans == 10 && $0.candidate.spans == 25 })
        #expect(report.operations.map(\.name) == ["shop GET /"])
        #expect(report.keptExamples.count == 5 && report.keptExamples.allSatisfy { $0.policy == "slow" && $0.milliseconds == 1500 })
        #expect(report.droppedExamples.count == 5 && report.droppedExamples.allSatisfy { $0.policy == "errors" && $0.hasError })
        #expect(report.moments.reduce(0) { $0 + $1.total } == 200)
        #expect(report.remarks == [])
    }

    /// Whatever the recording, every trace is in one of four groups, and spans and bytes are those of the traces.
    @Test(arguments: 0..<10)
    func sumsAreClosed(seed: Int) throws {
        var random = SeededGenerator(UInt64(seed))
        let requests = (0..<2000).map { _ in
            let number = Int.random(in: 0..<400, using: &random)
            return Encode.request(
                Self.trace(number), service: "s\(Int.random(in: 0..<5, using: &random))", name: "op\(number % 7)",
                start: UInt64(number) * 300 + UInt64.random(in: 0..<200, using: &random), duration: UInt64.random(in: 1...2000, using: &random),
                isError: Bool.random(using: &random), isRoot: Bool.random(using: &random))
        }
        let report = try Self.plan("settings: {decision_wait: 2s}\npolicies: \(Self.errors)", "[{name: p, type: probabilistic, probabilistic: {sampling_percentage: 30}}]", requests)
        let sum = report.keptByBoth + report.newlyKept + report.newlyDropped + report.keptByNeither
        #expect(sum == report.total)
        #expect(report.current.kept + report.current.notSampled + report.current.dropped == report.total)
        #expect(report.candidate.kept == report.keptByBoth + report.newlyKept)
        #expect(report.services.reduce(0) { $0 + $1.total.spans } == report.total.spans)
        #expect(report.services.reduce(0) { $0 + $1.candidate.bytes } == report.candidate.kept.bytes)
    }

    /// The limiter sees the recording's time: twice the time, twice the traces.
    @Test(arguments: [(10, 120), (20, 220)])
    func eventTime(every: Int, kept: Int) throws {
        let requests = (0..<1000).map { Encode.request(Self.trace($0), start: UInt64($0 * every)) }
        let report = try Self.plan(Self.errors, "[{name: rate, type: rate_limiting, rate_limiting: {spans_per_second: 10, burst_capacity: 20}}]", requests)
        #expect(abs(report.candidate.kept.traces - kept) <= 2, "\(report.candidate.kept.traces)")
    }

    /// A span that comes after the decision follows it, and is counted with it.
    @Test func lateSpans() throws {
        let early = [Encode.request(Self.trace(1), start: 0, isError: true), Encode.request(Self.trace(2), start: 1)]
        let late = [Encode.request(Self.trace(1), start: 60_000), Encode.request(Self.trace(2), start: 60_001, isError: true)]
        let report = try Self.plan(Self.errors, Self.errors, early + late)
        #expect(report.total.traces == 2 && report.total.spans == 4)
        #expect(report.current.kept == report.candidate.kept)
        #expect(report.current.kept.traces == 1 && report.current.kept.spans == 2)
        #expect(report.keptByNeither.spans == 2)
    }

    /// One sender with a wrong clock does not push all others into the future.
    @Test func wrongClock() throws {
        var requests = Self.requests
        requests.insert(Encode.request(Self.trace(5000), start: 400_000_000), at: 50)
        let report = try Self.plan(Self.errors, "[{name: rate, type: rate_limiting, rate_limiting: {spans_per_second: 20, burst_capacity: 40}}]", requests)
        #expect(report.total.traces == 101)
        #expect(report.candidate.kept.traces > 90, "decided in their own time")
        #expect(report.remarks.contains { $0.contains("far ahead") })
        // A gap that all agree on is one.
        let gap = Self.requests + (0..<50).map { Encode.request(Self.trace($0 + 1000), start: 400_000_000 + UInt64($0) * 10, isError: true) }
        let after = try Self.plan(Self.errors, Self.errors, gap)
        #expect(after.current.kept.traces == 60)
        #expect(after.recordedSeconds > 390_000)
    }

    @Test func filesAreMergedByTime() throws {
        let halves = [Self.requests.enumerated().filter { $0.offset % 4 < 2 }.map(\.element), Self.requests.enumerated().filter { $0.offset % 4 >= 2 }.map(\.element)]
        var rest = halves.map { $0.flatMap { Encode.varint(UInt64($0.count)) + $0 } }
        func file(_ number: Int) -> PlanInputs.File {
            PlanInputs.File(path: "f\(number)", next: {
                defer { rest[number] = [] }
                return rest[number]
            })
        }
        var inputs = PlanInputs([file(1), file(0)], transcode: { _ in [] })
        var found: [[UInt8]] = []
        while try inputs.next({ request, _ in found.append(request.indices.map { request[$0] }) }) {}
        #expect(found == Self.requests)
    }

    @Test func memoryIsBounded() throws {
        // Caches take half of it; spans are not held, so it takes many traces.
        var replay = PlanReplay(current: try Self.input(Self.errors, "a"), candidate: try Self.input(Self.slow, "b"), maximumBytes: 18 << 20)
        for number in 0..<30_000 { try replay.take(Encode.request(Self.trace(number), start: 1).span) }
        let report = replay.finish()
        #expect(report.total.traces == 30_000)
        #expect(report.keptByNeither.traces == 30_000)
        #expect(report.remarks.contains { $0.contains("decided early") })
    }

    @Test func malformedRequestsAreErrors() throws {
        var replay = PlanReplay(current: try Self.input(Self.errors, "a"), candidate: try Self.input(Self.slow, "b"), maximumBytes: 64 << 20)
        var isRefused = false
        do { try replay.take([0x0a, 0x05, 0x00].span) } catch { isRefused = true }
        #expect(isRefused)
        #expect(replay.finish().total.spans == 0)
    }

    // MARK: output

    @Test func outputs() throws {
        var requests = Self.requests
        requests.append(Encode.request(Self.trace(900), service: "<script>alert(1)</script>", name: "a & \"b\"", start: 10_000, isError: true))
        var report = try Self.plan(Self.errors, Self.slow, requests)
        report.files = ["sample.jsonl"]
        let text = PlanText(report, style: .plain, rows: 20).text()
        for part in ["201 spans in 101 traces", "newly kept 20", "newly dropped 6", "Never matched: `never` of the candidate set", "Services", "shop"] {
            #expect(text.contains(part), "\(part) is not in\n\(text)")
        }
        #expect(!text.contains("\u{1b}"))
        #expect(text.split(separator: "\n", omittingEmptySubsequences: false).allSatisfy { !$0.hasSuffix(" ") })
        let page = PlanPage(report, version: "1").html()
        #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
        #expect(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"))
        for outside in ["http://", "https://", "src=", "@import", "url("] { #expect(!page.contains(outside), "\(outside) fetches something") }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json().rendered().utf8)) as? [String: Any])
        let traces = try #require(object["traces"] as? [String: [String: Int]])
        #expect(traces["newly_kept"]?["traces"] == 20)
    }

    @Test func axesHaveRoundMarks() {
        for (least, step) in [(0.0, 1.0), (0.03, 0.05), (1, 1), (1.01, 2), (2.1, 2.5), (2.6, 5), (3068, 5000), (12_345, 20_000), (1e9, 1e9)] {
            #expect(abs(PlanPage.niceStep(least) - step) < step * 1e-9, "\(least): \(PlanPage.niceStep(least))")
        }
        for (end, step) in [(0.5, 0.2), (4, 1), (15.4, 2), (60, 10), (600, 120), (3600, 600), (86_400, 14_400), (864_000, 172_800)] as [(Double, Double)] {
            #expect(abs(PlanPage.timeStep(end) - step) < 1e-9, "\(end): \(PlanPage.timeStep(end))")
        }
    }

    @Test func theTimelineIsLabelledInRates() throws {
        let report = try Self.plan(Self.errors, Self.slow, Self.requests)
        let page = PlanPage(report, version: "1").html()
        for part in ["spans/s</text>", "time since the recording began", "class=\"area candidate\"", "data-tip=\"after "] {
            #expect(page.contains(part), "\(part) is missing")
        }
    }

    @Test func explanation() throws {
        let json = #"{"trace_id":"0af7651916cd43dd8448eb211c80319c","state":"sampled","spans":3,"bytes":900,"root_seen":true,"policy_version":4,"decided_by":"errors","policies":[{"name":"errors","verdict":"sampled","because":[{"condition":"status is ERROR","span_id":"00f067aa0ba902b7","service":"shop","value":2}]},{"name":"rest"}],"late_spans":0}"#
        let found = try JSONDecoder().decode(TraceExplanation.self, from: Data(json.utf8))
        let text = found.text(.plain)
        for part in ["kept by errors", "3 spans", "status is ERROR (2)  shop, span 00f067aa0ba902b7", "not asked", "version 4"] {
            #expect(text.contains(part), "\(part) is not in\n\(text)")
        }
    }
}

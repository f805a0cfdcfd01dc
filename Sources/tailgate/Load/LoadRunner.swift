internal import ReportText
import LoadTools
import NIOCore
import NIOPosix
import Synchronization

/// Runs a load over its lanes and gathers the report.
final class LoadRunner: Sendable {
    let plan: LoadPlan
    let catalog: TrafficCatalog
    let progress = LoadProgress()
    private let group: MultiThreadedEventLoopGroup
    /// The lanes while they run.
    private let lanes = Mutex<[(loop: any EventLoop, bound: NIOLoopBound<LoadLane>)]>([])

    init(plan: LoadPlan, settings: TrafficSettings) {
        catalog = TrafficCatalog(settings: settings)
        group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, min(plan.threads, plan.connections)))
        self.plan = plan
    }

    /// Begins no further traces. May be called at any time, and repeatedly.
    func stop() {
        for lane in lanes.withLock({ $0 }) { lane.loop.execute { lane.bound.value.stop() } }
    }

    /// Runs until the time is over, or until ``stop()``, and everything is answered. Call once.
    func run() async throws -> LoadReport {
        let start = MonotonicClock.now() + 50_000_000
        let unixOffset = WallClock.now() - MonotonicClock.now()
        let processorStart = ProcessorClock.seconds()
        let loops = Array(group.makeIterator())
        let results = loops.enumerated().map { index, loop in
            loop.flatSubmit { [self] in
                let lane = LoadLane(
                    loop: loop, plan: plan, catalog: catalog, lane: index, lanes: loops.count, start: start,
                    unixOffset: unixOffset, progress: progress)
                let bound = NIOLoopBound(lane, eventLoop: loop)
                self.lanes.withLock { $0.append((loop, bound)) }
                return lane.run()
            }
        }
        let all = try await EventLoopFuture.whenAllSucceed(results, on: loops[0]).get()
        let processor = ProcessorClock.seconds() - processorStart
        lanes.withLock { $0 = [] }
        try await group.shutdownGracefully()
        let measuredFrom = start + plan.warmUpNanoseconds
        var recorder = LoadRecorder(measuredFrom: measuredFrom)
        for result in all { recorder.merge(result.recorder) }
        let lastAnswer = all.map(\.lastAnswer).max() ?? measuredFrom
        // A run that was stopped early ends with its last answer.
        let planned = measuredFrom + plan.runNanoseconds
        let end = lastAnswer < planned - 1_000_000_000 ? lastAnswer : max(lastAnswer, planned)
        return LoadReport(
            recorder: recorder, wantedSpansPerSecond: plan.spansPerSecond,
            measuredSeconds: Double(max(0, end - measuredFrom)) / 1e9, processorSeconds: processor,
            seed: catalog.settings.seed, settings: settingsText)
    }

    private var settingsText: [(String, String)] {
        let traffic = catalog.settings
        return [
            ("endpoint", plan.endpoints.map { "\($0.host):\($0.port)" }.joined(separator: ",")),
            ("protocol", plan.speaks.rawValue),
            ("tls", plan.tls == nil ? "off" : "on"),
            ("connections", "\(plan.connections)"),
            ("in_flight", "\(plan.inFlight)"),
            ("threads", "\(plan.threads)"),
            ("gzip", plan.gzipLevel.map { "level \($0)" } ?? "off"),
            ("spans_per_request", "\(catalog.spansPerRequest)"),
            ("bytes_per_request", Figures.fixed(catalog.bytesPerRequest, 0)),
            ("spans_per_trace", "\(traffic.spansPerTrace)"),
            ("requests_per_trace", "\(traffic.requestsPerTrace)"),
            ("span_bytes", "\(traffic.spanBytes)"),
            ("error_percent", "\(traffic.errorPercent)"),
            ("slow_percent", "\(traffic.slowPercent)"),
            ("templates", "\(traffic.templates)"),
        ]
    }
}

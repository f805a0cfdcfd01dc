import LoadTools
import NIOCore
import NIOPosix

/// Runs a load over its lanes and gathers the report.
struct LoadRunner: Sendable {
    let plan: LoadPlan
    let catalog: TrafficCatalog
    let progress = LoadProgress()
    private let group: MultiThreadedEventLoopGroup

    init(plan: LoadPlan, settings: TrafficSettings) {
        self.plan = plan
        catalog = TrafficCatalog(settings: settings)
        group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, min(plan.threads, plan.connections)))
    }

    /// Runs until the time is over and everything is answered, or until `stop` succeeds.
    func run(stop: EventLoopFuture<Void>? = nil) async throws -> LoadReport {
        let start = MonotonicClock.now() + 50_000_000
        let unixOffset = WallClock.now() - MonotonicClock.now()
        let processorStart = ProcessorClock.seconds()
        let lanes = Array(group.makeIterator())
        let results = lanes.enumerated().map { index, loop in
            loop.flatSubmit { [plan, catalog, progress] in
                let lane = LoadLane(
                    loop: loop, plan: plan, catalog: catalog, lane: index, lanes: lanes.count, start: start,
                    unixOffset: unixOffset, progress: progress)
                let bound = NIOLoopBound(lane, eventLoop: loop)
                stop?.hop(to: loop).whenSuccess { bound.value.stop() }
                // The lane lives as long as its result is awaited.
                return lane.run().map { result in
                    _ = bound
                    return result
                }
            }
        }
        let all = try await EventLoopFuture.whenAllSucceed(results, on: lanes[0]).get()
        let processor = ProcessorClock.seconds() - processorStart
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
            ("endpoint", "\(plan.host):\(plan.port)"),
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

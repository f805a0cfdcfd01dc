import Foundation
import Gateway
import LoadTools
import NativeCore
import Telemetry

/// Reads a running node's figures for the demo.
struct DemoNode: Sendable {
    let gateway: Gateway
    let began: Int64

    func look() async -> DemoSnapshot {
        let node = await gateway.snapshot()
        let list = gateway.metrics
        let values = node.metrics
        var seen = DemoSnapshot(ledger: node.ledger)
        seen.seconds = Double(MonotonicClock.now() - began) / 1e9
        seen.refusedSpans = list.receivers.reduce(0) { $0 + values.value(of: $1.refusedSpans) }
        seen.tracesInWindow = values.value(of: list.sampling.windowTraces)
        seen.windowBytes = values.value(of: list.sampling.windowBytes)
        seen.residentBytes = Self.residentBytes
        seen.sampledTraces = values.value(of: list.sampling.tracesByDecision.sampled)
        seen.notSampledTraces = values.value(of: list.sampling.tracesByDecision.notSampled)
        seen.droppedTraces = values.value(of: list.sampling.tracesByDecision.dropped)
        seen.sampledByPolicy = zip(DemoConfiguration.policies, list.policies).map {
            ($0, values.value(of: $1.traces.sampled))
        }
        seen.queues = list.destinations.map {
            DemoSnapshot.Queue(requests: values.value(of: $0.queueSize), bytes: values.value(of: $0.queueBytes))
        }
        return seen
    }

    /// Of this process: the node, the load and both sinks.
    private static var residentBytes: Int {
        guard let bytes = try? RegularFile.read("/proc/self/statm", limit: 4096) else { return 0 }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }
}

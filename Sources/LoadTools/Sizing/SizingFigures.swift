/// The measured figures that `tailgate size` and `Deploy/SIZING.md` calculate with. All of them stand here, each with its source:
/// `Benchmarks/README.md`, two cores of an AMD EPYC shared with load and sinks, spans of 445 bytes, 8 in a trace.
package enum SizingFigures {
    // MARK: memory

    /// Bytes that a node holds without any span: program 30 MiB, decision caches 8, tables 8, heap 10 ("Results").
    package static let fixedBytes = 56.0 * 1_048_576
    /// Bytes held beside a span's own: its record's header and its share of group headers and of segments that are not full.
    /// With `bytesPerTrace` the 1.14 bytes held per byte of spans of the micro-benchmark: (1.14 - 1) x 445 - 128 / 8.
    package static let bytesPerSpan = 46.0
    /// Bytes of a trace that is not decided yet: summary, place in the index and in the decision wheel.
    package static let bytesPerTrace = 128.0
    /// Bytes that a queue holds per byte of kept spans: requests as they were assembled, and their gzip form beside them.
    package static let queueFactor = 1.25
    /// Bytes for batches being assembled and requests under way.
    package static let workingBytes = 64.0 * 1_048_576

    // MARK: processors

    /// CPU-seconds per million spans at 40,000 spans/s with two workers, the dearest of the measured points (flat out: 0.62).
    package static let cpuSecondsPerMillion = 1.06
    /// CPU-seconds that gzip in requests adds per million spans (1.54 at 100,000/s against 0.91).
    package static let gzipSecondsPerMillion = 0.63
    /// What a span costs in a cluster of three, against one node: 1.55 at 100,000/s in all against 0.61. Flat out it is 1.31.
    package static let clusterFactor = 2.53

    // MARK: what should stay free

    /// Share of the memory from which on clients are refused: `memory_limiter` with `limit_percentage: 75` refuses 20 % below
    /// its limit.
    package static let refusedFrom = 0.75 * 0.8
    /// Share of a processor that may be busy, so that bursts and decisions find room.
    package static let busyAtMost = 0.6
}

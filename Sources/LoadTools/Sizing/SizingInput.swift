/// The traffic that a cluster is to take, and what its nodes may be made of.
package struct SizingInput: Sendable, Equatable {
    /// At the peak, over the whole cluster.
    package var spansPerSecond: Double
    /// Seconds from a trace's first span to its decision.
    package var decisionWait: Double
    /// Mean bytes of a span on the wire (protobuf, uncompressed).
    package var spanBytes = 445.0
    package var spansPerTrace = 8.0
    /// Share of the spans that is sampled, 0...1.
    package var kept = 0.12
    /// Destinations that get every kept span.
    package var destinations = 1
    /// Seconds for which a destination may be away without a loss.
    package var outage = 30.0
    /// Whether clients compress their requests.
    package var isGzip = false
    /// nil: as many as are needed of `nodeProcessors` and `nodeBytes`.
    package var nodes: Int?
    package var nodeProcessors = 2.0
    package var nodeBytes = 4.0 * 1_073_741_824

    package init(spansPerSecond: Double, decisionWait: Double) {
        self.spansPerSecond = spansPerSecond
        self.decisionWait = decisionWait
    }

    /// What makes no sense, in words with the names of the command's options; empty if nothing.
    package var problems: [String] {
        let ranges: [(String, Double, ClosedRange<Double>)] = [
            ("--spans-per-second", spansPerSecond, 1...1e10), ("--decision-wait", decisionWait, 0.001...86_400),
            ("--span-bytes", spanBytes, 16...1_048_576), ("--spans-per-trace", spansPerTrace, 1...1e6),
            ("--kept", kept * 100, 0...100), ("--destinations", Double(destinations), 0...64),
            ("--outage", outage, 0...86_400), ("--nodes", Double(nodes ?? 1), 1...1000),
            ("--node-cpus", nodeProcessors, 0.1...1024), ("--node-memory", nodeBytes / 1_073_741_824, 0.25...16_384),
        ]
        return ranges.compactMap { name, value, range in
            range.contains(value) ? nil : "\(name) must be \(Self.plain(range.lowerBound)) ... \(Self.plain(range.upperBound))"
        }
    }

    private static func plain(_ value: Double) -> String {
        value == value.rounded() ? "\(Int64(value))" : "\(value)"
    }
}

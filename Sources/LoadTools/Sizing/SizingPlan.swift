internal import ReportText

/// What a cluster needs for its traffic: `Deploy/SIZING.md` as a function. Pure; the figures are those of `SizingFigures`.
///
/// Nodes are counted so that the cluster still holds everything while one of them is away (a node that restarts, or dies);
/// only a single node has none to spare. Memory and processors are those of a node in that situation.
package struct SizingPlan: Sendable, Equatable {
    package let input: SizingInput
    /// Spans that wait for a decision, in the whole cluster.
    package let windowSpans: Double
    /// Their bytes as they came.
    package let windowBytes: Double
    package let nodes: Int
    /// Nodes among which the work is divided while one is away.
    package var sharing: Int { max(1, nodes - 1) }
    /// A node's part, while one node is away.
    package let node: Node
    /// False if `nodes` was given and a node of that size can't hold its part.
    package let fits: Bool

    /// What one node holds and does.
    package struct Node: Sendable, Equatable {
        package let spansPerSecond: Double
        /// Undecided spans with all that is held beside them.
        package let windowBytes: Double
        /// For the spans of an outage of a destination.
        package let queueBytes: Double
        /// All that it holds: window, queue, work under way, what is there without spans.
        package let heldBytes: Double
        /// Memory that it must have, so that it refuses no one while it holds that.
        package let memoryBytes: Double
        /// Processors that are busy.
        package let busyProcessors: Double
        /// Processors that it must have, so that bursts find room.
        package let processors: Double
        /// Bytes of spans a second in, uncompressed; of those that it forwards to other nodes, the same once more at most.
        package let receivedBytesPerSecond: Double
        package let sentBytesPerSecond: Double
    }

    /// - Precondition: `input.problems` is empty.
    package init(_ input: SizingInput) {
        self.input = input
        windowSpans = input.spansPerSecond * input.decisionWait
        windowBytes = windowSpans * input.spanBytes
        if let nodes = input.nodes {
            self.nodes = nodes
        } else {
            self.nodes = Self.fewestNodes(input)
        }
        node = Self.node(input, nodes: nodes)
        fits = Self.fits(node, input)
    }

    /// Bytes held in the window per byte of spans.
    package static func windowFactor(spanBytes: Double, spansPerTrace: Double) -> Double {
        1 + (SizingFigures.bytesPerSpan + SizingFigures.bytesPerTrace / spansPerTrace) / spanBytes
    }

    private static func node(_ input: SizingInput, nodes: Int) -> Node {
        let spans = input.spansPerSecond / Double(max(1, nodes - 1))
        let bytes = spans * input.spanBytes
        let window = bytes * input.decisionWait * windowFactor(spanBytes: input.spanBytes, spansPerTrace: input.spansPerTrace)
        let queue = input.destinations > 0 ? bytes * input.kept * input.outage * SizingFigures.queueFactor : 0
        let held = SizingFigures.fixedBytes + SizingFigures.workingBytes + window + queue
        var cost = SizingFigures.cpuSecondsPerMillion + (input.isGzip ? SizingFigures.gzipSecondsPerMillion : 0)
        if nodes > 1 { cost *= SizingFigures.clusterFactor }
        let busy = spans / 1e6 * cost
        return Node(
            spansPerSecond: spans, windowBytes: window, queueBytes: queue, heldBytes: held,
            memoryBytes: held / SizingFigures.refusedFrom, busyProcessors: busy, processors: busy / SizingFigures.busyAtMost,
            receivedBytesPerSecond: bytes, sentBytesPerSecond: bytes * input.kept * Double(input.destinations))
    }

    private static func fits(_ node: Node, _ input: SizingInput) -> Bool {
        node.memoryBytes <= input.nodeBytes && node.processors <= input.nodeProcessors
    }

    /// The fewest nodes of the given size that hold it all with one of them away: two at least. What does not depend on the
    /// number of nodes may fill a node alone; then a thousand are as good as two, and `fits` says so.
    private static func fewestNodes(_ input: SizingInput) -> Int {
        var low = 2
        var high = 1000
        guard fits(node(input, nodes: high), input) else { return high }
        while low < high {
            let middle = (low + high) / 2
            if fits(node(input, nodes: middle), input) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

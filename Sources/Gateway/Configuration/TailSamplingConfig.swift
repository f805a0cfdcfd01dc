package import ConfigTree
internal import Sampling

/// `processors.tail_sampling[/name]`.
package struct TailSamplingConfig: Sendable, Equatable {
    package var id: ComponentID
    /// From a trace's first span to its decision. Default 30 s. Exact, where the Collector cuts to whole seconds.
    package var decisionWait: Int64 = 30_000_000_000
    /// A root span may move the decision to this long after itself, never later. 0 is off.
    package var decisionWaitAfterRootReceived: Int64 = 0
    /// The policies as written, for the module that compiles them.
    package var policies: [ConfigNode] = []
    /// Where `policies` stands, as the start of the policies' own key paths: `processors.tail_sampling.policies`.
    package var policiesKeyPath = ""
    /// Entries of the cache of sampled trace ids. Nil if the key is absent: then the cache is on, in a size that the node
    /// chooses (the Collector's is off). 0 is off.
    package var sampledCacheSize: Int?
    /// The same for traces that were not sampled or were dropped.
    package var nonSampledCacheSize: Int?
    package var sampleOnFirstMatch = false
    /// True: a stopping node throws undecided traces away, instead of deciding them early.
    package var dropPendingTracesOnShutdown = false
    /// A key of Tailgate's own, `drain_timeout`: how long a stopping node keeps waiting for windows to end before it
    /// decides the rest early. Default 0: at once, as the Collector does.
    package var drainTimeout: Int64 = 0
    /// Accepted, without effect here; for the report at start.
    package var numTraces: Int?
    /// Accepted, without effect here.
    package var expectedNewTracesPerSecond: Int?

    /// Every value at its default, without policies.
    package init(id: ComponentID) { self.id = id }
}

extension TailSamplingConfig {
    private static let longestWait: Int64 = 24 * 3_600_000_000_000
    private enum Strategy: String, CaseIterable {
        case traceComplete = "trace-complete"
        case spanIngest = "span-ingest"
    }

    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        let ofFile = ConfigProblems()
        let document = Self.policyFile(&reader, ofFile)
        decisionWait = reader.duration("decision_wait", default: decisionWait, in: 1_000_000...Self.longestWait)
        decisionWaitAfterRootReceived = reader.duration(
            "decision_wait_after_root_received", default: 0, in: 0...Self.longestWait)
        numTraces = reader.ignoredCount("num_traces")
        expectedNewTracesPerSecond = reader.ignoredCount("expected_new_traces_per_sec")
        readPolicies(&reader, document, ofFile)
        if var cache = reader.map("decision_cache") {
            sampledCacheSize = cache.cacheSize("sampled_cache_size")
            nonSampledCacheSize = cache.cacheSize("non_sampled_cache_size")
            cache.finish()
        }
        sampleOnFirstMatch = reader.bool("sample_on_first_match", default: false)
        dropPendingTracesOnShutdown = reader.bool("drop_pending_traces_on_shutdown", default: false)
        drainTimeout = reader.duration("drain_timeout", default: 0, in: 0...Self.longestWait)
        refuseWhatIsMissing(&reader)
        reader.finish()
    }

    private func refuseWhatIsMissing(_ reader: inout ConfigReader) {
        if reader.bool("block_on_overflow", default: false) {
            reader.error(
                "`block_on_overflow: true` is not in Tailgate yet: when memory is short, new requests are refused so that clients retry",
                key: "block_on_overflow")
        }
        if reader.oneOf("sampling_strategy", default: Strategy.traceComplete) == .spanIngest {
            reader.error("`span-ingest` is not in Tailgate yet; `trace-complete` is", key: "sampling_strategy")
        }
        if reader.integer("maximum_trace_size_bytes", default: 0, in: 0...(.max)) > 0 {
            reader.error(
                "a limit of a trace's size is not in Tailgate yet; leave the key out, or write 0",
                key: "maximum_trace_size_bytes")
        }
        reader.notSupported(["tail_storage"], because: "spans wait in memory; leave the key out")
    }

    private mutating func readPolicies(
        _ reader: inout ConfigReader, _ document: PolicyDocument?, _ ofFile: ConfigProblems
    ) {
        policiesKeyPath = reader.path(of: "policies")
        if let document {
            _ = reader.node("policies")
            policies = document.policies
            for problem in ofFile.all { reader.problems.add(problem) }
        } else {
            policies = reader.list("policies")
        }
        if policies.isEmpty, !reader.problems.hasErrors {
            reader.warning("there are no policies, so no trace is sampled", key: "policies")
        }
    }

    /// A policy file in the place of the list of policies: its policies, and its settings where the block itself says nothing.
    private static func policyFile(_ reader: inout ConfigReader, _ problems: ConfigProblems) -> PolicyDocument? {
        guard let node = reader.keys.first(where: { $0.key == "policies" })?.value, case .map = node.value else { return nil }
        let file = PolicyDocument(node, keyPath: reader.path(of: "policies"), problems: problems)
        let added = file.settings.filter { setting in !reader.has(setting.key) }
        let merged = ConfigNode(.map(reader.keys + added), at: reader.position)
        reader = ConfigReader(merged, keyPath: reader.keyPath, problems: reader.problems)
        return file
    }
}

extension ConfigReader {
    /// A count that the Collector needs and Tailgate does not.
    fileprivate mutating func ignoredCount(_ key: String) -> Int? {
        guard has(key) else {
            _ = node(key)
            return nil
        }
        let value = integer(key, default: 0, in: 0...(.max))
        warning("has no effect here: Tailgate bounds its memory in bytes (`memory_limiter`), not in traces", key: key)
        return value
    }

    /// Nil if absent; a negative size is off, as in the Collector.
    fileprivate mutating func cacheSize(_ key: String) -> Int? {
        let size = integer(key, default: -1, in: 0...Int(UInt32.max))
        return size < 0 ? nil : size
    }
}

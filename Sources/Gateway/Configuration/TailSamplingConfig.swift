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
    /// Traces that may wait for their decision, over all workers. Nil if the key is absent: as many as memory takes.
    package var numTraces: Int?
    /// Beyond `numTraces`, requests are refused; otherwise the oldest traces are decided early.
    package var blockOnOverflow = false
    /// Accepted, without effect here.
    package var expectedNewTracesPerSecond: Int?
    /// `sampling_strategy: span-ingest`: every part of a trace is judged by itself as it comes.
    package var isSpanIngest = false
    /// A trace whose spans have more bytes than this is not sampled. 0 is off.
    package var maximumTraceSizeBytes = 0
    /// A key of Tailgate's own, `record_policy`: kept spans say on their scope which policy kept them.
    package var recordPolicy = false
    /// A key of Tailgate's own, `decision_records`: decisions whose reasons the node remembers. 0 is off.
    package var decisionRecords = 20_000
    /// A key of Tailgate's own, `shadow_policies`: asked beside the policies, without effect on what is kept.
    package var shadowPolicies: [ConfigNode] = []
    package var shadowPoliciesKeyPath = ""
    /// The policy file that stands in the place of the list, with its tests; nil for a plain list.
    package var policyDocument: ConfigNode?
    /// Documents with tests of their own, live before shadow.
    package var policyDocuments: [ConfigNode] { [policyDocument, shadowPolicyDocument].compactMap { $0 } }
    package var shadowPolicyDocument: ConfigNode?

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
        let document = readPolicyFile(&reader, ofFile)
        decisionWait = reader.duration("decision_wait", default: decisionWait, in: 1_000_000...Self.longestWait)
        decisionWaitAfterRootReceived = reader.duration(
            "decision_wait_after_root_received", default: 0, in: 0...Self.longestWait)
        readTraceLimit(&reader)
        readPolicies(&reader, document, ofFile)
        if var cache = reader.map("decision_cache") {
            sampledCacheSize = cache.cacheSize("sampled_cache_size")
            nonSampledCacheSize = cache.cacheSize("non_sampled_cache_size")
            cache.finish()
        }
        sampleOnFirstMatch = reader.bool("sample_on_first_match", default: false)
        dropPendingTracesOnShutdown = reader.bool("drop_pending_traces_on_shutdown", default: false)
        drainTimeout = reader.duration("drain_timeout", default: 0, in: 0...Self.longestWait)
        isSpanIngest = reader.oneOf("sampling_strategy", default: Strategy.traceComplete) == .spanIngest
        maximumTraceSizeBytes = reader.integer("maximum_trace_size_bytes", default: 0, in: 0...(.max))
        recordPolicy = reader.bool("record_policy", default: false)
        decisionRecords = reader.integer("decision_records", default: decisionRecords, in: 0...10_000_000)
        readShadowPolicies(&reader)
        reader.notSupported(["tail_storage"], because: "spans wait in memory; leave the key out")
        reader.finish()
    }

    private mutating func readTraceLimit(_ reader: inout ConfigReader) {
        if reader.has("num_traces") {
            let count = reader.integer("num_traces", default: 0, in: 0...Int(UInt32.max))
            // As in the Collector, 0 behaves like 1.
            numTraces = max(1, count)
            reader.warning(
                "Tailgate bounds its memory in bytes (`memory_limiter`) and needs no limit of traces; this one is kept: beyond it the oldest traces are decided early, on the spans that have come. Leave it out unless you want that",
                key: "num_traces")
        } else {
            _ = reader.node("num_traces")
        }
        expectedNewTracesPerSecond = reader.ignoredCount("expected_new_traces_per_sec")
        blockOnOverflow = reader.bool("block_on_overflow", default: false)
        if blockOnOverflow && numTraces == nil {
            reader.warning(
                "without `num_traces` there is no limit of traces to block at; when memory is short, requests are refused in any case",
                key: "block_on_overflow")
        }
    }

    private mutating func readShadowPolicies(_ reader: inout ConfigReader) {
        shadowPoliciesKeyPath = reader.path(of: "shadow_policies")
        if let node = reader.node("shadow_policies"), case .map = node.value {
            shadowPolicyDocument = node
            // Its settings are those of the policies in force.
            let file = PolicyDocument(node, keyPath: shadowPoliciesKeyPath, problems: reader.problems)
            shadowPolicies = file.policies
        } else {
            shadowPolicies = reader.list("shadow_policies")
        }
        if isSpanIngest && !shadowPolicies.isEmpty {
            reader.error(
                "shadow policies judge complete traces, which `sampling_strategy: span-ingest` does not wait for; leave one of them out",
                key: "shadow_policies")
        }
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
    private mutating func readPolicyFile(_ reader: inout ConfigReader, _ problems: ConfigProblems) -> PolicyDocument? {
        guard let node = reader.keys.first(where: { $0.key == "policies" })?.value, case .map = node.value else { return nil }
        policyDocument = node
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
        warning("has no effect and is not needed: tables grow with the load", key: key)
        return value
    }

    /// Nil if absent; a negative size is off, as in the Collector.
    fileprivate mutating func cacheSize(_ key: String) -> Int? {
        let size = integer(key, default: -1, in: 0...Int(UInt32.max))
        return size < 0 ? nil : size
    }
}

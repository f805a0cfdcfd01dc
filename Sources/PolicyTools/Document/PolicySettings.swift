package import ConfigTree

/// The settings of a `tail_sampling` block that change what is decided. Times in nanoseconds.
package struct PolicySettings: Sendable, Equatable {
    /// From a trace's first span to its decision. Default 30 s, as in the Collector.
    package var decisionWait: Int64 = 30_000_000_000
    /// A root span may move the decision to this long after itself; 0: it does not.
    package var decisionWaitAfterRootReceived: Int64 = 0
    package var sampleOnFirstMatch = false
    /// Entries of the decision caches; nil: the node's default.
    package var sampledCacheSize: Int?
    package var notSampledCacheSize: Int?
    /// Where keys of these settings stand, for messages.
    package var keyPath = ""

    /// Every value at its default.
    package init() {}

    /// The other keys that a `tail_sampling` block may have: they say how a node works, not what it decides on a trace.
    package static let otherKeys = [
        "num_traces", "expected_new_traces_per_sec", "drop_pending_traces_on_shutdown", "drain_timeout",
        "block_on_overflow", "sampling_strategy", "maximum_trace_size_bytes", "tail_storage", "record_policy",
        "shadow_policies", "decision_records",
    ]

    /// Reads the keys that matter here; the node itself checks all of them.
    package init(_ entries: [ConfigEntry], at position: SourcePosition, keyPath: String, problems: ConfigProblems) {
        self.keyPath = keyPath
        var reader = ConfigReader(ConfigNode(.map(entries), at: position), keyPath: keyPath, problems: problems)
        let longest: Int64 = 24 * 3_600_000_000_000
        decisionWait = reader.duration("decision_wait", default: decisionWait, in: 1_000_000...longest)
        decisionWaitAfterRootReceived = reader.duration(
            "decision_wait_after_root_received", default: 0, in: 0...longest)
        sampleOnFirstMatch = reader.bool("sample_on_first_match", default: false)
        if var cache = reader.map("decision_cache") {
            let largest = Int(UInt32.max)
            let sampled = cache.integer("sampled_cache_size", default: -1, in: 0...largest)
            let notSampled = cache.integer("non_sampled_cache_size", default: -1, in: 0...largest)
            sampledCacheSize = sampled < 0 ? nil : sampled
            notSampledCacheSize = notSampled < 0 ? nil : notSampled
            cache.finish()
        }
        for key in ["policies"] + Self.otherKeys { _ = reader.node(key) }
        reader.finish()
    }
}
